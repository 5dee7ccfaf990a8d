"""The data dictionaries of PS3.6, UIDs included, and of makers' private elements: pydicom's tables without pydicom.

Importing pydicom takes half a second, which each scanning process and each command would spend to learn one VR. The
tables are three files of its package that import nothing, and are read as modules of their own. Where a release of
pydicom has them no longer, it is imported.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dicommeta.support.log import LOGGER

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["is_known_creator", "keyword_of", "known_keywords", "private_entry", "public_entry", "tag_of", "uid_name"]


def public_entry(tag: int) -> tuple[str, str, str, str, str] | None:
    """Return VR, VM, name, "Retired" or "", and keyword of an element of the Standard; None for another tag.

    The elements of repeating groups (60xx, 50xx) share an entry, as do those of (0020,31xx) and (0028,04xx).
    """
    public, _ = _public()
    entry = public.get(tag)
    if entry is None and not tag >> 16 & 1:
        entry = next((found for tag0, mask, found in _repeating() if (tag ^ tag0) & mask == 0), None)
    return entry


def private_entry(tag: int, creator: str) -> tuple[str, str, str, str] | None:
    """Return VR, VM, name, and "Retired" or "" of a private element; None where the dictionary does not know it."""
    known = _private().get(creator)
    if known is None:
        return None
    group, last = f"{tag >> 16:04X}", f"{tag & 0xFF:02X}"
    keys = (f"{group}{tag & 0xFFFF:04X}", f"{group}xx{last}", f"{group[:2]}xxxx{last}")
    return next((known[key] for key in keys if key in known), None)


def is_known_creator(creator: str) -> bool:
    """Return whether the dictionary knows elements of a private creator."""
    return creator in _private()


def keyword_of(tag: int) -> str:
    """Return the keyword of a tag; "" for one that has none."""
    entry = public_entry(tag)
    return entry[4] if entry else ""


def uid_name(uid: str) -> str:
    """Return the name of a UID of the Standard, PS3.6 Annex A; "" for another one."""
    entry = _uids().get(uid)
    return entry[0] if entry else ""


@cache
def known_keywords() -> dict[str, int]:
    """Return all keywords, each with its tag; those of repeating groups are not among them, as they name many tags."""
    return {entry[4]: tag for tag, entry in _public()[0].items()}


def tag_of(keyword: str) -> int | None:
    """Return the tag of a keyword; None for a text that is none."""
    return known_keywords().get(keyword)


@cache
def _public() -> tuple[dict[int, tuple[str, str, str, str, str]], dict[str, tuple[str, str, str, str, str]]]:
    module = _tables("_dicom_dict")
    return module.DicomDictionary, module.RepeatersDictionary


@cache
def _repeating() -> list[tuple[int, int, tuple[str, str, str, str, str]]]:
    """Return each entry of `RepeatersDictionary` with the digits and the mask that its tags agree in."""
    return [
        (int(key.replace("x", "0"), 16), int("".join("0" if digit == "x" else "F" for digit in key), 16), entry)
        for key, entry in _public()[1].items()
    ]


@cache
def _private() -> dict[str, dict[str, tuple[str, str, str, str]]]:
    tables: dict[str, dict[str, tuple[str, str, str, str]]] = _tables("_private_dict").private_dictionaries
    return tables


@cache
def _uids() -> dict[str, tuple[str, str, str, str, str]]:
    tables: dict[str, tuple[str, str, str, str, str]] = _tables("_uid_dict").UID_dictionary
    return tables


def _tables(name: str) -> ModuleType:
    """Return a module of pydicom that holds tables, without the rest of pydicom unless that is there anyway."""
    full = f"pydicom.{name}"
    if full in sys.modules:
        return sys.modules[full]
    package = find_spec("pydicom")
    place = Path(package.origin).with_name(f"{name}.py") if package is not None and package.origin else None
    spec = spec_from_file_location(f"{__name__}{name}", place) if place is not None and place.is_file() else None
    if spec is None or spec.loader is None:
        LOGGER.info("pydicom has no file %s.py: importing all of pydicom", name)
        return importlib.import_module(full)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
