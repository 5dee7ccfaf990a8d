from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pytest

from napari_dicommeta.support.html import MAX_ROWS, Records, escape_html, html_image, html_table, html_terms
from napari_dicommeta.support.png import png_of

EVIL = '<script>alert("1")</script>\u202e'


@dataclass(frozen=True)
class Row:
    text: str
    n: int = 1234

    def html_row(self) -> dict[str, str | int | float]:
        return {"text": self.text, "number": self.n}


@pytest.mark.parametrize(
    "shown",
    [
        escape_html(EVIL),
        html_table([Row(EVIL).html_row()]),
        html_table([{EVIL: 1}]),
        html_terms(EVIL, [(EVIL, EVIL)]),
        html_image(b"", EVIL),
        Records([Row(EVIL)])._repr_html_(),
    ],
)
def test_text_of_files_is_no_markup(shown: str) -> None:
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert 'alert("' not in shown
    assert "\u202e" not in shown


def test_records_are_a_tuple_with_a_table_of_the_first_of_them() -> None:
    records = Records(Row(str(n)) for n in range(100))
    assert records == tuple(Row(str(n)) for n in range(100))
    shown = records._repr_html_()
    assert (shown.count("<tr>"), shown.count("1,234")) == (MAX_ROWS + 1, MAX_ROWS)
    assert "40 more rows" in shown
    assert isinstance(records[:2], Records)
    assert "more" not in records[:2]._repr_html_()
    assert records[3] == Row("3")
    assert Records[Row]([])._repr_html_() == "<p>(no rows)</p>"


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 3), (1, 1)])
def test_a_png_is_read_as_it_was(shape: tuple[int, ...]) -> None:
    image = pytest.importorskip("imageio.v3")
    picture = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    assert (image.imread(io.BytesIO(png_of(picture)), extension=".png") == picture).all()


@pytest.mark.parametrize("wrong", [np.zeros((3, 3)), np.zeros((3, 3, 4), np.uint8), np.zeros((0, 3), np.uint8)])
def test_a_png_of_other_arrays_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 of shape"):
        png_of(wrong)
