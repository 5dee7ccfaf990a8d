from __future__ import annotations

import csv
import io
import itertools
import json
import os
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dicom_factory import Raw, ct_slice, write_series
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR, tag_for_keyword

import napari_dicommeta as dm
from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.catalog.joined_tables import FILE_COLUMNS, VALUES
from napari_dicommeta.dicom import privacy
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import number
from napari_dicommeta.export.tables import csv_cell, phi_name, table_markdown, tag_table, value_table, write
from napari_dicommeta.support.errors import PrivacyError

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"


def catalog_of(files: list[dict[str, str | None]]) -> Catalog:
    """A catalog of files that hold what is said of them, by keyword; without the files."""
    n = len(files)
    columns: dict[str, Any] = {name: pa.nulls(n, kind) for name, kind in FILE_COLUMNS.items()}
    columns["path"] = pa.array([f"/{i:06d}.dcm" for i in range(n)])
    columns["cut"] = pa.array([int(one.get("cut") or -1) for one in files], pa.int64())
    for keyword in dict.fromkeys(keyword for one in files for keyword in one if keyword != "cut"):
        path = TagPath.parse(keyword)
        texts = [one.get(keyword) for one in files]
        stored = [None if text is None else f"{path.vr}.{text}".encode() for text in texts]
        columns[path.key] = pa.array(stored, pa.binary()).dictionary_encode().cast(VALUES)
    return Catalog.of_tables([pa.table(columns)])


def held_by(patients: range | list[int], copies: int = 1, **elements: str | None) -> list[dict[str, str | None]]:
    """`copies` files of each of the patients, all with these elements."""
    return [{"PatientID": f"P{patient}", **elements} for patient in patients for _ in range(copies)]


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def test_values_and_their_patients_are_counted() -> None:
    files = held_by(range(12), 2, RescaleSlope="1") + held_by(range(5, 16), 1, RescaleSlope="1.0")
    catalog = catalog_of(files + held_by(range(20, 40), 1, RescaleSlope="2") + held_by(range(11), 1))
    assert value_table(catalog, "RescaleSlope").column_names == ["value", "files", "patients"]
    assert rows(value_table(catalog, "RescaleSlope")) == [("1", 35, 16), ("2", 20, 20), ("(absent)", 11, 11)]
    by_spelling = value_table(catalog, "(0028,1053)", by="spelling")
    assert rows(by_spelling) == [("1", 24, 12), ("2", 20, 20), ("1.0", 11, 11), ("(absent)", 11, 11)]


def test_values_of_few_patients_are_merged_and_never_one_alone() -> None:
    many, some, few = held_by(range(30), KVP="120"), held_by(range(12), KVP="100"), held_by(range(10), 50, KVP="80")
    assert rows(value_table(catalog_of(many + some), "KVP")) == [("120", 30, 30), ("100", 12, 12)]
    # the 500 files of ten patients would follow from the number of files: the smallest other value joins them
    assert rows(value_table(catalog_of(many + some + few), "KVP")) == [("120", 30, 30), ("(other)", 512, 12)]
    two = few + held_by([0, 1], KVP="70")
    # two values, of ten patients together: still a cell of fewer than eleven
    assert rows(value_table(catalog_of(many + some + two), "KVP")) == [("120", 30, 30), ("(other)", 514, 12)]
    three = few + held_by([50, 51], KVP="70")
    assert rows(value_table(catalog_of(many + some + three), "KVP"))[-1] == ("(other)", 502, 12)
    assert rows(value_table(catalog_of(few), "KVP")) == [("(other)", 500, None)]
    assert rows(value_table(catalog_of(few), "KVP", full=True)) == [("80", 500, 10)]


def test_files_without_a_value_are_merged_too_but_do_not_hide_a_value() -> None:
    many = held_by(range(30), KVP="120") + held_by(range(14), KVP="100")
    assert rows(value_table(catalog_of(many + held_by([1])), "KVP")) == [("120", 30, 30), ("(other)", 15, 14)]
    # how many files lack the tag is known from the tags' table: with them as its only cover, "80" would follow
    lacking = held_by(range(13)) + held_by([1, 2, 3], KVP="80")
    assert rows(value_table(catalog_of(many + lacking), "KVP")) == [
        ("120", 30, 30),
        ("(other)", 17, 14),
        ("(absent)", 13, 13),
    ]


def test_empty_absent_and_unknown_files_have_their_rows() -> None:
    files = held_by(range(20), KVP="120") + held_by(range(11), KVP="") + held_by(range(12))
    files += held_by(range(13), cut=str(0x00180000)) + held_by(range(2), cut=str(0x00200000))
    expected = [("120", 20, 20), ("", 11, 11), ("(absent)", 14, 12), ("(unknown)", 13, 13)]
    catalog = catalog_of(files)
    assert rows(value_table(catalog, "KVP")) == expected
    counts = catalog.values("KVP")
    assert (counts.absent, counts.unknown) == (14, 13)
    assert rows(value_table(catalog, "SliceThickness")) == [("(absent)", 45, 20), ("(unknown)", 13, 13)]


def test_patients_without_an_id_are_their_studies_and_those_without_a_study_are_one() -> None:
    studies: list[dict[str, str | None]] = [
        {"PatientID": "", "StudyInstanceUID": f"1.2.{k}", "KVP": "120"} for k in range(11)
    ]
    nothing: list[dict[str, str | None]] = [{"KVP": "120", "SeriesInstanceUID": f"1.3.{k}"} for k in range(40)]
    assert rows(value_table(catalog_of(studies * 3), "KVP")) == [("120", 33, 11)]
    assert rows(value_table(catalog_of(studies + nothing), "KVP")) == [("120", 51, 12)]
    assert rows(value_table(catalog_of(studies + held_by([1], KVP="120")), "KVP")) == [("120", 12, 12)]
    assert rows(value_table(catalog_of(nothing), "KVP")) == [("(other)", 40, None)]


def test_a_part_is_counted_and_a_single_series_tells_nothing_of_its_patient() -> None:
    catalog = catalog_of(held_by(range(40), 3, KVP="120") + held_by(range(40), KVP="100"))
    half = catalog.rows(np.arange(60))  # 20 of the patients with 120, none with 100
    assert value_table(catalog, "KVP", half).column_names == ["value", "files", "patients", "part_files"]
    assert rows(value_table(catalog, "KVP", half)) == [("120", 120, 40, 60), ("100", 40, 40, 0)]
    one = catalog.rows(np.arange(3))
    assert rows(value_table(catalog, "KVP", one)) == [("120", 120, 40, None), ("100", 40, 40, None)]
    assert rows(value_table(catalog, "KVP", one, full=True)) == [("120", 120, 40, 3), ("100", 40, 40, 0)]
    all_but_one = catalog.rows(np.arange(3, 160))  # what is left over would follow
    assert [row[3] for row in rows(value_table(catalog, "KVP", all_but_one))] == [None, None]
    assert [row[3] for row in rows(value_table(catalog, "KVP", catalog))] == [120, 40]


def test_a_count_of_few_patients_of_a_part_is_left_out_together_with_another() -> None:
    catalog = catalog_of([one for kvp in ("120", "100", "80") for one in held_by(range(40), KVP=kvp)])
    part = catalog.rows(np.array([*range(20), *range(40, 55), *range(80, 83)]))  # 20, 15 and 3 patients
    expected = {"120": 20, "100": None, "80": None}
    assert {row[0]: row[3] for row in rows(value_table(catalog, "KVP", part))} == expected
    rest = catalog.rows(
        np.setdiff1d(np.arange(120), part.file_rows.rows)
    )  # 20, 25 and 37 patients, 20, 15 and 3 outside
    assert {row[0]: row[3] for row in rows(value_table(catalog, "KVP", rest))} == expected


def test_only_a_part_of_the_same_catalog_is_counted_and_only_its_files_in_it() -> None:
    catalog = catalog_of(held_by(range(40), KVP="120") + held_by(range(40), KVP="100"))
    whole, part = catalog.rows(np.arange(20, 80)), catalog.rows(np.arange(50))
    assert rows(value_table(whole, "KVP", part, full=True)) == [("100", 40, 40, 10), ("120", 20, 20, 20)]
    with pytest.raises(ValueError, match="of the same catalog"):
        value_table(catalog, "KVP", catalog_of(held_by([1], KVP="120")))
    with pytest.raises(ValueError, match="'meaning' or 'spelling'"):
        value_table(catalog, "KVP", by="text")


def test_a_file_with_several_values_counts_for_each_and_once_in_the_rest(tmp_path: Path) -> None:
    def codes(k: int) -> list[dict[str, str]]:
        rare = [{"CodeValue": "R1"}, {"CodeValue": "R2"}] if k == 0 else []
        return [{"CodeValue": "A"}, {"CodeValue": "B"}, {"CodeValue": "B"}, *rare]

    write_series(tmp_path, 13, PatientID=lambda k: f"P{k}", ProcedureCodeSequence=codes)
    catalog = dm.scan(tmp_path)
    tag = "ProcedureCodeSequence.CodeValue"
    assert rows(value_table(catalog, tag, full=True)) == [("A", 13, 13), ("B", 13, 13), ("R1", 1, 1), ("R2", 1, 1)]
    assert rows(value_table(catalog, tag)) == [("B", 13, 13), ("(other)", 13, 13)]


def test_uids_are_shown_where_they_are_registered() -> None:
    files = held_by(range(20), SOPClassUID=CT) + held_by(range(12), SOPClassUID=MR)
    private = held_by(range(30), SOPClassUID="1.3.12.2.1107.5.9.1")
    assert rows(value_table(catalog_of(files), "SOPClassUID")) == [(CT, 20, 20), (MR, 12, 12)]
    assert rows(value_table(catalog_of(files + private), "SOPClassUID")) == [
        (CT, 20, 20),
        (MR, 12, 12),
        ("(other)", 30, 30),
    ]
    with pytest.raises(PrivacyError, match="not registered"):
        value_table(catalog_of(private), "SOPClassUID")
    # an attribute that is no class, but holds registered UIDs only
    retrieved = held_by(range(20), RetrieveLocationUID=CT)
    assert rows(value_table(catalog_of(retrieved), "RetrieveLocationUID")) == [(CT, 20, 20)]
    with pytest.raises(PrivacyError, match="not registered"):
        value_table(catalog_of(retrieved + held_by([1], RetrieveLocationUID="1.2.3")), "RetrieveLocationUID")
    assert tag_table(catalog_of(files + private))["keyword"].to_pylist() == ["SOPClassUID"]
    assert tag_table(catalog_of(private))["keyword"].to_pylist() == []


def test_identifying_tags_are_refused_and_the_reason_says_what_to_do() -> None:
    catalog = catalog_of(held_by(range(20), PatientSex="F", ErrorComment="asked by Doe"))
    with pytest.raises(PrivacyError, match=r"\(0010,0040\) PatientSex may identify a person \(PS3.15 Table E.1-1\)"):
        value_table(catalog, "PatientSex")
    with pytest.raises(ValueError, match=r"VR LO.*choose a technical tag, or ask for a full export") as caught:
        value_table(catalog, "ErrorComment")
    assert "Doe" not in str(caught.value)
    with pytest.raises(PrivacyError, match="a private element may identify"):
        value_table(catalog, "(0009,0010)")
    assert rows(value_table(catalog, "PatientSex", full=True)) == [("F", 20, 20)]
    with pytest.raises(PrivacyError, match="Table"):  # though no file holds it
        value_table(catalog, "PatientBirthDate")


def test_bytes_are_never_exported(tmp_path: Path) -> None:
    write_series(tmp_path, 12, ICCProfile=b"Doe^Jane", PatientID=lambda k: f"P{k}")
    catalog = dm.scan(tmp_path)
    for full in (False, True):
        with pytest.raises(PrivacyError, match="bytes, which are never exported"):
            value_table(catalog, "ICCProfile", full=full)
    assert "ICCProfile" not in tag_table(catalog)["keyword"].to_pylist()
    assert "ICCProfile" in tag_table(catalog, full=True)["keyword"].to_pylist()


def test_one_file_that_states_a_personal_vr_is_enough_to_refuse_a_tag(tmp_path: Path) -> None:
    write_series(
        tmp_path, 12, PatientID=lambda k: f"P{k}", Modality=lambda k: Raw("PN", b"Doe^Jane") if k == 3 else "CT"
    )
    with pytest.raises(PrivacyError, match="VR PN"):
        value_table(dm.scan(tmp_path), "Modality")


def test_the_tags_table_holds_the_summaries_of_technical_tags() -> None:
    catalog = catalog_of(held_by(range(12), RescaleSlope="1", PatientSex="F") + held_by([1], RescaleSlope=""))
    keywords = ("tag", "keyword", "name", "vr", "distinct", "spellings", "present", "empty", "absent", "unknown")
    slope = ("(0028,1053)", "RescaleSlope", "Rescale Slope", "DS", 1, 1, 12, 1, 0, 0)
    assert tuple(tag_table(catalog).column_names) == keywords
    assert rows(tag_table(catalog)) == [slope]
    assert tag_table(catalog, full=True)["keyword"].to_pylist() == ["PatientID", "PatientSex", "RescaleSlope"]


def test_a_catalog_without_files_gives_empty_tables() -> None:
    nothing = catalog_of(held_by([1], KVP="1")).rows(np.array([], dtype=np.int64))
    assert rows(tag_table(nothing)) == []
    assert rows(value_table(nothing, "KVP", nothing)) == []
    assert rows(value_table(nothing, "SOPClassUID")) == []
    assert table_markdown(value_table(nothing, "KVP")) == "| value | files | patients |\n| --- | ---: | ---: |\n"


SIZES = st.sampled_from([0, 0, 1, 2, 5, 10, 11, 12, 20])
CELLS = st.lists(st.tuples(SIZES, SIZES, st.integers(0, 25), st.integers(1, 2)), min_size=1, max_size=5)


def determined(known: list[np.ndarray], size: int) -> np.ndarray:
    """The sets of `size` counts, a row of zeros and ones each, whose sum follows from the `known` sums."""
    _, strengths, basis = np.linalg.svd(np.array(known, dtype=float))
    basis = basis[: np.count_nonzero(strengths > 1e-9)]
    subsets = np.array(list(itertools.product((0, 1), repeat=size)), dtype=float)
    return subsets[np.abs(subsets - subsets @ basis.T @ basis).max(axis=1) < 1e-9]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(cells=CELLS, first=st.integers(0, 2), with_part=st.booleans())
def test_no_count_of_fewer_than_eleven_patients_follows_from_what_is_exported(
    cells: list[tuple[int, int, int, int]], first: int, with_part: bool
) -> None:
    """Every sum of counts that the rows and the known totals determine has no or eleven patients, or is a total."""
    names = [None, "", "1", "2", "3", "4", "5"][first : first + len(cells)]
    files, people = [], {}
    for name, (inside, outside, start, copies) in zip(names, cells, strict=True):
        for side, patients in ((1, range(start, start + inside)), (0, range(start + 3, start + 3 + outside))):
            files += [{**one, "side": str(side)} for one in held_by(patients, copies, KVP=name)]
            people[name, side] = set(patients)
    if not files:
        return
    sides = np.array([int(one.pop("side")) for one in files])
    catalog = catalog_of(files)
    part = catalog.rows(np.flatnonzero(sides)) if with_part else None
    table = value_table(catalog, "KVP", part).to_pylist()
    truth = Counter(one["KVP"] for one in files)
    in_part = Counter(one["KVP"] for one, side in zip(files, sides, strict=True) if side)
    shown = {None if row["value"] == "(absent)" else row["value"]: row for row in table if row["value"] != "(other)"}
    for name, row in shown.items():
        assert row["files"] == truth[name]
        assert row.get("part_files") in (None, in_part[name])
    assert sum(row["files"] for row in table) == len(files)

    held = [name for name in names if truth[name]]
    counts = [(name, side) for name in held for side in (0, 1)]

    def of(chosen: Any) -> np.ndarray:
        return np.array([float(bool(chosen(name, side))) for name, side in counts])

    known = [of(lambda name, side: True)]
    known += [of(lambda name, side, kept=kept: name == kept) for kept in shown]
    if part is not None:
        known.append(of(lambda name, side: side))
        told = {name for name, row in shown.items() if row["part_files"] is not None}
        known += [of(lambda name, side, kept=kept: name == kept and side) for kept in told]
        if any(row["value"] == "(other)" and row["part_files"] is not None for row in table):
            known.append(of(lambda name, side: name not in shown and side))

    def check(known: list[np.ndarray], free: list[np.ndarray], among: np.ndarray) -> None:
        for subset in determined(known, len(counts)):
            if (subset > among).any() or any((subset == one).all() for one in free):
                continue
            patients = set().union(*(people[one] for one, taken in zip(counts, subset, strict=True) if taken))
            assert not 0 < len(patients) < 11, (table, subset)

    totals = [of(lambda name, side: True), of(lambda name, side: side), of(lambda name, side: not side)]
    check(known, totals, totals[0])
    # with the tags' table: of the values, as it tells how many files have none
    values = of(lambda name, side: name)
    check(
        [*known, *(of(lambda name, side, state=state: name == state) for state in ("", None))],
        [values, *totals],
        values,
    )
    patients_of_other = [row["patients"] for row in table if row["value"] == "(other)"]
    if patients_of_other == [None]:
        assert len(table) == 1
        assert len(set().union(*people.values())) < 11


HARMFUL = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "|x", "\t=1", "\r=1", " =1", "＝1", "-", "+\\-1"]


@pytest.mark.parametrize("text", HARMFUL)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_cell(text)))
    assert row[0].startswith("'")


@pytest.mark.parametrize("text", ["-2000", "-1024\\5", "+1", "-1.5E-3\\-2", "-600\\", "1.2.840", "a=b", "", "(absent)"])
def test_numbers_and_harmless_text_stay_as_they_are(text: str) -> None:
    assert csv_cell(text) == text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (-5, "-5"),
        (-0.5, "-0.5"),
        (None, ""),
        ("a,b", '"a,b"'),
        ('6" x', '"6"" x"'),
        ("a\nb", "a\\nb"),
        ("\x1b[31mred\u202e", "\\x1b[31mred\\u202e"),
    ],
)
def test_cells_are_quoted_and_controls_escaped(value: Any, cell: str) -> None:
    assert csv_cell(value) == cell


@given(st.text())
def test_any_text_is_one_harmless_cell(text: str) -> None:
    (row,) = list(csv.reader(io.StringIO(f"{csv_cell(text)},end\r\n"), strict=True))
    assert row[1:] == ["end"]
    is_number = all(not part or number(part) is not None for part in text.split("\\"))
    assert is_number or not row[0].lstrip().startswith(tuple("=+-@|\t\r\n＝＋－＠"))
    assert not any(ord(c) < 32 for c in row[0])


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_any_text_is_one_markdown_cell_without_markup(texts: list[str]) -> None:
    table = pa.table({"value": pa.array([t.encode("utf-8", "replace").decode() for t in texts])})
    lines = table_markdown(table).split("\n")
    assert len(lines) == len(texts) + 3
    assert lines[-1] == ""
    for line in lines[2:-1]:
        cell = line.removeprefix("| ").removesuffix(" |")
        unescaped, i = [], 0
        while i < len(cell):
            if cell[i] == "\\" and i + 1 < len(cell) and cell[i + 1] in "\\`*_[]<>|~":
                i += 1
            else:
                unescaped.append(cell[i])
            i += 1
        assert not set(unescaped) & set("`*_[]<>|~")


def test_markdown_shows_numbers_to_the_right_and_escapes_markup() -> None:
    table = pa.table({"value": ["a|b", "<img src=x>", "ORIGINAL\\PRIMARY", "[x](y) & *z*"], "files": [1, 20, 3, None]})
    assert table_markdown(table) == (
        "| value | files |\n"
        "| --- | ---: |\n"
        "| a\\|b | 1 |\n"
        "| \\<img src=x\\> | 20 |\n"
        "| ORIGINAL\\PRIMARY | 3 |\n"
        "| \\[x\\](y) &amp; \\*z\\* |  |\n"
    )


TABLE = pa.table({"value": ["-2000", "=x", "ü", ""], "files": pa.array([-1, 2, 3, None], pa.int64())})


def test_each_suffix_writes_its_format(tmp_path: Path) -> None:
    assert write(TABLE, tmp_path / "a.csv") == str(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == "value,files\r\n-2000,-1\r\n'=x,2\r\nü,3\r\n,\r\n".encode()
    write(TABLE, str(tmp_path / "a.MD"))
    assert (tmp_path / "a.MD").read_text("utf-8") == table_markdown(TABLE)
    write(TABLE, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text("ascii")) == TABLE.to_pylist()
    write(TABLE, tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").equals(TABLE)
    with pytest.raises(ValueError, match=r"\.csv, \.parquet, \.md or \.json, not \.xlsx"):
        write(TABLE, tmp_path / "a.xlsx")
    assert sorted(os.listdir(tmp_path)) == ["a.MD", "a.csv", "a.json", "a.parquet"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".md", ".json"])
def test_files_are_their_owners_and_replace_what_was_there_whole(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("old")
    path.chmod(0o644)
    write(TABLE, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    new = path.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        write(TABLE.slice(0, 1), path)
    assert path.read_bytes() == new
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("tags.csv", "tags-PHI.csv"),
        ("/a/b.c/tags.parquet", "/a/b.c/tags-PHI.parquet"),
        ("/PHI/tags.csv", "/PHI/tags-PHI.csv"),
        ("tags-PHI.csv", "tags-PHI.csv"),
        ("PHI_tags.csv", "PHI_tags.csv"),
        ("GRAPHIC.csv", "GRAPHIC-PHI.csv"),
        ("tags", "tags-PHI"),
    ],
)
def test_a_full_export_is_named_phi(path: str, named: str) -> None:
    assert phi_name(path) == named
    assert phi_name(Path(path)) == named


def test_a_full_table_is_written_only_as_one(tmp_path: Path) -> None:
    catalog = catalog_of(held_by(range(3), KVP="120"))
    for table in (tag_table(catalog, full=True), value_table(catalog, "PatientID", full=True)):
        with pytest.raises(PrivacyError, match="full=True"):
            write(table, tmp_path / "a.csv")
        assert os.listdir(tmp_path) == []
    assert write(table, tmp_path / "a.csv", full=True) == str(tmp_path / "a-PHI.csv")
    assert stat.S_IMODE((tmp_path / "a-PHI.csv").stat().st_mode) == 0o600
    assert (tmp_path / "a-PHI.csv").read_text() == "value,files,patients\nP0,1,1\nP1,1,1\nP2,1,1\n"
    write(value_table(catalog, "KVP"), tmp_path / "b.csv")


CANARY, NUMBER = "CANARY", 48879


def canaries() -> dict[str, Any]:
    """An element for each attribute of the table that stands before pixel data and is no file meta information."""
    tags, patterns = privacy._table()
    content: dict[str, Any] = {}
    for tag in [*tags, *(pattern | (0x00022500 if pattern == 0x50000000 else 0x00020000) for pattern, _ in patterns)]:
        if not 0x00080000 <= tag < 0x7FE00000:
            continue
        try:
            vr = dictionary_VR(tag)
        except KeyError:
            vr = "LO"
        if vr == "SQ":
            value: Any = [{"CodeValue": CANARY, "CodeMeaning": CANARY, "Rows": NUMBER, "BodyPartExamined": CANARY}]
        elif vr in ("OB", "UN") or " or " in vr:
            value = Raw("OB", CANARY.encode())
        else:
            value = NUMBER if vr == "US" else CANARY
        content[f"{tag:08x}"] = value
    return content


@pytest.mark.slow
def test_no_default_export_holds_anything_personal(tmp_path: Path) -> None:
    """The same canary in twelve patients, so that it is not the number of patients that keeps it back."""
    protected = canaries()
    private = {
        "00090010": CANARY,
        "00091001": CANARY,
        "00091002": Raw("DS", CANARY.encode()),
        "00091003": Raw("US", NUMBER.to_bytes(2, "little")),
        "00091004": Raw("OB", CANARY.encode()),
    }
    others = {
        "RadiationMachineName": CANARY,
        "ErrorComment": CANARY,
        "CalibrationDate": CANARY,
        "ICCProfile": Raw("OB", CANARY.encode()),
        "ImplantName": Raw("UN", CANARY.encode()),
        "VolumeFrameOfReferenceUID": CANARY,
        "ProcedureCodeSequence": [{"CodeValue": "A", "ReferencedSOPInstanceUID": CANARY, "00091001": CANARY}],
    }
    folder = tmp_path / f"{CANARY}^JANE"
    folder.mkdir()
    for k in range(12):
        own = {f"{tag_for_keyword('PatientID'):08x}": f"{CANARY}{k}", "SOPInstanceUID": CANARY}
        (folder / f"{CANARY}{k}.dcm").write_bytes(ct_slice(k, **{**protected, **private, **others, **own}))
    catalog = dm.scan(folder)
    assert catalog.n_files == 12
    assert catalog.partial == ()
    held = {summary.path.elements[0][0]: summary.path for summary in catalog.tags()}
    assert {int(tag, 16) for tag in protected} <= set(held)
    assert len(protected) > 600

    out = tmp_path / "out"
    out.mkdir()
    exported, refused, messages = {"tags": tag_table(catalog)}, set(), []
    for summary in catalog.tags():
        for by in ("meaning", "spelling"):
            try:
                exported[f"{summary.path.key.replace('/', '-')}-{by}"] = value_table(
                    catalog, summary.path, catalog.series[0].catalog, by=by
                )
            except PrivacyError as error:
                refused.add(summary.path)
                messages.append(str(error))
    assert CANARY not in "".join(messages)
    assert {held[int(tag, 16)] for tag in protected} <= refused
    assert all(path in refused for path in (s.path for s in catalog.tags()) if path.is_private)
    modality, rows_ = (f"{tag_for_keyword(name):08x}-meaning" for name in ("Modality", "Rows"))
    assert rows(exported[modality])[0][:3] == ("CT", 12, 12)
    assert rows(exported[rows_])[0][:3] == ("16", 12, 12)

    def written(name: str, table: pa.Table, full: bool = False) -> bytes:
        texts = [
            Path(write(table, out / f"{name}{suffix}", full=full)).read_bytes() for suffix in (".csv", ".md", ".json")
        ]
        stored = pq.read_table(write(table, out / f"{name}.parquet", full=full))
        return b"".join(texts) + f"{stored.to_pydict()} {stored.schema}".encode()

    secrets = [CANARY.lower().encode(), CANARY.encode().hex(" ").encode(), str(NUMBER).encode()]
    for name, table in exported.items():
        text = written(name, table).lower()
        assert not [secret for secret in secrets if secret in text], name
    # the same search finds them where everything is asked for
    assert secrets[0] in written("name", value_table(catalog, "PatientName", full=True), full=True).lower()
    assert secrets[2] in written("pregnancy", value_table(catalog, "PregnancyStatus", full=True), full=True).lower()
