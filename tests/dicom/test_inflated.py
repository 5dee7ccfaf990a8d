from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import DEFLATED, Raw, ct_content, data_set, dicom, file_meta
from pixel_factory import Image, image

from napari_dicommeta.dicom import inflated
from napari_dicommeta.dicom.inflated import data_set_start, read_inflated
from napari_dicommeta.files import inflated_stream
from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.support.errors import PixelError

FRAMES = np.random.default_rng(0).integers(0, 4096, (12, 16, 32)).astype("<u2")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a frame longer than a block, and few blocks stay."""
    monkeypatch.setattr(inflated_stream, "BLOCK", 1000)
    monkeypatch.setattr(inflated_stream, "INPUT", 100)
    monkeypatch.setattr(inflated_stream, "_BLOCKS", BoundedCache[bytes](3000, len))


def write(path: Path, frames: np.ndarray = FRAMES) -> Image:
    return image(
        path,
        Raw("OW", frames.tobytes()),
        (16, 32),
        DEFLATED,
        "MONOCHROME2",
        samples=1,
        bits=16,
        stored=12,
        frames=len(frames),
    )


def test_frames_of_a_deflated_file_are_read_in_any_order(tmp_path: Path) -> None:
    file = write(tmp_path / "x.dcm")
    for n in (11, 0, 5, 4, 11, 6):
        np.testing.assert_array_equal(file.gray(n), FRAMES[n], strict=True)
    with pytest.raises(PixelError, match="frame 13: 0 of 1024 bytes of pixel data are present"):
        file.gray(12)


def test_a_file_is_inflated_once_for_all_its_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = []
    inflate = inflated_stream.InflatedStream._inflate
    monkeypatch.setattr(inflated_stream.InflatedStream, "_inflate", lambda *state: blocks.append(1) or inflate(*state))
    file = write(tmp_path / "x.dcm")
    for n in range(12):
        np.testing.assert_array_equal(file.gray(n), FRAMES[n])
    assert len(blocks) <= (file.offset + FRAMES.nbytes) // 1000 + 1


def test_threads_read_one_deflated_file(tmp_path: Path) -> None:
    file = write(tmp_path / "x.dcm")
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda n: file.gray(n % 12), range(96)))
    assert all(np.array_equal(read[n], FRAMES[n % 12]) for n in range(96))


def test_states_are_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflated_stream, "STATE_BYTES", 4 * 100 * 10)
    file = write(tmp_path / "x.dcm")
    for n in (11, 3, 0, 8):
        np.testing.assert_array_equal(file.gray(n), FRAMES[n])
    (kept,) = [deflated for deflated, _ in inflated._FILES._values.values() if deflated.path == file.path]
    assert kept._stream is not None
    assert len(kept._stream._kept) <= 5
    assert kept._stream._stride > 1


def test_states_of_all_files_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states: BoundedCache[Any] = BoundedCache(4 * 100 * 10, lambda _: 4 * 100)
    monkeypatch.setattr(inflated_stream, "_STATES", states)
    files = [write(tmp_path / f"{number}.dcm") for number in range(8)]
    for n in (11, 3, 0, 8):
        for file in files:
            np.testing.assert_array_equal(file.gray(n), FRAMES[n])
    assert 0 < states.used <= states.limit


def test_a_deflated_file_that_is_cut_off_or_damaged_has_the_frames_before(tmp_path: Path) -> None:
    file = write(tmp_path / "x.dcm")
    whole = Path(file.path).read_bytes()
    Path(file.path).write_bytes(whole[: len(whole) // 2])
    np.testing.assert_array_equal(file.gray(1), FRAMES[1])
    with pytest.raises(PixelError, match="of 1024 bytes of pixel data are present"):
        file.gray(11)
    body = read_all(whole)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    half = packer.compress(body[: len(body) // 2]) + packer.flush(zlib.Z_FULL_FLUSH)
    Path(file.path).write_bytes(whole[: meta_length(whole)] + half + b"\xff" * 500)  # 0xFF begins no block
    np.testing.assert_array_equal(file.gray(1), FRAMES[1])
    with pytest.raises(PixelError, match="of 1024 bytes of pixel data are present"):
        file.gray(11)


def meta_length(whole: bytes) -> int:
    return 132 + 12 + int.from_bytes(whole[140:144], "little")


def read_all(whole: bytes) -> bytes:
    return zlib.decompress(whole[meta_length(whole) :], -15)


def test_a_zlib_header_and_a_data_set_that_is_not_deflated_are_read(tmp_path: Path) -> None:
    body = data_set(ct_content(NumberOfFrames=1))
    meta = b"\0" * 128 + b"DICM" + file_meta(DEFLATED)
    path = tmp_path / "x.dcm"
    path.write_bytes(meta + zlib.compress(body))
    assert data_set_start(str(path), True) == (0, True)
    assert read_inflated(str(path), 0, len(body) + 9) == body
    path.write_bytes(meta + body)
    assert data_set_start(str(path), True) == (len(meta), False)
    assert read_inflated(str(path), len(meta), 50) == body[:50]
    path.write_bytes(dicom(ct_content(), preamble=False))
    assert data_set_start(str(path)) == (0, False)
