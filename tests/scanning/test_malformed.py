"""Malformed files: right, or refused by name; never an array of something else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import napari_dicommeta as dm
from napari_dicommeta.support.errors import PixelError

# Per case: slices of each volume, and the notes of the first that need a decision. Slices are 16 × 16 with stored
# values -1000 to 800, slope 1, intercept -1024; a case's own words are in the generator's manifest.
SERIES = {
    "s00_plain": ([5], set()),
    "s01_ipp_missing": ([5], {"unplaced"}),
    "s02_ipp_same": ([5], {"one-place"}),
    "s03_ipp_two_values": ([5], {"unplaced"}),
    "s04_ipp_nan": ([4, 1], {"gap"}),
    "s05_spacing_0": ([5], {"spacing-missing"}),
    "s06_spacing_neg": ([5], {"spacing-missing"}),
    "s07_iop_zero": ([5], {"unplaced"}),
    "s08_iop_not_orthogonal": ([5], {"unplaced"}),
    "s09_gap": ([5], {"gap"}),
    "s10_dup_sop": ([5], set()),
    "s11_dup_file": ([3], {"left-out"}),
    "s12_mixed_size": ([4, 1], {"gap"}),
    "s13_mixed_slope": ([5], set()),
    "s14_mixed_iop": ([4, 1], {"gap"}),
    "s15_one_truncated": ([4], {"gap"}),
    "s16_mixed_signed": ([5], {"formats"}),
    "s18_reversed_and_shuffled": ([5], set()),
}
# A codestream of no codes: OpenJPEG makes a constant of it, as of a constant image; nothing tells the two apart.
UNSEEN = {"d66_j2k_garbage.dcm"}


@pytest.fixture(scope="module")
def cases(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("malformed")
    subprocess.run([sys.executable, shared / "malformed" / "make.py", target], check=True, capture_output=True)
    return target


@pytest.mark.parametrize("name", SERIES)
def test_series_are_parted_and_noted_as_they_should_be(cases: Path, name: str) -> None:
    volumes = dm.load(cases / name)
    slices, notes = SERIES[name]
    assert [volume.array.shape[0] for volume in volumes] == slices
    assert {note.code for note in volumes[0].problems} == notes
    n = sum(len(volume.files) for volume in volumes) + sum(len(one.paths) for one in volumes.refusals)
    left_out = sum(len(note.paths) for volume in volumes for note in volume.notes if note.code == "left-out")
    assert n + left_out == len(list((cases / name).iterdir()))
    if name in ("s00_plain", "s18_reversed_and_shuffled"):
        array = np.asarray(volumes[0].array)
        assert (array.min(), array.max()) == (-2024, -224)
        assert [path for path, _ in volumes[0].files] == sorted(
            (path for path, _ in volumes[0].files), key=lambda path: _z(path)
        )


def _z(path: str) -> float:
    from pydicom import dcmread

    return float(dcmread(path, stop_before_pixels=True).ImagePositionPatient[2])


def test_a_rescale_is_never_mixed(cases: Path) -> None:
    with pytest.raises(dm.LoadError, match="missing in 1 of its 5 files: raw and rescaled values would be mixed"):
        dm.load(cases / "s17_slope_missing_one")
    (volume,) = dm.load(cases / "s17_slope_missing_one", missing_rescale="series")
    array = np.asarray(volume.array)
    assert (array.min(), array.max()) == (-2024, -224)
    slopes = dm.scan(cases / "s13_mixed_slope").column_texts("RescaleSlope")
    assert len(set(slopes)) > 1
    (volume,) = dm.load(cases / "s13_mixed_slope")
    assert (float(np.min(volume.array)), float(np.max(volume.array))) == (
        -1000 * max(map(float, slopes)) - 1024,
        800 * max(map(float, slopes)) - 1024,
    )


def test_single_files_are_right_or_refused_by_name(cases: Path) -> None:
    seen, wrong = 0, []
    for path in sorted(cases.glob("*.dcm")):
        if not re.match(r"c3[0-4]|c4[0-2]|d\d\d", path.name) or path.name in UNSEEN:
            continue
        seen += 1
        try:
            for volume in dm.load(path):
                array = np.asarray(volume.array)
                if volume.is_color or path.name.startswith(("d03", "d06", "d07", "d21")):
                    continue  # other pixels on purpose: 12 or 8 bits, unsigned
                slope, intercept = (-1, -1024) if "slope_neg" in path.name else (1, -1024)
                if not volume.units:
                    slope, intercept = 1, 0
                expected = sorted((-1000 * slope + intercept, 800 * slope + intercept))
                if [array.min(), array.max()] != expected:
                    wrong.append((path.name, array.min(), array.max(), expected))
        except (dm.LoadError, PixelError) as error:
            if path.name not in str(error):
                wrong.append((path.name, str(error)))
    assert wrong == []
    assert seen == 80
