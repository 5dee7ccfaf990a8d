"""How far a scan is, and what it has read so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dicommeta.catalog.catalog import Catalog

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["REPORT_SECONDS", "Failure", "ScanProgress"]

REPORT_SECONDS = 0.1
"""Between two reports of progress."""
Failure = tuple[str, str, str, str]
"""(path, outcome, reason, code) of a directory entry that is no row of the catalog; see `ScanFailure`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanProgress:
    """How far a scan is: files read, files found so far, whether the listing is complete."""

    done: int
    found: int
    listed: bool
    tables: tuple[pa.Table, ...] = ()
    failures: tuple[Failure, ...] = ()

    def catalog(self) -> Catalog:
        """The catalog of what has been read so far."""
        return Catalog.of_tables(self.tables, self.failures)
