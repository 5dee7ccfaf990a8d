from __future__ import annotations

from pathlib import Path

from dicom_factory import ROOT, write_series

import napari_dicommeta as dm
from napari_dicommeta.analysis.per_file import LENGTH, PLACE, SINGLE, UID, left_out_text, per_file_tags


def write(folder: Path, count: int, n: int, **changes: object) -> None:
    uids = {"SeriesInstanceUID": f"{ROOT}.{n}", "SOPInstanceUID": lambda k: f"{ROOT}.9.{n}.{k}"}
    write_series(folder / str(n), count, **uids, **changes)


def test_uids_places_and_counters_belong_to_single_files(tmp_path: Path) -> None:
    for n in range(2):
        write(
            tmp_path,
            6,
            n,
            SliceLocation=lambda k: 2.5 * k,
            ContentTime=lambda k, n=n: f"1{n}000{k}",
            XRayTubeCurrent=lambda k, n=n: 100 + 7 * k + n,  # another in each slice, and in no other series
            KVP=lambda k: 100 + 20 * (k % 2),
            TransferSyntaxUID="1.2.840.10008.1.2.1",
        )
    kinds = per_file_tags(dm.scan(tmp_path))
    assert {
        tag: kinds.get(tag) for tag in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    } == dict.fromkeys(("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"), UID)
    assert (kinds["ImagePositionPatient"], kinds["SliceLocation"]) == (PLACE, PLACE)
    assert (kinds["InstanceNumber"], kinds["ContentTime"]) == (SINGLE, SINGLE)
    others = {"XRayTubeCurrent", "KVP", "SOPClassUID", "TransferSyntaxUID", "Modality", "WindowCenter", "PatientID"}
    assert not others & set(kinds)


def test_series_of_one_file_have_no_counters(tmp_path: Path) -> None:
    for n in range(4):
        write(tmp_path, 1, n, InstanceNumber=n, Exposure=n)
    kinds = per_file_tags(dm.scan(tmp_path))
    assert set(kinds.values()) == {UID, PLACE, LENGTH}  # no value of single files
    assert left_out_text({}) == ""
    assert left_out_text({"a": UID, "b": PLACE, "c": PLACE, "d": SINGLE}) == "1 UID, 2 places, 1 value of single files"


def test_what_either_side_of_a_comparison_holds_counts(tmp_path: Path) -> None:
    write(tmp_path / "a", 1, 0, InstanceNumber=5)
    write(tmp_path / "b", 4, 1)
    assert per_file_tags(dm.scan(tmp_path / "a"), dm.scan(tmp_path / "b"))["InstanceNumber"] == SINGLE
    assert "InstanceNumber" not in per_file_tags(dm.scan(tmp_path / "a"))
