"""What every package may use; it knows no DICOM."""
