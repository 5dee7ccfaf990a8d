"""Findings: consequences of tags, volumes and pixels for preprocessing."""
