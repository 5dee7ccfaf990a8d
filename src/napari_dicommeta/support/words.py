"""Text for people: file content made safe to display, and counts in words."""

from __future__ import annotations

import re

__all__ = ["counted", "display"]

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def display(text: str, limit: int = 200) -> str:
    """Return `text` safe to display: control characters, bidi overrides and surrogates escaped, cut at `limit`."""
    text = _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def counted(n: int, noun: str) -> str:
    """Return `n` with its noun: "1 file", "1,200 files", "3 series"."""
    return f"{n:,} {noun if n == 1 or noun == 'series' else noun + 's'}"
