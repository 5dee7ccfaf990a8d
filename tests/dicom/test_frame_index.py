"""Frames of encapsulated files are found by offset tables or their fragments, colors as pydicom gives them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from slide_files import cut, encapsulated_with_table, picture, slide

import napari_dicommeta as dm
from napari_dicommeta.dicom import frame_index
from napari_dicommeta.dicom.codecs import register_with_pydicom
from napari_dicommeta.dicom.frame_index import frame_bytes
from napari_dicommeta.support.errors import DecodeError

JPEG, JPEG_2000, JPEG_LS = (f"1.2.840.10008.1.2.4.{end}" for end in ("50", "90", "80"))


def offset_of(path: Path) -> int:
    return int(dm.scan(path).file_column("pixel_offset")[0])


def written(folder: Path, tiles: np.ndarray, table: str, frames: list[bytes], syntax: str, photometric: str) -> Path:
    path = folder / "slide.dcm"
    content = encapsulated_with_table(frames, table) | {"PhotometricInterpretation": photometric}
    path.write_bytes(slide(tiles, (16, 24), syntax, **content))
    return path


@pytest.mark.parametrize("table", ["basic", "extended", "no"])
def test_frames_are_found_with_and_without_a_table(tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [bytes([n]) * (11 + n) for n in range(6)]
    path = written(tmp_path, picture((6, 8, 8, 3)), table, frames, JPEG, "RGB")
    monkeypatch.setattr(frame_index, "_by_pydicom", None)  # never needed
    offset = offset_of(path)
    for n in (5, 0, 3):
        assert frame_bytes(str(path), offset, n, 6).rstrip(b"\0") == frames[n].rstrip(b"\0")


def test_a_wrong_table_is_not_used(tmp_path: Path) -> None:
    frames = [bytes([n + 1]) * 8 for n in range(6)]
    path = written(tmp_path, picture((6, 8, 8, 3)), "basic", frames, JPEG, "RGB")
    data, offset = path.read_bytes(), offset_of(path)
    path.write_bytes(data[: offset + 28] + b"\xff\xff\xff\x0f" + data[offset + 32 :])
    assert [frame_bytes(str(path), offset, n, 6) for n in range(6)] == frames


def test_fragments_that_fit_no_frames_are_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, picture((6, 8, 8, 3)), "no", [b"1234"] * 4, JPEG, "RGB")
    with pytest.raises(DecodeError, match="cannot be assigned"):
        frame_bytes(str(path), offset_of(path), 5, 6)


def test_a_changed_file_is_looked_at_again(tmp_path: Path) -> None:
    tiles = picture((6, 8, 8, 3))
    path = written(tmp_path, tiles, "no", [b"12345678"] * 6, JPEG, "RGB")
    assert frame_bytes(str(path), offset_of(path), 4, 6) == b"12345678"
    path = written(tmp_path, tiles, "no", [b"abcd"] * 4 + [b"efghij"] * 2, JPEG, "RGB")
    assert frame_bytes(str(path), offset_of(path), 4, 6) == b"efghij"


@pytest.mark.filterwarnings("ignore:The .0028,0004.")  # JPEG that is marked as YBR, in a file of RGB
@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_FULL", "RGB"])
@pytest.mark.parametrize("syntax", [JPEG, JPEG_LS])
def test_colors_are_those_of_pydicom(tmp_path: Path, syntax: str, photometric: str) -> None:
    image = picture((16, 24, 3))
    tiles = cut(image, 8, 8)
    encode = imagecodecs.jpeg8_encode if syntax == JPEG else imagecodecs.jpegls_encode
    frames = [encode(np.ascontiguousarray(tile)) for tile in tiles]
    path = written(tmp_path, tiles, "basic", frames, syntax, photometric)
    register_with_pydicom()
    expected = dcmread(BytesIO(path.read_bytes())).pixel_array
    (volume,) = dm.load(path)
    found = cut(volume.array[0], 8, 8)
    np.testing.assert_array_equal(found, expected)


def test_the_transform_of_jpeg_2000_is_undone_by_its_decoder(tmp_path: Path) -> None:
    image = picture((16, 24, 3))
    tiles = cut(image, 8, 8)
    frames = [imagecodecs.jpeg2k_encode(np.ascontiguousarray(tile), level=0, reversible=True) for tile in tiles]
    (volume,) = dm.load(written(tmp_path, tiles, "no", frames, JPEG_2000, "YBR_RCT"))
    np.testing.assert_array_equal(volume.array[0], image)
