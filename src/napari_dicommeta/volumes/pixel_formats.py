"""Pixel formats of the files of a series, and whether their pixel data reaches its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from napari_dicommeta.dicom.frame_ending import frame_ending
from napari_dicommeta.dicom.pixel_format import FLOATS, PixelFormat
from napari_dicommeta.dicom.uids import DEFLATED_FRAME, NATIVE
from napari_dicommeta.dicom.values import number
from napari_dicommeta.support.side_by_side import SideBySide
from napari_dicommeta.support.words import display
from napari_dicommeta.volumes.frame_table import PixelFormats

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.catalog.columns import Column, ColumnStore
    from napari_dicommeta.dicom.frame_ending import FrameEnding

__all__ = ["read_endings", "read_formats"]

_FORMAT_TAGS = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "NumberOfFrames",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "TransferSyntaxUID",
)


OF_ONE_SAMPLE = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
NO_COLORS = ("MONOCHROME1", "MONOCHROME2", "")
"""Photometric interpretations of images that are opened as RGB if they have several samples per pixel."""
MAX_SHOWN = 40
"""Characters of a damaged value that a reason quotes."""


class _Stated(NamedTuple):
    """The text of an element and what is wrong with it; both "" where it is absent or empty."""

    text: str
    flag: str = ""
    is_present: bool = True


_NOTHING = _Stated("", is_present=False)


def read_formats(catalog: Catalog) -> PixelFormats:
    """Return the pixel format of each file; bits, sign and transfer syntax may differ from file to file."""
    rows = catalog.file_rows
    columns = [rows.find(tag) for tag in _FORMAT_TAGS]
    tags = catalog.file_column("pixel_tag")
    of_all = tuple(-1 if column is None else rows.constant_code(column) for column in columns)
    if None not in of_all and (tags == tags[0]).all():
        return PixelFormats((_of_codes(rows.store, columns, of_all, int(tags[0])),), np.zeros(len(tags), np.int32))
    codes = [None if column is None else rows.stored_codes(column) for column in columns]
    varying = [column for column in (*codes, tags) if column is not None and (column != column[0]).any()]
    if varying:
        table = np.stack([column.astype(np.int64) for column in varying], axis=1)
        _, first, ids = np.unique(table, axis=0, return_index=True, return_inverse=True)
    known: dict[PixelFormat, int] = {}
    of_key = []
    for row in first.tolist():
        of_row = tuple(-1 if code is None else int(code[row]) for code in codes)
        form = _of_codes(rows.store, columns, of_row, int(tags[row]))
        of_key.append(known.setdefault(form, len(known)))
    return PixelFormats(tuple(known), np.array(of_key, dtype=np.int32)[ids.reshape(-1)])


def _of_codes(
    store: ColumnStore, columns: Sequence[Column | None], codes: tuple[int | None, ...], pixel_tag: int
) -> PixelFormat:
    """Return the pixel format of files with these codes in the columns of `_FORMAT_TAGS`; most series share a few."""
    known = store.kept.setdefault("pixel formats", {})
    form = known.get((codes, pixel_tag))
    if form is None:
        stated = tuple(_stated(column, code) for column, code in zip(columns, codes, strict=True))
        form = known[codes, pixel_tag] = _pixel_format(stated, pixel_tag)
    return cast("PixelFormat", form)


def _stated(column: Column | None, code: int | None) -> _Stated:
    if column is None or code is None or code < 0:
        return _NOTHING
    meanings = column.meanings(code)
    return _Stated(column.text_of(code), next((meaning.flag for meaning in meanings if meaning.flag), ""))


def _pixel_format(of_tags: tuple[_Stated, ...], pixel_tag: int) -> PixelFormat:
    """Return the pixel format that files with these texts of `_FORMAT_TAGS` have."""
    stated = dict(zip(_FORMAT_TAGS, of_tags, strict=True))
    damage: list[str] = []
    unclear: list[str] = []

    def whole(tag: str, default: int) -> int:
        text, flag, _ = stated[tag]
        value = None if flag else number(text)
        if value is None and text:
            damage.append(f"{tag} is {display(text, MAX_SHOWN)!r}: {flag or 'not a number'}")
        return default if value is None else int(value)

    bits = whole("BitsAllocated", 16)
    stored = whole("BitsStored", bits)
    sizes = {"rows": whole("Rows", 0), "columns": whole("Columns", 0), "samples": whole("SamplesPerPixel", 1)}
    high_bit = whole("HighBit", stored - 1)
    count, flag, has_count = stated["NumberOfFrames"]
    declared = None if flag else number(count)
    frames = max(int(declared or 1), 1)
    if has_count and declared != frames:
        taken = "one frame is read" if frames == 1 else f"{frames:,} frames are read"
        unclear.append(f"Number of Frames is {display(count, MAX_SHOWN)!r}: {taken}")
    sign, flag, _ = stated["PixelRepresentation"]
    is_known = not flag and number(sign) in (0, 1)
    if not is_known and pixel_tag not in FLOATS:
        state = f"{display(sign, MAX_SHOWN)!r}" if sign else "absent"
        unclear.append(f"Pixel Representation is {state}: samples are taken as unsigned")
    syntax = stated["TransferSyntaxUID"].text
    unclear += _unclear_colors(stated, sizes["samples"], has_order=syntax in NATIVE or syntax == DEFLATED_FRAME)
    return PixelFormat(
        **sizes,
        frames=frames,
        bits_allocated=bits,
        bits_stored=stored,
        high_bit=high_bit,
        signed=is_known and number(sign) == 1,
        photometric=stated["PhotometricInterpretation"].text or "MONOCHROME2",
        transfer_syntax=syntax,
        pixel_tag=pixel_tag,
        damage=damage[0] if damage else "",
        unclear=tuple(unclear),
    )


def _unclear_colors(stated: Mapping[str, _Stated], samples: int, has_order: bool) -> Iterator[str]:
    """Yield what is assumed where an image does not say what its samples mean, or how those of colors are ordered.

    `has_order`: whether *Planar Configuration* orders them, and not a codestream.
    """
    photometric, order = stated["PhotometricInterpretation"], stated["PlanarConfiguration"]
    text = f"{display(photometric.text, MAX_SHOWN)!r}" if photometric.text else "absent"
    if samples == 1 and photometric.text not in OF_ONE_SAMPLE:
        yield f"Photometric Interpretation is {text} with one sample per pixel: samples are taken as gray"
    if samples > 1 and photometric.text in NO_COLORS:
        yield f"Photometric Interpretation is {text} with {samples} samples per pixel: they are taken as RGB"
    if samples > 1 and has_order and (order.flag or number(order.text) not in (0, 1)):
        text = f"{display(order.text, MAX_SHOWN)!r}" if order.text else "absent"
        yield f"Planar Configuration is {text}: the samples of each pixel are taken to follow each other"


def read_endings(catalog: Catalog, formats: PixelFormats) -> tuple[dict[str, str], dict[int, str]]:
    """Return what is missing at the end of encapsulated frames: path -> reason, and row -> reason of lost images.

    Images are lost if their only frame is cut and cannot be decoded. Files that cannot be read are left out: reading
    their pixels says why.
    """
    native = np.array([form.is_native for form in formats.distinct])
    if native.all():
        return {}, {}
    rows = np.flatnonzero(~native[formats.ids])
    offsets = catalog.file_column("pixel_offset")

    def look(row: int) -> FrameEnding | None:
        form = formats.distinct[formats.ids[row]]
        try:
            return frame_ending(catalog.paths[row], int(offsets[row]), form.frames, form.transfer_syntax)
        except OSError:
            return None

    endings: dict[str, str] = {}
    lost: dict[int, str] = {}
    for row, ending in zip(rows.tolist(), SideBySide(look)(rows.tolist()), strict=True):
        if ending is not None and ending.is_lost and formats.distinct[formats.ids[row]].frames == 1:
            lost[row] = ending.reason
        elif ending is not None:
            endings[catalog.paths[row]] = ending.reason
    return endings, lost
