"""Volumes of DICOM series: layout, geometry, rescale, lazy arrays and notes."""
