"""Kinds of notes on labels: segmentations, overlays, RT structures, and on what other files say of images."""

from __future__ import annotations

from napari_dicommeta.volumes.note_kind import NoteKind

__all__ = ["LABEL_NOTE_KINDS"]

_STRUCTURES = "PS3.3 section C.8.8.6"

LABEL_NOTE_KINDS: dict[str, NoteKind] = {
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
        advice="Open each segment as a separate volume with split='ReferencedSegmentNumber'.",
    ),
    "segments-empty": NoteKind(
        severity="info",
        summary="Slices without a segment are not in the file",
        standard="PS3.3 section C.8.20.2",
        tags=("ImagePositionPatient",),
    ),
    "segments-named": NoteKind(
        severity="info",
        summary="Segments have names",
        standard="PS3.3 section C.8.20.4",
        tags=("SegmentSequence",),
    ),
    "segments-apart": NoteKind(
        severity="info",
        summary="Segments that overlap are in several arrays",
        standard="PS3.3 section C.8.20.2",
        tags=("SegmentsOverlap",),
    ),
    # -- overlays and what other files say of images
    "overlays": NoteKind(
        severity="info", summary="Values are overlay numbers", standard="PS3.3 section C.9.2", tags=("OverlayData",)
    ),
    "shutter": NoteKind(
        severity="info",
        summary="Pixels outside of the display shutter are 1",
        standard="PS3.3 section C.7.6.11",
        tags=("ShutterShape",),
    ),
    "saved-table": NoteKind(
        severity="info",
        summary="Windows of a presentation state are for values of its own table",
        standard="PS3.4 section N.2.1",
        tags=("ModalityLUTSequence", "SoftcopyVOILUTSequence"),
    ),
    "key-images": NoteKind(
        severity="info",
        summary="Slices are marked as key images",
        standard="PS3.3 section A.35.4",
        tags=("ReferencedSOPInstanceUID",),
    ),
    # -- RT structures
    "structures": NoteKind(
        severity="info", summary="Values are ROI numbers", standard=_STRUCTURES, tags=("StructureSetROISequence",)
    ),
    "structures-overlap": NoteKind(
        severity="info",
        summary="Regions may overlap",
        standard=_STRUCTURES,
        tags=("ContourData",),
        advice="Take each region as a mask: volume.mask(number), or split='ROINumber'.",
    ),
    "structures-numbers": NoteKind(
        severity="info", summary="Regions have no distinct ROI numbers", standard=_STRUCTURES, tags=("ROINumber",)
    ),
    "structures-elsewhere": NoteKind(
        severity="decision",
        summary="The images that structures refer to are absent",
        standard=_STRUCTURES,
        tags=("RTReferencedSeriesSequence", "FrameOfReferenceUID"),
        advice="Check that these images show the same anatomy in the same place, or open the images that are named.",
    ),
    "structures-left-out": NoteKind(
        severity="decision",
        summary="Contours that cannot be drawn are left out",
        standard=_STRUCTURES,
        tags=("ContourData", "ContourGeometricType"),
        advice="Open the structures with the images that they were drawn on, or export them again.",
    ),
    "structures-between": NoteKind(
        severity="decision",
        summary="Contours lie between slices",
        standard=_STRUCTURES,
        tags=("ContourData",),
        advice="Compare volumes with care: the contours were drawn on other slices than these.",
    ),
    "structures-sparse": NoteKind(
        severity="decision",
        summary="Slices between contours of a region have none",
        standard=_STRUCTURES,
        tags=("ContourData",),
        advice="Interpolate between contours if the region is meant to be one piece.",
    ),
    "structures-partial": NoteKind(
        severity="decision",
        summary="A structure set is damaged",
        standard=_STRUCTURES,
        tags=("StructureSetROISequence", "ROIContourSequence"),
        advice="Compare its regions with those of the planning system: contours may be lost.",
    ),
    "structures-bare": NoteKind(
        severity="info", summary="Regions have no contours", standard=_STRUCTURES, tags=("ROIContourSequence",)
    ),
}
"""Code -> kind of note."""
