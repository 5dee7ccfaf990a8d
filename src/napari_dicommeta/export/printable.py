"""Texts about series, volumes and findings that name no person, for what commands print and recipes hold by default.

Rules quote technical values and names of tags only. Other texts may quote more: notes and refusals name files, and
findings about the pixels of a volume name its series. And a technical element may hold any text (`privacy.is_plain`).
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_dicommeta.catalog.shareable import odd_texts, shareable_key
from napari_dicommeta.dicom.privacy import is_identifying, is_plain
from napari_dicommeta.dicom.stored_values import WITHHELD
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.findings.check import finding_kinds
from napari_dicommeta.support.words import counted
from napari_dicommeta.volumes.note import NOTE_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.hu_check import Checked
    from napari_dicommeta.volumes.note import Note
    from napari_dicommeta.volumes.refusal import Refusal
    from napari_dicommeta.volumes.volume import Volume

__all__ = [
    "kind_title",
    "modality_text",
    "note_text",
    "plain_selection",
    "printable_findings",
    "refusal_reason",
    "refusal_text",
    "unchecked_reason",
    "units_text",
    "volume_facts",
    "without_creators",
]

OF_NUMBERS = frozenset(
    (
        "beside",
        "blocks",
        "formats",
        "gap",
        "intercept-missing",
        "modality-lut",
        "mosaic",
        "no-grid",
        "one-place",
        "order",
        "orientations-rounded",
        "padding",
        "references",
        "rescale-unspecified",
        "rescale-varies",
        "segments-empty",
        "segments-overlap",
        "slide-absent",
        "spacing-region",
        "split",
        "tilt",
        "tracked",
        "uneven",
        "units",
        "unplaced",
        "volumes",
        "windows-stored",
        "windows-vary",
    )
)
"""Codes of the notes whose titles consist of numbers and names of tags; those of others quote files or values."""
REFUSED = {
    "dose-scaling": "its Dose Grid Scaling is not valid",
    "pixels-impossible": "its elements contradict its pixel data",
    "pixels-unreadable": "its pixels cannot be read",
    "rescale-invalid": "its Rescale Slope or Intercept is not valid",
    "structures-no-images": "the images that its contours were drawn on are absent, or form no grid: open it with them",
    "structures-nothing": "no contour lies on a slice of the images: open it with those that it was drawn on",
}
"""What is said of refusals whose reasons quote values or files."""
UNCHECKED = {
    "no-hu": "its files do not state HU",
    "not-ct": "not CT",
    "refused": "it makes no volume",
    "unreadable": "its pixels cannot be read",
}
"""What is said of volumes whose pixels are not checked for HU, by state, where the reason quotes values or files."""
_PRIVATE = re.compile(r"\([0-9A-F]{4},xx[0-9A-F]{2},[^()]*\)")
SHOWN_CHARACTERS = 20
"""The beginning of a text by which it is found in a sentence that may cut it off."""


def modality_text(modality: str) -> str:
    """Return a modality, or "withheld" if it is no code of at most 16 characters."""
    return modality if is_plain(TagPath.parse("Modality"), "CS", modality) else WITHHELD


def units_text(units: str) -> str:
    """Return a unit, or "withheld" if it is a *Rescale Type* (0028,1054) that is no known term."""
    return units if is_plain(TagPath.parse("RescaleType"), "LO", units) else WITHHELD


def volume_facts(volume: Volume, full: bool) -> dict[str, Any]:
    """Return modality, shape, dtype, units and spacing of a volume for JSON, null for an unknown spacing."""
    return {
        "modality": volume.modality if full else modality_text(volume.modality),
        "shape": list(volume.array.shape),
        "dtype": str(volume.array.dtype),
        "units": volume.units if full else units_text(volume.units),
        "spacing_mm": [length if math.isfinite(length) else None for length in volume.geometry.spacing],
    }


def kind_title(code: str) -> str:
    """Return the general title of findings with this code; the code if there is none."""
    return next((kind.title for kind in finding_kinds() if kind.code == code), code)


def note_text(note: Note) -> str:
    """Return the title of a note, or what all notes of its code have in common."""
    return without_creators(note.title if note.code in OF_NUMBERS else NOTE_KINDS[note.code].summary)


def refusal_reason(refusal: Refusal) -> str:
    """Return the reason of a refusal without values and names of files."""
    return REFUSED.get(refusal.code, refusal.reason)


def refusal_text(refusal: Refusal) -> str:
    """Return how many files a refusal concerns, and `refusal_reason`."""
    return f"{counted(len(refusal.paths), 'file')}: {refusal_reason(refusal)}"


def unchecked_reason(checked: Checked) -> str:
    """Return why the pixels of a volume were not checked for HU, "" if they were."""
    return UNCHECKED.get(checked.state, checked.reason) if checked.reason else ""


def printable_findings(findings: Iterable[Finding], catalog: Catalog) -> tuple[Finding, ...]:
    """Return `findings` about `catalog` without text that may name a person, and without paths.

    A title or line of evidence that quotes an odd text is replaced by the title of its kind, or by "withheld". A
    selection by values that may identify a person becomes (). The scope of findings about pixels, a digest of their
    series, is left out.
    """
    odd = _odd_starts(catalog)
    is_odd = quotes_odd_text(catalog)

    def printable(finding: Finding) -> Finding:
        of_pixels, kind = finding.code.startswith("hu-"), NOTE_KINDS.get(finding.code)
        of_notes = kind is not None and kind.is_finding
        is_quoting = of_notes and finding.code not in OF_NUMBERS
        evidence = tuple(
            (
                WITHHELD if is_odd(label) or is_quoting or finding.code == "hu-unread" else without_creators(label),
                files,
            )
            for label, files in finding.evidence
        )
        title = kind_title(finding.code) if of_pixels or is_odd(finding.title) else finding.title
        return replace(
            finding,
            title=without_creators(title),
            tags=tuple(map(without_creators, finding.tags)),
            evidence=evidence,
            selection=finding.selection if plain_selection(finding.selection, odd) else (),
            scope="" if of_pixels else finding.scope,
            paths=(),
        )

    return tuple(map(printable, findings))


def _odd_starts(catalog: Catalog) -> tuple[str, ...]:
    return tuple(text[:SHOWN_CHARACTERS].casefold() for text in odd_texts(catalog.file_rows.store))


def quotes_odd_text(catalog: Catalog) -> Callable[[str], bool]:
    """Return a function that tells whether a text quotes a value of `catalog` that may name a person."""
    odd = _odd_starts(catalog)
    return lambda text: any(part in text.casefold() for part in odd)


def plain_selection(selection: Any, odd: Iterable[str] = ()) -> bool:
    """Return whether the conditions of a selection quote technical tags and values only."""
    for tags, _ in selection:
        for tag in (tags,) if isinstance(tags, str) else tags:
            path = TagPath.parse(tag)
            if is_identifying(path, path.vr):
                return False
    text = repr(selection).casefold()
    return not any(part in text for part in odd)


def without_creators(text: str, names: dict[str, str] | None = None) -> str:
    """Return a text with numbers in place of private creators that no dictionary names.

    `names`: the numbers given in other texts so far, to which new ones are added.
    """
    names = {} if names is None else names
    return _PRIVATE.sub(lambda match: TagPath.of_key(shareable_key(TagPath.parse(match[0]), names)).text, text)
