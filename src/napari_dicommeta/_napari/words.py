"""Filters and numbers in words, as the dock shows them."""

from __future__ import annotations

import re
from math import floor, isfinite, log10, nextafter
from typing import TYPE_CHECKING

from napari_dicommeta.catalog.conditions import Spelled, ends_of
from napari_dicommeta.catalog.moments import moment_words, spoken
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.analysis.bins import Spread
    from napari_dicommeta.catalog.conditions import Condition, Tags

__all__ = [
    "brief",
    "chip_words",
    "described",
    "digits_for",
    "keyword_of",
    "number_words",
    "parse_numbers",
    "plain",
    "range_text",
    "range_words",
    "spread_words",
    "where_code",
]

_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
LARGEST = 1e7
"""The largest number that is taken for a center or a width."""

UNITS = {
    "MagneticFieldStrength": "T",
    "KVP": "kV",
    "SliceThickness": "mm",
    "SpacingBetweenSlices": "mm",
    "EchoTime": "ms",
    "RepetitionTime": "ms",
    "InversionTime": "ms",
    "FlipAngle": "°",
}
ALONE = ("MagneticFieldStrength", "KVP")
"""Tags whose unit says what they are."""
MAX_CHIP_VALUES = 4


def plain(text: str, limit: int = 200) -> str:
    """Return text of files for what napari may draw as rich text: names of layers and notifications.

    It could load a picture or run over others. As there is no telling which of them are rich, ``<`` and ``>``
    are replaced by characters that look like them and are no markup anywhere. Tooltips have `widgets.labels.tip`.
    """
    return display(text, limit).replace("<", "‹").replace(">", "›")


def keyword_of(tag: Tags) -> str:
    """Return the innermost keyword after that of its sequence, ``PixelMeasures.PixelSpacing``; join those of a pair."""
    tags = (tag,) if isinstance(tag, str) else tag
    return " × ".join(
        ".".join(level.removesuffix("Sequence") or level for level in path.split(".")[-2:]) for path in tags
    )


def described(tag: Tags, condition: Condition) -> str:
    """Describe a filter: ``RescaleSlope = 1 or 2``, ``SliceThickness 0.5 … 1.5``, ``KVP absent or unknown``.

    A range that ends just below a round number shows that number: ``KVP 100 … < 120``.
    """
    name = keyword_of(tag)
    if isinstance(condition, bool):
        return f"{name} {'present' if condition else 'absent or unknown'}"
    if isinstance(condition, slice):
        return f"{name} {range_text(_vr_of(tag), condition)}"
    if isinstance(condition, Spelled):
        name, condition = f"{name} spelled", condition.texts
    texts = condition if isinstance(condition, (tuple, list)) else (condition,)
    shown = [" × ".join(map(_shown, text)) if isinstance(text, tuple) else _shown(text) for text in texts[:20]]
    more = f" or {len(texts) - 20} more" if len(texts) > 20 else ""
    return f"{name} = {' or '.join(shown)}{more}"


def chip_words(tag: Tags, condition: Condition) -> str:
    """Describe a filter briefly: ``Philips``, ``3 T``, ``SliceThickness 0.5 … 1.5 mm``, ``no KVP``, ``80 kV and B30f``.

    A value that says by itself what it is stands alone; a number follows its tag, or has its unit.
    """
    pair = condition[0] if isinstance(condition, tuple) and len(condition) == 1 else None
    if isinstance(tag, tuple) and isinstance(pair, tuple):
        parts = zip(tag, pair, strict=True)
        return " and ".join(chip_words(part, False if text is None else (text,)) for part, text in parts)
    if not isinstance(tag, str) or isinstance(condition, (bool, slice, Spelled)):
        words = described(tag, condition)
        if condition is False:
            return f"no {keyword_of(tag)}"
        unit = UNITS.get(tag, "") if isinstance(tag, str) and isinstance(condition, slice) else ""
        return f"{words} {unit}".strip()
    texts = condition if isinstance(condition, (tuple, list)) else (condition,)
    if len(texts) > MAX_CHIP_VALUES or not all(isinstance(text, str) and text for text in texts):
        return described(tag, condition)
    values = " or ".join(map(str, texts))
    if all(sum(letter.isalpha() for letter in str(text)) > 1 for text in texts):
        return values
    return f"{values} {UNITS[tag]}" if tag in ALONE else f"{keyword_of(tag)} {values}"


def where_code(filters: Sequence[tuple[Tags, Condition]]) -> str:
    """Return the Python expression that selects the same files of a catalog: ``catalog.where(Modality=("CT",))``."""
    plain = {tag: condition for tag, condition in filters if isinstance(tag, str) and tag.isidentifier()}
    others = {tag: condition for tag, condition in filters if tag not in plain}
    items = ", ".join(f"{tag!r}: {_code(condition)}" for tag, condition in others.items())
    arguments = [f"{{{items}}}"] if others else []
    arguments += [f"{tag}={_code(condition)}" for tag, condition in plain.items()]
    code = f"catalog.where({', '.join(arguments)})"
    needs = "from napari_dicommeta.catalog.conditions import Spelled\n\n" if "Spelled(" in code else ""
    return f"{needs}{code}"


def _code(condition: Condition) -> str:
    if not isinstance(condition, slice):
        return repr(condition)
    ends = (None if isinstance(end, float) and not isfinite(end) else end for end in (condition.start, condition.stop))
    return f"slice({', '.join(map(repr, ends))})"


def _vr_of(tag: Tags) -> str:
    return TagPath.parse(tag).vr if isinstance(tag, str) else ""


def range_text(vr: str, condition: slice) -> str:
    """Describe a range of a VR, as `range_words` does: dates and times as people write them, ages in years."""
    if any(isinstance(end, str) for end in (condition.start, condition.stop)):
        low, high = ("" if end is None else spoken(vr, str(end)) for end in (condition.start, condition.stop))
        return low if low == high else f"≥ {low}" if not high else f"≤ {high}" if not low else f"{low} … {high}"
    words = range_words(*ends_of(condition))
    return f"{words} years" if vr == "AS" else words


def range_words(low: float, high: float) -> str:
    """Describe a range of numbers, ends included: ``1 … 2``, ``1 … < 2`` if it ends just below 2, ``≥ 1``."""
    if low == high:
        return number_words(low)
    above = nextafter(high, float("inf"))
    is_below = isfinite(high) and float(f"{above:.12g}") == above
    last = f"< {number_words(above)}" if is_below else number_words(high)
    if not isfinite(low):
        return "any" if not isfinite(high) else last if is_below else f"≤ {last}"
    return f"{number_words(low)} … {last}" if isfinite(high) else f"≥ {number_words(low)}"


def spread_words(spread: Spread) -> list[str]:
    """Describe a spread: "min 1", "median 2.5" and "max 4", "first 2018-09-18" … of dates and times."""
    names = ("first", "median", "last") if spread.vr in ("DA", "DT", "TM") else ("min", "median", "max")
    numbers = (spread.low, spread.median, spread.high)
    of_all = [" of all components"] if spread.components > 1 else [""]
    texts = [moment_words(spread.vr, n) if spread.vr else number_words(n) for n in numbers]
    return [f"{name} {text}{more}" for name, text, more in zip(names, texts, ["", "", *of_all], strict=True)]


def number_words(value: float) -> str:
    """Format a number without binary rounding digits; large numbers get an exponent only from 1e15."""
    text = f"{round(value, 12):.12g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < 1e15 else text


def _shown(text: object) -> str:
    return "(absent)" if text is None else str(text) or "(empty)"


def digits_for(units: str, width: float) -> int:
    """Return how many decimals center and width of a window need: none in HU, else three digits of the width."""
    if units == "HU" or not (isfinite(width) and width > 0):
        return 0
    return min(max(2 - floor(log10(width)), 0), 9)


def brief(value: float, digits: int) -> str:
    """Return a number with at most `digits` decimals, without zeros at its end."""
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def parse_numbers(text: str) -> tuple[float, ...]:
    """Return the one or two numbers of a typed text: "40", "1,5", "-600/1200", "-600 1200"; () if it has no others.

    A comma is a decimal point. A slash, backslash, semicolon or space separates center and width.
    """
    parts = [part for part in re.split(r"[/\\;\s]+", text.replace("\N{MINUS SIGN}", "-").strip()) if part]
    if not 1 <= len(parts) <= 2 or not all(_NUMBER.fullmatch(part) for part in parts):
        return ()
    numbers = tuple(float(part.replace(",", ".")) for part in parts)
    return numbers if all(abs(number) <= LARGEST for number in numbers) else ()
