"""Read what a codestream says about itself: codec, size, precision, losses and colors.

The codestream decides where it contradicts the transfer syntax or the image's elements (PS3.5 section A.4). Its header
is read before a codec sees it, so that no codec allocates more than the image declares.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise

from napari_dicommeta.dicom.uids import DEFLATED_FRAME, RLE
from napari_dicommeta.support.errors import DecodeError

__all__ = [
    "DCT_KINDS",
    "LOSSY_KINDS",
    "Codestream",
    "codestream_kind",
    "has_end",
    "looks_whole",
    "may_end_early",
    "raw_codestream",
    "read_codestream",
]

J2K, JP2, SOI = b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"\xff\xd8"
WITHOUT_END = frozenset((RLE, DEFLATED_FRAME))
"""Transfer syntaxes whose frames have no end marker."""
SOS, EOI, SOT = b"\xff\xda", b"\xff\xd9", b"\xff\x90"
DELIMITER = b"\xfe\xff\xdd\xe0" + bytes(4)
"""What ends encapsulated pixel data: the sequence delimitation item (PS3.5 section A.4)."""
TAIL = 32
"""Bytes at the end of a file that `looks_whole` needs: delimiter, end marker and padding."""
PADDING = 10
"""Bytes at the end of a frame in which its end marker lies, unless the writer added more than padding."""
JPEG_KINDS = {
    0xC0: "jpeg-baseline",
    0xC1: "jpeg-extended",
    0xC2: "jpeg-progressive",
    0xC3: "jpeg-lossless",
    0xC9: "jpeg-arithmetic",
    0xCA: "jpeg-arithmetic",
    0xCB: "jpeg-lossless-arithmetic",
    0xF7: "jpeg-ls",
}
"""Start of frame marker -> kind; all others are hierarchical (ITU-T T.81 table B.1, T.87 section C.1)."""
DCT_KINDS = frozenset(("jpeg-baseline", "jpeg-extended", "jpeg-progressive", "jpeg-arithmetic"))
"""The kinds of JPEG with a discrete cosine transform that are not hierarchical."""
LOSSY_KINDS = DCT_KINDS | {"jpeg-hierarchical", "jpeg-ls-near", "jpeg-2000-lossy", "htj2k-lossy"}
"""The kinds of `codestream_kind` whose decoded values are rounded."""
MAX_SEGMENTS = 15
RGB_IDS = (b"RGB", b"rgb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Codestream:
    """The header of a JPEG, JPEG-LS or JPEG 2000 codestream.

    `kind`: as in `codestream_kind`. `bits`: the precision of a sample. `space`: "RGB" or "YBR" where the codestream
    states its colors, "" where only the image does.
    """

    kind: str
    rows: int
    columns: int
    samples: int
    bits: int
    space: str = ""


def codestream_kind(data: bytes) -> str:
    """Return what a compressed frame is by its own bytes, whatever its transfer syntax says.

    The kinds are "jpeg-baseline", "jpeg-extended", "jpeg-progressive", "jpeg-arithmetic", "jpeg-hierarchical",
    "jpeg-lossless", "jpeg-lossless-arithmetic", "jpeg-ls", "jpeg-ls-near", "jpeg-2000", "jpeg-2000-lossy", "htj2k",
    "htj2k-lossy" and "rle". The result is "" for other bytes, such as deflated ones, and for a damaged header.
    `LOSSY_KINDS` has those with losses (PS3.5 sections A.4 and 8.2).
    """
    try:
        stream = read_codestream(data)
    except DecodeError:
        return ""
    if stream is not None:
        return stream.kind
    return "rle" if _is_rle(data) else ""


def read_codestream(data: bytes) -> Codestream | None:
    """Return the header of a JPEG, JPEG-LS or JPEG 2000 codestream, None for other bytes.

    Raises
    ------
    DecodeError
        If the header is cut off or contradicts itself.
    """
    try:
        if data[:2] == SOI:
            return _read_jpeg(data)
        if data[:4] == J2K or data[:8] == JP2:
            return _read_jpeg_2000(raw_codestream(data))
    except (struct.error, IndexError) as error:
        raise DecodeError("the header of the codestream is cut off") from error
    return None


def may_end_early(kind: str) -> bool:
    """Return whether a frame of this kind is still an image where its codestream is cut: coarser, or gray below.

    Lossless ones are not: nothing in them says which samples are lost. The codecs of JPEG 2000 refuse cut tiles, and
    that of JPEG-LS searches for seconds behind the end.
    """
    return kind in DCT_KINDS


def looks_whole(tail: bytes, transfer_syntax: str) -> bool:
    """Return whether the last bytes of a file, `TAIL` of them, are the end of encapsulated frames.

    False says only that more has to be read: `frame_ending` does. True is certain, and all that a scan needs.
    """
    return tail.endswith(DELIMITER) and (EOI in tail or transfer_syntax in WITHOUT_END)


def has_end(data: bytes) -> bool:
    """Return whether a JPEG, JPEG-LS or JPEG 2000 codestream reaches its end marker; True for other bytes.

    Coded samples cannot imitate the marker (ITU-T T.81 section B.1.1.2, T.87 section C.1, T.800 section A.4).
    """
    if EOI in data[-PADDING:]:
        return True
    if data[:2] == SOI:
        return data.rfind(EOI) > data.rfind(SOS)
    if data[:4] != J2K and data[:8] != JP2:
        return True
    raw = raw_codestream(data)
    position = raw.find(SOT)
    while 0 <= position <= len(raw) - 12 and raw[position : position + 2] == SOT:
        length = int.from_bytes(raw[position + 6 : position + 10], "big")
        if length < 12:  # 0 is the last tile-part, which ends with the codestream
            return length == 0 and raw.rstrip(b"\0").endswith(EOI)
        position += length
    return position >= 0 and raw[position : position + 2] == EOI


def raw_codestream(data: bytes) -> bytes:
    """Return the JPEG 2000 codestream inside its file format, other bytes unchanged (ITU-T T.800 section I.5.4).

    DICOM forbids the file format, and its color boxes are ignored.

    Raises
    ------
    DecodeError
        If the file format holds no codestream.
    """
    if data[:8] != JP2:
        return data
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, position)
        head = 8
        if length == 1 and position + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, position + 8)
            head = 16
        length = length or len(data) - position
        if kind == b"jp2c" and data[position + head : position + head + 4] == J2K:
            return data[position + head : position + length]
        if length < head:
            break
        position += length
    raise DecodeError("the JPEG 2000 file holds no codestream")


def _read_jpeg_2000(data: bytes) -> Codestream:
    """Read the markers SIZ and COD (ITU-T T.800 sections A.5.1 and A.6.1)."""
    length, capabilities, right, lower, left, upper = struct.unpack_from(">HH4L", data, 4)
    (samples,) = struct.unpack_from(">H", data, 40)
    components = [struct.unpack_from(">3B", data, 42 + 3 * n) for n in range(min(samples, 256))]
    if any(component[1:] != (1, 1) for component in components):
        raise DecodeError("the components of the JPEG 2000 codestream are subsampled")
    bits = max((depth & 0x7F) + 1 for depth, _, _ in components) if components else 0
    kind, space, position = "htj2k" if capabilities & 0x4000 else "jpeg-2000", "", 4 + length
    while position + 4 <= len(data):
        marker, length = struct.unpack_from(">HH", data, position)
        if marker == 0xFF52 and position + 14 <= len(data):
            space = "RGB" if data[position + 8] else ""  # the component transform, which a decoder undoes
            kind += "" if data[position + 13] else "-lossy"
            break
        if marker == 0xFF90 or marker < 0xFF00 or length < 2:
            break
        position += 2 + length
    return Codestream(kind=kind, rows=lower - upper, columns=right - left, samples=samples, bits=bits, space=space)


def _read_jpeg(data: bytes) -> Codestream:
    """Read the markers up to the first scan (ITU-T T.81 section B.2, T.87 section C.2).

    A second frame header is refused: a codec might allocate what that one says.
    """
    position, frame, has_jfif, adobe, near = 2, -1, False, -1, 0
    while position + 4 <= len(data):
        marker = data[position + 1]
        if data[position] != 0xFF:
            position = data.find(b"\xff", position)
            if position < 0:
                break
        elif marker == 0xFF:
            position += 1
        elif marker in (0xD8, 0x01) or 0xD0 <= marker <= 0xD7:
            position += 2
        else:
            length = data[position + 2] << 8 | data[position + 3]
            if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
                if frame >= 0:
                    raise DecodeError("the JPEG codestream has two frame headers")
                frame = position
            elif marker == 0xDA:
                place = position + 5 + 2 * data[position + 4]  # of NEAR, the largest error of a JPEG-LS sample
                near = data[place] if place < len(data) else 0
                break
            elif marker == 0xE0:
                has_jfif |= data[position + 4 : position + 9] == b"JFIF\0"
            elif marker == 0xEE and length >= 14 and data[position + 4 : position + 9] == b"Adobe":
                adobe = data[position + 15]
            position += 2 + length
    if frame < 0:
        raise DecodeError("the JPEG codestream has no frame header")
    return _read_frame_header(data, frame, has_jfif, adobe, near)


def _read_frame_header(data: bytes, position: int, has_jfif: bool, adobe: int, near: int) -> Codestream:
    marker = data[position + 1]
    bits, rows, columns, samples = struct.unpack_from(">BHHB", data, position + 4)
    kind = JPEG_KINDS.get(marker, "jpeg-hierarchical")
    if kind == "jpeg-ls" and near:
        kind = "jpeg-ls-near"
    space = ""
    if kind in DCT_KINDS and samples == 3:
        components = [data[position + 10 + 3 * n : position + 13 + 3 * n] for n in range(samples)]
        factors = {component[1] for component in components}
        if bytes(component[0] for component in components) in RGB_IDS or (adobe == 0 and len(factors) == 1):
            space = "RGB"
        elif adobe == 1 or has_jfif or len(factors) > 1:
            space = "YBR"
    return Codestream(kind=kind, rows=rows, columns=columns, samples=samples, bits=bits, space=space)


def _is_rle(data: bytes) -> bool:
    """Return whether bytes begin with the header of an RLE frame (PS3.5 section G.5)."""
    if len(data) < 66:
        return False
    count, *offsets = struct.unpack_from("<16L", data)
    if not 1 <= count <= MAX_SEGMENTS or offsets[0] != 64 or any(offsets[count:]):
        return False
    return all(low < high for low, high in pairwise([*offsets[:count], len(data)]))
