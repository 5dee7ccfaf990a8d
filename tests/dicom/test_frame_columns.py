from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import AXIAL, EXPLICIT, dicom, groups
from group_files import columns_by_pydicom, columns_of, grouped

from napari_dicommeta.dicom import functional_groups
from napari_dicommeta.dicom.functional_groups import (
    FRAME_TAGS_AT_TOP,
    FrameColumns,
    read_frame_columns,
    read_frame_texts,
)
from napari_dicommeta.support.errors import FunctionalGroupsError

ENHANCED_US, NM = "1.2.840.10008.5.1.4.1.1.6.2", "1.2.840.10008.5.1.4.1.1.20"


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    functional_groups._cache.clear()
    yield
    functional_groups._cache.clear()


def nm(tmp_path: Path, count: int = 3, **changes: Any) -> Path:
    content: dict[str, Any] = {
        "SOPClassUID": NM,
        "Modality": "NM",
        "ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"],
        "NumberOfFrames": count,
        "FrameIncrementPointer": 0x00540080,
        "PixelSpacing": [4.42, 4.42],
        "SliceThickness": 4.42,
        "SpacingBetweenSlices": 4.5,
        "DetectorInformationSequence": [
            {"ImagePositionPatient": [-100, -100, 50], "ImageOrientationPatient": AXIAL},
            {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": AXIAL},
        ],
        "SliceVector": list(range(1, count + 1)),
        **changes,
    }
    path = tmp_path / "nm.dcm"
    path.write_bytes(dicom({key: value for key, value in content.items() if value is not None}, EXPLICIT))
    assert columns_of(path, count) == columns_by_pydicom(path, count)
    return path


def heights(path: Path, count: int = 3) -> list[float]:
    return [float(text.split("\\")[2]) for text in columns_of(path, count).get("ImagePositionPatient", ())]


# -- places of frames -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [50, 54.5, 59]),
        ({"SpacingBetweenSlices": -4.5}, [50, 45.5, 41]),
        ({"SpacingBetweenSlices": None, "SliceThickness": 2}, [50, 52, 54]),
        ({"SliceVector": [3, 1, 2]}, [59, 50, 54.5]),
        ({"SliceVector": None}, [50, 54.5, 59]),
        (
            {"ImageType": ["ORIGINAL", "PRIMARY", "RECON GATED TOMO", "EMISSION"], "SliceVector": [1, 2, 1]},
            [50, 54.5, 50],
        ),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]}, []),
        ({"SliceVector": [1, 2]}, []),
        ({"SpacingBetweenSlices": None, "SliceThickness": None}, []),
        ({"DetectorInformationSequence": None}, []),
        ({"DetectorInformationSequence": [{"ImagePositionPatient": [0, 0, 0]}]}, []),
    ],
)
def test_slices_of_nm_lie_along_the_normal_of_the_first_detector(
    tmp_path: Path, changes: dict[str, Any], expected: list[float]
) -> None:
    path = nm(tmp_path, **changes)
    assert heights(path) == expected
    assert "ImagePositionPatient" not in read_frame_texts(str(path), 3)[0]
    if expected:
        assert columns_of(path, 3)["ImagePositionPatient"][0].startswith("-100\\-100\\")
        assert columns_of(path, 3)["ImageOrientationPatient"] == ["1\\0\\0\\0\\1\\0"] * 3


def test_the_normal_of_a_coronal_detector_points_forward_for_rows_that_fall(tmp_path: Path) -> None:
    # Row x, column -z: the normal is (1, 0, 0) × (0, 0, -1) = (0, 1, 0).
    detector = {"ImagePositionPatient": [1, 2, 3], "ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
    path = nm(tmp_path, 2, DetectorInformationSequence=[detector])
    assert columns_of(path, 2)["ImagePositionPatient"] == ["1\\2\\3", "1\\6.5\\3"]


def test_vectors_of_nm_number_the_frames_if_they_are_as_many(tmp_path: Path) -> None:
    vectors = {
        "EnergyWindowVector": [1, 1, 2],
        "DetectorVector": [1, 2, 1],
        "PhaseVector": [1, 1, 1],
        "RotationVector": [1, 2, 3],
        "RRIntervalVector": [2, 1, 1],
        "TimeSlotVector": [1, 2, 3],
        "TimeSliceVector": [1, 2],
    }
    columns = columns_of(nm(tmp_path, ImageType=["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"], **vectors), 3)
    assert columns == {
        "EnergyWindowNumber": ["1", "1", "2"],
        "DetectorNumber": ["1", "2", "1"],
        "PhaseNumber": ["1", "1", "1"],
        "RotationNumber": ["1", "2", "3"],
        "RRIntervalNumber": ["2", "1", "1"],
        "TimeSlot": ["1", "2", "3"],
    }
    assert {*vectors, "SliceVector", "DetectorInformationSequence", *functional_groups.GROUPS} < set(FRAME_TAGS_AT_TOP)


def test_millions_of_declared_slices_without_a_vector_are_not_placed(tmp_path: Path) -> None:
    path = nm(tmp_path, SliceVector=None)
    assert dict(read_frame_columns(str(path), 8_000_000).columns) == {}


def ultrasound(tmp_path: Path, **more: Any) -> Path:
    orientation = {"PlaneOrientationVolumeSequence": [{"ImageOrientationVolume": [1.0, 0, 0, 0, 1.0, 0]}]}
    frames = [
        {"PlanePositionVolumeSequence": [{"ImagePositionVolume": [0.0, 0.0, 0.6 * k]}]} | groups(**more)
        for k in range(3)
    ]
    path = tmp_path / "us.dcm"
    path.write_bytes(grouped(frames, orientation, SOPClassUID=ENHANCED_US, Modality="US"))
    return path


def test_places_in_an_ultrasound_volume_are_those_of_its_slices(tmp_path: Path) -> None:
    path = ultrasound(tmp_path)
    positions, orientations = ["0\\0\\0", "0\\0\\0.6", "0\\0\\1.2"], ["1\\0\\0\\0\\1\\0"] * 3
    assert columns_of(path, 3) == {
        "ImagePositionVolume": positions,
        "ImagePositionPatient": positions,
        "ImageOrientationVolume": orientations,
        "ImageOrientationPatient": orientations,
    }
    assert set(read_frame_texts(str(path), 3)[0]) == {"ImagePositionVolume", "ImageOrientationVolume"}


def test_places_in_the_patient_win_over_those_in_the_volume(tmp_path: Path) -> None:
    columns = columns_of(ultrasound(tmp_path, ImagePositionPatient=[1, 2, 3]), 3)
    assert columns["ImagePositionPatient"] == ["1\\2\\3"] * 3
    assert "ImageOrientationPatient" not in columns


# -- cache and errors ---------------------------------------------------------------------------------------


def enhanced(tmp_path: Path, name: str, center: int = 40) -> str:
    path = tmp_path / name
    path.write_bytes(grouped([groups(WindowCenter=center + k) for k in range(3)]))
    return str(path)


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    path = enhanced(tmp_path, "a.dcm")
    first = read_frame_columns(path, 3)
    assert read_frame_columns(path, 3) is first
    assert read_frame_columns(path, 2) is not first
    status = os.stat(path)
    enhanced(tmp_path, "a.dcm", 50)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert read_frame_columns(path, 3).columns["WindowCenter"][0] == ("50", "51", "52")


def test_the_cache_keeps_few_files_and_few_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [enhanced(tmp_path, f"{k}.dcm") for k in range(functional_groups.MAX_CACHED_FILES + 1)]
    first = read_frame_columns(paths[0], 3)
    second = read_frame_columns(paths[1], 3)
    read_frame_columns(paths[0], 3)
    for path in paths[2:]:
        read_frame_columns(path, 3)
    assert read_frame_columns(paths[0], 3) is first  # used last among the first two
    assert read_frame_columns(paths[1], 3) is not second
    monkeypatch.setattr(functional_groups, "MAX_CACHED_BYTES", first.nbytes() - 1)
    large = read_frame_columns(paths[1], 100)
    assert read_frame_columns(paths[1], 100) is not large


def test_columns_cannot_be_changed(tmp_path: Path) -> None:
    columns = read_frame_columns(enhanced(tmp_path, "a.dcm"), 3)
    _, codes = columns.columns["WindowCenter"]
    assert isinstance(codes, np.ndarray)
    with pytest.raises(ValueError, match="read-only"):
        codes[0] = 1
    with pytest.raises(TypeError):
        columns.columns["WindowCenter"] = (("",), None)  # type: ignore[index]


def test_threads_may_read_at_once(tmp_path: Path) -> None:
    paths = [enhanced(tmp_path, f"{k}.dcm", k) for k in range(20)]

    def read(k: int) -> FrameColumns:
        return read_frame_columns(paths[k % 20], 3)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(read, range(200)))
    assert [one.columns["WindowCenter"][0][0] for one in found] == [str(k % 20) for k in range(200)]


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FunctionalGroupsError, match="cannot be read: No such file or directory"):
        read_frame_columns(str(tmp_path / "none.dcm"), 1)
    with pytest.raises(FunctionalGroupsError, match="cannot be read"):
        read_frame_columns(str(tmp_path), 1)
