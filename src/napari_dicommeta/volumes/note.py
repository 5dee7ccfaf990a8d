"""A note of a volume: how it was made from its files, or what in them is unusual; and the kinds of notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NOTE_KINDS", "SEVERITIES", "Note", "NoteKind", "make_note"]

SEVERITIES = ("wrong", "decision", "info")
"""Wrong: the data contradict themselves or the Standard; decision: needs one; info: good to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing to know about a volume.

    `code` names its kind; `severity` is one of `SEVERITIES`; `title` says it in one sentence; `tags` are the keywords
    that it rests on; `standard` the section of the Standard; `advice` the preprocessing step; `paths` the files that it
    is about, () where it is about all of them.
    """

    code: str
    severity: str
    title: str
    tags: tuple[str, ...] = ()
    standard: str = ""
    advice: str = ""
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKind:
    """What all notes of one code have in common.

    `summary` is a sentence without its full stop; `meaning` says what it means for preprocessing. `is_finding`: the
    volumes of a folder that have such a note make a finding together; of the others a rule on values says more.
    """

    severity: str
    summary: str
    standard: str
    tags: tuple[str, ...] = ()
    advice: str = ""
    meaning: str = ""
    is_finding: bool = False


_PLACE = "PS3.3 section C.7.6.2"
_DIMENSIONS = "PS3.3 section C.7.6.17"
_RESCALE = "PS3.3 section C.11.1"
_RESCALE_TYPE = "PS3.3 section C.11.1.1.2"
_PADDING = "PS3.3 section C.7.5.1.1.2"
_WINDOWS = "PS3.3 section C.11.2.1.2"

NOTE_KINDS: dict[str, NoteKind] = {
    # -- how files became a volume
    "split": NoteKind(
        severity="info",
        summary="Series are split into several volumes",
        standard=_DIMENSIONS,
        advice="Choose the part that you need: one series is not one volume.",
        meaning="Stacked together the images make no grid: their sizes, orientations, kinds or places differ.",
        is_finding=True,
    ),
    "left-out": NoteKind(
        severity="decision",
        summary="Duplicate images are left out",
        standard=_DIMENSIONS,
        tags=("SOPInstanceUID", "ImagePositionPatient"),
        advice="Remove the duplicates that the notes name.",
        meaning="A slice that is counted twice makes the stack too long and shifts everything behind it.",
        is_finding=True,
    ),
    "volumes": NoteKind(
        severity="info",
        summary="Each place is imaged several times (times, echoes, b-values)",
        standard=_DIMENSIONS,
        advice="Open them as a fourth axis; choose one value for a 3D step.",
        meaning="Sorted by position alone, the images of several volumes would be shuffled into one.",
        is_finding=True,
    ),
    "one-place": NoteKind(
        severity="info",
        summary="All images are of one place",
        standard=_DIMENSIONS,
        advice="Do not take their order for depth.",
        meaning="They are times, duplicates or encodings of one slice, not a stack.",
        is_finding=True,
    ),
    "blocks": NoteKind(
        severity="info",
        summary="The distance between slices differs from block to block",
        standard=_PLACE,
        advice="Resample along the positions, or open the blocks as volumes of their own.",
        meaning="Each block is evenly spaced, the whole is not.",
        is_finding=True,
    ),
    "no-grid": NoteKind(
        severity="decision",
        summary="Images that make no grid are in one array",
        standard=_PLACE,
        tags=("ImageOrientationPatient", "PixelSpacing"),
        advice="Open their parts as volumes of their own.",
        meaning="Their images have several orientations or spacings.",
        is_finding=True,
    ),
    # -- where the slices lie
    "order": NoteKind(severity="info", summary="Slices are ordered by their positions", standard=_PLACE),
    "unplaced": NoteKind(
        severity="decision",
        summary="Images are ordered without positions",
        standard=_PLACE,
        advice="Check the order of the slices by eye before you use it.",
        meaning="Instance numbers and file names are no positions: distances between slices are unknown.",
        is_finding=True,
    ),
    "gap": NoteKind(
        severity="decision",
        summary="Slices are missing",
        standard=_PLACE,
        tags=("ImagePositionPatient",),
        advice="Ask for the slices, split the volume at the gaps (split='gaps'), or leave it out.",
        meaning="Stacked as if nothing were missing, everything behind the gap lies too close.",
        is_finding=True,
    ),
    "uneven": NoteKind(
        severity="decision",
        summary="Slices are unevenly spaced",
        standard=_PLACE,
        tags=("ImagePositionPatient",),
        advice="Resample along the positions, not by slice number.",
        meaning="One spacing for the whole volume is wrong somewhere: lengths and volumes along the slices are off.",
        is_finding=True,
    ),
    "beside": NoteKind(
        severity="decision",
        summary="Slices are shifted sideways",
        standard=_PLACE,
        tags=("ImagePositionPatient",),
        advice="Look at these slices: move them to their place by resampling, or leave the volume out.",
        meaning="Stacked without correction, anatomy jumps sideways from slice to slice.",
        is_finding=True,
    ),
    "tilt": NoteKind(
        severity="decision",
        summary="Slices are sheared by a gantry tilt",
        standard="PS3.3 section C.8.15.3.3",
        tags=("ImagePositionPatient",),
        advice="Shear or resample them to a right-angled grid by their affine.",
        meaning="An array taken as a box shows the patient slanted.",
        is_finding=True,
    ),
    "spacing-missing": NoteKind(
        severity="decision",
        summary="Images have no Pixel Spacing",
        standard="PS3.3 section 10.7.1.3",
        tags=("PixelSpacing",),
        advice="Do not measure lengths in them unless the magnification is known.",
    ),
    # -- what the values mean
    "units": NoteKind(
        severity="info", summary="Values are in Hounsfield units", standard=_RESCALE_TYPE, tags=("RescaleType",)
    ),
    "rescale-type": NoteKind(
        severity="decision",
        summary="The unit of the values is uncertain",
        standard=_RESCALE_TYPE,
        tags=("RescaleType",),
        advice="Do not take the values for HU until the unit is known.",
        meaning="The files state another Rescale Type, several, or none where one is needed.",
        is_finding=True,
    ),
    "rescale-unspecified": NoteKind(
        severity="info",
        summary="Rescale Type is US, which means Unspecified",
        standard=_RESCALE_TYPE,
        tags=("RescaleType",),
    ),
    "rescale-missing": NoteKind(
        severity="wrong",
        summary="CT images have no Rescale Slope and Intercept",
        standard="PS3.3 section C.8.2.1",
        tags=("RescaleSlope", "RescaleIntercept"),
    ),
    "rescale-filled": NoteKind(
        severity="decision",
        summary="Images without a rescale take that of the others, as asked for",
        standard=_RESCALE,
        tags=("RescaleSlope", "RescaleIntercept"),
    ),
    "rescale-varies": NoteKind(
        severity="info",
        summary="Each slice is rescaled by its own slope and intercept",
        standard=_RESCALE,
        tags=("RescaleSlope", "RescaleIntercept"),
    ),
    "modality-lut": NoteKind(
        severity="info",
        summary="Values go through a Modality LUT",
        standard=_RESCALE,
        tags=("ModalityLUTSequence",),
        advice="Apply the table; do not use Rescale Slope and Intercept beside it.",
        meaning="A table may be any curve: slope and intercept cannot stand for it.",
        is_finding=True,
    ),
    "padding": NoteKind(
        severity="info", summary="Files state a Pixel Padding Value", standard=_PADDING, tags=("PixelPaddingValue",)
    ),
    "padding-impossible": NoteKind(
        severity="decision",
        summary="A Pixel Padding Value cannot be stored in the bits of its image",
        standard=_PADDING,
        tags=("PixelPaddingValue",),
    ),
    "formats": NoteKind(
        severity="decision",
        summary="Pixels are stored in several formats",
        standard="PS3.3 section C.7.6.3.1",
        tags=("BitsStored", "PixelRepresentation"),
        advice="Read each file by its own bits and sign.",
    ),
    "lossy": NoteKind(
        severity="decision",
        summary="Images have once been lossily compressed",
        standard="PS3.3 section C.7.6.1.1.5",
        tags=("LossyImageCompression",),
    ),
    # -- windows
    "windows-stored": NoteKind(
        severity="info",
        summary="Window presets fit the stored values, not the rescaled ones",
        standard=_WINDOWS,
        tags=("WindowCenter", "WindowWidth", "RescaleSlope"),
        advice="Apply these presets before the rescale.",
        meaning="By the Standard windows mean rescaled values; MR and PET files often mean the stored ones.",
        is_finding=True,
    ),
    "windows-vary": NoteKind(
        severity="info",
        summary="Window presets differ from slice to slice",
        standard="PS3.3 section C.11.2",
        tags=("WindowCenter", "WindowWidth"),
    ),
    # -- segmentations
    "segments": NoteKind(
        severity="info",
        summary="Values are segment numbers",
        standard="PS3.3 section C.8.20.2",
        tags=("SegmentSequence",),
    ),
    "segments-overlap": NoteKind(
        severity="decision",
        summary="Segments may overlap",
        standard="PS3.3 section C.8.20.2",
        tags=("SegmentsOverlap",),
        advice="Open each segment as a volume of its own with split='ReferencedSegmentNumber'.",
    ),
    "segments-empty": NoteKind(
        severity="info",
        summary="Slices without a segment are not in the file",
        standard="PS3.3 section C.8.20.2",
        tags=("ImagePositionPatient",),
    ),
}
"""Code -> what notes of it have in common."""


def make_note(
    code: str,
    title: str,
    *,
    severity: str = "",
    tags: Sequence[str] = (),
    advice: str = "",
    paths: Sequence[str] = (),
) -> Note:
    """Return a note of one of `NOTE_KINDS`, which says what is not given here."""
    kind = NOTE_KINDS[code]
    return Note(
        code=code,
        severity=severity or kind.severity,
        title=title,
        tags=tuple(tags) or kind.tags,
        standard=kind.standard,
        advice=advice or kind.advice,
        paths=tuple(paths),
    )
