"""What other readers make of small CT series with one difficulty each: ``python tests/benchmarks/others.py``.

It needs SimpleITK, dcm2niix, dicom2nifti, highdicom, dicom-numpy and nibabel, beside what this project needs. It prints
the lines of the table in ``docs/others.md``. Each series has six slices of known Hounsfield units.
"""

from __future__ import annotations

import contextlib
import io
import logging
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from dicom_factory import Raw, write_series

SLICES = 6
SIDE = 40


def pixels(k: int) -> np.ndarray:
    """Return the stored values of slice `k`, different in every slice."""
    j, i = np.mgrid[:SIDE, :SIDE]
    return ((j * 3 + i * 2 + 200 * k) & 0x7FF).astype("<u2")


def slope(k: int) -> int:
    return 1 + k % 2


def write(folder: Path, **changes: object) -> None:
    """Write a series; a callable change is called with k."""
    constant: dict[str, object] = {"Rows": SIDE, "Columns": SIDE, "SliceThickness": 2.5, "PatientPosition": "HFS"}
    constant |= {"Manufacturer": "SIEMENS", "FrameOfReferenceUID": "1.2.3.4", "PositionReferenceIndicator": ""}
    write_series(folder, SLICES, **{**constant, "PixelData": lambda k: Raw("OW", pixels(k).tobytes()), **changes})


def expected(slopes: Callable[[int], float] = lambda k: 1) -> np.ndarray:
    return np.stack([pixels(k) * slopes(k) - 1024.0 for k in range(SLICES)])


def shuffled(k: int) -> int:
    return (3, 6, 1, 5, 2, 4)[k]


def remove(folder: Path) -> None:
    (folder / "im003.dcm").unlink()


def cut(folder: Path) -> None:
    path = folder / "im003.dcm"
    path.write_bytes(path.read_bytes()[:-1500])


CASES: dict[str, tuple[dict[str, object], Callable[[Path], None] | None, np.ndarray | None]] = {
    "plain": ({}, None, expected()),
    "numbers in another order than positions": ({"InstanceNumber": shuffled}, None, expected()),
    "a slope of its own in every second slice": ({"RescaleSlope": slope}, None, expected(slope)),
    "one slice without slope and intercept": (
        {"RescaleSlope": lambda k: None if k == 3 else 1, "RescaleIntercept": lambda k: None if k == 3 else -1024},
        None,
        None,
    ),
    "a slice lost": ({}, remove, None),
    "two images at each position": (
        {
            "ImagePositionPatient": lambda k: [-10, -20, 2.5 * (k % 3)],
            "AcquisitionNumber": lambda k: 1 + k // 3,
            "TemporalPositionIndex": lambda k: 1 + k // 3,
        },
        None,
        None,
    ),
    "a tilted gantry": ({"ImagePositionPatient": lambda k: [-10, -20 + 0.8 * k, 2.5 * k]}, None, None),
    "a file that is cut in its pixels": ({}, cut, None),
}


def ours(folder: Path) -> str:
    import napari_dicommeta as dm

    volumes = dm.load(folder)
    notes = [f"{note.code}: {note.title}" for volume in volumes for note in volume.problems]
    return described([np.asarray(volume.array) for volume in volumes], [*notes, *map(str, volumes.refusals)])


def pydicom_loop(folder: Path) -> str:
    import pydicom

    slices = sorted((pydicom.dcmread(path) for path in folder.iterdir()), key=lambda image: image.InstanceNumber)
    array = np.stack([image.pixel_array for image in slices]) * slices[0].RescaleSlope + slices[0].RescaleIntercept
    return described([array], [])


def simpleitk(folder: Path) -> str:
    import SimpleITK as sitk

    arrays = []
    for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid)
        arrays.append(sitk.GetArrayFromImage(sitk.ReadImage(names)))
    return described(arrays, [])


def dcm2niix(folder: Path) -> str:
    import nibabel

    with tempfile.TemporaryDirectory() as target:
        command = [sys.executable, "-m", "dcm2niix", "-z", "n", "-f", "%s_%d", "-o", target, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        images = [nibabel.load(path) for path in sorted(Path(target).glob("*.nii"))]
        arrays = [np.asarray(image.dataobj).T[..., ::-1, :] for image in images]
        said = [line for line in (done.stdout + done.stderr).splitlines() if "arning" in line or "rror" in line]
        names = [path.name for path in sorted(Path(target).glob("*.nii"))]
    return described(arrays, [*said, *(names if len(names) > 1 else [])])


def dicom2nifti(folder: Path) -> str:
    import dicom2nifti as package
    import nibabel

    with tempfile.TemporaryDirectory() as target:
        package.dicom_series_to_nifti(str(folder), str(Path(target) / "a.nii"), reorient_nifti=False)
        return described([np.asarray(nibabel.load(Path(target) / "a.nii").dataobj).T], [])


def highdicom(folder: Path) -> str:
    import highdicom as package
    import pydicom

    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    return described([package.get_volume_from_series(slices).array], [])


def dicom_numpy(folder: Path) -> str:
    import dicom_numpy as package
    import pydicom

    array, _ = package.combine_slices([pydicom.dcmread(path) for path in folder.iterdir()])
    return described([array.T], [])


READERS = {
    "napari-dicommeta": ours,
    "pydicom": pydicom_loop,
    "SimpleITK": simpleitk,
    "dcm2niix": dcm2niix,
    "dicom2nifti": dicom2nifti,
    "highdicom": highdicom,
    "dicom-numpy": dicom_numpy,
}
wanted: np.ndarray | None = None
"""The values that the case should have, None where there is no one answer."""


def described(arrays: list[np.ndarray], words: list[str]) -> str:
    """Return shapes and whether the values are the expected ones, in either order of the slices; then the words."""
    parts = []
    for array in arrays:
        text = f"{array.shape} {array.dtype}"
        if wanted is not None and array.shape == wanted.shape:
            flips = [array, array[::-1], array[:, ::-1], array[::-1, ::-1]]
            error = min(float(np.abs(flip - wanted).max()) for flip in flips)
            text += " exact" if error == 0 else f" off by up to {error:g}"
        parts.append(text)
    return "; ".join([*parts, *words]) or "nothing"


def main() -> None:
    global wanted
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    print(", ".join(f"{name} {version(name)}" for name in READERS if name != "napari-dicommeta"))
    for name, (changes, after, values) in CASES.items():
        print(f"\n## {name}")
        wanted = values
        for reader, read in READERS.items():
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / "series"
                write(target, **changes)
                if after is not None:
                    after(target)
                err = io.StringIO()
                try:
                    with contextlib.redirect_stderr(err):
                        text = read(target)
                except Exception as error:  # noqa: BLE001  what a reader raises is what is asked for
                    text = f"{type(error).__name__}: {error}"
                print(f"{reader}: {' '.join(text.split())[:300]}")


if __name__ == "__main__":
    main()
