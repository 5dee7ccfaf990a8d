"""Read a data set with pydicom, where it knows a structure that this program does not read itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_dicommeta.files.opening import open_stream
from napari_dicommeta.support.one_thread_warnings import silence

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["open_dataset"]


@contextmanager
def open_dataset(path: str, **options: Any) -> Iterator[Any]:
    """Open the data set of a file without warnings, also while its elements are read; `options` are those of `dcmread`.

    Raises
    ------
    OSError
        If the file cannot be read; pydicom raises many other kinds of errors for broken files.
    """
    from pydicom import dcmread

    with silence(), open_stream(path) as stream:
        yield dcmread(stream, force=True, **options)
