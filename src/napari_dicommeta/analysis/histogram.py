"""Count the values of a tag in bars and pairs: in a folder, and in a part of it such as the active series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.dictionary import uid_name
from napari_dicommeta.dicom.tags import TagPath

if TYPE_CHECKING:
    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["Bar", "Histogram", "Joint", "histogram_of", "joint_of"]

MAX_BARS = 2000
MAX_SPELLED_BARS = 1000
"""The most values for which bars hold their spellings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A value, with its number of files in the whole catalog and in the part.

    `flag`: what is odd about the value, "" if nothing. `label`: the name of a registered UID. `spellings`: a bar for
    each spelling, with the VR and bytes in `note`. `state`: "absent" or "unknown" for files without a value, else "".
    """

    text: str
    files: int
    part: int = 0
    flag: str = ""
    note: str = ""
    label: str = ""
    spellings: tuple[Bar, ...] = ()
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """The bars of a tag, most frequent first, and the counts that are not in a bar.

    `files` and `part_files` are totals. `rest_values` and `rest_files` count the values beyond the bars, and their
    files. `absent` and `unknown` count files without the tag, or damaged before it.
    """

    path: TagPath
    bars: tuple[Bar, ...]
    files: int
    part_files: int
    rest_values: int = 0
    rest_files: int = 0
    absent: int = 0
    unknown: int = 0
    part_absent: int = 0
    part_unknown: int = 0
    part_rest_files: int = 0
    is_several: bool = False
    """Whether some file holds several values of a nested tag, and counts for each."""


def histogram_of(
    catalog: Catalog,
    tag: str | TagPath,
    part: Catalog | None = None,
    by: str = "meaning",
    limit: int = MAX_BARS,
    union: bool = False,
) -> Histogram:
    """Return the values of `tag` in `catalog`, counted in files, also those of `part`; at most `limit` bars.

    With ``by="meaning"``, bars hold their spellings if there are at most `MAX_SPELLED_BARS` values. With
    ``by="spelling"``, each spelling is a bar. With `union`, `part` may be another catalog: its further values are bars.
    """
    path = tag if isinstance(tag, TagPath) else TagPath.parse(tag)
    counts = catalog.values(path, by, most=limit)
    in_part = part.values(path, by) if part is not None else None
    has_spellings = by == "meaning" and path.vr != "UI"  # a UID has only one spelling
    if has_spellings and counts.n_values <= min(limit, MAX_SPELLED_BARS):
        bars = _with_spellings(catalog, part, path)
    else:
        part_counts = dict(in_part.items()) if in_part is not None else {}
        is_uid = path.vr == "UI"
        bars = tuple(
            Bar(text=text, files=files, part=part_counts.get(text, 0), label=uid_name(text) if is_uid else "")
            for text, files in counts.items()
        )
    if union and in_part is not None:
        known_values = counts if len(counts) == counts.n_values else catalog.values(path, by)
        new = [(text, files) for text, files in in_part.items() if text not in known_values]
        bars += tuple(Bar(text=text, files=0, part=files) for text, files in new[: max(limit - len(bars), 0)])
    return Histogram(
        path=path,
        bars=bars,
        files=catalog.n_files,
        part_files=0 if part is None else part.n_files,
        rest_values=counts.n_values - len(counts),
        rest_files=counts.n_held - sum(counts.values()),
        absent=counts.absent,
        unknown=counts.unknown,
        part_absent=in_part.absent if in_part is not None else 0,
        part_unknown=in_part.unknown if in_part is not None else 0,
        part_rest_files=in_part.n_held - sum(bar.part for bar in bars) if in_part is not None else 0,
        is_several=counts.n_held + counts.absent + counts.unknown > catalog.n_files,
    )


def _with_spellings(catalog: Catalog, part: Catalog | None, path: TagPath) -> tuple[Bar, ...]:
    part_spelled: dict[tuple[str, str, str], int] = {}
    part_totals: dict[str, int] = {}
    for value in part.details(path) if part is not None else ():
        part_totals[value.text] = value.files
        for spelling in value.spellings:
            part_spelled[value.text, spelling.text, spelling.vr] = spelling.files
    bars = []
    for value in catalog.details(path):
        spellings = tuple(
            Bar(
                text=spelling.text,
                files=spelling.files,
                part=part_spelled.get((value.text, spelling.text, spelling.vr), 0),
                flag=spelling.flag,
                note=f"{spelling.vr}  {spelling.raw.hex(' ').upper()}".strip(),
            )
            for spelling in value.spellings
        )
        bars.append(
            Bar(
                text=value.text,
                files=value.files,
                part=part_totals.get(value.text, 0),
                flag=value.flag,
                spellings=spellings,
            )
        )
    return tuple(bars)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """A cross-tabulation of two tags, counted in files.

    `rows` and `columns` are the most frequent texts of the first and the second tag, None for files without the tag.
    `counts[row][column]` are files. `rest` counts the files of other pairs.
    """

    paths: tuple[TagPath, TagPath]
    rows: tuple[str | None, ...]
    columns: tuple[str | None, ...]
    counts: tuple[tuple[int, ...], ...]
    rest: int = 0


def joint_of(catalog: Catalog, first: str | TagPath, second: str | TagPath, most: int = 24) -> Joint:
    """Cross-tabulate the files by two tags, with at most `most` values of each tag, most frequent first."""
    paths = tuple(tag if isinstance(tag, TagPath) else TagPath.parse(tag) for tag in (first, second))
    rows, row_of = _frequent(catalog, paths[0], most)
    columns, column_of = _frequent(catalog, paths[1], most)
    both = (row_of >= 0) & (column_of >= 0)
    shape = (len(rows), len(columns))
    flat = np.bincount(row_of[both] * len(columns) + column_of[both], minlength=shape[0] * shape[1])
    counts = tuple(tuple(map(int, line)) for line in flat.reshape(shape).tolist())
    return Joint(
        paths=(paths[0], paths[1]), rows=rows, columns=columns, counts=counts, rest=int(np.count_nonzero(~both))
    )


def _frequent(catalog: Catalog, path: TagPath, most: int) -> tuple[tuple[str | None, ...], np.ndarray]:
    """Return the most frequent texts of a tag, and for each file the index of its text, -1 for another text."""
    texts, ids = catalog.codes(path)
    counts = np.bincount(ids, minlength=len(texts))
    frequent = [int(i) for i in np.argsort(-counts, kind="stable")[:most] if counts[i]]
    place = np.full(len(texts), -1)
    place[frequent] = np.arange(len(frequent))
    return tuple(texts[i] for i in frequent), place[ids]
