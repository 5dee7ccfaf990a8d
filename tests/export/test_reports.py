"""Structured reports as text and as a table of measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dicom_factory import CT_IMAGE, ROOT, dicom

import napari_dicommeta as dm

COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"


def code(value: str, meaning: str) -> list[dict[str, str]]:
    return [{"CodeValue": value, "CodingSchemeDesignator": "DCM", "CodeMeaning": meaning}]


def item(kind: str, name: tuple[str, str] | None, relationship: str = "CONTAINS", **elements: Any) -> dict[str, Any]:
    own = {"ConceptNameCodeSequence": code(*name)} if name else {}
    return {"RelationshipType": relationship, "ValueType": kind, **own, **elements}


def measured(name: str, value: str | None, unit: str, *below: dict[str, Any], relationship: str = "CONTAINS") -> Any:
    number = [{"NumericValue": value, "MeasurementUnitsCodeSequence": code(unit, unit)}] if value is not None else None
    elements = {"MeasuredValueSequence": number} if number else {}
    if below:
        elements["ContentSequence"] = list(below)
    return item("NUM", ("1", name), relationship, **elements)


def report(*content: dict[str, Any], **changes: Any) -> bytes:
    elements = {
        "SOPClassUID": COMPREHENSIVE,
        "SOPInstanceUID": f"{ROOT}.90.1",
        "Modality": "SR",
        "PatientID": "P1",
        "StudyInstanceUID": f"{ROOT}.1",
        "SeriesInstanceUID": f"{ROOT}.90",
        "SeriesNumber": 90,
        "CompletionFlag": "COMPLETE",
        "VerificationFlag": "UNVERIFIED",
        "ValueType": "CONTAINER",
        "ConceptNameCodeSequence": code("126000", "Imaging Measurement Report"),
        "ContentSequence": list(content),
        **changes,
    }
    return dicom({key: value for key, value in elements.items() if value is not None})


IMAGE = item(
    "IMAGE",
    None,
    "SELECTED FROM",
    ReferencedSOPSequence=[{"ReferencedSOPClassUID": CT_IMAGE, "ReferencedSOPInstanceUID": f"{ROOT}.3.1"}],
)
GROUP = item(
    "CONTAINER",
    ("125007", "Measurement Group"),
    ContentSequence=[
        item("TEXT", ("112039", "Tracking Identifier"), "HAS OBS CONTEXT", TextValue="Nodule 1"),
        item("CODE", ("121071", "Finding"), ConceptCodeSequence=code("N", "Nodule")),
        item("CODE", ("363698007", "Finding Site"), "HAS CONCEPT MOD", ConceptCodeSequence=code("L", "Lung")),
        measured("Diameter", "10.5", "mm"),
        measured(
            "Attenuation",
            "-30",
            "[hnsf'U]",
            item("CODE", ("121401", "Derivation"), "HAS CONCEPT MOD", ConceptCodeSequence=code("M", "Mean")),
        ),
        measured("Volume", None, "mm3"),
        item("SCOORD", ("111030", "Image Region"), GraphicType="POLYLINE", GraphicData=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        | {"ContentSequence": [IMAGE]},
    ],
)


def test_measurements_have_their_group_finding_site_and_place(tmp_path: Path) -> None:
    library = item(
        "CONTAINER", ("1", "Library"), ContentSequence=[measured("Rows", "5", "1", relationship="HAS ACQ CONTEXT")]
    )
    (tmp_path / "sr.dcm").write_bytes(report(library, item("CONTAINER", ("126010", "All"), ContentSequence=[GROUP])))
    found = dm.reports(tmp_path)
    assert found.failures == ()
    (sr,) = found
    diameter, attenuation, volume = sr.measurements
    assert (diameter.name, diameter.value, diameter.text, diameter.unit) == ("Diameter", 10.5, "10.5", "mm")
    assert (diameter.group, diameter.finding, diameter.site) == ("Nodule 1", "Nodule", "Lung")
    assert attenuation.qualifiers == ("Derivation: Mean",)
    assert (volume.value, volume.text) == (None, "")
    (place,) = diameter.places
    assert (place.kind, place.points, place.image) == ("POLYLINE", ((1, 2), (3, 4), (5, 6)), f"{ROOT}.3.1")
    table = found.measurements()
    assert table.column("value").to_pylist() == [10.5, -30, None]
    assert table.column("places").to_pylist()[0][0]["image"] == f"{ROOT}.3.1"


def test_any_other_report_is_text_with_its_control_characters_escaped(tmp_path: Path) -> None:
    text = item("TEXT", ("121070", "Findings"), TextValue="<b>No</b> nodule\x1b[31m\r\nSecond line")
    (tmp_path / "sr.dcm").write_bytes(report(text))
    (sr,) = dm.reports(tmp_path)
    assert sr.lines == ("Imaging Measurement Report", r"  Findings: <b>No</b> nodule\x1b[31m", "  Second line")
    assert "<b>No" not in sr._repr_html_()
    assert "&lt;b&gt;No" in sr._repr_html_()
    assert sr.measurements == ()


def test_a_report_without_content_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "empty.dcm").write_bytes(report(ContentSequence=None, SOPInstanceUID=f"{ROOT}.90.2"))
    (tmp_path / "sr.dcm").write_bytes(report(GROUP))
    found = dm.reports(tmp_path)
    assert len(found) == 1
    (failure,) = found.failures
    assert str(failure) == "empty.dcm: it has no content (Content Sequence): nothing to show"


def test_real_reports_have_their_measurements(shared: Path) -> None:
    folder = shared / "data"
    (sr,) = dm.reports(folder / "dcmqi/sr-example/sr.dcm")
    first = sr.measurements[0]
    assert (first.name, first.value, first.unit, first.segment) == ("SUVbw", 6.01529, "{SUVbw}g/ml", 1)
    assert (first.group, first.finding, first.qualifiers) == (
        "primary tumor",
        "Neoplasm, Primary",
        ("Derivation: Mean",),
    )
    (sr,) = dm.reports(folder / "highdicom/sr_document_with_multiple_groups.dcm")
    assert [(m.name, m.value, m.group) for m in sr.measurements][1:] == [
        ("Diameter", 10, "LungNodule0001"),
        ("Diameter", 20, "Aorta0001"),
        ("Volume", 200, "Vertebra0001"),
    ]
    assert [place.kind for m in sr.measurements for place in m.places] == ["CIRCLE", "POLYLINE", "POINT"]
