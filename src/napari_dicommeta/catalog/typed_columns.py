"""Values of tags as numbers, dates and lists, as VR and VM (PS3.5 section 6, PS3.6 section 6) say they are."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from napari_dicommeta.catalog.arrow_arrays import number_array, text_array
from napari_dicommeta.catalog.moments import DAY_SECONDS, MOMENT_VRS, moments
from napari_dicommeta.dicom.values import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.dicom.tags import TagPath

__all__ = ["typed_values"]

WHOLE_VRS = frozenset(("IS", "US", "SS", "UL", "SL", "SV", "UV", "US or SS"))
REAL_VRS = frozenset(("DS", "FL", "FD"))
TEXT_VRS = frozenset(("AE", "CS", "LO", "PN", "SH", "UC", "UI"))
"""Text that a backslash divides into values; in LT, ST, UT and UR it is a character like others."""
MOMENT_TYPES = {"AS": pa.float64(), "DA": pa.date32(), "DT": pa.timestamp("us"), "TM": pa.time64("us")}
_INT64 = np.iinfo(np.int64)
_WHOLE = re.compile("[+-]?[0-9]{1,20}")


def typed_values(path: TagPath, vr: str, texts: Sequence[str]) -> pa.Array | None:
    """Return the `texts` of a tag as its VR says, null where one is empty or not of that type; None if it stays text.

    IS and binary integers become int64, DS and floats double, DA date32, TM time64 and DT timestamp in microseconds, AS
    double (years). A DT is as its clock wrote it: an offset from UTC is only in the text. A tag with several values
    becomes a list of these, or of texts. The type depends on VR and VM alone, so that tables of several folders have
    one schema. Only a private tag has no VM: its numbers are lists where a text has several. Nested tags stay text,
    since a file may hold several items of them.
    """
    if len(path.elements) > 1 or vr not in WHOLE_VRS | REAL_VRS | TEXT_VRS | MOMENT_VRS:
        return None
    is_text = vr in TEXT_VRS
    if is_text and path.vm in ("", "1"):
        return None
    parts = [text.split("\\") if text else [] for text in texts]
    is_list = path.vm != "1" if path.vm else not is_text and any(len(values) > 1 for values in parts)
    if is_text:
        return _list_array([*parts], text_array([part for values in parts for part in values]))
    kind = MOMENT_TYPES.get(vr, pa.int64() if vr in WHOLE_VRS else pa.float64())
    dtype = np.float64 if kind == pa.float64() else np.int32 if kind == pa.date32() else np.int64
    distinct = list(dict.fromkeys(part for values in parts for part in values))
    known = dict(zip(distinct, _parsed(vr, [part.strip(" \0") for part in distinct]), strict=True))
    of_text = [list(map(known.__getitem__, values)) for values in parts]
    cells = [[] if None in values else values for values in of_text]
    if is_list:
        return _list_array(cells, number_array(np.array([n for cell in cells for n in cell], dtype)).cast(kind))
    is_absent = np.array([len(cell) != 1 for cell in cells], dtype=bool)
    return number_array(np.array([cell[0] if len(cell) == 1 else 0 for cell in cells], dtype), is_absent).cast(kind)


def _parsed(vr: str, texts: Sequence[str]) -> list[float | None]:
    """Return the number that each component is in its Arrow type, None for one that is not of the type."""
    if vr not in MOMENT_VRS:
        return list(map(_whole if vr in WHOLE_VRS else number, texts))
    values = moments(vr, texts)
    is_value = np.isfinite(values) & ((values < DAY_SECONDS) | (vr != "TM"))  # Arrow's times have no leap second
    scaled = values * (1_000_000 if vr in ("DT", "TM") else 1)
    whole = [value if vr == "AS" else round(value) for value in np.where(is_value, scaled, 0.0).tolist()]
    return [value if is_one else None for value, is_one in zip(whole, is_value.tolist(), strict=True)]


def _whole(text: str) -> int | None:
    """Return the integer that a text spells, None if there is none of 64 bits."""
    value = int(text) if _WHOLE.fullmatch(text) else None
    return value if value is not None and _INT64.min <= value <= _INT64.max else None


def _list_array(cells: Sequence[Sequence[object]], values: pa.Array) -> pa.Array:
    """Return the lists whose items follow one another in `values`, null for an empty list."""
    ends = np.array([0, *accumulate(map(len, cells))], np.int32)
    is_absent = np.append(np.array([not cell for cell in cells], dtype=bool), False)
    return pa.ListArray.from_arrays(number_array(ends, is_absent), values)
