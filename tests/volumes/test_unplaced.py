"""Frames without positions: NM images of several detectors and windows, and cines."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import Raw, ct_pixels, ct_slice, write_series

import napari_dicommeta as dm
from napari_dicommeta.volumes.layout import layout_of

NUCLEAR, ULTRASOUND = "1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.3.1"
NO_PLACE: dict[str, Any] = {
    "ImagePositionPatient": None,
    "ImageOrientationPatient": None,
    "RescaleSlope": None,
    "RescaleIntercept": None,
    "RescaleType": None,
}


def frames_file(path: Path, count: int, **changes: Any) -> Path:
    """A file of `count` frames without positions, whose pixels differ; frame k has the pixels of slice k."""
    pixels = Raw("OW", b"".join(ct_pixels(k).tobytes() for k in range(count)))
    content = {"SOPClassUID": NUCLEAR, "Modality": "NM", "NumberOfFrames": count, "PixelData": pixels}
    path.write_bytes(ct_slice(0, **NO_PLACE | content | changes))
    return path


def nm_file(path: Path, vectors: dict[str, list[int]], kind: str = "STATIC", **changes: Any) -> Path:
    count = len(next(iter(vectors.values())))
    return frames_file(path, count, ImageType=["ORIGINAL", "PRIMARY", kind, "EMISSION"], **vectors, **changes)


def frames_of(volume: dm.Volume) -> list[list[int]]:
    """The numbers of the frames of each value of the first axis, by their pixels."""
    array = np.asarray(volume.array).reshape(volume.array.shape[0], -1, 16, 12)
    known = {ct_pixels(k).tobytes(): k for k in range(60)}
    return [[known[plane.astype("<u2").tobytes()] for plane in planes] for planes in array]


def note(volume: dm.Volume, code: str) -> str:
    (found,) = [one.title for one in volume.notes if one.code == code]
    return found


def codes(volume: dm.Volume) -> set[str]:
    return {one.code for one in volume.notes}


def test_the_detectors_of_a_whole_body_scan_are_an_axis(tmp_path: Path) -> None:
    nm_file(tmp_path / "x", {"EnergyWindowVector": [1, 1], "DetectorVector": [2, 1]}, "WHOLE BODY")
    (volume,) = dm.load(tmp_path)
    assert (volume.array.shape, volume.axis, volume.axis_texts) == ((2, 16, 12), "DetectorVector", ("1", "2"))
    assert frames_of(volume) == [[1], [0]]
    assert note(volume, "frames") == "2 frames without positions: 2 values, by Detector Vector"
    assert not codes(volume) & {"unplaced", "split"}


def test_each_value_of_the_shorter_vectors_is_a_volume_of_its_own(tmp_path: Path) -> None:
    numbers = list(product([1, 2], [1, 2], [1, 2, 3, 4, 5]))
    keywords = "EnergyWindowVector", "DetectorVector", "AngularViewVector"
    vectors = dict(zip(keywords, (list(column) for column in zip(*numbers, strict=True)), strict=True))
    nm_file(tmp_path / "x", vectors, "TOMO")
    volumes = dm.load(tmp_path)
    reasons = {note(volume, "split"): frames_of(volume) for volume in volumes}
    assert reasons == {
        f"Split from its series: by Energy Window Vector {window} and Detector Vector {detector}": [
            [k] for k, number in enumerate(numbers) if number[:2] == (window, detector)
        ]
        for window, detector in product([1, 2], [1, 2])
    }
    assert {volume.axis for volume in volumes} == {"AngularViewVector"}
    assert {volume.axis_texts for volume in volumes} == {("1", "2", "3", "4", "5")}


def test_many_energy_windows_are_an_axis_and_not_a_volume_each(tmp_path: Path) -> None:
    nm_file(tmp_path / "x", {"EnergyWindowVector": [*range(1, 11)] * 2, "DetectorVector": [1] * 10 + [2] * 10})
    volumes = dm.load(tmp_path)
    assert [volume.axis for volume in volumes] == ["EnergyWindowVector"] * 2
    assert sorted(map(frames_of, volumes)) == [[[k] for k in range(10)], [[k] for k in range(10, 20)]]


def test_phases_of_different_lengths_are_volumes_along_their_time_slices(tmp_path: Path) -> None:
    vectors = {"PhaseVector": [1, 1, 1, 2, 2], "TimeSliceVector": [1, 2, 3, 1, 2]}
    nm_file(tmp_path / "x", vectors, "DYNAMIC")
    first, second = dm.load(tmp_path)
    assert (frames_of(first), frames_of(second)) == ([[0], [1], [2]], [[3], [4]])
    assert first.axis == second.axis == "TimeSliceVector"


def test_time_slots_with_several_slices_are_a_fourth_axis(tmp_path: Path) -> None:
    vectors = {"TimeSlotVector": [1, 2, 3, 1, 2, 3], "SliceVector": [1, 1, 1, 2, 2, 2]}
    nm_file(tmp_path / "x", vectors, "RECON GATED TOMO")  # no detector says where the slices lie
    (volume,) = dm.load(tmp_path)
    assert (volume.array.shape, volume.axis) == ((3, 2, 16, 12), "TimeSlotVector")
    assert frames_of(volume) == [[0, 3], [1, 4], [2, 5]]
    assert note(volume, "frames") == "6 frames without positions: 3 values of 2, by Time Slot Vector"


def test_values_with_different_numbers_of_frames_are_never_in_one_volume(tmp_path: Path) -> None:
    nm_file(tmp_path / "x", {"DetectorVector": [1, 2, 1]})
    first, second = dm.load(tmp_path)
    assert (frames_of(first), frames_of(second)) == ([[0], [2]], [[1]])
    assert (first.axis, note(first, "split")) == ("", "Split from its series: by Detector Vector 1")


@pytest.mark.parametrize("vectors", [{"DetectorVector": [1, 1, 1]}, {"DetectorVector": [1, 2]}])
def test_a_vector_that_numbers_no_frames_changes_nothing(tmp_path: Path, vectors: dict[str, list[int]]) -> None:
    frames_file(tmp_path / "x", 3, **vectors)
    (volume,) = dm.load(tmp_path)
    assert (volume.axis, frames_of(volume)) == ("", [[0], [1], [2]])
    assert "unplaced" in codes(volume)


CINE = {"SOPClassUID": ULTRASOUND, "Modality": "US"}
FRAME_TIME, TIME_VECTOR = 0x00181063, 0x00181065


@pytest.mark.parametrize(
    ("elements", "times"),
    [
        ({"FrameIncrementPointer": FRAME_TIME, "FrameTime": "33.333"}, ("0", "33.333", "66.666")),
        ({"FrameIncrementPointer": FRAME_TIME, "FrameTime": "40", "FrameDelay": "5"}, ("5", "45", "85")),
        ({"FrameIncrementPointer": TIME_VECTOR, "FrameTimeVector": ["0", "40", "20.5"]}, ("0", "40", "60.5")),
        (
            {"FrameIncrementPointer": TIME_VECTOR, "FrameTimeVector": ["10", "40", "20"], "FrameTime": "1"},
            ("10", "50", "70"),
        ),
    ],
)
def test_the_times_of_a_cine_are_its_axis(tmp_path: Path, elements: dict[str, Any], times: tuple[str, ...]) -> None:
    frames_file(tmp_path / "x", 3, **CINE, **elements)
    (volume,) = dm.load(tmp_path)
    assert (volume.array.shape, volume.axis, volume.axis_texts) == ((3, 16, 12), "FrameTime", times)
    assert frames_of(volume) == [[0], [1], [2]]
    assert note(volume, "frames") == f"3 frames without positions, by Frame Time: {times[0]} to {times[-1]} ms"
    assert "unplaced" not in codes(volume)


@pytest.mark.parametrize(
    "elements",
    [
        {"FrameTime": "40"},
        {"FrameIncrementPointer": FRAME_TIME},
        {"FrameIncrementPointer": FRAME_TIME, "FrameTime": "0"},
        {"FrameIncrementPointer": TIME_VECTOR, "FrameTimeVector": ["0", "40"]},
        {"FrameIncrementPointer": TIME_VECTOR, "FrameTimeVector": ["0", "40", "-40"]},
    ],
)
def test_frames_without_usable_times_are_ordered_as_in_their_file(tmp_path: Path, elements: dict[str, Any]) -> None:
    frames_file(tmp_path / "x", 3, **CINE, **elements)
    (volume,) = dm.load(tmp_path)
    assert (volume.axis, frames_of(volume)) == ("", [[0], [1], [2]])
    assert "unplaced" in codes(volume)


def test_each_of_several_cines_has_an_axis_of_its_own(tmp_path: Path) -> None:
    times = {"FrameIncrementPointer": FRAME_TIME, "FrameTime": lambda n: ["40", "50"][n]}
    for n in range(2):
        own = {key: value(n) if callable(value) else value for key, value in times.items()}
        frames_file(tmp_path / f"{n}", 3, **CINE, **own, SOPInstanceUID=f"1.2.{n}", InstanceNumber=n)
    assert sorted(volume.axis_texts for volume in dm.load(tmp_path)) == [("0", "40", "80"), ("0", "50", "100")]


def test_single_images_that_point_to_a_time_of_frames_are_laid_out_without_reading_them(tmp_path: Path) -> None:
    write_series(tmp_path, 4, FrameIncrementPointer=FRAME_TIME, FrameTime="33")
    catalog = dm.scan(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    layout = layout_of(catalog.series[0])
    assert [len(stack.frames) for stack in layout.stacks] == [4]
