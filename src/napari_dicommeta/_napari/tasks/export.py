"""Exports of the Export menu, made in a thread: tables, and bars without identifying values. No Qt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_dicommeta.analysis.histogram import Bar, Histogram
from napari_dicommeta.dicom.tags import TagPath

if TYPE_CHECKING:
    import pyarrow as pa

    from napari_dicommeta._napari.tasks.explore import Shown
    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["bars_to_show", "exported", "is_withheld", "table_of", "text_of"]


def table_of(what: str, shown: Shown, base: Catalog, part: Catalog | None, full: bool) -> pa.Table:
    """Return the table of "tags", or of the "values" of the tag shown, over the files of `base`.

    Raises
    ------
    PrivacyError
        If the values may identify a person and `full` is false.
    """
    from napari_dicommeta.export.tables import tag_table, value_table

    if what == "tags":
        return tag_table(base, full=full)
    return value_table(base, shown.query.keyword, part, by=shown.query.by, full=full)


def exported(what: str, path: str, shown: Shown, base: Catalog, part: Catalog | None, full: bool) -> tuple[str, bool]:
    """Write the table of `what` in the format of the suffix of `path`.

    Return the path written and whether values are withheld.
    """
    from napari_dicommeta.export.tables import write

    table = table_of(what, shown, base, part, full)
    return write(table, path, full=full), is_withheld(table)


def is_withheld(table: pa.Table) -> bool:
    """Return whether the table merges values of few patients into one row."""
    from napari_dicommeta.export.small_counts import OTHER

    return "value" in table.column_names and OTHER in table.column("value").to_pylist()


def text_of(what: str, shown: Shown, base: Catalog, part: Catalog | None, full: bool) -> tuple[str, bool]:
    """Return the table of `what` as Markdown, and whether values are withheld."""
    from napari_dicommeta.export.tables import table_markdown

    table = table_of(what, shown, base, part, full)
    return table_markdown(table), is_withheld(table)


def bars_to_show(shown: Shown, base: Catalog, part: Catalog | None, full: bool) -> tuple[Shown, bool]:
    """Return `shown` with the bars that an export may contain, and whether values are withheld."""
    table = table_of("values", shown, base, part, full)
    columns = table.to_pydict()
    parts = columns.get("part_files") or [0] * len(columns["value"])
    # A series belongs to one patient, so its counts may be withheld.
    is_part = part is not None and bool(part.n_files) and None not in parts
    bars = tuple(
        Bar(text=value, files=files, part=of_part if is_part else 0)
        for value, files, of_part in zip(columns["value"], columns["files"], parts, strict=True)
    )
    part_files = part.n_files if part is not None and is_part else 0
    histogram = Histogram(path=TagPath.parse(shown.query.keyword), bars=bars, files=base.n_files, part_files=part_files)
    name = (shown.part_name if full else "the active series") if is_part else ""  # a description may name a person
    exportable = replace(shown, histogram=histogram, part_name=name, by_share=False, chosen=())
    return exportable, is_withheld(table)
