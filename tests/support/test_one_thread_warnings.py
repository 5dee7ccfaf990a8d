from __future__ import annotations

import threading
import warnings
from pathlib import Path

import pytest

import napari_dicommeta
from napari_dicommeta.support.one_thread_warnings import recorded, silence


def test_a_thread_waits_until_another_has_its_warnings() -> None:
    inside, seen = threading.Event(), []

    def other() -> None:
        inside.wait()
        with silence():
            warnings.warn("hidden", stacklevel=1)
            seen.append(True)

    thread = threading.Thread(target=other)
    thread.start()
    with recorded() as caught:
        inside.set()
        thread.join(0.05)
        assert not seen
        with silence():  # the same thread may hide some inside
            warnings.warn("hidden", stacklevel=1)
        warnings.warn("kept", stacklevel=1)
        assert [str(one.message) for one in caught] == ["kept"]
    thread.join()
    assert seen
    with pytest.warns(UserWarning, match="shown"):
        warnings.warn("shown", stacklevel=1)


def test_filters_of_warnings_are_changed_in_one_module() -> None:
    sources = Path(napari_dicommeta.__file__).parent.rglob("*.py")
    assert {path.stem for path in sources if "catch_warnings" in path.read_text("utf-8")} == {"one_thread_warnings"}
