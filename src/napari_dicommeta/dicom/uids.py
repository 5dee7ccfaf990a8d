"""The UIDs that this library's decisions depend on (PS3.6 Annex A); pydicom's dictionary names all others."""

from __future__ import annotations

__all__ = [
    "BIG_ENDIAN",
    "CT_IMAGE",
    "DEFLATED",
    "DEFLATED_FRAME",
    "EXPLICIT",
    "HTJ2K",
    "IMPLICIT",
    "JPEG_2000",
    "JPEG_DCT",
    "JPEG_LOSSLESS",
    "JPEG_LS",
    "JPIP",
    "KEY_OBJECTS",
    "LABEL_MAP",
    "LOSSY_CODECS",
    "LOSSY_SYNTAXES",
    "MEDIA_DIRECTORY",
    "MR_IMAGE",
    "NATIVE",
    "PET_IMAGE",
    "PRESENTATION_STATES",
    "REPORTS",
    "RLE",
    "RT_DOSE",
    "RT_STRUCTURE_SET",
    "SECONDARY_CAPTURE",
    "SEGMENTATION",
    "STORAGE",
    "TRANSFER_SYNTAXES",
    "WHOLE_SLIDE",
]

STORAGE = "1.2.840.10008.5.1.4.1.1."
"""The prefix of most storage SOP classes."""
TRANSFER_SYNTAXES = "1.2.840.10008.1.2"
"""The prefix of all transfer syntax UIDs."""

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
NATIVE = frozenset(("", IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED))
"""Transfer syntaxes with uncompressed pixels; "" is a bare data set, which states none."""


def _jpeg(*ends: str) -> frozenset[str]:
    return frozenset(f"1.2.840.10008.1.2.4.{end}" for end in ends)


JPEG_DCT = _jpeg("50", "51", "52", "53", "54", "55", "56")
JPEG_LOSSLESS = _jpeg("57", "58", "70")
JPEG_LS = _jpeg("80", "81")
JPEG_2000 = _jpeg("90", "91", "92", "93")
HTJ2K = _jpeg("201", "202", "203")
JPIP = _jpeg("94", "95", "204", "205")
"""Transfer syntaxes whose pixels are held by a provider, not in the file."""
LOSSY_CODECS = JPEG_DCT | _jpeg("81", "91", "93", "203")
"""Transfer syntaxes that may decode to rounded values; .91, .93 and .203 may be lossless too (PS3.5 section A.4)."""
LOSSY_SYNTAXES = (
    JPEG_DCT
    | _jpeg("59", "60", "61", "62", "63", "64")
    | _jpeg("81", "100", "101", "102", "103", "104", "105", "106", "107", "108")
)
"""Transfer syntaxes that are always lossy, retired processes of JPEG included (PS3.5 section A.4)."""

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
PET_IMAGE = "1.2.840.10008.5.1.4.1.1.128"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""Also the prefix of the multi-frame Secondary Capture SOP classes."""
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
PRESENTATION_STATES = tuple(f"1.2.840.10008.5.1.4.1.1.11.{n}" for n in range(1, 6))
"""Grayscale, color, pseudo-color, blending, and that of XA and XRF."""
REPORTS = "1.2.840.10008.5.1.4.1.1.88."
"""The prefix of the SOP classes of structured reports."""
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
