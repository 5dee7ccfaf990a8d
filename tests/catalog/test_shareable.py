"""Catalogs for others: pseudonyms that keep what is equal and what refers to what, and nothing that names a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_factory import IMPLICIT, Raw, ct_slice, write_series

import napari_dicommeta as dm
from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.catalog.shareable import odd_texts
from napari_dicommeta.dicom.stored_values import WITHHELD
from napari_dicommeta.support.errors import LoadError


def two_patients(folder: Path, **changes: object) -> dm.Catalog:
    for n in range(2):
        write_series(
            folder / f"Doe{n}",
            3,
            PatientID=f"P{n}",
            StudyInstanceUID=f"1.2.3.{n}",
            SeriesInstanceUID=f"1.2.4.{n}",
            SOPInstanceUID=lambda k, n=n: f"1.2.5.{n}.{k}",
            ReferencedImageSequence=[{"ReferencedSOPInstanceUID": f"1.2.5.{n}.0"}],
            **changes,
        )
    return dm.scan(folder)


def test_patients_studies_series_and_references_still_group(tmp_path: Path) -> None:
    catalog = two_patients(tmp_path)
    shared = catalog.shareable()
    for tag in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientName"):
        _, ids = catalog.codes(tag)
        _, shared_ids = shared.codes(tag)
        assert (ids[:, None] == ids).tolist() == (shared_ids[:, None] == shared_ids).tolist()
        assert not {*catalog.values(tag)} & {*shared.values(tag)}
    referenced = shared.values("ReferencedImageSequence.ReferencedSOPInstanceUID")
    assert len(referenced) == 2
    assert {*referenced} < {*shared.values("SOPInstanceUID")}
    assert [series.label for series in shared.series] == ["3 CT", "3 CT"]
    assert [series.name for series in shared.series] == ["3 CT", "3 CT"]


def test_technical_values_stay_exactly(tmp_path: Path) -> None:
    write_series(tmp_path, 2, IMPLICIT, RescaleSlope=lambda k: ["1", "1.0"][k], PixelPaddingValue=63536)
    catalog = dm.scan(tmp_path)
    shared = catalog.shareable()
    technical = {summary.keyword for summary in catalog.tags()} - {
        "PatientName",
        "PatientID",
        "SeriesDescription",
        "FileMetaInformationVersion",
        "ImplementationClassUID",
    }
    for tag in technical:
        if not tag.endswith("InstanceUID"):
            assert catalog.details(tag) == shared.details(tag), tag
    for name in ("size", "pixel_offset", "pixel_length", "cut"):
        assert np.array_equal(catalog.file_column(name), shared.file_column(name))
    assert shared.file_column("mtime").tolist() == [0, 0]


def test_paths_are_numbers_in_the_same_order_and_folders(tmp_path: Path) -> None:
    catalog = two_patients(tmp_path)
    shared = catalog.shareable()
    assert [int(path[-9:]) for path in shared.paths] == [1, 2, 3, 4, 5, 6]
    assert [path.split("/")[1] for path in shared.paths] == ["000001"] * 3 + ["000002"] * 3
    assert catalog.has_paths
    assert not shared.has_paths
    assert not any("Doe" in path or "im0" in path for path in shared.paths)


def test_a_salt_links_catalogs_and_none_does_not(tmp_path: Path) -> None:
    catalog = two_patients(tmp_path)
    secret = [{*catalog.shareable(b"secret").values("PatientID")} for _ in range(2)]
    random = [{*catalog.shareable().values("PatientID")} for _ in range(2)]
    assert secret[0] == secret[1]
    assert not random[0] & random[1]
    assert (catalog.shareable(b"a") + catalog.shareable(b"b")).n_files == 12


def test_it_is_saved_and_loaded_without_loss(tmp_path: Path) -> None:
    shared = two_patients(tmp_path / "in").shareable()
    shared.save(tmp_path / "x.parquet")
    loaded = Catalog.load(tmp_path / "x.parquet")
    assert loaded.to_arrow().equals(shared.to_arrow())
    assert not loaded.has_paths
    assert {summary.vr for summary in loaded.tags() if summary.keyword == "PatientName"} == {"PN"}


@pytest.mark.parametrize(
    ("changes", "tag", "expected"),
    [
        ({"SliceThickness": Raw("DS", b"Doe^Jane")}, "SliceThickness", None),
        ({"SliceThickness": Raw("DS", b"1.5\\2 ")}, "SliceThickness", "1.5\\2"),
        ({"BodyPartExamined": "KNEE OF JANE DOE, LEFT"}, "BodyPartExamined", None),
        ({"BodyPartExamined": "KNEE"}, "BodyPartExamined", "KNEE"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "Jane Doe^1974-01-01"]}, "ImageType", "ORIGINAL\\PRIMARY\\"),
        ({"RescaleType": "Jane"}, "RescaleType", None),
        ({"RescaleType": "HU"}, "RescaleType", "HU"),
        ({"Rows": Raw("US", b"Doe")}, "Rows", None),
        ({"SOPClassUID": "1.2.840.113619.4.26"}, "SOPClassUID", None),
        ({"ConvolutionKernel": Raw("LT", b"Jane")}, "ConvolutionKernel", None),
        ({"PatientWeight": "70"}, "PatientWeight", None),
        ({"PatientAge": "042Y"}, "PatientAge", None),
        ({"RequestAttributesSequence": [{"CodeMeaning": "Jane"}]}, "RequestAttributesSequence.CodeMeaning", None),
        ({"RequestAttributesSequence": [{"CodeMeaning": "Jane"}]}, "RequestAttributesSequence", "1 item"),
        ({"AnatomicRegionSequence": [{"CodeMeaning": "Chest"}]}, "AnatomicRegionSequence.CodeMeaning", "Chest"),
        ({"PatientComments": ""}, "PatientComments", ""),
    ],
)
def test_values_are_kept_only_in_the_form_of_their_kind(
    tmp_path: Path, changes: dict[str, object], tag: str, expected: str | None
) -> None:
    (tmp_path / "a.dcm").write_bytes(ct_slice(0, **changes))
    (text,) = dm.scan(tmp_path).shareable().values(tag)
    if expected is None:
        assert WITHHELD in text or text.startswith("2.25.")
    else:
        assert text.startswith(expected)
    assert "Jane" not in text
    assert not any(value.flag for value in dm.scan(tmp_path).shareable().details(tag))


def test_private_creators_that_no_dictionary_names_are_numbered(tmp_path: Path) -> None:
    private = {
        "00090010": Raw("LO", b"OF JANE DOE "),
        "00091001": Raw("LO", b"secret"),
        "00290010": Raw("LO", b"SIEMENS CSA HEADER"),
        "00291008": Raw("CS", b"secret"),
    }
    (tmp_path / "a.dcm").write_bytes(ct_slice(0, **private))
    shared = dm.scan(tmp_path).shareable()
    texts = [summary.path.text for summary in shared.tags() if summary.path.is_private]
    assert "(0009,xx01,withheld 1)" in texts
    assert "(0029,xx08,SIEMENS CSA HEADER)" in texts
    for text in texts:
        assert all(value.startswith(WITHHELD) for value in shared.values(text))


def test_texts_of_a_character_set_do_not_keep_its_name(tmp_path: Path) -> None:
    changes = {"SpecificCharacterSet": "ISO_IR 100\\Jane Doe", "ConvolutionKernel": Raw("SH", b"caf\xe9")}
    (tmp_path / "a.dcm").write_bytes(ct_slice(0, **changes))
    shared = dm.scan(tmp_path).shareable()
    column = shared.file_rows.find("ConvolutionKernel")
    assert column is not None
    assert b"Jane" not in column.values[0].as_py()
    assert "caf" in next(iter(shared.values("ConvolutionKernel")))


def test_what_needs_files_says_that_there_are_none(tmp_path: Path) -> None:
    shared = two_patients(tmp_path).shareable()
    with pytest.raises(LoadError, match="names no files: read the folder"):
        dm.load(shared)
    codes = {finding.code for finding in dm.check(shared)}
    assert not codes & {"refused", "dates-invalid", "identifying"}
    assert dm.series_table(shared).column("n_files").to_pylist() == [3, 3]


def test_failures_keep_reasons_and_lose_names(tmp_path: Path) -> None:
    (tmp_path / "Doe.txt").write_text("x" * 200)
    write_series(tmp_path / "a", 2)
    (failure,) = dm.scan(tmp_path).shareable().failures
    assert "Doe" not in failure.path
    assert failure.outcome == "rejected"
    assert failure.reason.startswith("not DICOM")


def test_odd_texts_are_those_that_are_replaced(tmp_path: Path) -> None:
    changes = {"RescaleType": "Jane", "SliceThickness": Raw("DS", b"Doe "), "SOPClassUID": "1.2.840.113619.4.26"}
    (tmp_path / "a.dcm").write_bytes(ct_slice(0, **changes))
    assert odd_texts(dm.scan(tmp_path).file_rows.store) >= {"Jane", "Doe", "1.2.840.113619.4.26"}
    write_series(tmp_path / "b", 2)
    assert odd_texts(dm.scan(tmp_path / "b").file_rows.store) == frozenset()
