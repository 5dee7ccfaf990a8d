from __future__ import annotations

import math

import numpy as np
import pytest

from napari_dicommeta.window import Window, distinct_windows, middle_windows, windows_of


@pytest.mark.parametrize(
    ("window", "limits"),
    [
        (Window(40, 400), (-160, 239)),
        (Window(-600, 1200), (-1200, -1)),
        (Window(2048, 4096), (0, 4095)),
        (Window(40, 1), (39.5, 39.5)),
        (Window(40, 400, "LINEAR_EXACT"), (-160, 240)),
        (Window(0.5, 0.25, "LINEAR_EXACT"), (0.375, 0.625)),
        (Window(40, 400, "SIGMOID"), (-760, 840)),
    ],
)
def test_limits_are_those_of_the_standard(window: Window, limits: tuple[float, float]) -> None:
    assert window.limits == limits


def test_linear_maps_its_ends_to_black_and_white() -> None:
    np.testing.assert_allclose(Window(40, 400).apply(np.array([-500, -160, 39.5, 239, 900])), [0, 0, 0.5, 1, 1])
    np.testing.assert_array_equal(Window(40, 1).apply(np.array([39, 39.5, 39.6, 40])), [0, 0, 1, 1])


def test_sigmoid_is_that_of_the_standard() -> None:
    curve = Window(40, 400, "SIGMOID")
    np.testing.assert_allclose(curve.apply(np.array([40.0, 140.0])), [0.5, 1 / (1 + math.exp(-1))])
    assert curve.curve(1024).shape == (1024,)
    assert curve.curve()[0] < 4e-4


def test_linear_agrees_with_pydicom() -> None:
    from pydicom.dataset import Dataset
    from pydicom.pixels.processing import apply_windowing

    ds = Dataset()
    ds.WindowCenter, ds.WindowWidth, ds.PhotometricInterpretation = 40, 400, "MONOCHROME2"
    ds.BitsStored, ds.PixelRepresentation, ds.RescaleSlope, ds.RescaleIntercept = 16, 1, 1, -1024
    values = np.arange(-1024, 3000, 7)
    shown = apply_windowing(values, ds)
    shown = (shown - shown.min()) / (shown.max() - shown.min())
    np.testing.assert_allclose(Window(40, 400).apply(values), shown, atol=1e-9)


@pytest.mark.parametrize("width", [0, -400, math.nan, 0.5])
def test_a_window_that_cannot_be_shown_has_a_fault(width: float) -> None:
    window = Window(40, width)
    assert window.fault
    with pytest.raises(ValueError, match="Window 40"):
        window.apply(np.zeros(3))


def test_alternatives_are_paired_by_position_and_nothing_is_lost() -> None:
    windows = windows_of("40\\-600\\7", "400\\1200", "SOFT\\LUNG")
    assert windows == (Window(40, 400, "LINEAR", "SOFT"), Window(-600, 1200, "LINEAR", "LUNG"))
    assert windows_of("40", "") == ()
    assert windows_of("abc", "400")[0].fault
    assert windows_of("40", "400", "", "SIGMOID")[0].function == "SIGMOID"


def test_the_same_window_twice_is_one() -> None:
    assert distinct_windows([Window(40, 400), Window(40, 400)]) == (Window(40, 400),)
    named = Window(40, 400, explanation="SOFT")
    assert distinct_windows([Window(40, 400), named]) == (named,)


def test_the_middle_slice_comes_first_then_the_most_frequent() -> None:
    a, b, c = (Window(x, 100) for x in (1, 2, 3))
    assert middle_windows([(a,), (c,), (b,), (c,), (a,), (a,)]) == (c, a, b)
