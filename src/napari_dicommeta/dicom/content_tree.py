"""Read the content of a structured report: a tree of named values (PS3.3 section C.17.3)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_dicommeta.dicom.datasets import open_dataset
from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.errors import RefusedError
from napari_dicommeta.support.log import log_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ContentItem", "read_content"]

MAX_DEPTH = 60
"""Levels of a tree; deeper ones are left out."""
MAX_ITEMS = 200_000
_TEXTS = {
    "TEXT": "TextValue",
    "PNAME": "PersonName",
    "UIDREF": "UID",
    "DATE": "Date",
    "TIME": "Time",
    "DATETIME": "DateTime",
}
"""Value type -> the element with its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentItem:
    """An item of a report.

    `kind`: *Value Type*. `name`, `code`: meaning and value of its concept name. `text`: its value, with `unit` of a
    number in `value`. `points`: coordinates as stored, of the graphic type `graphic`: columns and rows of an image from
    0, or x, y and z in the frame of reference. `image`, `segment`: the SOP Instance UID and the segment that it
    refers to.
    """

    relationship: str
    kind: str
    name: str
    code: str
    text: str = ""
    value: float | None = None
    unit: str = ""
    graphic: str = ""
    points: tuple[float, ...] = ()
    frame_of_reference: str = ""
    image: str = ""
    segment: int | None = None
    frame: int | None = None
    children: tuple[ContentItem, ...] = ()

    def walk(self) -> Iterator[ContentItem]:
        """Yield it and all items below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def read_content(path: str) -> ContentItem:
    """Return the root of the report at `path`.

    Raises
    ------
    RefusedError
        If the file cannot be read or holds no content.
    """
    try:
        with open_dataset(path, stop_before_pixels=True) as dataset:
            root = _item(dataset, 0, [0])
    except OSError as error:
        raise RefusedError("report-unreadable", error.strerror or type(error).__name__) from error
    except Exception as error:
        log_fault("reading a report", error, logging.DEBUG)
        text = f"its content cannot be read ({type(error).__name__}): export the report again"
        raise RefusedError("report-unreadable", text) from error
    if not root.children:
        raise RefusedError("report-empty", "it has no content (Content Sequence): nothing to show")
    return root


def _item(item: Any, depth: int, count: list[int]) -> ContentItem:
    count[0] += 1
    kind = str(item.get("ValueType") or "")
    name = _first(item, "ConceptNameCodeSequence")
    text, value, unit = _value(item, kind)
    reference = _first(item, "ReferencedSOPSequence")
    deeper = item.get("ContentSequence") or () if depth < MAX_DEPTH else ()
    return ContentItem(
        relationship=str(item.get("RelationshipType") or ""),
        kind=kind,
        name=_meaning(name),
        code=str(name.get("CodeValue") or "") if name is not None else "",
        text=text,
        value=value,
        unit=unit,
        graphic=str(item.get("GraphicType") or ""),
        points=_numbers(item.get("GraphicData")),
        frame_of_reference=str(item.get("ReferencedFrameOfReferenceUID") or ""),
        image=str(reference.get("ReferencedSOPInstanceUID") or "") if reference is not None else "",
        segment=_whole(reference, "ReferencedSegmentNumber"),
        frame=_whole(reference, "ReferencedFrameNumber"),
        children=tuple(_item(child, depth + 1, count) for child in deeper if count[0] < MAX_ITEMS),
    )


def _value(item: Any, kind: str) -> tuple[str, float | None, str]:
    """Return the value of an item as text, as a number, and its unit."""
    if kind == "NUM":
        measured = _first(item, "MeasuredValueSequence")
        if measured is None:
            return "", None, ""
        text = str(measured.get("NumericValue") if measured.get("NumericValue") is not None else "")
        unit = _first(measured, "MeasurementUnitsCodeSequence")
        code = str(unit.get("CodeValue") or "") if unit is not None else ""
        return text, number(text), "" if code == "1" else code
    if kind == "CODE":
        return _meaning(_first(item, "ConceptCodeSequence")), None, ""
    keyword = _TEXTS.get(kind)
    return str(item.get(keyword) or "") if keyword else "", None, ""


def _first(item: Any, keyword: str) -> Any:
    sequence = item.get(keyword)
    return sequence[0] if sequence else None


def _meaning(code: Any) -> str:
    return str(code.get("CodeMeaning") or code.get("CodeValue") or "").strip() if code is not None else ""


def _numbers(data: Any) -> tuple[float, ...]:
    if data is None:
        return ()
    try:
        return tuple(float(part) for part in data)
    except TypeError:  # a single number
        return (float(data),)


def _whole(item: Any, keyword: str) -> int | None:
    value = item.get(keyword) if item is not None else None
    if value is not None and not isinstance(value, (int, str)):
        value = next(iter(value), None)
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError):
        return None
