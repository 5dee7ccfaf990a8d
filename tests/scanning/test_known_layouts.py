"""Headers like the last ones are read by comparing them, and no reading depends on what was read before."""

from __future__ import annotations

import gc
import random
import struct
import weakref
from typing import Any

import numpy as np
import pytest
from dicom_factory import BIG, EXPLICIT, IMPLICIT, Raw, ct_content, ct_slice, dicom, element, file_meta, item
from recorders import CountingRecorder, both

from napari_dicommeta.dicom import elements
from napari_dicommeta.dicom.file_buffer import FileBuffer
from napari_dicommeta.dicom.header import parse_buffer
from napari_dicommeta.scanning import recorder as recorder_module
from napari_dicommeta.scanning.known_layouts import Shared
from napari_dicommeta.scanning.tables import catalog_of_recordings

REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
KEYWORDS = ("PatientID", "StationName", "ProtocolName", "StudyID", "AccessionNumber", "SeriesNumber", "ImageComments")
OPTIONAL = ("StationName", "ProtocolName", "AccessionNumber", "ImageComments")


@pytest.fixture
def alike(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the files whose headers were read by comparing them with the last ones."""
    numbers: list[int] = []
    settle = Shared.settle

    def counting(self: Shared) -> None:
        numbers.extend(self.files)
        settle(self)

    monkeypatch.setattr(Shared, "settle", counting)
    return numbers


def test_what_a_series_shares_is_compared_at_once(alike: list[int]) -> None:
    files = [ct_slice(k % 10, PatientID=f"P{k // 100}", StudyID=f"{k % 100:02}") for k in range(300)]
    recorder, catalog = both(files)
    assert recorder.loops == 2
    assert dict(catalog.values("PatientID")) == {"P0": 100, "P1": 100, "P2": 100}
    assert set(dict(catalog.values("StudyID")).values()) == {3}
    assert len(alike) > 280


def test_layouts_of_many_kinds_are_made_once_each() -> None:
    kinds = [{keyword: "x" for bit, keyword in enumerate(OPTIONAL) if kind >> bit & 1} for kind in range(12)]
    assert len(kinds) > recorder_module.MAX_TRIED
    files = [ct_slice(k, StudyID="1", **kinds[k % 12]) for k in range(96)]
    recorder, _ = both(files)
    assert len(recorder._known) == 12


def test_layouts_that_are_too_many_are_forgotten_and_headers_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "MAX_COLUMNS", 1)
    monkeypatch.setattr(recorder_module, "MAX_TRIED", 2)
    monkeypatch.setattr(recorder_module, "MAX_KEPT", 20_000)
    monkeypatch.setattr(recorder_module, "MAX_WAITING", 2)
    kinds = [{keyword: "x" for bit, keyword in enumerate(OPTIONAL[:3]) if kind >> bit & 1} for kind in range(7)]
    files = [ct_slice(k % 10, StudyID=f"{k // 20}", **kinds[k // 5 % 7]) for k in range(120)]
    recorder, _ = both(files)
    assert len(recorder._known) == 2
    assert recorder.loops < 40


def test_long_values_that_differ_are_coded_by_their_digests() -> None:
    files = [ct_slice(k % 10, ImageComments="x" * 300 + f"{k % 3:02}", StudyID=f"{k // 3:02}") for k in range(60)]
    _, catalog = both(files)
    assert sorted(dict(catalog.values("ImageComments")).values()) == [20, 20, 20]


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


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("extra", [8, 240, 246, 248, 252, 400])
def test_a_sequence_that_ends_before_the_end_it_declares_is_no_layout(extra: int, syntax: str) -> None:
    def nested(k: int) -> bytes:
        raw = item({"ReferencedSOPInstanceUID": "1.2.3"}, syntax != IMPLICIT) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
        dark = np.zeros((16, 12), dtype="<u2")
        changes = {"00400275": Raw("SQ", raw, len(raw) + extra), "InstanceNumber": k + 1}
        return dicom(ct_content(0, dark, **changes), syntax)

    _, catalog = both([nested(k) for k in range(8)])
    assert set(catalog.file_column("pixel_length").tolist()) == {384}


def test_items_that_end_before_the_end_they_declare_are_read_one_by_one() -> None:
    content = element(0x00081155, "1.2.3")
    end = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
    one = struct.pack("<HHL", 0xFFFE, 0xE000, len(content) + 16) + content + end
    for count in (1, 2, 3, 6):
        raw = ct_slice(0, ReferencedImageSequence=Raw("SQ", one * count))
        header = parse_buffer(FileBuffer(lambda at, n, raw=raw: raw[at : at + n], len(raw), raw), compact=True)
        assert header.reason == "an item declares more bytes than are left"


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_a_prefix_within_a_value_is_taken_the_same_in_any_order(syntax: str) -> None:
    def bare(name: str) -> bytes:
        shorter = {"ImageType": None, "SpecificCharacterSet": None, "SOPInstanceUID": "1.2", "SeriesDescription": None}
        return dicom(ct_content(0, PatientName=name, **shorter), syntax, preamble=False)

    start = bare("A" * 100).index(b"A" * 100)
    odd = bare("A" * (128 - start) + "DICM" + "A" * (start - 32))
    assert odd[128:132] == b"DICM"
    usual = [bare(letter * 100) for letter in "ABCDEF"]
    both([*usual, odd])
    both([odd, *usual])


def test_the_most_elements_of_a_file_are_counted_with_items_that_are_stepped_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elements, "MAX_ELEMENTS", 500)
    for count in range(15, 60):
        raw = ct_slice(0, ReferencedImageSequence=[{"ReferencedSOPInstanceUID": str(n % 2)} for n in range(count * 4)])
        both([raw])


def test_a_modification_time_of_the_far_future_loses_no_file() -> None:
    recorder = CountingRecorder()
    for k in range(4):
        raw = ct_slice(k)
        mtime = 1 << 63 if k == 2 else k
        recorder.add(str(k), len(raw), mtime, raw, lambda at, n, raw=raw: raw[at : at + n])  # type: ignore[misc]
    catalog = catalog_of_recordings([recorder.take()])
    assert catalog.n_files == 4
    assert max(catalog.file_column("mtime").tolist()) == (1 << 63) - 1


def test_a_recording_that_was_taken_is_kept_by_no_layout() -> None:
    recorder = CountingRecorder()
    tables = []
    for part in range(3):
        for k in range(12):
            raw = ct_slice(k, StudyID=str(part))
            recorder.add(f"{part}/{k}", len(raw), 0, raw, lambda at, n, raw=raw: raw[at : at + n])  # type: ignore[misc]
        tables.append(weakref.ref(recorder._table))
        recorder.take()
    gc.collect()
    assert [table() for table in tables] == [None] * 3
