"""The files that ``--where`` selects."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from napari_dicommeta.analysis.compare import NUMBER_VRS
from napari_dicommeta.catalog.moments import MOMENT_VRS, moment_range, moments
from napari_dicommeta.cli.tag_names import meant, tag_named
from napari_dicommeta.cli.terminal import CommandError
from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import numbers, shortest
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["selected_files"]

MAX_NAMED = 5
"""Number of values named where none of them matches a condition."""


def selected_files(catalog: Catalog, conditions: Iterable[str]) -> Catalog:
    """Return the files that fulfill all conditions, each "TAG=VALUE"; those on one tag are alternatives.

    Raises
    ------
    CommandError
        If a condition names no tag, or no file fulfills it, or all together.
    """
    chosen: dict[str, list[str | None]] = {}
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if not equals:
            raise CommandError(f"--where {display(condition)}: write TAG=VALUE, such as Modality=CT")
        path = tag_named(name)
        texts = _matching(catalog, path, value)
        if not texts:
            raise CommandError(_no_match(catalog, path.text, value))
        chosen.setdefault(path.text, []).extend(texts)
    if not chosen:
        return catalog
    selected = catalog.where({tag: tuple(texts) for tag, texts in chosen.items()})
    if not selected.n_files:
        each = ", ".join(
            f"{tag} in {counted(catalog.where({tag: tuple(t)}).n_files, 'file')}" for tag, t in chosen.items()
        )
        raise CommandError(f"no file fulfills all conditions together: {each}")
    return selected


def _matching(catalog: Catalog, path: TagPath, value: str) -> list[str | None]:
    """Return the values of a tag that `value` stands for, None for its absence."""
    counts: Any = catalog.values(path)
    is_number = path.vr in NUMBER_VRS
    if not value:
        return [*([""] if "" in counts else []), *([None] if counts.absent or counts.unknown else [])]
    low, dots, high = value.partition("..")
    if dots and path.vr in MOMENT_VRS:
        return _between(path.vr, list(counts), low, high)
    if is_number and dots:
        ends = [_end(low, "-inf"), _end(high, "inf")]
        return [text for text in counts if any(ends[0] <= part <= ends[1] for part in numbers(text) or ())]
    if is_number:
        parts = [shortest(part.strip()) or part for part in value.split("\\")]
        return [text for text in counts if text in (value, "\\".join(parts))]
    if value in counts:
        _hint_at_longer(path, value, [text for text in counts if text])
        return [value]
    pattern = value.casefold().replace("[", "[[]").replace("?", "[?]")
    return [text for text in counts if text and fnmatchcase(text.casefold(), pattern)]


def _hint_at_longer(path: TagPath, value: str, texts: list[str]) -> None:
    """Say on stderr that other values contain this one, as the names of a maker and of its divisions do."""
    longer = [text for text in texts if text != value and value.casefold() in text.casefold().split()]
    if longer and not is_identifying(path, path.vr):
        others = f"{counted(len(longer), 'other value')} {'contains' if len(longer) == 1 else 'contain'} this word"
        pattern = f"{path.text}=*{value}*"
        print(
            f"--where {display(f'{path.text}={value}')}: {others}; '{display(pattern)}' takes them too", file=sys.stderr
        )


def _between(vr: str, texts: list[str], low: str, high: str) -> list[str | None]:
    """Return the texts that have a date, time or age in a range, whose ends may be empty."""
    ends = [float(end) if vr == "AS" and end.replace(".", "").isdecimal() else end or None for end in (low, high)]
    try:
        first, last = moment_range(vr, *ends)
    except ValueError as error:
        raise CommandError(str(error)) from error
    parts = [text.split("\\") for text in texts]
    values = moments(vr, [part for of_text in parts for part in of_text])
    is_inside = iter(((values >= first) & (values <= last)).tolist())
    return [text for text, of_text in zip(texts, parts, strict=True) if any(next(is_inside) for _ in of_text)]


def _end(text: str, open_end: str) -> float:
    try:
        return float(text or open_end)
    except ValueError as error:
        raise CommandError(f"{display(text)}: the end of a range must be a number, as in 0.5..1.5") from error


def _no_match(catalog: Catalog, tag: str, value: str) -> str:
    """Return a sentence that no file has this value, and which values there are."""
    counts = catalog.values(tag)
    if not value:
        return f"every file has a value of {tag}"
    if not counts:
        return f"no file has {tag}"
    path = TagPath.parse(tag)
    if is_identifying(path, path.vr):  # its values are nobody's business in a log of errors
        return f"no file has this value of {tag}; `values SRC... {tag}` lists {counts.n_values:,}"
    named = ", ".join(
        f"{display(text, 40) or '(empty)'} ({files:,})" for text, files in list(counts.items())[:MAX_NAMED]
    )
    more = f" and {counts.n_values - MAX_NAMED:,} more" if counts.n_values > MAX_NAMED else ""
    return f"no file has {tag}={display(value)}; there are {named}{more}{meant(value, counts)}"
