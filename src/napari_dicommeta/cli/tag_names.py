"""Tags as people type them: keywords in any case, names, tags; and what was probably meant by another word."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from napari_dicommeta.cli.terminal import CommandError
from napari_dicommeta.dicom.dictionary import known_keywords
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["meant", "tag_named"]

MAX_MEANT = 3
"""Number of words that are suggested for one that is unknown."""


def tag_named(text: str) -> TagPath:
    """Return the path of a tag: as `TagPath.parse` takes it, with keywords in any case and with or without spaces.

    Raises
    ------
    CommandError
        If a level is neither a keyword nor a tag; the text names keywords that look like it.
    """
    keywords = _keywords()
    levels = [level.strip() for level in text.split(".")]
    known = ".".join(keywords.get(_plain(level), level) for level in levels)
    try:
        return _parsed(text, known)
    except ValueError as error:
        unknown = next((level for level in levels if _plain(level) not in keywords), text)
        raise CommandError(display(f"{error}{meant(unknown, keywords.values())}", 400)) from error


def _parsed(text: str, corrected: str) -> TagPath:
    """Return the path that a text names as it is, or else as corrected."""
    try:
        return TagPath.parse(text)
    except ValueError:
        return TagPath.parse(corrected)


def meant(word: str, words: Iterable[str]) -> str:
    """Return "; did you mean A or B?" with those of `words` that look like `word`, "" if none does."""
    from difflib import get_close_matches

    plain = {_plain(known): known for known in words}
    close = [plain[match] for match in get_close_matches(_plain(word), plain, MAX_MEANT, 0.75)]
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _plain(text: str) -> str:
    """Return a word without what people add to keywords or leave out: case, spaces, hyphens and apostrophes."""
    return "".join(letter for letter in text.casefold() if letter not in " -_'’")


@cache
def _keywords() -> dict[str, str]:
    """Return the keywords of the DICOM dictionary by their plain form."""
    return {_plain(keyword): keyword for keyword in known_keywords()}
