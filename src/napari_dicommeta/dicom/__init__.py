"""One DICOM file: its elements, values, windows, tables and pixels."""
