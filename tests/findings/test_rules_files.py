"""Rules about files: damage, archives, meta information, references and copies."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import (
    AXIAL,
    EXPLICIT,
    ROOT,
    Raw,
    ct_content,
    ct_pixels,
    ct_slice,
    data_set,
    dicom,
    dose,
    encapsulated,
    enhanced,
    file_meta,
    write_series,
)
from finding_checks import NO_WINDOW, NOBODY, chosen, only

import napari_dicommeta as dm
from napari_dicommeta.findings.check import check
from napari_dicommeta.findings.rules import copies


def test_meta_information_of_another_object(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 3, **NOBODY)
    meta = file_meta(EXPLICIT, f"{ROOT}.77")
    paths[0].write_bytes(b"\0" * 128 + b"DICM" + meta + data_set(ct_content(0, **NOBODY)))
    catalog = dm.scan(tmp_path)
    (finding,) = check(catalog)
    assert (finding.code, finding.severity, finding.files) == ("meta-contradicts", "info", 1)
    assert finding.evidence == (("MediaStorageSOPInstanceUID is not SOPInstanceUID", 1),)
    assert catalog.where(dict(finding.selection)).values("SOPInstanceUID") == {f"{ROOT}.3.0": 1}


def test_a_uid_that_may_lead_back_to_the_patient_is_a_decision(tmp_path: Path) -> None:
    removed = {**NOBODY, "PatientIdentityRemoved": "YES"}
    paths = write_series(tmp_path, 3, **removed)
    paths[0].write_bytes(b"\0" * 128 + b"DICM" + file_meta(EXPLICIT, "1.2.77") + data_set(ct_content(0, **removed)))
    (finding,) = check(dm.scan(tmp_path))
    assert (finding.code, finding.severity, finding.files) == ("meta-contradicts", "decision", 1)


def test_files_without_a_transfer_syntax(tmp_path: Path) -> None:
    write_series(tmp_path, 2, **NOBODY)
    (tmp_path / "bare.dcm").write_bytes(dicom(ct_content(2, **NOBODY), preamble=False))
    catalog = dm.scan(tmp_path)
    (finding,) = check(catalog)
    assert (finding.code, finding.severity, finding.files) == ("syntax-missing", "decision", 1)
    assert chosen(catalog, finding) == 1


def structure_set(references: list[str], frame: str) -> bytes:
    """A structure set with contours on the images `references` in a frame of reference."""
    images = {"ContourImageSequence": [{"ReferencedSOPInstanceUID": uid} for uid in references]}
    frames = {
        "FrameOfReferenceUID": frame,
        "RTReferencedStudySequence": [{"ReferencedSOPInstanceUID": "1.9", **images}],
    }
    content = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.3",
        "SOPInstanceUID": f"{ROOT}.8",
        "Modality": "RTSTRUCT",
        "StudyInstanceUID": f"{ROOT}.1",
        "SeriesInstanceUID": f"{ROOT}.7",
        "ReferencedFrameOfReferenceSequence": [frames],
        "RTROIObservationsSequence": [{"ObservationNumber": 1}],
    }
    return dicom(content)


@pytest.mark.parametrize(
    ("references", "frame", "codes", "evidence"),
    [
        ([f"{ROOT}.3.0", f"{ROOT}.3.1"], "1.2.3", set(), ()),
        ([f"{ROOT}.3.0", "1.2.99"], "1.2.3", {"references-missing"}, ("RTSTRUCT: some of the files are missing", 1)),
        (["1.2.98", "1.2.99"], "1.2.3", {"references-missing"}, ("RTSTRUCT: all of the files are missing", 1)),
        ([f"{ROOT}.3.0"], "1.2.4", {"frames-missing"}, ("RTSTRUCT", 1)),
    ],
)
def test_structures_whose_images_are_missing(
    tmp_path: Path, references: list[str], frame: str, codes: set[str], evidence: tuple[object, ...]
) -> None:
    write_series(tmp_path, 2, **NOBODY, FrameOfReferenceUID="1.2.3")
    (tmp_path / "structures.dcm").write_bytes(structure_set(references, frame))
    findings = check(dm.scan(tmp_path))
    assert {finding.code for finding in findings} == codes | {"no-pixels"}
    assert [finding.evidence for finding in findings if finding.code in codes] == [(evidence,)] * len(codes)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 4, **NOBODY)
    paths[3].write_bytes(paths[3].read_bytes()[:-100])
    (tmp_path / "README").write_text("nothing of interest")
    (tmp_path / "LICENSE").write_text("{}")
    catalog = dm.scan(tmp_path)
    others = only(catalog, "unreadable")
    assert (others.severity, others.files, others.title) == ("info", 0, "2 other files in the folder are not DICOM")
    assert others.evidence == (("not DICOM", 2),)
    assert chosen(catalog, others) == 0
    damaged = only(catalog, "damaged")
    assert catalog.where(dict(damaged.selection)).paths == (str(paths[3]),)


def test_a_dose_in_a_frame_of_reference_of_no_image(tmp_path: Path) -> None:
    write_series(tmp_path, 2, **NOBODY, FrameOfReferenceUID="1.2.3")
    for frame, found in (("1.2.3", False), ("1.2.4", True)):
        (tmp_path / "dose.dcm").write_bytes(dose([ct_pixels()], None, **NOBODY, FrameOfReferenceUID=frame))
        assert ("frames-missing" in {finding.code for finding in check(dm.scan(tmp_path))}) is found


def test_archives_and_files_that_may_be_images_need_a_decision(tmp_path: Path) -> None:
    write_series(tmp_path, 2, **NOBODY)
    (tmp_path / "more.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(200))
    (tmp_path / "labels.xlsx").write_bytes(b"PK\x03\x04" + bytes(200))
    (tmp_path / "mask.nii.gz").write_bytes(gzip.compress(bytes(400)))
    (tmp_path / "empty.dcm").write_bytes(b"")
    findings = check(dm.scan(tmp_path))
    assert {(finding.code, finding.severity, finding.title) for finding in findings} == {
        ("archives", "decision", "1 archive was not opened"),
        ("unreadable", "decision", "1 file is not in the catalog"),
        ("unreadable", "info", "2 other files in the folder are not DICOM"),
    }


def test_files_without_pixels_and_images_that_make_no_volume(tmp_path: Path) -> None:
    write_series(tmp_path, 3, **NOBODY)
    report = {
        "Modality": "SR",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11",
        "SeriesInstanceUID": "1.2.9",
        "ContentSequence": [{"ValueType": "TEXT"}],
    }
    gone = dict.fromkeys(
        ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    )
    (tmp_path / "report.dcm").write_bytes(ct_slice(9, **{**NOBODY, **report, **gone}))
    short = {"SeriesInstanceUID": "1.2.8", "PixelData": Raw("OW", b"\0" * 10)}
    (tmp_path / "short.dcm").write_bytes(ct_slice(8, **{**NOBODY, **short}))
    catalog = dm.scan(tmp_path)
    assert only(catalog, "no-pixels").evidence == (("SR", 1),)
    refused = only(catalog, "refused")
    assert [Path(path).name for path in catalog.where(dict(refused.selection)).paths] == ["short.dcm"]


@pytest.mark.parametrize(
    ("copied", "patients", "title"),
    [
        (True, ("P1", "P1"), "2 series hold the same pixels under different UIDs"),
        (True, ("P1", "P2"), "2 series hold the same pixels under different UIDs, and under different Patient IDs"),
        (False, ("P1", "P2"), ""),
    ],
)
def test_series_that_were_sent_twice(tmp_path: Path, copied: bool, patients: tuple[str, str], title: str) -> None:
    for i in range(2):
        images = [np.random.default_rng(k + 10 * i * (not copied)).integers(0, 4096, (32, 32), "<u2") for k in range(3)]
        uids = {name: f"{ROOT}.{n}.{i}" for n, name in enumerate(("StudyInstanceUID", "SeriesInstanceUID"))}
        pixels = {"pixels": lambda k, images=images: images[k], "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        write_series(tmp_path / str(i), 3, **{**NOBODY, "PatientID": patients[i], **uids, **pixels})
    findings = {finding.code: finding for finding in check(dm.scan(tmp_path))}
    assert findings.keys() == ({"identifying", "same-pixels"} if copied else {"identifying"})
    if copied:
        assert findings["same-pixels"].title == title
        assert findings["same-pixels"].evidence == (("2 series alike", 6),)


def test_copies_are_told_apart_outside_the_bytes_that_are_compared_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "SAMPLE_BYTES", 2048)
    image = np.random.default_rng(0).integers(0, 4096, (64, 64), "<u2")
    for i, corner in enumerate((1, 1, 2, 2, 2, 3)):
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": f"{ROOT}.3.{i}"}
        pixels = image.copy()
        pixels[0, 0] = corner
        write_series(tmp_path / str(i), 1, **NOBODY, **uids, pixels=lambda _, pixels=pixels: pixels)
    found = only(dm.scan(tmp_path), "same-pixels")
    assert found.title.startswith("5 series")
    assert sorted(found.evidence) == [("2 series alike", 2), ("3 series alike", 3)]


def test_copies_among_many_series_are_found_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MAX_SERIES", 1)
    image = np.random.default_rng(0).integers(0, 4096, (32, 32), "<u2")
    for i in range(2):
        uids = {"SeriesInstanceUID": f"{ROOT}.2.{i}", "SOPInstanceUID": lambda k, i=i: f"{ROOT}.3.{i}.{k}"}
        write_series(tmp_path / str(i), 2, **NOBODY, **uids, pixels=lambda _: image)
    catalog = dm.scan(tmp_path)
    assert "same-pixels" not in {finding.code for finding in check(catalog)}
    assert "same-pixels" in {finding.code for finding in check(catalog, pixels=True)}


def test_enhanced_images_among_single_frame_images(tmp_path: Path) -> None:
    frames = [{"ImagePositionPatient": [0, 0, 2.5 * k]} for k in range(3)]
    shared = {"ImageOrientationPatient": AXIAL, "PixelSpacing": [0.75, 0.5], "RescaleSlope": 1}
    shared |= {"RescaleIntercept": -1024, "RescaleType": "HU"}
    (tmp_path / "enhanced.dcm").write_bytes(enhanced([ct_pixels(k) for k in range(3)], frames, shared, **NOBODY))
    uids = {"SeriesInstanceUID": f"{ROOT}.5", "SOPInstanceUID": lambda k: f"{ROOT}.6.{k}"}
    write_series(tmp_path, 3, **NOBODY, **NO_WINDOW, **uids)
    (finding,) = check(dm.scan(tmp_path))
    assert (finding.code, finding.severity, finding.files) == ("enhanced-mixed", "info", 1)
    assert finding.title == "CT: 1 enhanced file among 3 single-frame images"


def test_enhanced_images_without_functional_groups_are_known_by_their_class(tmp_path: Path) -> None:
    classes = {"SOPClassUID": lambda k: f"1.2.840.10008.5.1.4.1.1.{'2.1' if k == 2 else '2'}"}
    write_series(tmp_path, 3, **NOBODY, **classes)
    assert only(dm.scan(tmp_path), "enhanced-mixed").files == 1


def test_a_directory_is_named_by_its_class(tmp_path: Path) -> None:
    write_series(tmp_path, 2, **NOBODY)
    directory = data_set({"FileSetID": "SET", "DirectoryRecordSequence": [{"DirectoryRecordType": "PATIENT"}]})
    meta = file_meta(EXPLICIT, "1.2.77", "1.2.840.10008.1.3.10")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + meta + directory)
    assert only(dm.scan(tmp_path), "no-pixels").evidence == (("Media Storage Directory Storage", 1),)


def test_copies_of_a_structure_set_are_not_different_ones(tmp_path: Path) -> None:
    """A copy in another encoding agrees in all elements; another frame of reference under the same UID does not."""
    (tmp_path / "a.dcm").write_bytes(structure_set([f"{ROOT}.3.0"], "1.2.3"))
    (tmp_path / "b.dcm").write_bytes(structure_set([f"{ROOT}.3.0"], "1.2.3"))
    (twice,) = (one for one in check(dm.scan(tmp_path)) if one.code in ("image-twice", "uid-reused"))
    assert (twice.code, twice.files) == ("image-twice", 2)
    (tmp_path / "b.dcm").write_bytes(structure_set([f"{ROOT}.3.0"], "1.2.3")[:-40])  # and a copy that was cut off
    (twice,) = (one for one in check(dm.scan(tmp_path)) if one.code in ("image-twice", "uid-reused"))
    assert (twice.code, twice.files) == ("image-twice", 2)
    (tmp_path / "b.dcm").write_bytes(structure_set([f"{ROOT}.3.0"], "1.2.4"))
    (reused,) = (one for one in check(dm.scan(tmp_path)) if one.code in ("image-twice", "uid-reused"))
    assert (reused.code, reused.severity, reused.files) == ("uid-reused", "wrong", 2)


def test_images_without_pixels_lack_them_and_are_no_reports(tmp_path: Path) -> None:
    write_series(tmp_path, 3, **NOBODY)
    (tmp_path / "header.dcm").write_bytes(ct_slice(9, **NOBODY, PixelData=None))
    found = {finding.code: finding for finding in check(dm.scan(tmp_path))}
    assert found["damaged"].files == 1
    assert "lack the pixel data" in found["damaged"].title
    assert "no-pixels" not in found


def test_a_reason_for_a_refusal_names_no_file(tmp_path: Path) -> None:
    """File names may contain names of persons."""
    jpeg = "1.2.840.10008.1.2.4.50"
    paths = write_series(tmp_path, 2, jpeg, **NOBODY, PixelData=encapsulated([b"no codestream " * 10]))
    refused = only(dm.scan(tmp_path), "refused")
    assert refused.evidence
    assert not [text for text, _ in refused.evidence if str(tmp_path) in text or paths[0].name in text]


@pytest.mark.parametrize(
    ("numbers", "evidence"),
    [
        (range(1, 13), ()),
        (range(12), ()),  # some count from 0
        (range(3, 15), (("the first number is above 1", 12),)),
        ([*range(1, 8), *range(20, 25)], (("numbers between are left out", 12),)),
        ([1, 1, *range(9, 19)], ()),  # two images of a number: the numbers are no count
        ([f"{k}.5" for k in range(12)], ()),
    ],
)
def test_numbers_that_a_series_leaves_out(
    tmp_path: Path, numbers: Sequence[object], evidence: tuple[tuple[str, int], ...]
) -> None:
    write_series(tmp_path, 12, **NOBODY, InstanceNumber=lambda k: numbers[k])
    found = [one for one in check(dm.scan(tmp_path)) if one.code == "numbers-left-out"]
    assert [one.evidence for one in found] == ([evidence] if evidence else [])


def _refers(to: str) -> dict[str, dict[str, object]]:
    """What an object of each kind holds that refers to an image, by its modality and SOP class."""
    sop = {"ReferencedSOPInstanceUID": to}
    evidence = {"ReferencedSeriesSequence": [{"ReferencedSOPSequence": [sop]}]}
    return {
        "SEG 66.4": {"ReferencedSeriesSequence": [{"ReferencedInstanceSequence": [sop]}]},
        "SR 88.33": {"CurrentRequestedProcedureEvidenceSequence": [evidence], "ContentSequence": []},
        "KO 88.59": {"CurrentRequestedProcedureEvidenceSequence": [evidence], "ContentSequence": []},
        "RWV 67": {"ReferencedImageRealWorldValueMappingSequence": [{"ReferencedImageSequence": [sop]}]},
        "REG 66.1": {"RegistrationSequence": [{"ReferencedImageSequence": [sop]}]},
        "ANN 91.1": {
            "ReferencedSeriesSequence": [{"ReferencedInstanceSequence": [sop]}],
            "AnnotationGroupSequence": [{"AnnotationGroupNumber": 1}],
        },
        "PR 11.1": {
            "ReferencedSeriesSequence": [{"ReferencedImageSequence": [sop]}],
            "PresentationCreationTime": "120000",
        },
    }


@pytest.mark.parametrize("kind", _refers(""))
def test_an_object_of_each_kind_misses_the_images_that_it_refers_to(tmp_path: Path, kind: str) -> None:
    modality, uid = kind.split()
    uids = {"SOPInstanceUID": f"{ROOT}.8", "StudyInstanceUID": f"{ROOT}.1", "SeriesInstanceUID": f"{ROOT}.7"}
    content = {"SOPClassUID": f"1.2.840.10008.5.1.4.1.1.{uid}", "Modality": modality, **uids}
    write_series(tmp_path, 2, **NOBODY)
    held = []
    for image in (f"{ROOT}.3.0", "1.2.99"):
        (tmp_path / "object.dcm").write_bytes(dicom({**content, **_refers(image)[kind]}))
        held.append({one.code: one for one in check(dm.scan(tmp_path))})
    there, lost = held
    beside = {"damaged"} if modality == "SEG" else {"no-pixels"}  # a segmentation has pixels
    assert set(there) - {"identifying"} == beside  # the time of a presentation state
    assert set(lost) - {"identifying"} == {"references-missing", *beside}
    assert lost["references-missing"].evidence == ((f"{modality}: all of the files are missing", 1),)
