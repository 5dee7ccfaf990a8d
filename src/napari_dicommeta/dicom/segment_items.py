"""Read the names and colors of the segments of a segmentation (PS3.3 section C.8.20.4)."""

from __future__ import annotations

import logging
from typing import Any

from napari_dicommeta.dicom.datasets import open_dataset
from napari_dicommeta.dicom.slide import rgb_of_lab
from napari_dicommeta.support.log import log_fault

__all__ = ["read_segment_items"]


def read_segment_items(path: str) -> dict[int, tuple[str, tuple[int, int, int] | None]]:
    """Return *Segment Number* -> (*Segment Label*, color of *Recommended Display CIELab Value* as 8-bit sRGB or None).

    It is empty for a file whose *Segment Sequence* cannot be read; an item without a number is left out.
    """
    try:
        with open_dataset(path, stop_before_pixels=True, specific_tags=["SegmentSequence"]) as dataset:
            items = [_item(item) for item in dataset.get("SegmentSequence") or ()]
    except Exception as error:  # noqa: BLE001  pydicom raises many kinds for broken files
        log_fault("reading the segments of a file", error, logging.DEBUG)
        return {}
    return {number: (name, color) for number, name, color in items if number is not None}


def _item(item: Any) -> tuple[int | None, str, tuple[int, int, int] | None]:
    number = item.get("SegmentNumber")
    name = str(item.get("SegmentLabel") or item.get("SegmentDescription") or "").strip()
    lab = item.get("RecommendedDisplayCIELabValue")
    try:
        lightness, a, b = (float(value) for value in lab or ())
    except (TypeError, ValueError):
        return (None if number is None else int(number)), name, None
    return (None if number is None else int(number)), name, rgb_of_lab((lightness, a, b))
