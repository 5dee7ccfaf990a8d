"""What goes out of the dock and what comes beside it: exports, and a second folder to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication

from napari_dicommeta._comparing import compare_with
from napari_dicommeta._exporting import bars_to_show, exported, text_of
from napari_dicommeta.meaning import display
from napari_dicommeta.privacy import PrivacyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QPixmap

    from napari_dicommeta._exploring import Other
    from napari_dicommeta._widgets.exploration import Exploration
    from napari_dicommeta._widgets.sources import Sources
    from napari_dicommeta.catalog import Catalog
    from napari_dicommeta.compare import TagDifference
    from napari_dicommeta.histogram import Histogram
    from napari_dicommeta.scanner import ScanProgress

__all__ = ["HandingOver"]


class HandingOver(QObject):
    """`compared` carries words on what is compared, "" for nothing; `progressed` (done, found, listed)."""

    compared = Signal(str)
    progressed = Signal(int, int, bool)

    def __init__(
        self,
        exploration: Exploration,
        sources: Sources,
        paint: Callable[[Histogram], QPixmap],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._exploration, self._sources, self._picture_of = exploration, sources, paint

    # -- exports ------------------------------------------------------------------------------------

    def _base_and_part(self) -> tuple[Catalog | None, Catalog | None]:
        """The files in scope that match, and those of the part shown over them."""
        from napari_dicommeta.selection import Selection

        exploration = self._exploration
        base, filters = exploration.base(), exploration.selection.filters if exploration.selection is not None else ()
        active = exploration.active
        part = active.catalog if active is not None and exploration.wish.scope != "series" else None
        if filters:
            base = Selection(base, filters).files() if base is not None else None
            part = Selection(part, filters).files() if part is not None else None
        return base, part

    def export(self, what: str, path: str, full: bool) -> None:
        """Write tags, values or a picture of the bars to a file."""
        base, part = self._base_and_part()
        shown = self._exploration.picture()
        if base is None:
            return
        if what == "picture":
            self._sources.run(
                "export",
                lambda: bars_to_show(shown, base, part, full),
                lambda bars: self._paint(bars, path, full),
                None,
                self._failed,
            )
        else:
            self._sources.run(
                "export", lambda: exported(what, path, shown, base, part, full), self._written, None, self._failed
            )

    def copy(self, what: str, full: bool) -> None:
        """Put tags or values into the clipboard as a Markdown table."""
        base, part = self._base_and_part()
        shown = self._exploration.picture()
        if base is not None:
            self._sources.run(
                "export", lambda: text_of(what, shown, base, part, full), self._copied, None, self._failed
            )

    def _copied(self, text: str) -> None:
        QApplication.clipboard().setText(text)
        self._tell(f"Copied a table of {max(len(text.splitlines()) - 2, 0):,} lines")

    def _paint(self, histogram: Histogram, path: str, full: bool) -> None:
        from napari_dicommeta.export import phi_name

        target = phi_name(path) if full else path
        if self._picture_of(histogram).save(target):
            self._written(target)
        else:
            self._failed(OSError(f"{target} could not be written"))

    def _written(self, path: str) -> None:
        self._tell(f"Wrote {path}")

    def _tell(self, words: str) -> None:
        from napari.utils.notifications import show_info

        show_info(display(words, 400))

    def _failed(self, error: Exception) -> None:
        from napari.utils.notifications import show_error, show_warning

        if isinstance(error, PrivacyError):
            show_warning(display(str(error), 400))
        else:
            show_error(display(f"Nothing was written: {error}", 400))

    # -- comparing ----------------------------------------------------------------------------------

    def compare(self, path: str) -> None:
        """Compare what is open with the folder or saved catalog at `path`, "" for no longer."""
        catalog = self._exploration.catalog
        if not path:
            self.end_comparison()
        elif catalog is not None:
            self.compared.emit("Reading what to compare with …")
            self._sources.run(
                "compare", lambda: compare_with(catalog, path), self._compared, self._read, self._not_compared
            )

    def cancel(self) -> None:
        """Stop reading what to compare with."""
        if self._sources.stop("compare"):
            self.compared.emit(self._words())
            self.progressed.emit(0, 0, True)

    def end_comparison(self) -> None:
        """Compare with nothing."""
        self._sources.stop("compare")
        if self._exploration.other is not None:
            self._exploration.set_other(None)
        self.compared.emit("")

    def _read(self, progress: ScanProgress) -> None:
        self.progressed.emit(progress.done, progress.found, progress.listed)

    def _compared(self, found: tuple[Catalog, Other, dict[str, TagDifference]]) -> None:
        catalog, other, differences = found
        self.progressed.emit(0, 0, True)
        if catalog is self._exploration.catalog:
            self._exploration.set_other(other, differences)
        self.compared.emit(self._words())

    def _not_compared(self, error: Exception) -> None:
        from napari.utils.notifications import show_error

        self.progressed.emit(0, 0, True)
        self.compared.emit(self._words())
        show_error(display(f"It could not be compared: {error}", 400))

    def _words(self) -> str:
        other = self._exploration.other
        if other is None:
            return ""
        return display(f"compared with {other.name} · {other.catalog.n_files:,} files")
