"""Real headers, whole, repeated and damaged, are read by layouts as element by element."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from recorders import both

MOST_BYTES = 400_000
"""Larger files have more pixels, not other headers."""
LARGE = {"dcm_qa_nih": 20, "dcm_qa_philips-fmri": 4, "chestct-fuzun45": 4, "ibsi": 60}
"""Folders of many files of few kinds, and the most headers that have to go through the loop."""
DAMAGED = ("dcm_qa_nih", "dcm_qa_enh", "dcm_qa_ct", "dcmqi", "highdicom", "pydicom-package", "fo-dicom")


def files_of(folder: Path) -> list[bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size <= MOST_BYTES]
    return [path.read_bytes() for path in paths]


@pytest.mark.slow
def test_layouts_read_real_headers_as_the_loop_does(shared: Path) -> None:
    """In order and three times over, so that each header comes as the first, second and later one of its kind."""
    for folder in sorted((shared / "data").iterdir()):
        if folder.is_dir():
            recorder, catalog = both(files_of(folder) * 3)
            assert recorder.loops <= LARGE.get(folder.name, catalog.n_files), folder.name


@pytest.fixture(scope="module")
def wholes(shared: Path) -> list[bytes]:
    """Read the files of `DAMAGED` once for all seeds."""
    return [raw for folder in DAMAGED for raw in files_of(shared / "data" / folder)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_layouts_read_damaged_real_headers_as_the_loop_does(wholes: list[bytes], seed: int) -> None:
    rng = random.Random(seed)
    files = []
    for _ in range(120):
        whole = rng.choice(wholes)
        files += [whole, whole]
        pixels = whole.rfind(b"\xe0\x7f\x10\x00")
        for _ in range(3):
            raw = bytearray(whole)
            for _ in range(rng.choice((1, 1, 2, 5))):
                at = rng.randrange(128, max(pixels, 200) if pixels > 0 else max(len(raw), 200)) % max(len(raw), 1)
                change = rng.random()
                if change < 0.6:
                    raw[at] = rng.choice((0, 1, 2, 4, 8, 255, rng.randrange(256)))
                elif change < 0.8:
                    del raw[at : at + rng.choice((1, 2, 4, 8))]
                else:
                    raw[at:at] = rng.randbytes(rng.choice((1, 2, 4)))
            files.append(bytes(raw))
    both(files)
