from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from dicom_factory import DEFLATED, EXPLICIT, Raw, ct_pixels, ct_slice, encapsulated, write_series

import napari_dicommeta as dm
from napari_dicommeta.support import side_by_side
from napari_dicommeta.volumes import layout
from napari_dicommeta.volumes.volume import Volume

BASELINE, JLS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.80"
EIGHT = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}


def jls(k: int) -> Raw:
    return encapsulated([bytes(imagecodecs.jpegls_encode(ct_pixels(k)))])


def note(volume: Volume, code: str) -> tuple[str, str, tuple[str, ...]] | None:
    """Return severity, title and file names of the note with this code."""
    found = [one for one in volume.notes if one.code == code]
    assert len(found) < 2
    return (found[0].severity, found[0].title, tuple(Path(p).name for p in found[0].paths)) if found else None


# -- cut files -----------------------------------------------------------------------------------------------


def test_a_slice_whose_lossless_frame_is_cut_is_refused_and_the_others_open(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 5, JLS, PixelData=jls)
    raw = paths[2].read_bytes()
    for cut, where in ((len(raw) - 30, f"its last fragment is cut off at byte {len(raw) - 30:,}"), (0, "")):
        if cut:
            paths[2].write_bytes(raw[:cut])
        else:
            stream = bytes(imagecodecs.jpegls_encode(ct_pixels(2)))
            paths[2].write_bytes(ct_slice(2, JLS, PixelData=encapsulated([stream[: len(stream) // 2]])))
            where = "the codestream of its last frame ends early, at byte"
        (volume, refusals) = dm.load(tmp_path)[0], dm.load(tmp_path).refusals
        assert volume.array.shape == (4, 16, 12)
        assert [(refusal.code, refusal.paths) for refusal in refusals] == [("pixels-cut", (str(paths[2]),))]
        assert refusals[0].reason.startswith(where)
        assert note(volume, "gap") is not None
        assert note(volume, "pixels-cut") is None
        np.testing.assert_array_equal(volume.array[2], ct_pixels(3).astype(int) - 1024)


def test_a_slice_that_is_whole_but_for_the_end_of_its_file_opens_with_a_decision(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 3, JLS, PixelData=jls)
    paths[1].write_bytes(paths[1].read_bytes()[:-8])
    size = paths[1].stat().st_size
    (volume,) = dm.load(tmp_path)
    title = f"{paths[1].name}: the file ends before the end of its fragments, at byte {size:,}"
    assert note(volume, "pixels-cut") == ("decision", title, (paths[1].name,))
    np.testing.assert_array_equal(volume.array[1], ct_pixels(1).astype(int) - 1024)


def test_a_cut_codestream_with_losses_opens_with_a_decision(tmp_path: Path) -> None:
    stream = bytes(imagecodecs.jpeg8_encode((ct_pixels() >> 4).astype(np.uint8), level=95))
    cut = encapsulated([stream[:-40]])
    paths = write_series(tmp_path, 3, BASELINE, PixelData=lambda k: cut if k else encapsulated([stream]), **EIGHT)
    (volume,) = dm.load(tmp_path)
    severity, title, names = note(volume, "pixels-cut") or ("", "", ())
    assert severity == "decision"
    assert title.startswith("2 files: the codestream of its last frame ends early, at byte ")
    assert title.endswith(": it has no end marker")
    assert names == (paths[1].name, paths[2].name)
    assert np.asarray(volume).shape == (3, 16, 12)


def test_frames_of_a_cut_file_open_with_a_decision(tmp_path: Path) -> None:
    frames = [bytes(imagecodecs.jpegls_encode(ct_pixels(k))) for k in range(3)]
    path = tmp_path / "x.dcm"
    path.write_bytes(ct_slice(0, JLS, NumberOfFrames=3, PixelData=encapsulated(frames))[:-20])
    (volume,) = dm.load(path)
    assert (note(volume, "pixels-cut") or ("",))[0] == "decision"
    np.testing.assert_array_equal(volume.array[1], ct_pixels(1).astype(int) - 1024)
    with pytest.raises(dm.PixelError, match="frame 3: its fragment is cut off"):
        volume.array[2]


def test_whole_files_have_no_note_and_slow_storage_is_looked_at_by_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_series(tmp_path, 20, JLS, PixelData=jls)
    paths[15].write_bytes(paths[15].read_bytes()[:-8])
    for slow in (1e9, -1.0):
        monkeypatch.setattr(side_by_side, "SLOW_SECONDS", slow)
        (volume,) = dm.load(tmp_path)
        assert (note(volume, "pixels-cut") or ("", "", ()))[2] == (paths[15].name,)
    paths[15].unlink()
    for volume in dm.load(tmp_path):
        assert note(volume, "pixels-cut") is None


# -- lengths -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, ""),
        ({"Columns": 11}, "16 × 11 pixels of 16 bits take 352 bytes, 384 are present"),
        ({"Rows": 15}, "15 × 12 pixels of 16 bits take 360 bytes, 384 are present"),
        ({"BitsAllocated": 12}, "16 × 12 pixels of 12 bits take 288 bytes, 384 are present"),
        (EIGHT, "16 × 12 pixels of 8 bits take 192 bytes, 384 are present"),
        ({"NumberOfFrames": 1, "PixelData": Raw("OW", bytes(768))}, "16 × 12 pixels of 16 bits take 384 bytes, 768"),
        ({"PixelData": Raw("OW", bytes(386))}, "16 × 12 pixels of 16 bits take 384 bytes, 386 are present"),
        ({"NumberOfFrames": 2, "PixelData": Raw("OW", bytes(800))}, "2 frames of 16 × 12 pixels of 16 bits take 768"),
        ({"Rows": 15, "Columns": 3, **EIGHT, "PixelData": Raw("OB", bytes(46))}, ""),
        ({"Rows": 15, "Columns": 3, **EIGHT, "PixelData": Raw("OB", bytes(48))}, "take 45 bytes, 48 are present"),
    ],
)
def test_pixel_data_longer_than_its_frames_is_a_decision_with_both_numbers(
    tmp_path: Path, changes: dict[str, Any], title: str, syntax: str
) -> None:
    (path,) = write_series(tmp_path, 1, syntax, **changes)
    (volume,) = dm.load(tmp_path)
    found = note(volume, "pixels-longer")
    if title:
        assert found is not None
        assert found[0] == "decision"
        assert title in found[1]
        assert found[1].startswith(f"{path.name}: ")
        assert found[2] == (path.name,)
    else:
        assert found is None


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_pixel_data_shorter_than_its_frames_is_refused_before_it_is_read(tmp_path: Path, syntax: str) -> None:
    write_series(tmp_path, 1, syntax, Rows=17)
    with pytest.raises(dm.LoadError, match="1 frames of 17 × 12 need 408 bytes of pixel data, 384 are present"):
        dm.load(tmp_path)


@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_FULL"])
@pytest.mark.parametrize(("length", "fits"), [(384, "YBR_FULL_422"), (576, "both"), (580, ""), (386, "")])
def test_subsampled_colors_have_either_of_two_lengths(tmp_path: Path, photometric: str, length: int, fits: str) -> None:
    color = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": photometric, **EIGHT}
    write_series(tmp_path, 1, PixelData=Raw("OB", bytes(length)), RescaleSlope=None, RescaleIntercept=None, **color)
    if photometric == "YBR_FULL" and length < 576:
        with pytest.raises(dm.LoadError, match=f"need 576 bytes of pixel data, {length} are present"):
            dm.load(tmp_path)
    else:
        (volume,) = dm.load(tmp_path)
        assert (note(volume, "pixels-longer") is None) is (fits in (photometric, "both"))


# -- elements that are no numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel"])
def test_a_flagged_value_is_no_number(tmp_path: Path, keyword: str) -> None:
    write_series(tmp_path, 1, **{keyword: Raw("US", b"\x10")})
    with pytest.raises(dm.LoadError, match=f"{keyword} is '10': the length does not fit its VR"):
        dm.load(tmp_path)


@pytest.mark.parametrize(
    ("sign", "title"),
    [
        (0, ""),
        (1, ""),
        (None, "Pixel Representation is absent: samples are taken as unsigned"),
        (7, "Pixel Representation is '7': samples are taken as unsigned"),
        (Raw("US", b"\1"), "Pixel Representation is '01': samples are taken as unsigned"),
    ],
)
def test_a_sign_that_is_not_stated_is_a_decision(tmp_path: Path, sign: Any, title: str) -> None:
    write_series(tmp_path, 2, PixelRepresentation=sign)
    (volume,) = dm.load(tmp_path)
    assert note(volume, "pixels-assumed") == (("decision", title, ()) if title else None)
    assert volume.array[0].max() == ct_pixels().max() - 1024


def test_a_sign_that_some_files_state_names_the_others(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 3, PixelRepresentation=lambda k: None if k == 1 else 0)
    (volume,) = dm.load(tmp_path)
    assert (note(volume, "pixels-assumed") or ("", "", ()))[2] == (paths[1].name,)


@pytest.mark.parametrize("count", ["0", "", "1.5", "1A", "-3"])
def test_a_number_of_frames_that_is_none_is_a_decision(tmp_path: Path, count: str) -> None:
    write_series(tmp_path, 1, NumberOfFrames=Raw("IS", count.encode()))
    (volume,) = dm.load(tmp_path)
    assert volume.array.shape == (1, 16, 12)
    assert note(volume, "pixels-assumed") == ("decision", f"Number of Frames is '{count}': one frame is read", ())


@pytest.mark.parametrize("count", [None, "1", "1 ", "+1"])
def test_a_number_of_frames_that_is_one_or_absent_is_no_decision(tmp_path: Path, count: str | None) -> None:
    write_series(tmp_path, 1, NumberOfFrames=None if count is None else Raw("IS", count.encode()))
    (volume,) = dm.load(tmp_path)
    assert note(volume, "pixels-assumed") is None


COLOR = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB", **EIGHT}
COLOR |= {"PixelData": Raw("OB", bytes(576)), "RescaleSlope": None, "RescaleIntercept": None}


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"PhotometricInterpretation": "MONOCHROME1"}, ""),
        ({"PhotometricInterpretation": None}, "Photometric Interpretation is absent with one sample per pixel: "),
        ({"PhotometricInterpretation": "YBR_FULL"}, "Photometric Interpretation is 'YBR_FULL' with one sample per "),
        ({"PhotometricInterpretation": "<b>"}, "Photometric Interpretation is '<b>' with one sample per pixel: "),
        (COLOR, ""),
        ({**COLOR, "PhotometricInterpretation": "MONOCHROME2"}, "Photometric Interpretation is 'MONOCHROME2' with 3 "),
        ({**COLOR, "PhotometricInterpretation": ""}, "Photometric Interpretation is absent with 3 samples per pixel: "),
        ({**COLOR, "PlanarConfiguration": None}, "Planar Configuration is absent: the samples of each pixel are taken"),
        ({**COLOR, "PlanarConfiguration": 2}, "Planar Configuration is '2': the samples of each pixel are taken to "),
    ],
)
def test_a_meaning_or_an_order_of_samples_that_is_not_stated_is_a_decision(
    tmp_path: Path, changes: dict[str, Any], title: str
) -> None:
    write_series(tmp_path, 1, **changes)
    (volume,) = dm.load(tmp_path)
    found = note(volume, "pixels-assumed")
    assert found is not None if title else found is None
    if found is not None:
        assert found[0] == "decision"
        assert found[1].startswith(title)


def test_a_codestream_needs_no_planar_configuration(tmp_path: Path) -> None:
    stream = bytes(imagecodecs.jpegls_encode(np.zeros((16, 12, 3), np.uint8)))
    changes = {**COLOR, "PlanarConfiguration": None, "PixelData": encapsulated([stream])}
    write_series(tmp_path, 1, JLS, **changes)
    (volume,) = dm.load(tmp_path)
    assert note(volume, "pixels-assumed") is None


def test_palette_color_of_several_samples_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, 1, **{**COLOR, "PhotometricInterpretation": "PALETTE COLOR"})
    with pytest.raises(dm.LoadError, match="3 samples per pixel of palette color"):
        dm.load(tmp_path)


# -- bounded work --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED, JLS])
def test_a_header_that_declares_millions_of_frames_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str
) -> None:
    def fail(*_: Any) -> Any:
        raise AssertionError

    count = 8_000_000
    pixels = jls(0) if syntax == JLS else Raw("OW", bytes(100_000), 16_000_000 if syntax == EXPLICIT else None)
    groups = {"PerFrameFunctionalGroupsSequence": [{}], "NumberOfFrames": count}
    write_series(tmp_path, 1, syntax, Rows=1, Columns=1, PixelData=pixels, **groups)
    monkeypatch.setattr(layout, "read_frames", fail)
    (series,) = dm.scan(tmp_path).series
    found = layout.layout_of(series)
    assert found.stacks == ()
    assert [refusal.code for refusal in found.refusals] == ["pixels-cut" if syntax == EXPLICIT else "pixels-impossible"]


def test_a_deflated_frame_has_the_limit_of_other_frames(tmp_path: Path) -> None:
    write_series(tmp_path, 1, DEFLATED, Rows=40000, Columns=40000, PixelData=Raw("OW", bytes(4 << 20)))
    with pytest.raises(dm.LoadError, match="takes 3,200,000,000 bytes decoded, more than 1,073,741,824"):
        dm.load(tmp_path)
