"""Order of file names, and names that are not text: bytes that are no UTF-8, kept by Python as surrogates (PEP 383).

Arrow and Parquet hold text only. So a surrogate is stored as NUL, which no path contains, and four hexadecimal digits.
The path can be opened; `words.display` escapes it where it is shown.
"""

from __future__ import annotations

import re

__all__ = ["in_natural_order", "path_of_text", "path_text"]

_NUMBER = re.compile(r"(\d+)")
_SURROGATE, _STORED = re.compile("[\ud800-\udfff]"), re.compile("\0([0-9a-f]{4})")


def path_text(path: str) -> str:
    """Return a path as text that can be encoded; `path_of_text` undoes it."""
    return path if path.isascii() else _SURROGATE.sub(lambda match: f"\0{ord(match[0]):04x}", path)


def path_of_text(text: str) -> str:
    """Return the path that `path_text` made a text of."""
    return _STORED.sub(lambda match: chr(int(match[1], 16)), text) if "\0" in text else text


def in_natural_order(path: str) -> tuple[tuple[str, int], ...]:
    """Return a key that sorts paths as people count: IM2 before IM10."""
    parts = _NUMBER.split(path.lower())
    numbers = [*map(int, parts[1::2]), -1]
    return tuple(zip(parts[::2], numbers, strict=True))
