"""The figures of scanning real headers, each a ratio within one run; `bench.py headers` runs them.

Real folders are repeated under fresh UIDs to at least 2,000 files. The peers read the same files: pydicom all nested
values, GDCM's Scanner five tags, fastdicom the text of all top-level values. Every side is warmed up first, and they
take turns.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDERS = ("dcm_qa_enh", "dcm_qa_philips-fmri", "dcm_qa_nih", "dcm_qa_ts", "chestct-fuzun45")
N_FILES, N_PYDICOM, ROUNDS = 2000, 60, 5
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
FIVE_TAGS = ((0x0020, 0x000D), (0x0020, 0x000E), (0x0008, 0x0018), (0x0028, 0x1052), (0x0028, 0x1053))
BOUNDS = {"pydicom": 15.0, "fastdicom": 2.0, "gdcm": 1.0}


def repeated(source: Path) -> Path:
    """Return a folder of the files of `source` under fresh UIDs, made once in the system's temporary folder."""
    import pydicom
    from pydicom.uid import generate_uid

    target = Path(tempfile.gettempdir()) / "dicommeta-bench" / f"{source.name}-{N_FILES}"
    if target.exists():
        return target
    print(f"repeating {source.name} …", flush=True)
    datasets = []
    for path in sorted(source.rglob("*")):
        try:
            datasets.append((path, pydicom.dcmread(path)))
        except (OSError, pydicom.errors.InvalidDicomError):
            continue
    draft = target.with_suffix(".draft")
    for number in range(math.ceil(N_FILES / len(datasets))):
        for path, dataset in datasets:
            for keyword in UIDS:
                if keyword in dataset:
                    seed = [source.name, str(number), str(path) if "SOP" in keyword else str(dataset[keyword].value)]
                    setattr(dataset, keyword, generate_uid(entropy_srcs=seed))
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            copy = draft / f"{number:03}" / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            dataset.save_as(copy)
    return draft.rename(target)


def by_fastdicom(paths: list[str]) -> None:
    """Read files with fastdicom, and make text of all top-level values."""
    import fastdicom

    for path in paths:
        for value in fastdicom.dcmread(path, stop_before_pixels=True).values():
            str(value)


def bench_headers(shared: Path, report: Callable[..., None]) -> None:
    """Scan real folders, against the peers."""
    import gdcm
    import pydicom

    import napari_dicommeta as dm

    def by_gdcm(paths: list[str]) -> None:
        scanner = gdcm.Scanner()
        for tag in FIVE_TAGS:
            scanner.AddTag(gdcm.Tag(*tag))
        scanner.Scan(gdcm.FilenamesType(paths))

    def by_pydicom(paths: list[str]) -> None:
        for path in paths:
            for element in pydicom.dcmread(path, stop_before_pixels=True).iterall():
                str(element.value)

    def each(actions: dict[str, tuple[Callable[[], Any], int]]) -> dict[str, float]:
        """Return the best seconds a file of each action; they take turns, so that a slow moment meets them all.

        Each acts twice in its turn: after another, the processor's caches and the memory at hand are not its own.
        """
        best = dict.fromkeys(actions, math.inf)
        for action, _ in actions.values():
            action()
        for _ in range(ROUNDS):
            for name, (action, n) in actions.items():
                for _ in range(2):
                    began = time.perf_counter()
                    action()
                    best[name] = min(best[name], (time.perf_counter() - began) / n)
        return best

    ratios: dict[str, list[float]] = {name: [] for name in BOUNDS}
    for name in FOLDERS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            folder = repeated(shared / "data" / name)
            paths = sorted(os.path.join(top, file) for top, _, files in os.walk(folder) for file in files)
            sample = paths[:: len(paths) // N_PYDICOM]
            n = len(paths)
            peers = each(
                {
                    "ours": (lambda folder=folder: dm.scan(folder), n),
                    "alone": (lambda folder=folder: dm.scan(folder, workers=1), n),
                    "pydicom": (lambda sample=sample: by_pydicom(sample), len(sample)),
                    "fastdicom": (lambda paths=paths: by_fastdicom(paths), n),
                    "gdcm": (lambda paths=paths: by_gdcm(paths), n),
                }
            )
        ours, alone = peers.pop("ours"), peers.pop("alone")
        shown = ", ".join(f"{peer} {seconds * 1e6:.0f}" for peer, seconds in peers.items())
        print(
            f"{name}: {len(paths):,} files, ours {ours * 1e6:.0f} µs a file ({alone * 1e6:.0f} in one process), {shown}"
        )
        for peer, seconds in peers.items():
            ratios[peer].append(seconds / ours)
    for peer, bound in BOUNDS.items():
        worst, mean = min(ratios[peer]), math.prod(ratios[peer]) ** (1 / len(FOLDERS))
        print(f"       {peer}: {', '.join(f'{ratio:.1f}' for ratio in ratios[peer])}; geometric mean {mean:.1f}×")
        report(f"times as fast as {peer}, on the slowest of the folders", worst, bound, at_most=False)
