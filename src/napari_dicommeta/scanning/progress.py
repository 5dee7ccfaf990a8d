"""The progress of a scan, and the tables read so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from napari_dicommeta.support.generators import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import pyarrow as pa

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["REPORT_SECONDS", "Failure", "ScanProgress", "waited_for"]

REPORT_SECONDS = 0.1
"""The time between two progress reports."""
Failure = tuple[str, str, str, str]
"""(path, outcome, reason, code) of a directory entry that is not in the catalog; see `ScanFailure`."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanProgress:
    """The progress of a scan: files read, files found so far, whether the listing is complete."""

    done: int
    found: int
    listed: bool
    tables: tuple[pa.Table, ...] = ()
    failures: tuple[Failure, ...] = ()

    def catalog(self) -> Catalog:
        """Return the catalog of the files read so far."""
        from napari_dicommeta.catalog.catalog import Catalog

        return Catalog.of_tables(self.tables, self.failures)


def waited_for(
    steps: Generator[None, None, Result],
    progress: Callable[[], ScanProgress] = lambda: ScanProgress(done=0, found=0, listed=False),
) -> Generator[ScanProgress, None, Result]:
    """Return the result of `steps`; yield ``progress()`` whenever they wait for storage."""
    return (yield from changed(steps, lambda _: progress()))
