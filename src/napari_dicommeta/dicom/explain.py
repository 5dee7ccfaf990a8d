"""What a tag means for the pixels, in plain words, with its section of the Standard (PS3.3 unless named)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_dicommeta.dicom.tags import TagPath

__all__ = ["EXPLAINED", "explanation"]

EXPLAINED: dict[str, tuple[str, str]] = {
    # values
    "RescaleSlope": ("modality value = stored value × slope + intercept; may differ from slice to slice", "C.11.1.1.2"),
    "RescaleIntercept": ("modality value = stored value × slope + intercept; -1024 is usual for CT", "C.11.1.1.2"),
    "RescaleType": ("the unit after slope and intercept: HU, OD, or US for unspecified, which is not HU", "C.11.1.1.2"),
    "ModalityLUTSequence": ("a table from stored to modality values, in place of slope and intercept", "C.11.1"),
    "Units": ("the unit of PET values after the rescale, BQML for Bq/ml", "C.8.9.1"),
    "DoseGridScaling": ("dose = stored value × this, in the Dose Units", "C.8.8.3"),
    "DoseUnits": ("GY, or RELATIVE to a prescribed dose", "C.8.8.3"),
    "PixelPaddingValue": ("the stored value of pixels outside the image: exclude it from statistics", "C.7.5.1.1.2"),
    "PixelPaddingRangeLimit": (
        "with Pixel Padding Value, the ends of the range of stored values that are padding",
        "C.7.5.1.1.2",
    ),
    "PixelRepresentation": ("0: stored values are unsigned, 1: signed in two's complement", "C.7.6.3.1"),
    "BitsAllocated": ("the bits that a stored sample takes", "C.7.6.3.1"),
    "BitsStored": ("the bits of a sample that hold its value; those above are undefined", "C.7.6.3.1"),
    "HighBit": ("the highest bit of the value, normally Bits Stored - 1", "C.7.6.3.1"),
    "SmallestImagePixelValue": ("the smallest stored value of the image, often out of date", "C.7.6.3"),
    "LargestImagePixelValue": ("the largest stored value of the image, often out of date", "C.7.6.3"),
    "SamplesPerPixel": ("1: gray or palette, 3: color", "C.7.6.3.1.1"),
    "PhotometricInterpretation": (
        "what samples mean: gray (MONOCHROME1 shows low values bright), RGB, YBR or palette",
        "C.7.6.3.1.2",
    ),
    "PlanarConfiguration": ("0: colors pixel by pixel, 1: plane by plane", "C.7.6.3.1.3"),
    "LossyImageCompression": (
        "01: the pixels were lossily compressed at some time, even if they no longer are",
        "C.7.6.1.1.5",
    ),
    "LossyImageCompressionRatio": ("how much smaller lossy compression made the image", "C.7.6.1.1.5"),
    "TransferSyntaxUID": ("how the file is encoded, and its pixels compressed", "PS3.5 section 10"),
    # display
    "WindowCenter": (
        "the value in the middle of the gray scale, after the rescale; with Window Width, a preset",
        "C.11.2.1.2",
    ),
    "WindowWidth": ("the span of values from black to white; at least 1 for LINEAR", "C.11.2.1.2"),
    "WindowCenterWidthExplanation": ("the presets' names, in the order of centers and widths", "C.11.2.1.2"),
    "VOILUTFunction": ("how a window maps values: LINEAR, LINEAR_EXACT or SIGMOID", "C.11.2.1.3"),
    "VOILUTSequence": ("tables for display, alternatives to the windows", "C.11.2.1.1"),
    "PresentationLUTShape": ("INVERSE shows low values bright", "C.11.6"),
    # place
    "ImagePositionPatient": (
        "the position of the first pixel's center in the patient, mm: slices are ordered by it",
        "C.7.6.2.1.1",
    ),
    "ImageOrientationPatient": ("the directions of a row and of a column in the patient", "C.7.6.2.1.1"),
    "PixelSpacing": ("mm between rows, then between columns", "10.7.1.3"),
    "ImagerPixelSpacing": ("mm at the detector, not in the patient", "10.7.1.3"),
    "SliceThickness": ("the thickness of the slab, not the distance between slices", "C.7.6.2.1"),
    "SpacingBetweenSlices": ("mm from slice to slice as the scanner states it; positions are more reliable", "C.7.6.2"),
    "SliceLocation": ("a relative position, for people; not for ordering", "C.7.6.2.1.2"),
    "GantryDetectorTilt": ("degrees; positions and orientation are a more reliable sign of a tilt", "C.8.2.1"),
    "FrameOfReferenceUID": ("images that share it lie in one patient space", "C.7.4.1"),
    "PatientPosition": ("how the patient lay: HFS is head first, supine", "C.7.3.1.1.2"),
    "Rows": ("pixels from top to bottom", "C.7.6.3.1"),
    "Columns": ("pixels from left to right", "C.7.6.3.1"),
    "NumberOfFrames": ("images in one file", "C.7.6.6"),
    "InstanceNumber": ("the image's number in its series, not its order in space", "C.7.6.1"),
    "TemporalPositionIdentifier": ("the time point of an image in a dynamic series", "C.8.3.1"),
    "AcquisitionNumber": ("which pass of the scanner the image comes from", "C.7.6.1"),
    # technique
    "ImageType": ("ORIGINAL or DERIVED, PRIMARY or SECONDARY, then what kind: AXIAL, LOCALIZER, M, P …", "C.7.6.1.1.2"),
    "Modality": ("what made the image", "C.7.3.1.1.1"),
    "KVP": ("the tube's peak voltage in kV: HU of bone and contrast agent depend on it", "C.8.2.1"),
    "XRayTubeCurrent": ("mA; more current, less noise; may be modulated from slice to slice", "C.8.2.1"),
    "ExposureTime": ("ms", "C.8.2.1"),
    "Exposure": ("mAs", "C.8.2.1"),
    "ConvolutionKernel": (
        "the reconstruction filter: sharp kernels enhance noise and edges, so check before you mix kernels",
        "C.8.2.1",
    ),
    "ReconstructionDiameter": ("the field of view, mm", "C.8.2.1"),
    "ContrastBolusAgent": ("the contrast agent that was given", "C.7.6.4"),
    "Manufacturer": ("the maker of the device", "C.7.5.1"),
    "ManufacturerModelName": ("the model of the device", "C.7.5.1"),
    "MagneticFieldStrength": ("tesla; MR intensities at different field strengths are not comparable", "C.8.3.1"),
    "EchoTime": ("ms; with several echoes a series holds several volumes", "C.8.3.1"),
    "RepetitionTime": ("ms from one excitation to the next", "C.8.3.1"),
    "FlipAngle": ("degrees", "C.8.3.1"),
    "DiffusionBValue": ("s/mm²: the diffusion weighting, several in one series", "C.8.13.5.9"),
    # identity
    "SOPInstanceUID": ("the globally unique identifier of this image", "C.12.1"),
    "SeriesInstanceUID": ("the identifier shared by all images of a series", "C.7.3.1"),
    "StudyInstanceUID": ("the identifier shared by all series of a study", "C.7.2.1"),
    "SpecificCharacterSet": ("how text in this file is encoded", "C.12.1.1.2"),
}


def explanation(path: TagPath) -> str:
    """Return a sentence on the innermost tag of `path` and the section that defines it; "" if it is not explained."""
    entry = EXPLAINED.get(path.keyword) if not path.is_private else None
    if entry is None:
        return ""
    text, section = entry
    return f"{text} · {section if section.startswith('PS3') else f'PS3.3 {section}'}"
