"""A goal that concerns catalogs: one in many parts, larger than memory should be, opens and is counted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Figure = Callable[[str, str], None]

MAKE = """
import sys
import numpy as np
import pyarrow as pa
from napari_dicommeta.catalog.columns import ColumnStore
from napari_dicommeta.catalog.joined_tables import FILE_COLUMNS
from napari_dicommeta.catalog.storage import save

target, parts, rows, tags = sys.argv[1], *map(int, sys.argv[2:])
numbers = np.arange(rows)


def column(texts, codes):
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(texts, pa.binary()))


for part in range(parts):
    series = numbers // 200
    table = dict.fromkeys(FILE_COLUMNS, pa.array(np.zeros(rows, np.int64)))
    table["path"] = pa.array([f"/data/{part:05d}/im{n:06d}.dcm" for n in range(rows)])
    table["cut"] = pa.array(np.full(rows, -1))
    table["reason"], table["damage_offset"] = pa.nulls(rows, pa.string()), pa.nulls(rows, pa.int64())
    uids = [f"UI.1.2.3.{part}.{n}".encode() for n in range(rows)]
    for key in ("00080018", "00020003"):
        table[key] = column([uid + bytes(1 - len(uid) % 2) for uid in uids], numbers)  # two bytes of VR, one of context
    table["0020000d"] = column([b"UI.1.2.9." + str(part).encode()], np.zeros(rows, int))
    table["0020000e"] = column([f"UI.1.2.8.{part}.{n}".encode() for n in range(series[-1] + 1)], series)
    table["00080060"] = column([b"CS.CT", b"CS.MR"], series % 2)
    table["00200013"] = column([f"IS.{n}".encode() for n in range(200)], numbers % 200)
    for n in range(tags):  # private elements of one creator
        table[f"0029xx{n:02x}:MADE"] = column([f"LO.{n}-{i}".encode() for i in range(20)], (numbers * (n + 1)) % 20)
    save(ColumnStore(pa.table(table)), [], f"{target}/part-{part:05d}.parquet")
"""
READ = """
import sys
import time
import napari_dicommeta as dm

parts, rows, tags = map(int, sys.argv[2:])
began = time.perf_counter()
catalog = dm.Catalog.load(sys.argv[1])
opened = time.perf_counter() - began
assert catalog.n_files == parts * rows
assert dict(catalog.values("Modality")) == {"CT": parts * -(-rows // 400) * 200, "MR": parts * (rows // 400) * 200}
selected = catalog.where(Modality="MR", InstanceNumber=("1", "2"))
assert selected.n_files == 2 * parts * (rows // 400)
assert len(catalog.series) == parts * rows // 200
assert {series.catalog.n_files for series in catalog.series} == {200}
summaries = {summary.keyword: summary for summary in catalog.tags()}
assert len(summaries) == tags + 6
assert summaries["SOPInstanceUID"].distinct == parts * rows
assert all(summary.present == parts * rows for summary in summaries.values())
with open("/proc/self/status") as status:  # getrusage would count the process that started this one
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
print(f"opened in {opened:.1f} s, counted after {time.perf_counter() - began:.0f} s, {peak:.0f} MB at most")
assert peak < float(1024), peak
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
def test_g16_a_catalog_in_parts(tmp_path: Path, is_long: bool, figure: Figure) -> None:
    size = [str(n) for n in ((20, 50_000, 150) if is_long else (3, 2_000, 10))]
    for code in (MAKE, READ):
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path, *size], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    figure("G16", f"a catalog of {int(size[0]) * int(size[1]):,} files in {size[0]} parts: {done.stdout.strip()}")
