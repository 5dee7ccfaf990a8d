"""The attributes of each frame of a multi-frame file (PS3.3 section C.7.6.16), given as texts.

Enhanced images keep position, rescale, windows and dimensions in functional groups, shared by all frames or with one
item per frame. RT dose files give the positions of their planes by *Grid Frame Offset Vector*, and NM files number
their frames by vectors. Usual files are read from their bytes, unusual ones with pydicom. Results are cached.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

import numpy as np

from napari_dicommeta.dicom.frame_columns import FrameColumns, FrameValues
from napari_dicommeta.dicom.frame_places import FRAME_TAGS_AT_TOP, FRAMES_TAG_AT_TOP, add_places, copies_of
from napari_dicommeta.dicom.group_bytes import read_group_bytes
from napari_dicommeta.dicom.group_pydicom import read_groups_with_pydicom
from napari_dicommeta.dicom.group_values import RENAMED, UnusualError
from napari_dicommeta.files.opening import file_key
from napari_dicommeta.support.errors import FunctionalGroupsError, HeaderError
from napari_dicommeta.support.log import log_fault

__all__ = [
    "FRAMES_TAG_AT_TOP",
    "FRAME_TAGS_AT_TOP",
    "GROUPS",
    "GROUP_OF",
    "FrameColumns",
    "frame_keyword",
    "read_frame_columns",
    "read_frame_texts",
]

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

MAX_CACHED_FILES, MAX_CACHED_BYTES = 16, 64 << 20
_Key = tuple[str, int, int, int]


class _Cache:
    """Keep the values of the files that were read last, bounded by their number and by their memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, tuple[FrameValues, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: _Key) -> FrameValues | None:
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: _Key, values: FrameValues) -> None:
        size = values.nbytes()
        if size > MAX_CACHED_BYTES:
            return
        with self._lock:
            self._bytes += size - self._kept.pop(key, (values, 0))[1]
            self._kept[key] = values, size
            while len(self._kept) > MAX_CACHED_FILES or self._bytes > MAX_CACHED_BYTES:
                self._bytes -= self._kept.popitem(last=False)[1][1]

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = 0


_cache = _Cache()


def frame_keyword(tag: str) -> str:
    """Return the keyword that `read_frame_texts` uses for a path such as "…Sequence.EffectiveEchoTime"."""
    keyword = tag.rpartition(".")[2]
    return RENAMED.get(keyword, keyword)


def read_frame_columns(path: str, count: int) -> FrameColumns:
    """Return the texts of the `count` frames of the file at `path`, by keyword.

    Texts are written as in a catalog, components joined by backslashes. A frame's own item takes precedence over the
    shared groups; a frame without an item has the shared values only (PS3.3 section C.7.6.16). Of nested sequences the
    first item is read. Elements that cannot be read are left out. These texts are computed or copied:

    * *Image Position (Patient)* of the planes of an RT dose (section C.8.8.3.2);
    * *Image Position (Patient)* and *Image Orientation (Patient)* of the slices of an NM tomography, from its first
      detector, and numbers of frames such as "EnergyWindowNumber", from its vectors (sections C.8.4.8 and C.8.4.15);
    * the same two for an enhanced ultrasound volume without them, from *Image Position (Volume)* and *Image Orientation
      (Volume)* (section C.8.24).

    The texts of private elements are also included, with their tags for keywords. Their creators are not. In private
    sequences, only private elements are read. The result is cached until the file changes.

    Raises
    ------
    FunctionalGroupsError
        If the file or its functional groups cannot be read, or if they do not describe the frames it declares.
    """
    return _values(path, count).frames


def read_frame_texts(path: str, count: int) -> list[dict[str, str]]:
    """Return keyword -> text for each of the `count` frames of the file at `path`, from its functional groups.

    They are those of `read_frame_columns`, without private elements and without places and numbers of NM and ultrasound
    volumes. A file without functional groups gives empty dictionaries, or the plane positions of an RT dose (PS3.3
    section C.8.8.3.2). An element without a value has the text "".

    Raises
    ------
    FunctionalGroupsError
        If the file or its functional groups cannot be read.
    """
    values = _values(path, count)
    shared: dict[str, str] = {}
    varying = []
    for keyword, (texts, codes) in values.frames.columns.items():
        if keyword.startswith("(") or keyword in values.derived:
            continue
        empty = values.empty.get(keyword, False)
        if codes is None and (texts[0] or empty is None):
            shared[keyword] = texts[0]
        else:
            varying.append((keyword, texts, codes, empty))
    frames = [dict(shared) for _ in range(count)]
    for keyword, texts, codes, empty in varying:
        numbers = [0] * count if codes is None else codes.tolist()
        is_empty = empty.tolist() if isinstance(empty, np.ndarray) else [False] * count
        for frame, number, blank in zip(frames, numbers, is_empty, strict=True):
            if texts[number] or blank:
                frame[keyword] = texts[number]
    return frames


def _values(path: str, count: int) -> FrameValues:
    try:
        key = (*file_key(path), count)
        values = _cache.get(key)
        if values is None:
            values = _read(path, count)
            _cache.put(key, values)
    except FunctionalGroupsError:
        raise
    except OSError as error:
        raise FunctionalGroupsError(f"cannot be read: {error.strerror or type(error).__name__}") from error
    except HeaderError as error:
        raise FunctionalGroupsError(f"cannot be read: {error}") from error
    except Exception as error:  # pydicom raises many kinds for broken files
        log_fault("reading functional groups", error, logging.DEBUG)
        raise FunctionalGroupsError(f"its functional groups cannot be read: {type(error).__name__}") from error
    return values


def _read(path: str, count: int) -> FrameValues:
    try:
        builder, tops = read_group_bytes(path, count)
    except UnusualError:
        builder, tops = read_groups_with_pydicom(path, count)
    added = add_places(builder, tops)
    return builder.values(copies_of(builder), added)
