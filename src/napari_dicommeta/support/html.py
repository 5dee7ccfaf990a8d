"""HTML for notebooks, from untrusted text: tables, lists of terms, and records that are shown as a table."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Protocol, SupportsIndex, TypeVar, cast, overload

from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["MAX_ROWS", "HtmlRecord", "Records", "escape_html", "html_image", "html_table", "html_terms"]

MAX_ROWS = 60
"""The most rows of a table; a last line says how many more there are."""


class HtmlRecord(Protocol):
    """A record that can be a row of a table."""

    def html_row(self) -> dict[str, str | int | float]:
        """Return the cells by the names of their columns, as text that is not escaped, or as numbers."""


Record = TypeVar("Record", bound=HtmlRecord, covariant=True)


class Records(tuple[Record, ...]):
    """A tuple of records, equal to any other tuple of them. A notebook shows it as a table."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Records[Record]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Record | Records[Record]:
        """Return a record, or the records of a slice."""
        chosen = tuple.__getitem__(self, index)
        return Records(cast("tuple[Record, ...]", chosen)) if isinstance(index, slice) else cast("Record", chosen)

    def _repr_html_(self) -> str:
        return html_table([record.html_row() for record in self[:MAX_ROWS]], len(self))


def escape_html(text: str, limit: int = 200) -> str:
    """Return at most `limit` characters of `text`, escaped so that HTML shows it literally, in attributes too."""
    return html.escape(display(text, limit))


def html_table(rows: Sequence[Mapping[str, str | int | float]], n_rows: int | None = None) -> str:
    """Return a table of cells that are not escaped, numbers aligned right; `n_rows`: how many rows there are in all."""
    if not rows:
        return "<p>(no rows)</p>"
    head = "".join(f"<th>{escape_html(name)}</th>" for name in rows[0])
    body = "".join(f"<tr>{''.join(map(_cell, row.values()))}</tr>" for row in rows)
    more = max((n_rows or 0) - len(rows), 0)
    below = f"<p>… and {counted(more, 'more row')}</p>" if more else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return f'<td style="text-align:left">{escape_html(value)}</td>'
    return f'<td style="text-align:right">{value:,}</td>'


def html_terms(title: str, terms: Iterable[tuple[str, str]]) -> str:
    """Return a title and a table of (term, text), neither of them escaped; terms without a text are left out."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape_html(term)}</th><td style="text-align:left">'
        f"{escape_html(text, 1000)}</td></tr>"
        for term, text in terms
        if text
    )
    return f"<p><b>{escape_html(title, 400)}</b></p><table><tbody>{rows}</tbody></table>"


def html_image(png: bytes, text: str) -> str:
    """Return an image that HTML holds itself; `text`, not escaped, is shown where images are not."""
    shown, data = escape_html(text), base64.b64encode(png).decode("ascii")
    style = "display:inline-block;margin:2px"
    return f'<img alt="{shown}" title="{shown}" style="{style}" src="data:image/png;base64,{data}">'
