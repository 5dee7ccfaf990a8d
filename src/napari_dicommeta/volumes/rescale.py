"""Transforms of stored to modality values: rescale, LUT, dose scaling, padding, units (PS3.3 section C.11.1).

Each frame has its own transform; a missing transform is never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.luts import read_modality_luts
from napari_dicommeta.dicom.uids import RT_DOSE, SECONDARY_CAPTURE
from napari_dicommeta.dicom.values import has_items, is_text_in_number, number
from napari_dicommeta.support.errors import RefusedError
from napari_dicommeta.volumes.note import make_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.dicom.luts import LookupTable
    from napari_dicommeta.dicom.pixels import PixelFormat
    from napari_dicommeta.volumes.frames import Frame
    from napari_dicommeta.volumes.note import Note

__all__ = ["AIR", "PADDINGS", "Rescale", "Transform", "read_rescale"]

PADDINGS = ("keep", "air", "nan")
AIR = -1000.0
"""HU."""
_PADDING_PREFIX = {0x7FE00008: "Float", 0x7FE00009: "DoubleFloat"}


@dataclass(frozen=True, slots=True)
class Transform:
    """Transform of one frame from stored to modality values: ``stored * slope + intercept``, or a table.

    `padding`: the inclusive range of stored values that mark pixels outside the image (PS3.3 section
    C.7.5.1.1.2), None if the file states none.
    """

    slope: float = 1.0
    intercept: float = 0.0
    table: LookupTable | None = None
    padding: tuple[float, float] | None = None

    def apply(self, stored: np.ndarray) -> np.ndarray:
        """Return the modality values of `stored`, in its shape.

        They are float64, or the dtype of the table, or `stored` itself if slope is 1 and intercept 0.
        """
        if self.table is not None:
            return self.table.apply(stored)
        if (self.slope, self.intercept) == (1, 0):
            return stored
        return np.asarray(stored * np.float64(self.slope) + self.intercept)

    def is_padding(self, stored: np.ndarray) -> np.ndarray | None:
        """Return a mask of the padding in `stored`, bool; None if the file states no padding."""
        if self.padding is None:
            return None
        low, high = self.padding
        return np.asarray(stored == low if low == high else (stored >= low) & (stored <= high))

    def exact_dtype(self, pixel_format: PixelFormat) -> np.dtype:
        """Return int16 if every possible value is whole and in range, otherwise float32."""
        if pixel_format.dtype.kind == "f":
            return np.dtype(np.float32)
        if self.table is not None:
            return np.dtype(np.int16 if int(self.table.values.max(initial=0)) <= 32767 else np.float32)
        if not (self.slope.is_integer() and self.intercept.is_integer()):
            return np.dtype(np.float32)
        low, high = (value * self.slope + self.intercept for value in pixel_format.stored_range)
        fits = min(low, high) >= -32768 and max(low, high) <= 32767
        return np.dtype(
            np.int16 if fits and -32768 <= self.intercept <= 32767 and abs(self.slope) <= 32767 else np.float32
        )


@dataclass(frozen=True, slots=True)
class Rescale:
    """Transforms of a stack's frames, the unit of the result ("" where the files do not establish one), and notes."""

    transforms: tuple[Transform, ...]
    units: str
    notes: tuple[Note, ...]


def read_rescale(frames: Sequence[Frame], missing_rescale: str = "refuse", padding: str = "keep") -> Rescale:
    """Return the transforms of `frames` from stored to modality values; tables are read from the files.

    The options are those of `load`.

    Raises
    ------
    RefusedError
        If rescale elements are not numbers, or are missing in some frames. With `missing_rescale` "series", missing
        elements are taken from the other frames if these agree.
    """
    notes: list[Note] = []
    tables = _tables(frames, notes)
    paddings = _paddings(frames, notes, padding)
    if frames[0].text("SOPClassUID") == RT_DOSE:
        pairs, units = _dose(frames)
    elif largest := number(frames[0].text("MaximumFractionalValue")):  # a fractional segmentation: 0 to 1
        pairs, units = [(1 / largest, 0.0)] * len(frames), ""
    else:
        pairs, units = _rescale(frames, tables, missing_rescale, notes)
    kinds = {table.kind for table in tables if table is not None}
    if kinds:
        units = kinds.pop() if len(kinds) == 1 else ""
        units = "" if units == "US" else units
    transforms = tuple(
        Transform(*pair, table, padding) if table is None else Transform(1.0, 0.0, table, padding)
        for pair, table, padding in zip(pairs, tables, paddings, strict=True)
    )
    if len(set(pairs)) > 1 and not kinds:
        slopes, intercepts = sorted({slope for slope, _ in pairs}), sorted({intercept for _, intercept in pairs})
        title = f"Rescaled slice by slice: slopes {_span(slopes)}, intercepts {_span(intercepts)}"
        notes.append(make_note("rescale-varies", title))
    return Rescale(transforms, units, tuple(notes))


def _span(values: Sequence[float]) -> str:
    return f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g} ({len(values)} values)"


def _tables(frames: Sequence[Frame], notes: list[Note]) -> list[LookupTable | None]:
    by_path: dict[str, LookupTable | None] = {}
    for frame in frames:
        if frame.path not in by_path:
            luts = read_modality_luts(frame.path) if frame.text("ModalityLUTSequence") else ()
            by_path[frame.path] = luts[0] if luts else None
            if has_items(frame.text("ModalityLUTSequence")) and not luts:
                raise RefusedError("modality-lut", "its Modality LUT Sequence holds no usable table")
    tables = [by_path[frame.path] for frame in frames]
    held = sum(table is not None for table in tables)
    if 0 < held < len(tables):
        raise RefusedError(
            "modality-lut-missing", f"a Modality LUT is missing in {len(tables) - held} of its {len(tables)} images"
        )
    if held:
        both = any(frame.text("RescaleSlope") for frame in frames)
        title = "A Modality LUT is applied to the stored values" + ("; Rescale Slope is not used" if both else "")
        severity = "decision" if both else "info"
        notes.append(make_note("modality-lut", title, severity=severity))
    return tables


def _paddings(frames: Sequence[Frame], notes: list[Note], treatment: str) -> list[tuple[float, float] | None]:
    """Return the padding range of each frame in stored values (PS3.3 section C.7.5.1.1.2)."""
    known: dict[tuple[str, str, PixelFormat], tuple[float, float] | None] = {}
    paddings = []
    not_used: dict[str, str] = {}
    for frame in frames:
        prefix = _PADDING_PREFIX.get(frame.pixel_format.pixel_tag, "")
        texts = frame.text(f"{prefix}PixelPaddingValue"), frame.text(f"{prefix}PixelPaddingRangeLimit")
        key = (*texts, frame.pixel_format)
        if key not in known:
            known[key], why = _padding(*texts, frame.pixel_format)
            if why:
                not_used[texts[0]] = why
        paddings.append(known[key])
    for text, why in sorted(not_used.items()):
        notes.append(make_note("padding-impossible", f"Pixel Padding Value {text} {why}: not used"))
    stated = {span for span in paddings if span is not None}
    if stated:
        spans = ", ".join(f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in sorted(stated))
        how = "kept, but excluded from the full range" if treatment == "keep" else f"set to {treatment}, as requested"
        notes.append(make_note("padding", f"Stored values {spans} are padding: {how}"))
    return paddings


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


def _dose(frames: Sequence[Frame]) -> tuple[list[tuple[float, float]], str]:
    """Return the (slope, intercept) of each frame of a dose grid, and the unit (PS3.3 section C.8.8.3)."""
    pairs = []
    for frame in frames:
        scaling = number(frame.text("DoseGridScaling"))
        if not scaling:
            raise RefusedError(
                "dose-scaling", f"a Dose Grid Scaling of {frame.text('DoseGridScaling')!r} is not a valid scaling"
            )
        pairs.append((scaling, 0.0))
    units = frames[0].text("DoseUnits")
    return pairs, "Gy" if units == "GY" else units.lower()


def _rescale(
    frames: Sequence[Frame], tables: Sequence[LookupTable | None], missing: str, notes: list[Note]
) -> tuple[list[tuple[float, float]], str]:
    """Return the (slope, intercept) of each frame, and the unit (PS3.3 sections C.11.1 and C.8.2.1)."""
    texts = [(frame.text("RescaleSlope"), frame.text("RescaleIntercept")) for frame in frames]
    held = [bool(slope and intercept) for slope, intercept in texts]
    modality = frames[0].text("Modality")
    if not any(held) or tables[0] is not None:
        if modality == "CT" and tables[0] is None and not frames[0].pixel_format.is_color:
            title = "No Rescale Slope and Intercept, which CT requires: stored values are shown"
            notes.append(make_note("rescale-missing", title))
        return [(1.0, 0.0)] * len(frames), frames[0].text("Units") if modality == "PT" else ""
    if not all(held):
        others = {pair for pair, has in zip(texts, held, strict=True) if has}
        lacking = f"Rescale Slope or Intercept is missing in {held.count(False)} of its {len(frames)} files"
        if missing != "series" or len(others) != 1:
            raise RefusedError("rescale-missing", f"{lacking}: raw and rescaled values would be mixed")
        (only,) = others
        if any((slope or only[0], intercept or only[1]) != only for slope, intercept in texts):
            raise RefusedError("rescale-contradicts", f"{lacking}, and the values they do state differ from the others")
        texts = [only] * len(texts)
        title = f"{lacking}: {only[0]} and {only[1]} of the other files are used, as requested"
        notes.append(make_note("rescale-filled", title))
    parsed: dict[tuple[str, str], tuple[float, float]] = {}
    for slope_text, intercept_text in dict.fromkeys(texts):
        slope, intercept = number(slope_text), number(intercept_text)
        if slope is None or intercept is None or slope == 0:
            stated = f"a Rescale Slope of {slope_text!r} with an Intercept of {intercept_text!r}"
            raise RefusedError("rescale-invalid", f"{stated} is not a valid rescale")
        parsed[slope_text, intercept_text] = slope, intercept
    return [parsed[pair] for pair in texts], _units(frames, modality, notes)


def _units(frames: Sequence[Frame], modality: str, notes: list[Note]) -> str:
    """Return HU, another *Rescale Type*, or PET's *Units*; "" where the files do not establish a unit."""
    kinds = {frame.text("RescaleType") for frame in frames}
    if modality == "CT" and kinds == {"", "HU"} and not frames[0].text("SOPClassUID").startswith(SECONDARY_CAPTURE):
        kinds = {"HU"}  # the default of CT (PS3.3 section C.8.2.1)
    kind = next(iter(kinds)) if len(kinds) == 1 else ""
    if len(kinds) > 1:
        title = f"Rescale Type differs: {', '.join(sorted(kind or 'none' for kind in kinds))}"
        notes.append(make_note("rescale-type", title))
        return ""
    if modality == "PT":
        return frames[0].text("Units")
    if modality != "CT":
        return "" if kind == "US" else kind
    if kind == "" and frames[0].text("SOPClassUID").startswith(SECONDARY_CAPTURE):
        title = "A secondary capture without a Rescale Type: its values are not HU"
        notes.append(make_note("rescale-type", title, tags=("SOPClassUID", "RescaleType")))
        return ""
    if kind in ("", "HU"):
        reason = "stated by Rescale Type" if kind else "the default of CT without a Rescale Type"
        notes.append(make_note("units", f"Values are in HU: {reason}"))
        return "HU"
    if kind == "US" and frames[0].text("ImageType").startswith("ORIGINAL"):
        title = "Rescale Type is US (unspecified); original CT images are in HU"
        notes.append(make_note("rescale-unspecified", title))
        return "HU"
    title = f"Rescale Type is {kind}: the values may not be HU"
    notes.append(make_note("rescale-type", title))
    return kind
