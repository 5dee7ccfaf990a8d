"""Presets, fields and histogram of the window, one by one."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_dicommeta._napari.widgets.colors import theme_colors
from napari_dicommeta._napari.widgets.preset_strip import Preset, PresetStrip
from napari_dicommeta._napari.widgets.window_fields import WindowFields
from napari_dicommeta._napari.widgets.window_histogram import WindowHistogram
from napari_dicommeta._napari.words import parse_numbers
from napari_dicommeta.dicom.window import Window

SHOW_TEXT = "napari_dicommeta._napari.widgets.window_fields.QToolTip.showText"


def test_many_presets_are_one_row_that_scrolls_sideways(qtbot) -> None:
    strip = PresetStrip()
    qtbot.addWidget(strip)
    strip.resize(400, 150)
    strip.show()
    windows = [Window(center=100 * i, width=400) for i in range(8)]
    strip.set_presets("a layer", [Preset(window=window) for window in windows], "HU")
    qtbot.waitUntil(lambda: strip.arrows[0].isVisible(), timeout=2000)
    assert len({button.y() for button in strip.buttons}) == 1
    left, right = strip.arrows
    assert (left.isEnabled(), right.isEnabled()) == (False, True)
    bar = strip.row.horizontalScrollBar()
    strip.set_current(-1)  # the last one comes into view
    qtbot.waitUntil(lambda: bar.value() == bar.maximum(), timeout=2000)
    assert (left.isEnabled(), right.isEnabled()) == (True, False)
    qtbot.mouseClick(left, Qt.MouseButton.LeftButton)
    assert 0 < bar.value() < bar.maximum()
    before = bar.value()
    turn_wheel(strip.row.viewport(), 120)
    assert bar.value() < before
    strip.set_presets("a layer", [Preset(window=windows[0])], "HU")
    qtbot.waitUntil(lambda: not strip.arrows[0].isVisible(), timeout=2000)


def test_a_usual_preset_and_folded_ones_say_so(qtbot) -> None:
    strip = PresetStrip()
    qtbot.addWidget(strip)
    soft, lung = Window(center=40, width=400, explanation="SOFT"), Window(center=-600, width=1500, explanation="lung")
    usual = Preset(window=lung, is_usual=True)
    strip.set_presets("a", [Preset(window=soft, folded=(Window(center=41, width=400),)), usual])
    assert "nearly equal 41 / 400" in strip.buttons[0].toolTip()
    assert "not from the files" in strip.buttons[1].toolTip()
    assert [button.font().italic() for button in strip.buttons] == [False, True, False]
    assert "no presets" not in strip.title.text()
    strip.set_presets("a", [usual])
    assert strip.title.text().endswith("no presets in the files")


def turn_wheel(widget: QWidget, angle: int) -> None:
    place = QPointF(widget.rect().center())
    turn = QWheelEvent(
        place,
        QPointF(widget.mapToGlobal(widget.rect().center())),
        QPoint(0, 0),
        QPoint(0, angle),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, turn)


@pytest.fixture
def fields(qtbot):
    widget = WindowFields()
    qtbot.addWidget(widget)
    widget.show()
    QApplication.setActiveWindow(widget)  # without a window manager nothing else makes it that
    widget.entered = []
    widget.window_entered.connect(widget.entered.append)
    widget.set_shown(Window(center=40.4, width=400.2), units="HU")
    return widget


def type_into(qtbot, field, text: str) -> None:
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


@pytest.mark.parametrize(
    ("text", "center", "width"),
    [
        ("50", 50, 400.2),
        ("1,5", 1.5, 400.2),
        ("-600/1200", -600, 1200),
        ("-600 / 1200", -600, 1200),
        ("-600 1200", -600, 1200),
        ("1e3", 1000, 400.2),
    ],
)
def test_center_and_width_are_taken_as_people_type_them(qtbot, fields, text: str, center: float, width: float) -> None:
    type_into(qtbot, fields.center, text)
    assert fields.entered == [Window(center=center, width=width)]


def test_a_minus_sign_is_one_too() -> None:
    assert parse_numbers("\N{MINUS SIGN}600\\1200") == (-600, 1200)


def test_a_pair_may_be_typed_as_the_width_too(qtbot, fields) -> None:
    type_into(qtbot, fields.width_field, "-600/1200")
    type_into(qtbot, fields.width_field, "80")
    assert fields.entered == [Window(center=-600, width=1200), Window(center=40.4, width=80)]


@pytest.mark.parametrize("text", ["", "abc", "1/2/3", "1e99"])
def test_what_is_no_number_is_refused_with_a_hint(qtbot, fields, text: str, monkeypatch) -> None:
    hints = []
    monkeypatch.setattr(
        "napari_dicommeta._napari.widgets.window_fields.QToolTip.showText", lambda *args: hints.append(args[1])
    )
    fields.center.setFocus()
    fields.center.selectAll()
    qtbot.keyClick(fields.center, Qt.Key.Key_Delete)
    qtbot.keyClicks(fields.center, text)
    qtbot.keyClick(fields.center, Qt.Key.Key_Return)
    assert fields.entered == []
    assert fields.center.text() == "40"
    assert hints == ["Type a number, or center/width such as -600/1200."]


def test_a_width_that_is_not_allowed_is_refused_with_the_reason(qtbot, fields, monkeypatch) -> None:
    hints = []
    monkeypatch.setattr(
        "napari_dicommeta._napari.widgets.window_fields.QToolTip.showText", lambda *args: hints.append(args[1])
    )
    type_into(qtbot, fields.width_field, "0")
    assert (fields.entered, fields.width_field.text()) == ([], "400")
    assert hints == ["A width of 0 is not allowed for LINEAR."]


@pytest.mark.parametrize(
    ("units", "window", "texts"),
    [
        ("HU", Window(center=40.5, width=400.4), ("40", "400")),
        ("g/ml", Window(center=2.5, width=5), ("2.5", "5")),
        ("", Window(center=0.01234567, width=0.02), ("0.0123", "0.02")),
        ("", Window(center=16383.5, width=32767), ("16384", "32767")),
    ],
)
def test_numbers_have_the_digits_that_the_unit_needs(qtbot, fields, units, window, texts) -> None:
    fields.set_shown(window, units=units)
    assert (fields.center.text(), fields.width_field.text()) == texts
    fields.center.setFocus()
    fields.width_field.setFocus()  # going through the fields changes nothing
    qtbot.keyClick(fields.width_field, Qt.Key.Key_Return)
    assert fields.entered == []
    assert fields.center.value() == window.center


def test_arrow_keys_and_the_wheel_step_and_escape_takes_back(qtbot, fields) -> None:
    turn_wheel(fields.center, 120)  # without the keyboard the wheel is the dock's
    assert fields.entered == []
    fields.center.setFocus()
    qtbot.keyClick(fields.center, Qt.Key.Key_Up)
    qtbot.keyClick(fields.center, Qt.Key.Key_PageDown)
    turn_wheel(fields.center, -120)
    assert [window.center for window in fields.entered] == pytest.approx([50.4, -59.6, 30.4])
    qtbot.keyClicks(fields.center, "77")
    qtbot.keyClick(fields.center, Qt.Key.Key_Escape)
    assert fields.center.text() == "40"


def test_a_gamma_is_named_beside_the_unit(qtbot, fields) -> None:
    fields.set_shown(Window(center=40, width=400), units="HU", gamma=0.5)
    assert fields.unit.text() == "HU γ 0.5"


def test_edges_of_the_histogram_are_dragged(qtbot) -> None:
    histogram = WindowHistogram()
    qtbot.addWidget(histogram)
    histogram.resize(212, 40)  # 200 pixels of bars
    histogram.set_colors(theme_colors("dark"))
    histogram.set_counts(np.arange(10), (0.0, 200.0))
    histogram.set_limits((50.0, 100.0))
    histogram.show()
    dragged = []
    histogram.limits_dragged.connect(lambda low, high: dragged.append((low, high)))

    def drag(start: int, end: int) -> tuple[float, float]:
        histogram.set_limits((50.0, 100.0))
        qtbot.mousePress(histogram, Qt.MouseButton.LeftButton, pos=QPoint(6 + start, 20))
        qtbot.mouseMove(histogram, QPoint(6 + end, 20))
        histogram.set_counts(np.zeros(4), (0.0, 1.0))  # a new slice does not move the ground under the mouse
        qtbot.mouseRelease(histogram, Qt.MouseButton.LeftButton, pos=QPoint(6 + end, 20))
        return tuple(round(value) for value in dragged[-1])

    assert drag(52, 32) == (30, 100)
    assert drag(99, 150) == (50, 151)
    assert drag(75, 85) == (60, 110)
    assert drag(180, 190) == (50, 110)
    assert drag(50, 190) == (100, 100)  # they meet, and do not pass
    assert dragged[-1][0] < dragged[-1][1]
    assert histogram.range == (0.0, 200.0)
