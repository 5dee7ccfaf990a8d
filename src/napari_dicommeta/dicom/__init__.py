"""One DICOM file: its elements, values, windows, lookup tables and pixels."""
