"""The figures, each a ratio within one run: ``dev.py bench [WORDS] [--folder F] [--json J] [--page P]``.

The words are scan, growth, headers, layout, volumes, window and dock.

Needs the generator of the 285,380-file folder below SHARED_DATA; the folder is made once in the system's
temporary folder (1.2 GB) and kept. Every side is warmed up first. Exit code 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from page import recorded, written

SHARED = Path(os.environ.get("SHARED_DATA", Path(__file__).resolve().parents[3] / "shared"))
PARTS = ("volumes", "window", "scan", "growth", "headers", "layout", "dock")
SAMPLE = 3000
missed: list[str] = []


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result


def report(name: str, value: float, bound: float, at_most: bool, unit: str = "×") -> None:
    good = value <= bound if at_most else value >= bound
    word, limit = "ok    " if good else "MISSED", "most" if at_most else "least"
    print(f"{word} {name}: {value:.2f}{unit} (at {limit} {bound:g}{unit})")
    if not good:
        missed.append(name)


def dsb_folder() -> Path:
    """The folder of 285,380 files, made if it is not there."""
    target = Path(tempfile.gettempdir()) / "dicommeta-bench" / "dsb"
    if not Path(f"{target}.expected.json").exists():
        print("making the folder of 285,380 files …", flush=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, SHARED / "dsb2017" / "make_dsb2017.py", target], check=True)
    return target


def notebook_loop(paths: list[str]) -> dict[str, dict[str, int]]:
    """What the notebook did: read each file with pydicom and count str(value) of every element."""
    import pydicom

    counts: dict[str, dict[str, int]] = {}
    for path in paths:
        dataset = pydicom.dcmread(path)
        for keyword in dataset.dir():
            if keyword != "PixelData":
                of_tag = counts.setdefault(keyword, {})
                text = str(getattr(dataset, keyword))
                of_tag[text] = of_tag.get(text, 0) + 1
    return counts


def bare(paths: list[str]) -> None:
    """The least that any header reader does."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.read(descriptor, 8192)
        os.close(descriptor)


def gdcm_scanner(paths: list[str], tags: list[int]) -> None:
    """GDCM's C++ Scanner over the same tags."""
    import gdcm

    scanner = gdcm.Scanner()
    for tag in tags:
        scanner.AddTag(gdcm.Tag(tag >> 16, tag & 0xFFFF))
    scanner.Scan(gdcm.FilenamesType(paths))


def child(code: str, *arguments: str) -> dict[str, Any]:
    """What a fresh interpreter prints as JSON on its last line."""
    out = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True).stdout
    return dict(json.loads(out.splitlines()[-1]))


SCAN = """
import json, resource, sys, time
import napari_dicommeta as dm
began = time.perf_counter()
catalog = dm.scan(sys.argv[1])
seconds = time.perf_counter() - began
own, worker = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({"seconds": seconds, "files": catalog.n_files, "own": own, "worker": worker}))
"""

CHECK = """
import json, resource, sys
import napari_dicommeta as dm
catalog = dm.scan(sys.argv[1])
volumes = dm.load(catalog)
findings = dm.check(catalog, volumes=True)
print(json.dumps({"own": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def bench_scan(folder: Path) -> None:
    """Scanning, counting, saving, caching."""
    import napari_dicommeta as dm
    from napari_dicommeta.scanning.cache import forget
    from napari_dicommeta.scanning.listing import list_files

    paths = [path for path in list_files([str(folder)]) if isinstance(path, str)]
    n = len(paths)
    print(f"{n:,} files, {os.cpu_count()} cores")
    from headers import by_fastdicom

    bare(paths)  # the page cache is warm from here on
    child(SCAN, str(folder))
    bare_seconds = min(timed(lambda: bare(paths))[0] for _ in range(2))
    scans = [child(SCAN, str(folder)) for _ in range(3)]
    best = min(scans, key=lambda scan: scan["seconds"])
    each = best["seconds"] / n
    print(f"scan: {', '.join(format(scan['seconds'], '.2f') for scan in scans)} s, best {each * 1e6:.1f} µs a file")

    sample = paths[:: max(n // SAMPLE, 1)][:SAMPLE]
    notebook_loop(sample)
    notebook = timed(lambda: notebook_loop(sample))[0] / len(sample)
    catalog = dm.scan(folder)
    tags = sorted({summary.tag for summary in catalog.tags() if "." not in summary.keyword})
    gdcm_scanner(sample, tags)
    gdcm = timed(lambda: gdcm_scanner(sample, tags))[0] / len(sample)
    by_fastdicom(sample)
    fastdicom = timed(lambda: by_fastdicom(sample))[0] / len(sample)
    print(
        f"notebook {notebook * 1e6:.0f} µs, GDCM {gdcm * 1e6:.0f} µs, fastdicom {fastdicom * 1e6:.0f} µs, "
        f"bare {bare_seconds / n * 1e6:.1f} µs a file"
    )
    report("faster than the notebook's loop", notebook / each, 55, at_most=False)
    report("faster than GDCM's Scanner", gdcm / each, 5, at_most=False)
    report("faster than fastdicom's text of all values", fastdicom / each, 3, at_most=False)
    report("of a bare open-read-close", best["seconds"] / bare_seconds, 4, at_most=True)
    report("peak memory of the scanning process", max(s["own"] for s in scans), 350, at_most=True, unit=" MB")
    print(f"       (largest worker {best['worker']:.0f} MB)")
    report("peak memory of scan, load and check", child(CHECK, str(folder))["own"], 600, at_most=True, unit=" MB")

    summaries = [summary for summary in catalog.tags() if summary.distinct <= 10_000]
    part = catalog.where(RescaleIntercept="-1024")
    slowest = max(
        min(timed(lambda c=c, s=s: c.values(s.path))[0] for _ in range(3)) for s in summaries for c in (catalog, part)
    )
    report("slowest count of a tag", slowest * 1e3, 20, at_most=True, unit=" ms")
    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary) / "x.parquet"
        save = timed(lambda: catalog.save(target))[0]

        def load() -> None:
            dm.Catalog.load(target).tags()

        print(f"save {save:.2f} s, load and all tags {timed(load)[0]:.2f} s, {target.stat().st_size / 1e6:.1f} MB")
        report(
            "save and load",
            save + timed(lambda: dm.Catalog.load(target).file_rows.store.table)[0],
            2,
            at_most=True,
            unit=" s",
        )
    forget([str(folder)])
    cached = SCAN.replace("sys.argv[1])", "sys.argv[1], cache=True)")
    first = child(cached, str(folder))["seconds"]
    again = min(child(cached, str(folder))["seconds"] for _ in range(3))
    forget([str(folder)])
    print(f"first cached scan {first:.2f} s, again {again:.2f} s")
    report("a second scan with the cache", again / first, 0.1, at_most=True)


def bench_window() -> None:
    """The first picture of 300 slices in a real window, on a virtual screen where there is one to be had."""
    import numpy as np
    from volumes import make_series

    import napari_dicommeta as dm

    folder = make_series(SHARED / "data" / "chestct-fuzun45", count=300)
    array = folder.with_name("native-300.npy")
    if not array.exists():
        np.save(array, np.asarray(dm.load(folder)[0].array))
    screen = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"] if shutil.which("xvfb-run") else []
    measure = [*screen, sys.executable, str(Path(__file__).with_name("window.py"))]

    def best(*arguments: str) -> dict[str, float]:
        runs = []
        for _ in range(3):
            done = subprocess.run([*measure, *arguments], capture_output=True, text=True, check=True)
            runs.append(json.loads(done.stdout.splitlines()[-1]))
        return {name: min(run[name] for run in runs) for name in runs[0]}

    npy, dicom = best("npy", str(array)), best("dicom", str(folder))
    print(
        f"first picture of 300 slices: {dicom['first'] * 1e3:.0f} ms, of the array in .npy {npy['first'] * 1e3:.0f} ms"
    )
    report("first picture against .npy", dicom["first"] / npy["first"], 1.3, at_most=True)
    report("longest freeze", dicom["freeze"] * 1e3, 200, at_most=True, unit=" ms")
    steps = best("presets", str(folder))
    print(f"a preset toggled: {steps['whole'] * 1e3:.0f} ms until the whole window is painted")
    report("a preset toggled, to the drawn frame", steps["toggle"] * 1e3, 30, at_most=True, unit=" ms")
    report("what follow slice adds to a step", steps["follow"] * 1e3, 10, at_most=True, unit=" ms")


def bench_dock(folder: Path) -> None:
    """The dock on the folder of 285,380 files, in a real window."""
    child(SCAN, str(folder))  # the page cache is warm from here on
    screen = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"] if shutil.which("xvfb-run") else []
    command = [*screen, sys.executable, str(Path(__file__).with_name("dock.py")), str(folder)]
    runs = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as cache:  # each run reads the folder for the first time
            environment = {**os.environ, "XDG_CACHE_HOME": cache}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    best = {name: min(run[name] for run in runs) for name in runs[0]}
    print(f"the folder is scanned in the window in {best['scan']:.1f} s; another view {best['view'] * 1e3:.0f} ms")
    print(
        f"napari alone freezes for {best['napari'] * 1e3:.0f} ms when a layer is added, Python for "
        f"{best['garbage'] * 1e3:.0f} ms when it collects all garbage"
    )
    for name, what, bound in (
        ("open", "the dock opens", 300),
        ("bars", "the first bars", 1000),
        ("tag", "a tag is chosen (median)", 50),
        ("slowest tag", "the slowest tag", 50),
        ("first filter", "the first filter, with which the chips come", 50),
        ("filter", "a filter is added (median)", 50),
        ("scope", "the scope is changed (median)", 50),
        ("freeze", "the longest freeze of the scan", 100),
        ("opening", "the longest freeze when its first layer comes", 100),
    ):
        print(f"       {', '.join(f'{run[name] * 1e3:.0f}' for run in runs)} ms")
        report(what, best[name] * 1e3, bound, at_most=True, unit=" ms")


def run_parts(words: Sequence[str], folder: Path | None, target: Path | None, page: Path | None) -> int:
    """Run each part in a process of its own, as two toolkits in one have two copies of GDCM; return an exit code."""
    again = [sys.executable, "-u", __file__, *(["--folder", str(folder)] if folder else [])]
    worst, outputs = 0, {}
    for word in words:
        lines = []
        with subprocess.Popen([*again, word], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        worst, outputs[word] = max(worst, abs(process.returncode)), "".join(lines)
    record = recorded(outputs)
    for path, text in ((target, json.dumps(record, indent=1, ensure_ascii=False) + "\n"), (page, written(record))):
        if path:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="all of them if none is named")
    parser.add_argument("--folder", type=Path, help="a folder made by the generator")
    parser.add_argument("--json", type=Path, help="write the figures, with machine and versions, as JSON")
    parser.add_argument("--page", type=Path, help="write a page of all that was printed")
    options = parser.parse_args()
    if not (SHARED / "dsb2017").exists() and options.folder is None:
        sys.exit("the generator is not here: set SHARED_DATA, or name a folder with --folder")
    if len(options.words) != 1 or options.json or options.page:
        sys.exit(run_parts(options.words or PARTS, options.folder, options.json, options.page))
    if "volumes" in options.words:
        from volumes import bench_volumes

        bench_volumes(SHARED, timed, report, child)
    if "growth" in options.words:
        from growth import bench_growth

        bench_growth(options.folder or dsb_folder(), report, child)
    if "headers" in options.words:
        from headers import bench_headers

        bench_headers(SHARED, report)
    if "window" in options.words:
        bench_window()
    if "dock" in options.words:
        bench_dock(options.folder or dsb_folder())
    if "layout" in options.words:
        from layout import bench_layout

        bench_layout(options.folder or dsb_folder(), SHARED, timed, report, child)
    if "scan" in options.words:
        bench_scan(options.folder or dsb_folder())
    print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
