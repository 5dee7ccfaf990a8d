"""What the Export menu hands over, made in a thread: tables, and bars of what may be shown. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicommeta.histogram import Bar, Histogram
from napari_dicommeta.tags import TagPath

if TYPE_CHECKING:
    import pyarrow as pa

    from napari_dicommeta._exploring import Shown
    from napari_dicommeta.catalog import Catalog

__all__ = ["bars_to_show", "exported", "table_of", "text_of"]


def table_of(what: str, shown: Shown, base: Catalog, part: Catalog | None, full: bool) -> pa.Table:
    """The table of "tags", or of the "values" of the tag that is shown, over the files of `base`.

    Raises
    ------
    PrivacyError
        If the values may identify a person and `full` does not ask for them.
    """
    from napari_dicommeta.export import tag_table, value_table

    if what == "tags":
        return tag_table(base, full=full)
    by = "spelling" if shown.wish.view == "spelling" else "meaning"
    return value_table(base, shown.wish.keyword, part, by=by, full=full)


def exported(what: str, path: str, shown: Shown, base: Catalog, part: Catalog | None, full: bool) -> str:
    """Write the table of `what` by the suffix of `path`; the path that was written."""
    from napari_dicommeta.export import write

    return write(table_of(what, shown, base, part, full), path, full=full)


def text_of(what: str, shown: Shown, base: Catalog, part: Catalog | None, full: bool) -> str:
    """The table of `what` in Markdown."""
    from napari_dicommeta.export import markdown

    return markdown(table_of(what, shown, base, part, full))


def bars_to_show(shown: Shown, base: Catalog, part: Catalog | None, full: bool) -> Histogram:
    """The bars of the tag that is shown, as far as an export may show them."""
    table = table_of("values", shown, base, part, full).to_pydict()
    parts = table.get("part_files") or [0] * len(table["value"])
    bars = tuple(
        Bar(value, files, of_part or 0, note="" if of_part is not None else "part withheld")
        for value, files, of_part in zip(table["value"], table["files"], parts, strict=True)
    )
    return Histogram(TagPath.parse(shown.wish.keyword), bars, base.n_files, part.n_files if part is not None else 0)
