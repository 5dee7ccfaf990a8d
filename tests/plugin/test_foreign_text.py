"""Text of files is never markup: neither in names of layers nor in tooltips, notifications and labels."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_dicommeta
from napari_dicommeta._napari.words import plain

PLUGIN = Path(napari_dicommeta.__file__).parent / "_napari"
FILES = sorted(PLUGIN.rglob("*.py"))
NOTICES = {"show_info", "show_warning", "show_error"}
TIPS = {"setToolTip", "setStatusTip", "setWhatsThis"}
NAMED = {"Image", "Labels", "Shapes", "Points", "Colormap"}


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            yield node, function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_own(node: ast.expr, makers: set[str]) -> bool:
    """Return whether an expression is a text of this program, or made by one of the functions `makers`."""
    if isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper()):
        return True
    if isinstance(node, ast.IfExp):
        return is_own(node.body, makers) and is_own(node.orelse, makers)
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr == "join":  # "\n".join(plain(line) for line in lines)
        (joined,) = node.args
        return isinstance(joined, ast.GeneratorExp) and is_own(joined.elt, makers)
    return isinstance(node.func, ast.Name) and node.func.id in makers


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGIN)))
def test_what_may_be_rich_text_is_made_by_one_function(path: Path) -> None:
    for node, name in calls(path):
        place = f"{path.name}:{node.lineno}"
        if name in NOTICES:
            assert all(is_own(argument, {"plain"}) for argument in node.args), place
        elif name in TIPS:
            assert all(is_own(argument, {"tip"}) for argument in node.args), place
        elif name in NAMED:
            names = [keyword.value for keyword in node.keywords if keyword.arg == "name"]
            assert all(is_own(argument, {"plain"}) for argument in names), place
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and any("layer.name" in ast.unparse(target) for target in node.targets):
            assert is_own(node.value, {"plain"}), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGIN)))
def test_tooltips_of_tables_are_made_by_it_too(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.If) and "ToolTipRole" in ast.unparse(node.test):
            returned = [one for one in ast.walk(ast.Module(node.body, [])) if isinstance(one, ast.Return) and one.value]
            assert all(is_own(one.value, {"tip"}) for one in returned if one.value), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGIN)))
def test_labels_whose_text_changes_are_plain(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Assign):
            continue
        targets = [ast.unparse(one) for target in node.targets for one in getattr(target, "elts", [target])]
        values = getattr(node.value, "elts", [node.value])
        for target, value in zip(targets, values, strict=False):
            made = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "QLabel"
            if made and (f"{target}.setText(" in source or not all(is_own(one, set()) for one in value.args)):
                assert f"{target}.setTextFormat(Qt.TextFormat.PlainText)" in source, f"{path.name}: {target}"


@pytest.mark.parametrize(
    "text", ["<img src='file:///x.png'>", "<b>x</b>", "a &lt;b", "1 < 2 > 0", "x\n<i>\u202e\udce4"]
)
def test_plain_text_holds_no_tag(text: str) -> None:
    from qtpy.QtGui import QTextDocument

    shown = plain(text)
    assert not {"<", ">", "\n", "\u202e"} & set(shown)
    document = QTextDocument()
    document.setHtml(shown)
    assert len(document.toPlainText()) == len(shown) - (3 if "&lt;" in text else 0)
    shown.encode()
