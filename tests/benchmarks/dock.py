"""The dock on a large folder, in a real window: `bench.py dock` runs it, on a screen.

Times are to repainted widgets: until the events are done that follow, and what is shown is painted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

from screen import new_viewer, wait


def measure(folder: str) -> dict[str, float]:
    """Seconds to open the dock, to the first bars, and to choose tags, filters and scopes; the longest freezes."""
    viewer = new_viewer(1500, 950)
    import gc

    import numpy as np
    from qtpy.QtCore import QEvent, QObject, QTimer
    from qtpy.QtWidgets import QApplication

    viewer.add_image(np.zeros((4, 64, 64), np.int16), contrast_limits=(0, 1))  # napari makes its controls once
    wait(800)
    began = time.perf_counter()
    _, dock = viewer.window.add_plugin_dock_widget("napari-dicommeta", "DICOM")
    QApplication.processEvents()
    found = {"open": time.perf_counter() - began}
    wait(1500)
    viewer.layers.clear()
    wait(500)
    began = time.perf_counter()
    gc.collect()
    found["garbage"] = time.perf_counter() - began
    beats: list[float] = []
    timer = QTimer()
    timer.setInterval(1)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))
    timer.start()
    wait(200)
    viewer.add_image(np.zeros((180, 512, 512), np.int16), contrast_limits=(0, 1))
    wait(500)
    found["napari"] = max(after - before for before, after in pairwise(beats))
    viewer.layers.clear()
    wait(500)
    beats.clear()
    began = time.perf_counter()
    dock.open_paths([folder])
    while not dock.is_idle:
        wait(10)
        if "bars" not in found and dock.values.model.bars:
            found["bars"] = time.perf_counter() - began
    found["scan"] = time.perf_counter() - began
    wait(5000)
    gaps = [(after - before, after) for before, after in pairwise(beats)]
    found["freeze"] = max(gap for gap, at in gaps if at < began + found["scan"] - 0.5)
    found["opening"] = max(gap for gap, at in gaps if at >= began + found["scan"] - 0.5)
    dock.workers.stop("notes")
    dock.findings_tab.checks.cancel()
    timer.stop()
    dock.tabs.setCurrentWidget(dock.tab)
    wait(1000)

    class Watch(QObject):
        """When views were painted last."""

        at = 0.0

        def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint:
                self.at = time.perf_counter()
            return False

    watch, changed = Watch(), [0.0]
    for view in (dock.tags.table, dock.values.view, dock.tab.bins, dock.tab.joint):
        getattr(view, "viewport", lambda view=view: view)().installEventFilter(watch)
    dock.exploration.picture_changed.connect(lambda: changed.__setitem__(0, time.perf_counter()))
    for model in (dock.values.model, dock.tags.model):
        model.modelReset.connect(lambda: changed.__setitem__(0, time.perf_counter()))

    def painted(action: Callable[[], Any]) -> float:
        """Until all that follows `action`, the counted tags too, is on the screen."""
        began = time.perf_counter()
        action()
        while changed[0] < began or watch.at < changed[0] or dock.exploration.is_counting:
            QApplication.processEvents()
            assert time.perf_counter() - began < 5, "nothing was painted"
        return time.perf_counter() - began

    def choose(keyword: str) -> None:
        dock.tab.show_tag(keyword)

    gc.collect()
    gc.disable()  # a full collection comes once in hundreds of clicks; it has its own figure
    tags = [row.keyword for row in dock.tags._rows]
    for keyword in tags:  # what is counted the first time is decoded first
        painted(lambda keyword=keyword: choose(keyword))
    passes = [[painted(lambda keyword=keyword: choose(keyword)) for keyword in tags] for _ in range(3)]
    times = [median(of_tag) for of_tag in zip(*passes, strict=True)]
    found |= {"tag": median(times), "slowest tag": max(times)}
    choose("PixelSpacing")
    wait(300)
    texts = [bar.text for bar in dock.values.model.bars[:14]]
    found["first filter"] = painted(lambda: dock.toggle_value(texts[0]))  # the chips come: all is laid out anew
    wait(500)
    times = []
    for text in texts[1:]:
        times.append(painted(lambda text=text: dock.toggle_value(text)))
        wait(300)
    found["filter"] = median(times)
    times = []
    for scope in ("series", "study", "folder") * 3:
        times.append(painted(lambda scope=scope: dock.tab._ask_for(scope=scope)))
        wait(300)
    found["scope"] = median(times)
    times = []
    for view in ("ranges", "spelling", "meaning") * 2:
        times.append(painted(lambda view=view: dock.tab._ask_for(view=view)))
        wait(100)
    found["view"] = median(times)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])), flush=True)
    os._exit(0)
