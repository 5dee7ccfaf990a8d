"""Files at URLs: what is listed is counted and opened, and what fails is said in one sentence."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pytest
from dicom_factory import ct_content, dicom, write_series

import napari_dicommeta as dm
from napari_dicommeta.files import urls
from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.files.opening import open_file
from napari_dicommeta.support.errors import LoadError, PixelError
from napari_dicommeta.volumes import plane_cache


class Server(BaseHTTPRequestHandler):
    """A server of files and of pages that list them; it knows ranges."""

    files: ClassVar[dict[str, bytes]] = {}
    status: ClassVar[dict[str, int]] = {}
    """Paths that are answered with a status."""
    asked: ClassVar[list[tuple[str, str]]] = []
    knows_ranges = True

    def do_HEAD(self) -> None:
        self._answer(is_head=True)

    def do_GET(self) -> None:
        self._answer(is_head=False)

    def _answer(self, is_head: bool) -> None:
        self.asked.append((self.path, self.headers.get("Range", "")))
        status = next((code for path, code in self.status.items() if path in self.path), 0)
        raw = self.files.get(self.path)
        if raw is None and self.path.endswith("/"):
            names = [path for path in self.files if path.startswith(self.path)]
            raw = "".join(f'<a href="{name}">{name}</a>' for name in names).encode() or None
        if status or raw is None:
            self.send_response(status or 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        whole, wanted = len(raw), self.headers.get("Range", "")
        is_part = bool(wanted) and self.knows_ranges
        if is_part:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            raw = raw[int(first) : int(last) + 1]
        self.send_response(206 if is_part else 200)
        if is_part:
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(raw) - 1}/{whole}")
        self.send_header("Content-Length", str(len(raw)))
        if self.knows_ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if not is_head:
            self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(Server, "files", {})
    monkeypatch.setattr(Server, "status", {})
    monkeypatch.setattr(Server, "asked", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_series(tmp_path / "in", 4)
    return tmp_path / "in"


@pytest.fixture
def bucket(folder: Path) -> Iterator[str]:
    system = fsspec.filesystem("memory")
    with zipfile.ZipFile(folder.parent / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.iterdir():
            archive.write(path, f"in/{path.name}")
    system.put(str(folder), "/bucket/a", recursive=True)
    system.put(str(folder.parent / "x.zip"), "/zips/x.zip")
    yield "memory://"
    for top in ("/bucket", "/zips"):
        system.rm(top, recursive=True)


def pixels(source: Any) -> np.ndarray:
    return np.asarray(dm.load(source)[0].array)


@pytest.mark.parametrize(
    ("source", "first"),
    [
        ("memory://bucket", "memory://bucket/a/im001.dcm"),
        ("memory://bucket/a/im002.dcm", "memory://bucket/a/im002.dcm"),
        ("memory://zips", "memory://zips/x.zip/in/im001.dcm"),
        ("memory://zips/x.zip", "memory://zips/x.zip/in/im001.dcm"),
        ("memory://zips/x.zip/in", "memory://zips/x.zip/in/im001.dcm"),
        ("memory://zips/x.zip/in/im003.dcm", "memory://zips/x.zip/in/im003.dcm"),
        ("zip://::memory://zips/x.zip", "memory://zips/x.zip/in/im001.dcm"),
        ("zip://in/im001.dcm::memory://zips/x.zip", "memory://zips/x.zip/in/im001.dcm"),
        ("simplecache::memory://bucket", "simplecache::memory://bucket/a/im001.dcm"),
    ],
)
def test_what_a_url_lists_is_opened_and_its_paths_lead_back(folder: Path, bucket: str, source: str, first: str) -> None:
    catalog = dm.scan(source)
    assert min(path.replace("memory:///", "memory://") for path in catalog.paths) == first
    expected = pixels(folder if catalog.n_files == 4 else folder / first.rpartition("/")[2])
    np.testing.assert_array_equal(pixels(source), expected)
    np.testing.assert_array_equal(pixels(catalog), expected)
    np.testing.assert_array_equal(pixels(catalog.paths), expected)


def test_a_zip_of_fsspec_and_a_path_are_one_place(folder: Path, tmp_path: Path, bucket: str) -> None:
    archive = tmp_path / "x.zip"
    assert dm.scan(f"zip://::{archive}").paths == dm.scan(archive).paths
    assert dm.scan(f"zip://in::{archive}").paths == dm.scan(archive / "in").paths


def test_files_of_a_server_are_read_in_ranges(host: str) -> None:
    frame = np.random.default_rng(0).integers(0, 4000, (512, 512)).astype("<u2")
    for k in range(3):
        raw = dicom(ct_content(k, pixels=frame + k))
        Server.files[f"/study/{k}.dcm"] = raw
    catalog = dm.scan(f"{host}/study/")
    assert catalog.paths == tuple(f"{host}/study/{k}.dcm" for k in range(3))
    ranges = [asked for _, asked in Server.asked if asked]
    assert ranges == ["bytes=0-131071"] * 3
    volume = dm.load(catalog)[0]
    np.testing.assert_array_equal(volume.array[1], frame.astype(np.int16) + 1 - 1024)
    assert {path for path, asked in Server.asked if asked not in ("", "bytes=0-131071")} == {"/study/1.dcm"}


def test_planes_of_a_server_are_read_by_several_threads(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = np.zeros((512, 512), "<u2")
    for k in range(plane_cache.PROBE_PLANES + 8):
        Server.files[f"/study/{k}.dcm"] = dicom(ct_content(k, pixels=frame + k))
    volume = dm.load(f"{host}/study/")[0]
    assert volume.array[: plane_cache.PROBE_PLANES].shape == (plane_cache.PROBE_PLANES, 512, 512)
    barrier, fetch = threading.Barrier(4), urls.UrlFile._fetch

    def together(file: urls.UrlFile, start: int, stop: int) -> bytes:
        barrier.wait(20)  # passes only where four threads fetch at a time
        return fetch(file, start, stop)

    monkeypatch.setattr(urls.UrlFile, "_fetch", together)
    monkeypatch.setattr(plane_cache, "PROBE_PLANES", 0)
    array = np.asarray(volume.array)
    assert array[:, 0, 0].tolist() == [k - 1024 for k in range(len(array))]


def test_a_server_without_ranges_is_asked_once(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "knows_ranges", False)
    frame = np.random.default_rng(0).integers(0, 4096, (512, 512)).astype("<u2")
    Server.files["/a.dcm"] = dicom(ct_content(pixels=frame))
    np.testing.assert_array_equal(pixels(f"{host}/a.dcm")[0], frame.astype(np.int16) - 1024)
    assert len([asked for _, asked in Server.asked if asked]) == 1


def test_an_archive_of_a_server_is_read_in_place(host: str, folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("first.bin", np.random.default_rng(0).bytes(1 << 20))
        for path in folder.iterdir():
            archive.write(path, path.name)
        archive.writestr("last.bin", np.random.default_rng(1).bytes(1 << 20))
    Server.files["/x.zip"] = (tmp_path / "x.zip").read_bytes()
    np.testing.assert_array_equal(pixels(f"{host}/x.zip"), pixels(folder))
    starts = {int(asked.removeprefix("bytes=").partition("-")[0]) for _, asked in Server.asked if asked}
    assert len(starts) <= 6  # not all of the 16 blocks


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "401 Unauthorized: log in"), (403, "403 Forbidden: log in"), (500, "500 Internal Server Error: try again")],
)
def test_what_a_server_refuses_is_said_in_a_sentence(host: str, folder: Path, status: int, words: str) -> None:
    for path in sorted(folder.iterdir()):
        Server.files[f"/study/{path.name}"] = path.read_bytes()
    Server.status["im002"] = status
    catalog = dm.scan(f"{host}/study/")
    assert catalog.n_files == 3
    (failure,) = catalog.failures
    assert failure.path == f"{host}/study/im002.dcm"
    assert words in failure.reason
    Server.status["/study/"] = status
    with pytest.raises(OSError, match=words):
        dm.scan(f"{host}/study/")


def test_a_file_that_a_server_loses_is_a_pixel_error(host: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in sorted(folder.iterdir()):
        Server.files[f"/study/{path.name}"] = path.read_bytes()
    volume = dm.load(f"{host}/study/")[0]
    monkeypatch.setattr(urls, "_BLOCKS", BoundedCache[bytes](1 << 20, len))
    Server.status["im00"] = 500
    with pytest.raises(PixelError, match=r"im00\d\.dcm: the server answers 500"):
        np.asarray(volume.array)
    with pytest.raises(FileNotFoundError, match="nothing at this URL"):
        open_file(f"{host}/nothing.dcm")


def test_a_slow_server_is_not_waited_for(host: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Server.files["/a.dcm"] = next(folder.iterdir()).read_bytes()
    goes_on = threading.Event()
    monkeypatch.setattr(urls, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(Server, "do_GET", lambda _: goes_on.wait(20))
    monkeypatch.setattr(Server, "do_HEAD", lambda _: goes_on.wait(20))
    with pytest.raises(OSError, match="has not answered in time"):
        open_file(f"{host}/a.dcm")
    goes_on.set()


def test_a_vanished_bucket_is_named(bucket: str) -> None:
    with pytest.raises(FileNotFoundError, match="nothing at this URL"):
        dm.scan("memory://vanished")
    fsspec.filesystem("memory").pipe("/bucket/cut.zip", b"PK\3\4" + bytes(40))
    with pytest.raises(LoadError, match="archive"):
        dm.load("memory://bucket/cut.zip")
    with pytest.raises(OSError, match="cannot be read"):
        dm.scan("nosuchthing://bucket")


class Refusal(Exception):
    """An error as botocore raises it, which s3fs turns into another."""

    def __init__(self, status: int) -> None:
        self.response = {"Error": {"Code": "x"}, "ResponseMetadata": {"HTTPStatusCode": status}}


class NoCredentialsError(Exception):
    """An error with the name that it has in botocore."""


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (Refusal(503), "the server answers 503 Service Unavailable: try again"),
        (Refusal(403), "the server answers 403 Forbidden: log in"),
        (NoCredentialsError(), "no key for it is found: log in .* FSSPEC_S3_ANON"),
    ],
)
def test_what_a_bucket_refuses_is_said_in_a_sentence(
    bucket: str, monkeypatch: pytest.MonkeyPatch, cause: Exception, words: str
) -> None:
    def find(*_: Any, **__: Any) -> None:
        if isinstance(cause, NoCredentialsError):
            raise cause
        raise OSError(5, "down") from cause

    with monkeypatch.context() as patch:
        patch.setattr(type(fsspec.filesystem("memory")), "find", find)
        with pytest.raises(OSError, match=words):
            dm.scan("memory://bucket")


def test_blocks_are_bounded_and_join(monkeypatch: pytest.MonkeyPatch) -> None:
    system = fsspec.filesystem("memory")
    raw = np.random.default_rng(0).bytes(10_000)
    system.pipe("/blocks.bin", raw)
    blocks = BoundedCache[bytes](3000, len)
    monkeypatch.setattr(urls, "_BLOCKS", blocks)
    monkeypatch.setattr(urls, "BLOCK", 1000)
    with open_file("memory://blocks.bin") as file:
        for start, stop in ((0, 10), (500, 4500), (0, 10_000), (9990, 10_050), (10_000, 10_001), (2999, 3001)):
            assert file.read(start, stop - start) == raw[start:stop]
            assert blocks.used <= 3000
    system.rm("/blocks.bin")
