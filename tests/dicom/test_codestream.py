from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import EXPLICIT
from hypothesis import given
from hypothesis import strategies as st
from pixel_factory import image, rle

from napari_dicommeta.dicom import pixel_format
from napari_dicommeta.dicom.codecs import MAX_FRAME, decode_frame
from napari_dicommeta.dicom.codestream import LOSSY_KINDS, codestream_kind, read_codestream
from napari_dicommeta.dicom.pixel_format import PixelFormat, pixels_fault
from napari_dicommeta.dicom.uids import (
    DEFLATED,
    DEFLATED_FRAME,
    HTJ2K,
    JPEG_2000,
    JPEG_DCT,
    JPEG_LOSSLESS,
    JPEG_LS,
    RLE,
)
from napari_dicommeta.support.errors import DecodeError, PixelError

SYNTAXES = [min(group) for group in (JPEG_DCT, JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K)] + [RLE, DEFLATED_FRAME]
GRAY = (5 * np.arange(24)[:, np.newaxis] + 3 * np.arange(32)).astype(np.uint8)
LOSSLESS_J2K = {"codecformat": "j2k", "reversible": True, "level": 0}


def encode(codec: str, samples: np.ndarray = GRAY, **options: Any) -> bytes:
    import imagecodecs

    return bytes(getattr(imagecodecs, f"{codec}_encode")(samples, **options))


def streams() -> dict[str, bytes]:
    """Return one codestream of `GRAY` by kind."""
    extended = bytearray(encode("jpeg8", level=100))
    place = extended.index(b"\xff\xc0")
    extended[place + 1] = 0xC1
    return {
        "jpeg-baseline": encode("jpeg8", level=100),
        "jpeg-extended": bytes(extended),
        "jpeg-lossless": encode("jpeg8", lossless=True, predictor=1),
        "jpeg-ls": encode("jpegls"),
        "jpeg-ls-near": encode("jpegls", level=1),
        "jpeg-2000": encode("jpeg2k", **LOSSLESS_J2K),
        "jpeg-2000-lossy": encode("jpeg2k", codecformat="j2k", level=60),
        "htj2k": encode("htj2k", reversible=True),
        "htj2k-lossy": encode("htj2k", level=0.001, reversible=False),
        "rle": rle(GRAY),
    }


STREAMS = streams()


@pytest.mark.parametrize("kind", STREAMS)
def test_a_codestream_is_what_its_markers_say(kind: str) -> None:
    assert codestream_kind(STREAMS[kind]) == kind
    stream = read_codestream(STREAMS[kind])
    if kind == "rle":
        assert stream is None
    else:
        assert stream is not None
        assert (stream.rows, stream.columns, stream.samples, stream.bits) == (24, 32, 1, 8)


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_codestream_decides_where_it_contradicts_the_transfer_syntax(
    tmp_path: Path, kind: str, syntax: str
) -> None:
    decoded = decode_frame(STREAMS[kind], syntax, 24, 32, 1, 8)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - GRAY).max() <= (3 if kind in LOSSY_KINDS else 0)
    file = image(tmp_path / "x.dcm", [STREAMS[kind]], (24, 32), syntax, "MONOCHROME2", samples=1)
    np.testing.assert_array_equal(file.gray(), decoded, strict=True)


def test_a_jpeg_2000_file_is_read_by_the_codestream_in_it() -> None:
    data = encode("jpeg2k", **{**LOSSLESS_J2K, "codecformat": "jp2"})
    assert data[4:8] == b"jP  "
    assert codestream_kind(data) == "jpeg-2000"
    np.testing.assert_array_equal(decode_frame(data, min(JPEG_2000), 24, 32, 1, 8), GRAY)
    with pytest.raises(DecodeError, match="holds no codestream"):
        read_codestream(data[: data.index(b"jp2c")])


def test_lossy_values_above_bits_stored_stay_under_any_transfer_syntax(tmp_path: Path) -> None:
    # The codestream has 8 bits, the image calls 7 of them stored: losses may exceed them, undefined bits do not exist.
    bright = np.full((24, 32), 129, np.uint8)
    for syntax in (min(JPEG_DCT), min(JPEG_LS)):
        data = encode("jpeg8", bright, level=100)
        file = image(tmp_path / "x.dcm", [data], (24, 32), syntax, "MONOCHROME2", samples=1, stored=7)
        assert np.abs(file.gray().astype(int) - 129).max() <= 1
    data = encode("jpegls", bright)
    file = image(tmp_path / "x.dcm", [data], (24, 32), min(JPEG_LS), "MONOCHROME2", samples=1, stored=7)
    np.testing.assert_array_equal(file.gray(), bright & 127)


@pytest.mark.parametrize("kind", [kind for kind in STREAMS if kind != "rle"])
def test_no_codec_runs_where_the_header_of_the_codestream_is_another_size(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    import imagecodecs

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError

    for name in ("jpeg8", "ljpeg", "jpegsof3", "jpegls", "jpeg2k", "htj2k"):
        monkeypatch.setattr(imagecodecs, f"{name}_decode", fail)
    for rows, columns, samples in ((23, 32, 1), (24, 64, 1), (24, 32, 3)):
        with pytest.raises(DecodeError, match="the codestream is 32 × 24 with 1 components"):
            decode_frame(STREAMS[kind], min(JPEG_LS), rows, columns, samples, 8)
    with pytest.raises(DecodeError, match=r"the header of the codestream|no frame header|JPEG 2000"):
        decode_frame(STREAMS[kind][:8], min(JPEG_LS), 24, 32, 1, 8)


def test_a_second_frame_header_is_refused() -> None:
    for kind, marker in (("jpeg-lossless", b"\xff\xc3"), ("jpeg-baseline", b"\xff\xc0"), ("jpeg-ls", b"\xff\xf7")):
        data = STREAMS[kind]
        place = data.index(marker)
        (length,) = struct.unpack_from(">H", data, place + 2)
        header = bytearray(data[place : place + 2 + length])
        header[5:9] = struct.pack(">HH", 65500, 65500)
        damaged = data[: place + 2 + length] + bytes(header) + data[place + 2 + length :]
        with pytest.raises(DecodeError, match="two frame headers"):
            decode_frame(damaged, min(JPEG_LS), 24, 32, 1, 8)


def test_a_codestream_of_more_bits_than_the_image_is_refused() -> None:
    data = encode("jpegls", GRAY.astype(np.uint16) * 100)
    with pytest.raises(DecodeError, match="has 16 bits per sample, the image 8"):
        decode_frame(data, min(JPEG_LS), 24, 32, 1, 8)


def test_bytes_that_are_no_codestream_are_refused_by_name() -> None:
    with pytest.raises(DecodeError, match="no codestream of the transfer syntax"):
        decode_frame(bytes(500), min(JPEG_LS), 24, 32, 1, 8)
    with pytest.raises(DecodeError, match=r"no decoder for the transfer syntax 1\.2\.3"):
        decode_frame(bytes(500), "1.2.3", 24, 32, 1, 8)
    with pytest.raises(DecodeError, match="no decoder for jpeg-hierarchical"):
        decode_frame(STREAMS["jpeg-baseline"].replace(b"\xff\xc0", b"\xff\xc5"), min(JPEG_DCT), 24, 32, 1, 8)


@given(kind=st.sampled_from(sorted(STREAMS)), place=st.integers(0, 120), value=st.integers(0, 255))
def test_a_damaged_header_is_a_decode_error_or_is_read(kind: str, place: int, value: int) -> None:
    data = bytearray(STREAMS[kind])
    data[place] = value
    assert isinstance(codestream_kind(bytes(data)), str)
    assert isinstance(codestream_kind(bytes(data[:place])), str)


@pytest.mark.parametrize("shape", [(16, 16), (5, 7)])
def test_frames_of_one_bit_are_read_in_each_compressed_syntax(tmp_path: Path, shape: tuple[int, int]) -> None:
    masks = np.random.default_rng(1).integers(0, 2, (3, *shape), dtype=np.uint8)

    def deflated(mask: np.ndarray) -> bytes:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(np.packbits(mask, axis=None, bitorder="little").tobytes()) + packer.flush()

    def packed(mask: np.ndarray) -> bytes:
        octets = np.packbits(mask, axis=None, bitorder="little")
        return rle(octets[np.newaxis])

    encoders = {
        DEFLATED_FRAME: (deflated,),
        RLE: (rle, packed),
        min(JPEG_2000): (lambda mask: encode("jpeg2k", mask, bitspersample=1, **LOSSLESS_J2K),),
        min(JPEG_LS): (lambda mask: encode("jpegls", mask),),
    }
    for syntax, choices in encoders.items():
        for encoder in choices:
            frames = [encoder(mask) for mask in masks]
            file = image(tmp_path / "x.dcm", frames, shape, syntax, "MONOCHROME2", samples=1, bits=1)
            for n, mask in enumerate(masks):
                np.testing.assert_array_equal(file.gray(n), mask, strict=True)


def test_a_deflated_frame_of_another_length_is_refused(tmp_path: Path) -> None:
    for raw, reason in ((bytes(700), "holds 700 bytes, 768 were expected"), (bytes(5000), "holds 770 bytes")):
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        data = packer.compress(raw) + packer.flush()
        file = image(tmp_path / "x.dcm", [data], (24, 32), DEFLATED_FRAME, "MONOCHROME2", samples=1)
        with pytest.raises(PixelError, match=reason):
            file.gray()
    file = image(tmp_path / "x.dcm", [b"\xff" * 40], (24, 32), DEFLATED_FRAME, "MONOCHROME2", samples=1)
    with pytest.raises(PixelError, match="the deflated frame is damaged"):
        file.gray()


def form(rows: int, columns: int, syntax: str, frames: int = 1, bits: int = 8) -> PixelFormat:
    return PixelFormat(
        rows=rows,
        columns=columns,
        samples=1,
        frames=frames,
        bits_allocated=bits,
        bits_stored=bits,
        high_bit=bits - 1,
        signed=False,
        photometric="MONOCHROME2",
        transfer_syntax=syntax,
    )


def test_a_blank_image_may_be_compressed_without_limit(tmp_path: Path) -> None:
    blank = np.zeros((4096, 4096), np.uint16)
    data = encode("jpegls", blank)
    file = image(tmp_path / "x.dcm", [data], blank.shape, min(JPEG_LS), "MONOCHROME2", samples=1, bits=16)
    size = Path(file.path).stat().st_size
    assert blank.nbytes > 2000 * size
    assert pixels_fault(file.format, -1, size, file.path, file.offset) == ""
    np.testing.assert_array_equal(file.gray(), blank, strict=True)


def test_what_bounds_a_compressed_frame_is_the_memory_it_takes() -> None:
    side = 1 << 15
    assert pixels_fault(form(side, side, min(JPEG_LS)), -1, 1000) == ""
    assert pixels_fault(form(side, side + 1, min(JPEG_LS)), -1, 1 << 40) == (
        f"a frame of {side} × {side + 1} takes {MAX_FRAME + side:,} bytes decoded, more than {MAX_FRAME:,}"
    )
    assert "decoded" in pixels_fault(form(side, side, min(JPEG_LS), bits=16), -1, 1 << 40)


def test_frames_that_the_bytes_of_a_file_cannot_hold_are_refused_without_reading() -> None:
    for syntax, count in ((min(JPEG_LS), 8_000_000), (RLE, 101), (DEFLATED_FRAME, 1614), (DEFLATED, 1614)):
        fault = pixels_fault(form(64, 64, syntax, count), 0 if syntax == DEFLATED else -1, 6400)
        assert fault == f"{count} frames of 64 × 64 cannot be in a file of 6,400 bytes"
    assert pixels_fault(form(64, 64, RLE, 100), -1, 6400) == ""
    assert pixels_fault(form(64, 64, EXPLICIT, 2), 4096, 5000) == (
        "2 frames of 64 × 64 need 8,192 bytes of pixel data, 4,096 are present"
    )


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED, RLE, DEFLATED_FRAME, min(JPEG_LS)])
@pytest.mark.parametrize("length", [8_000_000, 1 << 31])
def test_many_frames_of_no_size_are_refused_without_reading(
    monkeypatch: pytest.MonkeyPatch, syntax: str, length: int
) -> None:
    monkeypatch.setattr(pixel_format, "frame_index", None)
    count = 8_000_000
    fault = f"{count} frames of 1 × 1 cannot be in a file of 8,192,000 bytes"
    assert pixels_fault(form(1, 1, syntax, count), length, 8_192_000, "x.dcm", 0) == fault


def test_frames_are_refused_where_there_are_fewer_fragments(tmp_path: Path) -> None:
    file = image(
        tmp_path / "x.dcm", [STREAMS["jpeg-ls"]], (24, 32), min(JPEG_LS), "MONOCHROME2", samples=1, NumberOfFrames=9
    )
    size = Path(file.path).stat().st_size
    assert pixels_fault(file.format, -1, size) == ""
    fault = pixels_fault(file.format, -1, size, file.path, file.offset)
    assert fault == "1 encapsulated fragments cannot be assigned to 9 frames"
    with pytest.raises(PixelError, match=fault):
        file.gray()
    assert pixels_fault(file.format, -1, size, str(tmp_path / "gone"), file.offset) == "No such file or directory"


def test_scans_of_one_component_each_are_put_together() -> None:
    # JPEG-LS with interleave mode 0: a scan for each component (ISO/IEC 14495-1 section C.2.3).
    rgb = np.stack([GRAY, GRAY[::-1], GRAY[:, ::-1]], axis=-1)
    frame = struct.pack(">HBHHB", 17, 8, 24, 32, 3) + b"".join(bytes([n + 1, 0x11, 0]) for n in range(3))
    data = b"\xff\xd8\xff\xf7" + frame
    for n in range(3):
        plane = encode("jpegls", np.ascontiguousarray(rgb[..., n]))
        scan = plane[plane.index(b"\xff\xda") + 10 : -2]
        data += b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, n + 1, 0, 0, 0, 0) + scan
    np.testing.assert_array_equal(decode_frame(data + b"\xff\xd9", min(JPEG_LS), 24, 32, 3, 8), rgb)
