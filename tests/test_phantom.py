from __future__ import annotations

from pathlib import Path

import numpy as np

import napari_dicommeta as dm
from napari_dicommeta.phantom import chest


def test_the_phantom_reads_back_in_its_own_hu(phantom: Path) -> None:
    (volume,) = dm.load(phantom)
    array = np.asarray(volume.array)
    image = chest()
    inside = image != -2000
    np.testing.assert_array_equal(array[inside], image[inside])
    assert set(np.unique(image[inside])) == {-1000, -850, -100, 40, 700}
    assert volume.geometry.spacing == (2.5, 1.5, 1.5)
    assert [window.explanation for window in volume.windows] == ["MEDIASTINUM", "LUNG"]


def test_its_files_hold_what_the_histograms_are_for(phantom: Path) -> None:
    catalog = dm.scan(phantom)
    assert catalog.n_files == 48
    assert dict(catalog.values("RescaleSlope", by="spelling")) == {"1": 16, "1.0": 16, "1.000000": 16}
    assert dict(catalog.values("PixelPaddingValue")) == {"-2000": 48}
    assert catalog.failures == catalog.partial == ()
