"""Structured reports: their text, and their measurements as a table (PS3.16 TID 1500): `reports`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_dicommeta.catalog.catalog import Catalog, ScanFailure
from napari_dicommeta.dicom.content_tree import ContentItem, read_content
from napari_dicommeta.dicom.uids import KEY_OBJECTS, REPORTS
from napari_dicommeta.support.errors import RefusedError
from napari_dicommeta.support.html import Records, html_terms
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from napari_dicommeta.scanning.sources import Source

__all__ = ["Measurement", "Place", "Report", "Reports", "is_report", "read_report", "reports"]

GROUP, TRACKING, TRACKING_UID = "125007", "112039", "112040"
FINDING, SITES = "121071", ("363698007", "G-C0E3")
MAX_LINE = 400
"""Characters of a line of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something was measured.

    `kind`: *Graphic Type*, such as POINT, CIRCLE or POLYLINE. `points`: (column, row) in pixels from 0 of the image
    with the SOP Instance UID `image` and the frame number `frame`, or (x, y, z) in mm of `frame_of_reference`.
    """

    kind: str
    points: tuple[tuple[float, ...], ...]
    image: str = ""
    frame: int | None = None
    frame_of_reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A number of a report.

    `group`: the tracking identifier of its group. `name`: what was measured. `value` is None where the report gives no
    number; `text` is as stored. `unit`: a UCUM code, "" without one. `qualifiers`: modifiers such as the derivation.
    `segment`: the segment number it was measured in. `path`: the file.
    """

    name: str
    value: float | None
    text: str
    unit: str
    group: str = ""
    tracking_uid: str = ""
    finding: str = ""
    site: str = ""
    qualifiers: tuple[str, ...] = ()
    segment: int | None = None
    places: tuple[Place, ...] = ()
    path: str = ""

    def html_row(self) -> dict[str, str | int | float]:
        """Return what a table of measurements shows of this one."""
        return {
            "group": self.group,
            "finding": self.finding,
            "site": self.site,
            "measurement": ", ".join((self.name, *self.qualifiers)),
            "value": self.text if self.value is None else self.value,
            "unit": self.unit,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A structured report: its title, its content as lines of text, and its measurements.

    The text names persons as the file does. Control characters in it are escaped.
    """

    path: str
    title: str
    lines: tuple[str, ...] = field(repr=False)
    measurements: Records[Measurement]

    @property
    def text(self) -> str:
        """The content, a line for each item, indented by its level."""
        return "\n".join(self.lines)

    def html_row(self) -> dict[str, str | int | float]:
        """Return what a table of reports shows of this one."""
        return {"report": os.path.basename(self.path), "title": self.title, "measurements": len(self.measurements)}

    def _repr_html_(self) -> str:
        terms = [(f"{n}", line) for n, line in enumerate(self.lines, 1)]
        return html_terms(self.title, terms)


class Reports(Records[Report]):
    """The reports of a source; `failures` names those that could not be read."""

    failures: tuple[ScanFailure, ...] = ()

    def measurements(self) -> pa.Table:
        """Return a table with a row for each measurement of all reports; ``to_pandas()`` and polars take it.

        Places are lists of structs, qualifiers a list of texts.
        """
        import pyarrow as pa

        place = pa.struct(
            [
                ("kind", pa.string()),
                ("points", pa.list_(pa.list_(pa.float64()))),
                ("image", pa.string()),
                ("frame", pa.int64()),
                ("frame_of_reference", pa.string()),
            ]
        )
        texts = ("path", "group", "tracking_uid", "finding", "site", "name")
        schema = pa.schema(
            [
                *((name, pa.string()) for name in texts),
                ("value", pa.float64()),
                ("text", pa.string()),
                ("unit", pa.string()),
                ("qualifiers", pa.list_(pa.string())),
                ("segment", pa.int64()),
                ("places", pa.list_(place)),
            ]
        )
        rows = [_as_row(measurement) for report in self for measurement in report.measurements]
        return pa.Table.from_pylist(rows, schema=schema)


def _as_row(measurement: Measurement) -> dict[str, Any]:
    row = {name: getattr(measurement, name) for name in Measurement.__dataclass_fields__}
    row["places"] = [
        {name: getattr(place, name) for name in Place.__dataclass_fields__} for place in measurement.places
    ]
    return row


def is_report(sop_class: str) -> bool:
    """Return whether files of a SOP class are structured reports, other than selections of key images."""
    return sop_class.startswith(REPORTS) and sop_class != KEY_OBJECTS


def reports(source: Source | Sequence[Source] | Catalog) -> Reports:
    """Return the structured reports in `source`, a path or several, or a catalog, in the order of their files.

    Raises
    ------
    FileNotFoundError
        If there is nothing at a path.
    """
    if isinstance(source, Catalog):
        catalog = source
    else:
        from napari_dicommeta.scanning.scan import scan

        catalog = scan(source)
    classes = tuple(text for text in catalog.values("SOPClassUID") if is_report(text))
    made, failures = [], []
    for path in catalog.where(SOPClassUID=classes).paths if classes else ():
        try:
            made.append(read_report(path))
        except RefusedError as error:
            failures.append(ScanFailure(path, error.reason))
    found = Reports(made)
    found.failures = tuple(failures)
    return found


def read_report(path: str | os.PathLike[str]) -> Report:
    """Return the structured report at `path`.

    Raises
    ------
    RefusedError
        If it cannot be read or has no content.
    """
    name = os.fspath(path)
    root = read_content(name)
    return Report(
        path=name,
        title=display(root.name or "Report"),
        lines=tuple(_lines(root, 0)),
        measurements=Records(_measurements(root, name, None)),
    )


def _lines(item: ContentItem, level: int) -> Iterator[str]:
    text = f"{item.text} {item.unit}".strip()
    if item.points:
        text = f"{item.graphic} of {counted(len(item.points), 'coordinate')}"
    elif item.name and item.kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        text = "a reference"
    parts = text.splitlines() or [""]
    head = f"{item.name}: {parts[0]}" if item.name and parts[0] else item.name or parts[0]
    for line in (head, *parts[1:]):
        if line.strip():
            yield "  " * level + display(line.strip(), MAX_LINE)
    for child in item.children:
        yield from _lines(child, level + 1)


def _measurements(item: ContentItem, path: str, group: ContentItem | None) -> Iterator[Measurement]:
    if item.kind == "NUM" and item.relationship != "HAS ACQ CONTEXT":  # that says how an image was made
        yield _measurement(item, path, group)
    inner = item if item.kind == "CONTAINER" and item.code == GROUP else group
    for child in item.children:
        yield from _measurements(child, path, inner)


def _measurement(item: ContentItem, path: str, group: ContentItem | None) -> Measurement:
    around = group.children if group is not None else ()
    own = list(_places(item))
    qualifiers = [
        f"{child.name}: {child.text}" for child in item.children if child.kind == "CODE" and child.name and child.text
    ]
    return Measurement(
        name=display(item.name),
        value=item.value,
        text=display(item.text),
        unit=display(item.unit),
        group=display(_text(around, (TRACKING,))),
        tracking_uid=display(_text(around, (TRACKING_UID,))),
        finding=display(_text(around, (FINDING,))),
        site=display(_text([*item.children, *around], SITES)),
        qualifiers=tuple(display(text) for text in qualifiers),
        segment=next((child.segment for child in around if child.segment is not None), None),
        places=tuple(own or (_places(group) if group is not None else ())),
        path=path,
    )


def _text(items: Sequence[ContentItem], codes: Sequence[str]) -> str:
    return next((item.text for item in items if item.code in codes and item.text), "")


def _places(item: ContentItem) -> Iterator[Place]:
    """Yield the places among the children of an item."""
    for child in item.children:
        size = {"SCOORD": 2, "SCOORD3D": 3}.get(child.kind)
        if size is None or not child.points or len(child.points) % size:
            continue
        points = tuple(child.points[n : n + size] for n in range(0, len(child.points), size))
        image = next((below for below in child.children if below.image), None)
        yield Place(
            kind=child.graphic,
            points=points,
            image=image.image if image is not None else "",
            frame=image.frame if image is not None else None,
            frame_of_reference=child.frame_of_reference,
        )
