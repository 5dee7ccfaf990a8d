"""Read where the slices of a mosaic are: in the image and in the patient.

Siemens (syngo VA to VE, Image Type value MOSAIC) and United Imaging (VFRAME) store all slices of one time as tiles of
one image, row by row from the upper left. The grid is ``ceil(sqrt(slices))`` tiles wide. It is as many tiles high for
Siemens; United Imaging leaves out rows without a slice. Tiles behind the last slice are blank. The attributes that say
so are private. The position and spacing of each slice are derived here.

Siemens: the scanner computes *Image Position (Patient)* from the center of the first slice, but with the size of the
whole mosaic. With ``r`` and ``c`` the directions of a row and of a column, and sizes in mm::

    position of the file = center - r * mosaic width / 2 - c * mosaic height / 2
    position of slice 0  = center - r * tile width / 2   - c * tile height / 2
                         = position of the file + r * (mosaic - tile width) / 2 + c * (mosaic - tile height) / 2

Slice k is k steps further along *SliceNormalVector* of the CSA Image Header. It is ± r × c: its sign is the direction
in which slices are numbered. That is R to L, A to P or F to H unless the operator reversed it, and r × c of a sagittal
slice points to R.

United Imaging: each slice has an item in *MRVFrameSequence* (0065,xx51) with its own *Image Position (Patient)*.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from math import isfinite, isqrt, nan
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.csa import parse_csa, read_slice_array
from napari_dicommeta.dicom.elements import DataSetReader
from napari_dicommeta.dicom.file_buffer import FileBuffer
from napari_dicommeta.dicom.header import MAX_INFLATED, inflate, open_regular, parse_header
from napari_dicommeta.dicom.stored_values import LONG_VR, SHORT_VR
from napari_dicommeta.dicom.uids import DEFLATED
from napari_dicommeta.dicom.values import number, numbers
from napari_dicommeta.support.errors import CutError, HeaderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_dicommeta.dicom.element import Element

__all__ = ["Mosaic", "is_mosaic", "read_mosaic"]

MAX_PRIVATE = 4 << 20
"""The most bytes read of one private element; CSA headers have about 100 kB."""
MAX_SLICES = 4096
MIN_COSINE = 0.9
"""The least cosine between the slice normal of a CSA header and that of Image Orientation (Patient)."""
TOLERANCE = 1e-3
"""How far the two directions of Image Orientation (Patient) may be from unit length and from a right angle."""

_MR, _CSA, _UIH = ":SIEMENS MR HEADER", ":SIEMENS CSA HEADER", ":Image Private Header"
_IMAGES, _TIMES, _SLICES, _FRAMES = "0019xx0a" + _MR, "0019xx29" + _MR, "0065xx50" + _UIH, "0065xx51" + _UIH
_IMAGE_HEADER, _SERIES_HEADER = "0029xx10" + _CSA, "0029xx20" + _CSA
_POSITION, _ORIENTATION = "00200032", "00200037"
_AXES = ("Sag", "Cor", "Tra")
_BINARY_VR = (b"US", b"SS", b"UN", b"OB", b"OW")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Mosaic:
    """Slices that one image holds as tiles of the same size.

    `rows`, `columns`: pixels of one tile. `count`: slices. `across`: tiles in a row of the image.
    `origins`: (row, column) of the first pixel of each slice, in slice order. `positions`: *Image Position (Patient)*
    of each slice (PS3.3 section C.7.6.2.1.1), float64, shape (count, 3), in mm; None if unknown. `spacing`: mm between
    the centers of adjacent slices, NaN if unknown. `reason`: why the positions are unknown, "" if they are known.
    """

    rows: int
    columns: int
    count: int
    across: int
    origins: tuple[tuple[int, int], ...]
    positions: np.ndarray | None
    spacing: float
    reason: str


def is_mosaic(image_type: str, frames: int = 1) -> bool:
    """Return whether *Image Type* (0008,0008), its values joined by backslashes, says that the image is a mosaic.

    An image of several `frames` is none: syngo XA splits mosaics into frames, but keeps the value MOSAIC.
    """
    values = {value.strip() for value in image_type.split("\\")}
    return frames <= 1 and not values.isdisjoint(("MOSAIC", "VFRAME"))


def read_mosaic(path: str, rows: int, columns: int) -> Mosaic | None:
    """Return the tiles of the mosaic at `path`, whose image has `rows` × `columns` pixels.

    The number of slices is in (0019,xx0A) *NumberOfImagesInMosaic*, in the CSA Image Header (0029,xx10), or is the
    number of *MosaicRefAcqTimes* (0019,xx29). United Imaging has it in (0065,xx50). Without them, *Acquisition Matrix*
    (0018,1310) gives the size of a tile, and each tile counts as a slice, since blank ones cannot be known.

    The result is None if the file cannot be read or is no mosaic, and if the number of its slices is unknown or does
    not fit its image. A damaged private header raises nothing; what it would say is missing.
    """
    try:
        opened = open_regular(path)
    except (OSError, ValueError, HeaderError):
        return None
    try:
        file = _File(opened.read, opened.size)
        image_type, frames = file.text("00080008"), number(file.text("00280008"))
        if rows < 1 or columns < 1 or not is_mosaic(image_type, int(frames or 1)):
            return None
        with np.errstate(all="ignore"):  # numbers of a damaged file overflow; what is not finite is left out
            return (_read_uih if "VFRAME" in image_type else _read_siemens)(file, rows, columns)
    except (OSError, HeaderError):
        return None
    finally:
        opened.close()


class _File:
    """The elements of one file by key, with the bytes of long private values."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch, self._size = fetch, size
        self.header = parse_header(fetch, size)
        self.elements: dict[str, Element] = {}
        for element in self.header.elements:
            self.elements.setdefault(element.key, element)

    def text(self, key: str) -> str:
        """Return a value as text, "" if it is absent or long."""
        element = self.elements.get(key)
        return "" if element is None else _text(element)

    def words(self, key: str, count: int) -> tuple[int, ...]:
        """Return the 16-bit numbers of a value, stored with any VR; empty if there are not `count` of them."""
        element = self.elements.get(key)
        if element is None:
            return ()
        raw = element.value[3:]
        if element.vr in _BINARY_VR and len(raw) == 2 * count:
            return tuple(np.frombuffer(raw, "<u2" if self.header.little else ">u2").tolist())
        found = numbers(_text(element), count)
        return tuple(int(value) for value in found) if found else ()

    def raw(self, key: str) -> bytes:
        """Return the bytes of a value, however long up to `MAX_PRIVATE`; empty if it is absent."""
        element = self.elements.get(key)
        if element is None or element.length > MAX_PRIVATE:
            return b""
        if self.header.transfer_syntax != DEFLATED:
            return self._fetch(element.start, element.length)
        meta = [element for element in self.header.elements if element.key.startswith("0002")]
        start = meta[-1].start + meta[-1].length if meta else 0
        body = inflate(self._fetch, start, self._size, MAX_INFLATED).data
        return body[element.start : element.start + element.length]


def _text(element: Element) -> str:
    is_stored = element.value[2:3] in (b".", b">")  # not only its length and digest
    return element.value[3:].decode("latin-1").strip(" \0") if is_stored else ""


def _read_siemens(file: _File, rows: int, columns: int) -> Mosaic | None:
    image_header = parse_csa(file.raw(_IMAGE_HEADER))
    slices: dict[str, float] = {}
    if not image_header.get("SliceNormalVector") or not number(file.text("00180088")):
        series_header = parse_csa(file.raw(_SERIES_HEADER))
        protocol = series_header.get("MrPhoenixProtocol") or series_header.get("MrProtocol") or ("",)
        slices = read_slice_array(protocol[0])
    counts = (
        *file.words(_IMAGES, 1),
        _whole(image_header.get("NumberOfImagesInMosaic", ())),
        file.elements[_TIMES].length // 8 if _TIMES in file.elements else 0,
        len(image_header.get("MosaicRefAcqTimes", ())),
    )
    mosaic = _tiles(file, rows, columns, counts, is_square=True)
    if mosaic is None:
        return None
    spacing = _spacing(file, slices)
    if mosaic.reason:
        return replace(mosaic, spacing=spacing)
    margins = rows - mosaic.rows, columns - mosaic.columns
    positions, reason = _positions(file, mosaic.count, margins, spacing, _numbering(image_header, slices))
    return replace(mosaic, positions=positions, spacing=spacing, reason=reason)


def _read_uih(file: _File, rows: int, columns: int) -> Mosaic | None:
    found = list(_frame_positions(file))
    counts = _whole((file.text(_SLICES),)), len(found)
    mosaic = _tiles(file, rows, columns, counts, is_square=False)
    if mosaic is None:
        return None
    positions, reason = np.array(found, np.float64), mosaic.reason
    spacing = abs(number(file.text("00180088")) or nan)
    if not reason and not found:
        reason = "MRVFrameSequence (0065,xx51), which holds the position of each slice, is missing or damaged"
    elif not reason and len(found) != mosaic.count:
        reason = f"MRVFrameSequence (0065,xx51) holds {len(found)} positions for {mosaic.count} slices"
    elif not reason and len(found) > 1:
        spacing = _distance(positions[0], positions[-1]) / (len(found) - 1)
    positions.flags.writeable = False
    return replace(mosaic, positions=None if reason else positions, spacing=spacing, reason=reason)


def _tiles(file: _File, rows: int, columns: int, counts: Sequence[int], is_square: bool) -> Mosaic | None:
    """Return a mosaic without positions: of the first of `counts` that fits, or else by *Acquisition Matrix*.

    The matrix has the numbers of rows and columns by frequency, then by phase encoding; two of the four are 0 (PS3.3
    section C.8.3.1). All its tiles count as slices, and `reason` says so.
    """
    reason = ""
    for count in counts:
        if 1 <= count <= MAX_SLICES:
            down, across = _grid(count, is_square)
            if not rows % down and not columns % across:
                break
    else:
        matrix = file.words("00181310", 4)
        height, width = (matrix[0] or matrix[2], matrix[1] or matrix[3]) if matrix else (0, 0)
        if not height or not width or rows % height or columns % width:
            return None
        down, across = rows // height, columns // width
        count = down * across
        if not 1 < count <= MAX_SLICES or _grid(count, is_square) != (down, across):
            return None
        reason = "the number of slices is not in the file: blank tiles at the end count as slices"
    height, width = rows // down, columns // across
    return Mosaic(
        rows=height,
        columns=width,
        count=count,
        across=across,
        origins=tuple((height * (k // across), width * (k % across)) for k in range(count)),
        positions=None,
        spacing=nan,
        reason=reason,
    )


def _grid(count: int, is_square: bool) -> tuple[int, int]:
    """Return the tiles in a column and in a row of the grid that holds `count` slices."""
    across = isqrt(count - 1) + 1
    return across if is_square else -(-count // across), across


def _whole(texts: Sequence[str]) -> int:
    """Return the first text as a whole number, 0 if it is none."""
    value = number(texts[0]) if texts else None
    return int(value) if value is not None and value.is_integer() and abs(value) < 1 << 31 else 0


def _spacing(file: _File, slices: dict[str, float]) -> float:
    """Return the distance of slices in mm by *Spacing Between Slices* (0018,0088), or else by the protocol; or NaN.

    The protocol has the centers of the first two slices. It has one slab only in a 3D acquisition, whose slices adjoin
    and are as far apart as *Slice Thickness* (0018,0050).
    """
    spacing, size = number(file.text("00180088")), slices.get("lSize", 0)
    if not spacing and size > 1:
        spacing = _distance(_vector(slices, "asSlice[0].sPosition"), _vector(slices, "asSlice[1].sPosition"))
    elif not spacing and size == 1:
        spacing = number(file.text("00180050"))
    return abs(spacing or nan)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    distance = float(np.linalg.norm(other - one))
    return distance if isfinite(distance) else nan


def _vector(slices: dict[str, float], name: str) -> np.ndarray:
    """Return a vector of the protocol: x, y, z in the patient (PS3.3 section C.7.6.2.1.1); 0 is not written."""
    return np.array([slices.get(f"{name}.d{axis}", 0.0) for axis in _AXES])


def _positions(
    file: _File, count: int, margins: tuple[int, int], spacing: float, normal: np.ndarray | None
) -> tuple[np.ndarray | None, str]:
    """Return (positions, "") or (None, reason); the module's docstring derives the positions.

    `margins` are the rows and columns of the mosaic less those of a tile.
    """
    position, orientation = numbers(file.text(_POSITION), 3), numbers(file.text(_ORIENTATION), 6)
    pixel_spacing = numbers(file.text("00280030"), 2)
    if position is None or orientation is None or pixel_spacing is None or min(pixel_spacing) <= 0:
        return None, "Image Position, Image Orientation (Patient) or Pixel Spacing is missing or invalid"
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    products = np.array([row @ row - 1, column @ column - 1, row @ column])
    if not np.all(np.abs(products) < TOLERANCE):
        return None, "Image Orientation (Patient) is not two directions at right angles"
    if normal is None:
        return None, "the CSA header (0029,xx10), which holds the direction of the slices, is missing or damaged"
    cross = np.cross(row, column)
    cosine = float(normal @ cross)
    if not abs(cosine) >= MIN_COSINE:
        return None, "the slice normal of the CSA header is not that of Image Orientation (Patient)"
    if not spacing > 0:
        return None, "Spacing Between Slices (0018,0088) is missing or invalid"
    right, down = pixel_spacing[1] * margins[1] / 2, pixel_spacing[0] * margins[0] / 2
    step = cross * (spacing * np.sign(cosine) / np.linalg.norm(cross))
    positions = np.array(position) + row * right + column * down + np.arange(count)[:, np.newaxis] * step
    positions.flags.writeable = False
    return (
        (positions, "")
        if np.all(np.isfinite(positions))
        else (None, "Image Position (Patient), Pixel Spacing or Spacing Between Slices is not a length")
    )


def _numbering(image_header: dict[str, tuple[str, ...]], slices: dict[str, float]) -> np.ndarray | None:
    """Return the unit vector from slice 0 to slice 1, None if it is unknown.

    It is *SliceNormalVector* of the CSA Image Header. Without that, it is the normal of the first slice in the
    protocol, reversed if *ucImageNumb* of its main axis is 1: slices are then numbered L to R, P to A or H to F.
    """
    vector = numbers("\\".join(image_header.get("SliceNormalVector", ())), 3)
    normal = _vector(slices, "asSlice[0].sNormal") if vector is None else np.array(vector)
    length = float(np.linalg.norm(normal))
    if not abs(length - 1) < 0.1:
        return None
    if vector is None and slices.get(f"ucImageNumb{_AXES[int(np.argmax(np.abs(normal)))]}"):
        normal = -normal
    return normal / length


def _frame_positions(file: _File) -> Iterator[tuple[float, ...]]:
    """Yield *Image Position (Patient)* of the items of MRVFrameSequence (0065,xx51), up to an item without one."""
    sequence = file.elements.get(_FRAMES)
    if sequence is None:
        return
    if sequence.vr == b"SQ":
        key, elements = f"{_FRAMES}/{_POSITION}", list(file.header.elements)
    else:
        key, elements = _POSITION, _item_elements(file.raw(_FRAMES))
    for element in elements:
        if element.key == key:
            position = numbers(_text(element), 3)
            if position is None:
                return
            yield position


def _item_elements(raw: bytes) -> list[Element]:
    """Return the elements of all items of a sequence that is stored with VR UN, one item after the other.

    Read as one data set, the marks between the items are skipped. The items are in implicit VR little endian (PS3.5
    section 6.2.2); explicit VR is recognized by the first element.
    """
    reader = DataSetReader(FileBuffer(lambda offset, count: raw[offset : offset + count], len(raw), raw), [])
    with suppress(CutError):  # the elements before the damage are kept
        reader.read(0, explicit=raw[12:14] in SHORT_VR or raw[12:14] in LONG_VR, little=True)
    return reader.elements
