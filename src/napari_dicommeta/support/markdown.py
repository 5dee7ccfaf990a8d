"""Markdown from untrusted text, with markup and HTML escaped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["escape_markdown", "markdown_table"]

_MARKUP = re.compile(r"[`*_\[\]<>|~#]|\\(?=[!-/:-@\[-`{-~]|$)")
"""A backslash is markup only before ASCII punctuation or at the end of a cell."""


def escape_markdown(text: str, limit: int = 400) -> str:
    """Return at most `limit` characters of `text`, on one line, escaped so that Markdown shows it literally."""
    shown = display(text, limit).replace("&", "&amp;")
    return _MARKUP.sub(lambda match: "\\" + match[0], shown)


def markdown_table(names: Sequence[str], rows: Iterable[Sequence[str]], is_number: Sequence[bool] = ()) -> str:
    """Return a Markdown table of cells that are already escaped, with number columns aligned right."""
    aligns = ["---:" if i < len(is_number) and is_number[i] else "---" for i in range(len(names))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (names, aligns, *rows))
