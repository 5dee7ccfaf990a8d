from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_factory import write_series
from hypothesis import given
from hypothesis import strategies as st

import napari_dicommeta as dm
from napari_dicommeta.analysis.bins import bins_of
from napari_dicommeta.analysis.histogram import histogram_of, joint_of
from napari_dicommeta.catalog.distinct_texts import Texts
from napari_dicommeta.dicom.values import number


def test_bars_hold_the_folder_the_part_and_their_spellings(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 4, RescaleSlope=lambda k: ["1", "1.0", "1", "2"][k])
    write_series(tmp_path / "b", 2, SeriesInstanceUID="1.2.3", RescaleSlope="1.0")
    catalog = dm.scan(tmp_path)
    part = catalog.where(SeriesInstanceUID="1.2.3")
    histogram = histogram_of(catalog, "RescaleSlope", part)
    assert [(bar.text, bar.files, bar.part) for bar in histogram.bars] == [("1", 5, 2), ("2", 1, 0)]
    spelled = [(bar.text, bar.files, bar.part, bar.note[:2]) for bar in histogram.bars[0].spellings]
    assert spelled == [("1.0", 3, 2, "DS"), ("1", 2, 0, "DS")]
    assert (histogram.files, histogram.part_files, histogram.absent) == (6, 2, 0)
    flat = histogram_of(catalog, "RescaleSlope", part, by="spelling")
    assert [(bar.text, bar.files, bar.part) for bar in flat.bars] == [("1.0", 3, 2), ("1", 2, 0), ("2", 1, 0)]


def test_values_beyond_the_limit_stay_in_the_total(tmp_path: Path) -> None:
    write_series(tmp_path, 7, KVP=lambda k: None if k == 6 else 100 + k)
    histogram = histogram_of(dm.scan(tmp_path), "KVP", limit=4)
    assert dm.scan(tmp_path).values("KVP", most=2).n_values == 6
    shown = sum(bar.files for bar in histogram.bars)
    assert (len(histogram.bars), histogram.rest_values, histogram.rest_files, histogram.absent) == (4, 2, 2, 1)
    assert shown + histogram.rest_files + histogram.absent == histogram.files


def test_files_beyond_the_bars_are_told_of_the_part_too(tmp_path: Path) -> None:
    write_series(tmp_path, 7, KVP=lambda k: 100 + k)
    catalog = dm.scan(tmp_path)
    histogram = histogram_of(catalog, "KVP", catalog, limit=4)
    shown = sum(bar.part for bar in histogram.bars)
    assert (shown, histogram.part_rest_files, histogram.part_files) == (4, 3, 7)
    assert not histogram.is_several


def test_bins_hold_every_number_once_and_name_the_rest(tmp_path: Path) -> None:
    thickness = ["0.5", "1", "1.0", "2.25", "2.5", "", "thick"]
    write_series(tmp_path, 8, SliceThickness=lambda k: thickness[k] if k < 7 else None)
    catalog = dm.scan(tmp_path)
    bins = bins_of(catalog, "SliceThickness", catalog.where(SliceThickness="1"), most=4)
    assert bins is not None
    assert bins.edges == (0.5, 1, 1.5, 2, 2.5, 3)
    assert bins.files == (1, 2, 0, 1, 1)
    assert bins.part == (0, 2, 0, 0, 0)
    assert (bins.not_numbers, bins.absent, bins.unknown) == (2, 1, 0)
    assert bins.binned == 5
    for i, files in enumerate(bins.files):  # what a brush over one bin chooses
        inside = slice(bins.edges[i], bins.edges[i + 1] - 1e-9)
        assert catalog.where(SliceThickness=inside).n_files == files


def test_a_file_counts_once_in_a_bin_whatever_its_components(tmp_path: Path) -> None:
    write_series(tmp_path, 3, WindowCenter=lambda k: [[40, -600], [40, 41], [50]][k], WindowWidth=400)
    bins = bins_of(dm.scan(tmp_path), "WindowCenter", most=10)
    assert bins is not None
    assert dict(zip(bins.edges, bins.files, strict=False)) == {
        edge: {-600.0: 1, 0.0: 3}.get(edge, 0) for edge in range(-600, 100, 100)
    }
    assert bins.binned == 3  # one of them is in two bins


def test_far_numbers_lie_in_open_bins(tmp_path: Path) -> None:
    write_series(tmp_path, 250, KVP=lambda k: 1e9 if k == 0 else 80 + k % 41)
    bins = bins_of(dm.scan(tmp_path), "KVP")
    assert bins is not None
    assert bins.edges[0] == 80
    assert bins.edges[-2:] == (121, float("inf"))
    assert bins.files[-1] == 1
    assert sum(bins.files) == 250


def test_one_number_or_none_makes_no_bins(tmp_path: Path) -> None:
    write_series(tmp_path, 3, KVP=120, ScanOptions="HELIX")
    catalog = dm.scan(tmp_path)
    assert bins_of(catalog, "KVP") is bins_of(catalog, "ScanOptions") is bins_of(catalog, "EchoTime") is None


def test_pairs_of_values_add_up_to_all_files(tmp_path: Path) -> None:
    write_series(tmp_path, 9, KVP=lambda k: [80, 100, 120][k % 3], ScanOptions=lambda k: "A" if k < 6 else None)
    catalog = dm.scan(tmp_path)
    joint = joint_of(catalog, "KVP", "ScanOptions")
    assert set(joint.rows) == {"80", "100", "120"}
    assert joint.columns == ("A", None)
    assert joint.counts == ((2, 1),) * 3
    few = joint_of(catalog, "KVP", "ScanOptions", most=1)
    assert (few.counts, few.rest) == (((2,),), 7)
    assert joint_of(catalog, "KVP", "EchoTime").columns == (None,)
    for row, line in zip(joint.rows, joint.counts, strict=True):
        for column, files in zip(joint.columns, line, strict=True):
            assert catalog.where({("KVP", "ScanOptions"): [(row, column)]}).n_files == files


@given(texts=st.lists(st.sampled_from(["1", "-2.5", "1e3", "+4", ".5", "7.", "a", "", "1_0", "nan", "1e999", "1,5"])))
def test_the_numbers_of_a_column_are_those_of_each_text(texts: list[str]) -> None:
    joined = sorted({"\\".join(texts[i : i + 2]) for i in range(0, len(texts), 2)})
    owners, values = Texts(joined).numbers()
    expected = [(i, number(part)) for i, text in enumerate(joined) for part in text.split("\\")]
    assert list(zip(owners.tolist(), values.tolist(), strict=True)) == [one for one in expected if one[1] is not None]


def test_a_file_with_several_items_counts_once_in_a_bin(tmp_path: Path) -> None:
    def items(k: int) -> list[dict[str, object]]:
        return [{"SliceThickness": value} for value in ((1, 1.2, 9), (1, 5))[k % 2]]

    write_series(tmp_path, 6, SharedFunctionalGroupsSequence=items)
    catalog = dm.scan(tmp_path)
    tag = "SharedFunctionalGroupsSequence.SliceThickness"
    bins = bins_of(catalog, tag, most=10)
    assert bins is not None
    assert bins.files[0] == 6  # 1 and 1.2 are of one file
    for low, high, files in zip(bins.edges, bins.edges[1:], bins.files, strict=False):
        last = high == bins.edges[-1]
        assert catalog.where({tag: slice(low, high if last else high - 1e-9)}).n_files == files


@given(
    counts=st.lists(st.integers(0, 4), min_size=1, max_size=30),
    most=st.integers(1, 12),
)
def test_the_most_frequent_are_those_of_all(counts: list[int], most: int) -> None:
    texts = Texts([f"v{i:02}" for i in range(len(counts))])
    whole = texts.counted(np.array(counts))
    assert list(texts.counted(np.array(counts), most).items()) == list(whole.items())[:most]
