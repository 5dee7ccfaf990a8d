"""What a notebook shows of catalogs, counts, series, volumes, findings and comparisons."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta.support.log import LOGGER

EVIL = "<b>x</b>"


@pytest.fixture
def catalog(tmp_path: Path) -> dm.Catalog:
    write_series(
        tmp_path, 3, RescaleSlope=lambda k: ["1", "1.0", "2"][k], SeriesDescription=EVIL, ConvolutionKernel=EVIL
    )
    return dm.scan(tmp_path)


def test_all_are_shown_with_what_files_say_escaped(catalog: dm.Catalog) -> None:
    (volume, *_) = volumes = dm.load(catalog)
    findings, differences = dm.check(catalog), dm.compare(catalog, catalog.where(RescaleSlope="2"))
    shown = {
        "catalog": catalog,
        "series": catalog.series[0],
        "all series": catalog.series,
        "tags": catalog.tags(),
        "tag": catalog.tags()[0],
        "counts": catalog["ConvolutionKernel"],
        "pairs": catalog["ConvolutionKernel", "KVP"],
        "volume": volume,
        "volumes": volumes,
        "findings": findings,
        "finding": findings[0],
        "note": volume.notes[0],
        "comparison": differences,
        "difference": next(tag for tag in differences if tag.keyword == "ConvolutionKernel"),
    }
    html = {name: value._repr_html_() for name, value in shown.items()}
    assert [name for name, text in html.items() if "<b>x</b>" in text] == []
    for name in ("catalog", "series", "all series", "counts", "pairs", "volume", "volumes", "difference"):
        assert "&lt;b&gt;x&lt;/b&gt;" in html[name], name
    assert "RescaleSlope" in html["tags"]
    assert "3 files, 1 series" in html["catalog"]
    assert findings[0].title in html["findings"] or "&" in html["findings"]
    assert volume.notes[0].title[:20] in html["note"]


def test_a_volume_shows_a_strip_of_its_slices_through_its_window(phantom: Path) -> None:
    (volume,) = dm.load(phantom)
    html = volume._repr_html_()
    pictures = re.findall(r'title="slice (\d+)"[^>]*base64,([^"]+)"', html)
    assert [int(slice_) for slice_, _ in pictures] == [4, 12, 20, 28, 36, 44]
    assert all(base64.b64decode(data).startswith(b"\x89PNG") for _, data in pictures)
    picture = volume.thumbnail()
    assert (picture.shape, picture.dtype) == ((84, 84), np.uint8)
    window = volume.windows[0]
    places = np.linspace(0, 255, 84).astype(int)
    expected = np.round(window.apply(volume.array[24][np.ix_(places, places)]) * 255)
    assert (picture == expected).all()


def test_a_slice_that_cannot_be_read_is_shown_by_its_reason(tmp_path: Path) -> None:
    write_series(tmp_path, 6)
    (volume,) = dm.load(tmp_path)
    Path(volume.files[2][0]).unlink()
    html = volume._repr_html_()
    assert html.count("<img") == 5
    assert "<span>slice 2: " in html


def test_a_catalog_is_indexed_by_tags_and_iterates_over_them(catalog: dm.Catalog) -> None:
    assert dict(catalog["RescaleSlope"]) == {"1": 2, "2": 1}
    assert dict(catalog["(0028,1053)"]) == dict(catalog["RescaleSlope"])
    assert dict(catalog["RescaleSlope", "Modality"]) == {("1", "CT"): 2, ("2", "CT"): 1}
    assert list(catalog) == [tag.keyword for tag in catalog.tags()]
    assert "RescaleSlope" in catalog
    assert "(0028,1053)" in catalog
    assert dm.TagPath.parse("Modality") in catalog
    assert [tag for tag in ("Allergies", "no tag", 3) if tag in catalog] == []
    assert "RescaleSlope" not in catalog.where(RescaleSlope=False)
    assert catalog["Allergies"].absent == 3
    with pytest.raises(TypeError, match=r"by a tag, not by 0; catalog\.rows"):
        catalog[0]  # type: ignore[index]
    with pytest.raises(ValueError, match="no tag"):
        catalog["no tag"]


def test_the_most_common_values_are_asked_for_as_of_a_counter(catalog: dm.Catalog) -> None:
    counts = catalog["RescaleSlope"]
    assert counts.most_common(1) == [("1", 2)]
    assert counts.most_common() == [("1", 2), ("2", 1)]
    assert counts.most_common(0) == counts.most_common(-1) == []


def test_a_bar_shows_how_many_files_were_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    write_series(tmp_path, 3)
    assert dm.scan(tmp_path, progress=True).n_files == 3
    assert "3/3" in capsys.readouterr().err


def test_without_tqdm_a_line_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    write_series(tmp_path, 3)
    assert dm.scan(tmp_path, progress=True).n_files == 3
    assert capsys.readouterr().err.endswith("3 of 3 files\n")


def test_no_progress_is_shown_unless_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "handlers", [])  # of a command that was tried before with -v
    write_series(tmp_path, 3)
    dm.scan(tmp_path)
    dm.scan(tmp_path, progress=None)
    assert capsys.readouterr().err == ""
