from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dicom_factory import EXPLICIT, IMPLICIT, ROOT, ct_slice, dicom, write_series

import napari_dicommeta as dm

MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"


def dicomdir(names: list[str], syntax: str = EXPLICIT) -> bytes:
    """Return a DICOMDIR with an IMAGE record for each name, and a PATIENT record, which names none."""
    records: list[dict[str, Any]] = [{"DirectoryRecordType": "PATIENT", "PatientID": "A"}]
    records += [{"DirectoryRecordType": "IMAGE", "ReferencedFileID": name.split("/")} for name in names]
    content = {"FileSetID": "SET", "DirectoryRecordSequence": records}
    content |= {"SOPClassUID": MEDIA_DIRECTORY, "SOPInstanceUID": f"{ROOT}.9"}
    return dicom(content, syntax)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("cache", [False, True])
def test_a_dicomdir_stands_for_its_folder_and_what_it_lists_in_vain_is_named(
    tmp_path: Path, syntax: str, cache: bool
) -> None:
    for k in range(4):
        path = tmp_path / "disc" / "dicom" / f"im{k}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ct_slice(k))
    listed = [f"DICOM/IM{k}" for k in range(6)]
    (tmp_path / "disc/DICOMDIR").write_bytes(dicomdir(listed, syntax))
    catalog = dm.scan(tmp_path / "disc/DICOMDIR", cache=cache)
    assert catalog.n_files == 5
    assert [series.n_images for series in catalog.series] == [4, 0]
    lost = [failure for failure in catalog.failures if failure.outcome == "vanished"]
    assert [Path(failure.path).name for failure in lost] == ["IM4", "IM5"]
    assert all("the DICOMDIR lists it" in failure.reason for failure in lost)
    assert sum(catalog.outcomes.values()) == 7
    (volume,) = dm.load(tmp_path / "disc/DICOMDIR")
    assert volume.array.shape == (4, 16, 12)


def test_a_record_that_leaves_the_folder_is_named_and_not_followed(tmp_path: Path) -> None:
    write_series(tmp_path / "private", 2)
    (tmp_path / "disc").mkdir()
    (tmp_path / "disc/DICOMDIR").write_bytes(dicomdir(["../private/IM0", "A"]))
    catalog = dm.scan(tmp_path / "disc/DICOMDIR")
    assert catalog.n_files == 1
    assert {failure.outcome for failure in catalog.failures} == {"skipped", "vanished"}


def test_versions_of_discs_and_other_files_of_the_name(tmp_path: Path) -> None:
    (tmp_path / "disc").mkdir()
    (tmp_path / "disc/IM0.;1").write_bytes(ct_slice(0))
    (tmp_path / "disc/DICOMDIR").write_bytes(dicomdir(["IM0"]))
    assert not dm.scan(tmp_path / "disc/DICOMDIR").failures
    (tmp_path / "dicomdir.dcm").write_bytes(ct_slice(1))
    assert dm.scan(tmp_path / "dicomdir.dcm").n_files == 1
    (tmp_path / "DICOMDIR").write_bytes(b"nothing")
    (failure,) = dm.scan(tmp_path / "DICOMDIR").failures
    assert "not DICOM" in failure.reason


def test_each_real_dicomdir_stands_for_its_folder(shared: Path) -> None:
    seen = 0
    for path in sorted((shared / "data").rglob("DICOMDIR")):
        catalog = dm.scan(path)
        assert catalog.n_files > 1, path
        assert catalog.n_files == dm.scan(path.parent).n_files
        seen += 1
    assert seen


def test_a_dicomdir_among_chosen_files_is_only_a_file(tmp_path: Path) -> None:
    for k in range(3):
        (tmp_path / f"im{k}").write_bytes(ct_slice(k))
    (tmp_path / "DICOMDIR").write_bytes(dicomdir(["IM0", "IM9"]))
    catalog = dm.scan([tmp_path / "DICOMDIR", tmp_path / "im0"])
    assert sorted(Path(path).name for path in catalog.paths) == ["DICOMDIR", "im0"]
    assert not catalog.failures


@pytest.mark.parametrize("source", ["DICOMDIR", ""])
def test_a_dicomdir_whose_files_are_gone_says_what_to_open(tmp_path: Path, source: str) -> None:
    (tmp_path / "DICOMDIR").write_bytes(dicomdir(["IM0"]))
    with pytest.raises(
        dm.LoadError, match="DICOMDIR: a DICOMDIR, which lists images and holds none: open the disc, or"
    ):
        dm.load(tmp_path / source)
