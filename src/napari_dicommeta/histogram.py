"""Counts -> bars: the values of one tag over a folder, and over a part of it such as the active series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicommeta.meaning import registered_name
from napari_dicommeta.tags import TagPath

if TYPE_CHECKING:
    from napari_dicommeta.catalog import Catalog

__all__ = ["Bar", "Histogram", "histogram_of"]

MAX_BARS = 2000


@dataclass(frozen=True, slots=True)
class Bar:
    """One value: the files of the whole that hold it, and those of the part.

    `flag` says what is odd about it, "" if nothing. `label` is the name of a registered UID. `spellings`
    are bars of their own, each with the VR and bytes in `note`.
    """

    text: str
    files: int
    part: int = 0
    flag: str = ""
    note: str = ""
    label: str = ""
    spellings: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """The bars of one tag, most frequent first, and everything that is not a bar.

    `files` and `part_files` are the totals. `rest_values` and `rest_files` are values beyond the bars, never dropped
    from the total; `absent` and `unknown` the files without the tag.
    """

    path: TagPath
    bars: tuple[Bar, ...]
    files: int
    part_files: int
    rest_values: int = 0
    rest_files: int = 0
    absent: int = 0
    unknown: int = 0


def histogram_of(
    catalog: Catalog, tag: str | TagPath, part: Catalog | None = None, by: str = "meaning", limit: int = MAX_BARS
) -> Histogram:
    """The values of `tag` in `catalog`, with the files of `part` beside them; at most `limit` bars.

    With ``by="meaning"`` each bar holds its spellings, with ``by="spelling"`` every spelling is a bar.
    """
    path = tag if isinstance(tag, TagPath) else TagPath.parse(tag)
    counts = catalog.values(path, by)
    if by == "meaning" and len(counts) <= limit:
        bars = _with_spellings(catalog, part, path)
    else:
        in_part = part.values(path, by) if part is not None else {}
        bars = tuple(Bar(text, files, in_part.get(text, 0)) for text, files in list(counts.items())[:limit])
    rest = list(counts.values())[limit:]
    return Histogram(
        path,
        bars,
        catalog.n_files,
        0 if part is None else part.n_files,
        len(rest),
        sum(rest),
        counts.absent,
        counts.unknown,
    )


def _with_spellings(catalog: Catalog, part: Catalog | None, path: TagPath) -> tuple[Bar, ...]:
    part_spelled: dict[tuple[str, str, str], int] = {}
    part_totals: dict[str, int] = {}
    for value in part.details(path) if part is not None else ():
        part_totals[value.text] = value.files
        for spelling in value.spellings:
            part_spelled[value.text, spelling.text, spelling.vr] = spelling.files
    bars = []
    is_uid = path.vr == "UI"
    for value in catalog.details(path):
        spellings = tuple(
            Bar(
                spelling.text,
                spelling.files,
                part_spelled.get((value.text, spelling.text, spelling.vr), 0),
                spelling.flag,
                f"{spelling.vr}  {spelling.raw.hex(' ').upper()}".strip(),
            )
            for spelling in value.spellings
        )
        part_files, label = part_totals.get(value.text, 0), registered_name(value.text) if is_uid else ""
        bars.append(Bar(value.text, value.files, part_files, value.flag, "", label, spellings))
    return tuple(bars)
