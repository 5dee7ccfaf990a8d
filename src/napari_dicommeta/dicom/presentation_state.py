"""Read softcopy presentation states: windows, shutter and the images that they are for (PS3.3 section A.33)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from napari_dicommeta.dicom.datasets import open_dataset
from napari_dicommeta.dicom.luts import read_softcopy_lut
from napari_dicommeta.dicom.overlays import Shutter, shutter_of
from napari_dicommeta.dicom.window import Window, windows_of
from napari_dicommeta.support.log import log_fault

__all__ = ["PresentationState", "SavedWindow", "read_presentation_state"]


@dataclass(frozen=True, slots=True)
class SavedWindow:
    """A window, and the SOP Instance UIDs of the images that it is for; empty for all of its presentation state."""

    window: Window
    images: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentationState:
    """What a presentation state says of its images.

    `label`: *Content Label*, which names no person. `images`: the SOP Instance UIDs of all images. `rescale`: slope and
    intercept of its own modality transform, (1, 0) if it has none, None if that is a table.
    """

    path: str
    label: str
    images: frozenset[str]
    windows: tuple[SavedWindow, ...]
    rescale: tuple[float, float] | None
    shutter: Shutter | None

    def windows_for(self, image: str, rescale: tuple[float, float] | None) -> tuple[Window, ...]:
        """Return the windows for an image, whose modality values are ``stored * slope + intercept``.

        Windows are in the values of the presentation state's own transform (PS3.4 section N.2.1), and get the rescale
        that leads from there to the modality values of the image. `rescale` is None for an image with a table, which
        has no windows here.
        """
        if self.rescale is None or rescale is None or image not in self.images:
            return ()
        slope, intercept = rescale[0] / self.rescale[0], rescale[1] - rescale[0] * self.rescale[1] / self.rescale[0]
        own = None if (slope, intercept) == (1, 0) else (slope, intercept)
        return tuple(
            replace(saved.window, rescale=own) for saved in self.windows if not saved.images or image in saved.images
        )


def read_presentation_state(path: str) -> PresentationState | None:
    """Return what the presentation state at `path` says, None if it cannot be read."""
    try:
        with open_dataset(path) as dataset:
            return _state(path, dataset)
    except Exception as error:  # noqa: BLE001  pydicom raises many kinds of errors for broken files
        log_fault("reading a presentation state", error, logging.DEBUG)
        return None


def _state(path: str, dataset: Any) -> PresentationState:
    label = str(dataset.get("ContentLabel") or "").strip() or "a presentation state"
    images = frozenset(
        str(image.get("ReferencedSOPInstanceUID"))
        for series in dataset.get("ReferencedSeriesSequence") or ()
        for image in series.get("ReferencedImageSequence") or ()
    )
    little = dataset.is_little_endian is not False
    saved: list[SavedWindow] = []
    for item in dataset.get("SoftcopyVOILUTSequence") or ():
        own = frozenset(
            str(image.get("ReferencedSOPInstanceUID")) for image in item.get("ReferencedImageSequence") or ()
        )
        center, width = _joined(item.get("WindowCenter")), _joined(item.get("WindowWidth"))
        found = list(windows_of(center, width, "", str(item.get("VOILUTFunction") or "")))
        found += [
            Window.of_table(table)
            for lut in item.get("VOILUTSequence") or ()
            if (table := read_softcopy_lut(lut, little)) is not None
        ]
        saved += [SavedWindow(replace(window, explanation=f"as saved by {label}"), own) for window in found]
    return PresentationState(
        path=path,
        label=label,
        images=images,
        windows=tuple(saved),
        rescale=_rescale(dataset),
        shutter=shutter_of(dataset),
    )


def _joined(value: Any) -> str:
    if value is None:
        return ""
    return "\\".join(map(str, value)) if not isinstance(value, (str, float, int)) else str(value)


def _rescale(dataset: Any) -> tuple[float, float] | None:
    if dataset.get("ModalityLUTSequence"):
        return None
    try:
        slope, intercept = float(dataset.get("RescaleSlope") or 1), float(dataset.get("RescaleIntercept") or 0)
    except (TypeError, ValueError):
        return None
    return (slope, intercept)
