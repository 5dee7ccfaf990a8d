"""Which dimension distinguishes images at the same position: candidates are compared, the best one wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import DEFLATED, EXPLICIT, ROOT, ct_pixels, ct_slice, enhanced
from hypothesis import given, settings
from hypothesis import strategies as st
from volume_checks import hu, opened, titles

import napari_dicommeta as dm

Values = Callable[[int, int, int], Any]
GRID = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1]}


def write_times(
    folder: Path,
    times: int,
    slices: int,
    lost: tuple[tuple[int, int], ...] = (),
    by_slice: bool = False,
    names: list[int] | None = None,
    **changes: Values,
) -> None:
    """Write `times` volumes of `slices`; the pixels of slice k at time t are those of number 8 t + k.

    Each change is called with t, k and the number of the image in the order of acquisition, from 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = [(t, k) for t in range(times) for k in range(slices)]
    if by_slice:
        order.sort(key=lambda pair: (pair[1], pair[0]))
    for n, (t, k) in enumerate(order, 1):
        if (t, k) in lost:
            continue
        own = {keyword: value(t, k, n) for keyword, value in changes.items()}
        content = {"InstanceNumber": n, "ImagePositionPatient": [0, 0, 3 * k]} | own
        name = n if names is None else names[n - 1]
        (folder / f"im{name:03}.dcm").write_bytes(ct_slice(8 * t + k, **content))


def numbers_of(volume: dm.Volume) -> list[list[int]]:
    """Return the number 8 t + k of each slice, from the first pixel, volume by volume."""
    slices = np.asarray(volume.array)[..., 0, 0].astype(int) + 1024
    if volume.axis and slices.ndim == 1:  # images of one position
        slices = slices[:, None]
    return (np.atleast_2d(slices) // 100).tolist()


def of_time(t: int, slices: int) -> list[int]:
    return [8 * t + k for k in range(slices)]


# -- a dimension is whole or none --------------------------------------------------------------------------


CLOCKS: dict[str, tuple[str, dict[str, Values]]] = {
    "a clock that ticks in a volume": ("AcquisitionTime", {"AcquisitionTime": lambda t, k, n: f"1000{t:02}.{k}"}),
    "two slices at once": ("AcquisitionTime", {"AcquisitionTime": lambda t, k, n: f"1000{t:02}.{k % 2}"}),
    "interleaved slices": (
        "AcquisitionTime",
        {"AcquisitionTime": lambda t, k, n: f"1000{t:02}.{[0, 2, 1, 3][k]}"},
    ),
    "a trigger time equal in the first phase": (
        "TriggerTime",
        {"TriggerTime": lambda t, k, n: 0 if t == 0 else t * 30 + k * 1.7},
    ),
    "a trigger time of each slice": ("TriggerTime", {"TriggerTime": lambda t, k, n: 10 + t * 30 + k * 12.5}),
}


@pytest.mark.parametrize("by_slice", [False, True])
@pytest.mark.parametrize("case", CLOCKS)
def test_times_that_differ_within_a_volume_are_one_dimension(tmp_path: Path, case: str, by_slice: bool) -> None:
    axis, changes = CLOCKS[case]
    write_times(tmp_path, 3, 4, by_slice=by_slice, **changes)
    (volume,) = dm.load(tmp_path)
    assert (volume.array.shape, volume.axis) == ((3, 4, 16, 12), axis)
    assert numbers_of(volume) == [of_time(t, 4) for t in range(3)]


@pytest.mark.parametrize("by_slice", [False, True])
def test_a_cine_of_17_phases_never_becomes_17_volumes(tmp_path: Path, by_slice: bool) -> None:
    # No two slices share a trigger time, and the first one's element is wrong.
    times: dict[str, Values] = {"TriggerTime": lambda t, k, n: 0 if (t, k) == (3, 1) else 41.3 * t + 3.7 * k}
    write_times(tmp_path, 5, 3, by_slice=by_slice, **times)
    (volume,) = dm.load(tmp_path)
    assert volume.array.shape == (5, 3, 16, 12)


# -- a lost slice -------------------------------------------------------------------------------------------


STATED: dict[str, dict[str, Values]] = {
    "InstanceNumber": {},
    "AcquisitionTime": {"AcquisitionTime": lambda t, k, n: f"10{n // 60:02}{n % 60:02}"},
    "AcquisitionNumber": {"AcquisitionNumber": lambda t, k, n: t + 1},
    "TriggerTime": {"TriggerTime": lambda t, k, n: 50 * t},
}


@pytest.mark.parametrize(
    "lost", [((1, 2),), ((1, 0),), ((1, 5),), ((3, 3), (3, 4), (3, 5)), ((0, 0),), ((2, 1), (2, 2))]
)
@pytest.mark.parametrize("axis", STATED)
def test_a_lost_slice_never_mixes_times(tmp_path: Path, axis: str, lost: tuple[tuple[int, int], ...]) -> None:
    write_times(tmp_path, 4, 6, lost, **STATED[axis])
    whole, rest = dm.load(tmp_path)
    short = lost[0][0]
    assert numbers_of(whole) == [of_time(t, 6) for t in range(4) if t != short]
    assert whole.axis == axis
    assert numbers_of(rest) == [[8 * short + k for k in range(6) if (short, k) not in lost]]
    assert f"volume {short + 1} of 4" in titles(rest)["split"]
    assert f"has only {6 - len(lost)} of the 6 positions of the others" in titles(rest)["split"]


@pytest.mark.parametrize("lost", [((1, 2),), ((0, 0),), ((3, 5),)])
def test_a_slice_lost_in_a_series_stored_slice_by_slice_mixes_no_times(
    tmp_path: Path, lost: tuple[tuple[int, int], ...]
) -> None:
    write_times(tmp_path, 4, 6, lost, by_slice=True)
    whole, rest = dm.load(tmp_path)
    short = lost[0][0]
    assert numbers_of(whole) == [of_time(t, 6) for t in range(4) if t != short]
    assert numbers_of(rest) == [[8 * short + k for k in range(6) if (short, k) not in lost]]


@pytest.mark.parametrize("by_slice", [False, True])
@pytest.mark.parametrize("first", [2, 3, 101])
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [0, 2, 4, 1, 3, 5]])
def test_numbers_that_begin_anywhere_mix_no_times(tmp_path: Path, order: list[int], first: int, by_slice: bool) -> None:
    # Other images were numbered before, or volumes are numbered on from another series: the first slice is lost.
    names: dict[str, Values] = {"ImagePositionPatient": lambda t, k, n: [0, 0, 3 * order[k]]}
    numbers: dict[str, Values] = {"InstanceNumber": lambda t, k, n: n + first - 1}
    write_times(tmp_path, 4, 6, ((0, 0),), by_slice=by_slice, **names, **numbers)
    whole, rest = dm.load(tmp_path)
    at = [order.index(place) for place in range(6)]
    assert numbers_of(whole) == [[8 * t + k for k in at] for t in (1, 2, 3)]
    assert numbers_of(rest) == [[k for k in at if k]]


def test_a_clock_without_numbers_mixes_no_times_where_the_first_slice_is_lost(tmp_path: Path) -> None:
    clock = {"InstanceNumber": lambda t, k, n: None, "AcquisitionTime": half_seconds}
    write_times(tmp_path, 4, 6, ((0, 0),), **clock)
    whole, rest = dm.load(tmp_path)
    assert numbers_of(whole) == [of_time(t, 6) for t in (1, 2, 3)]
    assert numbers_of(rest) == [[1, 2, 3, 4, 5]]


# -- a table that moves there and back ----------------------------------------------------------------------


def of_turn(values: dict[str, Values], times: int, slices: int) -> dict[str, Values]:
    """Return changes that image odd volumes from the last slice to the first; numbers and clocks go on counting."""

    def turned(value: Values) -> Values:
        def of_image(t: int, k: int, n: int) -> Any:
            return value(t, k, slices * t + (slices - k if t % 2 else k + 1))

        return of_image

    return {keyword: turned(value) for keyword, value in values.items()}


def half_seconds(t: int, k: int, n: int) -> str:
    return f"1000{n * 0.5:04.1f}"


SHUTTLES: dict[str, dict[str, Values]] = {
    "numbers": {"InstanceNumber": lambda t, k, n: n},
    "numbers and a clock": {"InstanceNumber": lambda t, k, n: n, "AcquisitionTime": half_seconds},
    "a clock": {"InstanceNumber": lambda t, k, n: None, "AcquisitionTime": half_seconds},
    "a clock and numbers of slices": {"InstanceNumber": lambda t, k, n: k + 1, "AcquisitionTime": half_seconds},
}


@pytest.mark.parametrize(
    "lost",
    [
        ((0, 0),),
        ((0, 4),),
        ((1, 0),),
        ((1, 2),),
        ((1, 4),),
        ((2, 0),),
        ((2, 4),),
        ((3, 1),),
        ((1, 0), (1, 1)),
        ((2, 3), (2, 4)),
    ],
)
@pytest.mark.parametrize("case", SHUTTLES)
def test_a_slice_lost_on_the_way_there_and_back_mixes_no_times(
    tmp_path: Path, case: str, lost: tuple[tuple[int, int], ...]
) -> None:
    write_times(tmp_path, 4, 5, lost, **of_turn(SHUTTLES[case], 4, 5))
    whole, rest = dm.load(tmp_path)
    short = lost[0][0]
    assert numbers_of(whole) == [of_time(t, 5) for t in range(4) if t != short]
    assert numbers_of(rest) == [[8 * short + k for k in range(5) if (short, k) not in lost]]


@pytest.mark.parametrize("axis", STATED)
def test_slices_lost_at_the_start_and_later_do_not_shift_the_times(tmp_path: Path, axis: str) -> None:
    # Where each volume seems to begin with its second slice, only the last one would lack anything.
    write_times(tmp_path, 4, 5, ((0, 0), (3, 3)), **STATED[axis])
    found = [numbers for volume in dm.load(tmp_path) for numbers in numbers_of(volume)]
    assert sorted(found) == [[1, 2, 3, 4], of_time(1, 5), of_time(2, 5), [24, 25, 26, 28]]


# -- a slice that is imaged again ---------------------------------------------------------------------------


AGAIN: dict[str, Values] = {
    "AcquisitionTime": half_seconds,
    "TriggerTime": lambda t, k, n: 20 * n,
    "AcquisitionNumber": lambda t, k, n: n,
    "InstanceNumber": lambda t, k, n: n,
}


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("delay", [0, 1, 9])
@pytest.mark.parametrize("keyword", AGAIN)
def test_a_slice_imaged_again_does_not_cut_its_volume(tmp_path: Path, keyword: str, delay: int, times: int) -> None:
    # Slice 3 of the last volume is imaged twice: at once, after the next one, or at the end. Its number is 40.
    order = [(8 * t + k, k) for t in range(times) for k in range(8)]
    order.insert(min(len(order), 8 * times - 4 + delay), (40, 3))
    for n, (number, k) in enumerate(order, 1):
        content = {"InstanceNumber": n, "ImagePositionPatient": [0, 0, 3 * k], keyword: AGAIN[keyword](0, k, n)}
        (tmp_path / f"im{n:03}.dcm").write_bytes(ct_slice(number, **content))
    whole, again = dm.load(tmp_path)
    assert numbers_of(whole) == [of_time(t, 8) for t in range(times)]
    assert numbers_of(again) == [[40]]
    assert "has only 1 of the 8 positions of the others" in titles(again)["split"]


# -- any element --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("KVP", ["80", "140", "100"]),
        ("SequenceName", ["*ep_b0", "*ep_b50", "*ep_b1000"]),
        ("ProtocolName", ["label", "control", "M0"]),
        ("ImageComments", ["rest", "left", "right"]),
        ("ContrastBolusAgent", ["", "first", "second"]),
        ("SeriesTime", ["101500", "101000", "102000"]),
        ("XRayTubeCurrent", ["50", "70", "60"]),
    ],
)
def test_any_element_may_be_the_dimension(tmp_path: Path, keyword: str, values: list[str]) -> None:
    write_times(tmp_path, 3, 4, by_slice=True, **{keyword: lambda t, k, n: values[t]})
    (volume,) = dm.load(tmp_path)
    assert (volume.array.shape, volume.axis) == ((3, 4, 16, 12), keyword)
    assert sorted(numbers_of(volume)) == [of_time(t, 4) for t in range(3)]
    assert next(note.severity for note in volume.notes if note.code == "volumes") == "info"


def test_a_private_element_may_be_the_dimension(tmp_path: Path) -> None:
    values = {0: "0", 1: "1000", 2: "500"}
    changes: dict[str, Values] = {
        "00190010": lambda t, k, n: "SIEMENS MR HEADER",
        "0019100C": lambda t, k, n: values[t],
    }
    for keyword, value in list(changes.items()):
        changes[keyword] = value
    folder = tmp_path
    for t in range(3):
        for k in range(4):
            content = {"InstanceNumber": 4 * k + t + 1, "ImagePositionPatient": [0, 0, 3 * k]}
            file = ct_slice(8 * t + k, **content)
            # (0019,0010) and (0019,100C) go between groups 0018 and 0020: after Modality (0008,0060) and before them.
            at = file.index(b"\x20\x00\x0d\x00UI")
            creator = b"\x19\x00\x10\x00LO\x12\x00SIEMENS MR HEADER "
            text = values[t].encode() + b" " * (len(values[t]) % 2)
            value = b"\x19\x00\x0c\x10IS" + len(text).to_bytes(2, "little") + text
            (folder / f"im{k}{t}.dcm").write_bytes(file[:at] + creator + value + file[at:])
    (volume,) = dm.load(folder)
    assert volume.array.shape == (3, 4, 16, 12)
    assert volume.axis == "(0019,xx0C,SIEMENS MR HEADER)"
    assert numbers_of(volume) == [of_time(t, 4) for t in (0, 2, 1)]  # by the numbers 0, 500 and 1000


def test_a_private_element_without_a_name_is_named_by_its_creator_and_number(tmp_path: Path) -> None:
    # The dictionary of private elements calls (0021,xx10) of this creator Unknown.
    private: dict[str, Values] = {"00210010": lambda t, k, n: "SIEMENS MR FMRI", "00211010": lambda t, k, n: t}
    write_times(tmp_path, 3, 4, by_slice=True, **private)
    (volume,) = dm.load(tmp_path)
    assert volume.axis == "(0021,xx10,SIEMENS MR FMRI)"
    assert titles(volume)["volumes"] == "3 volumes of 4 slices, by (0021,xx10,SIEMENS MR FMRI)"


def test_an_element_of_functional_groups_may_be_the_dimension(tmp_path: Path) -> None:
    order = [(t, k) for k in range(3) for t in range(2)]
    frames = [
        {"ImagePositionPatient": [0, 0, 2 * k], "CTXRayDetailsSequence": [{"KVP": [140, 80][t]}]} for t, k in order
    ]
    file = enhanced([ct_pixels(8 * t + k) for t, k in order], frames, GRID, RescaleSlope=1, RescaleIntercept=-1024)
    (volume,) = opened(tmp_path, file)
    assert (volume.array.shape, volume.axis) == ((2, 3, 16, 12), "KVP")
    assert numbers_of(volume) == [of_time(1, 3), of_time(0, 3)]


def test_frames_of_one_file_are_told_apart_by_their_order_in_it(tmp_path: Path) -> None:
    places = [{"ImagePositionPatient": [0, 0, 3 * k]} for _ in range(2) for k in range(3)]
    file = enhanced([ct_pixels(n) for n in range(6)], places, GRID | {"RescaleSlope": 1, "RescaleIntercept": -1024})
    (volume,) = opened(tmp_path, file)
    assert titles(volume)["volumes"] == (
        "2 volumes of 3 slices, by their order in the file: no known tag distinguishes them"
    )


def test_two_values_are_never_mixed_in_one_volume(tmp_path: Path) -> None:
    # Two energies, one of them with a slice less: the numbers alone would fill the gap with the other energy.
    write_times(tmp_path, 2, 4, lost=((0, 3),), by_slice=True, KVP=lambda t, k, n: ["80", "140"][t])
    for volume in dm.load(tmp_path):
        for numbers in numbers_of(volume):
            assert len({number // 8 for number in numbers}) == 1


def test_a_stated_dimension_goes_before_a_mere_number_and_a_clock(tmp_path: Path) -> None:
    changes: dict[str, Values] = {
        "EchoTime": lambda t, k, n: [4.6, 2.3, 9.2][t],
        "AcquisitionNumber": lambda t, k, n: t + 1,
        "AcquisitionTime": lambda t, k, n: f"1000{n:02}",
    }
    write_times(tmp_path, 3, 4, **changes)
    (volume,) = dm.load(tmp_path)
    assert volume.axis == "EchoTime"
    assert numbers_of(volume) == [of_time(t, 4) for t in (1, 0, 2)]


def test_one_odd_tag_does_not_break_a_series_into_crumbs(tmp_path: Path) -> None:
    # One slice of one time has another echo time: a typo of the exporter.
    changes: dict[str, Values] = {
        "EchoTime": lambda t, k, n: 99 if (t, k) == (1, 2) else 5 * (t + 1),
        "AcquisitionNumber": lambda t, k, n: t + 1,
    }
    write_times(tmp_path, 3, 4, **changes)
    (volume,) = dm.load(tmp_path)
    assert volume.axis == "AcquisitionNumber"
    assert numbers_of(volume) == [of_time(t, 4) for t in range(3)]


def test_acquisitions_of_other_positions_are_volumes_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path
    for n, (acquisition, k) in enumerate([(a, k) for a in range(2) for k in range(3 * a, 3 * a + 5)]):
        content = {"InstanceNumber": n + 1, "ImagePositionPatient": [0, 0, 3 * k], "AcquisitionNumber": acquisition + 1}
        (folder / f"im{n}.dcm").write_bytes(ct_slice(n, **content))
    volumes = dm.load(folder)
    assert [volume.array.shape for volume in volumes] == [(5, 16, 12)] * 2
    assert "the parts have different positions" in titles(volumes[0])["split"]


def test_a_volume_of_two_acquisitions_beside_one_of_a_single_one_is_not_named_by_them(tmp_path: Path) -> None:
    write_times(tmp_path, 3, 2, ((0, 0), (1, 1)), AcquisitionNumber=lambda t, k, n: t + 1)
    (volume,) = dm.load(tmp_path)
    assert (volume.array.shape, volume.axis) == ((2, 2, 16, 12), "InstanceNumber")
    assert "no known tag distinguishes them" in titles(volume)["volumes"]


# -- properties ---------------------------------------------------------------------------------------------


@given(
    times=st.integers(1, 4),
    slices=st.integers(2, 5),
    lost=st.sets(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=3),
    by_slice=st.booleans(),
    keyword=st.sampled_from(["", "EchoTime", "AcquisitionNumber", "KVP", "TriggerTime", "AcquisitionTime"]),
    shuffle=st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_every_frame_is_in_one_volume_whatever_the_names_and_folders(
    tmp_path_factory: pytest.TempPathFactory,
    times: int,
    slices: int,
    lost: set[tuple[int, int]],
    by_slice: bool,
    keyword: str,
    shuffle: Any,
) -> None:
    changes: dict[str, Values] = {}
    if keyword:
        text = {"KVP": lambda t, k, n: str(80 + 20 * t), "AcquisitionTime": lambda t, k, n: f"10{t:02}{k:02}"}
        changes[keyword] = text.get(keyword, lambda t, k, n: t + 1)
    present = [(t, k) for t in range(times) for k in range(slices) if (t, k) not in lost]
    if not present:
        return
    layouts = []
    for attempt in range(2):
        folder = tmp_path_factory.mktemp("series")
        names = list(range(times * slices))
        if attempt:
            shuffle.shuffle(names)
        write_times(folder, times, slices, tuple(lost), by_slice, names, **changes)
        if attempt:  # another half of the files in a folder of their own
            (folder / "more").mkdir()
            for path in sorted(folder.glob("*.dcm"))[::2]:
                path.rename(folder / "more" / path.name)
        volumes = dm.load(folder)
        assert not volumes.refusals
        layouts.append([(volume.axis, numbers_of(volume)) for volume in volumes])
        found = [number for _, of_volume in layouts[-1] for numbers in of_volume for number in numbers]
        assert sorted(found) == sorted(8 * t + k for t, k in present)
        for axis, of_volume in layouts[-1]:
            for numbers in of_volume:
                assert [number % 8 for number in numbers] == sorted(number % 8 for number in numbers)
                # A clock with two positions cannot show which of two volumes lacks a slice.
                if keyword and axis == keyword and not (lost and keyword in ("TriggerTime", "AcquisitionTime")):
                    assert len({number // 8 for number in numbers}) == 1
    assert sorted(map(repr, layouts[0])) == sorted(map(repr, layouts[1]))


def test_a_reference_of_each_file_does_not_hide_times(tmp_path: Path) -> None:
    write_times(tmp_path, 2, 4, FrameOfReferenceUID=lambda t, k, n: f"{ROOT}.70.{n}", EchoTime=lambda t, k, n: t + 1)
    (volume,) = dm.load(tmp_path)
    assert (volume.array.shape, volume.axis) == ((2, 4, 16, 12), "EchoTime")
    assert "references" in titles(volume)
    np.testing.assert_array_equal(np.asarray(volume.array)[0], hu(0, 1, 2, 3))


@pytest.mark.parametrize("numbers_go_on", [False, True])
def test_copies_in_another_encoding_are_never_mixed_with_the_first_ones(tmp_path: Path, numbers_go_on: bool) -> None:
    for n, syntax in enumerate((EXPLICIT, DEFLATED)):
        for k in range(4):
            number = 4 * n + k + 1 if numbers_go_on else k + 1
            own = {"SOPInstanceUID": f"1.2.{n}.{k}", "InstanceNumber": number, "pixels": ct_pixels(k) + n}
            (tmp_path / f"{k}{(n + k) % 2}").write_bytes(ct_slice(k, syntax, **own))  # in no order of names
    (volume,) = dm.load(tmp_path)
    assert (volume.array.shape, volume.axis) == ((2, 4, 16, 12), "TransferSyntaxUID")
    for n, syntax in enumerate((EXPLICIT, DEFLATED)):
        t = volume.axis_texts.index(syntax)
        np.testing.assert_array_equal(volume.array[t], [ct_pixels(k).astype(int) + n - 1024 for k in range(4)])


def test_equal_copies_in_another_encoding_are_left_out_by_name(tmp_path: Path) -> None:
    for n, syntax in enumerate((EXPLICIT, DEFLATED)):
        for k in range(4):
            (tmp_path / f"{n}{k}").write_bytes(ct_slice(k, syntax, SOPInstanceUID=f"1.2.{n}.{k}"))
    (volume,) = dm.load(tmp_path)
    assert volume.array.shape == (4, 16, 12)
    assert [len(note.paths) for note in volume.notes if note.code == "left-out"] == [4]
