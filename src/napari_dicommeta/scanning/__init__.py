"""Scan folders, files and URLs into a catalog."""
