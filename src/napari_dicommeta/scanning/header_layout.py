"""Layouts: the places of the values in one kind of header, to read further headers of the kind without a loop.

Files of one series usually hold the same elements, with the same lengths, at the same offsets: only values differ. Two
`struct` calls then read a header (`ExactLayout`): one unpacks the bytes between the values, which must equal those of
the last header, the other the values. Where lengths differ, `HeaderLayout` steps through a header in runs: stretches
whose lengths have not differed so far, read by two `struct` calls each, and between them the values whose lengths have,
with the lengths of the sequences and items around them.

A header that fits is one that the loop in `elements` reads in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from napari_dicommeta.dicom.byte_runs import run_at
from napari_dicommeta.dicom.element_kinds import is_creator, is_nested_context
from napari_dicommeta.dicom.stored_values import CHARSET_VR, MAX_BINARY, MAX_CHARSET, MAX_VALUE
from napari_dicommeta.dicom.varying_runs import Order, VaryingRuns, places_of_spans, value_place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_dicommeta.dicom.byte_runs import Run
    from napari_dicommeta.dicom.element import Element
    from napari_dicommeta.dicom.header import Header

__all__ = ["Column", "ExactLayout", "HeaderLayout", "Match", "layout_of"]

MAX_ELEMENTS = 8000
MAX_CODED_BYTES = 256
"""Values longer than this are not kept to look up their codes."""
UNDEFINED = 0xFFFFFFFF
# The meaning of other values depends on these, so they are equal in all headers of a layout.
_CONTEXT = frozenset(("00020010", "00080005", "00280103", "00020002", "00080016"))


class Column(NamedTuple):
    """How the values of a column are stored."""

    key: str
    vr: bytes
    charset: bytes
    signed: bool
    little: bool
    is_long: bool
    """Whether only the digests of values are kept."""


class Match(NamedTuple):
    """A header that has a layout: its values, where it ends, and the lengths that vary."""

    values: list[bytes]
    end: int
    pixel_length: int
    """Bytes; -1 for encapsulated frames, 0 without pixel data."""
    lengths: tuple[int, ...]


class ExactLayout(NamedTuple):
    """The layout of headers with the same lengths."""

    places: tuple[tuple[int, int], ...]
    """(start, length) of each value."""
    end: int
    pixel_length: int
    """Bytes; -1 for encapsulated frames, 0 without pixel data."""

    def run_of(self, first: bytes, numbers: Iterable[int]) -> Run:
        """Return the run of headers that equal `first` but for the values `numbers`."""
        return run_at(first, map(self.places.__getitem__, numbers), self.end)


@dataclass(slots=True, kw_only=True)
class HeaderLayout:
    """The layout of headers with the same elements, sequences and items, and any lengths."""

    header: Header
    columns: tuple[Column, ...]
    """In the order of the values."""
    constants: list[tuple[str, bytes]]
    """(key, stored value) of the elements that are equal in all headers of the layout."""
    runs: VaryingRuns
    """Of the header up to the length of the pixel data."""
    order: Order
    """Of the bytes of the data set; the file meta group is little endian (PS3.10 section 7.1)."""

    @property
    def is_bare(self) -> bool:
        """Whether the files have neither preamble nor prefix (PS3.10 section 7.1)."""
        return not self.header.has_prefix

    @property
    def is_sized(self) -> bool:
        """Whether the size of a file says where its header ends: not where the frames are encapsulated."""
        return self.header.pixels is None or self.header.pixels.length >= 0

    def exact(self, first: bytes) -> ExactLayout:
        """Return the layout of headers with the lengths of this one, which fits."""
        places, end = self.runs.places(first)
        end += self._length_width
        return ExactLayout(places, end, self._pixel_length(first, end))

    @property
    def _length_width(self) -> int:
        """The bytes of the pixel data's length, 0 without pixel data."""
        return 0 if self.header.pixels is None else 4

    def _pixel_length(self, first: bytes, end: int) -> int:
        if self.header.pixels is None:
            return 0
        length = int.from_bytes(first[end - 4 : end], self.order)
        return -1 if length == UNDEFINED else length

    def match(self, first: bytes, size: int) -> Match | None:
        """Return the values of a header of this layout in a file of `size` bytes, else None.

        The pixel data, or the header in a file without pixels, must end with the file.
        """
        matched = self.runs.match(first)
        if matched is None:
            return None
        end = matched.end + self._length_width
        if end > len(first):
            return None
        pixel_length, pixels = self._pixel_length(first, end), self.header.pixels
        is_encapsulated = pixels is not None and pixels.length < 0
        if is_encapsulated != (pixel_length < 0) or (not is_encapsulated and end + pixel_length != size):
            return None
        return Match(matched.values, end, pixel_length, matched.lengths)


def layout_of(header: Header, first: bytes, size: int) -> HeaderLayout | None:
    """Return the layout of a header that the loop has read from `first`, None if other headers could not share it.

    `size` is that of the file in bytes.
    """
    elements = header.elements
    by_key: dict[str, list[Element]] = {}
    for element in elements:
        by_key.setdefault(element.key, []).append(element)
    if len(elements) > MAX_ELEMENTS or header.end > len(first):
        return None
    for key, same in by_key.items():
        if (len(same) > 1 and "/" not in key) or is_nested_context(key):
            return None  # rare: an element twice, or items with their own character set or sign
    if any(element.start >= header.end or element.length > MAX_VALUE for element in elements):
        return None  # elements after the pixel data, and values that were not read
    declared = by_key.get("00080005", [])
    charset = first[declared[0].start : declared[0].start + declared[0].length] if declared else b""
    charset = charset.rstrip(b"\0 ")[:MAX_CHARSET]
    signs = by_key.get("00280103", [])
    sign = first[signs[0].start : signs[0].start + signs[0].length] if signs else b""
    signed = (sign[:1] if header.little else sign[-1:]) == b"\x01"
    columns: list[Column] = []
    order: Order = "little" if header.little else "big"
    places = places_of_spans(header.spans, order)
    constants: list[tuple[str, bytes]] = []
    for key, same in by_key.items():
        element = same[0]
        is_sequence, is_repeated = element.value[2:3] == b"q", len(same) > 1 or key in header.repeated
        if is_sequence or is_repeated or key in _CONTEXT or is_creator(key):
            constants.append((key, header.joined(key, [item.value for item in same])))
            continue
        is_long, is_meta = element.length > MAX_CODED_BYTES, key.startswith("0002")
        longest = MAX_VALUE if is_long else MAX_BINARY
        places.append(value_place(first, element, longest, "little" if is_meta else order))
        has_charset = bool(declared) and element.vr in CHARSET_VR and not is_meta
        columns.append(
            Column(
                key=key,
                vr=element.vr,
                charset=charset if has_charset and element.start > declared[0].start else b"",
                signed=signed,
                little=header.little or is_meta,
                is_long=is_long,
            )
        )
    runs = VaryingRuns.of(first, header.end - (4 if header.pixels else 0), places, frozenset(header.deciding))
    if runs is None:
        return None
    layout = HeaderLayout(header=header, columns=tuple(columns), constants=constants, runs=runs, order=order)
    pixels = header.pixels
    if pixels is not None:  # a length of 16 bits before the pixels, or bytes after them
        length = layout._pixel_length(first, header.end)
        if length != pixels.length or (length >= 0 and header.end + length != size):
            return None
    return layout
