"""Files -> frames: each image of a series with its place and all values by which one frame differs from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.functional_groups import read_frame_texts
from napari_dicommeta.dicom.values import number, numbers
from napari_dicommeta.dicom.window import WINDOW_TAGS
from napari_dicommeta.support.errors import FunctionalGroupsError
from napari_dicommeta.volumes.geometry import ImagePlane

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.dicom.pixels import PixelFormat

__all__ = ["AXES", "KINDS", "TIMES", "Frame", "read_frames"]

KINDS = ("ImageType", "FrameType", "ComplexImageComponent", "ConvolutionKernel", "StackID", "ReferencedSegmentNumber")
"""Images that differ here are of another kind: parted, never another time of one volume."""
AXES = (
    "TemporalPositionIdentifier",
    "EchoTime",
    "EchoNumbers",
    "DiffusionBValue",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "NominalPercentageOfCardiacPhase",
    "InversionTime",
    "FlipAngle",
    "FrameReferenceTime",
)
"""Dimensions that may be the fourth axis, the first that explains the repetitions is taken."""
TIMES = ("AcquisitionNumber", "AcquisitionDateTime", "AcquisitionTime", "ContentTime")
"""The same, by when images were made rather than what they are."""
FRAME_TAGS = (
    # identity, place
    "SOPClassUID",
    "SOPInstanceUID",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "FrameOfReferenceUID",
    "SpacingBetweenSlices",
    "ColumnPositionInTotalImagePixelMatrix",
    "RowPositionInTotalImagePixelMatrix",
    "Modality",
    *KINDS,
    *AXES,
    *TIMES,
    "DiffusionGradientOrientation",
    # values and their display
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "Units",
    "DoseGridScaling",
    "DoseUnits",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "FloatPixelPaddingValue",
    "FloatPixelPaddingRangeLimit",
    "DoubleFloatPixelPaddingValue",
    "DoubleFloatPixelPaddingRangeLimit",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    *WINDOW_TAGS,
    "ModalityLUTSequence",
    "VOILUTSequence",
    "VOILUTSequence.LUTDescriptor",
    "VOILUTSequence.LUTExplanation",
    "VOILUTSequence.LUTData",
    "SegmentSequence",
    "DimensionOrganizationType",
    "SegmentationType",
    "SegmentsOverlap",
    "MaximumFractionalValue",
)

GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "GridFrameOffsetVector")
"""Where a file says something of its single frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of one file.

    `index`: the frame in the file, from 0. `texts`:
    keyword -> text of the `FRAME_TAGS` that this frame has, by meaning, its own functional groups first.
    """

    path: str
    index: int
    plane: ImagePlane | None
    texts: Mapping[str, str]
    pixel_format: PixelFormat
    pixel_offset: int

    def text(self, keyword: str) -> str:
        """The text of an element, "" where the frame has none."""
        return self.texts.get(keyword, "")

    @property
    def instance_number(self) -> float | None:
        """(0020,0013) *Instance Number*."""
        return number(self.text("InstanceNumber"))


def read_frames(
    catalog: Catalog, formats: Sequence[PixelFormat], more: Sequence[str] = ()
) -> tuple[list[Frame], list[tuple[str, str]]]:
    """The frames of the files of `catalog`, in their order, and (path, reason) of files that cannot be read any more.

    `formats` has one entry a file; `more` are keywords or paths to know of each frame besides `FRAME_TAGS`.
    """
    found = {tag: catalog.column_texts(tag) for tag in (*FRAME_TAGS, *more)}
    columns = [(tag, texts) for tag, texts in found.items() if any(text is not None for text in texts)]
    grouped = [catalog.column_texts(tag) for tag in GROUPS]
    offsets = catalog.file_column("pixel_offset").tolist()
    planes: dict[tuple[str, str, str], ImagePlane | None] = {}
    frames: list[Frame] = []
    failed: list[tuple[str, str]] = []
    for row, (path, pixel_format) in enumerate(zip(catalog.paths, formats, strict=True)):
        top = {tag: text for tag, column in columns if (text := column[row]) is not None}
        try:
            own = read_frame_texts(path, pixel_format.frames) if any(column[row] for column in grouped) else None
        except FunctionalGroupsError as error:
            failed.append((path, str(error)))
            continue
        for index in range(pixel_format.frames):
            texts = {**top, **{tag: text for tag, text in own[index].items() if text}} if own else top
            place = texts.get("ImagePositionPatient", ""), texts.get("ImageOrientationPatient", "")
            spacing = texts.get("PixelSpacing") or texts.get("ImagerPixelSpacing") or "1\\1"
            key = (*place, spacing)
            if pixel_format.frames > 1 and not (own and own[index].get("ImagePositionPatient")):
                key = ("", "", key[2])  # one position for the whole file says where none of its frames lies
            if key not in planes:
                planes[key] = ImagePlane.of(numbers(key[0], 3), numbers(key[1], 6), numbers(key[2], 2))
            frames.append(
                Frame(
                    path=path,
                    index=index,
                    plane=planes[key],
                    texts=texts,
                    pixel_format=pixel_format,
                    pixel_offset=offsets[row],
                )
            )
    return frames, failed
