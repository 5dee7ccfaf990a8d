from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_dicommeta.support import memory
from napari_dicommeta.support.memory import free_memory

GROUPS = (("v2.max", "v2.current"), ("v1.limit", "v1.usage"))


@pytest.fixture
def system(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory, "MEMORY_INFO", str(tmp_path / "meminfo"))
    groups = tuple((str(tmp_path / limit), str(tmp_path / used)) for limit, used in GROUPS)
    monkeypatch.setattr(memory, "GROUP_LIMITS", groups)
    (tmp_path / "meminfo").write_text("MemTotal: 900 kB\nMemFree: 5 kB\nMemAvailable:   600 kB\n")
    return tmp_path


def test_the_memory_of_the_system_counts(system: Path) -> None:
    assert free_memory() == 600 * 1024


@pytest.mark.parametrize(("limit", "used"), GROUPS)
def test_a_containers_limit_counts_too(system: Path, limit: str, used: str) -> None:
    (system / used).write_text("1000\n")
    (system / limit).write_text("5000\n")
    assert free_memory() == 4000
    (system / limit).write_text("500\n")
    assert free_memory() == 0
    (system / limit).write_text("max\n")
    assert free_memory() == 600 * 1024


def test_a_system_that_says_nothing_has_no_number(system: Path, monkeypatch: Any) -> None:
    def refuse(_name: str) -> int:
        raise ValueError("unrecognized configuration name")

    (system / "meminfo").write_text("MemTotal: 900 kB\n")
    monkeypatch.setattr(memory.os, "sysconf", refuse)
    assert free_memory() is None


def test_this_machine_has_some() -> None:
    free = free_memory()
    assert free is None or 0 <= free < 1 << 50
