"""Read the functional groups of a file with pydicom: slowly, but whatever pydicom can read of an unusual file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dicommeta.dicom.datasets import open_dataset
from napari_dicommeta.dicom.frame_columns import ColumnBuilder
from napari_dicommeta.dicom.frame_places import DETECTOR, TOP_TAGS
from napari_dicommeta.dicom.group_values import (
    RENAMED,
    UNREAD,
    Spec,
    UnusualError,
    joined_text,
    private_text,
    spec_of,
)
from napari_dicommeta.dicom.group_walk import DEPTH
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

__all__ = ["read_groups_with_pydicom"]


def read_groups_with_pydicom(path: str, count: int) -> tuple[ColumnBuilder, dict[str, str]]:
    """Return the texts of the functional groups of `count` frames, and keyword -> text of `TOP_TAGS`.

    Raises
    ------
    Exception
        Of many kinds, if pydicom cannot read the file.
    """
    with open_dataset(path, stop_before_pixels=True) as dataset:
        return _frames(dataset, count), _tops(dataset)


def _frames(dataset: Dataset, count: int) -> ColumnBuilder:
    builder = ColumnBuilder(count)
    charset = _charset(dataset, b"")
    for item in dataset.get("SharedFunctionalGroupsSequence") or ():
        for keyword, text in _texts(item, DEPTH, charset):
            builder.share(keyword, text)
    items = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    builder.described = min(count, len(items))
    for frame, item in zip(range(count), items, strict=False):
        for keyword, text in dict(_texts(item, DEPTH, charset)).items():
            builder.store(keyword, np.array([frame]), text)
    return builder


def _tops(dataset: Dataset) -> dict[str, str]:
    tops = {}
    for tag, keyword in TOP_TAGS.items():
        if tag in dataset:
            try:
                tops[keyword] = joined_text(dataset[tag].value, dataset[tag].VR)
            except Exception as error:
                if "GridFrameOffsetVector" in dataset:  # a dose would silently be without places
                    raise
                log_fault("reading an element beside functional groups", error, logging.DEBUG)
    detectors = dataset.get(DETECTOR)
    if detectors:
        for keyword, text in _texts(detectors[0], 0, b""):
            tops[f"{DETECTOR}.{keyword}"] = text
    return tops


def _texts(dataset: Dataset, depth: int, charset: bytes, in_private: bool = False) -> Iterator[tuple[str, str]]:
    """Yield (keyword, text) of the elements of a data set and of the first items of its sequences."""
    charset = _charset(dataset, charset)
    for tag in sorted(dataset.keys()):
        try:
            if tag.is_private:
                yield from _private(dataset, tag, depth, charset)
                continue
            element = dataset[tag]
            keyword, value = str(element.keyword), element.value
        except Exception as error:  # noqa: BLE001  keep the other elements
            log_fault("reading an element of a functional group", error, logging.DEBUG)
            continue
        if element.VR == "SQ":
            if depth and value and keyword not in UNREAD:
                yield from _texts(value[0], depth - 1, charset, in_private)
        elif keyword and not in_private:
            yield RENAMED.get(keyword, keyword), joined_text(value, element.VR)


def _private(dataset: Dataset, tag: BaseTag, depth: int, charset: bytes) -> Iterator[tuple[str, str]]:
    """Yield (tag, text) of a private element, or of the private elements in its first item."""
    element: Any = dataset.get_item(tag)
    creator = _bytes(dataset, tag >> 16 << 16 | (tag & 0xFFFF) >> 8).decode("latin-1").strip()[:64]
    vr = str(element.VR or "")
    try:
        spec: Spec = spec_of(int(tag), vr.encode(), creator)
    except UnusualError:
        return
    if spec.is_sequence:
        items = dataset[tag].value
        if depth and items:
            yield from _texts(items[0], depth - 1, charset, True)
    elif spec.keyword and isinstance(element.value or b"", bytes):
        little = getattr(element, "is_little_endian", True)
        yield spec.keyword, private_text(spec, element.value or b"", charset, little)


def _charset(dataset: Dataset, parent: bytes) -> bytes:
    return _bytes(dataset, 0x00080005) or parent


def _bytes(dataset: Dataset, tag: int) -> bytes:
    """Return the stored bytes of a text, without padding; b"" if it is absent."""
    if tag not in dataset:
        return b""
    value: Any = dataset.get_item(tag).value
    raw = value if isinstance(value, bytes) else joined_text(value, "").encode("latin-1", "replace")
    return raw.rstrip(b"\0 ")
