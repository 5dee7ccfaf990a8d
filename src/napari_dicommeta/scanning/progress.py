"""The progress of a scan, and the tables read so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["REPORT_SECONDS", "Failure", "ScanProgress"]

REPORT_SECONDS = 0.1
"""The time between two progress reports."""
Failure = tuple[str, str, str, str]
"""(path, outcome, reason, code) of a directory entry that is not in the catalog; see `ScanFailure`."""


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
