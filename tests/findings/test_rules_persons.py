"""Rules about persons, scanners and protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dicom_factory import ROOT, Raw, write_series
from finding_checks import NOBODY, either, only

import napari_dicommeta as dm
from napari_dicommeta.findings.check import check
from napari_dicommeta.findings.report import findings_report
from napari_dicommeta.findings.rules.protocols import find_protocols
from napari_dicommeta.findings.survey import Survey


def test_identifying_tags_are_named_but_not_their_values(tmp_path: Path) -> None:
    private = {"00091001": Raw("LO", b"Doe^Jane"), "00090010": "ACME"}
    write_series(tmp_path, 2, PatientBirthDate="19700101", **private, PatientIdentityRemoved=either("YES", None))
    catalog = dm.scan(tmp_path)
    finding = only(catalog, "identifying")
    assert finding.severity == "info"
    assert finding.title.startswith("3 identifying tags are filled, 1 more")
    assert dict(finding.evidence) == {"PatientBirthDate": 2, "PatientID": 2, "PatientName": 2}
    assert "2 of the files state that the identity was removed" in finding.title
    text = findings_report(check(catalog))
    assert "Doe" not in text
    assert "19700101" not in text


@pytest.mark.parametrize(
    ("changes", "persons"),
    [
        ({"PatientID": "P1", "PatientBirthDate": "19700101", "StudyDate": "20200110"}, ()),
        ({"PatientName": "Doe^Jane", "PatientComments": "no finding", "DeidentificationMethod": "CTP"}, ()),
        ({"PatientName": "Miller^Jane"}, ("PatientName",)),
        ({"PatientID": "P1", "ReferringPhysicianName": "Smith, John"}, ("ReferringPhysicianName",)),
        ({"PatientBirthDate": "19690713"}, ("PatientBirthDate",)),
        ({"PatientID": "P1", "PatientComments": "Mr. Miller coughs"}, ("PatientComments",)),
    ],
)
def test_removed_identities_need_a_decision_only_if_persons_are_left(
    tmp_path: Path, changes: dict[str, Any], persons: tuple[str, ...]
) -> None:
    write_series(tmp_path, 2, **{**NOBODY, "PatientIdentityRemoved": "YES", **changes})
    findings = check(dm.scan(tmp_path))
    assert {finding.code for finding in findings} == {"identifying"}
    severities = {finding.scope: finding.severity for finding in findings}
    assert severities == ({"removed": "decision", "": "info"} if persons else {"": "info"})
    if persons:
        assert findings[0].tags == persons
        assert findings[0].evidence == tuple((tag, 2) for tag in persons)


def test_dates_that_were_not_changed_are_those_of_a_person(tmp_path: Path) -> None:
    for modified, expected in (("UNMODIFIED", ("StudyDate",)), ("MODIFIED", ())):
        said = {"PatientIdentityRemoved": "YES", "LongitudinalTemporalInformationModified": modified}
        write_series(tmp_path, 2, **NOBODY, **said, StudyDate="20200102")
        found = [finding for finding in check(dm.scan(tmp_path)) if finding.severity == "decision"]
        assert tuple(tag for finding in found for tag in finding.tags) == expected


def test_a_method_of_deidentification_identifies_nobody(tmp_path: Path) -> None:
    write_series(tmp_path, 2, **NOBODY, DeidentificationMethod="CTP")
    assert check(dm.scan(tmp_path)) == ()


def test_what_follows_the_maker_needs_a_decision(tmp_path: Path) -> None:
    """Four series; each maker has its own kernels and padding, and both have the same spacings."""
    for i, maker in enumerate(("A", "A", "B", "B")):
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        scanner = {"Manufacturer": maker, "ManufacturerModelName": maker, "MagneticFieldStrength": 15000 if i else 1.5}
        pixels = {"ConvolutionKernel": f"{maker}{i}", "PixelSpacing": [0.5 + i % 2] * 2}
        write_series(tmp_path / str(i), 2, **NOBODY, **uids, **scanner, **pixels)
    finding = only(dm.scan(tmp_path), "scanners")
    assert finding.severity == "decision"
    assert finding.title == "CT: 2 makers, 2 models in 4 series; ConvolutionKernel follows the maker"
    assert set(finding.evidence) == {("A, A, 1.5 T (2 series)", 4), ("B, B, 1.5 T (2 series)", 4)}


def test_what_follows_the_model_of_one_maker_needs_a_decision(tmp_path: Path) -> None:
    for i, model in enumerate(("M1", "M1", "M2", "M2")):
        own = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        scanner = {"Manufacturer": "A", "ManufacturerModelName": model, "ConvolutionKernel": model[::-1]}
        write_series(tmp_path / str(i), 1, **NOBODY, **own, **scanner)
    scanners = only(dm.scan(tmp_path), "scanners")
    assert (scanners.severity, scanners.title) == (
        "decision",
        "CT: 2 models in 4 series; ConvolutionKernel follows the model",
    )


def test_what_each_series_has_for_itself_follows_no_maker(tmp_path: Path) -> None:
    for i in range(4):
        own = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        scanner = {"Manufacturer": "AABB"[i], "PixelSpacing": [0.5 + i / 10] * 2}
        write_series(tmp_path / str(i), 1, **NOBODY, **own, **scanner)
    scanners = only(dm.scan(tmp_path), "scanners")
    assert (scanners.severity, scanners.title) == ("info", "CT: 2 makers in 4 series")


def write_many(folder: Path, count: int, **changes: Any) -> None:
    """Write series of one image each; a callable change is called with the number of the series."""
    for i in range(count):
        own = {key: value(i) if callable(value) else value for key, value in changes.items()}
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": f"{ROOT}.3.{i}", "SeriesNumber": i}
        write_series(folder / str(i), 1, **NOBODY, **uids, **own)


def test_settings_that_vary_within_a_protocol(tmp_path: Path) -> None:
    echo = {
        "EchoTime": lambda i: (90, 90.0000001, 100, 30)[i],
        "SeriesDescription": lambda i: ("T2", "t2 ", "T2", "T1")[i],
    }
    write_many(tmp_path, 4, Modality="MR", **echo)
    (finding,) = check(dm.scan(tmp_path))
    assert (finding.code, finding.severity) == ("protocols-vary", "info")
    assert finding.title == "MR: 1 setting varies between series of one protocol"
    line = ("EchoTime 90, 100 in 3 series of a protocol", 3)
    assert (finding.tags, finding.evidence, finding.files) == (("EchoTime",), (line,), 3)


def test_the_series_that_differs_from_all_others_of_its_protocol(tmp_path: Path) -> None:
    write_many(tmp_path, 21, Modality="MR", FlipAngle=lambda i: 15 if i == 4 else 9)
    catalog = dm.scan(tmp_path)
    finding = only(catalog, "protocol-outliers")
    assert (finding.severity, finding.files) == ("decision", 1)
    assert finding.evidence == (("FlipAngle 15, usually 9", 1),)
    assert catalog.where(dict(finding.selection)).values("SeriesNumber") == {"4": 1}


def test_the_dose_varies_with_the_patient_and_a_few_differ_from_all_others(tmp_path: Path) -> None:
    """A dose from 5 to 14 mGy is that of thin and thick patients; 60 mGy is none of them."""
    dose = [5 + 0.5 * (i % 19) for i in range(21)]
    write_many(tmp_path, 21, Manufacturer="Maker", SeriesDescription="Chest", CTDIvol=lambda i: dose[i])
    assert check(dm.scan(tmp_path)) == ()
    dose[7] = 60
    write_many(tmp_path, 21, Manufacturer="Maker", SeriesDescription="Chest", CTDIvol=lambda i: dose[i])
    few, varying = check(dm.scan(tmp_path))
    assert (few.code, few.evidence, few.files) == ("protocol-outliers", (("CTDIvol 60, the median is 9.5", 1),), 1)
    assert varying.code == "protocols-vary"
    assert varying.evidence == (("CTDIvol 5 to 60 in 21 series of a protocol", 21),)


def test_all_images_of_a_series_say_what_its_settings_are(tmp_path: Path) -> None:
    """Two echoes in each of two series are one setting, whichever file comes first."""
    for i, echoes in enumerate([(90, 20), (20, 90), (20, 90, 150)]):
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        echo = {"EchoTime": lambda k, echoes=echoes: echoes[k % len(echoes)]}
        write_series(tmp_path / str(i), 6, **{**NOBODY, **uids, **echo, "Modality": "MR", "SeriesDescription": "T2"})
    catalog = dm.scan(tmp_path)
    (protocol,) = find_protocols(Survey(catalog))
    (setting,) = protocol.settings
    assert (protocol.modality, protocol.name, len(protocol.series)) == ("MR", "T2", 3)
    assert setting.values == (("20, 90", 2), ("20, 90, 150", 1))
    assert str(setting) == "EchoTime 20 90, 20 90 150"


def test_localizers_are_no_series_of_a_protocol(tmp_path: Path) -> None:
    kinds = {"ImageType": lambda i: ["ORIGINAL", "PRIMARY", ("LOCALIZER", "AXIAL")[i > 0]], "KVP": 120}
    write_many(tmp_path, 3, SeriesDescription="Chest", CTDIvol=lambda i: (0.1, 9, 10)[i], **kinds)
    assert {finding.code for finding in check(dm.scan(tmp_path))} == {"localizers"}
