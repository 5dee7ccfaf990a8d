"""Files that trigger the kinds of findings which changes of four slices do not: one example of each kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_factory import (
    AXIAL,
    EXPLICIT,
    IMPLICIT,
    ROOT,
    ct_content,
    ct_pixels,
    ct_slice,
    data_set,
    dicom,
    enhanced,
    file_meta,
    write_series,
)
from finding_checks import NO_WINDOW, NOBODY, either

import napari_dicommeta as dm
from napari_dicommeta.findings import check as checking
from napari_dicommeta.findings import survey
from napari_dicommeta.phantom import PADDING, chest

Write = Callable[[Path], object]
RT = "1.2.840.10008.5.1.4.1.1.481."


def series(count: int = 4, **changes: Any) -> Write:
    return lambda folder: write_series(folder, count, **{**NOBODY, **changes})


def beside(name: str, content: bytes, count: int = 2) -> Write:
    """A file beside images."""

    def write(folder: Path) -> None:
        write_series(folder, count, **NOBODY)
        (folder / name).write_bytes(content)

    return write


def many(count: int, **changes: Any) -> Write:
    """Series of one image each; a callable change is called with the number of the series."""

    def write(folder: Path) -> None:
        for i in range(count):
            own = {key: value(i) if callable(value) else value for key, value in changes.items()}
            uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": f"{ROOT}.3.{i}", "SeriesNumber": i}
            write_series(folder / str(i), 1, **NOBODY, **uids, **own)

    return write


def structures(image: str, frame: str) -> Write:
    """A structure set with a contour on `image` in a frame of reference, beside slices in 1.2.3."""
    contour = {"ContourImageSequence": [{"ReferencedSOPInstanceUID": image}]}
    content = {
        "SOPClassUID": f"{RT}3",
        "SOPInstanceUID": f"{ROOT}.8",
        "Modality": "RTSTRUCT",
        "StudyInstanceUID": f"{ROOT}.1",
        "SeriesInstanceUID": f"{ROOT}.7",
        "ReferencedFrameOfReferenceSequence": [{"FrameOfReferenceUID": frame, **contour}],
        "RTROIObservationsSequence": [{"ObservationNumber": 1}],
    }

    def write(folder: Path) -> None:
        write_series(folder, 2, **NOBODY, FrameOfReferenceUID="1.2.3")
        (folder / "rt.dcm").write_bytes(dicom(content))

    return write


def other_meta(folder: Path) -> None:
    paths = write_series(folder, 3, **NOBODY)
    meta = file_meta(EXPLICIT, f"{ROOT}.77")
    paths[0].write_bytes(b"\0" * 128 + b"DICM" + meta + data_set(ct_content(0, **NOBODY)))


def copies(folder: Path) -> None:
    images = [np.random.default_rng(k).integers(0, 4096, (32, 32), "<u2") for k in range(2)]
    for i in range(2):
        uids = {"StudyInstanceUID": f"{ROOT}.1.{i}", "SeriesInstanceUID": f"{ROOT}.2.{i}"}
        pixels = {"pixels": lambda k: images[k], "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        write_series(folder / str(i), 2, **{**NOBODY, **uids, **pixels})


def one_enhanced(folder: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, 2.5 * k]} for k in range(3)]
    shared = {"ImageOrientationPatient": AXIAL, "PixelSpacing": [0.75, 0.5], "RescaleSlope": 1}
    shared |= {"RescaleIntercept": -1024, "RescaleType": "HU"}
    (folder / "enhanced.dcm").write_bytes(enhanced([ct_pixels(k) for k in range(3)], frames, shared, **NOBODY))
    uids = {"SeriesInstanceUID": f"{ROOT}.5", "SOPInstanceUID": lambda k: f"{ROOT}.6.{k}"}
    write_series(folder, 3, **NOBODY, **NO_WINDOW, **uids)


def two_syntaxes(folder: Path) -> None:
    for i, syntax in enumerate((EXPLICIT, IMPLICIT)):
        (folder / f"{i}.dcm").write_bytes(ct_slice(i, syntax, **NOBODY))


def stored_presets(folder: Path) -> None:
    scaled = {"Modality": "MR", "RescaleIntercept": 0, "RescaleType": None, **NO_WINDOW, "RescaleSlope": 0.001}
    write_series(folder, 3, **{**NOBODY, **scaled, "WindowCenter": 700, "WindowWidth": 1400})  # values end at 1.6


TRIGGERS: dict[str, tuple[Write, set[str]]] = {
    "archives": (beside("more.7z", b"7z\xbc\xaf\x27\x1c" + bytes(200)), set()),
    "damaged": (beside("header.dcm", ct_slice(9, **NOBODY, PixelData=None)), set()),
    "enhanced-mixed": (one_enhanced, set()),
    "frames-missing": (structures(f"{ROOT}.3.0", "1.2.4"), {"no-pixels"}),
    "meta-contradicts": (other_meta, set()),
    "no-pixels": (structures(f"{ROOT}.3.0", "1.2.3"), set()),
    "protocol-outliers": (
        many(21, Modality="MR", Manufacturer="Maker", FlipAngle=lambda i: 15 if i == 4 else 9),
        {"protocols-vary"},
    ),
    "protocols-vary": (many(2, Modality="MR", EchoTime=lambda i: 90 + 5 * i), set()),
    "references-missing": (structures("1.2.99", "1.2.3"), {"no-pixels"}),
    "rescale-type": (series(RescaleType=either("HU", "MGML")), set()),
    "same-pixels": (copies, set()),
    "syntax-missing": (beside("bare.dcm", dicom(ct_content(2, **NOBODY), preamble=False)), set()),
    "transfer-syntaxes": (two_syntaxes, set()),
    "unplaced": (series(ImagePositionPatient=[0, 5]), {"split"}),
    "unreadable": (beside("README", b"This folder holds images of a phantom."), set()),
    "windows-stored": (stored_presets, set()),
    "scanner-unstated": (series(20), set()),
    "numbers-left-out": (series(10, InstanceNumber=lambda k: k + 32), set()),
    "refused": (series(RescaleSlope="1,5"), {"suspect-value"}),
}
"""Code -> (what writes its files, codes of other findings that follow from them)."""


def _broken(*_: object) -> None:
    raise ZeroDivisionError


def _fail_series(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(survey, "load_series", _broken)


def _fail_rule(patch: pytest.MonkeyPatch) -> None:
    rules = {"counts": (_broken,), "volumes": ()}
    patch.setattr(checking, "rules_that_need", rules.__getitem__)


FAILURES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {"series-failed": _fail_series, "rule-failed": _fail_rule}
"""Code -> how this program is made to fail on four good slices."""


_chest = cache(chest)


def _stored(dataset: pydicom.Dataset, values: Callable[[np.ndarray], np.ndarray], signed: bool, offset: float) -> None:
    """Store the phantom's HU with noise of 10 and air for padding as `values` makes them."""
    image = _chest()[dataset.InstanceNumber - 1].astype(int)
    noise = np.random.default_rng(dataset.InstanceNumber).normal(0, 10, image.shape).round().astype(int)
    hu = np.where(image == PADDING, -1000, image) + noise
    del dataset.PixelPaddingValue
    dataset.RescaleIntercept = offset
    dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = int(signed), 16, 15
    dataset.PixelData = (values(hu).astype(np.int64) & 0xFFFF).astype("<u2").tobytes()


def _with_rest(low: int, high: int) -> Callable[[np.ndarray], np.ndarray]:
    """The upper rows spread evenly from `low` to `high`."""

    def values(hu: np.ndarray) -> np.ndarray:
        hu = hu.copy()
        hu[:20] = np.linspace(low, high, hu[:20].size).reshape(20, -1).round()
        return hu

    return values


PIXELS: dict[str, Callable[[pydicom.Dataset], object]] = {
    "hu-intercept": lambda dataset: setattr(dataset, "RescaleIntercept", 777),
    "hu-intercept-missing": lambda dataset: setattr(dataset, "RescaleIntercept", 0),
    "hu-intercept-doubled": lambda dataset: setattr(dataset, "RescaleIntercept", -2048),
    "hu-intercept-sign": lambda dataset: setattr(dataset, "RescaleIntercept", 1024),
    "hu-slope": lambda dataset: setattr(dataset, "RescaleSlope", 2),
    "hu-rescale-twice": lambda dataset: _stored(dataset, lambda hu: hu, True, -1024),
    "hu-sign": lambda dataset: _stored(dataset, lambda hu: hu + 32768, True, -32768),
    "hu-padding": lambda dataset: _stored(dataset, _with_rest(-1500, -1500), True, 0),
    "hu-below": lambda dataset: _stored(dataset, _with_rest(-1900, -1200), True, 0),
    "hu-unread": lambda dataset: None,
}
"""Code -> what is changed in each file of the phantom; of "hu-unread", the files are removed after the scan."""


def write_phantom(phantom: Path, folder: Path, code: str) -> dm.Catalog:
    """Write every sixth file of the phantom, changed as `PIXELS` says for `code`, and scan them."""
    for path in sorted(phantom.iterdir())[::6]:
        dataset = pydicom.dcmread(path)
        PIXELS[code](dataset)
        dataset.save_as(folder / path.name)
    catalog = dm.scan(folder)
    if code == "hu-unread":
        for path in folder.iterdir():
            path.unlink()
    return catalog
