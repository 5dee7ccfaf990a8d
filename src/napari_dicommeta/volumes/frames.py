"""Frames of a series: each image with its plane and the values that distinguish it from other frames."""

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

__all__ = ["AXES", "SPLIT_TAGS", "TIMES", "Frame", "read_frames"]

SPLIT_TAGS = (
    "ImageType",
    "FrameType",
    "ComplexImageComponent",
    "ConvolutionKernel",
    "StackID",
    "ReferencedSegmentNumber",
)
"""Tags by which images are split into kinds; they never become a fourth axis."""
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
"""Dimensions that may become the fourth axis; the first that explains the repeated positions is used."""
TIMES = ("AcquisitionNumber", "AcquisitionDateTime", "AcquisitionTime", "ContentTime")
"""Like `AXES`, but by time of acquisition; tried after them."""
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
    *SPLIT_TAGS,
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

GROUP_TAGS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "GridFrameOffsetVector")
"""Elements that hold values of individual frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of one file.

    `index`: the frame in the file, from 0. `texts`: keyword -> text of the `FRAME_TAGS` that this frame has; its
    functional groups take precedence over the top level of the file.
    """

    path: str
    index: int
    plane: ImagePlane | None
    texts: Mapping[str, str]
    pixel_format: PixelFormat
    pixel_offset: int

    def text(self, keyword: str) -> str:
        """Return the text of an element, "" where the frame has none."""
        return self.texts.get(keyword, "")

    @property
    def instance_number(self) -> float | None:
        """(0020,0013) *Instance Number*."""
        return number(self.text("InstanceNumber"))


def read_frames(
    catalog: Catalog, formats: Sequence[PixelFormat], more: Sequence[str] = ()
) -> tuple[list[Frame], list[tuple[str, str]]]:
    """Return the frames of all files of `catalog`, in file order, and (path, reason) of each file that cannot be read.

    `formats` has one entry per file. `more` are keywords or tag paths to read in addition to `FRAME_TAGS`.
    """
    by_tag = {tag: catalog.column_texts(tag) for tag in (*FRAME_TAGS, *more)}
    columns = [(tag, texts) for tag, texts in by_tag.items() if any(text is not None for text in texts)]
    grouped = [catalog.column_texts(tag) for tag in GROUP_TAGS]
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
            position = texts.get("ImagePositionPatient", ""), texts.get("ImageOrientationPatient", "")
            spacing = texts.get("PixelSpacing") or texts.get("ImagerPixelSpacing") or "1\\1"
            key = (*position, spacing)
            if pixel_format.frames > 1 and not (own and own[index].get("ImagePositionPatient")):
                key = ("", "", key[2])  # one position for a whole file does not place its frames
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
