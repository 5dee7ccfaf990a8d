from __future__ import annotations

from pathlib import Path

from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta.histogram import histogram_of


def test_bars_hold_the_folder_the_part_and_their_spellings(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 4, RescaleSlope=lambda k: ["1", "1.0", "1", "2"][k])
    write_series(tmp_path / "b", 2, SeriesInstanceUID="1.2.3", RescaleSlope="1.0")
    catalog = dm.scan(tmp_path)
    part = catalog.where(SeriesInstanceUID="1.2.3")
    histogram = histogram_of(catalog, "RescaleSlope", part)
    assert [(bar.text, bar.files, bar.part) for bar in histogram.bars] == [("1", 5, 2), ("2", 1, 0)]
    spelled = [(bar.text, bar.files, bar.part, bar.note[:2]) for bar in histogram.bars[0].spellings]
    assert spelled == [("1.0", 3, 2, "DS"), ("1", 2, 0, "DS")]
    assert (histogram.files, histogram.part_files, histogram.absent) == (6, 2, 0)
    flat = histogram_of(catalog, "RescaleSlope", part, by="spelling")
    assert [(bar.text, bar.files, bar.part) for bar in flat.bars] == [("1.0", 3, 2), ("1", 2, 0), ("2", 1, 0)]


def test_values_beyond_the_limit_stay_in_the_total(tmp_path: Path) -> None:
    write_series(tmp_path, 7, KVP=lambda k: None if k == 6 else 100 + k)
    histogram = histogram_of(dm.scan(tmp_path), "KVP", limit=4)
    shown = sum(bar.files for bar in histogram.bars)
    assert (len(histogram.bars), histogram.rest_values, histogram.rest_files, histogram.absent) == (4, 2, 2, 1)
    assert shown + histogram.rest_files + histogram.absent == histogram.files
