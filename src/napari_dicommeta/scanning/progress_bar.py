"""The progress of a scan as a bar of tqdm, in a terminal or a notebook; without tqdm as a line on stderr."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_dicommeta.scanning.progress import ScanProgress

__all__ = ["progress_bar"]


@contextmanager
def progress_bar() -> Iterator[Callable[[ScanProgress], object]]:
    """Yield a function that shows the progress it is called with; the last progress stays on the screen."""
    if find_spec("tqdm") is None:
        try:
            yield _show_line
        finally:
            sys.stderr.write("\n")
        return
    from tqdm.auto import tqdm

    with tqdm(unit=" files", dynamic_ncols=True) as bar:

        def show(progress: ScanProgress) -> None:
            bar.total = progress.found if progress.listed else None
            bar.update(progress.done - bar.n)

        yield show


def _show_line(progress: ScanProgress) -> None:
    sys.stderr.write(f"\r{progress.done:,} of {progress.found:,} files")
    sys.stderr.flush()
