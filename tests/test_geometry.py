from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dicommeta.geometry import ImagePlane, VolumeGeometry, slice_order

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def plane(*position: float, orientation: tuple[float, ...] = AXIAL) -> ImagePlane:
    found = ImagePlane.of(position, orientation, (0.7, 0.5))
    assert found is not None
    return found


def test_spacing_is_of_rows_then_columns_and_the_affine_says_so() -> None:
    geometry = VolumeGeometry.of_planes([plane(1, 2, 3), plane(1, 2, 5)])
    assert geometry.spacing == (2.0, 0.7, 0.5)
    assert geometry.affine is not None
    np.testing.assert_allclose(geometry.affine @ [1, 10, 4, 1], [1 + 4 * 0.5, 2 + 10 * 0.7, 5, 1])


@given(
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.lists(st.integers(-50, 50), min_size=2, max_size=8, unique=True),
)
def test_slices_are_ordered_along_their_normal_and_the_affine_gives_their_positions(
    a: float, b: float, places: list[int]
) -> None:
    row = np.array([np.cos(a), np.sin(a), 0])
    column = np.array([-np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)])
    orientation = (*row.tolist(), *column.tolist())
    normal = np.cross(row, column)
    even = [places[0] + 3 * i for i in range(len(places))]
    planes = [plane(*(normal * k).tolist(), orientation=orientation) for k in even]
    shuffled = [planes[i] for i in np.argsort(places)]
    ordered = [shuffled[i] for i in slice_order(shuffled, [None] * len(shuffled))]
    assert [p.distance for p in ordered] == sorted(p.distance for p in ordered)
    geometry = VolumeGeometry.of_planes(ordered)
    assert geometry.affine is not None
    for k, one in enumerate(ordered):
        np.testing.assert_allclose((geometry.affine @ [k, 0, 0, 1])[:3], one.position, atol=1e-9)


def test_gantry_tilt_is_measured_from_the_positions() -> None:
    tilt = np.radians(18.5)
    orientation = (1.0, 0.0, 0.0, 0.0, float(np.cos(tilt)), float(-np.sin(tilt)))
    geometry = VolumeGeometry.of_planes([plane(0, 0, 5.0 * k, orientation=orientation) for k in range(4)])
    assert geometry.tilt == pytest.approx(18.5, abs=1e-3)
    assert geometry.spacing[0] == pytest.approx(5.0)


def test_uneven_steps_are_measured() -> None:
    even = VolumeGeometry.of_planes([plane(0, 0, z) for z in (0, 1, 2, 3.004)])
    gap = VolumeGeometry.of_planes([plane(0, 0, z) for z in (0, 1, 2, 4)])
    assert even.uneven == 0
    assert gap.uneven == pytest.approx(4 / 3 * 0.5, abs=0.01)


@pytest.mark.parametrize(
    ("position", "orientation", "spacing"),
    [
        (None, AXIAL, (1, 1)),
        ((0, 0), AXIAL, (1, 1)),
        ((0, 0, 0), (0,) * 6, (1, 1)),
        ((0, 0, 0), (1, 0, 0, 1, 0, 0), (1, 1)),
        ((0, 0, 0), AXIAL, (0, 0)),
        ((0, 0, 0), AXIAL, (-1, 1)),
    ],
)
def test_what_makes_no_plane_is_none(position, orientation, spacing) -> None:
    assert ImagePlane.of(position, orientation, spacing) is None
