"""Whatever reading a frame raises is a `PixelError` that names the file and the frame."""

from __future__ import annotations

import random
import struct
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from dicom_factory import DEFLATED, EXPLICIT, Raw, write_series
from pixel_factory import Image, colors, image, rle

import napari_dicommeta as dm
from napari_dicommeta.dicom import pixels
from napari_dicommeta.dicom.frame_ending import frame_ending
from napari_dicommeta.dicom.pixel_format import pixels_fault
from napari_dicommeta.dicom.pixels import stored_digest
from napari_dicommeta.dicom.uids import RLE
from napari_dicommeta.support.errors import PixelError
from napari_dicommeta.volumes import rescale

JLS = "1.2.840.10008.1.2.4.80"
GRAY = (5 * np.arange(24)[:, np.newaxis] + 3 * np.arange(32)).astype(np.uint8)


def files(folder: Path) -> list[Image]:
    """Return a gray and a color image, native and compressed."""
    gray = {"photometric": "MONOCHROME2", "samples": 1}
    rgb = colors()
    return [
        image(folder / "a.dcm", GRAY.tobytes() * 2, (24, 32), EXPLICIT, frames=2, **gray),
        image(folder / "b.dcm", [rle(GRAY)] * 2, (24, 32), RLE, **gray),
        image(folder / "c.dcm", rgb.tobytes() * 2, (12, 16), frames=2),
        image(folder / "d.dcm", [bytes(imagecodecs.jpegls_encode(rgb))] * 2, (12, 16), JLS),
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (struct.error("unpack requires"), "frame 2: error while it was read"),
        (IndexError("list index"), "frame 2: IndexError while it was read"),
        (MemoryError(), "frame 2: there is not enough memory for it"),
        (ValueError("cannot reshape"), "frame 2: ValueError while it was read"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
    ],
)
def test_any_error_names_the_file_and_the_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(pixels, "frame_data", fail)
    monkeypatch.setattr(pixels, "read_native", fail)
    for file in files(tmp_path):
        with pytest.raises(PixelError) as caught:
            (file.color if file.format.is_color else file.gray)(1)
        assert (caught.value.path, caught.value.reason) == (file.path, reason)
        assert len(stored_digest(file.path, file.offset, 1, file.format)) == 16


@pytest.mark.parametrize("changes", [{}, {"RescaleSlope": 0.5}])
def test_an_error_after_reading_is_one_of_the_plane_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    paths = write_series(tmp_path, 3, RescaleType=None, Modality="MR", WindowCenter=None, WindowWidth=None, **changes)
    (volume,) = dm.load(tmp_path)

    def fail(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(rescale.Transform, "apply", fail)
    monkeypatch.setattr(rescale.Transform, "floor", fail)
    with pytest.raises(PixelError, match="frame 1: there is not enough memory for it") as caught:
        volume.array[1]
    assert caught.value.path == str(paths[1])


def item(raw: bytes) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(raw)) + raw


def test_damaged_fragments_and_tables_raise_nothing_else(tmp_path: Path) -> None:
    stream = bytes(rle(GRAY[:4, :4]))
    table = struct.pack("<3L", 0, 8 + len(stream), 2 * (8 + len(stream)))
    value = item(table) + 3 * item(stream) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    extended = {"7FE00001": Raw("OV", struct.pack("<3Q", 0, 1, 1 << 63)), "7FE00002": Raw("OV", bytes(24))}
    file = image(
        tmp_path / "x.dcm", Raw("OB", value, 0xFFFFFFFF), (4, 4), RLE, "MONOCHROME2", samples=1, frames=3, **extended
    )
    whole = Path(file.path).read_bytes()
    dice = random.Random(5)
    read = 0
    for number in range(600):
        raw = bytearray(whole)
        for _ in range(dice.choice((1, 2, 4))):
            place = dice.randrange(file.offset - 60, len(raw))
            raw[place] = dice.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, dice.randrange(256)))
        path = tmp_path / f"{number % 7}.dcm"
        path.write_bytes(raw if number % 5 else raw[: dice.randrange(file.offset, len(raw))])
        assert isinstance(pixels_fault(file.format, -1, len(raw), str(path), file.offset), str)
        frame_ending(str(path), file.offset, 3, RLE)
        for frame in range(3):
            with suppress(PixelError):
                read += pixels.read_frame(str(path), file.offset, frame, file.format).shape == (4, 4)
    assert 0 < read < 1800


def test_a_frame_of_no_size_at_all_is_named(tmp_path: Path) -> None:
    file = image(tmp_path / "x.dcm", GRAY.tobytes(), (24, 32), DEFLATED, "MONOCHROME2", samples=1)
    for rows, columns in ((1 << 30, 1 << 30), (-1, 5)):
        with pytest.raises(PixelError, match="frame 1: "):
            pixels.read_frame(file.path, file.offset, 0, replace(file.format, rows=rows, columns=columns))
