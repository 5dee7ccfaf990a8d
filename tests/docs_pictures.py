"""The pictures of the documentation, taken from the real window: ``python3 dev.py pictures``, with SHARED_DATA set.

They show public data: "Lung-Fused-CT-Pathology" of TCIA (CC BY 3.0), the validation set of IBSI (CC BY 3.0), head CTs
of dcm_qa_ct (BSD-2-Clause), and the sample.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1] / "docs"
SIZE = (1440, 900)
COLORS = 128
"""Colors of a picture: napari's themes and gray images need no more."""


class Camera:
    """The real window, with what a user does as methods."""

    def __init__(self, theme: str) -> None:
        import napari

        self.viewer = napari.Viewer(title="napari-dicommeta", show_welcome_screen=False)
        self.viewer.theme = theme
        self.dock: Any = self.viewer.window.add_plugin_dock_widget("napari-dicommeta", "DICOM")[1]
        self.viewer.window.resize(*SIZE)

    def wait(self, milliseconds: int = 300) -> None:
        from qtpy.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def settle(self) -> None:
        for _ in range(600):
            self.wait(100)
            if self.dock.is_idle and not self.dock.exploration.is_picture_due:
                break
        else:
            sys.exit("the window was busy for a minute")
        self.wait(800)

    def open(self, *paths: Path) -> None:
        self.dock.open_paths([str(path) for path in paths])
        self.settle()

    def tag(self, keyword: str) -> None:
        self.dock.tabs.setCurrentWidget(self.dock.tab)
        self.dock.tags.reveal(keyword)
        self.dock.tags.select(keyword)
        self.settle()

    def take(self, name: str) -> None:
        from PIL import Image

        self.wait(500)
        path = DOCS / name
        self.viewer.window.screenshot(str(path), canvas_only=False, flash=False)
        with Image.open(path) as picture:
            picture.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
        print(f"wrote {path.name}, {path.stat().st_size // 1024} kB")


def chest(camera: Camera, data: Path) -> None:
    camera.open(data / "chestct-fuzun45")
    camera.dock.tabs.setCurrentIndex(0)
    camera.take("images/drop.png")
    camera.viewer.dims.set_point(0, camera.viewer.dims.range[0].stop * 0.6)
    camera.dock.windows.choose(1)
    camera.settle()
    camera.take("images/presets.png")


def bars(camera: Camera, data: Path) -> None:
    camera.open(data / "dcm_qa_ct")
    camera.tag("WindowWidth")
    camera.take("images/bars.png")
    first = next(bar.text for bar in camera.dock.values.model.bars[1:] if not bar.state)
    camera.dock.values.value_activated.emit(first)
    camera.settle()
    camera.dock.tabs.setCurrentWidget(camera.dock.sheet)
    camera.settle()
    camera.take("images/crossfilter.png")


def findings(camera: Camera, data: Path) -> None:
    camera.open(data / "dcm_qa_ct")
    camera.dock.tabs.setCurrentWidget(camera.dock.findings_tab)
    camera.settle()
    camera.wait(4000)  # the findings about pixels come last
    camera.settle()
    camera.take("images/findings.png")


def fusion(camera: Camera, data: Path) -> None:
    camera.open(data / "ibsi" / "ibsi_validation" / "dicom" / "STS_019")
    camera.dock.tabs.setCurrentIndex(0)
    series = camera.dock.opened.catalog.series
    camera.dock.open_series(next(n for n, member in enumerate(series) if member.modality == "PT"))
    camera.settle()
    camera.take("images/fusion.png")


def sample(camera: Camera, data: Path) -> None:
    from napari_dicommeta.phantom import sample as write

    with tempfile.TemporaryDirectory() as folder:
        camera.open(write(Path(folder) / "Chest CT phantom"))
        camera.tag("RescaleSlope")
        camera.take("images/sample-light.png")


SCENES: dict[str, tuple[Callable[[Camera, Path], None], str]] = {
    "chest": (chest, "dark"),
    "bars": (bars, "dark"),
    "findings": (findings, "dark"),
    "fusion": (fusion, "dark"),
    "sample": (sample, "light"),
}


def main() -> None:
    """Take the pictures of the scenes that are named, or of all."""
    for variable in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):  # pictures show nobody's own folders
        os.environ[variable] = tempfile.mkdtemp()
    os.environ["NAPARI_CONFIG"] = os.path.join(tempfile.mkdtemp(), "settings.yaml")
    data = Path(os.environ["SHARED_DATA"]) / "data"
    for name in sys.argv[1:] or SCENES:
        scene, theme = SCENES[name]
        camera = Camera(theme)
        scene(camera, data)
        camera.viewer.close()


if __name__ == "__main__":
    main()
