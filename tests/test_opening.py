from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dicom_factory import write_series

from napari_dicommeta import _opening


def result_of(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def test_no_file_is_read_before_what_threads_share_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path, 2)
    imported: list[str] = []
    at_scan: list[tuple[str, ...]] = []
    iter_scan = _opening.iter_scan

    def watched(*arguments: Any) -> Any:
        at_scan.append(tuple(imported))
        return iter_scan(*arguments)

    monkeypatch.setattr(_opening, "import_module", imported.append)
    monkeypatch.setattr(_opening, "iter_scan", watched)
    opened = result_of(_opening.open_source([str(tmp_path)]))
    assert at_scan == [_opening.PRELOADED]
    assert len(opened.volumes) == 1
