"""Columns of texts, one text per frame of a multi-frame file: distinct texts and codes instead of a dict per frame.

`ColumnBuilder` collects them while functional groups are read (PS3.3 section C.7.6.16). It allocates nothing for
frames that the header does not describe, until all is collected.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_dicommeta.support.errors import FunctionalGroupsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ColumnBuilder", "FrameColumns", "FrameValues"]

MAX_CODES = 1 << 30
"""The most bytes of codes of one file whose header describes fewer frames than it declares."""


@dataclass(frozen=True, slots=True)
class FrameColumns:
    """Hold the attributes of all frames of one file, from its functional groups (PS3.3 section C.7.6.16).

    `columns`: keyword -> (distinct texts, codes). `codes` is a read-only int32 array of shape (frames,) that indexes
    the texts, or None if all frames have the only text. The text is "" for frames without the element. A private
    element has its tag in place of a keyword, such as "(2001,xx03,Philips Imaging DD 001)".
    """

    columns: Mapping[str, tuple[tuple[str, ...], np.ndarray | None]]

    def nbytes(self) -> int:
        """Return about how many bytes of memory the texts and codes take."""
        arrays = {id(codes): codes.nbytes for _, codes in self.columns.values() if codes is not None}
        texts = sum(60 + len(text) for texts, _ in self.columns.values() for text in texts)
        return sum(arrays.values()) + texts + 200 * len(self.columns)


@dataclass(frozen=True, slots=True)
class FrameValues:
    """Hold the columns of a file and what they leave out.

    `empty`: keyword -> bool array of the frames that have the element without a value, None for all frames; a keyword
    without empty frames is absent. `derived`: keywords whose texts are computed, not those of the element itself.
    """

    frames: FrameColumns
    empty: Mapping[str, np.ndarray | None]
    derived: frozenset[str]

    def nbytes(self) -> int:
        """Return about how many bytes of memory this takes."""
        return self.frames.nbytes() + sum(mask.nbytes for mask in self.empty.values() if mask is not None)


_NO_CODES = np.zeros(0, np.int32)


class _Column:
    """The texts of one keyword: `codes` of the first frames, and `fill`, the code of the others.

    Code 0 stands for what frames have by the shared groups, None if that is nothing.
    """

    __slots__ = ("codes", "fill", "index", "texts")

    def __init__(self, base: str | None) -> None:
        self.texts: list[str | None] = [base]
        self.index: dict[str | None, int] = {base: 0}
        self.codes = _NO_CODES
        self.fill = 0

    def code(self, text: str | None) -> int:
        code = self.index.get(text)
        if code is None:
            code = self.index[text] = len(self.texts)
            self.texts.append(text)
        return code

    def grown(self, size: int) -> np.ndarray:
        """Return the codes, of at least `size` frames."""
        if len(self.codes) < size:
            more = np.full(size - len(self.codes), self.fill, np.int32)
            self.codes = np.concatenate((self.codes, more)) if len(self.codes) else more
        return self.codes


class ColumnBuilder:
    """Collect the texts of `count` frames: first those that all share, then those of each frame, which win."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.described = 0
        """The number of frames that the header describes, as far as it is known."""
        self.has_shared = False
        """Whether all frames share a text of a public element."""
        self._columns: dict[str, _Column] = {}

    def __contains__(self, keyword: str) -> bool:
        return keyword in self._columns

    def share(self, keyword: str, text: str) -> None:
        """Store the text of all frames. It must not be called after the texts of single frames are stored."""
        self._columns[keyword] = _Column(text)
        self.has_shared = self.has_shared or not keyword.startswith("(")

    def store(self, keyword: str, frames: np.ndarray, texts: str | Sequence[str | None]) -> None:
        """Store one text for all `frames`, or one text per frame; None leaves the frame as it is.

        `frames` are frame numbers from 0 in ascending order, an integer array of shape (n,).
        """
        if not len(frames):
            return
        column = self._columns.get(keyword)
        if column is None:
            column = self._columns[keyword] = _Column(None)
        if isinstance(texts, str):
            code = column.code(texts)
            if len(frames) == self.count:
                column.codes, column.fill = _NO_CODES, code
            else:
                self._codes(column, frames)[frames] = code
            return
        code_of = {text: -1 if text is None else column.code(text) for text in dict.fromkeys(texts)}
        codes = np.array([code_of[text] for text in texts], np.int32)
        target = self._codes(column, frames)
        if None in code_of:
            frames, codes = frames[codes >= 0], codes[codes >= 0]
        target[frames] = codes

    def _codes(self, column: _Column, frames: np.ndarray) -> np.ndarray:
        return column.grown(max(int(frames[-1]) + 1, min(self.described, self.count)))

    def values(self, copies: Mapping[str, str], derived: Sequence[str] = ()) -> FrameValues:
        """Return what was collected; `copies` are keyword -> the keyword whose column it gets too.

        `derived` are keywords that were computed.

        Raises
        ------
        FunctionalGroupsError
            If the file declares many more frames than it describes, and their codes would exceed `MAX_CODES`.
        """
        columns: dict[str, tuple[tuple[str, ...], np.ndarray | None]] = {}
        empty: dict[str, np.ndarray | None] = {}
        left = MAX_CODES // 4
        for keyword, column in self._columns.items():
            if 0 < len(column.codes) < self.count:
                left -= self.count
                if left < 0:
                    raise FunctionalGroupsError(
                        f"it declares {self.count:,} frames, but its functional groups describe {len(column.codes):,}"
                    )
            texts, codes, blank = self._finished(column)
            if texts:
                columns[keyword] = texts, codes
                if blank is not False:
                    empty[keyword] = blank
        copied = {keyword: columns[source] for keyword, source in copies.items() if source in columns}
        frames = FrameColumns(MappingProxyType(columns | copied))
        return FrameValues(frames, MappingProxyType(empty), frozenset(copied) | set(derived))

    def _finished(
        self, column: _Column
    ) -> tuple[tuple[str, ...], np.ndarray | None, np.ndarray | Literal[False] | None]:
        """Return (distinct texts, codes, empty frames) of a column; the last is False if it has none."""
        if not len(column.codes):
            only = column.texts[column.fill]
            return (() if only is None else (only,)), None, None if only == "" else False
        rest = len(column.codes) < self.count
        counts = np.bincount(column.codes, minlength=len(column.texts))
        used = [column.fill] if rest else []
        used += [code for code in np.flatnonzero(counts).tolist() if code not in used]
        found = [column.texts[code] for code in used]
        if found in ([], [None]):
            return (), None, False  # no frame has a readable value
        blank: np.ndarray | Literal[False] | None = False
        if len(found) == 1:
            return (found[0] or "",), None, None if found == [""] else False
        if "" in found:
            blank = np.full(self.count, rest and column.texts[column.fill] == "")
            blank[: len(column.codes)] = column.codes == column.index[""]
        distinct = tuple(dict.fromkeys(text or "" for text in found))
        if len(distinct) == 1:  # absent in some frames, empty in the others
            return distinct, None, blank
        place = {text: code for code, text in enumerate(distinct)}
        new = np.zeros(len(column.texts), np.int32)
        new[used] = [place[text or ""] for text in found]
        codes = np.zeros(self.count, np.int32)  # 0 is the rest, whose memory is not written
        codes[: len(column.codes)] = new[column.codes]
        codes.flags.writeable = False
        return distinct, codes, blank
