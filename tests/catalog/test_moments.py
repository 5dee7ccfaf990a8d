"""Dates, times of day and ages as numbers and ranges."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import write_series
from hypothesis import given
from hypothesis import strategies as st

import napari_dicommeta as dm
from napari_dicommeta.catalog.moments import moment_of, moment_range, moment_text, moment_words, moments, spoken

EPOCH = datetime(1970, 1, 1)


@given(st.dates())
def test_a_date_is_its_days_since_1970_and_back(day: date) -> None:
    text = f"{day:%Y%m%d}".zfill(8)
    assert moment_of("DA", text) == (day - EPOCH.date()).days
    assert moment_text("DA", (day - EPOCH.date()).days) == text


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)))
def test_a_date_and_time_is_its_seconds_since_1970_and_back(moment: datetime) -> None:
    text = f"{moment:%Y%m%d%H%M%S.%f}"
    value = moment_of("DT", text)
    assert value == pytest.approx((moment - EPOCH) / timedelta(seconds=1), abs=1e-6)
    assert value is not None
    whole, _, fraction = text.partition(".")
    digits = fraction.rstrip("0")
    assert moment_text("DT", value) == (f"{whole}.{digits}" if digits else whole)
    assert moment_of("TM", text[8:]) == pytest.approx(value % 86_400, abs=1e-5)


@pytest.mark.parametrize(
    ("vr", "text", "value"),
    [
        ("DA", "2018.09.18", 17792),  # ACR-NEMA
        ("DA", "20230229", None),
        ("DA", "20231301", None),
        ("DA", "00000101", None),
        ("DA", "2018", None),
        ("TM", "11", 39600),
        ("TM", "1148", 42480),
        ("TM", "11:48:05.5", 42485.5),
        ("TM", "235960", 86400),  # a leap second
        ("TM", "24", None),
        ("TM", "1160", None),
        ("TM", "114805.", None),
        ("DT", "2018", 17532 * 86400),
        ("DT", "201809", 17775 * 86400),
        ("DT", "20180918114805.25-0730", 17792 * 86400 + 42485.25),  # the clock of the hospital
        ("DT", "20180918+0200", 17792 * 86400),
        ("DT", "20180931", None),
        ("AS", "045Y", 45),
        ("AS", "45Y", 45),
        ("AS", "018M", 1.5),
        ("AS", "045", None),
        ("AS", "Y", None),
        ("AS", "", None),
        ("TM", "é", None),
    ],
)
def test_texts_are_moments_or_none(vr: str, text: str, value: float | None) -> None:
    assert moment_of(vr, text) == value
    both = moments(vr, [text, "", text])
    assert np.isnan(both[1])
    assert np.array_equal(both[[0, 2]], [np.nan if value is None else value] * 2, equal_nan=True)


@pytest.mark.parametrize(
    ("vr", "low", "high", "first", "last"),
    [
        ("DA", "2010", "201202", "20100101", "20120229"),
        ("DA", 20100315, 20100316.0, "20100315", "20100316"),
        ("DA", "2010-03-15", "2010-03-15", "20100315", "20100315"),
        ("TM", "11", "1148", "110000", "114859.999999"),
        ("TM", 93000, "093000", "093000", "093000.999999"),
        ("DT", "2010", "20100315", "20100101000000", "20100315235959.999999"),
        ("DT", "20100315-0500", "201003151148-0500", "20100315000000", "20100315114859.999999"),
    ],
)
def test_the_ends_of_a_range_hold_their_whole_unit(
    vr: str, low: str | float, high: str | float, first: str, last: str
) -> None:
    assert tuple(moment_text(vr, end) for end in moment_range(vr, low, high)) == (first, last)


def test_ages_in_ranges_are_completed_years_or_numbers() -> None:
    assert moment_range("AS", 40, 65) == (40, 65)
    assert moment_range("AS", "040Y", None) == (40, np.inf)
    assert moment_range("AS", None, "040Y") == (-np.inf, np.nextafter(41, 0))
    assert moment_range("AS", None, "018m")[1] == pytest.approx(19 / 12)


@pytest.mark.parametrize(
    ("vr", "end"), [("DA", "2010x"), ("DA", "2010031511"), ("TM", "25"), ("AS", "40"), ("DT", "20")]
)
def test_an_end_that_is_none_is_refused_with_an_example(vr: str, end: str) -> None:
    with pytest.raises(ValueError, match=r"is no (date|time|age): write \d"):
        moment_range(vr, end, None)


def test_moments_in_words() -> None:
    assert [spoken("DA", text) for text in ("2018", "201809", "20180918", "x")] == [
        "2018",
        "2018-09",
        "2018-09-18",
        "x",
    ]
    assert [spoken("TM", text) for text in ("11", "1148", "114805.5")] == ["11 h", "11:48", "11:48:05.5"]
    assert [spoken("DT", text) for text in ("2018091811", "20180918114805")] == [
        "2018-09-18 11 h",
        "2018-09-18 11:48:05",
    ]
    assert [spoken("AS", text) for text in ("040Y", "001M", "old")] == ["40 years", "1 month", "old"]
    assert [moment_words("AS", value) for value in (40, 0.25, 0)] == ["40 years", "3 months", "0 years"]
    assert moment_words("DA", 17792) == "2018-09-18"


def test_ranges_of_dates_times_and_ages_select_files(tmp_path: Path) -> None:
    write_series(
        tmp_path,
        6,
        StudyDate=lambda k: ["20091231", "20100101", "20101231", "20110101", "unknown", None][k],
        AcquisitionTime=lambda k: ["105959.9", "1100", "11", "115959.99", "120000", ""][k],
        PatientAge=lambda k: ["039Y", "040Y", "480M", "041Y", "011D", None][k],
    )
    catalog = dm.scan(tmp_path)
    assert catalog.where(StudyDate=slice("2010", "2010")).n_files == 2
    assert catalog.where(StudyDate=slice(None, "2010")).n_files == 3
    assert catalog.where(StudyDate=slice(20100101, 20110101)).n_files == 3
    assert catalog.where(AcquisitionTime=slice("11", "11")).n_files == 3
    assert catalog.where(PatientAge=slice("040Y", "040Y")).n_files == 2
    assert catalog.where(PatientAge=slice(0, 1)).n_files == 1
    with pytest.raises(ValueError, match="is no date"):
        catalog.where(StudyDate=slice("last year", None))
    numbers = catalog.numbers("StudyDate")
    assert numbers is not None
    assert (numbers.vr, numbers.not_numbers, numbers.absent) == ("DA", 1, 1)
