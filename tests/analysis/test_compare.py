from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from dicom_factory import ROOT, write_series

import napari_dicommeta as dm
from napari_dicommeta.analysis.compare import ABSENT, TagDifference, compare, comparison_report, jensen_shannon


def by_keyword(differences: tuple[TagDifference, ...]) -> dict[str, TagDifference]:
    return {one.keyword: one for one in differences}


def scanned(folder: Path, count: int = 4, **changes: object) -> dm.Catalog:
    write_series(folder, count, **changes)
    return dm.scan(folder, workers=1)


def test_the_distance_is_the_jensen_shannon_divergence() -> None:
    assert jensen_shannon(np.array([1, 0]), np.array([0, 5])) == 1
    assert jensen_shannon(np.array([2, 6]), np.array([1, 3])) == 0
    # p = (1, 0), q = (1/2, 1/2), m = (3/4, 1/4)
    by_hand = (math.log2(4 / 3) + 0.5 * math.log2(2 / 3) + 0.5 * math.log2(2)) / 2
    assert jensen_shannon(np.array([3, 0]), np.array([4, 4])) == pytest.approx(by_hand, abs=1e-15)
    assert jensen_shannon(np.array([4, 4]), np.array([3, 0])) == jensen_shannon(np.array([3, 0]), np.array([4, 4]))
    assert jensen_shannon(np.array([0, 0]), np.array([4, 4])) == 0


def test_a_kernel_new_on_one_side_comes_first(tmp_path: Path) -> None:
    a = scanned(tmp_path / "a", ConvolutionKernel="B31f", Manufacturer="SIEMENS")
    b = scanned(
        tmp_path / "b",
        ConvolutionKernel=lambda k: "B31f" if k == 0 else "B70f",
        Manufacturer=lambda k: "SIEMENS" if k < 3 else None,
    )
    differences = compare(a, b)
    assert [one.keyword for one in differences[:2]] == ["ConvolutionKernel", "Manufacturer"]
    kernel, manufacturer = differences[:2]
    assert kernel.values == (("B31f", 4, 1), ("B70f", 0, 3))
    assert (kernel.only_a, kernel.only_b) == ((), (("B70f", 3),))
    assert (kernel.files_only_a, kernel.files_only_b) == (0, 0.75)
    assert (kernel.kind, kernel.bins, kernel.shared, kernel.identifying) == ("values", 0, 1, False)
    assert kernel.distance == jensen_shannon(np.array([4, 0]), np.array([1, 3]))
    assert manufacturer.values == (("SIEMENS", 4, 3), (ABSENT, 0, 1))
    assert manufacturer.only_b == ((ABSENT, 1),)
    assert (manufacturer.present_a, manufacturer.present_b) == (4, 3)
    assert all(one.distance == 0 for one in differences[2:])


def test_spellings_of_one_meaning_do_not_differ(tmp_path: Path) -> None:
    a = scanned(tmp_path / "a", RescaleSlope="1")
    b = scanned(tmp_path / "b", RescaleSlope="1.000000")
    slope = by_keyword(compare(a, b))["RescaleSlope"]
    assert (slope.distance, slope.values) == (0, (("1", 4, 4),))


def test_rare_new_values_do_not_go_before_large_differences(tmp_path: Path) -> None:
    a = scanned(tmp_path / "a", 200, ConvolutionKernel=lambda k: "B70f" if k == 0 else "B31f", KVP=120)
    b = scanned(tmp_path / "b", 200, ConvolutionKernel="B31f", KVP=lambda k: 120 if k < 2 else 80)
    c = scanned(tmp_path / "c", 200, ConvolutionKernel="B31f", KVP=lambda k: 80 if k < 2 else 120)
    # 1 of 200 files is less than 1 %: KVP, which has no new value, differs more.
    first, second, *_ = compare(a + c, b)
    assert (first.keyword, first.n_only_a + first.n_only_b) == ("KVP", 0)
    assert (second.keyword, second.only_a) == ("ConvolutionKernel", (("B70f", 1),))


def test_of_tags_that_differ_equally_those_that_matter_for_the_pixels_come_first(tmp_path: Path) -> None:
    def site(name: str, intercept: int, **changes: object) -> dm.Catalog:
        private = {"00090010": f"MAKER {name}", "00091001": name}
        lengths = {"00080000": len(name)}
        words = {"BodyPartExamined": name, "ConvolutionKernel": name, "ReferencedImageSequence": [{"Modality": name}]}
        return scanned(tmp_path / name, RescaleIntercept=intercept, **private, **lengths, **words, **changes)

    differences = compare(site("A", -1024), site("BB", 0))
    order = [one.keyword for one in differences if one.distance == 1]
    assert order[:3] == ["RescaleIntercept", "ConvolutionKernel", "BodyPartExamined"]
    assert order[3] == "ReferencedImageSequence.Modality"  # of another image
    assert all(keyword.startswith("(0009") for keyword in order[4:-1])
    assert order[-1] == "(0008,0000)"


def test_exchanging_the_sides_mirrors_everything(tmp_path: Path) -> None:
    a = scanned(
        tmp_path / "a",
        60,
        SliceLocation=lambda k: k * 1.7,
        ConvolutionKernel=lambda k: f"B{k % 3}",
        KVP=lambda k: 100 if k % 2 else None,
    )
    b = scanned(
        tmp_path / "b",
        45,
        SliceLocation=lambda k: 30 - k * 2.3,
        ConvolutionKernel=lambda k: f"B{k % 4 + 1}",
        PatientID="P2",
        PatientAge="040Y",
    )
    there, back = compare(a, b, limit=5), compare(b, a, limit=5)
    assert [one.keyword for one in there] == [one.keyword for one in back]
    for one, other in zip(there, back, strict=True):
        assert (one.distance, one.kind, one.bins, one.shared) == (other.distance, other.kind, other.bins, other.shared)
        assert (one.only_a, one.n_only_a, one.files_only_a) == (other.only_b, other.n_only_b, other.files_only_b)
        assert (one.only_b, one.n_only_b, one.files_only_b) == (other.only_a, other.n_only_a, other.files_only_a)
        assert one.values == tuple((text, files_b, files_a) for text, files_a, files_b in other.values)
        assert (one.rest_values, one.rest_a, one.rest_b) == (other.rest_values, other.rest_b, other.rest_a)
        assert (one.present_a, one.present_b) == (other.present_b, other.present_a)


def many_numbers(folder: Path, count: int, shift: float) -> dm.Catalog:
    """Slices whose tube current and position take another value each, drawn from one distribution."""
    rng = np.random.default_rng(count)
    ranks = (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count  # one draw in each of as many steps
    current, z = [NormalDist(300 + shift, 40).inv_cdf(rank) for rank in ranks], -200 + 400 * ranks
    return scanned(
        folder,
        count,
        XRayTubeCurrent=lambda k: round(current[k]),
        SliceLocation=lambda k: f"{z[k]:.4f}",
        ImagePositionPatient=lambda k: [-10, -20, f"{z[k]:.4f}"],
        SOPInstanceUID=lambda k: f"{ROOT}.{count}.{k}",
        SeriesInstanceUID=lambda k: f"{ROOT}.4.{k // 20}",
    )


def test_two_draws_of_one_distribution_are_near(tmp_path: Path) -> None:
    found = by_keyword(compare(many_numbers(tmp_path / "a", 400, 0), many_numbers(tmp_path / "b", 401, 0)))
    for keyword in ("SliceLocation", "ImagePositionPatient", "XRayTubeCurrent"):
        one = found[keyword]
        assert one.bins == 20 or keyword == "XRayTubeCurrent"  # the root of 400; some slices share a current
        assert 2 <= one.bins <= 20
        # Chance alone gives about (bins - 1) / (8 ln 2) (1/400 + 1/401): 0.017; exact values would give 1.
        assert one.distance < 3 * (one.bins - 1) / (8 * math.log(2)) * (1 / 400 + 1 / 401)
        assert max(one.files_only_a, one.files_only_b) < 0.01  # only the ends of the range are new
    assert found["SliceLocation"].shared == 0


def test_a_shifted_distribution_is_far(tmp_path: Path) -> None:
    a, b = many_numbers(tmp_path / "a", 400, 0), many_numbers(tmp_path / "b", 401, 160)
    found = by_keyword(compare(a, b))
    assert found["XRayTubeCurrent"].distance > 0.6  # four standard deviations apart
    assert found["XRayTubeCurrent"].files_only_b > 0.2
    assert found["SliceLocation"].distance < 0.1


def test_halves_of_one_folder_differ_in_what_was_changed_only(tmp_path: Path) -> None:
    catalog = many_numbers(tmp_path, 400, 0)
    rows = np.random.default_rng(7).permutation(catalog.n_files)
    halves = catalog.rows(np.sort(rows[:200])), catalog.rows(np.sort(rows[200:]))
    assert max(one.distance for one in compare(*halves)) < 0.1
    one_sided = scanned(tmp_path / "other", 200, BitsStored=16, HighBit=15, SeriesInstanceUID=f"{ROOT}.5")
    changed = [one.keyword for one in compare(halves[0], one_sided) if one.distance == 1]
    assert {"BitsStored", "HighBit"} <= set(changed)


def test_numbers_of_fewer_components_are_one_cell(tmp_path: Path) -> None:
    def center(k: int) -> object:
        return [40, k] if k % 2 else 40 + k

    a = scanned(tmp_path / "a", 80, WindowCenter=center)
    b = scanned(tmp_path / "b", 80, WindowCenter=lambda k: center(k) if k != 5 else [40, 1, 1])
    one = by_keyword(compare(a, b))["WindowCenter"]
    # All but one value are shared: the second component, absent from half of the files, must not count each of these.
    assert one.bins == 8
    assert one.distance < 0.05
    assert one.only_b == (("40\\1\\1", 1),)  # no file of a has three components
    assert one.only_a == ()  # 40\5 lies within the range of b


def test_uids_names_and_dates_come_last_and_say_what_both_sides_hold(tmp_path: Path) -> None:
    a = scanned(tmp_path / "a", StudyDate="20200101", PatientName="Doe^Jane")
    b = scanned(
        tmp_path / "b",
        StudyDate=lambda k: f"2021010{k + 1}",
        SOPInstanceUID=lambda k: f"{ROOT}.3.{k + 2}",
        PatientName="Roe^Richard",
        RescaleIntercept=0,
    )
    differences = compare(a, b)
    assert differences[0].keyword == "RescaleIntercept"
    kinds = {one.keyword: one.kind for one in differences}
    unique = {keyword for keyword, kind in kinds.items() if kind == "unique"}
    assert unique == {"StudyDate", "SOPInstanceUID", "MediaStorageSOPInstanceUID", "PatientName"}
    assert {one.keyword for one in differences[-len(unique) :]} == unique
    instances = by_keyword(differences)["SOPInstanceUID"]
    assert (instances.shared, instances.distance, instances.n_only_a) == (2, 0, 0)
    assert instances.identifying
    assert by_keyword(differences)["StudyInstanceUID"].kind == "values"  # the same one on both sides


def test_a_unique_tag_that_one_side_lacks_says_so(tmp_path: Path) -> None:
    a = scanned(tmp_path / "a", StudyDate=lambda k: f"2021010{k + 1}")
    b = scanned(tmp_path / "b", StudyDate=None)
    date = by_keyword(compare(a, b))["StudyDate"]
    assert (date.kind, date.distance, date.only_b, date.files_only_b) == ("unique", 1, ((ABSENT, 4),), 1)


def test_bars_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    a = scanned(tmp_path / "a", 6, ConvolutionKernel=lambda k: f"B{k // 2}")
    b = scanned(tmp_path / "b", 5, ConvolutionKernel="B0")
    one = by_keyword(compare(a, b, limit=1))["ConvolutionKernel"]
    assert one.values == (("B0", 2, 5),)
    assert (one.rest_values, one.rest_a, one.rest_b) == (2, 4, 0)
    assert (one.only_a, one.n_only_a) == ((("B1", 2),), 2)


def test_files_of_which_a_tag_is_unknown_are_left_out(tmp_path: Path) -> None:
    a = scanned(tmp_path / "a", 2, RescaleIntercept=-1024)
    (tmp_path / "b").mkdir()
    whole, cut = write_series(tmp_path / "b", 2, RescaleIntercept=-1024)
    data = cut.read_bytes()
    cut.write_bytes(data[: data.index(b"\x28\x00\x52\x10")])  # ends before (0028,1052)
    b = dm.scan([whole, cut], workers=1)
    one = by_keyword(compare(a, b))["RescaleIntercept"]
    assert (one.unknown_a, one.unknown_b, one.distance) == (0, 1, 0)
    assert one.values == (("-1024", 2, 1),)


def test_ages_are_compared_as_numbers(tmp_path: Path) -> None:
    a = scanned(tmp_path / "a", 50, PatientAge=lambda k: f"{k + 20:03}Y")
    b = scanned(tmp_path / "b", 50, PatientAge=lambda k: f"{(k + 20) * 12:03}M")
    one = by_keyword(compare(a, b))["PatientAge"]
    assert (one.kind, one.shared, one.n_only_a, one.n_only_b) == ("values", 0, 0, 0)
    assert one.distance == pytest.approx(0, abs=0.02)


def test_an_empty_side_says_nothing(tmp_path: Path) -> None:
    a = scanned(tmp_path / "a")
    differences = compare(a, a.where(Modality="MR"))
    assert len(differences) == len(a.tags())
    assert {(one.distance, one.n_only_a, one.files_only_a) for one in differences} == {(0, 0, 0)}


def test_long_lists_of_numbers_are_compared_by_their_first_ones(tmp_path: Path) -> None:
    def offsets(k: int, shift: int) -> list[int]:
        return [k + shift, *range(1, 400)]

    a = scanned(tmp_path / "a", 40, GridFrameOffsetVector=lambda k: offsets(k, 0))
    b = scanned(tmp_path / "b", 40, GridFrameOffsetVector=lambda k: offsets(k, 0))
    c = scanned(tmp_path / "c", 40, GridFrameOffsetVector=lambda k: offsets(k, 100))
    near, far = (by_keyword(compare(a, other))["GridFrameOffsetVector"] for other in (b, c))
    assert (near.distance, near.bins, far.distance, far.n_only_b) == (0, 6, 1, 40)


def test_the_markdown_hides_who_it_is_and_counts_what_it_leaves_out(tmp_path: Path) -> None:
    a = scanned(tmp_path / "a", ConvolutionKernel="B|31f", PatientID="P1", KVP=120)
    b = scanned(tmp_path / "b", ConvolutionKernel="B70f", PatientID="P2", KVP=80)
    differences = compare(a, b)
    text = comparison_report(differences, "train", "te|st", limit=1)
    lines = text.splitlines()
    assert lines[0] == "| tag | distance | only in train | only in te\\|st | train → te\\|st |"
    # KVP and the kernel differ equally: explanations begin with KVP.
    assert lines[2] == "| KVP | 1.000 | 120: 100.0% of files | 80: 100.0% of files | 80: 0 → 4, 120: 4 → 0 |"
    assert "1 more that differ" in text
    identifying = sum(one.identifying for one in differences)
    assert f"{identifying} that may identify a person, not shown" in text
    assert "PatientID" not in comparison_report(differences, "train", "test")
    whole = comparison_report(differences, "train", "test", limit=99, identifying=True)
    assert "| PatientID | 0.000 |  |  | unique values; 0 on both sides |" in whole
    assert "P2" not in whole
    assert "B\\|31f" in comparison_report(differences, "train", "test")


def test_a_real_folder_against_itself_and_its_halves(shared: Path) -> None:
    catalog = dm.scan(shared / "data" / "chestct-fuzun45", workers=1)
    assert {one.distance for one in compare(catalog, catalog)} == {0}
    odd, even = catalog.rows(np.arange(0, 40, 2)), catalog.rows(np.arange(1, 40, 2))
    first = compare(odd, even)[0]
    assert first.distance < 0.2, first  # 20 files against 20
