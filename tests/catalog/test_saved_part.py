"""Saved catalogs that are damaged, or that claim to be ours."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta.catalog import saved_part
from napari_dicommeta.catalog.saved_part import METADATA
from napari_dicommeta.cli.main import main


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    write_series(tmp_path / "in", 4)
    dm.scan(tmp_path / "in").save(tmp_path / "x.parquet")
    return tmp_path / "x.parquet"


def write(path: Path, table: pa.Table, about: Any) -> None:
    pq.write_table(table.replace_schema_metadata({METADATA: json.dumps(about).encode()}), path)


def use(path: Path) -> None:
    """Read all of a catalog."""
    catalog = dm.Catalog.load(path)
    repr(catalog)
    list(catalog.tags())
    catalog.to_arrow(typed=True)
    catalog.shareable()
    try:
        for volume in dm.load(catalog):
            np.asarray(volume.array)
    except (dm.LoadError, dm.PixelError):
        pass


ODD = [None, 1, "x", [], {}, [1], ["x"], [["a"]], [[1, 2, 3, 4]], [["a", "b", "ok", "d"]], {"00080018": "XX"}, True]


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("name", ["version", "keys", "plain", "failures", "mark", "typed"])
def test_what_a_file_says_about_itself_is_checked(saved: Path, name: str, value: Any) -> None:
    table = pq.read_table(saved)
    about = json.loads(table.schema.metadata[METADATA])
    assert set(about) == {"version", "keys", "plain", "failures", "mark", "typed"}
    write(saved, table, {**about, name: value})
    valid = {"version": (1, True), "keys": ([],), "failures": ([],), "mark": ("x",)}
    if any(value is one or value == one for one in valid.get(name, ())):
        dm.Catalog.load(saved)
    else:
        with pytest.raises(dm.CatalogError):
            dm.Catalog.load(saved)


@pytest.mark.parametrize("keys", [["../../etc"], ["0008001"], ["00080018.x"], ["99999999"], ["00080018", "00080018"]])
def test_keys_are_tags_with_a_column_each(saved: Path, keys: list[str]) -> None:
    table = pq.read_table(saved)
    about = json.loads(table.schema.metadata[METADATA])
    write(saved, table, {**about, "keys": [*about["keys"], *keys]})
    with pytest.raises(dm.CatalogError, match="damaged"):
        dm.Catalog.load(saved)


COLUMNS: dict[str, Callable[[int], pa.Array]] = {
    "integers": lambda n: pa.array(range(n)),
    "floats": lambda n: pa.array([float("nan")] * n),
    "nothing": pa.nulls,
    "no texts": lambda n: pa.nulls(n, pa.string()),
    "texts": lambda n: pa.array(["x"] * n),
    "lists": lambda n: pa.array([[1]] * n),
    "records": lambda n: pa.array([{"a": 1}] * n),
    "bytes that are no text": lambda n: pa.array([b"\xff\xfe"] * n),
    "values without VR": lambda n: pa.array([b"U"] * n).dictionary_encode(),
    "values that are none": lambda n: pa.array([b"DS.\xff\\1e999\\nan"] * n).dictionary_encode(),
    "large numbers": lambda n: pa.array([2**62] * n),
    "a column less": lambda _: pa.nulls(0),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_another_kind_is_named_when_it_is_opened_or_read(saved: Path, kind: str) -> None:
    table = pq.read_table(saved)
    about = json.loads(table.schema.metadata[METADATA])
    refused = 0
    for place, name in [*enumerate(table.column_names)][::4]:
        column = COLUMNS[kind](table.num_rows)
        other = table.set_column(place, name, column) if len(column) else table.remove_column(place)
        write(saved, other, about)
        try:
            use(saved)
        except dm.CatalogError:
            refused += 1
    assert refused > 0


def test_damage_is_named_or_changes_no_value(saved: Path) -> None:
    whole = saved.read_bytes()
    expected = dm.Catalog.load(saved).to_arrow().to_pydict()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for place in range(4, footer, footer // 60):
        saved.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            found = dm.Catalog.load(saved).to_arrow().to_pydict()
            assert {name: values for name, values in expected.items() if name in found} == found
        except dm.CatalogError:
            pass
    for place in range(footer, len(whole), (len(whole) - footer) // 30):
        saved.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with suppress(dm.CatalogError):
            use(saved)


def test_more_files_than_a_file_can_hold_are_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_part, "MAX_FILES_PER_BYTE", 1e-6)
    with pytest.raises(dm.CatalogError, match="cannot hold the 4 files that it declares"):
        dm.Catalog.load(saved)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.parquet")
    with pytest.raises(dm.CatalogError, match="not a regular file"):
        dm.Catalog.load(tmp_path / "x.parquet")


def test_damage_that_a_command_meets_late_ends_it_with_a_sentence(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pq.read_table(saved)
    about = json.loads(table.schema.metadata[METADATA])
    place = table.column_names.index("raw:00280010")
    write(saved, table.set_column(place, "raw:00280010", COLUMNS["values without VR"](table.num_rows)), about)
    assert main(["tags", str(saved)]) == 2
    assert "a saved catalog cannot be read: a stored value has no VR" in capsys.readouterr().err


def test_a_catalog_of_no_files_is_read_again(tmp_path: Path) -> None:
    write_series(tmp_path / "in", 2)
    dm.scan(tmp_path / "in").rows(np.array([], np.int64)).save(tmp_path / "none.parquet")
    none = dm.Catalog.load(tmp_path / "none.parquet")
    assert none.n_files == 0
    assert none.to_arrow(typed=True).num_rows == 0
