from __future__ import annotations

import gzip
import io
import shutil
import struct
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coded_streams import STREAMS
from dicom_factory import ct_content, dicom, encapsulated, write_series

import napari_dicommeta as dm
from napari_dicommeta.dicom.header import is_dicom
from napari_dicommeta.files import inflated_stream, members, opening, zip_contents
from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.files.byte_file import PlainFile
from napari_dicommeta.scanning import listing
from napari_dicommeta.support.errors import LoadError, PixelError

NAMES = ("inside/im001.dcm", "inside/im002.dcm", "inside/im003.dcm")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_series(tmp_path / "in" / "inside", 3)
    return tmp_path / "in"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.dcm"))}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return out.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w", pax: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=pax) as archive:
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return out.getvalue()


KINDS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "x.zip": zipped,
    "stored.ZIP": lambda files: zipped(files, zipfile.ZIP_STORED),
    "x.tar": tarred,
    "x.tar.gz": lambda files: tarred(files, "w:gz"),
    "x.tgz": lambda files: tarred(files, "w:gz", tarfile.GNU_FORMAT),
}


def content(catalog: dm.Catalog) -> list[dict[str, Any]]:
    rows = catalog.to_arrow("spelling").drop_columns("path").to_pylist()
    return sorted(rows, key=lambda row: row["SOPInstanceUID"])


@pytest.mark.parametrize("name", KINDS)
def test_an_archive_is_listed_counted_and_opened_like_its_folder(folder: Path, tmp_path: Path, name: str) -> None:
    archive = tmp_path / name
    archive.write_bytes(KINDS[name](files_of(folder)))
    catalog, expected = dm.scan(archive), dm.scan(folder)
    assert catalog.paths == tuple(str(archive / member) for member in NAMES)
    assert content(catalog) == content(expected)
    assert catalog.failures == ()
    volume, same = dm.load(archive)[0], dm.load(folder)[0]
    np.testing.assert_array_equal(np.asarray(volume.array), np.asarray(same.array))
    np.testing.assert_array_equal(volume.geometry.affine, same.geometry.affine)
    assert [Path(path).name for path, _ in volume.files] == [Path(path).name for path, _ in same.files]


@pytest.mark.parametrize("name", KINDS)
def test_a_path_leads_back_into_the_archive(folder: Path, tmp_path: Path, name: str) -> None:
    files = files_of(folder)
    (tmp_path / name).write_bytes(KINDS[name]({**files, "other/a.dcm": files[NAMES[0]]}))
    one = dm.load(tmp_path / name / NAMES[1])[0]
    np.testing.assert_array_equal(np.asarray(one.array), np.asarray(dm.load(folder / NAMES[1])[0].array))
    assert dm.scan(tmp_path / name / "inside").paths == tuple(str(tmp_path / name / member) for member in NAMES)
    assert is_dicom(str(tmp_path / name / NAMES[0]))
    for nothing in ("nothing", "inside/nothing.dcm", f"{NAMES[0]}/x", "insi"):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            dm.scan(tmp_path / name / nothing)


def test_an_archive_among_the_files_of_a_folder(folder: Path, tmp_path: Path) -> None:
    files = files_of(folder)
    (folder / "inside" / "more.zip").write_bytes(zipped({"a.dcm": files[NAMES[0]]}))
    (folder / "inside" / "table.xlsx").write_bytes(zipped({"a.xml": b"<a/>"}))
    catalog = dm.scan(folder)
    assert [Path(path).relative_to(folder).as_posix() for path in catalog.paths] == [*NAMES, "inside/more.zip/a.dcm"]
    assert [failure.code for failure in catalog.failures] == ["archive"]  # a spreadsheet, by its name


@pytest.mark.parametrize("outer", ["x.zip", "stored.ZIP", "x.tar", "x.tar.gz"])
@pytest.mark.parametrize("inner", ["y.zip", "y.tar.gz"])
def test_an_archive_in_an_archive(folder: Path, tmp_path: Path, outer: str, inner: str) -> None:
    files = files_of(folder)
    nested = KINDS[inner.replace("y", "x")](files)
    (tmp_path / outer).write_bytes(KINDS[outer]({f"deep/{inner}": nested, "b.dcm.gz": gzip.compress(files[NAMES[0]])}))
    catalog = dm.scan(tmp_path / outer)
    inside = tmp_path / outer / "deep" / inner
    assert catalog.paths == (str(tmp_path / outer / "b.dcm.gz"), *(str(inside / name) for name in NAMES))
    volume = dm.load(inside)[0]
    np.testing.assert_array_equal(np.asarray(volume.array), np.asarray(dm.load(folder)[0].array))
    assert dm.load(inside / "inside")[0].array.shape == volume.array.shape
    (tmp_path / "deeper.zip").write_bytes(zipped({outer: (tmp_path / outer).read_bytes()}))
    (failure,) = dm.scan(tmp_path / "deeper.zip").failures
    assert failure.path == str(tmp_path / "deeper.zip" / outer / "deep" / inner)
    assert "unpack it" in failure.reason


def test_a_gzip_file_stands_for_what_it_holds(folder: Path, tmp_path: Path) -> None:
    for path in sorted(folder.rglob("*.dcm")):
        raw = path.read_bytes()  # two streams in one file, as some programs write them
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(raw[:700]) + gzip.compress(raw[700:]))
        path.unlink()
        path.with_suffix(".gz").write_bytes((tmp_path / f"{path.name}.gz").read_bytes())
    (folder / "scan.nii.gz").write_bytes(gzip.compress(b"n+1" * 1000))
    catalog = dm.scan(folder)
    assert catalog.n_files == 3
    assert [failure.code for failure in catalog.failures] == ["not-dicom"]
    write_series(tmp_path / "again", 3)
    assert content(catalog) == content(dm.scan(tmp_path / "again"))
    np.testing.assert_array_equal(
        np.asarray(dm.load(folder)[0].array), np.asarray(dm.load(tmp_path / "again")[0].array)
    )


def test_compressed_frames_in_an_archive(tmp_path: Path) -> None:
    syntax = next(iter(STREAMS))
    raw = dicom(ct_content(PixelData=encapsulated([STREAMS[syntax]])), syntax)
    (tmp_path / "a.dcm").write_bytes(raw)
    (tmp_path / "cut.dcm").write_bytes(raw[:-20])
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        (tmp_path / "x.zip").write_bytes(zipped({"a.dcm": raw, "cut.dcm": raw[:-20]}, method))
        catalog = dm.scan(tmp_path / "x.zip")
        assert content(catalog) == content(dm.scan([tmp_path / "a.dcm", tmp_path / "cut.dcm"]))
        assert [failure.path for failure in catalog.partial] == [str(tmp_path / "x.zip" / "cut.dcm")]


def test_members_are_read_in_place_or_inflated_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = BoundedCache[bytes](1 << 20, len)
    monkeypatch.setattr(inflated_stream, "_BLOCKS", blocks)
    made: list[int] = []
    make = inflated_stream.InflatedStream._block
    monkeypatch.setattr(
        inflated_stream.InflatedStream, "_block", lambda stream, *where: made.append(where[1]) or make(stream, *where)
    )
    monkeypatch.setattr(inflated_stream, "HEAD", 100)
    for method, count in ((zipfile.ZIP_STORED, 0), (zipfile.ZIP_DEFLATED, 3)):
        (tmp_path / "x.zip").write_bytes(zipped(files_of(folder), method))
        volume = dm.load(tmp_path / "x.zip")[0]
        np.asarray(volume.array)
        np.asarray(dm.load(tmp_path / "x.zip")[0].array)
        assert len(made) == count
    assert blocks.used <= 1 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_scan_reads_each_member_of_a_zip_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: int) -> None:
    streams = BoundedCache[inflated_stream.InflatedStream](100, lambda _: 1)
    monkeypatch.setattr(opening, "_STREAMS", streams)
    reads: list[int] = []
    read = PlainFile.read
    monkeypatch.setattr(PlainFile, "read", lambda file, *where: reads.append(where[0]) or read(file, *where))
    pixels = np.random.default_rng(0).integers(0, 4096, (128, 128)).astype("<u2")
    raws = [dicom(ct_content(k, pixels=pixels)) for k in range(12)]
    counts = []
    for n in (6, 12):
        (tmp_path / f"{n}.zip").write_bytes(zipped({f"{k}.dcm": raws[k] for k in range(n)}, method))
        reads.clear()
        assert dm.scan(tmp_path / f"{n}.zip", workers=1).n_files == n
        counts.append(len(reads))
    assert counts[1] - counts[0] == 6
    assert streams.used <= 2  # a header needs none but for the first member, of which more is read
    first, *_ = dm.scan(tmp_path / "12.zip").paths
    np.testing.assert_array_equal(np.asarray(dm.load(first)[0].array)[0], pixels.astype(np.int16) - 1024)


def test_names_in_other_encodings_stay_whole(folder: Path, tmp_path: Path) -> None:
    raw = files_of(folder)[NAMES[0]]
    plain = zipped({"aaaa.dcm": raw}, zipfile.ZIP_STORED)
    for stored, shown in ((b"\x81\x9a\x84\x94.dcm"[:8], "üÜäö.dcm"), ("é\u00fc.d".encode() + b"cm", "éü.dcm")):
        (tmp_path / "x.zip").write_bytes(plain.replace(b"aaaa.dcm", stored))
        (path,) = dm.scan(tmp_path / "x.zip").paths
        assert path == str(tmp_path / "x.zip" / shown)
        assert len(dm.load(path)) == 1
    (tmp_path / "x.tar").write_bytes(tarred({"日本/\udc81\udcff.dcm": raw}, pax=tarfile.GNU_FORMAT))
    (path,) = dm.scan(tmp_path / "x.tar").paths
    assert path == str(tmp_path / "x.tar" / "日本" / "\udc81\udcff.dcm")
    assert len(dm.load(path)) == 1


@pytest.mark.parametrize("name", KINDS)
def test_of_an_archive_that_is_cut_off_the_rest_opens(folder: Path, tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)  # what cannot be compressed, so that a cut loses something
    files = {f"f{k}.dcm": raw + rng.bytes(20_000) for k, raw in enumerate(files_of(folder).values())}
    whole = KINDS[name](files)
    (tmp_path / name).write_bytes(whole[: len(whole) * 5 // 6])
    write_series(tmp_path / "beside", 1)
    catalog = dm.scan([tmp_path / name, tmp_path / "beside"])
    assert {str(tmp_path / name / "f0.dcm"), str(tmp_path / name / "f1.dcm")} <= set(catalog.paths)
    reasons = {failure.path: failure.reason for failure in catalog.failures}
    assert "cut off" in reasons[str(tmp_path / name)]
    assert "again" in reasons[str(tmp_path / name)]
    assert len(dm.load([tmp_path / name, tmp_path / "beside"])) > 0


def test_a_zip_without_directory_whose_headers_state_no_sizes(folder: Path, tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.parts: list[bytes] = []

        def writable(self) -> bool:
            return True

        def write(self, raw: Any) -> int:
            self.parts.append(bytes(raw))
            return len(raw)

    pipe = Pipe()
    files = files_of(folder)
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    whole = b"".join(pipe.parts)
    (tmp_path / "x.zip").write_bytes(whole)
    assert content(dm.scan(tmp_path / "x.zip")) == content(dm.scan(folder))
    (tmp_path / "x.zip").write_bytes(whole[: whole.index(b"PK\1\2")])
    catalog = dm.scan(tmp_path / "x.zip")
    assert content(catalog) == content(dm.scan(folder))
    np.testing.assert_array_equal(np.asarray(dm.load(catalog)[0].array), np.asarray(dm.load(folder)[0].array))


def test_members_that_cannot_be_read_are_named_with_what_to_do(folder: Path, tmp_path: Path) -> None:
    files = files_of(folder)
    raw = bytearray(zipped(dict(zip(("a.dcm", "b.dcm", "c.dcm"), files.values(), strict=True))))
    places = [i for i in range(len(raw)) if raw[i : i + 4] == b"PK\1\2"]
    raw[places[0] + 8] |= 1  # encrypted
    struct.pack_into("<H", raw, places[1] + 10, 9)  # Deflate64
    (tmp_path / "x.zip").write_bytes(raw)
    catalog = dm.scan(tmp_path / "x.zip")
    assert [Path(path).name for path in catalog.paths] == ["c.dcm"]
    reasons = {Path(failure.path).name: failure.reason for failure in catalog.failures}
    assert reasons == {"a.dcm": zip_contents.PASSWORD, "b.dcm": zip_contents.METHOD.format(9)}
    assert len(dm.load(tmp_path / "x.zip")) == 1
    raw[places[2] + 8] |= 1
    (tmp_path / "y.zip").write_bytes(raw)
    with pytest.raises(LoadError, match="password"):
        dm.load(tmp_path / "y.zip")


def test_a_password_of_all_members_is_said_once(folder: Path, tmp_path: Path) -> None:
    raw = bytearray(zipped(files_of(folder)))
    for i in (i for i in range(len(raw)) if raw[i : i + 4] == b"PK\1\2"):
        raw[i + 8] |= 1
    (tmp_path / "x.zip").write_bytes(raw)
    (failure,) = dm.scan(tmp_path / "x.zip").failures
    assert str(failure) == ("x.zip: protected by a password: unpack the archive with the password, and open the folder")


def test_names_that_lead_out_links_and_repeated_names(folder: Path, tmp_path: Path) -> None:
    raw = files_of(folder)[NAMES[0]]
    (tmp_path / "x.zip").write_bytes(zipped({"../../evil.dcm": raw, "./in//a.dcm": raw, "/abs.dcm": raw}))
    catalog = dm.scan(tmp_path / "x.zip")
    assert catalog.paths == (str(tmp_path / "x.zip" / "abs.dcm"), str(tmp_path / "x.zip" / "in" / "a.dcm"))
    assert [failure.reason for failure in catalog.failures] == [members.OUTSIDE]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for size in (len(raw) - 100, len(raw)):
            member = tarfile.TarInfo("a.dcm")
            member.size = size
            archive.addfile(member, io.BytesIO(raw))
        link = tarfile.TarInfo("link.dcm")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (tmp_path / "x.tar").write_bytes(out.getvalue())
    catalog = dm.scan(tmp_path / "x.tar")
    assert (catalog.n_files, catalog.partial) == (1, ())  # the later of two members counts
    assert {failure.outcome for failure in catalog.failures} == {"skipped"}


def test_bombs_are_refused_and_not_inflated(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflated_stream, "BOMB_BYTES", 1 << 20)
    files = files_of(folder)
    bomb = files[NAMES[0]] + bytes(4 << 20)
    (tmp_path / "x.zip").write_bytes(zipped({"bomb.dcm": bomb, "a.dcm": files[NAMES[1]]}))
    (tmp_path / "y.tar.gz").write_bytes(tarred({"a.dcm": files[NAMES[2]], "bomb.dcm": bomb}, "w:gz"))
    (tmp_path / "z.dcm.gz").write_bytes(gzip.compress(bomb))
    catalog = dm.scan(tmp_path)
    bombs = [failure for failure in catalog.failures if "bomb" in failure.reason]
    assert {Path(failure.path).name for failure in bombs} >= {"bomb.dcm", "y.tar.gz", "z.dcm.gz"}
    assert str(tmp_path / "x.zip" / "a.dcm") in catalog.paths


def test_what_archives_list_is_bounded_in_bytes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: BoundedCache[members.Contents] = BoundedCache(12_000, lambda contents: contents.nbytes)
    monkeypatch.setattr(opening, "_CONTENTS", kept)
    for number in range(9):
        names = {f"{number}/{'x' * 200}{n}": b"" for n in range(3)} | {f"../{n}": b"" for n in range(3)}
        (tmp_path / f"{number}.zip").write_bytes(zipped(names))
    catalog = dm.scan([tmp_path / f"{number}.zip" for number in range(9)], workers=1)
    assert sum(catalog.outcomes.values()) == 54
    assert 6_000 < kept.used <= 12_000


def test_members_that_overlap_are_a_bomb(tmp_path: Path, folder: Path) -> None:
    whole = zipped({"a.dcm": files_of(folder)[NAMES[0]]}, zipfile.ZIP_STORED)
    at = whole.index(b"PK\1\2")
    end = whole.index(b"PK\5\6")
    entry = whole[at:end]
    repeated = b"".join(entry.replace(b"a.dcm", b"%c.dcm" % (97 + n)) for n in range(20))
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 20, 20, len(repeated), at, 0)
    (tmp_path / "x.zip").write_bytes(whole[:at] + repeated + tail)
    (failure,) = dm.scan(tmp_path / "x.zip").failures
    assert failure.reason == zip_contents.OVERLAP


def test_damaged_bytes_of_a_member_are_no_pixels(folder: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (256, 256)).astype("<u2")
    large = dicom(ct_content(pixels=pixels))
    for files, is_small in ((files_of(folder), True), ({"a.dcm": large}, False)):
        raw = bytearray(zipped(files))
        at = raw.index(b"PK\1\2") // (6 if is_small else 2)
        raw[at : at + 20] = bytes(20)
        (tmp_path / "x.zip").write_bytes(raw)
        if is_small:
            (failure,) = dm.scan(tmp_path / "x.zip").failures
            assert "checksum" in failure.reason
        else:
            with pytest.raises(PixelError, match=r"a\.dcm: .*checksum.*again"):
                np.asarray(dm.load(tmp_path / "x.zip")[0].array)


def test_a_cached_scan_knows_archives(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = files_of(folder)
    (folder / "x.zip").write_bytes(zipped({"a.dcm": files[NAMES[0]], "note.txt": b"hello" * 40}))
    for source in (folder, folder / "x.zip"):
        first = dm.scan(source, cache=True)
        again = dm.scan(source, cache=True)
        assert again.paths == first.paths
        assert again.failures == first.failures
        assert first.paths == dm.scan(source).paths
    (folder / "x.zip").write_bytes(zipped({"b.dcm": files[NAMES[1]]}))
    for source in (folder, folder / "x.zip"):
        assert dm.scan(source, cache=True).paths == dm.scan(source).paths
        assert dm.scan(source, cache=True).failures == ()


def test_an_archive_that_has_changed_is_read_as_it_is(folder: Path, tmp_path: Path) -> None:
    files = list(files_of(folder).values())
    for raw in files[:2]:
        (tmp_path / "x.zip").write_bytes(zipped({"a.dcm": raw}))
        (tmp_path / "a.dcm").write_bytes(raw)
        np.testing.assert_array_equal(
            np.asarray(dm.load(tmp_path / "x.zip")[0].array), np.asarray(dm.load(tmp_path / "a.dcm")[0].array)
        )
    (tmp_path / "x.zip").unlink()
    with pytest.raises(FileNotFoundError):
        opening.open_file(str(tmp_path / "x.zip" / "a.dcm"))


def test_an_archive_as_source_is_known_by_its_content(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "portal-download").write_bytes(zipped(files_of(folder)))
    assert dm.scan(tmp_path / "portal-download").n_files == 3
    (tmp_path / "a.zip").write_bytes(files_of(folder)[NAMES[0]])  # DICOM by another name
    assert dm.scan(tmp_path / "a.zip").paths == (str(tmp_path / "a.zip"),)
    (tmp_path / "empty.zip").write_bytes(zipped({}))
    (failure,) = dm.scan(tmp_path / "empty.zip").failures
    assert (failure.outcome, failure.reason) == ("skipped", "an archive without files")


def test_an_archive_that_becomes_a_folder_and_back(folder: Path, tmp_path: Path) -> None:
    (first, second, _) = files_of(folder).values()
    place = tmp_path / "x.zip"
    for raw in (first, second):
        place.write_bytes(zipped({"in/a.dcm": raw}))
        assert dm.scan(place).paths == (str(place / "in" / "a.dcm"),)
        with opening.open_file(str(place / "in" / "a.dcm")) as file:
            assert file.read(0, len(raw)) == raw
        place.unlink()
        (place / "in").mkdir(parents=True)
        (place / "in" / "a.dcm").write_bytes(raw[::-1])
        with opening.open_file(str(place / "in" / "a.dcm")) as file:
            assert file.read(0, len(raw)) == raw[::-1]
        shutil.rmtree(place)


def tar_header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """Return a header of a member of a tar archive; `size` is its field, of 12 bytes."""
    fields = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size + b"00000000000\0"
    rest = kind + bytes(100) + b"ustar\x0000" + bytes(247)
    return fields + b"%06o\0 " % (sum(fields) + sum(rest) + 8 * 32) + rest


def attributes(**values: str) -> bytes:
    """Return the extended attributes of the next member of a tar archive."""
    raw = b""
    for name, value in values.items():
        record = f" {name.replace('__', '.')}={value}\n".encode()
        length = len(record) + 2
        raw += f"{length + (length > 99)}".encode() + record
    return tar_header(b"pax", b"%011o\0" % len(raw), b"x") + raw + bytes(-len(raw) % 512)


HUGE, ZERO = b"\x80" + (1 << 40).to_bytes(11, "big"), b"00000000000\0"
HOSTILE_TARS = {
    "a name of a terabyte": tar_header(b"././@LongLink", HUGE, b"L") + bytes(512),
    "attributes of a terabyte": tar_header(b"pax", HUGE, b"x") + bytes(512),
    "names in a row": (tar_header(b"././@LongLink", b"00000000012\0", b"L") + b"a" * 10 + bytes(502)) * 3000,
    "attributes in a row": attributes(path="b.dcm") * 3000,
    "holes without numbers": attributes(GNU__sparse__map="a,b", GNU__sparse__size="z") + tar_header(b"s", ZERO),
    "holes without an end": attributes(GNU__sparse__major="1", GNU__sparse__minor="0") + tar_header(b"s", ZERO),
    "a negative size": attributes(size="-5000") + tar_header(b"s", ZERO),
    "bytes that are no header": b"x" * 1024,
    "no end": b"",
}


@pytest.mark.parametrize("what", HOSTILE_TARS)
def test_of_a_tar_with_absurd_headers_what_is_before_opens_and_the_rest_is_named(tmp_path: Path, what: str) -> None:
    (path,) = write_series(tmp_path / "in", 1)
    good = path.read_bytes()
    whole = tar_header(b"good.dcm", b"%011o\0" % len(good)) + good + bytes(-len(good) % 512)
    archive = tmp_path / "x.tar"
    archive.write_bytes(whole + HOSTILE_TARS[what] + bytes(1024) * (what != "no end"))
    catalog = dm.scan(archive, workers=1)
    assert [Path(path).name for path in catalog.paths] == ["good.dcm"]
    ((reason, n_times),) = Counter(failure.reason for failure in catalog.failures).items()
    assert n_times == 1
    assert reason.startswith("the archive is cut off or damaged: only ")
    assert reason.endswith(" before that can be read; copy or download it again")


@pytest.mark.parametrize("damage", [b"12345678", b"\xff" * 8])
def test_a_gzip_file_without_its_checksum_says_so(tmp_path: Path, damage: bytes) -> None:
    (path,) = write_series(tmp_path / "in", 1)
    packed = tmp_path / "x.dcm.gz"
    packed.write_bytes(gzip.compress(path.read_bytes())[:-8] + damage)
    catalog = dm.scan(packed, workers=1)
    (failure,) = catalog.failures
    assert failure.reason == (
        "cannot be read: its compressed bytes are cut off or damaged, or do not have their checksum: copy or download "
        "it again"
    )
    with pytest.raises(LoadError, match="do not have their checksum"):
        dm.load(packed)


def test_names_of_members_are_shown_escaped(tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    archive.write_bytes(zipped({"a\x1b[31m\nb.dcm": b""}))
    (failure,) = dm.scan(archive, workers=1).failures
    assert str(failure) == r"a\x1b[31m\nb.dcm: the file is empty"


def test_of_many_sources_only_what_is_named_like_an_archive_is_one(folder: Path, tmp_path: Path) -> None:
    several = [tmp_path / f"{n}.dcm" for n in range(20)]
    for path in several:
        shutil.copy(next(folder.rglob("*.dcm")), path)
    named, unnamed = tmp_path / "x.zip", tmp_path / "y.bin"
    for path in (named, unnamed):
        path.write_bytes(zipped(files_of(folder)))
    opened: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "is_archive", lambda path: bool(opened.append(path)))
        catalog = dm.scan([*several, named, unnamed], workers=1)
    assert (catalog.n_files, opened) == (23, [])  # no file was opened to look what it is
    assert [(failure.path, failure.code) for failure in catalog.failures] == [(str(unnamed), "archive")]
    assert dm.scan([unnamed]).n_files == 3


def test_of_many_sources_that_are_missing_the_first_is_named(folder: Path) -> None:
    present = next(folder.rglob("*.dcm"))
    with pytest.raises(FileNotFoundError, match="does not exist") as raised:
        dm.scan([*[present] * 20, folder / "a", folder / "b"])
    assert raised.value.filename == str(folder / "a")
