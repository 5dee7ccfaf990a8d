"""Whole-slide files: tiles with values that name their place, in full and sparse organization."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from dicom_factory import EXPLICIT, ROOT, UNDEFINED, Raw, dicom

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
SPACING = [0.0005, 0.00025]


def slide_content(tiles: np.ndarray, matrix: tuple[int, int], **changes: Any) -> dict[str, Any]:
    """Return the elements of a slide of `tiles`, shape (n, rows, columns) or with colors last; None removes one."""
    bits = tiles.dtype.itemsize * 8
    is_color = tiles.ndim == 4
    stored = tiles.tobytes()
    content: dict[str, Any] = {
        "SOPClassUID": WHOLE_SLIDE,
        "SOPInstanceUID": f"{ROOT}.7.1",
        "Modality": "SM",
        "SeriesDescription": "Slide",
        "StudyInstanceUID": f"{ROOT}.5",
        "SeriesInstanceUID": f"{ROOT}.6",
        "FrameOfReferenceUID": f"{ROOT}.8",
        "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        "InstanceNumber": 1,
        "Rows": tiles.shape[1],
        "Columns": tiles.shape[2],
        "SamplesPerPixel": 3 if is_color else 1,
        "PlanarConfiguration": 0 if is_color else None,
        "PhotometricInterpretation": "RGB" if is_color else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
        "NumberOfFrames": len(tiles),
        "DimensionOrganizationType": "TILED_FULL",
        "TotalPixelMatrixRows": matrix[0],
        "TotalPixelMatrixColumns": matrix[1],
        "SharedFunctionalGroupsSequence": [{"PixelMeasuresSequence": [{"PixelSpacing": SPACING}]}],
        "PixelData": Raw("OW", stored + b"\0" * (len(stored) % 2)),
    }
    content.update(changes)
    return {key: value for key, value in content.items() if value is not None}


def slide(tiles: np.ndarray, matrix: tuple[int, int], transfer_syntax: str = EXPLICIT, **changes: Any) -> bytes:
    return dicom(slide_content(tiles, matrix, **changes), transfer_syntax)


def sparse(
    tiles: np.ndarray,
    matrix: tuple[int, int],
    places: list[tuple[int, int]],
    frames: list[dict] | None = None,
    **changes: Any,
) -> bytes:
    """Return a TILED_SPARSE slide; `places`: 1-based row and column of each tile, `frames`: further groups of each."""
    items = []
    for n, (row, column) in enumerate(places):
        more = dict((frames or [{}] * len(places))[n])
        z = more.pop("z", 0.0)
        place = {
            "RowPositionInTotalImagePixelMatrix": row,
            "ColumnPositionInTotalImagePixelMatrix": column,
            "ZOffsetInSlideCoordinateSystem": z,
        }
        items.append({"PlanePositionSlideSequence": [place], **more})
    changes = {"DimensionOrganizationType": "TILED_SPARSE", "PerFrameFunctionalGroupsSequence": items, **changes}
    return slide(tiles, matrix, **changes)


def optical_path(identifier: str) -> dict[str, Any]:
    """Return the group of a frame that names its optical path."""
    return {"OpticalPathIdentificationSequence": [{"OpticalPathIdentifier": identifier}]}


def cut(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return the tiles of an image (j, i[, 3]) in TILED_FULL order, edge tiles filled with 7."""
    down, across = -(-image.shape[0] // rows), -(-image.shape[1] // columns)
    padded = np.full((down * rows, across * columns, *image.shape[2:]), 7, image.dtype)
    padded[: image.shape[0], : image.shape[1]] = image
    return np.stack(
        [padded[r * rows : (r + 1) * rows, c * columns : (c + 1) * columns] for r in range(down) for c in range(across)]
    )


def picture(shape: tuple[int, ...], seed: int = 0, dtype: str = "u1") -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 250, shape).astype(dtype)


def encapsulated_with_table(frames: list[bytes], table: str) -> dict[str, Any]:
    """Return the elements of encapsulated pixel data with a "basic", an "extended" or "no" offset table."""
    fragments = [
        struct.pack("<HHL", 0xFFFE, 0xE000, len(one) + len(one) % 2) + one + b"\0" * (len(one) % 2) for one in frames
    ]
    offsets = [0, *np.cumsum([len(one) for one in fragments]).tolist()][:-1]
    basic = struct.pack(f"<{len(offsets)}L", *offsets) if table == "basic" else b""
    value = struct.pack("<HHL", 0xFFFE, 0xE000, len(basic)) + basic + b"".join(fragments)
    content: dict[str, Any] = {"PixelData": Raw("OB", value + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0), UNDEFINED)}
    if table == "extended":
        content["ExtendedOffsetTable"] = Raw("OV", struct.pack(f"<{len(offsets)}Q", *offsets))
        content["ExtendedOffsetTableLengths"] = Raw("OV", struct.pack(f"<{len(frames)}Q", *map(len, frames)))
    return content
