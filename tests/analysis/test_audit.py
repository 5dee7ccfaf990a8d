from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_factory import ROOT, ct_slice

import napari_dicommeta as dm
from napari_dicommeta.analysis.audit import TagAudit, audit
from napari_dicommeta.analysis.labels import Labels, read_labels


def write_csv(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_labels_are_read_with_any_delimiter(tmp_path: Path, delimiter: str) -> None:
    text = "id,cancer\nP1,0\nP2,1\n".replace(",", delimiter)
    path = write_csv(tmp_path, text)
    assert read_labels(path) == Labels(
        path=str(path), key_name="id", label_name="cancer", labels=(("P1", "0"), ("P2", "1"))
    )


def test_the_label_is_the_column_named_so_and_else_the_second(tmp_path: Path) -> None:
    named = read_labels(write_csv(tmp_path, "id,age,Target\r\nP1,60,yes\r\nP2,70,no\r\n"))
    assert (named.label_name, named.labels) == ("Target", (("P1", "yes"), ("P2", "no")))
    second = read_labels(write_csv(tmp_path, "id,site,age\nP1,A,60\nP2,B,70\n"))
    assert (second.label_name, second.labels) == ("site", (("P1", "A"), ("P2", "B")))


def test_a_delimiter_within_quotes_parts_nothing(tmp_path: Path) -> None:
    labels = read_labels(write_csv(tmp_path, 'id,"sick; healthy; unknown"\nP1,sick\nP2,healthy\n'))
    assert (labels.label_name, labels.labels) == ("sick; healthy; unknown", (("P1", "sick"), ("P2", "healthy")))


def test_marks_quotes_blank_lines_and_repetitions_do_no_harm(tmp_path: Path) -> None:
    text = '\ufeffid,label\n"Doe, Jane",0\n\nP2, 1 \nP2,1\nP3,\n'
    labels = read_labels(write_csv(tmp_path, text))
    assert (labels.key_name, labels.labels) == ("id", (("Doe, Jane", "0"), ("P2", "1")))
    assert labels.unlabeled == 1


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("", "utf-8", r"labels\.csv: the file is empty"),
        ("id\nP1\n", "utf-8", r"labels\.csv, line 1: there is only one column"),
        ("id,label\n", "utf-8", r"labels\.csv: no line below the column names has a key"),
        ("id,label\nP1,0\nP2\n", "utf-8", r"labels\.csv, line 3: 1 columns, but the first line has 2"),
        ("id,label\nP1,0\nP2,1\nP1,1\n", "utf-8", r"labels\.csv, line 4: the same key has another label in line 2"),
        ('id,label\n"P1"x,0\n', "utf-8", r"labels\.csv, line 2: .*; check the quotes"),
        ("id,label\nMüller,0\n", "latin-1", r"labels\.csv: the file is not UTF-8 text"),
        ("id,label\n", "utf-16-le", r"labels\.csv: the file is not text"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line(
    tmp_path: Path, text: str, encoding: str, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected) as caught:
        read_labels(write_csv(tmp_path, text, encoding))
    assert "P1" not in str(caught.value)  # a key may be who it is


def patients(folder: Path, count: int, files: int = 2, **changes: object) -> dm.Catalog:
    """`count` patients P0, P1 … of `files` slices each, a folder a patient; a callable change is called with n, k."""
    for n in range(count):
        (folder / f"P{n}").mkdir(parents=True)
        for k in range(files):
            own = {tag: value(n, k) if callable(value) else value for tag, value in changes.items()}
            content = {
                "PatientID": f"P{n}",
                "PatientName": f"Doe^{n}",
                "StudyInstanceUID": f"{ROOT}.1.{n + 10}",  # all of one length: another one would be a shortcut
                "SeriesInstanceUID": f"{ROOT}.2.{n + 10}",
                "SOPInstanceUID": f"{ROOT}.3.{n + 10}.{k}",
            }
            (folder / f"P{n}" / f"{n}-{k}.dcm").write_bytes(ct_slice(k, **{**content, **own}))
    return dm.scan(folder, workers=1)


def labels_of(*labels: tuple[str, str]) -> Labels:
    return Labels(path="labels.csv", key_name="id", label_name="cancer", labels=labels)


def by_keyword(tags: tuple[TagAudit, ...]) -> dict[str, TagAudit]:
    return {one.keyword: one for one in tags}


def test_a_kernel_that_goes_with_the_label_is_a_shortcut(tmp_path: Path) -> None:
    # Of ten sick patients nine have B70f, of ten healthy ones one.
    catalog = patients(tmp_path, 20, ConvolutionKernel=lambda n, k: "B70f" if (n < 10) != (n in (3, 13)) else "B31f")
    result = audit(catalog, labels_of(*((f"P{n}", "sick" if n < 10 else "healthy") for n in range(20))))
    assert (result.key, result.n_units, result.n_files) == ("PatientID", 20, 40)
    assert (result.keys_without_files, result.files_without_label) == (0, 0)
    assert result.labels == (("healthy", 10), ("sick", 10))
    best, *others = result.tags
    assert best.keyword == "ConvolutionKernel"
    assert (best.score, best.gain) == pytest.approx((0.9, 0.4))
    assert best.values == (("B70f", (("healthy", 1), ("sick", 9))), ("B31f", (("healthy", 9), ("sick", 1))))
    assert (best.how, best.identifying) == ("values", False)
    assert best.p_value == pytest.approx(1 / 201, rel=1.01)
    assert result.shortcuts == (best,)
    assert all(one.score <= 0.5 for one in others)


def test_tags_with_a_value_for_each_patient_and_constant_ones_score_as_guessing(tmp_path: Path) -> None:
    catalog = patients(tmp_path, 12)
    result = audit(catalog, labels_of(*((f"P{n}", str(n % 3 == 0)) for n in range(12))), all_tags=True)
    found = by_keyword(result.tags)
    assert result.baseline == 0.5
    for keyword in ("PatientID", "PatientName", "SeriesInstanceUID", "SOPInstanceUID", "Modality", "Rows"):
        assert (found[keyword].score, found[keyword].gain, found[keyword].p_value) == (0.5, 0, 1), keyword
    assert result.shortcuts == ()
    assert found["PatientName"].identifying


def test_leaving_one_out_is_by_hand_what_it_is(tmp_path: Path) -> None:
    # x: 2 of a, 1 of b; y: 1 of a, 2 of b; z: 1 of b. Three a, four b.
    values = ("x", "x", "y", "x", "y", "y", "z")
    catalog = patients(tmp_path, 7, 1, ConvolutionKernel=lambda n, k: values[n])
    result = audit(catalog, labels_of(*((f"P{n}", "a" if n < 3 else "b") for n in range(7))), 1)
    # An a of x: of the others 1 of 2 a, 1 of 4 b: a, right (twice). The a of y: 0 of 2 against 2 of 4: wrong.
    # The b of x: 0 of 3 against 2 of 3: wrong. A b of y: 1 of 3 against 1 of 3: a tie (twice). The b of z: a guess.
    expected = ((1 + 1 + 0) / 3 + (0 + 0.5 + 0.5 + 0.5) / 4) / 2
    assert by_keyword(result.tags)["ConvolutionKernel"].score == pytest.approx(expected)


def test_the_best_of_many_tags_on_random_labels_is_no_shortcut(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    tags = [f"0009{n:04x}" for n in range(0x1000, 0x1028)]  # forty private tags of two values by chance
    draws = rng.integers(0, 2, (len(tags), 40))
    changes = {tag: (lambda n, k, i=i: f"V{draws[i, n]}") for i, tag in enumerate(tags)}
    catalog = patients(tmp_path, 40, 1, **{"00090010": "MAKER", **changes})
    shuffled = rng.permutation(np.arange(40) % 2)
    result = audit(catalog, labels_of(*((f"P{n}", str(shuffled[n])) for n in range(40))))
    assert result.tags[0].path.is_private
    assert result.tags[0].score > 0.6  # looks like something, but the best of forty does
    assert result.tags[0].p_value > 0.01
    assert result.shortcuts == ()
    # The same labels dealt out to the values of one tag: found among the forty.
    chosen = draws[7]
    told = audit(catalog, labels_of(*((f"P{n}", str(chosen[n])) for n in range(40))))
    assert [one.score for one in told.shortcuts[:1]] == [1]
    assert told.shortcuts[0].values[0][1] in ((("0", 40 - chosen.sum()),), (("1", chosen.sum()),))


def test_numbers_are_tried_in_bins(tmp_path: Path) -> None:
    catalog = patients(tmp_path, 48, 3, XRayTubeCurrent=lambda n, k: 100 + 5 * n + k, KVP=120)
    result = audit(catalog, labels_of(*((f"P{n}", "old" if n < 24 else "new") for n in range(48))))
    current = by_keyword(result.tags)["XRayTubeCurrent"]
    assert (current.how, current.score, current.is_shortcut) == ("8 bins", 1, True)
    # Six patients a bin: medians 101 + 5 n of n = 0 … 5.
    assert current.values[0] == ("101 … 126", (("old", 6),))
    assert (len(current.values), current.rest_values) == (8, 0)


def test_components_are_binned_each(tmp_path: Path) -> None:
    def position(n: int, k: int) -> list[float]:
        return [-10, -20 - 7 * n, 2.5 * k]

    catalog = patients(tmp_path, 32, 2, ImagePositionPatient=position)
    labels = labels_of(*((f"P{n}", str(n < 16)) for n in range(32)))
    found = by_keyword(audit(catalog, labels, all_tags=True).tags)["ImagePositionPatient"]
    assert (found.how, found.score) == ("8 bins of component 2", 1)
    result = audit(catalog, labels)  # places are no shortcut of a model that sees pixels
    assert "ImagePositionPatient" not in by_keyword(result.tags)
    assert dict(result.tags_left_out)["ImagePositionPatient"] == "place"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (lambda n: f"{ROOT}.1.{n + 10}", "StudyInstanceUID"),
        (lambda n: f"{ROOT}.2.{n + 10}", "SeriesInstanceUID"),
        (lambda n: f"{ROOT}.3.{n + 10}.0", "SOPInstanceUID"),
        (lambda n: f"{n}-0.dcm", "file name"),
        (lambda n: f"{n}-0", "file name without suffix"),
    ],
)
def test_what_the_keys_are_is_found(tmp_path: Path, key: object, expected: str) -> None:
    catalog = patients(tmp_path, 4)
    result = audit(catalog, labels_of(*((key(n), str(n % 2)) for n in range(4))), 1)
    assert (result.key, result.n_units) == (expected, 4)
    assert result.n_files + result.files_without_label == 8


def test_many_values_of_a_unit_are_told_by_their_ends(tmp_path: Path) -> None:
    catalog = patients(tmp_path, 4, 6, KVP=lambda n, k: 80 + 10 * k if n < 2 else [100, 120][k % 2])
    result = audit(catalog, labels_of(*((f"P{n}", str(n < 2)) for n in range(4))), 1)
    kvp = by_keyword(result.tags)["KVP"]
    assert kvp.values == (("6 values: 80 … 130", (("True", 2),)), ("100 | 120", (("False", 2),)))
    # Of the other with the same value 1 of 1 has the label.
    assert kvp.score == 1


def test_keys_may_be_folders(tmp_path: Path) -> None:
    catalog = patients(tmp_path, 4, PatientID="ANONYMOUS")
    result = audit(catalog, labels_of(*((f"P{n}", str(n % 2)) for n in range(4))), 1)
    assert (result.key, result.n_units, result.n_files) == ("name of the folder", 4, 8)
    for n in range(4):
        (tmp_path / f"P{n}" / "CT").mkdir()
        for file in (tmp_path / f"P{n}").glob("*.dcm"):
            file.rename(file.parent / "CT" / file.name)
    result = audit(dm.scan(tmp_path, workers=1), labels_of(*((f"P{n}", str(n % 2)) for n in range(4))), 1)
    assert (result.key, result.n_units) == ("name of the folder 1 above the file's", 4)


def test_what_does_not_match_is_counted(tmp_path: Path) -> None:
    catalog = patients(tmp_path, 6)
    known = [(f"P{n}", "ab"[n % 2]) for n in range(4)]
    result = audit(catalog, labels_of(*known, ("P4", "rare"), ("P77", "a"), ("P78", "b")), 1)
    assert (result.keys_without_files, result.files_without_label) == (2, 2)  # P77, P78; the files of P5
    assert (result.left_out, result.n_units, result.n_files) == ((("rare", 1),), 4, 8)


def test_what_cannot_be_audited_says_why(tmp_path: Path) -> None:
    catalog = patients(tmp_path, 25, 1)
    with pytest.raises(ValueError, match="none of the keys is a value of PatientID") as caught:
        audit(catalog, labels_of(("Q1", "a"), ("Q2", "b")))
    assert "Q1" not in str(caught.value)
    with pytest.raises(ValueError, match=r"1 of the labels have them \(3 keys have files\)"):
        audit(catalog, labels_of(("P1", "a"), ("P2", "a"), ("P3", "b")))
    with pytest.raises(ValueError, match="25 labels; at most 20"):
        audit(catalog, labels_of(*((f"P{n}", str(n / 7)) for n in range(25))))


def test_a_table_without_the_names_of_its_columns_is_told(tmp_path: Path) -> None:
    catalog = patients(tmp_path / "images", 5, 1)
    labels = read_labels(write_csv(tmp_path, "P0,a\nP1,a\nP2,b\nP3,b\nP4,a\n"))
    with pytest.raises(ValueError, match=r"the first line of labels\.csv holds a key") as caught:
        audit(catalog, labels)
    assert "P0" not in str(caught.value)


def test_the_same_seed_gives_the_same_chance(tmp_path: Path) -> None:
    catalog = patients(tmp_path, 10, 1, KVP=lambda n, k: 100 + 20 * (n // 3 % 2))
    labels = labels_of(*((f"P{n}", str(n % 2)) for n in range(10)))
    assert audit(catalog, labels, seed=5) == audit(catalog, labels, seed=5)
    assert audit(catalog, labels, 50).permutations == 50


def test_files_of_which_a_tag_is_unknown_do_not_count_as_without_it(tmp_path: Path) -> None:
    patients(tmp_path, 4)
    for n in range(4):
        path = tmp_path / f"P{n}" / f"{n}-1.dcm"
        data = path.read_bytes()
        path.write_bytes(data[: data.index(b"\x28\x00\x52\x10")])  # ends before (0028,1052)
    result = audit(dm.scan(tmp_path, workers=1), labels_of(*((f"P{n}", str(n % 2)) for n in range(4))), 1)
    assert by_keyword(result.tags)["RescaleIntercept"].values == (("-1024", (("0", 2), ("1", 2))),)
