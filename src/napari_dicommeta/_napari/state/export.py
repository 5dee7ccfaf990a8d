"""What goes out of the dock and what comes beside it: exports, and a second folder to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication

from napari_dicommeta._napari.tasks.compare import compare_with
from napari_dicommeta._napari.tasks.export import bars_to_show, exported, text_of
from napari_dicommeta.support.atomic import replacing
from napari_dicommeta.support.errors import PrivacyError
from napari_dicommeta.support.words import counted, display

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QPixmap

    from napari_dicommeta._napari.state.explore import Exploration
    from napari_dicommeta._napari.state.workers import Workers
    from napari_dicommeta._napari.tasks.explore import Other, Shown
    from napari_dicommeta.analysis.compare import TagDifference
    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.scanning.progress import ScanProgress

__all__ = ["Exports"]

WITHHELD = "values of fewer than 11 patients are withheld; with PHI all are written"


class Exports(QObject):
    """`compared` carries words on what is compared, "" for nothing; `progressed` (done, found, listed)."""

    compared = Signal(str)
    progressed = Signal(int, int, bool)

    def __init__(
        self,
        exploration: Exploration,
        sources: Workers,
        paint: Callable[[Shown, str], QPixmap],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._exploration, self._workers, self._picture_of = exploration, sources, paint

    # -- exports ------------------------------------------------------------------------------------

    def _base_and_part(self, what: str, shown: Shown) -> tuple[Catalog | None, Catalog | None]:
        """The files that what is exported counts, and those of the part over them; a second folder is no part."""
        if what != "tags":
            return shown.whole, None if shown.by_share else shown.part
        return self._exploration.files(), None

    def export(self, what: str, path: str, full: bool) -> None:
        """Write tags, values or a picture of the bars to a file."""
        shown = self._exploration.picture()
        base, part = self._base_and_part(what, shown)
        if base is None:
            return
        if what == "picture":
            self._workers.run(
                "export",
                lambda: bars_to_show(shown, base, part, full),
                lambda found: self._paint(found[0], found[1], path, full),
                None,
                self._failed,
            )
        else:
            self._workers.run(
                "export",
                lambda: exported(what, path, shown, base, part, full),
                lambda found: self._written(*found),
                None,
                self._failed,
            )

    def copy(self, what: str, full: bool) -> None:
        """Put tags or values into the clipboard as a Markdown table."""
        shown = self._exploration.picture()
        base, part = self._base_and_part(what, shown)
        if base is not None:
            self._workers.run(
                "export", lambda: text_of(what, shown, base, part, full), self._copied, None, self._failed
            )

    def _copied(self, found: tuple[str, bool]) -> None:
        text, is_withheld = found
        QApplication.clipboard().setText(text)
        n = max(len(text.splitlines()) - 2, 0)
        withheld = [WITHHELD] if is_withheld else []
        self._tell("; ".join([f"Copied a table of {counted(n, 'line')}", *withheld]))

    def _paint(self, shown: Shown, is_withheld: bool, path: str, full: bool) -> None:
        from napari_dicommeta.export.tables import phi_name

        target = phi_name(path) if full else path
        try:
            with replacing(target) as beside:
                if not self._picture_of(shown, WITHHELD if is_withheld else "").save(beside, "PNG"):
                    raise OSError(f"{target} could not be written")
        except OSError as error:
            self._failed(error)
        else:
            self._written(target, is_withheld)

    def _written(self, path: str, is_withheld: bool) -> None:
        words = [f"Wrote {path}", *([WITHHELD] if is_withheld else [])]
        if self._exploration.other is not None:
            words.append("without the folder that it is compared with: `napari-dicommeta compare` writes both")
        self._tell("; ".join(words))

    def _tell(self, words: str) -> None:
        from napari.utils.notifications import show_info

        show_info(display(words, 400))

    def _failed(self, error: Exception) -> None:
        from napari.utils.notifications import show_error, show_warning

        if isinstance(error, PrivacyError):
            show_warning(display(f"{error} (in the menu: With what may identify persons)", 400))
        else:
            why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else error
            show_error(display(f"Nothing was written: {why}", 400))

    # -- comparing ----------------------------------------------------------------------------------

    def compare(self, path: str) -> None:
        """Compare what is open with the folder or saved catalog at `path`, "" for no longer."""
        catalog = self._exploration.catalog
        if not path:
            self.end_comparison()
        elif catalog is not None:
            self.compared.emit("Reading what to compare with …")
            self._workers.run(
                "compare", lambda: compare_with(catalog, path), self._compared, self._read, self._not_compared
            )

    def cancel(self) -> None:
        """Stop reading what to compare with."""
        if self._workers.stop("compare"):
            self.compared.emit(self._words())
            self.progressed.emit(0, 0, True)

    def end_comparison(self) -> None:
        """Compare with nothing."""
        self._workers.stop("compare")
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
