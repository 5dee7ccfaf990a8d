"""The page of the benchmarks, `docs/benchmarks.md`: what each part printed, with machine and versions."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("napari-dicommeta", "pydicom", "python-gdcm", "fastdicom", "SimpleITK", "numpy", "pyarrow", "napari")
TITLES = {
    "scan": "The folder of 285,380 files",
    "headers": "Real headers",
    "growth": "Growth, clusters and slow storage",
    "layout": "Laying out series",
    "volumes": "From paths to pixels",
    "window": "The window",
    "dock": "The dock on 285,380 files",
}
INTRODUCTION = """# Benchmarks

Written by `python3 dev.py bench {words} --page docs/benchmarks.md` on {date}: {machine}, {cores} cores,
Python {python}; {packages}.

Each figure is a ratio within one run, or a bound on this machine; every side is warmed up first. Speeds of a virtual
machine differ by half between one hour and the next, ratios by less. The folder of 285,380 files is a replica of the
notebook's (CT, 57 tags, headers of 1.5 kB); the real folders are public data repeated under fresh UIDs. "Notebook" is
the loop that this library replaces: each file read by pydicom, and `str(value)` counted for every element.

A row that is **missed** stays in the table until it is kept.
"""
_FIGURE = re.compile(r"(ok|MISSED) +(.+): ([\d.]+)(\D*) \(at (most|least) ([\d.]+)\D*\)")


def written(outputs: dict[str, str]) -> str:
    """Return the page of what the parts printed."""
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    page = INTRODUCTION.format(
        words=" ".join(outputs),
        date=datetime.now(UTC).date().isoformat(),
        machine=_machine(),
        cores=os.cpu_count(),
        python=platform.python_version(),
        packages=", ".join(versions),
    )
    return page + "".join(_part(TITLES[word], text) for word, text in outputs.items())


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE) if info.exists() else []
    return f"{platform.system()}, {names[0] if names else platform.machine()}"


def _part(title: str, text: str) -> str:
    rows, rest = [], []
    for line in text.splitlines():
        figure = _FIGURE.fullmatch(line.strip())
        if figure:
            word, name, value, unit, side, bound = figure.groups()
            kept = "kept" if word == "ok" else "**missed**"
            rows.append(f"| {name} | {value}{unit} | at {side} {bound}{unit} | {kept} |")
        elif line.strip() and not line.startswith(("+", "peak of this process")):
            rest.append(line.strip())
    lines = [f"\n## {title}\n", "| Figure | Measured | Wanted | |", "|---|---|---|---|", *rows]
    if rest:
        lines += ["", "```text", *rest, "```"]
    return "\n".join(lines) + "\n"
