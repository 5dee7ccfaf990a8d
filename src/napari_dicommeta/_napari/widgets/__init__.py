"""The Qt widgets of the dock."""
