"""What the benchmarks of windows share: a viewer with settings of its own, and a wait in which it lives."""

from __future__ import annotations

import os
import tempfile
from typing import Any

__all__ = ["new_viewer", "wait"]


def new_viewer(width: int, height: int) -> Any:
    """A napari viewer of this size on the screen; neither reads nor changes the settings of who measures."""
    os.environ["NAPARI_CONFIG"] = os.path.join(tempfile.mkdtemp(), "settings.yaml")
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window.resize(width, height)
    return viewer


def wait(milliseconds: int) -> None:
    """Run events as an application does, asleep where there are none."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()
