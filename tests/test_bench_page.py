"""The record of the benchmarks, and the page that is made from it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent / "benchmarks"
PRINTED = """+ made the folder
285,380 files, 2 cores
ok     faster than the notebook's loop: 68.01× (at least 55×)
MISSED save and load: 2.30 s (at most 2 s)
peak of this process 10 MB
"""


def test_figures_become_a_record_and_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import page

    record = json.loads(json.dumps(page.recorded({"scan": PRINTED})))
    assert record["parts"]["scan"]["lines"] == ["285,380 files, 2 cores"]
    kept, missed = record["parts"]["scan"]["figures"]
    assert (kept["value"], kept["unit"], kept["bound"], kept["bound_is"], kept["is_kept"]) == (
        68.01,
        "×",
        55,
        "least",
        True,
    )
    assert (missed["value"], missed["unit"], missed["is_kept"]) == (2.3, "s", False)
    assert record["python"] == sys.version.split()[0]
    assert "pydicom" in record["versions"]
    text = page.written(record)
    assert "| faster than the notebook's loop | 68.01× | at least 55× | kept |" in text
    assert "| save and load | 2.30 s | at most 2 s | **missed** |" in text
