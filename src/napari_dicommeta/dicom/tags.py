"""Parse, name and display the path of a tag.

A path names one element of a data set, nested or not. It has three texts:

* ``key``, in hexadecimal digits, as the header loop writes it without a dictionary:
  ``00281050``, ``52009229/00289110/00280030``, ``0009xx01:GEMS_IDEN_01`` for a private element;
* ``text``, in DICOM keywords, used for the catalog's columns and by all commands: ``WindowCenter``,
  ``SharedFunctionalGroupsSequence.PixelMeasuresSequence.PixelSpacing``, ``(0009,xx01,GEMS_IDEN_01)``;
* ``display``, for people: ``(0028,1050) WindowCenter``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from napari_dicommeta.dicom.dictionary import is_known_creator, keyword_of, private_entry, public_entry, tag_of
from napari_dicommeta.support.cached import cached_if_short

__all__ = ["TagPath"]

_HEX = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_PRIVATE = re.compile(r"\(([0-9A-Fa-f]{4}),[xX]{2}([0-9A-Fa-f]{2}),(.*)\)", re.DOTALL)
_PRIVATE_KEY = re.compile(r"([0-9a-f]{4})xx([0-9a-f]{2}):(.*)", re.DOTALL)
# Characters that would split a path if a private creator contained them, and the escape character.
_SPECIAL = re.compile(r"[%./:(),\x00-\x1f\x7f]")


@lru_cache(maxsize=4096)
def escape_creator(creator: str) -> str:
    """Return a private creator with the characters that would split a path written as %XX."""
    return _SPECIAL.sub(lambda match: f"%{ord(match[0]):02X}", creator)


def _unescape(text: str) -> str:
    return re.sub(r"%([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), text)


@dataclass(frozen=True, slots=True, order=True)
class TagPath:
    """The path of an element: ``(tag, private creator)`` for each level, outermost first.

    A public element has the creator ``""``. The tag of a private element leaves out its block number, because files
    reserve different blocks for one creator: (0009,1001) and (0009,1101) are both ``(0x00090001, "GEMS_IDEN_01")``. A
    private element without a creator keeps its whole tag.

    See PS3.5 section 7.8 for private elements and section 7.5 for nesting.

    Examples
    --------
    >>> path = dm.TagPath.parse("(0028,1053)")
    >>> path.keyword, path.vr, path.tag_text
    ('RescaleSlope', 'DS', '(0028,1053)')
    """

    elements: tuple[tuple[int, str], ...]

    @classmethod
    def parse(cls, text: str) -> TagPath:
        """Return the path that `text` names: a keyword, ``(gggg,eeee)``, ``ggggeeee``, or several joined by dots.

        Raises
        ------
        ValueError
            If a level is neither a keyword in the DICOM dictionary nor a tag.
        """
        return cls(tuple(_parse_level(level.strip()) for level in text.strip().split(".")))

    @classmethod
    def of_key(cls, key: str) -> TagPath:
        """Return the path of a header key such as ``52009229/00289110/00280030``."""
        return _of_key(key)

    @property
    def tag(self) -> int:
        """The innermost element's tag as a number, such as 0x00281050 for (0028,1050)."""
        return self.elements[-1][0]

    @property
    def creator(self) -> str:
        """The innermost element's private creator, "" for a public element."""
        return self.elements[-1][1]

    @property
    def is_private(self) -> bool:
        """Whether any level of the path has an odd group (PS3.5 section 7.8)."""
        return any(tag >> 16 & 1 for tag, _ in self.elements)

    @property
    def key(self) -> str:
        """The path in hexadecimal digits, as the header loop writes it."""
        return "/".join(
            f"{tag >> 16:04x}xx{tag & 0xFF:02x}:{escape_creator(creator)}" if creator else f"{tag:08x}"
            for tag, creator in self.elements
        )

    @property
    def text(self) -> str:
        """The path in keywords; `TagPath.parse` reads it back."""
        return ".".join(_level_text(tag, creator) for tag, creator in self.elements)

    @property
    def tag_text(self) -> str:
        """The innermost element's tag as text, such as "(0028,1050)" or "(0009,xx01,CREATOR)"."""
        tag, creator = self.elements[-1]
        return _level_text(tag, creator) if creator else f"({tag >> 16:04X},{tag & 0xFFFF:04X})"

    @property
    def keyword(self) -> str:
        """The innermost element's keyword, or its tag if the dictionary has no keyword."""
        return _level_text(*self.elements[-1])

    @property
    def has_known_creators(self) -> bool:
        """Whether the dictionary of private elements names the private creator of each level that has one."""
        return all(not creator or is_known_creator(creator) for _, creator in self.elements)

    @property
    def name(self) -> str:
        """The innermost element's name in the dictionary, such as "Window Center"; its tag if it has no name."""
        return _name(*self.elements[-1])

    @property
    def vr(self) -> str:
        """The dictionary's VR, such as "DS" or "US or SS"; "UN" for an unknown element."""
        return dictionary_vr(*self.elements[-1])

    @property
    def vm(self) -> str:
        """The dictionary's VM (value multiplicity), such as "1" or "1-n"; "" for an unknown element."""
        return _vm(*self.elements[-1])

    @property
    def display(self) -> str:
        """The path for people: ``(0028,1050) WindowCenter``."""
        tag, creator = self.elements[-1]
        text = self.text
        return text if creator or text.startswith("(") else f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {text}"


def _parse_level(level: str) -> tuple[int, str]:
    if match := _PRIVATE.fullmatch(level):
        group, element, creator = match.groups()
        return int(group, 16) << 16 | int(element, 16), _unescape(creator)
    tag = tag_of(level)
    if tag is not None:
        return tag, ""
    if match := _HEX.fullmatch(level):
        return int(match[1] + match[2], 16), ""
    raise ValueError(
        f"{level!r} is not a DICOM keyword or tag: write WindowCenter, (0028,1050), 00281050 or, "
        "for a private element, (0009,xx01,CREATOR)"
    )


@cached_if_short(16384)
def _of_key(key: str) -> TagPath:
    levels = []
    for level in key.split("/"):
        if match := _PRIVATE_KEY.fullmatch(level):
            levels.append((int(match[1], 16) << 16 | int(match[2], 16), _unescape(match[3])))
        else:
            levels.append((int(level, 16), ""))
    return TagPath(tuple(levels))


@lru_cache(maxsize=65536)
def _level_text(tag: int, creator: str) -> str:
    if creator:
        return f"({tag >> 16:04X},xx{tag & 0xFF:02X},{escape_creator(creator)})"
    keyword = keyword_of(tag)
    # A repeating group (60xx) has one keyword for many tags: only the tag distinguishes them.
    if keyword and tag_of(keyword) == tag:
        return keyword
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


@lru_cache(maxsize=65536)
def _name(tag: int, creator: str) -> str:
    if creator:
        private = private_entry(tag | 0x1000, creator)
        text = private[2].strip("[] ") if private else ""
        if text not in ("", "Unknown"):  # two fifths of the private dictionary
            return text
        return f"{creator} {tag >> 16:04X},xx{tag & 0xFF:02X}"
    public = public_entry(tag)
    if public is not None:
        return public[2]
    is_creator = tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF
    return "Private Creator" if is_creator else _level_text(tag, "")


@lru_cache(maxsize=65536)
def dictionary_vr(tag: int, creator: str = "") -> str:
    """Return the dictionary's VR of an element; "LO" for a private creator, "UN" for an unknown element."""
    entry = private_entry(tag | 0x1000, creator) if creator else public_entry(tag)
    if entry is not None:
        return entry[0]
    if tag & 0xFFFF == 0 and not creator:
        return "UL"
    if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF and not creator:
        return "LO"
    return "UN"


@lru_cache(maxsize=65536)
def _vm(tag: int, creator: str) -> str:
    entry = private_entry(tag | 0x1000, creator) if creator else public_entry(tag)
    return entry[1] if entry else ""
