"""Read the lookup tables of a file: Modality and VOI LUT Sequence (PS3.3 sections C.11.1 and C.11.2.1.1)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_dicommeta.dicom.datasets import open_dataset
from napari_dicommeta.support.log import log_fault

__all__ = ["LookupTable", "read_modality_luts", "read_softcopy_lut", "read_voi_luts"]


MODALITY = "ModalityLUTSequence"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LookupTable:
    """A table of output values.

    `first`: the input mapped to entry 0. Smaller inputs map to entry 0 too, inputs past the end to the last entry.
    `bits`: the bits of an output value. `values`: uint16, shape (entries,). `kind`: *Modality LUT Type*, such as "HU",
    "OD" or "US". `explanation`: *LUT Explanation*.
    """

    first: int
    bits: int
    values: np.ndarray
    kind: str = ""
    explanation: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LookupTable) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        return self.first, self.bits, self.kind, self.explanation, self.values.tobytes()

    def apply(self, stored: np.ndarray) -> np.ndarray:
        """Return the outputs for integers or floats as uint16 of the same shape; fractions round down to an entry."""
        indices = np.floor(stored) if stored.dtype.kind == "f" else stored.astype(np.int64)
        entries = np.clip(indices - self.first, 0, len(self.values) - 1).astype(np.intp)
        return np.asarray(self.values[entries])


def read_modality_luts(path: str) -> tuple[LookupTable, ...]:
    """Return the tables of *Modality LUT Sequence* (0028,3000); a valid file has at most one (PS3.3 section C.11.1)."""
    return _tables(path, MODALITY)


def read_voi_luts(path: str) -> tuple[LookupTable, ...]:
    """Return the tables of *VOI LUT Sequence* (0028,3010), alternatives to the windows (PS3.3 section C.11.2)."""
    return _tables(path, "VOILUTSequence")


def read_softcopy_lut(item: Any, little: bool) -> LookupTable | None:
    """Return the table of an item of *VOI LUT Sequence* that pydicom read in a presentation state, None if broken.

    `little`: whether the file is little endian.
    """
    return _table(item, False, little, False)


def _tables(path: str, sequence: str) -> tuple[LookupTable, ...]:
    """Return the valid tables of a sequence; a table with a broken descriptor is left out."""
    try:
        with open_dataset(path, stop_before_pixels=True) as dataset:
            signed = dataset.get("PixelRepresentation", 0) == 1
            items = list(dataset.get(sequence) or ())
            little = dataset.is_little_endian is not False
            tables = [_table(item, signed, little, sequence == MODALITY) for item in items]
    except Exception as error:  # noqa: BLE001  pydicom raises many kinds of errors for broken elements
        log_fault("reading lookup tables", error, logging.DEBUG)
        return ()
    return tuple(table for table in tables if table is not None)


def _table(item: Any, signed: bool, little: bool, is_modality: bool) -> LookupTable | None:
    if "LUTDescriptor" not in item or "LUTData" not in item:
        return None
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    count = count & 0xFFFF or 65536
    if not -32768 <= first <= 65535:
        return None
    if signed and first >= 32768:  # the first input has the sign of the pixels, regardless of its VR
        first -= 65536
    if not signed and first < 0 and is_modality:  # a VOI LUT may have negative inputs for unsigned pixels
        first += 65536
    data = item.LUTData
    if isinstance(data, bytes):
        # Bytes of entries of more bits are what is left of a table that is cut.
        is_bytes = bits <= 8 and len(data) == count + count % 2
        dtype = np.dtype(np.uint8 if is_bytes else "<u2" if little else ">u2")
        values = np.frombuffer(data[: count if is_bytes else len(data) & ~1], dtype)
    else:
        values = np.atleast_1d(np.asarray(data)).astype(np.int64) & 0xFFFF
    if len(values) != count or not 1 <= bits <= 16:
        return None
    values = values.astype(np.uint16)
    values.flags.writeable = False
    kind = str(item.get("ModalityLUTType", "") or "")
    return LookupTable(
        first=first, bits=bits, values=values, kind=kind, explanation=str(item.get("LUTExplanation", "") or "").strip()
    )
