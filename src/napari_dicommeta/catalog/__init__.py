"""Many files as columns: counts, conditions, selections, storage."""
