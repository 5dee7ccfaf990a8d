"""Overlays, shutters, presentation states and key images, which come with the images that they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import ROOT, Raw, ct_pixels, key_objects, presentation_state, write_series
from volume_checks import titles

import napari_dicommeta as dm
from napari_dicommeta.catalog.file_rows import FileRows
from napari_dicommeta.volumes.load import Volumes

MASK = np.zeros((16, 12), bool)
MASK[3:6, 2:9] = True


def overlay(mask: np.ndarray, group: int = 0x6000, origin: tuple[int, int] = (1, 1), **elements: Any) -> dict[str, Any]:
    """Return the elements of an overlay, by tag."""
    bits = np.packbits(mask.ravel(), bitorder="little").tobytes()
    values = {
        0x10: Raw("US", int(mask.shape[0]).to_bytes(2, "little")),
        0x11: Raw("US", int(mask.shape[1]).to_bytes(2, "little")),
        0x40: Raw("CS", b"G "),
        0x50: Raw("SS", b"".join(place.to_bytes(2, "little", signed=True) for place in origin)),
        0x100: Raw("US", b"\1\0"),
        0x102: Raw("US", b"\0\0"),
        0x1500: Raw("LO", b"Marks "),
        0x3000: Raw("OW", bits + b"\0" * (len(bits) % 2)),
    }
    own = {int(element, 16): value for element, value in elements.items()}
    return {f"{group:04x}{number:04x}": value for number, value in (values | own).items() if value is not None}


def loaded(folder: Path, *others: bytes, **changes: Any) -> Volumes:
    write_series(folder / "ct", 3, **changes)
    for n, file in enumerate(others):
        (folder / f"other{n}.dcm").write_bytes(file)
    return dm.load(folder)


def test_overlays_are_labels_over_their_image(tmp_path: Path) -> None:
    second = np.roll(MASK, 1, axis=0)
    files = overlay(MASK) | overlay(second, 0x6002, **{"1500": None, "22": Raw("LO", b"Text")})
    image, labels = loaded(tmp_path, **files)
    assert (image.is_labels, labels.is_labels) == (False, True)
    assert labels.array.shape == image.array.shape
    assert [(segment.number, segment.name) for segment in labels.segments] == [(1, "Marks"), (2, "Text")]
    for k in range(3):
        np.testing.assert_array_equal(np.asarray(labels.mask(1)[k]), MASK)
        np.testing.assert_array_equal(np.asarray(labels.mask("Text")[k]), second)
    assert [part.segments[0].number for part in labels.without_overlaps()] == [1, 2]
    assert labels.files == image.files
    np.testing.assert_array_equal(labels.geometry.affine, image.geometry.affine)
    assert labels.label == "3 CT overlays"


@pytest.mark.parametrize("origin", [(-1, -3), (5, 4), (14, 10), (90, 90)])
def test_an_overlay_lies_at_its_origin_and_is_cut_at_the_image(tmp_path: Path, origin: tuple[int, int]) -> None:
    volumes = loaded(tmp_path, **overlay(np.ones((4, 5), bool), origin=origin))
    row, column = np.mgrid[1:17, 1:13]
    expected = (row >= origin[0]) & (row < origin[0] + 4) & (column >= origin[1]) & (column < origin[1] + 5)
    np.testing.assert_array_equal(np.asarray(volumes[1].array[0]) > 0, expected)


def test_an_overlay_in_unused_bits_leaves_the_values_alone(tmp_path: Path) -> None:
    bits = {"100": Raw("US", b"\x10\0"), "102": Raw("US", b"\x0e\0"), "3000": None}
    pixels = lambda k: Raw("OW", (ct_pixels(k) | (MASK.astype("<u2") << 14)).astype("<u2").tobytes())  # noqa: E731
    image, labels = loaded(tmp_path, PixelData=pixels, **overlay(MASK, **bits))
    np.testing.assert_array_equal(np.asarray(labels.array), np.stack([MASK] * 3))
    np.testing.assert_array_equal(np.asarray(image.array[1]), ct_pixels(1).astype(int) - 1024)
    used = bits | {"102": Raw("US", b"\3\0")}  # a bit of the values: no overlay
    none = loaded(tmp_path / "used", PixelData=pixels, **overlay(MASK, **used))[1]
    assert not np.asarray(none.array).any()


def test_an_overlay_of_some_slices_and_a_broken_one(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", 3)
    write_series(tmp_path / "marked", 1, **overlay(MASK), **overlay(MASK, 0x6002, **{"3000": Raw("OW", b"\0\0")}))
    (tmp_path / "ct" / "im003.dcm").write_bytes((tmp_path / "marked" / "im001.dcm").read_bytes())
    (tmp_path / "marked" / "im001.dcm").unlink()
    labels = dm.load(tmp_path)[1]
    np.testing.assert_array_equal(np.asarray(labels.array).any(axis=(1, 2)), [True, False, False])
    assert not np.asarray(labels.mask(2)).any()  # shorter than its rows and columns say


def test_a_shutter_hides_what_is_outside_in_a_layer_of_its_own(tmp_path: Path) -> None:
    edges = {
        "ShutterShape": "RECTANGULAR",
        "ShutterLeftVerticalEdge": 2,
        "ShutterRightVerticalEdge": 10,
        "ShutterUpperHorizontalEdge": 3,
        "ShutterLowerHorizontalEdge": 12,
    }
    _, shutter = loaded(tmp_path, **edges)
    row, column = np.mgrid[1:17, 1:13]
    inside = (row > 3) & (row < 12) & (column > 2) & (column < 10)
    np.testing.assert_array_equal(np.asarray(shutter.array[1]) > 0, ~inside)
    assert shutter.segments[0].color == (0, 0, 0)
    assert shutter.label == "3 CT shutter"
    circle = {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [8, 6], "RadiusOfCircularShutter": 4}
    hidden = np.asarray(loaded(tmp_path / "circle", **circle)[1].array[0])
    distance = ((row - 8) * 0.75 / 0.5) ** 2 + (column - 6) ** 2
    np.testing.assert_array_equal(hidden > 0, distance > 16)


def test_windows_of_a_presentation_state_are_presets_of_its_images(tmp_path: Path) -> None:
    window = {"WindowCenter": 70, "WindowWidth": 150}
    (volume,) = loaded(tmp_path, presentation_state([1], [window]))
    last = volume.windows[-1]
    assert (last.center, last.width, last.explanation, last.rescale) == (70, 150, "as saved by LIVER", None)
    assert len(volume.windows) == 3
    elsewhere = presentation_state([7], [window])
    assert len(loaded(tmp_path / "elsewhere", elsewhere)[0].windows) == 2
    own = [{"ReferencedImageSequence": [{"ReferencedSOPInstanceUID": f"{ROOT}.3.9"}], **window}]
    assert len(loaded(tmp_path / "own", presentation_state([1], own))[0].windows) == 2


@pytest.mark.parametrize(
    ("slope", "intercept", "limits"),
    [(1, -1024, (-5, 144)), (None, None, (-1029, -880)), (2, 0, (-1026.5, -952))],
)
def test_a_saved_window_is_in_the_values_of_its_own_rescale(
    tmp_path: Path, slope: float | None, intercept: float | None, limits: tuple[float, float]
) -> None:
    """LINEAR 70/150 runs from -5 to 144; stored = (value - intercept) / slope, and HU = stored - 1024."""
    window = {"WindowCenter": 70, "WindowWidth": 150}
    state = presentation_state([0, 1, 2], [window], RescaleSlope=slope, RescaleIntercept=intercept, RescaleType=None)
    assert loaded(tmp_path, state)[0].windows[-1].limits == pytest.approx(limits)


def test_a_presentation_state_with_a_table_or_damage_leaves_the_image_as_it_is(tmp_path: Path) -> None:
    table = {"LUTDescriptor": Raw("US", b"\2\0\0\0\x08\0"), "LUTData": Raw("US", b"\0\0\1\0"), "ModalityLUTType": "US"}
    window = {"WindowCenter": 70, "WindowWidth": 150}
    state = presentation_state([0], [window], ModalityLUTSequence=[table], RescaleSlope=None, RescaleIntercept=None)
    (volume,) = loaded(tmp_path, state)
    assert len(volume.windows) == 2
    assert titles(volume)["saved-table"] == "The windows of LIVER are for values of its own table: they are left out"
    broken = presentation_state([0], [{"WindowCenter": "x", "WindowWidth": 150}])
    (volume,) = loaded(tmp_path / "broken", broken)
    assert volume.windows[-1].fault == "center or width is not a number"


def test_a_presentation_state_brings_its_overlay_and_shutter(tmp_path: Path) -> None:
    edges = {
        "ShutterShape": "POLYGONAL",
        "VerticesOfThePolygonalShutter": [1, 1, 1, 9, 9, 9, 9, 1],
    }
    image, overlays, shutter = loaded(tmp_path, presentation_state([2], [], **overlay(MASK), **edges))
    assert not image.is_labels
    assert [(segment.number, segment.name) for segment in overlays.segments] == [(17, "saved by LIVER")]
    np.testing.assert_array_equal(np.asarray(overlays.array).any(axis=(1, 2)), [False, False, True])
    np.testing.assert_array_equal(np.asarray(shutter.array).any(axis=(1, 2)), [False, False, True])
    assert int((np.asarray(shutter.array[2]) == 0).sum()) == 64


def test_key_images_are_named_in_a_note(tmp_path: Path) -> None:
    (volume,) = loaded(tmp_path, key_objects([0, 2]), key_objects([5], "For Teaching", SOPInstanceUID=f"{ROOT}.81.2"))
    assert titles(volume)["key-images"] == "Slices 1, 3: marked as key images (Of Interest)"
    assert [note.code for note in volume.notes].count("key-images") == 1


def test_real_overlays_are_those_that_pydicom_unpacks(shared: Path, tmp_path: Path) -> None:
    from pydicom import dcmread

    folder = shared / "data/weasis/org/dcm4che3/img"
    for name in ("overlay.dcm", "prOverlay.dcm"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    image, labels = dm.load(tmp_path)
    assert [segment.number for segment in labels.segments] == [1, 2, 3, 4, 21, 22]
    stored, state = dcmread(folder / "overlay.dcm"), dcmread(folder / "prOverlay.dcm")
    raw = np.frombuffer(stored.PixelData, "<u2").reshape(512, 512)
    expected = [raw >> 15 & 1, raw >> 14 & 1, *(stored.overlay_array(group) for group in (0x6004, 0x6006))]
    expected += [state.overlay_array(group) for group in (0x6008, 0x600A)]
    for segment, mask in zip(labels.segments, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(labels.mask(segment.number))[0], mask > 0)
        assert mask.any()
    assert int(np.asarray(image.array).max()) < 4096


def test_a_source_is_looked_through_once_whatever_the_number_of_its_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(12):
        write_series(tmp_path / str(n), 2, SeriesInstanceUID=f"1.2.{n}")
    asked: list[object] = []
    holds = FileRows.holds
    monkeypatch.setattr(FileRows, "holds", lambda self, tag, texts: asked.append(tag) or holds(self, tag, texts))
    catalog = dm.scan(tmp_path)
    assert len(dm.load(catalog)) == 12
    assert 0 < asked.count("SOPClassUID") <= 3 * 12
