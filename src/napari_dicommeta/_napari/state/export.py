"""Exports from the dock, and the comparison with a second folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication

from napari_dicommeta._napari.tasks.compare import compare_with
from napari_dicommeta._napari.tasks.export import bars_to_show, exported, text_of
from napari_dicommeta._napari.words import plain
from napari_dicommeta.support.atomic import replacing, write_failure
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

WITHHELD = "values of fewer than 11 patients are withheld (include PHI to export all)"


class Exports(QObject):
    """Exports and comparisons.

    Signals: `compared` describes the comparison, "" for none; `progressed` (done, found, listed).
    """

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
        """Return the files that an export counts, and those of its part; a second folder is not exported as a part."""
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
                lambda result: self._paint(result[0], result[1], path, full),
                None,
                self._failed,
            )
        else:
            self._workers.run(
                "export",
                lambda: exported(what, path, shown, base, part, full),
                lambda result: self._written(*result),
                None,
                self._failed,
            )

    def copy(self, what: str, full: bool) -> None:
        """Copy tags or values to the clipboard as a Markdown table."""
        shown = self._exploration.picture()
        base, part = self._base_and_part(what, shown)
        if base is not None:
            self._workers.run(
                "export", lambda: text_of(what, shown, base, part, full), self._copied, None, self._failed
            )

    def _copied(self, result: tuple[str, bool]) -> None:
        text, is_withheld = result
        QApplication.clipboard().setText(text)
        n = max(len(text.splitlines()) - 2, 0)
        withheld = [WITHHELD] if is_withheld else []
        self._show_info("; ".join([f"Copied a table of {counted(n, 'row')}", *withheld]))

    def _paint(self, shown: Shown, is_withheld: bool, path: str, full: bool) -> None:
        from napari_dicommeta.export.tables import phi_name

        target = phi_name(path) if full else path
        try:
            with replacing(target) as temporary:
                if not self._picture_of(shown, WITHHELD if is_withheld else "").save(temporary, "PNG"):
                    raise OSError(f"{target} could not be written")
        except OSError as error:
            self._failed(error)
        else:
            self._written(target, is_withheld)

    def _written(self, path: str, is_withheld: bool) -> None:
        words = [f"Wrote {path}", *([WITHHELD] if is_withheld else [])]
        if self._exploration.other is not None:
            words.append("the compared folder is not included: use `napari-dicommeta compare` to write both")
        self._show_info("; ".join(words))

    def _show_info(self, words: str) -> None:
        from napari.utils.notifications import show_info

        show_info(plain(words, 400))

    def _failed(self, error: Exception) -> None:
        from napari.utils.notifications import show_error, show_warning

        if isinstance(error, PrivacyError):
            show_warning(plain(f"{error} (in the Export menu: Include identifying values (PHI))", 400))
        else:
            why = write_failure(error, error.filename or "the file") if isinstance(error, OSError) else error
            show_error(plain(f"Nothing was written: {why}", 400))

    # -- comparing ----------------------------------------------------------------------------------

    def compare(self, path: str) -> None:
        """Compare the open source with the folder or saved catalog at `path`; "" ends the comparison."""
        catalog = self._exploration.catalog
        if not path:
            self.end_comparison()
        elif catalog is not None:
            self.compared.emit("Reading the source to compare with …")
            self._workers.run(
                "compare", lambda: compare_with(catalog, path), self._compared, self._read, self._not_compared
            )

    def cancel(self) -> None:
        """Stop reading the source to compare with."""
        if self._workers.stop("compare"):
            self.compared.emit(self._words())
            self.progressed.emit(0, 0, True)

    def end_comparison(self) -> None:
        """End the comparison."""
        self._workers.stop("compare")
        if self._exploration.other is not None:
            self._exploration.set_other(None)
        self.compared.emit("")

    def _read(self, progress: ScanProgress) -> None:
        self.progressed.emit(progress.done, progress.found, progress.listed)

    def _compared(self, result: tuple[Catalog, Other, dict[str, TagDifference]]) -> None:
        catalog, other, differences = result
        self.progressed.emit(0, 0, True)
        if catalog is self._exploration.catalog:
            self._exploration.set_other(other, differences)
        self.compared.emit(self._words())

    def _not_compared(self, error: Exception) -> None:
        from napari.utils.notifications import show_error

        self.progressed.emit(0, 0, True)
        self.compared.emit(self._words())
        show_error(plain(f"The comparison failed: {error}", 400))

    def _words(self) -> str:
        other = self._exploration.other
        if other is None:
            return ""
        left_out = f" · without {other.left_out}" if other.left_out else ""
        return display(f"Compared with {other.name} · {counted(other.catalog.n_files, 'file')}{left_out}")
