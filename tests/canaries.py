"""Files with a canary, a text or number that is nowhere else, in every tag of PS3.15 Table E.1-1, and around them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from dicom_factory import LONG, Raw, ct_slice
from pydicom.datadict import dictionary_VR, keyword_for_tag

from napari_dicommeta.dicom import privacy

IN_FILE_NAMES = ("KanariFolder", "KanariFile", "KanariNotes", "KanariCut")
OUTSIDE = {
    "KanariUnits": "RescaleType",
    "KANARI BODY PART OF SOMEBODY": "BodyPartExamined",
    "Kanari^Thick": "GantryDetectorTilt",
}
"""Texts in technical tags that have not the form of a technical value."""
SKIPPED = {
    "PixelData",
    "FloatPixelData",
    "DoubleFloatPixelData",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
}
"""Tags of the table that a series needs; the UIDs have canaries of their own."""


def table_tags() -> list[int]:
    """Return the tags of the table, those of repeating groups with their first group."""
    tags, patterns = privacy._table()
    return sorted({*tags, *(pattern for pattern, _ in patterns)})


def canary(n: int, vr: str) -> tuple[Any, str]:
    """Return a value for an element of this VR, and the text by which it is found in any output."""
    text = f"Kanari{n:04d}x"
    if vr in ("DA", "DT"):
        text = (date(1801, 1, 1) + timedelta(days=n)).strftime("%Y%m%d")
    elif vr == "TM":
        text = f"0307{n % 60:02d}.77{n:04d}"
    elif vr == "AS":
        text = f"K{n % 90:02d}Y"
    elif vr in ("CS", "AE"):
        text = f"KANARI{n:04d}"
    elif vr == "UI":
        text = f"1.2.752.7731.{n}.1"
    elif vr in ("DS", "IS"):
        text = f"7731{n:04d}"
    elif vr in ("UL", "SL"):
        return 77_310_000 + n, str(77_310_000 + n)
    elif vr in ("US", "SS", "US or SS"):
        return 21_000 + n, str(21_000 + n)
    elif vr in ("FL", "FD"):
        return 77_310_000.0 + 8 * n, str(77_310_000 + 8 * n)
    elif vr == "SQ":
        return [{"CodeMeaning": text, "RescaleSlope": f"7732{n:04d}"}], text
    elif vr == "UN" or vr.startswith("O"):
        return Raw("OB", text.encode()), text.encode()[:8].hex(" ").upper()
    return text, text


def contents() -> tuple[dict[str, Any], dict[str, str]]:
    """Return elements with canaries, and where each canary is: its text -> a name of the element."""
    elements: dict[str, Any] = {}
    names: dict[str, str] = {}
    nested: dict[str, Any] = {}
    for n, tag in enumerate(table_tags()):
        keyword = keyword_for_tag(tag) or f"{tag:08x}"
        try:
            vr = dictionary_VR(tag).split(" or ")[0]
        except KeyError:
            vr = "LO"
        if keyword in SKIPPED or tag >> 16 in (0, 2) or vr == "AT":
            continue
        elements[f"{tag:08x}"], text = canary(n, vr)
        names[text] = keyword
        if vr not in LONG and vr not in ("US", "SS"):
            nested[f"{tag:08x}"], text = canary(n + 2000, vr)
            names[text] = f"AnatomicRegionSequence.{keyword}"
    elements["AnatomicRegionSequence"] = [nested]
    elements |= {
        "00090010": Raw("LO", b"KanariCreator "),
        "00091001": Raw("LO", b"KanariPrivate "),
        "00091002": Raw("UN", b"KanariUnknown "),
        "00290010": Raw("LO", b"SIEMENS CSA HEADER"),
        "00291008": Raw("CS", b"KANARIKNOWN "),
        "00189fff": Raw("LO", b"KanariNewTag"),
        **{tag: text for text, tag in OUTSIDE.items()},
    }
    names |= dict.fromkeys(("KanariCreator", "KanariPrivate", "KANARIKNOWN", "KanariNewTag"), "private or unknown")
    return elements, names | OUTSIDE


def write_canaries(folder: Path) -> dict[str, str]:
    """Write two series with canaries, a damaged file and one that is not DICOM; return where each canary is."""
    elements, names = contents()
    place = folder / "KanariFolder"
    place.mkdir(parents=True)
    for series in range(2):
        for k in range(4):
            own = {
                "SOPInstanceUID": f"1.2.752.7731.9.{series}.{k}",
                "StudyInstanceUID": "1.2.752.7731.8.1",
                "SeriesInstanceUID": f"1.2.752.7731.7.{series}",
                "ImagePositionPatient": [-10, -20, [0, 2.5, 5, 12.5][k]],
            }
            changes = {**elements, **own, **({} if series else {"RescaleType": "HU"})}
            (place / f"KanariFile{series}{k}.dcm").write_bytes(ct_slice(k, **changes))
    (place / "KanariNotes.txt").write_text("notes")
    (place / "KanariCut.dcm").write_bytes(ct_slice(1, SeriesInstanceUID="1.2.752.7731.7.9")[:900])
    return names | {"1.2.752.7731.9.0.1": "SOPInstanceUID", "1.2.752.7731.7.0": "SeriesInstanceUID"}


def text_of(path: Path) -> str:
    """Return everything that a file holds as text; of Parquet files all names, metadata and values."""
    if path.suffix != ".parquet":
        return path.read_text("utf-8")
    table = pq.read_table(path)
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    rows = [table.column(i).to_pylist() for i in range(table.num_columns)]
    texts = [repr([value for value in column if value is not None]) for column in rows]
    return "\n".join([*table.column_names, json.dumps(metadata), *texts])
