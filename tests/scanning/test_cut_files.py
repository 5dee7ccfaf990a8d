"""Files that were cut off are partial, wherever the cut is; whole files are not, and cost nothing more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from coded_streams import GRAY, STREAMS
from dicom_factory import Raw, ct_slice, encapsulated, write_series
from pixel_factory import image

import napari_dicommeta as dm
from napari_dicommeta.dicom.codestream import TAIL
from napari_dicommeta.scanning import first_reads, recorder
from napari_dicommeta.scanning.recorder import Recorder
from napari_dicommeta.scanning.tables import catalog_of_recordings

J2K = "1.2.840.10008.1.2.4.90"


def coded(path: Path, syntax: str, frames: int = 1) -> bytes:
    image(path, [STREAMS[syntax]] * frames, GRAY.shape, syntax, "MONOCHROME2", samples=1)
    return path.read_bytes()


def scanned(files: list[bytes]) -> dm.Catalog:
    """Return the catalog of files that lie in memory, in their order."""
    reader = Recorder()
    for number, raw in enumerate(files):
        count = reader.reads.count("x", len(raw))

        def fetch(at: int, n: int, raw: bytes = raw) -> bytes:
            return raw[at : at + n]

        reader.add(f"{number:06}", len(raw), 0, raw[:count], fetch)
        reader.check_end(len(raw), raw[:count], fetch)
    return catalog_of_recordings([reader.take()])


@pytest.mark.parametrize("syntax", STREAMS)
@pytest.mark.parametrize("frames", [1, 3])
def test_each_cut_of_a_compressed_file_is_partial(tmp_path: Path, syntax: str, frames: int) -> None:
    raw = coded(tmp_path / "x.dcm", syntax, frames)
    start = raw.index(b"\xe0\x7f\x10\x00")
    sizes = range(start + 12, len(raw))
    catalog = scanned([raw, *(raw[:size] for size in sizes), raw])
    assert catalog.outcomes["ok"] == 2
    assert [failure.path for failure in catalog.partial] == [f"{n + 1:06}" for n in range(len(sizes))]
    assert all(failure.reason.startswith("the pixel data ") for failure in catalog.partial)


@pytest.mark.parametrize("syntax", STREAMS)
def test_a_cut_codestream_in_closed_pixel_data_is_partial(tmp_path: Path, syntax: str) -> None:
    stream = STREAMS[syntax]
    place = image(tmp_path / "x.dcm", [stream[:-5]], GRAY.shape, syntax, "MONOCHROME2", samples=1)
    catalog = dm.scan(tmp_path)
    if syntax == "1.2.840.10008.1.2.5":  # RLE has no end marker
        assert catalog.outcomes["ok"] == 1
        return
    stop = os.path.getsize(place.path) - 8
    reason = f"the codestream of the last frame ends early, at byte {stop:,}: it has no end marker"
    assert [failure.reason for failure in catalog.partial] == [reason]


def test_a_codestream_of_several_fragments_is_joined_to_find_its_end(tmp_path: Path) -> None:
    stream = STREAMS[J2K]
    parts = [stream[at : at + 64] for at in range(0, len(stream), 64)]
    for parts_, outcome in ((parts, "ok"), (parts[:-1], "partial")):
        pixels = encapsulated(parts_)
        padded = Raw(
            "OB", pixels.value[:-8] + b"\xfe\xff\x00\xe0\x40\0\0\0" + bytes(64) + pixels.value[-8:], 0xFFFFFFFF
        )
        for n, held in enumerate((pixels, padded)):
            image(tmp_path / f"{outcome}{n}.dcm", held, GRAY.shape, J2K, "MONOCHROME2", samples=1)
    assert sorted(Path(failure.path).name for failure in dm.scan(tmp_path).partial) == ["partial0.dcm", "partial1.dcm"]


@pytest.mark.parametrize("rest", [bytes(16), b"\xfc\xff\xfc\xffOB\0\0\x40\0\0\0" + bytes(64)])
def test_what_follows_whole_frames_is_no_cut(tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(coded(path, J2K) + rest)
    assert dm.scan(path).outcomes["ok"] == 1


def test_a_cut_slice_is_named_in_the_catalog_and_left_out_of_the_volume(tmp_path: Path) -> None:
    pixels = encapsulated([STREAMS[J2K]])
    size = {"Rows": 24, "Columns": 32, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    paths = write_series(tmp_path, 5, J2K, PixelData=pixels, **size)
    os.truncate(paths[2], paths[2].stat().st_size - 100)
    catalog = dm.scan(tmp_path)
    (failure,) = catalog.partial
    assert (Path(failure.path), failure.outcome) == (paths[2], "partial")
    assert failure.reason.startswith("the pixel data is cut off in its last fragment: ")
    volumes = dm.load(tmp_path)
    assert [volume.array.shape[0] for volume in volumes] == [4]
    assert [refusal.paths for refusal in volumes.refusals] == [(str(paths[2]),)]


def test_whole_files_cost_one_small_read_and_native_ones_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big = STREAMS[J2K] + bytes(20_000)  # more than the first read holds
    image(tmp_path / "coded.dcm", [big[:-20] + STREAMS[J2K][-20:]], GRAY.shape, J2K, "MONOCHROME2", samples=1)
    (tmp_path / "native.dcm").write_bytes(ct_slice(0) + bytes(20_000))
    reads: list[int] = []
    pread = first_reads.pread
    monkeypatch.setattr(first_reads, "pread", lambda at, count, start: reads.append(count) or pread(at, count, start))
    monkeypatch.setattr(recorder, "ending_fault", None)
    monkeypatch.setattr(recorder.Recorder, "_fetch", None)
    assert dm.scan(tmp_path, workers=1).n_files == 2
    assert reads == [TAIL]


def test_a_syntax_that_contradicts_the_pixel_data_hides_no_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    raw = coded(path, J2K).replace(J2K.encode(), b"1.2.840.10008.1.2.1\0\0\0")
    path.write_bytes(raw[:-40])
    assert dm.scan(path).outcomes["partial"] == 1
    path.write_bytes(raw)
    assert [failure.reason for failure in dm.scan(path).partial] == [
        "the transfer syntax UID is padded with more than one byte"
    ]
