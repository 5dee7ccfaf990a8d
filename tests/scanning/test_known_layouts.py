"""Headers like the last ones are read by comparing them, and no reading depends on what was read before."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from dicom_factory import BIG, EXPLICIT, IMPLICIT, Raw, ct_slice, dicom, element, file_meta, item
from recorders import CountingRecorder, both

from napari_dicommeta.scanning.known_layouts import KnownExact
from napari_dicommeta.scanning.value_codes import ValueTable

REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
KEYWORDS = ("PatientID", "StationName", "ProtocolName", "StudyID", "AccessionNumber", "SeriesNumber", "ImageComments")


@pytest.fixture
def alike(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the files whose headers were read by comparing them with the last ones."""
    numbers: list[int] = []
    original = KnownExact.add_alike

    def counting(self: KnownExact, first: bytes, table: ValueTable, file: int) -> bool:
        is_alike = original(self, first, table, file)
        if is_alike:
            numbers.append(file)
        return is_alike

    monkeypatch.setattr(KnownExact, "add_alike", counting)
    return numbers


def test_what_a_series_shares_is_compared_at_once(alike: list[int]) -> None:
    files = [ct_slice(k % 10, PatientID=f"P{k // 100}", StudyID=f"{k % 100:02}") for k in range(300)]
    recorder, catalog = both(files)
    assert recorder.loops == 2
    assert dict(catalog.values("PatientID")) == {"P0": 100, "P1": 100, "P2": 100}
    assert set(dict(catalog.values("StudyID")).values()) == {3}
    assert len(alike) > 280


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize("seed", range(4))
def test_values_that_change_at_any_time_are_read_the_same(seed: int, syntax: str, alike: list[int]) -> None:
    chance = random.Random(seed)
    rates = {keyword: chance.choice([0.005, 0.02, 0.1, 0.5, 1]) for keyword in KEYWORDS}
    now: dict[str, Any] = dict.fromkeys(KEYWORDS, "0")
    files = []
    for _ in range(400):
        for keyword, rate in rates.items():
            if chance.random() < rate:
                now[keyword] = str(chance.randrange(4))
        files.append(ct_slice(chance.randrange(10), syntax, **now))
    both(files)
    assert alike


def test_another_recording_begins_with_its_own_codes() -> None:
    recorder = CountingRecorder()
    counts = []
    for part in range(3):
        for k in range(20):
            raw = ct_slice(k % 10, PatientID=f"P{part}", StudyID=f"{k:02}")
            recorder.add(f"{part}/{k}", len(raw), 0, raw, lambda at, n, raw=raw: raw[at : at + n])  # type: ignore[misc]
        counts.append(recorder.take())
    for part, recording in enumerate(counts):
        assert recording.n_files == 20
        held = dict(recording.columns)
        assert held["00100020"].data == b"LO.P%d" % part
        assert len(held["00200010"].bounds) == 21


def test_blocks_of_two_groups_are_reserved_by_their_own_creators() -> None:
    changes = {"00090010": "NINE", "00091001": "a", "00110010": "ELEVEN", "00111001": "b", "00111102": "c"}
    _, catalog = both([ct_slice(k, **changes) for k in range(4)])
    assert dict(catalog.values("(0009,xx01,NINE)")) == {"a": 4}
    assert dict(catalog.values("(0011,xx01,ELEVEN)")) == {"b": 4}
    only = {"00090010": "NINE", "00091001": "a", "00111001": "b"}
    _, catalog = both([ct_slice(k, **only) for k in range(4)])
    assert not dict(catalog.values("(0011,xx01,NINE)"))  # no element reserves the block of group 0011
    assert dict(catalog.values("(0011,1001)")) == {"b": 4}


@pytest.mark.parametrize("vr", ["US", "SS"])
def test_a_creator_whose_end_looks_like_a_tag_says_nothing_of_the_sign(vr: str) -> None:
    changes = {"00090010": "MAKER 00280106", "00091001": Raw(vr, b"\xf8\xff"), "PixelRepresentation": vr == "US"}
    _, catalog = both([ct_slice(k, **changes) for k in range(4)])
    assert dict(catalog.values("(0009,xx01,MAKER 00280106)")) == {"65528" if vr == "US" else "-8": 4}


def test_a_first_length_that_looks_like_a_vr_is_read_the_same_in_any_order() -> None:
    length = int.from_bytes(b"DA", "little")
    assert length % 2 == 0

    def bare(count: int, k: int) -> bytes:
        return element(0x00080001, Raw("UN", b"x" * count), explicit=False) + dicom(
            {"SOPClassUID": REPORT, "Modality": "SR", "InstanceNumber": str(k)}, IMPLICIT, preamble=False
        )

    for prefix in (b"", b"\0" * 128 + b"DICM" + file_meta(IMPLICIT, sop_class=REPORT)):
        ordinary = [prefix + bare(count, k) for k, count in enumerate((200, 202, 204, 200, 202, 204))]
        long = [prefix + bare(count, k) for k, count in enumerate((length - 4, length - 2, length, length - 4, length))]
        for files in (ordinary + long, long + ordinary, long[::-1]):
            both(files)


def test_the_first_length_in_items_of_unknown_vr_is_read_the_same_in_any_order() -> None:
    length = int.from_bytes(b"DA", "little")

    def nested(count: int, k: int) -> bytes:
        raw = item({"00080104": Raw("LO", b"x" * count), "00080106": str(k % 10)}, explicit=False)
        end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
        return ct_slice(k % 10, ProcedureCodeSequence=Raw("UN", raw + end, 0xFFFFFFFF))

    files = [nested(count, k) for k, count in enumerate((length - 2, length - 4, length - 2, length, length - 2))]
    both(files)
    both(files[::-1])


def test_items_of_unknown_vr_in_big_endian_data_are_read_the_same() -> None:
    def nested(words: bytes, k: int) -> bytes:
        raw = item({"00280010": Raw("US", words)}, explicit=False)
        end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
        return ct_slice(k, BIG, ProcedureCodeSequence=Raw("UN", raw + end, 0xFFFFFFFF))

    both([nested(words, k) for k, words in enumerate((b"", b"", b"\1\0", b"", b"\1\0\2\0", b"\1\0"))])
