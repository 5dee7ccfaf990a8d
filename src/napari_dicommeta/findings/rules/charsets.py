"""Rules about character sets: names that are none, and those that contradict the bytes."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.values import UNDECODABLE
from napari_dicommeta.findings.alphabets import likely_charset
from napari_dicommeta.findings.evidence import by_files, file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.catalog.counts import ValueCount
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

__all__ = ["files_without", "fitting_charset"]

TAG = "SpecificCharacterSet"
_NUMBERS = (
    "6",
    "13",
    "87",
    "100",
    "101",
    "109",
    "110",
    "126",
    "127",
    "138",
    "144",
    "148",
    "149",
    "159",
    "166",
    "58",
    "203",
)
DEFINED = frozenset(
    (
        "",
        "GB18030",
        "GBK",
        "ISO_IR 192",
        *(f"ISO 2022 IR {n}" for n in _NUMBERS),
        *(f"ISO_IR {n}" for n in _NUMBERS if n not in ("87", "149", "159", "58")),
    )
)
"""Defined terms of PS3.3 section C.12.1.1.2."""
UTF_8, LATIN_1 = "ISO_IR 192", "ISO_IR 100"
LATIN = (None, "", "ISO_IR 6", "ISO_IR 100")
"""Character sets of one byte by which bytes of any other text look like rare letters."""
TEXT_VR = frozenset(("LO", "SH", "PN", "ST", "LT", "UT", "UC"))
_CONTROLS = re.compile(rb"[\x80-\x9f]")
_JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]{3}")
LAST_COMMON_LEAD = 0xD7
"""First byte of the last of the 3,755 common characters of GB 2312; other alphabets lie in the half behind it, too."""
MIN_COMMON_SHARE = 0.8
_HIGH = re.compile(rb"[\x80-\xff]+")
RAW_BYTES = 32
"""Number of bytes kept of a value, which may end within a character."""


@rule(
    "charset-undefined",
    severity="info",
    title="Specific Character Set is no defined term",
    tags=(TAG,),
    standard="PS3.3 section C.12.1.1.2",
    advice="Correct the term, for example ISO-IR 100 to ISO_IR 100, before using names or descriptions.",
    meaning="Programs refuse the file or garble its text: labels and searches in descriptions fail.",
)
def charset_undefined(survey: Survey) -> Iterator[Finding]:
    tag = survey.own(TAG)
    mask = tag.where(lambda text: not all(term.strip() in DEFINED for term in (text or "").split("\\")))
    if mask.any():
        lines = [((text or "").replace("\\", ", "), n) for (text,), n in tag.counted(mask)]
        yield survey.finding("charset-undefined", mask, top(lines, "other terms"))


@rule(
    "charset-contradicts",
    severity="decision",
    title="The bytes of texts are not of the character set that the files state",
    standard="PS3.3 section C.12.1.1.2",
    advice="Read these texts with the character set named here, and correct Specific Character Set.",
    meaning="Names and descriptions look garbled: labels, searches and matches of patients by name fail.",
)
def charset_contradicts(survey: Survey) -> Iterator[Finding]:
    """Yield a finding on texts that make sense in another character set only, never with the texts."""
    by_set: dict[str, list[tuple[str, np.ndarray]]] = {}
    for summary in survey.summaries:
        if summary.vr not in TEXT_VR or len(summary.path.elements) != 1 or summary.path.is_private:
            continue
        column = survey.catalog.file_rows.find(summary.path)
        if column is None or all(map(str.isascii, column.joined_texts("meaning"))):
            continue
        fitting: dict[str, set[str]] = {}
        for value in survey.catalog.details(summary.path):
            if not value.text.isascii() and (name := fitting_charset(value)):
                fitting.setdefault(name, set()).add(value.text)
        for name, values in fitting.items():
            mask = files_without(survey, name) & survey.holding(summary.keyword, values.__contains__)
            if mask.any():
                by_set.setdefault(name, []).append((summary.keyword, mask))
    for name, tags in by_set.items():
        mask = np.logical_or.reduce([of_tag for _, of_tag in tags])
        yield survey.finding(
            "charset-contradicts",
            mask,
            top(
                by_files((tag, file_count(of_tag)) for tag, of_tag in tags), "other tags, each in at most", together=max
            ),
            title=f"The bytes of {counted(len(tags), 'tag')} are text in {name}, which the files do not state",
            tags=(TAG, *(tag for tag, _ in tags[:19])),
            by=("SOPInstanceUID",),
            scope=name,
        )


def files_without(survey: Survey, name: str) -> np.ndarray:
    """Return the files that state a character set in which texts of the set `name` can be mistaken, bool (n_files,)."""
    mistaken = {UTF_8: LATIN, LATIN_1: (None, "", UTF_8)}.get(name, (*LATIN, UTF_8))
    return survey.own(TAG).where(lambda text: text in mistaken)


def fitting_charset(value: ValueCount) -> str:
    """Return the character set by which the bytes of a value make sense, "" if that is unsure."""
    raw = value.spellings[0].raw
    runs = _HIGH.findall(raw)
    if not runs or b"\x1b" in raw:
        return ""
    is_cut = len(raw) >= RAW_BYTES and raw[-1] >= 0x80
    ends = [not is_cut or k < len(runs) - 1 for k in range(len(runs))]
    if all(map(_is_utf_8, runs, ends)):
        return UTF_8
    is_chinese = all(map(_is_chinese, runs, ends)) and max(map(len, runs)) >= 4
    if not _CONTROLS.search(raw) and (name := likely_charset(raw, is_chinese)):
        return name
    if is_chinese:
        return "GB18030"
    if _CONTROLS.search(raw):
        return "Shift JIS" if not is_cut and _is_japanese(raw) else ""
    return LATIN_1 if value.flag == UNDECODABLE and max(map(len, runs)) <= 2 else ""


def _is_utf_8(run: bytes, is_whole: bool) -> bool:
    try:
        return bool(codecs.getincrementaldecoder("utf-8")().decode(run, is_whole)) or not is_whole
    except UnicodeDecodeError:
        return False


def _is_chinese(run: bytes, is_whole: bool) -> bool:
    """Return whether bytes are Chinese characters of two bytes each, most of them of the common half."""
    pairs = list(zip(run[::2], run[1::2], strict=False))
    if (len(run) % 2 and is_whole) or not all(0xB0 <= lead <= 0xF7 and tail >= 0xA1 for lead, tail in pairs):
        return False
    return sum(lead <= LAST_COMMON_LEAD for lead, _ in pairs) >= MIN_COMMON_SHARE * len(pairs)


def _is_japanese(raw: bytes) -> bool:
    """Return whether bytes hold three characters of Japanese in a row, and are valid in Shift JIS as a whole."""
    try:
        return _JAPANESE.search(raw.decode("shift_jis")) is not None
    except UnicodeDecodeError:
        return False
