"""Folders, files and URLs -> a catalog."""
