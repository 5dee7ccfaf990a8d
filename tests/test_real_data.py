"""Real files against values that other tools found: TRUTH.json of the shared folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_dicommeta as dm
from napari_dicommeta.columns import first_tag_of
from napari_dicommeta.header import HeaderError, parse_header, read_header
from napari_dicommeta.meaning import decode
from napari_dicommeta.tags import TagPath

FOLDERS = ["chestct-fuzun45", "dcm_qa_ct", "totalseg-ct", "ibsi", "cornerstone-wado"]


@pytest.fixture(scope="module")
def truth(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "data" / "TRUTH.json").read_text())


@pytest.fixture(scope="module")
def catalogs(shared: Path) -> dict[str, dm.Catalog]:
    return {folder: dm.scan(shared / "data" / folder) for folder in FOLDERS}


@pytest.mark.parametrize("folder", FOLDERS)
def test_volumes_equal_what_simpleitk_reads(
    truth: dict[str, Any], catalogs: dict[str, dm.Catalog], folder: str
) -> None:
    compared = 0
    for known in truth["series"]:
        if known["repo"] != folder or known.get("min") is None:
            continue
        uid = known["SeriesInstanceUID"]
        (series,) = [one for one in catalogs[folder].series if one.series_instance_uid == uid]
        volume = dm.load(series)[0]
        array = np.asarray(volume.array)
        span = known["max"] - known["min"]
        # One series is a single slice in lossy and lossless syntaxes: lossy decoders differ by a few values.
        lossy = folder == "cornerstone-wado" and known["n_files"] == 16
        tolerance = 40 if lossy else 1e-6 * span
        assert abs(array.min() - known["min"]) <= tolerance
        assert abs(array.max() - known["max"]) <= tolerance
        assert abs(array.mean(dtype=np.float64) - known["mean"]) <= (1e-2 if lossy else 1e-4) * span
        if "shape_zyx" in known:
            assert list(array.shape) == known["shape_zyx"]
            for found, spacing in zip(volume.geometry.spacing, known["spacing_zyx_mm"], strict=True):
                assert spacing is None or found == pytest.approx(spacing, rel=5e-3)
        for place, value in (known.get("probe_voxels_zyx") or {}).items():
            k, j, i = map(int, place.split(","))
            assert float(array[k, j, i]) == pytest.approx(value, abs=max(tolerance, 1e-9))
        presets = known.get("window_presets_middle_slice", known.get("window_presets"))
        # Not for the 16 files at one place, none of which is the middle one, nor for an enhanced file, whose
        # windows lie in its functional groups, where the independent list does not look.
        if presets is not None and not lossy and not known.get("multi_frame"):
            stated = {(window.center, window.width) for window in volume.slice_windows[len(array) // 2]}
            assert stated == {(preset["center"], preset["width"]) for preset in presets}
        compared += 1
    assert (
        compared == {"chestct-fuzun45": 1, "dcm_qa_ct": 4, "totalseg-ct": 1, "ibsi": 9, "cornerstone-wado": 4}[folder]
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_tag_counts_equal_the_independent_ones(
    truth: dict[str, Any], catalogs: dict[str, dm.Catalog], folder: str
) -> None:
    compared = 0
    for known in truth["series"]:
        if known["repo"] != folder:
            continue
        series = catalogs[folder].where(SeriesInstanceUID=known["SeriesInstanceUID"])
        if not known["SeriesInstanceUID"]:
            series = catalogs[folder]
        for tag, counts in known["tag_counts"].items():
            by = "meaning" if tag == "PixelPaddingValue" else "spelling"
            found = Counter(series.column_texts(tag, by=by))
            found.pop(None, None)
            if "distinct" in counts:  # many values: only their number and range are kept there
                assert len(found) == counts["distinct"], tag
                continue
            expected = Counter({_bare(text): n for text, n in counts.items() if text != "(absent)"})
            assert Counter({_bare(text): n for text, n in found.items() if text is not None}) == expected, tag
            compared += 1
    assert compared >= 15


def _bare(text: str) -> str:
    return "\\".join(part.strip() for part in text.split("\\"))


def test_lossless_copies_of_one_slice_agree_bit_for_bit(catalogs: dict[str, dm.Catalog]) -> None:
    series = max(catalogs["cornerstone-wado"].series, key=lambda one: one.n_images)
    volume = dm.load(series)[0]
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


def test_every_element_of_every_file_equals_pydicoms(shared: Path) -> None:
    import warnings

    import pydicom

    files, elements, different = 0, 0, []
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
            dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            theirs: dict[Any, set[str]] = {}
            _flatten(dataset.file_meta, (), theirs)
            _flatten(dataset, (), theirs)
        ours: dict[Any, set[str]] = {}
        spelled: dict[Any, set[str]] = {}
        for one in header.elements:
            tag = TagPath.of_key(one.key)
            meaning = decode(one.value, tag)
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


def _flatten(dataset: Any, prefix: tuple[Any, ...], out: dict[Any, set[str]]) -> None:
    for tag in list(dataset.keys()):
        element = dataset[tag]
        group, number = tag >> 16, tag & 0xFFFF
        key = (int(tag), "")
        if group & 1 and number > 0xFF and (creator := dataset.get((group << 16) | (number >> 8))) is not None:
            key = (int(tag) & 0xFFFF00FF, str(creator.value).strip())
        path = (*prefix, key)
        if element.VR == "SQ":
            n = len(element.value)
            out.setdefault(path, set()).add(f"{n} item{'s' if n != 1 else ''}")
            for item in element.value:
                _flatten(item, path, out)
        else:
            out.setdefault(path, set()).add(_their_text(element.VR, element.value))


def _their_text(vr: str, value: Any) -> str:
    from pydicom.multival import MultiValue

    from napari_dicommeta.meaning import shortest

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


@pytest.mark.parametrize("name", HEADERS)
def test_every_cut_of_a_real_header_is_seen(shared: Path, name: str) -> None:
    path = shared / "data" / name
    if path.is_dir():
        path = next(one for one in sorted(path.iterdir()) if one.is_file() and one.stat().st_size > 4096)
    data = path.read_bytes()
    whole = read_header(path)
    assert whole.reason == ""
    assert whole.pixels is not None
    cuts = range(132, whole.pixels.offset)
    assert len(cuts) > 700
    for end in cuts:
        part = data[:end]
        header = parse_header(lambda offset, count, part=part: part[offset : offset + count], end)
        assert header.reason, f"a cut at byte {end} was not seen"
        seen = {one.key for one in header.elements}
        lost = [one.key for one in whole.elements if one.key not in seen and first_tag_of(one.key) < header.cut]
        assert lost == [], f"after a cut at byte {end} these would be called absent"
