"""A DICOMweb server of factory-made files for tests: QIDO-RS and WADO-RS by `http.server`, JSON by pydicom."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pydicom
from pydicom.datadict import keyword_for_tag

BOUNDARY = b"parts"


class Store:
    """What a server holds, and how it behaves."""

    def __init__(self, folder: Path) -> None:
        self.raw: dict[tuple[str, str, str], bytes] = {}
        for path in sorted(folder.rglob("*.dcm")):
            found = pydicom.dcmread(path, force=True)
            key = (found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID)
            self.raw[tuple(map(str, key))] = path.read_bytes()  # type: ignore[index]
        self.asked: list[str] = []
        self.status: dict[str, int] = {}
        """Parts of paths -> the status that answers them."""
        self.says: bytes = b""
        """What is answered in place of JSON."""
        self.headers: dict[str, str] = {}
        """Headers of each answer, such as ``Location``, which makes it a redirection."""
        self.is_cut = False
        """Whether answers end in their middle."""
        self.page = 0
        """The most results of a search, 0 for all."""
        self.wait = 0.0
        self.drips = ""
        """Where answers begin to come byte by byte, without an end: "head", "body" or "chunks"."""
        self.login = ""
        """``user:password``, without which nothing is answered."""
        self.bad: set[str] = set()
        """Instances whose metadata are malformed."""
        self.odd: dict[str, dict[str, Any]] = {}
        """Instances -> what stands in their metadata in place of elements, of any shape."""
        self.has_syntax = False
        """Whether metadata name the transfer syntax."""

    def pixels_asked(self) -> list[str]:
        return [path for path in self.asked if "/instances/" in path or "/frames/" in path]


def as_json(raw: bytes) -> dict[str, Any]:
    """Return the metadata of an instance: pixels and private bulk data as URLs, without the file meta group."""
    found = pydicom.dcmread(BytesIO(raw), force=True)
    return found.to_json_dict(bulk_data_element_handler=lambda _: "http://bulk/1", bulk_data_threshold=64)


class _Handler(BaseHTTPRequestHandler):
    store: Store

    def do_GET(self) -> None:
        store, url = self.store, urlsplit(self.path)
        store.asked.append(self.path)
        time.sleep(store.wait)
        token = base64.b64encode(store.login.encode()).decode()
        status = next((code for part, code in store.status.items() if part in self.path), 0)
        if store.login and self.headers.get("Authorization") != f"Basic {token}":
            status = 401
        if status or not url.path.startswith("/dw/"):
            self._send(b"", "text/plain", status or 404)
        elif store.says:
            self._send(store.says, "text/html")
        else:
            self._answer(url.path.removeprefix("/dw").split("/")[1:], dict(parse_qsl(url.query)))

    def _answer(self, parts: list[str], query: dict[str, str]) -> None:
        names = dict(zip(parts[0::2], parts[1::2], strict=False))
        uids = [names.get(kind, "") for kind in ("studies", "series", "instances")]
        held = [
            (key, raw)
            for key, raw in self.store.raw.items()
            if all(asked in ("", uid) for asked, uid in zip(uids, key, strict=True))
        ]
        if parts[-1] == "metadata":
            self._json([self._metadata(key, raw) for key, raw in held])
        elif "frames" in names:
            whole = pydicom.dcmread(BytesIO(held[0][1]))
            size = whole.Rows * whole.Columns * whole.BitsAllocated // 8
            first = (int(names["frames"]) - 1) * size
            self._parts(whole.PixelData[first : first + size], "application/octet-stream")
        elif parts[-1] in ("series", "instances"):
            depth = 2 if parts[-1] == "series" else 3
            self._search(held, depth, query)
        elif held:
            self._parts(held[0][1], "application/dicom")
        else:
            self._send(b"", "text/plain", 404)

    def _metadata(self, key: tuple[str, str, str], raw: bytes) -> dict[str, Any]:
        found = as_json(raw)
        if self.store.has_syntax:
            syntax = pydicom.dcmread(BytesIO(raw)).file_meta.TransferSyntaxUID
            found["00083002"] = {"vr": "UI", "Value": [syntax]}
        if key[2] in self.store.bad:
            found["00280010"] = {"vr": "US", "Value": ["many"]}
        return found | self.store.odd.get(key[2], {})

    def _search(self, held: list[Any], depth: int, query: dict[str, str]) -> None:
        results: dict[Any, dict[str, Any]] = {}
        for key, raw in held:
            whole = as_json(raw)
            wanted = {name: text for name, text in query.items() if name not in ("offset", "limit")}
            values = {keyword_for_tag(tag): str((entry.get("Value") or [""])[0]) for tag, entry in whole.items()}
            if all(values.get(name) == text for name, text in wanted.items()):
                kept = ("0020000D", "0020000E", "00080018")[:depth]
                results.setdefault(key[:depth], {tag: whole[tag] for tag in kept})
        first, most = int(query.get("offset", 0)), int(query.get("limit", 0)) or self.store.page or len(results)
        self._json(list(results.values())[first : first + most])

    def _json(self, found: Any) -> None:
        self._send(json.dumps(found).encode(), "application/dicom+json")

    def _parts(self, raw: bytes, kind: str) -> None:
        head = b"--" + BOUNDARY + b"\r\nContent-Type: " + kind.encode() + b"\r\n\r\n"
        content_type = f'multipart/related; type="{kind}"; boundary={BOUNDARY.decode()}'
        self._send(head + raw + b"\r\n--" + BOUNDARY + b"--\r\n", content_type)

    def _send(self, body: bytes, kind: str, status: int = 200) -> None:
        if self.store.drips:
            return self._drip()
        self.send_response(302 if "Location" in self.store.headers else status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, text in self.store.headers.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.store.is_cut else body)
        if self.store.is_cut:
            self.close_connection = True

    def _drip(self) -> None:
        kind = self.store.drips
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n")
        if kind == "body":
            self.wfile.write(b"Content-Length: 9000000\r\n\r\n")
        elif kind == "chunks":
            self.wfile.write(b"Transfer-Encoding: chunked\r\n\r\n")
        part = {"head": b"A", "body": b" ", "chunks": b"1\r\n \r\n"}[kind]
        with suppress(OSError):
            while self.store.drips == kind:
                self.wfile.write(part)
                time.sleep(0.01)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def serving(store: Store) -> Iterator[str]:
    """Serve what a store holds; give the URL as a source."""
    handler = type("Handler", (_Handler,), {"store": store})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"dicomweb+http://127.0.0.1:{server.server_port}/dw"
    finally:
        server.shutdown()
        server.server_close()
