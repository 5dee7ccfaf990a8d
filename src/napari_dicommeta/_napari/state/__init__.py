"""What the dock knows: objects with signals and without a face."""
