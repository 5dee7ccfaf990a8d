"""What threads do for the dock; no Qt."""
