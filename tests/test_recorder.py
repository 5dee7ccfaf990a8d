from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_factory import Raw, ct_content, ct_slice, dicom, write_series

from napari_dicommeta.catalog import Catalog
from napari_dicommeta.recorder import Recorder


def catalog_of(paths: list[Path], *, layouts: bool = True) -> Catalog:
    recorder = Recorder()
    if not layouts:
        recorder._learn = lambda *_: None  # type: ignore[method-assign]
    for path in paths:
        recorder.read(str(path))
    return Catalog.of_recordings([recorder.take()])


def test_layouts_change_nothing_but_the_speed(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", 20, WindowCenter=lambda k: [40, k], ProcedureCodeSequence=[{"CodeValue": "A"}])
    paths += write_series(tmp_path / "b", 5, PixelRepresentation=1, PixelPaddingValue=Raw("US", b"\x30\xf8"))
    paths += write_series(tmp_path / "c", 5, PixelRepresentation=0, PixelPaddingValue=Raw("US", b"\x30\xf8"))
    quick, slow = catalog_of(paths), catalog_of(paths, layouts=False)
    for by in ("meaning", "spelling"):
        assert quick.to_arrow(by).to_pydict() == slow.to_arrow(by).to_pydict()
    assert dict(quick.values("PixelPaddingValue")) == {"-2000": 5, "63536": 5}


def test_files_of_one_series_take_the_quick_way(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 20)
    recorder, loops = Recorder(), []
    record = recorder._record
    recorder._record = lambda header: (loops.append(1), record(header))[1]  # type: ignore[method-assign]
    for path in paths:
        recorder.read(str(path))
    assert len(loops) < 8  # the lengths of a few numbers differ, and with them the layout


def test_another_character_set_is_another_layout(tmp_path: Path) -> None:
    one = dicom(ct_content(0, PatientName=Raw("PN", b"M\xfcller ")))
    other = one.replace(b"ISO_IR 100", b"ISO_IR 101")
    (tmp_path / "a.dcm").write_bytes(one)
    (tmp_path / "b.dcm").write_bytes(other.replace(b"M\xfcller", b"M\xf5ller"))
    assert dict(catalog_of([tmp_path / "a.dcm", tmp_path / "b.dcm"]).values("PatientName")) == {
        "Müller": 1,
        "Mőller": 1,
    }


def test_a_nested_tag_counts_a_file_once_for_each_distinct_value(tmp_path: Path) -> None:
    codes = [{"CodeValue": "A"}, {"CodeValue": "B"}, {"CodeValue": "A"}]
    (tmp_path / "a.dcm").write_bytes(ct_slice(0, ProcedureCodeSequence=codes))
    (tmp_path / "b.dcm").write_bytes(ct_slice(1, ProcedureCodeSequence=codes[:1]))
    counts = catalog_of([tmp_path / "a.dcm", tmp_path / "b.dcm"]).values("ProcedureCodeSequence.CodeValue")
    assert dict(counts) == {"A": 2, "B": 1}


def test_each_file_has_one_outcome(tmp_path: Path) -> None:
    (tmp_path / "ok.dcm").write_bytes(ct_slice(0))
    (tmp_path / "cut.dcm").write_bytes(ct_slice(1)[:500])
    (tmp_path / "text.dcm").write_bytes(b"hello " * 100)
    names = ["ok.dcm", "cut.dcm", "text.dcm", "gone.dcm"]
    catalog = catalog_of([tmp_path / name for name in names] + [tmp_path])
    assert catalog.outcomes == {"ok": 1, "partial": 1, "rejected": 1, "skipped": 1, "vanished": 1}
    assert catalog.values("RescaleSlope").unknown == 1
    assert catalog.values("RescaleSlope").absent == 0
    assert np.all(catalog.file_column("pixel_offset")[1:] > 0)
