"""What the benchmarks printed, with machine and versions: as a record for JSON, and as `docs/benchmarks.md`."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

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


def recorded(outputs: dict[str, str]) -> dict[str, Any]:
    """Return what the parts printed, as a record for JSON: machine, versions, figures and lines of each part."""
    return {
        "version": 1,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": _machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": _versions(),
        "parts": {word: _part(text) for word, text in outputs.items()},
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE) if info.exists() else []
    return f"{platform.system()}, {names[0] if names else platform.machine()}"


def _part(text: str) -> dict[str, Any]:
    """Return the figures that a part printed, and its other lines."""
    figures, rest = [], []
    for line in text.splitlines():
        figure = _FIGURE.fullmatch(line.strip())
        if figure:
            word, name, value, unit, side, bound = figure.groups()
            figures.append(
                {
                    "name": name,
                    "value": float(value),
                    "unit": unit.strip(),
                    "bound": float(bound),
                    "bound_is": side,
                    "is_kept": word == "ok",
                }
            )
        elif line.strip() and not line.startswith(("+", "peak of this process")):
            rest.append(line.strip())
    return {"figures": figures, "lines": rest}


def written(record: dict[str, Any]) -> str:
    """Return the page of a record."""
    page = INTRODUCTION.format(
        words=" ".join(record["parts"]),
        packages=", ".join(f"{name} {number}" for name, number in record["versions"].items()),
        **{name: record[name] for name in ("date", "machine", "cores", "python")},
    )
    return page + "".join(_section(TITLES[word], part) for word, part in record["parts"].items())


def _section(title: str, part: dict[str, Any]) -> str:
    rows = []
    for figure in part["figures"]:
        unit = figure["unit"] if figure["unit"] in ("", "×") else f" {figure['unit']}"
        kept = "kept" if figure["is_kept"] else "**missed**"
        wanted = f"at {figure['bound_is']} {figure['bound']:g}{unit}"
        rows.append(f"| {figure['name']} | {figure['value']:.2f}{unit} | {wanted} | {kept} |")
    lines = [f"\n## {title}\n", "| Figure | Measured | Wanted | |", "|---|---|---|---|", *rows]
    if part["lines"]:
        lines += ["", "```text", *part["lines"], "```"]
    return "\n".join(lines) + "\n"
