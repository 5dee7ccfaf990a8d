"""Columns of texts, one per frame: distinct texts and the index of each frame's text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["NO_TEXT", "FrameColumn", "column_of", "joined_columns"]

NO_TEXT = ("",)


@dataclass(frozen=True, slots=True)
class FrameColumn:
    """Distinct texts of an element, "" for none, and the index of each frame's text; None if all frames share one."""

    texts: tuple[str, ...]
    ids: np.ndarray | None

    def ids_of(self, n: int) -> np.ndarray:
        """Return the index of the text of each of `n` frames."""
        return np.zeros(n, dtype=np.int32) if self.ids is None else self.ids

    def where(self, holds: Iterable[bool], n: int) -> np.ndarray:
        """Return for each of `n` frames the entry of `holds` for its text, bool."""
        return np.asarray(np.array(list(holds), dtype=bool)[self.ids_of(n)])

    def over(self, other: FrameColumn, n: int) -> FrameColumn:
        """Return the column of `n` frames with these texts, or those of `other` where they are ""."""
        if other.texts == NO_TEXT:
            return self
        known = {text: i for i, text in enumerate(other.texts)}
        mapped = np.array([known.setdefault(text, len(known)) if text else -1 for text in self.texts], dtype=np.int32)
        ids = mapped[self.ids_of(n)]
        return column_of(tuple(known), np.where(ids < 0, other.ids_of(n), ids).astype(np.int32))


def column_of(texts: tuple[str, ...], ids: np.ndarray) -> FrameColumn:
    """Return a column; its texts are reduced to one if all frames share it."""
    return FrameColumn((texts[ids[0]],), None) if (ids == ids[0]).all() else FrameColumn(texts, ids)


def joined_columns(
    of_files: Mapping[int, Mapping[str, tuple[tuple[str, ...], np.ndarray | None]]], counts: Mapping[int, int], n: int
) -> dict[str, FrameColumn]:
    """Return keyword -> column of all `n` frames of a series.

    `of_files`: the number of a file's first frame -> its columns, as `read_frame_columns` returns them. `counts`: the
    same number -> the frames of the file. Frames of other files have the text "".
    """
    known: dict[str, dict[str, int]] = {}
    ids: dict[str, np.ndarray] = {}
    for start, columns in of_files.items():
        for keyword, (texts, codes) in columns.items():
            if keyword not in known:
                known[keyword], ids[keyword] = {"": 0}, np.zeros(n, dtype=np.int32)
            numbers = known[keyword]
            mapped = np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int32)
            ids[keyword][start : start + counts[start]] = mapped[0] if codes is None else mapped[codes]
    return {keyword: column_of(tuple(texts), ids[keyword]) for keyword, texts in known.items()}
