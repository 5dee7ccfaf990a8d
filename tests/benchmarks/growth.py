"""How the cost of a scan grows, each figure a ratio within one run; `bench.py growth` runs them.

With the number of files, from 2,000 to ten times the folder; on a cluster against processes; and on slow storage
against the threads that wait for it. Each process reads its files once before, so that they are in memory.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

N_SMALL, N_SLOW, ROOTS = 2000, 2000, 10
SCAN = """
import json, os, resource, sys, time
import napari_dicommeta as dm
for root in sys.argv[2:]:
    for top, _, names in os.walk(root):
        for name in names:
            with open(os.path.join(top, name), "rb", buffering=0) as file:
                file.read(8192)
dm.scan(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
best = 1e9
for _ in range(int(sys.argv[1])):
    began = time.perf_counter()
    catalog = dm.scan(sys.argv[2:], workers={workers})
    best = min(best, time.perf_counter() - began)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"each": best / catalog.n_files, "files": catalog.n_files, "bytes": 1024 * (peak - before)}))
"""
CLUSTER = """
import json, sys, time
import napari_dicommeta as dm
from dask.distributed import Client, LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        best = 1e9
        for _ in range(3):
            began = time.perf_counter()
            catalog = dm.scan(sys.argv[1], client=client)
            best = min(best, time.perf_counter() - began)
    print(json.dumps({"each": best / catalog.n_files}))
"""
SLOW = """
import json, os, sys, time
import napari_dicommeta as dm
from napari_dicommeta.scanning.reading import READ_THREADS
wait, paths = float(sys.argv[1]), sys.argv[2:]
dm.scan(paths, workers=1)
opened, read = os.open, os.read
os.open = lambda *a, **k: (time.sleep(wait), opened(*a, **k))[1]
os.read = lambda *a: (time.sleep(wait), read(*a))[1]
began = time.perf_counter()
dm.scan(paths, workers=1)
print(json.dumps({"share": len(paths) / (time.perf_counter() - began) / (READ_THREADS / (2 * wait))}))
"""


def bench_growth(folder: Path, report: Callable[..., None], child: Callable[..., dict[str, Any]]) -> None:
    """Scan parts and multiples of the folder, by processes and by a cluster, and on slow storage."""
    series = sorted(path for path in folder.iterdir() if path.is_dir())
    alone, default = SCAN.replace("{workers}", "1"), SCAN.replace("{workers}", "None")
    few, n = [], 0
    for path in series:
        if n < N_SMALL:
            few.append(str(path))
            n += len(os.listdir(path))
    tenth = [str(path) for path in series[: len(series) // 10]]
    small, whole = child(alone, "5", *few), child(alone, "2", str(folder))
    print(
        f"in one process, µs a file: {small['files']:,} files {small['each'] * 1e6:.1f}, "
        f"{whole['files']:,} files {whole['each'] * 1e6:.1f}"
    )
    report("cost a file in one process, all files against 2,000", whole["each"] / small["each"], 1.25, at_most=True)
    part, full = child(default, "5", *tenth), child(default, "2", str(folder))
    print(
        f"with processes, µs a file: {part['files']:,} files {part['each'] * 1e6:.1f}, "
        f"{full['files']:,} files {full['each'] * 1e6:.1f}"
    )
    report("cost a file, a tenth of the files against all", part["each"] / full["each"], 1.2, at_most=True)
    with tempfile.TemporaryDirectory() as temporary:
        roots = [Path(temporary) / f"root{number}" for number in range(ROOTS)]
        for root in roots:
            root.symlink_to(folder, target_is_directory=True)
        many = child(default, "1", *map(str, roots))
    print(f"{many['files']:,} files: {many['each'] * 1e6:.1f} µs and {many['bytes'] / many['files']:.0f} bytes a file")
    report(f"cost a file, {ROOTS} times the files", many["each"] / full["each"], 1.3, at_most=True)
    report("memory a file", many["bytes"] / many["files"], 1000, at_most=True, unit=" bytes")
    with tempfile.TemporaryDirectory() as temporary:
        script = Path(temporary) / "cluster.py"
        script.write_text(CLUSTER)
        cluster = child(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')", str(folder))
    report("a cluster of two workers against processes", cluster["each"] / full["each"], 1.3, at_most=True)
    paths = [str(path) for top in few for path in sorted(Path(top).iterdir())][:N_SLOW]
    for wait in (0.005, 0.05):
        share = child(SLOW, str(wait), *paths)["share"]
        name = f"throughput with {wait * 1e3:.0f} ms at each open and read, of threads by latency"
        report(name, 100 * share, 80, at_most=False, unit=" %")


if __name__ == "__main__":
    sys.exit("run bench.py growth")
