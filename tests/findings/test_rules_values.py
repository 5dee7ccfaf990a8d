"""Rules about values: formats, text in numbers, character sets, spellings and presets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import EXPLICIT, IMPLICIT, ROOT, Raw, ct_slice, encapsulated, write_series
from finding_checks import NOBODY, ONE_WINDOW, either, only

import napari_dicommeta as dm
import napari_dicommeta.findings.rules.suspect
import napari_dicommeta.findings.rules.values
from napari_dicommeta.findings.alphabets import likely_charset
from napari_dicommeta.findings.check import check


def test_pixel_formats_that_do_not_determine_each_other_are_no_one_fact(tmp_path: Path) -> None:
    write_series(
        tmp_path, 4, **NOBODY, BitsStored=either(12, 16), HighBit=either(11, 15), PixelRepresentation=lambda k: k % 2
    )
    assert only(dm.scan(tmp_path), "pixel-format").title == "Pixels are stored in 4 formats"
    write_series(
        tmp_path, 4, **NOBODY, BitsStored=either(12, 16), HighBit=either(11, 15), PixelRepresentation=either(0, 1)
    )
    assert (
        "vary together: 12-bit unsigned in 2 files, 16-bit signed in 2 files"
        in only(dm.scan(tmp_path), "pixel-format").title
    )


def test_the_error_of_a_forgotten_slope_is_stated(tmp_path: Path) -> None:
    write_series(tmp_path, 2, RescaleSlope="1.000244")
    finding = only(dm.scan(tmp_path), "slope-4097")
    assert "4097/4096" in finding.title
    assert f"{3000 / 4096:.2f} HU" in finding.meaning  # 0.73


def test_transfer_syntaxes_and_the_same_number_without_a_vr(tmp_path: Path) -> None:
    signed = {**NOBODY, "PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15}
    paddings = {IMPLICIT: 63536, EXPLICIT: Raw("SS", b"\x30\xf8")}
    for i, (syntax, value) in enumerate(paddings.items()):
        (tmp_path / f"{i}.dcm").write_bytes(ct_slice(i, syntax, **signed, PixelPaddingValue=value))
    (tmp_path / "2.dcm").write_bytes(ct_slice(2, **signed, PixelPaddingValue=63536))
    catalog = dm.scan(tmp_path)
    assert {one.code for one in check(catalog)} == {"padding", "spellings", "sign-mismatch", "transfer-syntaxes"}
    spelled = only(catalog, "spellings")
    assert set(spelled.evidence) == {("63536 as US", 1), ("-2000 as SS", 1), ("bytes 30 F8 without a VR", 1)}
    assert spelled.title.endswith("3 for -2000")
    assert only(catalog, "padding").evidence == (("-2000", 3),)
    mismatch = only(catalog, "sign-mismatch")
    assert [Path(path).name for path in catalog.where(dict(mismatch.selection)).paths] == ["2.dcm"]
    assert set(only(catalog, "transfer-syntaxes").evidence) == {
        ("Explicit VR Little Endian", 2),
        ("Implicit VR Little Endian", 1),
    }


def test_presets_in_stored_values_need_a_decision_beside_others(tmp_path: Path) -> None:
    scaled = {"Modality": "MR", "RescaleIntercept": 0, "RescaleType": None, **ONE_WINDOW}
    stored = {"RescaleSlope": 0.001, "WindowCenter": 700, "WindowWidth": 1400}  # values end at 1.6
    write_series(tmp_path / "a", 3, **NOBODY, **{**scaled, **stored})
    assert [(one.code, one.severity) for one in check(dm.scan(tmp_path))] == [("windows-stored", "info")]
    uids = {"SeriesInstanceUID": f"{ROOT}.5", "SOPInstanceUID": lambda k: f"{ROOT}.6.{k}"}
    write_series(tmp_path / "b", 3, **NOBODY, **uids, **{**scaled, "RescaleSlope": 1, "WindowCenter": 700})
    assert only(dm.scan(tmp_path), "windows-stored").severity == "decision"


def test_presets_that_clip_the_brightest_pixels_are_no_presets_in_stored_values(tmp_path: Path) -> None:
    """A preset up to 1944, values up to 2820 of which all but a few lie below 1906: its maker left out the peaks."""
    pixels = np.full((32, 32), 1163, "<u2")  # stored: 1906 rescaled by 1.63858
    pixels[0, 0], pixels[1] = 1721, 0
    scaled = {"Modality": "MR", "RescaleSlope": "1.63858", "RescaleIntercept": 0, "RescaleType": None}
    preset = {**ONE_WINDOW, "WindowCenter": 972, "WindowWidth": 1944}
    write_series(tmp_path, 3, **NOBODY, **scaled, **preset, pixels=lambda _: pixels)
    assert "windows-stored" not in {one.code for one in check(dm.scan(tmp_path))}


@pytest.mark.parametrize("syntax", ["53", "55", "62"])
def test_retired_processes_of_jpeg_are_lossy_too(tmp_path: Path, syntax: str) -> None:
    write_series(tmp_path, 2, f"1.2.840.10008.1.2.4.{syntax}", **NOBODY, PixelData=encapsulated([b"\xff\xd8\xff\xd9"]))
    lossy = only(dm.scan(tmp_path), "lossy")
    assert dict(lossy.evidence)["in a lossy transfer syntax"] == lossy.files == 2


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO_IR 100", "ÀÉÎÕÜ ÄÖÜ".encode("latin-1")),
        ("ISO_IR 100", "Дом".encode("cp1251")),  # too short to differ from accents
        ("ISO_IR 100", b"\x93quoted\x94 text "),  # quotation marks of Windows
        ("ISO_IR 144", "Привет".encode("iso8859-5")),
        ("ISO_IR 192", "上海医疗".encode()),
        ("GB18030", "上海医疗".encode("gbk")),
    ],
)
def test_bytes_that_may_be_of_the_stated_character_set_contradict_nothing(
    tmp_path: Path, charset: str, text: bytes
) -> None:
    write_series(tmp_path, 2, **NOBODY, SpecificCharacterSet=charset, Manufacturer=Raw("LO", text))
    assert check(dm.scan(tmp_path)) == ()


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        ("Иванов^Иван", "cp1251", "Windows-1251"),
        ("ПЕТРОВА^АННА", "cp1251", "Windows-1251"),
        ("CT Грудная клетка 1.5", "cp1251", "Windows-1251"),
        ("Смирнова", "iso8859-5", "ISO_IR 144"),
        ("Больница", "koi8-r", "KOI8-R"),
        ("Παπαδόπουλος", "cp1253", "ISO_IR 126"),
        ("ירושלים", "cp1255", "ISO_IR 138"),
        ("شرق الرياض", "cp1256", "Windows-1256"),
        ("قباني^لنزار", "iso8859-6", "ISO_IR 127"),
        ("โรงพยาบาลศิริราช", "cp874", "ISO_IR 166"),
        *((text, "gbk", "") for text in ("上海医疗", "北京协和医院", "重庆", "胸部平扫", "西门子", "广州")),
        *((text, "latin-1", "") for text in ("Größenmaßstab", "Hôpital Général", "ÄÖÜ", "ÉÈÊË", "Ångström", "µ°²³¹ß")),
        *((text, "latin-1", "") for text in ("Núñez^Ãñ", "À É Î Õ Ü ß", "÷×÷×÷×÷×", "abcdef", "")),
    ],
)
def test_words_of_another_alphabet_tell_their_character_set(text: str, codec: str, name: str) -> None:
    raw = text.encode(codec)
    assert likely_charset(raw, is_chinese=codec == "gbk") == name


def test_letters_of_latin_1_contradict_nothing(tmp_path: Path) -> None:
    texts = ["Müßig", "Größe", "ÄÖÜ", "Hôpital Général", "Señor Núñez", "Ångström"]
    write_series(tmp_path, 6, **NOBODY, Manufacturer=lambda k: Raw("LO", texts[k].ljust(16).encode("latin-1")))
    assert {one.code for one in check(dm.scan(tmp_path))} <= {"scanners"}


FULL: dict[str, Any] = {"BitsStored": 16, "HighBit": 15}


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({**FULL, "Modality": "MR", "LargestImagePixelValue": lambda k: (8240, 8244, 12852, 13625)[k]}, set()),
        (
            {**FULL, "Modality": "MR", "LargestImagePixelValue": 8240},
            set(),
        ),  # four files may have the same largest pixel
        ({**FULL, "Modality": "MR", "PixelPaddingValue": 8240}, {"padding"}),
        ({**FULL, "Modality": "MR", "PixelPaddingValue": 8240, "LargestImagePixelValue": 4000}, {"suspect-value"}),
        ({**FULL, "PixelPaddingValue": 8240}, {"suspect-value"}),  # 7216 HU
        ({"LargestImagePixelValue": either(8240, 4000)}, {"suspect-text"}),  # of 12 bits
    ],
)
def test_text_in_a_number_needs_proof(tmp_path: Path, changes: dict[str, Any], codes: set[str]) -> None:
    write_series(tmp_path, 4, **NOBODY, **changes)
    assert {one.code for one in check(dm.scan(tmp_path))} == codes


def test_the_same_extreme_in_all_files_of_a_maker_is_text(tmp_path: Path) -> None:
    makers = {"Manufacturer": lambda k: "A" if k < 10 else "B"}
    largest = {"LargestImagePixelValue": lambda k: 8240 if k < 10 else 8241 + k}
    write_series(tmp_path, 14, **NOBODY, **FULL, **makers, **largest, Modality="MR")
    text = only(dm.scan(tmp_path), "suspect-text")
    assert (text.tags, text.files) == (("LargestImagePixelValue",), 10)


@pytest.mark.parametrize(
    ("number", "codes"),
    [
        (lambda k: k + 1, set()),
        (lambda k: f"{k}.5", {"suspect-text"}),
        (lambda k: "9" * 60 + "x" * k, {"suspect-text"}),
    ],
)
def test_numbers_of_many_values_are_looked_at_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: Callable[[int], object], codes: set[str]
) -> None:
    monkeypatch.setattr(napari_dicommeta.findings.rules.values, "MAX_DISTINCT", 2)
    write_series(tmp_path, 4, **NOBODY, InstanceNumber=number, SliceLocation=lambda k: f"-2.50e+0{k}")
    assert {one.code for one in check(dm.scan(tmp_path))} == codes
