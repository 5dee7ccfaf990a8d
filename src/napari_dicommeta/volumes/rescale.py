"""Transforms of stored to modality values: rescale, LUT, dose scaling, padding, units (PS3.3 section C.11.1).

Each frame has its own transform; a missing transform is never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.luts import read_modality_luts
from napari_dicommeta.dicom.uids import RT_DOSE, SECONDARY_CAPTURE
from napari_dicommeta.dicom.units import unit_words
from napari_dicommeta.dicom.values import has_items, is_text_in_number, number
from napari_dicommeta.support.errors import RefusedError
from napari_dicommeta.support.words import counted
from napari_dicommeta.volumes.note import make_note
from napari_dicommeta.volumes.partition import distinct, groups_of, joint
from napari_dicommeta.volumes.transforms import Transform, Transforms
from napari_dicommeta.volumes.value_dtypes import rounds_whole_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.dicom.luts import LookupTable
    from napari_dicommeta.dicom.pixel_format import PixelFormat
    from napari_dicommeta.volumes.frames import Frames
    from napari_dicommeta.volumes.note import Note

__all__ = ["PADDINGS", "Rescale", "invalid_rescales", "read_rescale"]

PADDINGS = ("keep", "air", "nan")
_HOUNSFIELD = re.compile(r"hu|h\.u\.?|hound?sfield( units?)?", re.IGNORECASE)
"""Spellings of HU as *Rescale Type*."""
_PADDING_PREFIX = {0x7FE00008: "Float", 0x7FE00009: "DoubleFloat"}


@dataclass(frozen=True, slots=True)
class Rescale:
    """Transforms of a stack's frames, the unit of the result ("" where the files do not establish one), and notes."""

    transforms: Transforms
    units: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Slope and intercept of each frame: the distinct pairs, and the index of each frame's among them."""

    distinct: tuple[tuple[float, float], ...]
    ids: np.ndarray


def read_rescale(frames: Frames, missing_rescale: str = "refuse", padding: str = "keep") -> Rescale:
    """Return the transforms of `frames` from stored to modality values; tables are read from the files.

    The options are those of `load`.

    Raises
    ------
    RefusedError
        If rescale elements are not numbers, or are missing in some frames. With `missing_rescale` "series", missing
        elements are taken from the other frames if these agree.
    """
    notes: list[Note] = []
    tables, table_ids = _tables(frames, notes)
    paddings, padding_ids = _paddings(frames, notes, padding)
    if frames.text("SOPClassUID") == RT_DOSE:
        pairs, units = _dose(frames)
    elif largest := number(frames.text("MaximumFractionalValue")):  # a fractional segmentation: 0 to 1
        pairs, units = _Pairs(((1 / largest, 0.0),), np.zeros(len(frames), dtype=np.intp)), ""
    else:
        pairs, units = _rescale(frames, tables[0] is not None, missing_rescale, notes)
    kinds = {table.kind for table in tables if table is not None}
    if kinds:
        units = kinds.pop() if len(kinds) == 1 else ""
        units = "" if units == "US" else units
    ids = joint([pairs.ids, table_ids, padding_ids])
    first, ids = distinct(ids)
    distinct_transforms = []
    for n in first.tolist():
        table, span = tables[table_ids[n]], paddings[padding_ids[n]]
        slope, intercept = pairs.distinct[pairs.ids[n]]
        if table is not None:
            slope, intercept = 1.0, 0.0
        distinct_transforms.append(Transform(slope, intercept, table, span))
    if len(pairs.distinct) > 1 and tables[0] is None:
        slopes, intercepts = ({pair[i] for pair in pairs.distinct} for i in range(2))
        title = f"Rescaled slice by slice: slopes {_span(sorted(slopes))}, intercepts {_span(sorted(intercepts))}"
        notes.append(make_note("rescale-varies", title))
    transforms = Transforms(tuple(distinct_transforms), ids.astype(np.int32))
    if rounds_whole_numbers(frames.formats, frames.format_ids, transforms, padding):
        why = "padding is NaN, as requested" if padding == "nan" else "they are rescaled, or have several signs"
        notes.append(make_note("rounded", f"Whole numbers of 64 bits are rounded to the 53 bits of float64: {why}"))
    return Rescale(transforms, units, tuple(notes))


def invalid_rescales(frames: Frames) -> tuple[tuple[str, np.ndarray], ...]:
    """Return (reason, rows) of gray frames whose Rescale Slope or Intercept is no number, or whose slope is 0."""
    slopes, intercepts = frames.texts("RescaleSlope"), frames.texts("RescaleIntercept")
    bad_slopes = [bool(text) and not number(text) for text in slopes]
    bad_intercepts = [bool(text) and number(text) is None for text in intercepts]
    if not any(bad_slopes) and not any(bad_intercepts):
        return ()
    slope_ids, intercept_ids = frames.codes("RescaleSlope"), frames.codes("RescaleIntercept")
    bad = np.array(bad_slopes)[slope_ids] | np.array(bad_intercepts)[intercept_ids]
    has_table = np.array([has_items(text) for text in frames.texts("ModalityLUTSequence")])
    bad &= ~has_table[frames.codes("ModalityLUTSequence")]
    bad &= ~np.array([form.is_color for form in frames.formats])[frames.format_ids]
    rows = np.flatnonzero(bad)
    found = []
    for group in groups_of(joint([slope_ids[rows], intercept_ids[rows]])) if len(rows) else ():
        n = int(rows[group[0]])
        stated = f"a Rescale Slope of {slopes[slope_ids[n]]!r} with an Intercept of {intercepts[intercept_ids[n]]!r}"
        reason = f"{stated} is not a valid rescale"
        several = np.array([form.frames > 1 for form in frames.formats])[frames.format_ids[rows[group]]]
        if several.any():
            numbers = ", ".join(str(index + 1) for index in frames.indices[rows[group]][several][:5].tolist())
            reason = f"frame {numbers}: {reason}"
        found.append((reason, rows[group]))
    return tuple(found)


def _span(values: Sequence[float]) -> str:
    return f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g} ({len(values)} values)"


def _tables(frames: Frames, notes: list[Note]) -> tuple[list[LookupTable | None], np.ndarray]:
    """Return the distinct Modality LUTs, [None] if there are none, and the index of each frame's."""
    if not any(frames.texts("ModalityLUTSequence")):
        return [None], np.zeros(len(frames), dtype=np.intp)
    has_luts = np.array([has_items(text) for text in frames.texts("ModalityLUTSequence")])
    held = has_luts[frames.codes("ModalityLUTSequence")]
    tables: list[LookupTable | None] = []
    files, ids = np.unique(frames.files, return_inverse=True)
    for row in [int(np.argmax(ids == i)) for i in range(len(files))]:
        luts = read_modality_luts(frames.path(row)) if held[row] else ()
        if held[row] and not luts:
            raise RefusedError("modality-lut", "its Modality LUT Sequence holds no usable table")
        tables.append(luts[0] if luts else None)
    n = int(held.sum())
    if not n:
        return [None], np.zeros(len(frames), dtype=np.intp)
    if n < len(frames):
        raise RefusedError(
            "modality-lut-missing",
            f"a Modality LUT is missing in {len(frames) - n} of its {len(frames)} images",
        )
    both = any(frames.texts("RescaleSlope"))
    title = "A Modality LUT is applied to the stored values" + ("; Rescale Slope is not used" if both else "")
    notes.append(make_note("modality-lut", title, severity="decision" if both else "info"))
    known = list(dict.fromkeys(tables))
    return known, np.array([known.index(table) for table in tables], dtype=np.intp)[ids]


def _paddings(frames: Frames, notes: list[Note], treatment: str) -> tuple[list[tuple[float, float] | None], np.ndarray]:
    """Return the distinct padding ranges in stored values, and the index of each frame's range.

    See PS3.3 section C.7.5.1.1.2.
    """
    prefix = _PADDING_PREFIX.get(frames.pixel_format().pixel_tag, "")
    keywords = f"{prefix}PixelPaddingValue", f"{prefix}PixelPaddingRangeLimit"
    if not any(frames.texts(keywords[0])):
        return [None], np.zeros(len(frames), dtype=np.intp)
    first, ids = distinct(joint([*(frames.codes(keyword) for keyword in keywords), frames.format_ids]))
    paddings: list[tuple[float, float] | None] = []
    not_used: dict[str, str] = {}
    for n in first.tolist():
        texts = frames.text(keywords[0], n), frames.text(keywords[1], n)
        span, why = _padding(*texts, frames.pixel_format(n))
        paddings.append(span)
        if why:
            not_used[texts[0]] = why
    for text, why in sorted(not_used.items()):
        notes.append(make_note("padding-impossible", f"Pixel Padding Value {text} {why}: not used"))
    stated = {span for span in paddings if span is not None}
    if stated:
        spans = ", ".join(f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in sorted(stated))
        how = "kept, but excluded from the full range" if treatment == "keep" else f"set to {treatment}, as requested"
        notes.append(make_note("padding", f"Stored values {spans} are padding: {how}"))
    return paddings, ids


def _padding(value_text: str, limit_text: str, pixel_format: PixelFormat) -> tuple[tuple[float, float] | None, str]:
    """Return the padding range that an image states, or None and the reason why it is unusable."""
    value, limit = number(value_text), number(limit_text)
    if value is None:
        return None, "is not a number" if value_text else ""
    if is_text_in_number(value) and pixel_format.dtype.kind != "f":
        return None, "is text in a number field"
    span = sorted((value, value if limit is None else limit))
    low, high = pixel_format.stored_range
    if pixel_format.dtype.kind != "f" and (span[1] < low or span[0] > high):
        return None, "cannot be stored in these bits"
    return (span[0], span[1]), ""


def _dose(frames: Frames) -> tuple[_Pairs, str]:
    """Return the slope and intercept of a dose grid, and the unit (PS3.3 section C.8.8.3)."""
    pairs = []
    for text in frames.texts("DoseGridScaling"):
        scaling = number(text)
        if not scaling:
            raise RefusedError("dose-scaling", f"a Dose Grid Scaling of {text!r} is not a valid scaling")
        pairs.append((scaling, 0.0))
    units = frames.text("DoseUnits")
    return _Pairs(tuple(pairs), frames.codes("DoseGridScaling")), "Gy" if units == "GY" else units.lower()


def _rescale(frames: Frames, has_table: bool, missing: str, notes: list[Note]) -> tuple[_Pairs, str]:
    """Return the slope and intercept of each frame, and the unit (PS3.3 sections C.11.1 and C.8.2.1)."""
    modality = frames.text("Modality")
    slopes, intercepts = frames.texts("RescaleSlope"), frames.texts("RescaleIntercept")
    unit_pairs = _Pairs(((1.0, 0.0),), np.zeros(len(frames), dtype=np.intp))
    if has_table or not any(slopes) or frames.pixel_format().is_color:
        if not has_table and not frames.pixel_format().is_color:
            _note_missing(modality, frames, notes)
        return unit_pairs, ""
    slope_ids, intercept_ids = frames.codes("RescaleSlope"), frames.codes("RescaleIntercept")
    first, ids = distinct(slope_ids * len(intercepts) + intercept_ids)
    texts = [(slopes[slope_ids[n]], intercepts[intercept_ids[n]]) for n in first.tolist()]
    counts = np.bincount(ids)
    without = sum(n for n, (slope, text) in zip(counts.tolist(), texts, strict=True) if slope and not text)
    if without and all(number(text) == 0 for text in intercepts if text):
        where = "" if not any(intercepts) else f" in {without} of {len(frames)} images"
        title = f"No Rescale Intercept{where}: 0{', as in the others,' if where else ''} is used with the Rescale Slope"
        notes.append(make_note("intercept-missing", title))
        texts = [(slope, text or ("0" if slope else "")) for slope, text in texts]
    held = [bool(slope and intercept) for slope, intercept in texts]
    if not all(held):
        texts = _filled(texts, held, counts, missing, notes)
    parsed = []
    for slope_text, intercept_text in texts:
        slope, intercept = number(slope_text), number(intercept_text)
        if slope is None or intercept is None or slope == 0:
            stated = f"a Rescale Slope of {slope_text!r} with an Intercept of {intercept_text!r}"
            raise RefusedError("rescale-invalid", f"{stated} is not a valid rescale")
        parsed.append((slope, intercept))
    pairs = tuple(dict.fromkeys(parsed))
    of_pair = np.array([pairs.index(pair) for pair in parsed])
    return _Pairs(pairs, of_pair[ids]), _units(frames, modality, notes)


def _note_missing(modality: str, frames: Frames, notes: list[Note]) -> None:
    """Add a note on a missing rescale where the Standard requires one."""
    if modality == "CT":
        without = " beside the Rescale Intercept" if any(frames.texts("RescaleIntercept")) else " and Intercept"
        title = f"No Rescale Slope{without}, which CT requires: stored values are shown"
        notes.append(make_note("rescale-missing", title))
    elif modality == "PT" and frames.text("Units"):
        title = f"No Rescale Slope, which PET requires: stored values are shown, not {unit_words(frames.text('Units'))}"
        notes.append(make_note("rescale-missing", title))


def _filled(
    texts: list[tuple[str, str]], held: list[bool], counts: np.ndarray, missing: str, notes: list[Note]
) -> list[tuple[str, str]]:
    """Return the texts of slope and intercept, missing ones taken from the other frames if that is requested."""
    n, without = int(counts.sum()), int(counts[~np.array(held)].sum())
    others = {pair for pair, has in zip(texts, held, strict=True) if has}
    lacking = f"Rescale Slope or Intercept is missing in {without} of its {counted(n, 'file')}"
    if missing != "series" or len(others) != 1:
        stated = {"RescaleSlope": {slope for slope, _ in texts}, "RescaleIntercept": {text for _, text in texts}}
        keyword = next((key for key, values in stated.items() if "" in values and len(values) == 2), "")
        how = f"; split='{keyword}' opens them apart" if keyword else ""
        raise RefusedError("rescale-missing", f"{lacking}: raw and rescaled values would be mixed{how}")
    (only,) = others
    if any((slope or only[0], intercept or only[1]) != only for slope, intercept in texts):
        raise RefusedError("rescale-contradicts", f"{lacking}, and the values they do state differ from the others")
    title = f"{lacking}: {only[0]} and {only[1]} of the other files are used, as requested"
    notes.append(make_note("rescale-filled", title))
    return [only] * len(texts)


def _units(frames: Frames, modality: str, notes: list[Note]) -> str:
    """Return HU, another *Rescale Type*, or PET's *Units*; "" where the files do not establish a unit."""
    kinds = {"HU" if _HOUNSFIELD.fullmatch(kind) else kind for kind in frames.texts("RescaleType")}
    is_capture = frames.text("SOPClassUID").startswith(SECONDARY_CAPTURE)
    if modality == "CT" and kinds == {"", "HU"} and not is_capture:
        kinds = {"HU"}  # the default of CT (PS3.3 section C.8.2.1)
    kind = next(iter(kinds)) if len(kinds) == 1 else ""
    if len(kinds) > 1:
        title = f"Rescale Type differs: {', '.join(sorted(kind or 'none' for kind in kinds))}"
        notes.append(make_note("rescale-type", title))
        return ""
    if modality == "PT":
        return _pet_units(frames, notes)
    if modality != "CT":
        return "" if kind == "US" else kind
    if kind == "" and is_capture:
        title = "A secondary capture without a Rescale Type: its values are not HU"
        notes.append(make_note("rescale-type", title, tags=("SOPClassUID", "RescaleType")))
        return ""
    if kind in ("", "HU"):
        reason = "stated by Rescale Type" if kind else "the default of CT without a Rescale Type"
        notes.append(make_note("units", f"Values are in HU: {reason}"))
        return "HU"
    if kind == "US" and frames.text("ImageType").startswith("ORIGINAL"):
        title = "Rescale Type is US (unspecified); original CT images are in HU"
        notes.append(make_note("rescale-unspecified", title))
        return "HU"
    title = f"Rescale Type is {kind}: the values may not be HU"
    notes.append(make_note("rescale-type", title))
    return kind


def _pet_units(frames: Frames, notes: list[Note]) -> str:
    """Return PET's *Units* (PS3.3 section C.8.9.1), "" if the files differ."""
    units = frames.texts("Units")
    if len(units) == 1:
        return units[0]
    title = f"Units differ: {', '.join(sorted(unit or 'none' for unit in units))}"
    notes.append(make_note("rescale-type", title, tags=("Units",)))
    return ""
