"""What is printed of findings, notes and refusals: as much as before, and no name, UID or file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from dicom_factory import ROOT, Raw, contour, ct_slice, encapsulated, structure_set, write_series
from findings.test_rules import FAULTS

import napari_dicommeta as dm
from napari_dicommeta.dicom.stored_values import WITHHELD
from napari_dicommeta.export.printable import (
    OF_NUMBERS,
    kind_title,
    note_text,
    printable_findings,
    refusal_text,
    units_text,
    without_creators,
)
from napari_dicommeta.findings.check import check
from napari_dicommeta.findings.finding import Finding
from napari_dicommeta.volumes.dimensions import name_of
from napari_dicommeta.volumes.note import NOTE_KINDS, make_note

NAMED = {
    keyword: f"Kanari {keyword}"
    for keyword in (
        "AccessionNumber",
        "InstitutionName",
        "OperatorsName",
        "PatientComments",
        "ProtocolName",
        "SeriesDescription",
        "StationName",
        "StudyDescription",
        "StudyID",
    )
} | {"00090010": Raw("LO", b"KanariCreator "), "00091001": Raw("DS", b"KanariDS")}
QUOTING = {"suspect-value", "charset-undefined", "image-type", "rescale-type", "left-out", "interleaved", "refused"}
"""Codes whose evidence may quote a value that has not the form of a technical one, or a file."""


@pytest.mark.parametrize(("code", "changes"), [(fault[0], fault[1]) for fault in FAULTS])
def test_findings_of_every_rule_say_as_much_and_name_nobody(tmp_path: Path, code: str, changes: dict[str, Any]) -> None:
    for path in write_series(tmp_path / "KanariFolder", 4, **{**NAMED, **changes}):
        path.rename(path.with_name(f"Kanari{path.name}"))
    catalog = dm.scan(tmp_path)
    findings = check(catalog)
    printable = printable_findings(findings, catalog)
    assert code in {finding.code for finding in printable}
    assert "kanari" not in repr(printable).casefold()
    for whole, shown in zip(findings, printable, strict=True):
        assert (whole.code, whole.severity, whole.files) == (shown.code, shown.severity, shown.files)
        assert [files for _, files in whole.evidence] == [files for _, files in shown.evidence]
        uids = {part for condition in shown.selection for part in str(condition).split("'") if "1.2.826" in part}
        assert not uids
        if whole.code not in QUOTING and "Kanari" not in repr(whole):
            assert (whole.title, whole.evidence) == (shown.title, shown.evidence)


def test_odd_values_are_not_quoted(tmp_path: Path) -> None:
    write_series(tmp_path, 3, SliceThickness=Raw("DS", b"Jane Doe"), RescaleType="of Jane", ConvolutionKernel="B31f")
    catalog = dm.scan(tmp_path)
    printable = printable_findings(check(catalog), catalog)
    suspect = next(finding for finding in printable if finding.code == "suspect-value")
    assert suspect.evidence == ((WITHHELD, 3),)
    assert "Jane" not in repr(printable)


def test_findings_about_pixels_do_not_name_their_series(tmp_path: Path) -> None:
    finding = Finding(
        code="hu-sign",
        severity="wrong",
        title="Jane, head: the sign is wrong",
        selection=(("SeriesInstanceUID", ("1.2.3",)),),
        scope="0123456789ab",
    )
    write_series(tmp_path, 2)
    (printable,) = printable_findings([finding], dm.scan(tmp_path))
    assert printable.title == kind_title("hu-sign")
    assert (printable.selection, printable.scope) == ((), "")


def test_notes_and_refusals_name_no_files(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 4)
    shutil.copy(paths[0], tmp_path / "Jane.dcm")
    (volume,) = dm.load(tmp_path)
    left_out = next(note for note in volume.notes if note.code == "left-out")
    assert "dcm" in left_out.title
    assert note_text(left_out) == NOTE_KINDS["left-out"].summary
    changes = {"PixelData": encapsulated([b"\xff\xd8\xff\xe0 no picture"]), "SeriesInstanceUID": "1.2.9"}
    (tmp_path / "Jane.dcm").write_bytes(ct_slice(0, "1.2.840.10008.1.2.4.70", **changes))
    write_series(tmp_path / "bad", 2, RescaleSlope=Raw("DS", b"Jane"), SeriesInstanceUID="1.2.8")
    refusals = dm.load(tmp_path).refusals
    assert refusals
    texts = [refusal_text(refusal) for refusal in refusals]
    assert not any("Jane" in text or ".dcm" in text for text in texts)
    assert "2 files: its Rescale Slope or Intercept is not valid" in texts


def test_codes_of_notes_that_are_shown_exist() -> None:
    assert NOTE_KINDS.keys() >= OF_NUMBERS
    assert not {"left-out", "pixels-cut", "pixels-longer", "rescale-type", "segments"} & OF_NUMBERS


@pytest.mark.parametrize(
    ("units", "expected"),
    [("HU", "HU"), ("", ""), ("Gy", "Gy"), ("BQML", "BQML"), ("relative", "relative"), ("Jane", WITHHELD)],
)
def test_units_are_known_terms(units: str, expected: str) -> None:
    assert units_text(units) == expected


def test_private_tags_are_named_without_unknown_creators() -> None:
    names: dict[str, str] = {}
    assert without_creators("(0009,xx01,OF JANE DOE) is odd", names) == "(0009,xx01,withheld 1) is odd"
    assert without_creators("(0009,xx01,OF JOHN DOE)", names) == "(0009,xx01,withheld 2)"
    for known in ("(0029,xx08,SIEMENS CSA HEADER)", "(0009,1010)", "WindowCenter"):
        assert without_creators(known) == known
    note = make_note("volumes", f"2 volumes of 3 slices, by {name_of('(0009,xx01,OF JANE DOE)')}")
    assert note_text(note) == "2 volumes of 3 slices, by (0009,xx01,withheld 1)"


@pytest.mark.parametrize(("uid", "z"), [(f"{ROOT}.2", 900.0), (f"{ROOT}.1234", 0.0)])
def test_why_structures_are_refused_names_no_series_and_their_notes_no_region(
    tmp_path: Path, uid: str, z: float
) -> None:
    images = {"SeriesInstanceUID": uid, "FrameOfReferenceUID": "1.2.3", "SeriesDescription": "Kanari"}
    write_series(tmp_path / "ct", 2, **images)
    square = [(-9, -19), (-7, -19), (-7, -15)]
    (tmp_path / "rs.dcm").write_bytes(structure_set((1, "Kanari", None, [contour(square, z)])))
    (refusal,) = dm.load(tmp_path).refusals
    assert "Kanari" in refusal.reason or ROOT in refusal.reason
    text = refusal_text(refusal)
    assert "Kanari" not in text
    assert ROOT not in text
    for code in ("structures", "structures-left-out", "segments-named", "key-images", "overlays"):
        assert "Kanari" not in note_text(make_note(code, "1 Kanari"))
