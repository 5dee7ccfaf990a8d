"""The time to the first picture in a real window, and its longest freeze: `bench.py window` runs it, on a screen.

300 slices of 512²: a folder of DICOM through the reader and the dock, against the same array as a `.npy` file.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any

from screen import new_viewer, wait


def measure(kind: str, path: str) -> dict[str, float]:
    """Seconds from `viewer.open` to the first picture, and the longest time without an event, of a warm viewer."""
    viewer = new_viewer(1400, 900)
    import numpy as np
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    viewer.add_image(np.zeros((4, 64, 64), np.int16), contrast_limits=(0, 1))
    if kind == "dicom":
        import napari_dicommeta as dm
        from napari_dicommeta.phantom import sample

        viewer.window.add_plugin_dock_widget("napari-dicommeta", "DICOM")
        warm = tempfile.mkdtemp()
        sample(warm)
        np.asarray(dm.load(warm)[0].array)
    else:
        from napari_builtins.io import napari_get_reader  # what opens a .npy

        napari_get_reader(path)
    for _ in range(20):
        QApplication.processEvents()
        time.sleep(0.02)
    viewer.layers.clear()
    QApplication.processEvents()
    drawn: list[float] = []
    longest = 0.0
    last = time.perf_counter()

    def tick() -> None:
        nonlocal longest, last
        now = time.perf_counter()
        longest, last = max(longest, now - last), now

    ready: list[Any] = []  # napari draws in the midst of adding a layer too, when there is nothing of it to be seen

    def draw(_event: object = None) -> None:
        if any(layer.visible for layer in ready):
            drawn.append(time.perf_counter())

    viewer.layers.events.inserted.connect(lambda event: ready.append(event.value), position="last")

    scene = viewer.window._qt_viewer.canvas._scene_canvas
    scene.events.draw.connect(draw, position="last")
    timer = QTimer()
    timer.setInterval(1)
    timer.timeout.connect(tick)
    timer.start()
    tick()
    longest = 0.0
    began = time.perf_counter()
    if kind == "dicom":
        viewer.open(path, plugin="napari-dicommeta")
    else:
        viewer.open(path)
    deadline = began + 20
    while not drawn and time.perf_counter() < deadline:
        wait(2)
    first = drawn[0] - began
    wait(2000)
    result = {"first": first, "freeze": longest}
    viewer.close()
    return result


def presets(path: str) -> dict[str, float]:
    """The median seconds of a toggled preset, to the drawn frame, and what following the slice adds to a step."""
    viewer = new_viewer(1400, 900)
    from dataclasses import replace
    from statistics import median

    from qtpy.QtWidgets import QApplication

    import napari_dicommeta as dm
    from napari_dicommeta._napari.reader import layer_of
    from napari_dicommeta.volumes.details import Details

    _, dock = viewer.window.add_plugin_dock_widget("napari-dicommeta", "DICOM")
    (volume,) = dm.load(path)
    own = tuple(
        tuple(replace(window, center=window.center + k) for window in windows)
        for k, windows in enumerate(volume.slice_windows)
    )
    viewer.add_layer(layer_of(replace(volume, details=Details(own, ()))))
    wait(1500)
    toggles, steps, whole = [], [], []
    drawn: list[float] = []
    scene = viewer.window._qt_viewer.canvas._scene_canvas
    scene.events.draw.connect(lambda _event: drawn.append(time.perf_counter()), position="last")
    for i in range(24):
        drawn.clear()
        began = time.perf_counter()
        dock.windows.choose(i % 2)
        while not drawn:
            QApplication.processEvents()
        whole.append(time.perf_counter() - began)
        toggles.append(drawn[0] - began)
        wait(40)
    dock.windows.fields.follow.click()
    dock.windows.choose(0)
    moved = dock.windows.windowing.moved
    taken = [0.0]

    def timed_move() -> bool:
        began = time.perf_counter()
        changed = moved()
        taken[0] = time.perf_counter() - began
        return changed

    dock.windows.windowing.moved = timed_move
    for k in range(100, 124):
        viewer.dims.set_point(0, float(k) * viewer.layers[0].scale[0])
        steps.append(taken[0])
        wait(100)
    assert max(steps) > 0
    return {"toggle": median(toggles), "whole": median(whole), "follow": median(steps)}


if __name__ == "__main__":
    kind, path = sys.argv[1:3]
    print(json.dumps(presets(path) if kind == "presets" else measure(kind, path)), flush=True)
    os._exit(0)
