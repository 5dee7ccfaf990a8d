"""Series -> volumes: layout, geometry, rescale, lazy arrays, notes."""
