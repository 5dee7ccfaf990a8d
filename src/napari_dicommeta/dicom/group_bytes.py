"""Read the functional groups of a file from its bytes, without pydicom (PS3.3 section C.7.6.16).

The file is read once, up to the end of its functional groups. The groups of all frames that have equal lengths are laid
one below the other as a table of bytes. The first row is stepped through, and the others are compared with it: where
only values differ, they are at the same places in all rows. Each distinct value is decoded once.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.element_kinds import CHARSET, SIGN
from napari_dicommeta.dicom.elements import PIXEL_DATA, UNDEFINED
from napari_dicommeta.dicom.frame_columns import ColumnBuilder
from napari_dicommeta.dicom.frame_places import TOP_TAGS
from napari_dicommeta.dicom.group_values import TextDecoder, UnusualError, spec_of
from napari_dicommeta.dicom.group_walk import Block, EndOfBytesError, GroupWalker, Leaf, structure_of
from napari_dicommeta.dicom.header import MAX_INFLATED, inflate, open_regular
from napari_dicommeta.dicom.stored_values import LONG_VR, SHORT_VR
from napari_dicommeta.dicom.uids import BIG_ENDIAN, DEFLATED, IMPLICIT, JPIP
from napari_dicommeta.support.errors import FunctionalGroupsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_dicommeta.files.byte_file import ByteFile

__all__ = ["read_group_bytes"]

FIRST_READ = 1 << 18
MAX_BYTES = 256 << 20
"""The most bytes of one file read for its functional groups."""
MAX_LAYOUTS = 32
"""The most structures of groups of one length that are compared with all frames; further ones are read singly."""
SHARED, PER_FRAME, DETECTORS = 0x52009229, 0x52009230, 0x00540022
_META_HEAD = struct.Struct("<HH2sH")


def read_group_bytes(path: str, count: int) -> tuple[ColumnBuilder, dict[str, str]]:
    """Return the texts of the functional groups of `count` frames, and keyword -> text of `TOP_TAGS`.

    Raises
    ------
    UnusualError
        If pydicom must read the file.
    FunctionalGroupsError
        If the groups take more than `MAX_BYTES`, or more than `MAX_INFLATED` in a deflated file.
    HeaderError, OSError
        If the path is not a regular file, or cannot be read.
    """
    with open_regular(path) as file:
        size = file.front
        wanted = min(FIRST_READ, size)
        buffer = b""
        while True:
            buffer += _read(file, len(buffer), wanted - len(buffer))
            try:
                return _FileReader(buffer, file.read, size).read(count)
            except EndOfBytesError as error:
                needed = error.args[0]
                if len(buffer) >= size or needed > size or len(buffer) < wanted:
                    raise UnusualError("the file ends inside its functional groups") from None
                if needed > MAX_BYTES:
                    raise FunctionalGroupsError(f"its functional groups need more than {MAX_BYTES >> 20} MiB") from None
                wanted = min(size, max(needed + 4096, 4 * len(buffer)), MAX_BYTES)


def _read(file: ByteFile, offset: int, count: int) -> bytes:
    parts = []
    while count > 0 and (data := file.read(offset, count)):
        parts.append(data)
        offset, count = offset + len(data), count - len(data)
    return b"".join(parts)


class _FileReader:
    """Read one file from its first bytes; `fetch` reads the deflated rest where there is one."""

    def __init__(self, buffer: bytes, fetch: Callable[[int, int], bytes], size: int) -> None:
        syntax, self._start = _meta(buffer)
        self._is_bounded = False
        if syntax in JPIP:
            raise UnusualError("a data set of a provider")
        if syntax == DEFLATED:
            body = inflate(fetch, self._start, size, MAX_INFLATED)
            self._is_bounded = len(body.data) > MAX_INFLATED
            if body.fault and not self._is_bounded:
                raise UnusualError(body.fault)
            buffer, self._start = body.data, 0
        self._is_whole = syntax == DEFLATED or len(buffer) >= size
        explicit, little = syntax != IMPLICIT, syntax != BIG_ENDIAN
        head = buffer[self._start : self._start + 8]
        if len(head) < 8 or (head[4:6] in SHORT_VR or head[4:6] in LONG_VR) != explicit:
            raise UnusualError("the data set contradicts its transfer syntax")
        self._walker = GroupWalker(buffer, explicit=explicit, little=little)
        self._decoder = TextDecoder(explicit=explicit, little=little, charset=b"", signed=False)
        self._tops: dict[str, str] = {}
        self._groups: dict[int, tuple[int, int]] = {}

    def read(self, count: int) -> tuple[ColumnBuilder, dict[str, str]]:
        builder = ColumnBuilder(count)
        try:
            self._read(builder)
        except EndOfBytesError:
            if self._is_bounded:
                raise FunctionalGroupsError(f"it inflates to more than {MAX_INFLATED >> 20} MiB") from None
            if self._is_whole:
                raise UnusualError("the file ends inside its functional groups") from None
            raise
        return builder, self._tops

    def _read(self, builder: ColumnBuilder) -> None:
        self._top_level()
        if SHARED in self._groups:
            for blocks in self._items(SHARED, 1 << 20):
                for block in blocks:
                    for leaf in self._walker.leaves(block):
                        if leaf.spec and (text := self._text(leaf)) is not None:
                            builder.share(leaf.spec.keyword, text)
        if PER_FRAME in self._groups:
            self._per_frame(self._items(PER_FRAME, builder.count), builder)

    def _text(self, leaf: Leaf) -> str | None:
        assert leaf.spec
        return self._decoder.text(leaf.spec, self._walker.buffer[leaf.start : leaf.start + leaf.length])

    def _items(self, tag: int, count: int) -> list[list[Block]]:
        return self._walker.items(*self._groups[tag], count)

    def _top_level(self) -> None:
        """Find the two sequences and decode `TOP_TAGS` at the top level."""
        walker, position, last = self._walker, self._start, -1
        while position < len(walker.buffer) or not self._is_whole:
            tag, vr, start, length = walker.head(position)
            if tag <= last or tag >> 16 == 0xFFFE:
                raise UnusualError("elements out of order")
            if tag > PER_FRAME or tag in PIXEL_DATA:
                return
            last = tag
            spec = spec_of(tag, vr) if tag in (SHARED, PER_FRAME, DETECTORS, CHARSET, SIGN) or tag in TOP_TAGS else None
            if spec and tag in (SHARED, PER_FRAME):
                if not spec.is_sequence:
                    raise UnusualError("functional groups that are no sequence")
                self._groups[tag] = start, length
                if tag == PER_FRAME:
                    return
            after = start + length if length != UNDEFINED else walker.after(tag, vr, start)
            if after > len(walker.buffer) and (self._is_whole or spec):
                raise EndOfBytesError(after)
            if spec:
                self._keep(Block(tag, "", position, after), Leaf(start, length, spec))
            position = after

    def _keep(self, block: Block, leaf: Leaf) -> None:
        raw = self._walker.buffer[leaf.start : leaf.start + leaf.length]
        if block.tag == CHARSET:
            self._decoder.charset = raw.rstrip(b"\0 ")
        elif block.tag == SIGN:
            if raw not in (b"\0\0", b"\1\0", b"\0\1"):
                raise UnusualError("a pixel representation other than 0 and 1")
            self._decoder.signed = raw != b"\0\0"
        elif block.tag == DETECTORS:
            for inner in self._walker.leaves(block):
                if inner.spec and inner.spec.tag in TOP_TAGS and (text := self._text(inner)) is not None:
                    self._tops.setdefault(f"DetectorInformationSequence.{inner.spec.keyword}", text)
        elif block.tag in TOP_TAGS and leaf.spec and not leaf.spec.is_sequence:
            text = self._text(leaf)
            if text is None:
                raise UnusualError("a value that cannot be read")
            self._tops[leaf.spec.keyword] = text

    def _per_frame(self, items: Sequence[list[Block]], builder: ColumnBuilder) -> None:
        tables: dict[tuple[int, int, str, int], tuple[Block, list[int], list[int]]] = {}
        for frame, blocks in enumerate(items):
            for block in blocks:
                tag, creator, start, end, layout = block
                table = tables.get(key := (tag, end - start, creator, id(layout)))
                if table is None:
                    table = tables[key] = block, [], []
                table[1].append(frame)
                table[2].append(start)
        builder.described = len(items)
        for _, (block, frames, starts) in sorted(tables.items(), key=lambda item: item[0][0]):
            self._table(block, np.array(frames), starts, builder)

    def _table(self, block: Block, frames: np.ndarray, starts: list[int], builder: ColumnBuilder) -> None:
        """Store the texts of the groups that begin at `starts`, all as long as `block`, which is the first of them."""
        buffer, length = self._walker.buffer, block.end - block.start
        joined = b"".join([buffer[start : start + length] for start in starts])
        rows = np.frombuffer(joined, np.uint8).reshape(len(starts), length)
        if block.layout is not None:
            self._store(block.layout.leaves, rows, frames, (rows != rows[0]).any(axis=0), builder)
            return
        for turn in range(len(starts)):
            size = len(rows) if turn < MAX_LAYOUTS else 1
            walker = GroupWalker(rows[0].tobytes(), explicit=self._walker.explicit, little=self._walker.little)
            try:
                leaves = walker.leaves(Block(block.tag, block.creator, 0, length))
            except EndOfBytesError:
                raise UnusualError("a functional group declares more bytes than are left") from None
            same, differs = _compare(rows[:size], leaves)
            chosen = slice(None) if same is None else same
            self._store(leaves, rows[:size][chosen], frames[:size][chosen], differs, builder)
            rest = np.ones(len(rows), bool)
            rest[:size] = False if same is None else ~same
            rows, frames = rows[rest], frames[rest]
            if not len(rows):
                return

    def _store(
        self, leaves: list[Leaf], rows: np.ndarray, frames: np.ndarray, differs: np.ndarray, builder: ColumnBuilder
    ) -> None:
        ends = np.array([(leaf.start, leaf.start + leaf.length) for leaf in leaves], np.intp).reshape(-1, 2)
        before = np.concatenate(([0], np.cumsum(differs)))[ends]  # differing bytes before each end of a value
        for (start, length, spec), varies in zip(leaves, (before[:, 0] != before[:, 1]).tolist(), strict=True):
            if not spec:
                continue
            if not varies:
                text = self._decoder.text(spec, rows[0, start : start + length].tobytes())
                if text is not None:
                    builder.store(spec.keyword, frames, text)
            else:
                joined = rows[:, start : start + length].tobytes()
                values = [joined[at : at + length] for at in range(0, len(joined), length)]
                builder.store(spec.keyword, frames, self._decoder.texts(spec, values))


def _compare(rows: np.ndarray, leaves: list[Leaf]) -> tuple[np.ndarray | None, np.ndarray]:
    """Return which rows have the structure of the first, None for all, and which of their bytes differ among them."""
    if len(rows) == 1:
        return None, np.zeros(rows.shape[1], bool)
    structure = structure_of(leaves, 0, rows.shape[1])
    differs = (rows != rows[0]).any(axis=0)
    if not (differs & structure).any():
        return None, differs
    same = (rows[:, structure] == rows[0, structure]).all(axis=1)
    return same, (rows[same] != rows[0]).any(axis=0)


def _meta(buffer: bytes) -> tuple[str, int]:
    """Return the transfer syntax of the file meta group and the byte after the group (PS3.10 section 7.1)."""
    if buffer[128:132] != b"DICM":
        raise UnusualError("no DICM prefix")
    position, syntax = 132, ""
    while position + 12 <= len(buffer):
        group, number, vr, length = _META_HEAD.unpack_from(buffer, position)
        if group != 2:
            break
        start = position + 8
        if vr in LONG_VR:
            length, start = int.from_bytes(buffer[position + 8 : position + 12], "little"), position + 12
        elif vr not in SHORT_VR:
            raise UnusualError("a file meta group without VRs")
        if number == 0x10:
            syntax = buffer[start : start + length].rstrip(b"\0 ").decode("latin-1")
        position = start + length
    if not syntax:
        raise UnusualError("no transfer syntax")
    return syntax, position
