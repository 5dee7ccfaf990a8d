"""Files with functional groups for tests, and their columns as plain lists."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from dicom_factory import BIG, EXPLICIT, IMPLICIT, ROOT, UNDEFINED, Raw, data_set, dicom

from napari_dicommeta.dicom import functional_groups
from napari_dicommeta.dicom.frame_places import add_places, copies_of
from napari_dicommeta.dicom.functional_groups import FrameColumns
from napari_dicommeta.dicom.group_bytes import read_group_bytes
from napari_dicommeta.dicom.group_pydicom import read_groups_with_pydicom
from napari_dicommeta.dicom.group_values import UnusualError

Texts = dict[str, list[str]]


def laid_out(content: dict[str, Any], syntax: str, undefined: bool) -> dict[str, Any]:
    """Return `content` with its sequences encoded, with or without lengths."""
    return {
        key: sequence(value, syntax, undefined)
        if isinstance(value, list) and value and type(value[0]) is dict
        else value
        for key, value in content.items()
    }


def sequence(items: list[dict[str, Any]], syntax: str, undefined: bool) -> Raw:
    explicit, little = syntax != IMPLICIT, syntax != BIG
    order, raw = "<" if little else ">", b""
    for content in items:
        body = data_set(laid_out(content, syntax, undefined), explicit, little)
        raw += struct.pack(f"{order}HHL", 0xFFFE, 0xE000, UNDEFINED if undefined else len(body)) + body
        if undefined:
            raw += struct.pack(f"{order}HHL", 0xFFFE, 0xE00D, 0)
    if undefined:
        return Raw("SQ", raw + struct.pack(f"{order}HHL", 0xFFFE, 0xE0DD, 0), UNDEFINED)
    return Raw("SQ", raw)


def grouped(
    frames: list[dict[str, Any]],
    shared: dict[str, Any] | None = None,
    syntax: str = EXPLICIT,
    undefined: bool = False,
    **top: Any,
) -> bytes:
    """Return a file without pixels whose functional groups have the elements `frames` and `shared`."""
    content: dict[str, Any] = {"SOPInstanceUID": f"{ROOT}.1", "NumberOfFrames": len(frames), **top}
    if shared is not None:
        content["SharedFunctionalGroupsSequence"] = [shared]
    if frames:
        content["PerFrameFunctionalGroupsSequence"] = frames
    return dicom(laid_out(content, syntax, undefined), syntax)


def spelled(columns: FrameColumns, count: int) -> Texts:
    """Return keyword -> the text of each frame."""
    for texts, codes in columns.columns.values():
        assert len(set(texts)) == len(texts)
        assert (codes is None) == (len(texts) == 1)
        if codes is not None:
            assert codes.dtype == "int32"
            assert codes.shape == (count,)
            assert set(codes.tolist()) == set(range(len(texts)))
    return {
        keyword: [texts[0]] * count if codes is None else [texts[code] for code in codes.tolist()]
        for keyword, (texts, codes) in columns.columns.items()
    }


def columns_of(path: Path, count: int) -> Texts:
    return spelled(functional_groups.read_frame_columns(str(path), count), count)


def columns_by_pydicom(path: Path, count: int) -> Texts:
    builder, tops = read_groups_with_pydicom(str(path), count)
    added = add_places(builder, tops)
    return spelled(builder.values(copies_of(builder), added).frames, count)


def texts_by_pydicom(path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    def refuse(*_: object) -> None:
        raise UnusualError("as the test demands")

    functional_groups._cache.clear()
    with monkeypatch.context() as patch:
        patch.setattr(functional_groups, "read_group_bytes", refuse)
        texts = functional_groups.read_frame_texts(str(path), count)
    functional_groups._cache.clear()
    return texts


def is_usual(path: Path, count: int) -> bool:
    """Return whether the file is read without pydicom."""
    try:
        read_group_bytes(str(path), count)
    except UnusualError:
        return False
    return True
