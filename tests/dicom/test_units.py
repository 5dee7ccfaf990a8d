from __future__ import annotations

import pytest

from napari_dicommeta.dicom.units import unit_words


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("BQML", "Bq/ml"),
        ("GML", "g/ml"),
        ("PROPCPS", "∝ counts/s"),
        ("NONE", ""),
        ("US", ""),
        ("HU", "HU"),
        ("Gy", "Gy"),
        ("", ""),
    ],
)
def test_units_are_written_as_people_do(term: str, words: str) -> None:
    assert unit_words(term) == words
