"""Goals of reliability that concern one file: mutated and cut headers, malformed cases, bounded work."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from coded_streams import GRAY, STREAMS
from dicom_factory import BIG, DEFLATED, EXPLICIT, IMPLICIT, ct_pixels, ct_slice, enhanced
from pixel_factory import image
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement

import napari_dicommeta as dm
from napari_dicommeta.dicom.header import parse_header
from napari_dicommeta.scanning.recorder import Recorder
from napari_dicommeta.scanning.tables import catalog_of_recordings
from napari_dicommeta.support.errors import HeaderError, PixelError

Figure = Callable[[str, str], None]

MUTATE = """
import random, resource, sys, time
sys.path.insert(0, {tests!r})
from dicom_factory import BIG, DEFLATED, EXPLICIT, IMPLICIT, ct_slice
from napari_dicommeta.scanning.recorder import Recorder
from napari_dicommeta.scanning.tables import catalog_of_recordings

seed, count = {seed}, {count}
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))  # of which the libraries take a half
items = [{{"CodeValue": "A", "CodeMeaning": "x"}}] * 3
seeds = [ct_slice(1, syntax, ProcedureCodeSequence=items) for syntax in (EXPLICIT, IMPLICIT, BIG, DEFLATED)]
draw = random.Random(seed)
slowest, outcomes, memory = 0.0, {{}}, 0
for batch in range(0, count, 500):
    recorder = Recorder()
    for number in range(500):
        raw = bytearray(draw.choice(seeds))
        for _ in range(draw.randint(1, 6)):
            if not raw:
                break
            at, kind = draw.randrange(min(draw.choice((0, 132, 132, 132)), len(raw) - 1), len(raw)), draw.randrange(5)
            if kind == 0:
                raw[at] ^= 1 << draw.randrange(8)
            elif kind == 1:
                raw[at : at + 4] = draw.choice((b"\\xff\\xff\\xff\\xff", b"\\0\\0\\0\\0", b"\\xfe\\xff\\x00\\xe0"))
            elif kind == 2:
                del raw[at : at + draw.randrange(1, 40)]
            elif kind == 3:
                raw[at:at] = raw[at : at + draw.randrange(1, 40)]
            else:
                del raw[at:]
        data = bytes(raw)
        began = time.perf_counter()
        first, tail = data[:8192], data[-32:]
        recorder.take_in(f"{{number}}", (len(data), 0, first, "", "", tail))
        slowest = max(slowest, time.perf_counter() - began)
    catalog = catalog_of_recordings([recorder.take()])
    assert sum(catalog.outcomes.values()) == 500
    assert not [one for one in catalog.failures if "unexpected" in one.reason], catalog.failures
    catalog.tags()
    for outcome, n in catalog.outcomes.items():
        outcomes[outcome] = outcomes.get(outcome, 0) + n
    if batch == 500:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory if memory else 0
print(outcomes, f"slowest {{slowest:.2f}} s, {{grown / 1024:.0f}} MB more")
assert slowest < 2 and grown < 30 << 10, (slowest, grown)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_g1_mutated_headers(is_long: bool, figure: Figure) -> None:
    count = 50_000 if is_long else 3_000
    code = MUTATE.format(tests=str(Path(__file__).parents[1]), seed=20, count=count)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figure("G1", f"{count:,} mutated headers: 0 deaths, 0 exceptions; {done.stdout.strip()}")


def delimited(whole: bytes) -> bytes:
    """Return a file with the sequences of undefined length, and delimiters after them and after each item."""
    data_set, written = pydicom.dcmread(io.BytesIO(whole)), io.BytesIO()
    for sequence in (element for element in data_set.iterall() if element.VR == "SQ"):
        sequence.is_undefined_length = True
        for item in sequence.value:
            item.is_undefined_length_sequence_item = True
    pydicom.dcmwrite(written, data_set)
    return written.getvalue()


def damaged(whole: bytes, draw: random.Random) -> bytes:
    """Return a header with one to three faults: bits, bytes, lengths and delimiters, blocks lost or doubled."""
    raw = bytearray(whole)
    for _ in range(draw.choice((1, 1, 2, 3))):
        at, kind = draw.randrange(132, len(raw) - 400), draw.randrange(5)
        if kind == 0:
            raw[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            raw[at : at + 4] = draw.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xfe\xff\x00\xe0"))
        elif kind == 2:
            del raw[at : at + draw.randrange(1, 40)]
        elif kind == 3:
            raw[at:at] = raw[at : at + draw.randrange(1, 40)]
        else:
            raw[at] = draw.randrange(256)
    return bytes(raw)


class TooFewBytes(Exception):
    """pydicom takes fewer bytes for a value than the value declares, which it does without a word."""


def raw_values(data_set: pydicom.Dataset, path: str = "") -> dict[str, list[bytes | None]]:
    """Return the values of each path as pydicom reads them, item by item; None for those that it converts at once."""
    values: dict[str, list[bytes | None]] = {}
    for tag in data_set.keys():  # noqa: SIM118  a data set iterates over values
        element, key = data_set.get_item(tag), f"{path}{int(tag):08x}"
        is_raw = isinstance(element, RawDataElement)
        if is_raw and len(element.value or b"") < element.length < 0xFFFFFFFF:
            raise TooFewBytes
        if (element.VR or (dictionary_has_tag(tag) and dictionary_VR(tag))) == "SQ":
            for item in data_set[tag].value or ():
                for inner, inner_values in raw_values(item, f"{key}/").items():
                    values.setdefault(inner, []).extend(inner_values)
        else:
            values.setdefault(key, []).append((element.value or b"") if is_raw else None)
    return values


def values_of_pydicom(raw: bytes) -> dict[str, list[bytes | None]] | None:
    """Return what `raw_values` does; None if pydicom raises, or reads values that are cut."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return raw_values(pydicom.dcmread(io.BytesIO(raw), stop_before_pixels=True))
    except Exception:  # noqa: BLE001  pydicom raises many kinds of errors
        return None


def is_compared(key: str) -> bool:
    """Return whether both name an element alike: private ones have other keys, and lengths of groups are left out."""
    return all(int(tag[:4], 16) % 2 == 0 and tag[4:] != "0000" for tag in key.split("/"))


def test_g2_mutated_headers_have_the_values_that_pydicom_reads_or_are_partial(is_long: bool, figure: Figure) -> None:
    inner = [{"CodeValue": f"I{n}", "CodeMeaning": "inner", "CodingSchemeDesignator": "DCM"} for n in range(2)]
    items = [{"CodeValue": "A", "CodeMeaning": "x", "PurposeOfReferenceCodeSequence": inner}] * 3
    wholes = [ct_slice(1, syntax, ProcedureCodeSequence=items) for syntax in (EXPLICIT, IMPLICIT, BIG)]
    wholes += [delimited(ct_slice(1, syntax, ProcedureCodeSequence=items)) for syntax in (EXPLICIT, IMPLICIT)]
    draw, count = random.Random(2), 50_000 if is_long else 1_000
    ends: Counter[str] = Counter()
    nested = 0
    for number in range(count):
        raw = damaged(draw.choice(wholes), draw)
        try:
            header = parse_header(lambda at, n, raw=raw: raw[at : at + n], len(raw))  # type: ignore[misc]
        except HeaderError:
            ends["rejected"] += 1
            continue
        if header.reason:
            ends["partial"] += 1
            continue
        if (theirs := values_of_pydicom(raw)) is None:
            ends["pydicom fails"] += 1
            continue
        ours: dict[str, list[bytes | None]] = {}
        for element in header.elements:
            if ":" not in element.key and element.vr != b"SQ" and element.key[:4] != "0002":
                ours.setdefault(element.key, []).append(raw[element.start : element.start + element.length])
        compared = {key for key in {*ours, *theirs} if is_compared(key) and None not in theirs.get(key, ())}
        assert {key: ours.get(key) for key in compared} == {key: theirs.get(key) for key in compared}, number
        nested += any("/" in key for key in compared)
        ends["equal"] += 1
    assert min(ends["equal"], nested) > count // 10
    figure("G2", f"{count:,} mutated headers: 0 with another value than pydicom and outcome ok; {dict(ends)}")


def outcomes_of_cuts(raw: bytes, sizes: range) -> dict[str, int]:
    """Return how many of the cuts of a file to `sizes` bytes have each outcome."""
    recorder = Recorder()
    for size in sizes:
        cut = raw[:size]

        def fetch(at: int, n: int, cut: bytes = cut) -> bytes:
            return cut[at : at + n]

        try:
            recorder.add(f"{size:06}", size, 0, cut[:8192], fetch)
            recorder.check_end(size, cut[:8192], fetch, cut[-32:])
        except HeaderError as error:
            recorder.fail(f"{size:06}", "rejected", str(error), error.code)
    return catalog_of_recordings([recorder.take()]).outcomes


def test_g3_every_cut_of_native_and_compressed_files_is_seen(tmp_path: Path, figure: Figure) -> None:
    frames = [{"ImagePositionPatient": [0, 0, z]} for z in range(2)]
    files = {syntax: ct_slice(0, syntax) for syntax in (EXPLICIT, IMPLICIT, BIG, DEFLATED)}
    files["enhanced"] = enhanced([ct_pixels(k) for k in range(2)], frames)
    for syntax in list(STREAMS)[:5]:
        image(tmp_path / "x.dcm", [STREAMS[syntax]], GRAY.shape, syntax, "MONOCHROME2", samples=1)
        files[syntax] = (tmp_path / "x.dcm").read_bytes()
    cuts = 0
    for raw in files.values():
        assert outcomes_of_cuts(raw, range(len(raw), len(raw) + 1))["ok"] == 1
        outcomes = outcomes_of_cuts(raw, range(len(raw)))
        assert outcomes["ok"] == 0, outcomes
        cuts += len(raw)
    figure("G3", f"{cuts:,} cuts of {len(files)} files (5 native, 5 compressed): 0 with outcome ok")


def test_g4_malformed_cases(shared: Path, tmp_path: Path, is_long: bool, figure: Figure) -> None:
    subprocess.run([sys.executable, shared / "malformed" / "make.py", tmp_path], check=True, capture_output=True)
    cases = json.loads((tmp_path / "manifest.json").read_text())
    began = time.process_time()  # of this process alone: others may share its cores
    catalog = dm.scan(tmp_path, workers=1)
    seconds = time.process_time() - began
    entries = {failure.path: failure.outcome for failure in (*catalog.partial, *catalog.failures)}
    entries = {**dict.fromkeys(catalog.paths, "ok"), **entries}
    assert len(entries) == sum(catalog.outcomes.values())
    wrong = []
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    for name, case in cases.items():
        path = tmp_path / name
        if path.is_dir() and not path.is_symlink():
            continue  # series and folders: tests/scanning/test_malformed.py
        outcome, wanted = entries[str(path)], case["want"]
        is_open = outcome == "ok" and is_long and wanted == "reject"  # damage of values is named by flags and findings
        if is_open and not (is_root and "000" in case["note"]) and not is_refused(path):
            wrong.append((name, outcome, wanted))
        if wanted in ("ok", "skip") and outcome != {"ok": "ok", "skip": "skipped"}[wanted] and name not in BOUNDED:
            wrong.append((name, outcome, wanted))
    assert {name for name, _, _ in wrong} <= SHOWN, wrong
    figure(
        "G4",
        f"{len(cases)} malformed cases: 0 tracebacks, {len(wrong)} that should be refused, {seconds:.0f} s of a core",
    )


BOUNDED = {"b65_100k_private_elements.dcm"}
"""A whole file with more tags than are counted, which says so."""
SHOWN = {"d50_eot_wrong.dcm", "d66_j2k_garbage.dcm"}
"""Cases that open: one frame, for which a wrong table of offsets is not needed; and a codestream of no codes, of which
OpenJPEG makes a constant image."""


def is_refused(path: Path) -> bool:
    """Return whether opening a file names it as one that cannot be opened, or says what was assumed."""
    try:
        volumes = dm.load(path)
        for volume in volumes:
            np.asarray(volume.array)
    except (dm.LoadError, PixelError) as error:
        return path.name in str(error)
    return any(note.severity == "decision" for volume in volumes for note in volume.notes)


def test_g5_bounded_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: Figure) -> None:
    sparse, whole = tmp_path / "sparse.dcm", ct_slice(0)
    sparse.write_bytes(whole)
    os.truncate(sparse, 3 << 30)
    from napari_dicommeta.files import byte_file
    from napari_dicommeta.scanning import first_reads

    read: list[int] = []
    for module, name in ((first_reads.os, "read"), (first_reads, "pread"), (byte_file, "pread")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *where, real=real: read.append(where[1]) or real(*where))
    began = time.perf_counter()
    assert dm.scan(sparse, workers=1).n_files == 1
    seconds = time.perf_counter() - began
    assert sum(read) <= 128 << 10
    figure("G5", f"a sparse file of 3 GiB: {sum(read):,} bytes read, {seconds * 1e3:.0f} ms with all else of a scan")
