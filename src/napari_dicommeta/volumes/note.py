"""Notes of a volume and their kinds: how it was built from its files, and what is unusual about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicommeta.support.html import html_terms
from napari_dicommeta.volumes.label_notes import LABEL_NOTE_KINDS
from napari_dicommeta.volumes.note_kind import NoteKind
from napari_dicommeta.volumes.severities import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NOTE_KINDS", "SEVERITIES", "Note", "NoteKind", "make_note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Single observation about a volume.

    `code` names its kind. `severity` is one of `SEVERITIES`. `title` states it in one sentence. `tags`: the keywords
    it is based on. `standard`: the section of the Standard. `advice`: the preprocessing step. `paths`: the files
    concerned, () for all.
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

    def html_row(self) -> dict[str, str | int | float]:
        """Return what a table of notes shows of this one."""
        return {"severity": self.severity, "note": self.title, "advice": self.advice, "standard": self.standard}

    def _repr_html_(self) -> str:
        terms = (("severity", self.severity), ("tags", ", ".join(self.tags)), ("advice", self.advice))
        return html_terms(self.title, (*terms, ("standard", self.standard)))


_PLACE = "PS3.3 section C.7.6.2"
_DIMENSIONS = "PS3.3 section C.7.6.17"
_RESCALE = "PS3.3 section C.11.1"
_RESCALE_TYPE = "PS3.3 section C.11.1.1.2"
_PADDING = "PS3.3 section C.7.5.1.1.2"
_WINDOWS = "PS3.3 section C.11.2.1.2"

NOTE_KINDS: dict[str, NoteKind] = {
    # -- building volumes from files
    "split": NoteKind(
        severity="info",
        summary="Series are split into several volumes",
        standard=_DIMENSIONS,
        advice="Choose the part that you need: one series is not one volume.",
        meaning="The images do not form one grid: their sizes, orientations, kinds or positions differ.",
        is_finding=True,
    ),
    "left-out": NoteKind(
        severity="decision",
        other_severity="info",
        summary="Duplicate images are left out",
        standard=_DIMENSIONS,
        tags=("SOPInstanceUID", "ImagePositionPatient"),
        advice="Remove the duplicates that the notes name.",
        meaning="A slice that is counted twice makes the stack too long and shifts all slices after it.",
        is_finding=True,
    ),
    "volumes": NoteKind(
        severity="info",
        other_severity="decision",
        summary="Each position is imaged several times (times, echoes, b-values)",
        standard=_DIMENSIONS,
        advice="Open them with a fourth axis; select one value along it for a 3D step.",
        meaning="Sorted by position alone, the images of several volumes would be interleaved.",
        is_finding=True,
    ),
    "frames": NoteKind(
        severity="info",
        summary="Frames without positions follow a stated dimension (time, detector, energy window, view)",
        standard="PS3.3 section C.7.6.5",
        tags=("FrameIncrementPointer",),
        advice="Do not treat their order as depth.",
    ),
    "one-place": NoteKind(
        severity="info",
        other_severity="decision",
        summary="All images lie at the same position",
        standard=_DIMENSIONS,
        advice="Do not treat their order as depth.",
        meaning="They are time points, duplicates or encodings of one slice, not a stack.",
        is_finding=True,
    ),
    "blocks": NoteKind(
        severity="info",
        other_severity="decision",
        summary="The distance between slices differs from block to block",
        standard=_PLACE,
        advice="Resample by position, or open the blocks as separate volumes.",
        meaning="Each block is evenly spaced, the whole volume is not.",
        is_finding=True,
    ),
    "references": NoteKind(
        severity="decision",
        summary="Images of one series have several frames of reference",
        standard="PS3.3 section C.7.4.1.1.1",
        tags=("FrameOfReferenceUID",),
        advice="Give the series one Frame of Reference UID; de-identification has probably replaced it file by file.",
        meaning="Their positions fit one grid, so they are one volume; other series cannot be registered to it by UID.",
    ),
    "orientations-rounded": NoteKind(
        severity="info",
        summary="Orientations that differ by rounding are taken as one",
        standard=_PLACE,
        tags=("ImageOrientationPatient",),
    ),
    "tracked": NoteKind(
        severity="decision",
        summary="Images follow a movement, and are taken as one grid",
        standard=_PLACE,
        tags=("ImageOrientationPatient", "ImagePositionPatient"),
        advice="Resample each image by its own position and orientation where small shifts matter.",
        meaning="Each image has a position and orientation of its own; the grid of the volume is only near to them.",
        is_finding=True,
    ),
    "no-grid": NoteKind(
        severity="decision",
        summary="Images that do not form a grid are in one array",
        standard=_PLACE,
        tags=("ImageOrientationPatient", "PixelSpacing"),
        advice="Open their parts as separate volumes.",
        meaning="Their images have several orientations or spacings.",
    ),
    "mosaic": NoteKind(
        severity="info",
        other_severity="decision",
        summary="Slices are tiles of one image, a mosaic",
        standard="PS3.3 section C.7.6.2",
        tags=("ImageType",),
        advice="Export the series again as enhanced or single-frame images if positions are needed.",
        meaning="The position of the file is that of no slice; read as one image, it shows all slices side by side.",
        is_finding=True,
    ),
    "slide": NoteKind(
        severity="info",
        summary="Images are mosaics of the tiles of a slide",
        standard="PS3.3 section C.7.6.17.3",
        tags=("TotalPixelMatrixRows", "TotalPixelMatrixColumns", "DimensionOrganizationType"),
    ),
    "slide-absent": NoteKind(
        severity="info",
        summary="Parts of a slide are in no tile",
        standard="PS3.3 section C.8.12.4.1",
        tags=("RecommendedAbsentPixelCIELabValue",),
        advice="Leave pixels without a tile out of statistics.",
        meaning="Their values are a background that was never imaged.",
        is_finding=True,
    ),
    "slide-large": NoteKind(
        severity="decision",
        summary="A plane of a slide is too large to be shown as a whole",
        standard="PS3.3 section C.7.6.17.3",
        tags=("TotalPixelMatrixRows", "TotalPixelMatrixColumns"),
        advice="Read parts of it, array[0, 1000:2000, 1000:2000], instead of opening it in a viewer.",
    ),
    "interleaved": NoteKind(
        severity="decision",
        summary="Slices of several acquisitions are interleaved",
        standard=_DIMENSIONS,
        advice="Open each acquisition as a volume of its own.",
        meaning="Neighboring slices have other energies, echoes or kinds: their values cannot be compared.",
        is_finding=True,
    ),
    # -- slice positions
    "order": NoteKind(severity="info", summary="Slices are ordered by position", standard=_PLACE),
    "unplaced": NoteKind(
        severity="decision",
        other_severity="info",
        summary="Images have no positions to order them by",
        standard=_PLACE,
        advice="Check the order of the slices by eye before you use it.",
        meaning="Instance numbers and file names are not positions: distances between slices are unknown.",
        is_finding=True,
    ),
    "gap": NoteKind(
        severity="decision",
        summary="Slices are missing",
        standard=_PLACE,
        tags=("ImagePositionPatient",),
        advice="Request the slices, split the volume at the gaps (split='gaps'), or leave it out.",
        meaning="Stacked as if nothing were missing, all slices after the gap lie too close.",
        is_finding=True,
    ),
    "uneven": NoteKind(
        severity="decision",
        summary="Slices are unevenly spaced",
        standard=_PLACE,
        tags=("ImagePositionPatient",),
        advice="Resample by position, not by slice number.",
        meaning="No single spacing fits the whole volume: lengths and volumes across slices are off.",
        is_finding=True,
    ),
    "beside": NoteKind(
        severity="decision",
        summary="Slices are shifted sideways",
        standard=_PLACE,
        tags=("ImagePositionPatient",),
        advice="Inspect these slices: resample them to their positions, or leave the volume out.",
        meaning="Stacked without correction, anatomy jumps sideways from slice to slice.",
        is_finding=True,
    ),
    "tilt": NoteKind(
        severity="decision",
        summary="Slices are sheared, as by a gantry tilt",
        standard=_PLACE,
        tags=("ImagePositionPatient", "ImageOrientationPatient"),
        advice="Resample them to a right-angled grid with their affine.",
        meaning="Treated as a rectangular box, the array shows the patient slanted.",
        is_finding=True,
    ),
    "spacing-missing": NoteKind(
        severity="decision",
        summary="Images have no Pixel Spacing",
        standard="PS3.3 section 10.7.1.3",
        tags=("PixelSpacing",),
        advice="Do not measure lengths in them unless the magnification is known.",
    ),
    "spacing-region": NoteKind(
        severity="info",
        summary="Pixel spacing is that of an ultrasound region",
        standard="PS3.3 section C.8.5.5",
        tags=("SequenceOfUltrasoundRegions",),
    ),
    # -- units and rescale
    "units": NoteKind(
        severity="info", summary="Values are in Hounsfield units", standard=_RESCALE_TYPE, tags=("RescaleType",)
    ),
    "rescale-type": NoteKind(
        severity="decision",
        summary="The unit of the values is uncertain",
        standard=_RESCALE_TYPE,
        tags=("RescaleType",),
        advice="Do not treat the values as HU until the unit is known.",
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
        summary="CT or PET images have no Rescale Slope and Intercept",
        standard="PS3.3 section C.8.2.1",
        tags=("RescaleSlope", "RescaleIntercept"),
    ),
    "intercept-missing": NoteKind(
        severity="decision",
        summary="Images have a Rescale Slope without a Rescale Intercept",
        standard=_RESCALE,
        tags=("RescaleIntercept",),
        advice="Confirm that 0 is meant: the Standard requires both elements.",
        meaning="An intercept of 0 is assumed; an intercept that was lost shifts all values.",
        is_finding=True,
    ),
    "rescale-filled": NoteKind(
        severity="decision",
        summary="Images without a rescale use that of the other images, as requested",
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
        other_severity="decision",
        summary="A Modality LUT is applied to the values",
        standard=_RESCALE,
        tags=("ModalityLUTSequence",),
        advice="Apply the table instead of Rescale Slope and Intercept.",
        meaning="A table can describe any curve: slope and intercept cannot replace it.",
        is_finding=True,
    ),
    "rounded": NoteKind(
        severity="decision",
        summary="Whole numbers of 64 bits are rounded",
        standard=_RESCALE,
        tags=("BitsStored", "RescaleSlope", "RescaleIntercept"),
        advice="Do not compare values above 9,007,199,254,740,992 for equality; read codes and numbers from the files.",
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
        advice="Read each file with its own bits and sign.",
    ),
    "lossy": NoteKind(
        severity="decision",
        summary="Images have been lossily compressed",
        standard="PS3.3 section C.7.6.1.1.5",
        tags=("LossyImageCompression",),
    ),
    # -- pixel data
    "pixels-cut": NoteKind(
        severity="decision",
        summary="Compressed pixel data does not reach its end",
        standard="PS3.5 section A.4",
        tags=("PixelData",),
        advice="Get the files again: the last image of each may be coarser or gray in its lower part.",
        meaning="The file was cut off while it was written or sent; its last image may look whole without being so.",
        is_finding=True,
    ),
    "pixels-longer": NoteKind(
        severity="decision",
        summary="Pixel data is longer than Rows, Columns and the number of bits explain",
        standard="PS3.5 section 8.1.1",
        tags=("PixelData", "Rows", "Columns", "BitsAllocated", "NumberOfFrames"),
        advice="Look at the images: if they are skewed, halved or torn, one of these elements is wrong.",
        meaning="What is behind the last frame is not shown, and a wrong size would shift each row.",
        is_finding=True,
    ),
    "pixels-assumed": NoteKind(
        severity="decision",
        summary="Elements that the pixels need are absent or impossible, and values are assumed for them",
        standard="PS3.3 section C.7.6.3.1",
        tags=("PixelRepresentation", "NumberOfFrames", "PhotometricInterpretation", "PlanarConfiguration"),
        advice="Compare with other images of the device: signed samples that are taken as unsigned are far too high.",
        meaning="A wrong sign makes large numbers of negative ones; a wrong number of frames hides images; a wrong "
        "order or meaning of samples gives other colors.",
        is_finding=True,
    ),
    # -- windows
    "windows-stored": NoteKind(
        severity="info",
        other_severity="decision",
        summary="Window presets fit the stored values, not the rescaled values",
        standard=_WINDOWS,
        tags=("WindowCenter", "WindowWidth", "RescaleSlope"),
        advice="Apply these presets before the rescale.",
        meaning="The Standard defines windows in rescaled values; MR and PET files often give them in stored values.",
        is_finding=True,
    ),
    "windows-vary": NoteKind(
        severity="info",
        summary="Window presets differ from slice to slice",
        standard="PS3.3 section C.11.2",
        tags=("WindowCenter", "WindowWidth"),
    ),
    **LABEL_NOTE_KINDS,
}
"""Code -> kind of note."""


def make_note(
    code: str,
    title: str,
    *,
    severity: str = "",
    tags: Sequence[str] = (),
    advice: str = "",
    paths: Sequence[str] = (),
) -> Note:
    """Return a note of the kind `code`; arguments left empty are those of `NOTE_KINDS`."""
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
