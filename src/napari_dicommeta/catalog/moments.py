"""Dates, times of day and ages as numbers, and back: the VRs DA, TM, DT and AS (PS3.5 section 6.2).

Their numbers are days since 1970-01-01 (DA), seconds since midnight (TM), seconds since 1970-01-01 by the clock that
wrote them (DT), and years (AS). An offset from UTC does not count: what matters is the hour of the hospital.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

__all__ = [
    "DAY_SECONDS",
    "FIRST_DAY",
    "MOMENT_VRS",
    "UNITS",
    "YEARS",
    "YOUNG",
    "moment_of",
    "moment_range",
    "moment_text",
    "moment_words",
    "moments",
    "spoken",
]

MOMENT_VRS = frozenset(("AS", "DA", "DT", "TM"))
"""The VRs of dates, times and ages."""
YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
"""Years in each unit of an age."""
UNITS = ("year", "month", "day", "hour", "minute", "second")
"""Units of a date and time, the longest first."""
YOUNG = 2
"""Years below which an age is shown in months."""
FIRST_DAY = -719_162
"""The first day of the year 1, in days since 1970-01-01."""
DAY_SECONDS = 86_400
MAX_LETTERS = 26
"""Letters of the longest DT."""
TICK = 1e-6
"""The resolution of TM and DT, in seconds."""
_CLOCK = "([01][0-9]|2[0-3])([0-5][0-9](([0-5][0-9]|60)([.][0-9]{1,6})?)?)?"
_DATE = "(0[1-9]|1[0-2])([0-2][0-9]|3[01])"
_PATTERNS = {
    "DA": f"^[0-9]{{4}}{_DATE}$",
    "TM": f"^{_CLOCK}$",
    "DT": f"^[0-9]{{4}}((0[1-9]|1[0-2])(([0-2][0-9]|3[01])({_CLOCK})?)?)?([+-][0-9]{{4}})?$",
    "AS": "^[0-9]{1,3}[DWMY]$",
}
"""Texts without the dots and colons of ACR-NEMA."""
_SEPARATORS = {"DA": ".", "TM": ":"}
_DIGITS = {"year": 4, "month": 6, "day": 8, "hour": 10, "minute": 12, "second": 14}
"""Digits of a DT down to each unit."""
_EXAMPLES = {
    "DA": "2010, 201003 or 20100315",
    "TM": "11, 1148 or 114805",
    "DT": "2010, 20100315 or 201003151148",
    "AS": "040Y or 018M",
}


def moments(vr: str, texts: Sequence[str] | pa.Array) -> np.ndarray:
    """Return the number of each text: float64, shape (n,); NaN for a text that is no date, time or age.

    A date without a month or day, and a time without minutes or seconds, is its first moment.
    """
    import pyarrow.compute as pc  # later than conditions, which a reader needs, are imported

    from napari_dicommeta.catalog.arrow_arrays import numpy_of, text_array

    array = text_array(texts) if isinstance(texts, (tuple, list)) else texts
    if vr in _SEPARATORS:
        array = pc.replace_substring(array, _SEPARATORS[vr], "")
    is_valid = numpy_of(pc.match_substring_regex(array, _PATTERNS[vr]))
    letters = _letters(array)
    is_digit = (letters >= ord("0")) & (letters <= ord("9"))
    digits = np.where(np.logical_and.accumulate(is_digit, axis=1), letters - np.uint8(ord("0")), 0)
    if vr == "AS":
        n_digits = is_digit.sum(axis=1)
        counts = (digits[:, :3] @ np.array([100, 10, 1])) // 10 ** np.clip(3 - n_digits, 0, 3)
        units = np.take_along_axis(letters, np.minimum(n_digits, MAX_LETTERS - 1)[:, None], axis=1)[:, 0]
        factors = np.select([units == ord(unit) for unit in YEARS], list(YEARS.values()), 0.0)
        return np.where(is_valid, counts * factors, np.nan)
    pairs = digits[:, 0:14:2] * 10.0 + digits[:, 1:14:2]
    numbers = np.zeros(len(is_valid))
    if vr != "TM":
        numbers, is_date = _days(pairs[:, 0] * 100 + pairs[:, 1], *np.maximum(pairs[:, 2:4], _is_missing(is_digit)).T)
        is_valid = is_valid & is_date
    if vr != "DA":
        start = 0 if vr == "TM" else 4
        dot = 6 if vr == "TM" else 14
        clock = pairs[:, start : start + 3] @ np.array([3600.0, 60.0, 1.0])
        after = np.logical_and.accumulate(is_digit[:, dot + 1 : dot + 7], axis=1) & (letters[:, dot, None] == ord("."))
        ticks = np.where(after, letters[:, dot + 1 : dot + 7] - np.uint8(ord("0")), 0) @ 10 ** np.arange(5, -1, -1)
        numbers = numbers * (DAY_SECONDS if vr == "DT" else 1) + clock + ticks * TICK
    return np.where(is_valid, numbers, np.nan)


def _is_missing(is_digit: np.ndarray) -> np.ndarray:
    """Return for each text whether it has no month, and no day: bool, shape (n, 2)."""
    return ~np.logical_and.accumulate(is_digit, axis=1)[:, [4, 6]]


def _letters(texts: pa.Array) -> np.ndarray:
    """Return the first bytes of each text, 0 behind its end: uint8, shape (n, MAX_LETTERS)."""
    _, bounds, data = texts.buffers()
    ends = np.frombuffer(bounds, np.int32, len(texts) + 1, texts.offset * 4)
    places = ends[:-1, None] + np.arange(MAX_LETTERS, dtype=np.int32)
    found = np.frombuffer(data or b"", np.uint8)
    if not len(found):
        return np.zeros((len(texts), MAX_LETTERS), np.uint8)
    return np.where(places < ends[1:, None], found[np.minimum(places, len(found) - 1)], 0).astype(np.uint8)


def _days(years: np.ndarray, months: np.ndarray, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (days since 1970-01-01, whether the calendar has this date)."""
    is_date = (years >= 1) & (months >= 1) & (months <= 12) & (days >= 1)
    firsts = ((np.where(is_date, years, 1970) - 1970) * 12 + np.where(is_date, months, 1) - 1).astype("datetime64[M]")
    next_firsts = firsts + np.timedelta64(1, "M")
    lengths = (next_firsts.astype("datetime64[D]") - firsts.astype("datetime64[D]")).astype(np.int64)
    since = firsts.astype("datetime64[D]").astype(np.int64) + days - 1
    return since.astype(np.float64), is_date & (days <= lengths)


def moment_of(vr: str, text: str) -> float | None:
    """Return the number of one text, None if it is no date, time or age."""
    value = float(moments(vr, [text.strip(" \0")])[0])
    return value if np.isfinite(value) else None


def moment_text(vr: str, value: float, unit: str = "") -> str:
    """Return the text of a number, to the `unit` of `UNITS` if given: "2018" or "20180918" of a DA; an age in years."""
    if vr == "AS":
        return f"{int(np.floor(value + 1e-9)):03}Y"
    is_exact, unit = not unit, unit or ("day" if vr == "DA" else "second")
    if vr == "DA":
        return _date_digits(value)[: _DIGITS[unit]]
    ticks = round(value * 1_000_000)
    days, rest = divmod(ticks, round(DAY_SECONDS / TICK))
    seconds, part = divmod(rest, round(1 / TICK))
    clock = f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}"
    fraction = f".{part:06}".rstrip("0") if part and is_exact else ""
    if vr == "TM":
        return clock[: _DIGITS[unit] - _DIGITS["day"]] + fraction
    return (_date_digits(days) + clock)[: _DIGITS[unit]] + fraction


def _date_digits(days: float) -> str:
    return str(np.datetime64(int(np.floor(days)), "D")).replace("-", "")


@lru_cache(maxsize=1024)
def moment_range(vr: str, low: str | float | None, high: str | float | None) -> tuple[float, float]:
    """Return the first and the last number of a range, both included and infinite for None.

    An end is a text with any number of units: "2010" is from its first to its last day, "11" an hour, "040Y" all who
    are 40 years old. Numbers stand for the digits of their text, 20100315 for a day; of an age, for years.

    Raises
    ------
    ValueError
        If an end is no date, time or age.
    """
    first = -np.inf if low is None else _span(vr, low)[0]
    last = np.inf if high is None else _span(vr, high)[1]
    return float(first), float(last)


def _span(vr: str, end: str | float) -> tuple[float, float]:
    """Return the first and the last number that an end of a range stands for."""
    if not isinstance(end, str):
        if vr == "AS" or not np.isfinite(end):
            return end, end
        digits = str(int(end))
        end = digits.zfill(len(digits) + len(digits) % 2)
    written = re.sub("[-: ]", "", end) if vr != "DT" else end.strip()
    if vr == "AS":
        value = moment_of(vr, written.upper())
        if value is None:
            raise ValueError(f"{end!r} is no age: write {_EXAMPLES[vr]}")
        return value, float(np.nextafter(value + YEARS[written[-1].upper()], -np.inf))
    value = moment_of("DT" if vr == "DA" else vr, written)
    digits = re.split(r"[.+]|(?<=\d)-", written)[0]
    if value is None or (vr == "DA" and len(digits) > _DIGITS["day"]):
        raise ValueError(f"{end!r} is no {'time' if vr == 'TM' else 'date'}: write {_EXAMPLES[vr]}")
    unit = next(unit for unit in UNITS if len(digits) + (_DIGITS["day"] if vr == "TM" else 0) == _DIGITS[unit])
    if vr == "DA":
        return value // DAY_SECONDS, _next(value, unit) // DAY_SECONDS - 1
    if "." in written:
        return value, value + TICK / 2
    end_of_unit = _next(value, unit)
    return value, min(end_of_unit - TICK, float(np.nextafter(end_of_unit, -np.inf)))


def _next(seconds: float, unit: str) -> float:
    """Return where the unit ends in which a moment lies, both in seconds since 1970-01-01."""
    if unit in ("year", "month"):
        code: Literal["Y", "M"] = "Y" if unit == "year" else "M"
        begin = np.datetime64(int(seconds // DAY_SECONDS), "D").astype(f"datetime64[{code}]")
        return float((begin + np.timedelta64(1, code)).astype("datetime64[D]").astype(np.int64)) * DAY_SECONDS
    length = {"day": DAY_SECONDS, "hour": 3600, "minute": 60, "second": 1}[unit]
    return (seconds // length + 1) * length


def spoken(vr: str, text: str) -> str:
    """Return a DA, TM, DT or AS text as people write it: 2018-09, 11:48, 40 years; another text as it is."""
    if vr == "AS":
        count, unit = text[:-1], text[-1:]
        names = {"Y": "year", "M": "month", "W": "week", "D": "day"}
        if not count.isdecimal() or unit not in names:
            return text
        return f"{int(count)} {names[unit]}{'' if int(count) == 1 else 's'}"
    digits, fraction = [*text.split(".", 1), ""][:2]
    if not digits.isdecimal() or len(digits) % 2:
        return text
    date, clock = ("", digits) if vr == "TM" else (digits[:8], digits[8:])
    parts = "-".join(filter(None, (date[:4], date[4:6], date[6:8])))
    time = ":".join(clock[i : i + 2] for i in range(0, len(clock), 2))
    hour = f"{time} h" if len(time) == 2 else time
    return " ".join(filter(None, (parts, hour))) + (f".{fraction}" if fraction else "")


def moment_words(vr: str, value: float) -> str:
    """Return a number of `moments` as people write it: 2018-09-18, 11:48:05, 40 years."""
    if vr == "AS":
        if 0 < value < YOUNG:
            return f"{value * 12:.3g} months"
        return f"{value:.4g} years"
    return spoken(vr, moment_text(vr, value))
