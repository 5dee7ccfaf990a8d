"""What is on the canvas, pixel by pixel, against pydicom's own windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import Raw, write_series
from qtpy.QtWidgets import QApplication

import napari_dicommeta as dm
from napari_dicommeta._napari.display import show_window

SIDE = 256


def drawn(viewer: Any, part: np.ndarray, window: dm.Window, inverted: bool) -> np.ndarray:
    """The gray levels of the canvas where `part` is shown through `window`, one canvas pixel a pixel."""
    viewer.layers.clear()
    layer = viewer.add_image(part, contrast_limits=(float(part.min()), float(part.max()) + 1))
    layer.colormap = "gray_r" if inverted else "gray"
    show_window(layer, window, inverted)
    camera = viewer.scene.camera
    height, width = viewer.screenshot(canvas_only=True, flash=False).shape[:2]
    camera.zoom = 1
    # pixel centers of the image on pixel centers of the canvas
    rows, columns = part.shape
    j, i = (rows - 1) / 2 + (height - rows) % 2 / 2, (columns - 1) / 2 + (width - columns) % 2 / 2
    camera.center = (0, j, i)
    for _ in range(3):
        QApplication.processEvents()
    shot = viewer.screenshot(canvas_only=True, flash=False)[..., 0].astype(int)
    top, left = (height - part.shape[0]) // 2, (width - part.shape[1]) // 2
    return shot[top : top + part.shape[0], left : left + part.shape[1]]


def pydicoms(dataset: Any, part: np.ndarray, index: int, prefer_lut: bool) -> np.ndarray:
    """The same by pydicom: modality values to 0 … 255."""
    from pydicom.pixels import apply_voi_lut

    if prefer_lut:
        item = dataset.VOILUTSequence[index]
        shown = apply_voi_lut(part.astype(np.int64), dataset, index=index, prefer_lut=True)
        return np.asarray(shown / (2.0 ** int(item.LUTDescriptor[2]) - 1) * 255)
    far = np.concatenate([part.ravel().astype(float), [-1e9, 1e9]])  # what it makes black and white
    shown = apply_voi_lut(far, dataset, index=index, prefer_lut=False)
    return np.asarray((shown[:-2] - shown[-2]) / (shown[-1] - shown[-2]) * 255).reshape(part.shape)


def busiest(plane: np.ndarray) -> np.ndarray:
    """The part of a plane with most different values."""
    rows, columns = (min(SIDE, side) for side in plane.shape)
    parts = [
        plane[j : j + rows, i : i + columns]
        for j in range(0, plane.shape[0] - rows + 1, max(rows // 2, 1))
        for i in range(0, plane.shape[1] - columns + 1, max(columns // 2, 1))
    ]
    return max(parts, key=lambda part: len(np.unique(part)))


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("fo-dicom/**/GH133.dcm", ["SIGMOID"] * 3 + ["LUT"] * 3),
        ("pydicom-data/vlut_04.dcm", ["LUT"]),
        ("chestct-fuzun45/1-030.dcm", ["LINEAR", "LINEAR"]),
        ("dcm_qa_nih/20180918GE/mr_0004/*0010*", ["LINEAR"]),
    ],
)
def test_the_canvas_equals_pydicoms_windows_within_one_gray_level(
    viewer: Any, shared: Path, name: str, kinds: list[str]
) -> None:
    from pydicom import dcmread

    path = next(iter(sorted((shared / "data").glob(name))))
    dataset = dcmread(path)
    (volume,) = dm.load(path)
    assert [window.function for window in volume.windows] == kinds
    part = busiest(np.asarray(volume.array)[0])
    numbers: dict[bool, int] = {True: 0, False: 0}
    for window in volume.windows:
        is_table = window.lut is not None
        expected = pydicoms(dataset, part, numbers[is_table], is_table)
        numbers[is_table] += 1
        got = drawn(viewer, part, window, volume.inverted)
        assert len(np.unique(got)) > 20
        assert np.abs(got - (255 - expected if volume.inverted else expected)).max() <= 1.0 + 1e-6, window.label


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_every_function_is_drawn_as_the_standard_says(
    viewer: Any, tmp_path: Path, function: str, photometric: str
) -> None:
    values = np.linspace(0, 4095, 64 * 64).astype("<u2").reshape(64, 64)
    changes = {
        "VOILUTFunction": function,
        "WindowCenter": 300,
        "WindowWidth": 1500,
        "PhotometricInterpretation": photometric,
    }
    write_series(tmp_path, 1, Rows=64, Columns=64, PixelData=Raw("OW", values.tobytes()), **changes)
    (volume,) = dm.load(tmp_path)
    x = values.astype(float) - 1024
    y = {
        "LINEAR": np.clip((x - (300 - 0.5)) / 1499 + 0.5, 0, 1),
        "LINEAR_EXACT": np.clip((x - 300) / 1500 + 0.5, 0, 1),
        "SIGMOID": 1 / (1 + np.exp(-4 * (x - 300) / 1500)),
    }[function]
    expected = 255 * (1 - y if photometric == "MONOCHROME1" else y)
    got = drawn(viewer, np.asarray(volume.array)[0], volume.windows[0], volume.inverted)
    assert np.abs(got - expected).max() <= 1.0 + 1e-6
