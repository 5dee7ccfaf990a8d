from __future__ import annotations

import math

import numpy as np
import pytest

from napari_dicommeta.dicom.luts import LookupTable
from napari_dicommeta.dicom.window import (
    Window,
    alternatives,
    distinct_windows,
    in_stored_values,
    middle_windows,
    windows_of,
)


@pytest.mark.parametrize(
    ("window", "limits"),
    [
        (Window(center=40, width=400), (-160, 239)),
        (Window(center=-600, width=1200), (-1200, -1)),
        (Window(center=2048, width=4096), (0, 4095)),
        (Window(center=40, width=1), (39.5, 39.5)),
        (Window(center=40, width=400, function="LINEAR_EXACT"), (-160, 240)),
        (Window(center=0.5, width=0.25, function="LINEAR_EXACT"), (0.375, 0.625)),
        (Window(center=40, width=400, function="SIGMOID"), (-760, 840)),
        # LINEAR: c - 0.5 - (w - 1) / 2 to c - 0.5 + (w - 1) / 2
        (Window(center=-600, width=1500), (-1350, 149)),
        (Window(center=300, width=1500), (-450, 1049)),
        (Window(center=50, width=350), (-125, 224)),
        (Window(center=35, width=80), (-5, 74)),
        (Window(center=40, width=40), (20, 59)),
        (Window(center=75, width=215), (-32.5, 181.5)),
        (Window(center=60, width=160), (-20, 139)),
        (Window(center=480, width=2500), (-770, 1729)),
        (Window(center=128, width=256), (0, 255)),
        (Window(center=0, width=2), (-1, 0)),
        (Window(center=1, width=2), (0, 1)),
        (Window(center=0.5, width=1), (0, 0)),
        (Window(center=-1024, width=1), (-1024.5, -1024.5)),
        (Window(center=3.75, width=7.5), (0, 6.5)),
        (Window(center=2.5, width=5), (0, 4)),
        (Window(center=10000.25, width=20000.5), (0, 19999.5)),
        (Window(center=32768, width=65536), (0, 65535)),
        (Window(center=-32768, width=65536), (-65536, -1)),
        (Window(center=1070, width=1860), (140, 1999)),
        (Window(center=739, width=1479), (-0.5, 1477.5)),
        # LINEAR_EXACT: c ± w / 2
        (Window(center=-600, width=1200, function="LINEAR_EXACT"), (-1200, 0)),
        (Window(center=0, width=1, function="LINEAR_EXACT"), (-0.5, 0.5)),
        (Window(center=3.75, width=7.5, function="LINEAR_EXACT"), (0, 7.5)),
        (Window(center=0.001, width=0.002, function="LINEAR_EXACT"), (0, 0.002)),
        (Window(center=40, width=1, function="LINEAR_EXACT"), (39.5, 40.5)),
        # SIGMOID: c ± 2 w, our choice
        (Window(center=2653, width=900, function="SIGMOID"), (853, 4453)),
        (Window(center=0, width=1, function="SIGMOID"), (-2, 2)),
        # in stored values: the limits are rescaled by slope and intercept
        (Window(center=739, width=1479, rescale=(2, 10)), (9, 2965)),
        (Window(center=40, width=400, rescale=(0.5, 0)), (-80, 119.5)),
        (Window(center=40, width=400, rescale=(-1, 0)), (-239, 160)),
    ],
)
def test_limits_are_those_of_the_standard(window: Window, limits: tuple[float, float]) -> None:
    assert window.limits == limits


def test_linear_maps_its_ends_to_black_and_white() -> None:
    np.testing.assert_allclose(
        Window(center=40, width=400).apply(np.array([-500, -160, 39.5, 239, 900])), [0, 0, 0.5, 1, 1]
    )
    np.testing.assert_array_equal(Window(center=40, width=1).apply(np.array([39, 39.5, 39.6, 40])), [0, 0, 1, 1])


def test_sigmoid_is_that_of_the_standard() -> None:
    curve = Window(center=40, width=400, function="SIGMOID")
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
    np.testing.assert_allclose(Window(center=40, width=400).apply(values), shown, atol=1e-9)


@pytest.mark.parametrize("width", [0, -400, math.nan, 0.5])
def test_a_window_that_cannot_be_shown_has_a_fault(width: float) -> None:
    window = Window(center=40, width=width)
    assert window.fault
    with pytest.raises(ValueError, match="Window 40"):
        window.apply(np.zeros(3))


def test_alternatives_are_paired_by_position_and_nothing_is_lost() -> None:
    windows = windows_of("40\\-600\\7", "400\\1200", "SOFT\\LUNG")
    assert windows == (
        Window(center=40, width=400, function="LINEAR", explanation="SOFT"),
        Window(center=-600, width=1200, function="LINEAR", explanation="LUNG"),
    )
    assert windows_of("40", "") == ()
    assert windows_of("abc", "400")[0].fault
    assert windows_of("40", "400", "", "SIGMOID")[0].function == "SIGMOID"


def test_the_same_window_twice_is_one() -> None:
    assert distinct_windows([Window(center=40, width=400), Window(center=40, width=400)]) == (
        Window(center=40, width=400),
    )
    named = Window(center=40, width=400, explanation="SOFT")
    assert distinct_windows([Window(center=40, width=400), named]) == (named,)


def test_the_middle_slice_comes_first_then_the_most_frequent() -> None:
    a, b, c = (Window(center=x, width=100) for x in (1, 2, 3))
    assert middle_windows([(a,), (c,), (b,), (c,), (a,), (a,)]) == (c, a, b)


def test_a_table_is_a_window_of_its_inputs() -> None:
    lut = LookupTable(first=100, bits=8, values=np.array([0, 51, 255, 204], np.uint16), explanation="HARD")
    window = Window.of_table(lut)
    assert (window.limits, window.label, window.fault, window.is_straight) == ((100, 103), "HARD", "", False)
    np.testing.assert_allclose(window.apply(np.array([0, 100, 101, 102, 103, 999])), [0, 0, 0.2, 1, 0.8, 0.8])
    assert window.curve(4).tolist() == [0, 0.2, 1, 0.8]
    again = Window.of_table(
        LookupTable(first=100, bits=8, values=np.array([0, 51, 255, 204], np.uint16), explanation="HARD")
    )
    assert again == window
    assert len({window, again}) == 1
    assert (
        Window.of_table(
            LookupTable(first=100, bits=8, values=np.array([0, 52, 255, 204], np.uint16), explanation="HARD")
        )
        != window
    )


def test_a_window_in_stored_values_shows_what_it_showed_of_them() -> None:
    stored = np.arange(0, 3000, 37.0)
    for slope, intercept in ((2.5, -7), (0.25, 100), (-1, 4095)):
        plain = Window(center=739, width=1479)
        meant = Window(center=739, width=1479, rescale=(slope, intercept))
        np.testing.assert_allclose(meant.apply(stored * slope + intercept), plain.apply(stored), atol=1e-12)
    assert not Window(center=739, width=1479, rescale=(-1, 0)).is_straight  # larger values are darker


def test_windows_are_taken_in_stored_values_only_where_these_clearly_fit_better() -> None:
    window = Window(center=739, width=1479)  # -0.5 to 1477.5
    assert in_stored_values(window, (0, 2820), 1.63858, 0)  # 0 to 1721 stored
    assert not in_stored_values(window, (0, 1500), 1.63858, 0)
    assert not in_stored_values(window, (0, 2820), 1, 0)
    assert in_stored_values(Window(center=16384, width=32768), (0, 7.5), 2.3e-4, 0)
    assert not in_stored_values(Window(center=3.75, width=7.5), (0, 7.5), 2.3e-4, 0)


def test_what_is_stated_twice_is_folded_and_counted() -> None:
    windows = windows_of("40\\40\\-600", "400\\400\\1500")
    assert windows == (Window(center=40, width=400), Window(center=-600, width=1500))
    assert [window.times for window in windows] == [2, 1]


@pytest.mark.parametrize(
    ("window", "units", "doubted"),
    [
        (Window(center=1, width=2), "HU", True),
        (Window(center=1, width=2), "BQML", False),
        (Window(center=-5000, width=100), "HU", True),
        (Window(center=9000, width=100), "HU", True),
        (Window(center=40, width=400), "HU", False),
        (Window(center=40, width=0), "HU", False),
    ],
)
def test_implausible_windows_are_marked_not_forbidden(window: Window, units: str, doubted: bool) -> None:
    assert bool(window.doubt(units)) == doubted


def test_many_different_windows_are_one_alternative_for_each_place() -> None:
    few = [(Window(center=40, width=400), Window(center=k, width=100)) for k in (1, 2, 2)]
    assert alternatives(few) == (Window(center=40, width=400), Window(center=2, width=100), Window(center=1, width=100))
    many = [(Window(center=k, width=100), Window(center=-600, width=1500)) for k in range(20)]
    assert alternatives(many) == (Window(center=10, width=100), Window(center=-600, width=1500))
    assert alternatives([*many, *[(Window(center=k, width=100),) for k in range(20)]]) == (
        Window(center=0, width=100),
        Window(center=-600, width=1500),
    )
