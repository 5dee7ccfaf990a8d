from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from coded_streams import GRAY, STREAMS
from dicom_factory import UNDEFINED, Raw, encapsulated
from pixel_factory import Image, image

from napari_dicommeta.dicom import frame_ending as module
from napari_dicommeta.dicom.codecs import decode_frame
from napari_dicommeta.dicom.codestream import (
    DELIMITER,
    PADDING,
    TAIL,
    codestream_kind,
    has_end,
    looks_whole,
    may_end_early,
)
from napari_dicommeta.dicom.frame_ending import frame_ending
from napari_dicommeta.dicom.uids import RLE
from napari_dicommeta.files.byte_file import PlainFile
from napari_dicommeta.support.errors import DecodeError, PixelError

COARSE = ("1.2.840.10008.1.2.4.50",)
"""The transfer syntaxes of which a cut codestream is still an image."""


def write(path: Path, syntax: str, pixels: Raw | list[bytes], frames: int = 1) -> Image:
    return image(path, pixels, (24, 32), syntax, "MONOCHROME2", samples=1, frames=frames)


def ending(file: Image) -> tuple[str, bool] | None:
    found = frame_ending(file.path, file.offset, file.format.frames, file.format.transfer_syntax)
    return None if found is None else (found.reason, found.is_lost)


@pytest.mark.parametrize("syntax", STREAMS)
@pytest.mark.parametrize(("frames", "small"), [(1, 0), (3, 0), (3, module.SMALL)])
def test_a_whole_file_costs_one_small_read_and_of_several_frames_one_for_each_or_for_many_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str, frames: int, small: int
) -> None:
    monkeypatch.setattr(module, "SMALL", small)
    file = write(tmp_path / "x.dcm", syntax, [STREAMS[syntax]] * frames, frames)
    index = module.frame_index(file.path, file.offset, frames)
    reads = []
    read = PlainFile.read
    monkeypatch.setattr(PlainFile, "read", lambda *where: reads.append(where[2]) or read(*where))
    monkeypatch.setattr(module, "frame_index", lambda *_: index)  # made once for a file, to read its frames
    assert ending(file) is None
    ends = [module.BLOCK] if small else [PADDING] * (frames - 1)
    assert reads == [TAIL] + ends * (syntax != RLE)


@pytest.mark.parametrize("syntax", STREAMS)
def test_every_cut_of_a_file_is_seen(tmp_path: Path, syntax: str) -> None:
    file = write(tmp_path / "x.dcm", syntax, [STREAMS[syntax]])
    raw = Path(file.path).read_bytes()
    length = len(STREAMS[syntax]) + len(STREAMS[syntax]) % 2
    first = file.offset + 16  # after the offset table and the head of the fragment
    assert len(raw) == first + length + 8
    for size in range(file.offset + 9, len(raw)):
        Path(file.path).write_bytes(raw[:size])
        found = ending(file)
        if size < first:
            with pytest.raises(PixelError):
                file.gray()
        elif size < first + length:
            present = f"{size - first:,} of {length:,} bytes are present"
            assert found == (f"its last fragment is cut off at byte {size:,}: {present}", True)
        else:
            assert found == (f"the file ends before the end of its fragments, at byte {size:,}", False)
            assert file.gray().shape == (24, 32)


@pytest.mark.parametrize("syntax", [syntax for syntax in STREAMS if syntax != RLE])
def test_every_cut_of_a_codestream_is_seen_in_a_whole_file(tmp_path: Path, syntax: str) -> None:
    stream = STREAMS[syntax]
    kind = codestream_kind(stream)
    assert may_end_early(kind) is (syntax in COARSE)
    assert has_end(stream)
    for size in range(len(stream) - 3, 100, -7):
        cut = stream[:size]
        if codestream_kind(cut) != kind:
            break
        assert not has_end(cut)
        assert not has_end(cut + b"\0" * (size % 2))
        if syntax not in COARSE:
            with pytest.raises(DecodeError, match=f"the codestream ends early: {size:,} bytes without an end marker"):
                decode_frame(cut, syntax, 24, 32, 1, 8)
    file = write(tmp_path / "x.dcm", syntax, [stream[: len(stream) - 4]])
    stop = os.path.getsize(file.path) - 8
    reason = f"the codestream of its last frame ends early, at byte {stop:,}: it has no end marker"
    assert ending(file) == (reason, syntax not in COARSE)


@pytest.mark.parametrize("syntax", [syntax for syntax in STREAMS if syntax != RLE])
def test_frames_within_a_file_that_end_early_are_named(tmp_path: Path, syntax: str) -> None:
    stream = STREAMS[syntax]
    cut = stream[: len(stream) - 4]
    file = write(tmp_path / "x.dcm", syntax, [stream, cut, stream], 3)
    assert ending(file) == ("the codestream of its frame 2 ends early: it has no end marker", False)
    file.gray(0), file.gray(2)
    if syntax not in COARSE:
        with pytest.raises(PixelError, match="frame 2: the codestream ends early"):
            file.gray(1)
    file = write(tmp_path / "x.dcm", syntax, [cut, stream, cut, cut], 4)
    found = ending(file)
    assert found is not None
    assert found[0].startswith("the codestreams of its frames 1 and 3 end early: they have no end marker; the ")
    assert found[1] is (syntax not in COARSE)
    file = write(tmp_path / "x.dcm", syntax, [stream + bytes(60), cut, cut, cut, stream], 5)
    assert ending(file) == ("the codestreams of its frames 2, 3 and 4 end early: they have no end marker", False)
    many = write(tmp_path / "x.dcm", syntax, [cut] * 90 + [stream], 91)
    assert ending(many) == (
        "the codestreams of its frames 1 and at least 63 later ones end early: they have no end marker", False
    )  # fmt: skip


def test_the_end_of_the_tiles_of_jpeg_2000_is_found_before_whatever_follows() -> None:
    for syntax in ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.201"):
        stream = STREAMS[syntax]
        assert stream[-2:] == b"\xff\xd9"
        for rest in (bytes(64), b"\1" * 64):
            place = stream.index(b"\xff\x90") + 6  # of the length of the tile-part, which may be left open
            assert has_end(stream + rest) is (int.from_bytes(stream[place : place + 4], "big") > 0 or not any(rest))
        closed = bytearray(stream)
        closed[place : place + 4] = (len(stream) - 2 - (place - 6)).to_bytes(4, "big")
        assert has_end(bytes(closed) + b"\1" * 64)
        assert not has_end(bytes(closed[:-2]) + b"\1" * 64)


def test_the_end_marker_of_a_thumbnail_is_not_that_of_the_image() -> None:
    stream = STREAMS["1.2.840.10008.1.2.4.50"]
    app = b"\xff\xe1" + struct.pack(">H", 2 + len(stream)) + stream
    whole = stream[:2] + app + stream[2:]
    assert has_end(whole)
    assert has_end(whole + b"\xff" * 64)
    assert not has_end(whole[:-20])


@pytest.mark.parametrize("rest", [b"", b"\xfc\xff\xfc\xffOB\0\0\x40\0\0\0" + bytes(64)])
def test_what_follows_whole_frames_is_no_fault(tmp_path: Path, rest: bytes) -> None:
    stream = STREAMS["1.2.840.10008.1.2.4.80"]
    for padding in (0, 60):  # more than padding, as some writers reserve room
        file = write(tmp_path / "x.dcm", "1.2.840.10008.1.2.4.80", [stream + bytes(padding)])
        Path(file.path).write_bytes(Path(file.path).read_bytes() + rest)
        assert ending(file) is None
        np.testing.assert_array_equal(file.gray(), GRAY)


def test_what_is_no_fragment_ends_the_frames(tmp_path: Path) -> None:
    pixels = encapsulated([STREAMS["1.2.840.10008.1.2.4.80"]])
    file = write(tmp_path / "x.dcm", "1.2.840.10008.1.2.4.80", Raw("OB", pixels.value[:-8] + bytes(24), UNDEFINED))
    position = file.offset + len(pixels.value) - 8
    assert ending(file) == (f"byte {position:,} is neither a fragment nor the end of the fragments", False)
    file = write(tmp_path / "x.dcm", "1.2.840.10008.1.2.4.80", Raw("OB", bytes(64), UNDEFINED))
    assert ending(file) is None  # there are no frames that could end: reading says so
    with pytest.raises(PixelError, match="neither a fragment"):
        file.gray()


def test_a_scan_can_look_at_the_end_without_numpy() -> None:
    code = """
import sys
from napari_dicommeta.dicom.codestream import TAIL, looks_whole
whole = b"\\x11\\xff\\xd9\\0\\xfe\\xff\\xdd\\xe0\\0\\0\\0\\0"
print(looks_whole(whole, ""), looks_whole(whole[:-1], ""), looks_whole(whole[4:], ""), "numpy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False False False\n"
    assert looks_whole(DELIMITER, RLE)
