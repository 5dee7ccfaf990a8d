from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication
from window_driver import LIMIT_MS, open_dock

from napari_dicommeta._napari.state.sources import take_state
from napari_dicommeta._napari.widgets.dock import DicomDock

SIZE = (1400, 900)


@pytest.fixture
def qtbot(qtbot: Any) -> Any:
    """Give all waits one limit. How long a thing takes depends on what else the machine does, and is no fault."""
    wait_until, wait_signal = qtbot.waitUntil, qtbot.waitSignal

    def wait_signal_longer(signal: Any, *, timeout: int = LIMIT_MS, raising: bool | None = None, **options: Any) -> Any:
        # With `raising` False it is waited for a signal that is not to come.
        return wait_signal(signal, timeout=timeout if raising is False else LIMIT_MS, raising=raising, **options)

    qtbot.waitUntil = lambda callback, *, timeout=LIMIT_MS: wait_until(callback, timeout=LIMIT_MS)
    qtbot.waitSignal = wait_signal_longer
    return qtbot


@pytest.fixture(scope="module")
def viewer_of_module(qapp: Any) -> Iterator[Any]:
    import napari

    patch = pytest.MonkeyPatch()
    patch.setattr("napari._qt.threads.status_checker.StatusChecker.start", lambda *_: None)
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    yield viewer
    patch.setattr(viewer.window._qt_window, "_save_current_window_settings", lambda: None)
    viewer.close()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    patch.undo()


@pytest.fixture
def viewer(viewer_of_module: Any, qtbot: Any) -> Iterator[Any]:
    """Give the viewer of the module, which takes a second or two to make, and empty it afterwards."""
    viewer = viewer_of_module
    viewer.window.resize(*SIZE)
    QApplication.setActiveWindow(viewer.window._qt_window)
    yield viewer
    viewer.window.remove_dock_widget("all")
    qtbot.wait(10)  # a dock that is closed keeps its state for the next one
    take_state(viewer)
    gc.freeze()  # napari collects garbage when layers go, which takes a fifth of a second for its own objects
    viewer.layers.clear()
    gc.unfreeze()
    viewer.dims.ndisplay = 2
    viewer.theme = "dark"
    qtbot.wait(10)
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.fixture
def dock(viewer: Any) -> DicomDock:
    """Open the dock in the viewer."""
    return open_dock(viewer)


@pytest.fixture(autouse=True)
def _decisions_of_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep decisions on findings apart: those on equal files hold in the next run too."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))


@pytest.fixture(autouse=True)
def _settings_of_nobody() -> None:
    """Forget what a test has set up before the next one, and where napari opens a dock that was moved."""
    from napari.settings import get_settings

    from napari_dicommeta._napari.settings import _kept

    application = get_settings().application
    if getattr(application, "plugin_widget_positions", {}):  # old releases have none
        application.plugin_widget_positions = {}
    kept = _kept()
    for name, field in type(kept).model_fields.items() if kept is not None else ():
        if getattr(kept, name) != field.default:
            setattr(kept, name, field.default)
