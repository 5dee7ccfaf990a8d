from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import FRACTION, NOT_A_NUMBER, TEXT_IN_NUMBER, UNDECODABLE, decode, number, shortest
from napari_dicommeta.support.words import display


def meaning(keyword: str, value: bytes):
    return decode(value, TagPath.parse(keyword))


@pytest.mark.parametrize(
    ("stored", "text", "spelling"),
    [
        (b"1", "1", "1"),
        (b"1.0 ", "1", "1.0"),
        (b"1.000000", "1", "1.000000"),
        (b" +1 ", "1", "+1"),
        (b"-0.0", "0", "-0.0"),
        (b"1e3 ", "1000", "1e3"),
        (b"0.50\\0.500", "0.5\\0.5", "0.50\\0.500"),
        (b"1.0002441", "1.0002441", "1.0002441"),
        (b"00060", "60", "00060"),
        (b"", "", ""),
        (b"1\\\\3", "1\\\\3", "1\\\\3"),
    ],
)
def test_decimal_strings_mean_their_number_component_by_component(stored: bytes, text: str, spelling: str) -> None:
    found = meaning("RescaleSlope", b"DS." + stored)
    assert (found.text, found.spelling, found.flag) == (text, spelling, "")


@pytest.mark.parametrize("stored", [b"NaN", b"1e999", b"1_0 ", b"1,5 ", b"0x10", b"--5", b"2.5mm", b"inf "])
def test_what_is_no_number_stays_text_and_is_flagged(stored: bytes) -> None:
    found = meaning("KVP", b"DS." + stored)
    assert found.flag == NOT_A_NUMBER
    assert found.text == stored.decode().strip()


def test_a_fraction_in_an_integer_string_is_read_and_flagged() -> None:
    found = meaning("InstanceNumber", b"IS.1.0 ")
    assert (found.text, found.flag) == ("1", FRACTION)


def test_the_same_bytes_are_one_value_whatever_their_vr() -> None:
    texts = {meaning("PixelPaddingValue", vr + b"s\x30\xf8").text for vr in (b"US", b"SS", b"xs")}
    assert texts == {"-2000"}
    assert meaning("PixelPaddingValue", b"USs\x30\xf8").spelling == "63536"
    assert meaning("PixelPaddingValue", b"xss\x30\xf8").spelling == "63536"
    assert meaning("PixelPaddingValue", b"SSs\x30\xf8").spelling == "-2000"


def test_text_in_a_number_field_is_flagged_not_merged() -> None:
    found = meaning("PixelPaddingValue", b"USs0 ")
    assert (found.text, found.flag) == ("8240", TEXT_IN_NUMBER)


def test_floats_are_their_shortest_decimal() -> None:
    import struct

    assert meaning("RealWorldValueSlope", b"FD." + struct.pack("<d", 0.1)).text == "0.1"
    assert decode(b"FL." + struct.pack("<f", 0.1), TagPath.parse("00189313")).text == "0.1"


def test_texts_are_decoded_by_their_character_set() -> None:
    found = meaning("PatientName", b"PNcISO_IR 192\nM\xc3\xbcller^J\xc3\xb6 ")
    assert (found.text, found.flag) == ("Müller^Jö", "")
    broken = meaning("PatientName", b"PNcISO_IR 192\nM\xfcller^J\xf6")
    assert broken.flag


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**8), max_value=10**8))
def test_the_shortest_decimal_is_the_same_number_and_its_own_shortest(value: Decimal) -> None:
    text = shortest(str(value))
    assert text is not None
    assert Decimal(text) == value
    assert shortest(text) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-999, max_value=999), st.integers(0, 4))
def test_zeros_and_signs_change_no_meaning(value: Decimal, zeros: int) -> None:
    plain = format(value, "f")
    padded = ("" if plain.startswith("-") else "+") + plain + ("0" * zeros if "." in plain else "")
    assert shortest(padded) == shortest(plain)


def test_number_refuses_what_python_would_take() -> None:
    assert [number(text) for text in ("1_000", "nan", "infinity", "1e400", "١")] == [None] * 5


def test_display_escapes_what_a_screen_must_not_obey() -> None:
    shown = display("a\x1b[31m\r\n\u202egnp" + "x" * 300)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\n" not in shown
    assert len(shown) == 200


def test_a_character_set_that_is_none_leaves_the_text_readable_and_flagged() -> None:
    meaning = decode(b"PNcISO\x00_IR 100\nM\xfcller", TagPath.parse("PatientName"))
    assert (meaning.text, meaning.flag) == ("Müller", UNDECODABLE)
