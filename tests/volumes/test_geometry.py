from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dicommeta.volumes.geometry import ImagePlane, VolumeGeometry, place_ids, place_tolerance

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
Placed = tuple[ImagePlane, tuple[float, ...]]


def plane(*position: float, orientation: tuple[float, ...] = AXIAL, spacing: tuple[float, ...] = (0.7, 0.5)) -> Placed:
    found = ImagePlane.of(orientation, spacing)
    assert found is not None
    return found, position


def geometry_of(images: list[Placed]) -> VolumeGeometry:
    return VolumeGeometry.of_positions(images[0][0], np.array([position for _, position in images], dtype=float))


def position_ids(images: list[Placed]) -> list[int]:
    found = images[0][0]
    positions = np.array([position for _, position in images], dtype=float)
    return place_ids(positions @ found.normal, place_tolerance(found)).tolist()


def test_spacing_is_of_rows_then_columns_and_the_affine_says_so() -> None:
    geometry = geometry_of([plane(1, 2, 3), plane(1, 2, 5)])
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
    ids = position_ids(shuffled)
    assert sorted(ids) == list(range(len(shuffled)))
    ordered = [shuffled[ids.index(k)] for k in range(len(shuffled))]
    distances = [float(np.dot(position, one.normal)) for one, position in ordered]
    assert distances == sorted(distances)
    geometry = geometry_of(ordered)
    assert geometry.affine is not None
    for k, (_, position) in enumerate(ordered):
        np.testing.assert_allclose((geometry.affine @ [k, 0, 0, 1])[:3], position, atol=1e-9)


def test_gantry_tilt_is_measured_from_the_positions() -> None:
    tilt = np.radians(18.5)
    orientation = (1.0, 0.0, 0.0, 0.0, float(np.cos(tilt)), float(-np.sin(tilt)))
    geometry = geometry_of([plane(0, 0, 5.0 * k, orientation=orientation) for k in range(4)])
    assert geometry.tilt == pytest.approx(18.5, abs=1e-3)
    assert geometry.spacing[0] == pytest.approx(5.0)


def test_uneven_steps_are_measured() -> None:
    even = geometry_of([plane(0, 0, z) for z in (0, 1, 2, 3.004)])
    gap = geometry_of([plane(0, 0, z) for z in (0, 1, 2, 4)])
    assert even.uneven == 0
    assert gap.uneven == pytest.approx(1)  # the usual step is 1, one is 2
    assert gap.spacing[0] == pytest.approx(1)  # not the mean, 4 / 3, which is between no two slices


@pytest.mark.parametrize(
    ("orientation", "spacing"),
    [
        (None, (1, 1)),
        (AXIAL, None),
        (AXIAL[:5], (1, 1)),
        ((), (1, 1)),
        (AXIAL, (1,)),
        ((0,) * 6, (1, 1)),
        ((1, 0, 0, 1, 0, 0), (1, 1)),
        (AXIAL, (0, 0)),
        (AXIAL, (-1, 1)),
        (AXIAL, (1e8, 1)),
        ((1, 0, 0, 0, float("nan"), 0), (1, 1)),
        (AXIAL, (1, float("nan"))),
        (AXIAL, (float("nan"), 1)),
        (AXIAL, (float("inf"), 1)),
    ],
)
def test_what_makes_no_plane_is_none(orientation, spacing) -> None:
    assert ImagePlane.of(orientation, spacing) is None


def along(*places: float, **how: tuple[float, ...]) -> list[Placed]:
    return [plane(0, 0, z, **how) for z in places]


@pytest.mark.parametrize(
    ("places", "ids"),
    [
        ((5,), [0]),
        ((2.5, 0, 5), [1, 0, 2]),
        ((0, 5, 0, 5, 2), [0, 2, 0, 2, 1]),
        ((0, 0.0049, 0.01), [0, 0, 1]),  # 0.0051 mm, more than a hundredth of 0.5 mm, is another place
        ((-5, -10, 0), [1, 0, 2]),
        ((7, 7, 7), [0, 0, 0]),
    ],
)
def test_places_are_numbered_along_the_normal_and_equal_ones_alike(places: tuple[float, ...], ids: list[int]) -> None:
    found = position_ids(along(*places))
    assert found == ids
    assert all(type(one) is int for one in found)


def test_places_are_numbered_along_a_normal_that_points_to_the_feet() -> None:
    # (-1, 0, 0) × (0, 1, 0) = (0, 0, -1): the highest z is first.
    assert position_ids(along(0, 10, 5, orientation=(-1.0, 0.0, 0.0, 0.0, 1.0, 0.0))) == [2, 0, 1]


def test_places_shifted_in_their_plane_are_one_place_along_the_normal() -> None:
    lean = np.radians(20)
    orientation = (1.0, 0.0, 0.0, 0.0, float(np.cos(lean)), float(-np.sin(lean)))
    within = 7 * np.array(orientation[3:])
    assert position_ids(
        [plane(*within.tolist(), orientation=orientation), plane(0, 0, 0, orientation=orientation)]
    ) == [
        0,
        0,
    ]


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=12))
def test_the_number_of_a_place_is_its_rank_among_the_places(places: list[int]) -> None:
    ranks = {place: rank for rank, place in enumerate(sorted(set(places)))}
    assert position_ids(along(*places)) == [ranks[place] for place in places]


@pytest.mark.parametrize(
    ("places", "gaps"),
    [
        ((0,), ()),
        ((0, 7), ()),  # one step is the usual one
        ((0, 2, 4, 6), ()),
        ((0, 2, 4, 8, 10), ((2, 4.0, 1),)),
        ((0, 6, 8, 10, 12, 16), ((0, 6.0, 2), (4, 4.0, 1))),
        ((0, 2, 4, 8.2, 10.2), ((2, 4.2, 1),)),  # 2.1 of the step: within a tenth of 2
        ((0, 2, 4, 8.3, 10.3), ()),  # 2.15 of it
        ((0, 2, 4, 7, 9), ()),  # 1.5 of it
        ((0, 2, 4, 4.5, 6.5), ()),  # a step too small misses nothing
        ((3, 3, 3), ()),
        # between blocks of one step, that step is the usual one
        ((0, 2, 4, 6, 8, 10, 14, 18, 22, 26, 34, 38, 42, 46), ((9, 8.0, 1),)),
        ((0, 2, 4, 6, 10, 12, 14, 16, 20, 24, 28, 32, 36, 40, 44), ((3, 4.0, 1),)),
    ],
)
def test_a_gap_is_a_step_of_a_multiple_of_the_usual_one(
    places: tuple[float, ...], gaps: tuple[tuple[int, float, int], ...]
) -> None:
    found = geometry_of(along(*places)).gaps
    assert [(k, missing) for k, _, missing in found] == [(k, missing) for k, _, missing in gaps]
    assert [mm for _, mm, _ in found] == pytest.approx([mm for _, mm, _ in gaps])


@pytest.mark.parametrize(("degrees", "shear"), [(0, 0.0), (30, 5.0), (90 - 53.13010235415598, 6.0)])
def test_shear_is_how_far_a_slice_lies_beside_the_one_before(degrees: float, shear: float) -> None:
    # The table moves 10 mm along z, the plane leans: 10 · sin 30° = 5; a triangle of 6, 8, 10.
    lean = np.radians(degrees)
    orientation = (1.0, 0.0, 0.0, 0.0, float(np.cos(lean)), float(-np.sin(lean)))
    geometry = geometry_of(along(0, 10, 20, orientation=orientation))
    assert geometry.tilt == pytest.approx(degrees, abs=1e-3)
    assert geometry.shear == pytest.approx(shear, abs=1e-3)


def test_a_single_slice_has_no_distance_no_tilt_and_no_shear() -> None:
    geometry = geometry_of([plane(1, 2, 3)])
    assert np.isnan(geometry.spacing[0])
    assert (geometry.tilt, geometry.shear, geometry.uneven, geometry.gaps, geometry.steps) == (0, 0, 0, (), ())
    assert geometry.affine is not None
    np.testing.assert_allclose(geometry.affine[:3, 0], [0, 0, 1])


@pytest.mark.parametrize(
    ("orientation", "spacing", "same"),
    [
        (AXIAL, (0.7, 0.5), True),
        (AXIAL, (0.706, 0.504), True),  # 0.9 and 0.8 % more
        (AXIAL, (0.71, 0.5), False),  # 1.4 % more
        (AXIAL, (0.7, 0.52), False),
        (AXIAL, (0.5, 0.7), False),
        ((1.0, 5e-5, 0.0, -5e-5, 1.0, 0.0), (0.7, 0.5), True),
        ((1.0, 5e-4, 0.0, -5e-4, 1.0, 0.0), (0.7, 0.5), False),
        ((-1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (0.7, 0.5), False),  # parallel, but turned round
        ((0.0, 1.0, 0.0, 1.0, 0.0, 0.0), (0.7, 0.5), False),
    ],
)
def test_a_grid_is_one_orientation_and_one_pixel_spacing_within_their_tolerances(
    orientation: tuple[float, ...], spacing: tuple[float, ...], same: bool
) -> None:
    first, second = plane(0, 0, 0)[0], plane(1, 2, 3, orientation=orientation, spacing=spacing)[0]
    assert first.same_grid(second) is same
    assert second.same_grid(first) is same


@pytest.mark.parametrize(("spacing", "step", "places"), [((0.5, 0.5), 0.0005, 1), ((0.0005, 0.0005), 0.0005, 3)])
def test_steps_of_half_a_micrometer_are_steps_where_pixels_are_that_small(
    spacing: tuple[float, ...], step: float, places: int
) -> None:
    ids = position_ids(along(0, step, 2 * step, spacing=spacing))
    assert max(ids) + 1 == places


@pytest.mark.parametrize(
    ("places", "blocks"),
    [
        ([2.5 * k for k in range(10)] + [22.5 + 5 * k for k in range(1, 11)], [(0, 10, 2.5), (10, 10, 5.0)]),
        ([2.5 * k for k in range(11)] + [25 + 5 * k for k in range(1, 10)], [(0, 11, 2.5), (11, 9, 5.0)]),
        # 3.75 mm from one block to the next, as their thicknesses give it
        ([2.5 * k for k in range(5)] + [13.75 + 5 * k for k in range(5)], [(0, 5, 2.5), (5, 5, 5.0)]),
        ([1.0 * k for k in range(5)] + [6 + 2 * k for k in range(5)] + [17 + k for k in range(5)], None),
        ([1.0 * k for k in range(5)] + [7.0 + k for k in range(5)], []),  # a gap, not blocks
        ([2.5 * k for k in range(10)] + [22.5 + 5 * k for k in (1, 2, 3, 4, 6, 7, 8, 9)], [(0, 10, 2.5), (10, 8, 5.0)]),
        ([1.0 * k for k in range(10)], []),
        ([0, 1, 2, 5, 8, 13, 21, 22], []),
    ],
)
def test_blocks_are_runs_of_equal_steps(places: list[float], blocks: list[tuple[int, int, float]] | None) -> None:
    found = geometry_of(along(*places)).blocks
    if blocks is None:
        blocks = [(0, 5, 1.0), (5, 5, 2.0), (10, 5, 1.0)]
    assert [(first, count) for first, count, _ in found] == [(first, count) for first, count, _ in blocks]
    assert [step for _, _, step in found] == pytest.approx([step for _, _, step in blocks])
