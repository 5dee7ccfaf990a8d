"""A window with the page about a kind of finding."""

from __future__ import annotations

from qtpy.QtWidgets import QDialog, QTextBrowser, QVBoxLayout, QWidget

__all__ = ["FindingPage"]


class FindingPage(QDialog):
    """Window that shows the page of one kind of finding, and stays open beside the list."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = QTextBrowser()
        QVBoxLayout(self).addWidget(self.text)
        self.resize(520, 360)

    def show_code(self, code: str) -> None:
        """Show the page of the findings with `code`, in place of one that is shown.

        Raises
        ------
        KeyError
            If there is no kind of finding with this code.
        """
        from napari_dicommeta.findings.pages import finding_page

        self.setWindowTitle(code)
        self.text.setMarkdown(finding_page(code))
        self.show()
        self.raise_()
