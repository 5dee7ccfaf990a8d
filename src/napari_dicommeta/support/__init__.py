"""Helpers for every other package; nothing here depends on DICOM."""
