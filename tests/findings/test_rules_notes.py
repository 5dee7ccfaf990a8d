"""What notes of volumes say is a finding of its kind, with its files, and follows from a file made for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from dicom_factory import AXIAL, Raw, ct_pixels, encapsulated, enhanced, write_series
from finding_checks import NO_WINDOW, NOBODY, chosen
from mosaic_factory import siemens
from slide_files import picture, sparse

import napari_dicommeta as dm
from napari_dicommeta.findings.check import check
from napari_dicommeta.findings.examples import EXAMPLES

JLS = "1.2.840.10008.1.2.4.80"
SHIFTS = (0.0, 0.03, -0.04, 0.02, -0.03, 0.04)
"""mm"""
ANGLES = (0.0, 0.008, -0.008, 0.005, 0.007, -0.004)
"""Radians; up to half a degree."""
NO_RESCALE: dict[str, Any] = dict.fromkeys(("RescaleSlope", "RescaleIntercept", "RescaleType"))


def series(count: int, syntax: str = "1.2.840.10008.1.2.1", **changes: Any) -> Callable[[Path], object]:
    return lambda folder: write_series(folder, count, syntax, **NOBODY, **changes)


def at(places: list[float]) -> dict[str, Any]:
    return {"ImagePositionPatient": lambda k: [0, 0, places[k]]}


def turned(k: int) -> list[str]:
    return ["1", "0", "0", "0", f"{np.cos(ANGLES[k]):.7f}", f"{np.sin(ANGLES[k]):.7f}"]


def write_mosaic(folder: Path) -> None:
    changes = {**NOBODY, **NO_RESCALE, **NO_WINDOW}
    siemens(folder / "mosaic.dcm", pixels=np.ones((16, 16), "<u2"), **changes)


def write_slide(folder: Path) -> None:
    data = sparse(picture((3, 4, 4)), (8, 8), [(1, 1), (1, 5), (5, 1)], **NOBODY)
    (folder / "slide.dcm").write_bytes(data)


def write_cut(folder: Path) -> None:
    def encoded(k: int) -> Raw:
        return encapsulated([bytes(imagecodecs.jpegls_encode(ct_pixels(k)))])

    paths = write_series(folder, 3, JLS, **NOBODY, PixelData=encoded)
    paths[1].write_bytes(paths[1].read_bytes()[:-8])


LUT = {"LUTDescriptor": [200, 400, 16], "ModalityLUTType": "HU", "LUTData": Raw("OW", bytes(400))}
PLACES = [0.0, 3, 6, 9, 12, 17, 22, 27, 32]

# What is written, the severity of the finding and its files; what else follows from it.
NOTED: list[tuple[str, Callable[[Path], object], str, int, set[str]]] = [
    ("blocks", series(9, **at(PLACES)), "decision", 9, set()),
    ("interleaved", series(6, KVP=lambda k: (80, 140)[k % 2]), "decision", 6, set()),
    (
        "tracked",
        series(
            6,
            Modality="MR",
            **NO_RESCALE,
            **NO_WINDOW,
            ImagePositionPatient=lambda k: [-3, -6, 3 * k + SHIFTS[k]],
            ImageOrientationPatient=turned,
        ),
        "decision",
        6,
        {"orientations", "uneven", "tilt"},
    ),
    ("mosaic", write_mosaic, "info", 1, {"slices-apart"}),
    ("modality-lut", series(2, ModalityLUTSequence=[LUT], **NO_RESCALE, **NO_WINDOW), "info", 2, set()),
    ("pixels-cut", write_cut, "decision", 1, {"damaged"}),
    ("pixels-longer", series(1, PixelData=Raw("OW", bytes(768))), "decision", 1, set()),
    ("pixels-assumed", series(2, PixelRepresentation=None), "decision", 2, set()),
    ("slide-absent", write_slide, "info", 1, set()),
]


@pytest.mark.parametrize(("code", "write", "severity", "files", "others"), NOTED, ids=[noted[0] for noted in NOTED])
def test_each_note_is_a_finding_of_its_files_and_causes_no_other(
    tmp_path: Path, code: str, write: Callable[[Path], object], severity: str, files: int, others: set[str]
) -> None:
    write(tmp_path)
    catalog = dm.scan(tmp_path)
    findings = check(catalog)
    assert {finding.code for finding in findings} == {code, *others}
    (found,) = (finding for finding in findings if finding.code == code)
    assert (found.severity, found.files, chosen(catalog, found)) == (severity, files, files)
    says = EXAMPLES[code][1]
    assert says in (found.title, *(text.partition(": ")[2] for text, _ in found.evidence))


def test_a_copy_of_several_frames_is_one_file(tmp_path: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, 2.5 * k]} for k in range(3)]
    shared = {"ImageOrientationPatient": AXIAL, "PixelSpacing": [0.5, 0.5], "RescaleSlope": 1}
    shared |= {"RescaleIntercept": -1024, "RescaleType": "HU"}
    for name in "ab":
        (tmp_path / f"{name}.dcm").write_bytes(enhanced([ct_pixels(k) for k in range(3)], frames, shared, **NOBODY))
    found = {finding.code: finding for finding in check(dm.scan(tmp_path))}
    assert found["left-out"].evidence == (("series 3: 1 file of 2", 1),)
    assert found["left-out"].title == "1 duplicate file left out, in 1 volume"
    assert (found["left-out"].severity, found["image-twice"].severity) == ("info", "decision")  # one decision, not two
