"""Dates, times and ages in bins of years, months, days, hours and years of age."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from dicom_factory import write_series
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_dicommeta as dm
from napari_dicommeta.analysis.bins import Bins, _moment_edges, bins_of, spread_of
from napari_dicommeta.catalog.moments import moment_range, moments


def binned(tmp_path: Path, keyword: str, texts: Sequence[str]) -> tuple[dm.Catalog, Bins]:
    write_series(tmp_path, len(texts), **{keyword: lambda k: texts[k]})
    catalog = dm.scan(tmp_path)
    bins = bins_of(catalog, keyword)
    assert bins is not None
    for i, files in enumerate(bins.files):  # a brush over one bin selects the files that it counts
        assert catalog.where({keyword: bins.condition(i, i)}).n_files == files
        assert bins.ends(i, i)[0] == bins.edges[i]
    last = len(bins.files) - 1
    assert catalog.where({keyword: bins.condition(0, last)}).n_files == bins.binned
    return catalog, bins


@pytest.mark.parametrize(
    ("keyword", "texts", "unit", "first", "n"),
    [
        ("StudyDate", ["20100315", "20100401", "20100402"], "day", slice("20100315", "20100315"), 19),
        ("StudyDate", ["20100317", "20100601"], "day", slice("20100315", "20100321"), 12),  # weeks from Mondays
        ("StudyDate", ["20091231", "20110502"], "month", slice("200912", "200912"), 18),
        ("StudyDate", ["20091231", "20140502"], "month", slice("200910", "200912"), 19),
        ("StudyDate", ["19691231", "19991231"], "year", slice("1969", "1969"), 31),
        ("StudyDate", ["19230101", "20240101"], "year", slice("1920", "1924"), 21),
        ("AcquisitionTime", ["000000", "235959"], "hour", slice("00", "00"), 24),
        ("AcquisitionTime", ["0801", "1005"], "minute", slice("0800", "0804"), 26),
        ("AcquisitionTime", ["080100.5", "080117"], "second", slice("080100", "080100"), 18),
        (
            "AcquisitionDateTime",
            ["20100315225959", "20100316010101"],
            "minute",
            slice("201003152255", "201003152259"),
            26,
        ),
        ("AcquisitionDateTime", ["20091231120000", "20110502"], "month", slice("200912", "200912"), 18),
    ],
)
def test_bins_of_dates_and_times_fit_their_span(
    tmp_path: Path, keyword: str, texts: list[str], unit: str, first: slice, n: int
) -> None:
    _, bins = binned(tmp_path, keyword, texts)
    assert (bins.unit, bins.condition(0, 0), len(bins.files)) == (unit, first, n)


def test_ages_are_in_years_and_those_of_infants_in_months(tmp_path: Path) -> None:
    _, bins = binned(tmp_path / "a", "PatientAge", ["031Y", "045Y", "089Y", "018M"])
    assert (bins.vr, bins.edges[:3], bins.files[:2]) == ("AS", (0, 2, 4), (1, 0))
    _, bins = binned(tmp_path / "b", "PatientAge", ["001M", "004M", "013M"])
    assert bins.edges == tuple(month / 12 for month in range(1, 15))


def test_a_date_far_outside_has_an_open_bin(tmp_path: Path) -> None:
    days = [f"201003{day:02}" for day in range(1, 29)]
    catalog, bins = binned(tmp_path, "StudyDate", ["19000101", *days * 8])
    assert bins.edges[0] == float("-inf")
    assert bins.condition(0, 0) == slice(None, "20100228")
    assert bins.files[0] == 1
    spread = spread_of(catalog, "StudyDate")
    assert spread is not None
    first, middle, last = moments("DA", ["19000101", "20100314", "20100328"])
    assert (spread.low, spread.median, spread.high, spread.vr) == (first, middle, last, "DA")


@settings(max_examples=50)
@given(
    st.lists(st.dates(min_value=date(1, 1, 1), max_value=date(2999, 12, 31)), min_size=2, max_size=9),
    st.integers(2, 40),
)
def test_bins_hold_every_date_and_are_few(days: list[date], most: int) -> None:
    values = moments("DA", [f"{day:%Y%m%d}".zfill(8) for day in days])
    edges, unit = _moment_edges("DA", values, values * 0 + 1, most)
    if not edges:
        assert len(set(days)) == 1
        return
    assert edges[0] <= values.min()
    assert edges[-1] > values.max()
    assert list(edges) == sorted(set(edges))
    assert len(edges) <= max(most, 6) + 3
    for low, high in itertools.pairwise(edges):  # each is a whole number of units
        if low > float("-inf") and high < float("inf"):
            start = date(1970, 1, 1) + timedelta(days=low)
            end = date(1970, 1, 1) + timedelta(days=high - 1)
            length = {"year": 4, "month": 6, "day": 8}[unit]
            texts = (f"{day:%Y%m%d}".zfill(8)[:length] for day in (start, end))
            assert moment_range("DA", *texts) == (low, high - 1)
