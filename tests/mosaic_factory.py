"""Build Siemens mosaics, with the CSA headers that say how many slices they hold and in which direction."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from dicom_factory import BIG, EXPLICIT, Raw, ct_slice


def csa2(tags: dict[str, list[str]], vm: int = 0) -> bytes:
    """Encode a CSA2 header: an item's second number is its length."""
    out = b"SV10\x04\x03\x02\x01" + struct.pack("<2I", len(tags), 77)
    for name, values in tags.items():
        out += struct.pack("<64si4s3i", name.encode(), vm, b"FD\0\0", 4, len(values), 77)
        for value in values:
            raw = value.encode() + b"\0"
            out += struct.pack("<4i", len(raw), len(raw), 77, len(raw)) + raw + b"\0" * (-len(raw) % 4)
    return out


def csa1(tags: dict[str, list[str]]) -> bytes:
    """Encode a CSA1 header: an item's first number is its length plus the number of items of the first tag."""
    out = struct.pack("<2I", len(tags), 77)
    more = len(next(iter(tags.values())))
    for name, values in tags.items():
        out += struct.pack("<64si4s3i", name.encode(), 0, b"FD\0\0", 4, len(values), 205)
        for value in values:
            raw = value.encode() + b"\0"
            out += struct.pack("<4i", len(raw) + more, 3, 77, 9) + raw + b"\0" * (-len(raw) % 4)
    return out


AXIAL_TAGS = {
    "EchoLinePosition": ["32", "", "7"],
    "NumberOfImagesInMosaic": ["4"],
    "SliceNormalVector": ["0.00000000", "0.00000000", "1.00000000"],
    "MosaicRefAcqTimes": ["0.0", "20.0", "10.0", "30.0"],
}


def siemens(
    path: Path,
    *,
    syntax: str = EXPLICIT,
    image_header: bytes | None = csa2(AXIAL_TAGS),
    series_header: bytes | None = None,
    count: Any = 4,
    vr: tuple[str, str] = ("US", "OB"),
    block: int = 0x10,
    **changes: Any,
) -> str:
    """Write a mosaic of 2 × 2 tiles of 8 × 8 pixels of 3 mm, 4 mm apart, with the private blocks at `block`."""
    order = ">" if syntax == BIG else "<"
    content: dict[str, Any] = {
        "pixels": np.zeros((16, 16), "<u2"),
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"],
        "Modality": "MR",
        "ImagePositionPatient": [-24, -24, 0],
        "PixelSpacing": [3, 3],
        "SliceThickness": 3,
        "SpacingBetweenSlices": 4,
        f"001900{block:02x}": Raw("LO", b"SIEMENS MR HEADER "),
        f"0019{block:02x}0a": None if count is None else Raw(vr[0], struct.pack(order + "H", count)),
        f"002900{block:02x}": Raw("LO", b"SIEMENS CSA HEADER"),
        f"0029{block:02x}10": None if image_header is None else Raw(vr[1], image_header),
        f"0029{block:02x}20": None if series_header is None else Raw(vr[1], series_header),
    }
    path.write_bytes(ct_slice(0, syntax, **(content | changes)))
    return str(path)
