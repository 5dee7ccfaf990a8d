"""Recorders that read element by element, or count what they do so, to compare with those that use layouts."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.dicom.header import Header, parse_header
from napari_dicommeta.scanning.recorder import Recorder
from napari_dicommeta.scanning.tables import catalog_of_recordings
from napari_dicommeta.support.errors import HeaderError


class LoopRecorder(Recorder):
    """A recorder that reads each header element by element."""

    def add(self, path: str, size: int, mtime: int, first: bytes, fetch: Callable[[int, int], bytes]) -> None:
        header = parse_header(fetch, size, first)
        self._record(header)
        self._add_file(path, size, mtime, header, header.end, header.pixels.length if header.pixels else 0)


class CountingRecorder(Recorder):
    """A recorder that counts the headers that went through the loop."""

    loops = 0

    def _record(self, header: Header) -> None:
        self.loops += 1
        super()._record(header)


def both(files: list[bytes]) -> tuple[CountingRecorder, Catalog]:
    """Read files with and without layouts, which must give the same catalog."""
    quick = CountingRecorder()
    catalogs = [recorded(recorder, files) for recorder in (quick, LoopRecorder())]
    tables = [catalog.to_arrow("spelling") for catalog in catalogs]
    if not all(map(pa.ChunkedArray.equals, *map(_plain_columns, tables))) or tables[0].schema != tables[1].schema:
        assert tables[0].to_pydict() == tables[1].to_pydict()  # says what differs, and takes long
    shown = [(catalog.partial, catalog.failures) for catalog in catalogs]
    assert shown[0] == shown[1]
    for name in ("pixel_offset", "pixel_length", "cut"):
        assert catalogs[0].file_column(name).tolist() == catalogs[1].file_column(name).tolist()
    return quick, catalogs[0]


def _plain_columns(table: pa.Table) -> list[pa.ChunkedArray]:
    """Return the columns of a table with their values in place of codes, whose order may differ."""
    types = (column.type for column in table.columns)
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in types]
    return [column.cast(kind) for column, kind in zip(table.columns, plain, strict=True)]


def recorded(recorder: Recorder, files: list[bytes]) -> Catalog:
    """Return the catalog of files that lie in memory, named by their numbers."""
    for number, raw in enumerate(files):
        name = f"folder/{number:05}"
        count = recorder.reads.count(name, len(raw))
        try:
            recorder.add(name, len(raw), 0, raw[:count], lambda at, n, raw=raw: raw[at : at + n])  # type: ignore[misc]
        except HeaderError as error:
            recorder.fail(name, "rejected", str(error), error.code)
    return catalog_of_recordings([recorder.take()])
