"""The errors that this library raises of its own, below one base; they carry what they are about as fields.

Arguments that are wrong raise `ValueError`, files that cannot be opened `OSError`, as in the standard library.
"""

from __future__ import annotations

__all__ = [
    "CatalogError",
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
    """The base of all errors of this library."""


class HeaderError(DicomMetaError):
    """A file that holds no readable DICOM header; the text says why.

    `code`: "not-dicom", "empty", "not-regular" or "unreadable".
    """

    def __init__(self, reason: str, code: str = "not-dicom") -> None:
        super().__init__(reason)
        self.code = code


class CutError(DicomMetaError):
    """A data set that ended, or was damaged beyond reading: (reason, offset)."""


class DecodeError(DicomMetaError):
    """A frame that cannot be decoded; the text says what was found and what was expected."""


class FunctionalGroupsError(DicomMetaError):
    """A file whose functional groups cannot be read; the text says why."""


class PixelError(DicomMetaError):
    """Pixel data that cannot be read: `path` is the file, `reason` what was found and what was expected."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class RefusedError(DicomMetaError):
    """Frames that make no volume: `code` names the kind of reason, the text is the reason."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason

    def __str__(self) -> str:
        return self.reason


class LoadError(DicomMetaError):
    """A source in which nothing can be opened as a volume; the text says why, file by file."""


class CatalogError(DicomMetaError, ValueError):
    """A file that is no saved catalog, or one of a newer version."""


class PrivacyError(DicomMetaError, ValueError):
    """What may identify a person was asked of an export that shows technical values only; it carries no value."""


class RecipeError(DicomMetaError):
    """A recipe that cannot be followed as it was made; the text is one sentence that says why."""
