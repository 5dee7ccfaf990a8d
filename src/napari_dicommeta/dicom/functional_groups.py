"""The attributes of each frame of a multi-frame file (PS3.3 section C.7.6.16), read with pydicom and given as texts.

Enhanced images keep position, rescale, windows and dimensions in functional groups, shared by all frames or with one
item per frame. RT dose files give the positions of their planes by *Grid Frame Offset Vector*.
"""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

from napari_dicommeta.dicom.values import numbers, shortest
from napari_dicommeta.support.errors import FunctionalGroupsError
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

__all__ = ["GROUPS", "GROUP_OF", "frame_keyword", "read_frame_texts"]

GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
GROUP_OF = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "ConvolutionKernel": "CTReconstructionSequence",
}
"""Keyword -> the functional group that holds it in enhanced images (PS3.3 section C.7.6.16.2)."""

# How deep nested sequences are read. Deeper items do not describe the frame as a whole.
_DEPTH = 3
_NUMBERS = ("DS", "IS", "FD", "FL")
_RENAMED = {"EffectiveEchoTime": "EchoTime", "TemporalPositionIndex": "TemporalPositionIdentifier"}
"""Keywords of enhanced images -> those of single-frame images with the same meaning."""


def frame_keyword(tag: str) -> str:
    """Return the keyword that `read_frame_texts` uses for a path such as "…Sequence.EffectiveEchoTime"."""
    keyword = tag.rpartition(".")[2]
    return _RENAMED.get(keyword, keyword)


def read_frame_texts(path: str, count: int) -> list[dict[str, str]]:
    """Return keyword -> text for each of the `count` frames of the file at `path`, from its functional groups.

    Texts are written as in a catalog, components joined by backslashes. A frame's own item takes precedence over the
    shared groups; a frame without an item has the shared values only. A file without functional groups gives empty
    dictionaries, or the plane positions of an RT dose (PS3.3 section C.8.8.3.2). Elements that pydicom cannot read
    are left out.

    Raises
    ------
    FunctionalGroupsError
        If the file or its functional groups cannot be read.
    """
    from pydicom import dcmread

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings carry values of the file
        try:
            dataset = dcmread(path, stop_before_pixels=True, force=True)
            return _frames(dataset, count)
        except OSError as error:
            raise FunctionalGroupsError(f"cannot be read: {error.strerror or type(error).__name__}") from error
        except Exception as error:  # pydicom raises many kinds for broken files
            log_fault("reading functional groups", error, logging.DEBUG)
            raise FunctionalGroupsError(f"its functional groups cannot be read: {type(error).__name__}") from error


def _frames(dataset: Dataset, count: int) -> list[dict[str, str]]:
    shared: dict[str, str] = {}
    for item in dataset.get("SharedFunctionalGroupsSequence") or ():
        shared |= dict(_texts(item, _DEPTH))
    frames = [dict(shared) for _ in range(count)]
    for frame, item in zip(frames, dataset.get("PerFrameFunctionalGroupsSequence") or (), strict=False):
        frame |= dict(_texts(item, _DEPTH))
    if not shared and "GridFrameOffsetVector" in dataset:
        for frame, position in zip(frames, _dose_positions(dataset), strict=False):
            frame["ImagePositionPatient"] = position
    return frames


def _texts(dataset: Dataset, depth: int) -> Iterator[tuple[str, str]]:
    """Yield (keyword, text) of the standard elements of a data set and of the first items of its sequences."""
    for tag in sorted(dataset.keys()):
        if tag.is_private:
            continue
        try:
            element = dataset[tag]
            keyword, value = str(element.keyword), element.value
        except Exception as error:  # noqa: BLE001  keep the other elements
            log_fault("reading an element of a functional group", error, logging.DEBUG)
            continue
        if element.VR == "SQ":
            if depth and value and keyword not in ("ReferencedImageSequence", "SourceImageSequence"):
                yield from _texts(value[0], depth - 1)
        elif keyword:
            text = _text(value)
            if element.VR in _NUMBERS:
                text = "\\".join(shortest(part) or part for part in text.split("\\"))
            yield _RENAMED.get(keyword, keyword), text


def _text(value: Any) -> str:
    from pydicom.multival import MultiValue

    if value is None:
        return ""
    if isinstance(value, (list, tuple, MultiValue)):
        return "\\".join(_text(component) for component in value)
    return repr(value) if type(value) is float else str(value).strip()


def _dose_positions(dataset: Dataset) -> Iterator[str]:
    """Yield the position of each plane of a dose grid.

    Offsets count from the first plane if the first offset is 0; otherwise they are z in the patient.
    """
    position = numbers(_text(dataset.get("ImagePositionPatient")), 3)
    orientation = numbers(_text(dataset.get("ImageOrientationPatient")), 6)
    offsets = numbers(_text(dataset.get("GridFrameOffsetVector")))
    if position is None or orientation is None or not offsets:
        return
    a, b, c, d, e, f = orientation
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    for offset in offsets:
        distance = offset if offsets[0] == 0 else (offset - offsets[0]) * normal[2]
        yield "\\".join(repr(p + n * distance) for p, n in zip(position, normal, strict=True))
