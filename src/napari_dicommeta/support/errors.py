"""The exceptions of this library, all derived from `DicomMetaError`, with their details as attributes.

Invalid arguments raise `ValueError` and files that cannot be opened raise `OSError`, as in the standard library.
"""

from __future__ import annotations

import os

__all__ = [
    "CatalogError",
    "ConversionError",
    "CutError",
    "DecodeError",
    "DicomMetaError",
    "FunctionalGroupsError",
    "HeaderError",
    "LoadError",
    "PixelError",
    "PrivacyError",
    "RecipeError",
    "RefusedError",
]


class DicomMetaError(Exception):
    """The base class of all errors of this library."""


class HeaderError(DicomMetaError):
    """A file without a readable DICOM header; the text says why.

    `code`: "not-dicom", "archive", "empty", "not-regular" or "unreadable".
    """

    def __init__(self, reason: str, code: str = "not-dicom") -> None:
        super().__init__(reason)
        self.code = code


class CutError(DicomMetaError):
    """A data set that ends too early or is damaged beyond reading; its arguments are (reason, byte offset)."""


class DecodeError(DicomMetaError):
    """A frame that cannot be decoded; the text states the actual and the expected content."""


class FunctionalGroupsError(DicomMetaError):
    """A file whose functional groups cannot be read; the text says why."""


class PixelError(DicomMetaError):
    """Pixel data that cannot be read: `path` is the file, `reason` the actual and the expected content.

    The text names the file without its folders, which may name a person.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{os.path.basename(self.path) or self.path}: {self.reason}"


class RefusedError(DicomMetaError):
    """Frames that cannot form a volume: `code` is the kind of reason, the text is the reason."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason

    def __str__(self) -> str:
        return self.reason


class LoadError(DicomMetaError):
    """A source without any file that can be opened as a volume; the text gives the reason for each file."""


class CatalogError(DicomMetaError, ValueError):
    """A file that is not a saved catalog, or was saved by a newer version."""


class ConversionError(DicomMetaError, ValueError):
    """A volume that another library's image cannot hold as it is; the text says why and what to do."""


class PrivacyError(DicomMetaError, ValueError):
    """A request to export identifying values where only technical ones are allowed; the text contains no value."""


class RecipeError(DicomMetaError):
    """A recipe that cannot be run as recorded; the text is one sentence that says why."""
