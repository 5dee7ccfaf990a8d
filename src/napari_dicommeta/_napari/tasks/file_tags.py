"""All tags of one file with their values, and which of them are odd: beside its neighbors or in the folder. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["FileTag", "file_tags"]

RARE = 0.1
"""A value is odd in a folder if at most this share of its files have it, where another value is usual."""
USUAL = 0.5
"""The share of files that have a usual value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTag:
    """A tag of a file: `keyword`, `tag` as text, `vr`, and `text`, its value.

    `beside`: the value of both neighbors, where they agree and this file has another, else None. `usual`: the value of
    most files of the folder, where few have this file's, else None.
    """

    keyword: str
    tag: str
    vr: str
    text: str
    beside: str | None = None
    usual: str | None = None

    @property
    def odd(self) -> str:
        """What is odd about the value in words, "" if nothing."""
        words = []
        if self.beside is not None:
            words.append(f"the slices beside it have {self.beside or '(empty)'}")
        if self.usual is not None:
            words.append(f"most files have {self.usual or '(empty)'}")
        return ", ".join(words)


def file_tags(series: Catalog, folder: Catalog, path: str, neighbors: Sequence[str] = ()) -> tuple[FileTag, ...]:
    """Return the tags of the file at `path` of a `series` in a `folder`, in tag order; () if it is not in there.

    `neighbors`: the paths of the slices before and after it; a single one says nothing.
    """
    rows = {name: row for row, name in enumerate(series.paths)}
    if path not in rows:
        return ()
    own = series.rows(np.array([rows[path]]))
    others_beside = [name for name in dict.fromkeys(neighbors) if name in rows and name != path]
    beside = [series.rows(np.array([rows[name]])) for name in others_beside]
    found = []
    for summary in own.tags():
        (text,) = own.column_texts(summary.path)
        others = {other.column_texts(summary.path)[0] for other in beside} if len(beside) == 2 else set()
        is_odd = len(others) == 1 and text not in others
        found.append(
            FileTag(
                keyword=summary.keyword,
                tag=summary.path.tag_text,
                vr=summary.vr,
                text=text or "",
                beside=(others.pop() or "(absent)") if is_odd else None,
                usual=_usual(folder, summary.keyword, text or ""),
            )
        )
    return tuple(found)


def _usual(catalog: Catalog, keyword: str, text: str) -> str | None:
    counts = catalog.values(keyword, most=1)
    for usual, files in counts.items():
        if usual != text and files >= USUAL * catalog.n_files:
            own = catalog.values(keyword).get(text, 0)
            return usual if own <= RARE * catalog.n_files else None
    return None
