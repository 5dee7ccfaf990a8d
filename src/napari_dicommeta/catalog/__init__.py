"""The elements of many files as columns: counts, conditions, selections and storage."""
