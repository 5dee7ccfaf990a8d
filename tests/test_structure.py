"""The rules that keep the rooms clean: an ``ast`` walk over the source, and fresh interpreters."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "napari_dicommeta"
FILES = sorted(SOURCE.rglob("*.py"))
GUI = {"napari", "qtpy", "magicgui", "superqt", "vispy", "dask"}
QT = {"qtpy", "magicgui", "superqt"}
COMPOSERS = {"dock.py", "findings_tab.py", "tags_tab.py", "window_panel.py"}
"""The widgets that put others together."""
STATE = "napari_dicommeta._napari.state"
WIDGETS = "napari_dicommeta._napari.widgets"


def imports(path: Path) -> Iterator[tuple[str, ast.AST]]:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node


def is_library(path: Path) -> bool:
    return not any(part.startswith("_") and part != "__init__.py" for part in path.relative_to(SOURCE).parts)


@pytest.mark.parametrize("path", [path for path in FILES if is_library(path)], ids=lambda path: path.name)
def test_the_library_knows_no_napari_and_no_qt(path: Path) -> None:
    # `open` starts napari, a scan that is handed a client uses dask: both inside their function
    allowed = {"cli/main.py": {"napari"}, "scanning/remote.py": {"dask"}}.get(
        path.relative_to(SOURCE).as_posix(), set()
    )
    top = [name for name, node in imports(path) if name.split(".")[0] in GUI - allowed]
    assert top == []
    tree = ast.parse(path.read_text("utf-8"))
    at_top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert not [node for node in at_top if ast.unparse(node).split()[1].split(".")[0] in GUI]


@pytest.mark.parametrize("path", [path for path in FILES if not is_library(path)], ids=lambda path: path.name)
def test_only_widgets_import_qt_and_none_imports_another(path: Path) -> None:
    names = [name for name, _ in imports(path)]
    if path.parent.name not in ("state", "widgets"):
        assert not [name for name in names if name.split(".")[0] in QT or name.startswith("napari.qt")]
        assert not [name for name in names if name.startswith((STATE, WIDGETS))]
    elif path.parent.name == "state":
        assert not [name for name in names if name.startswith(WIDGETS)]
    elif path.name not in COMPOSERS:  # those that put others together
        widgets = {name.split(".")[3] for name in names if name.startswith(f"{WIDGETS}.")}
        assert widgets <= {"colors", "labels"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_imports_private_napari_and_no_module_is_too_long(path: Path) -> None:
    assert not [name for name, _ in imports(path) if name.startswith("napari._")]
    assert len(path.read_text("utf-8").splitlines()) <= 500


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(out.split())


def test_importing_the_package_loads_neither_napari_nor_qt_nor_pydicom() -> None:
    heavy = {"napari", "qtpy", "PyQt6", "pydicom", "pyarrow", "numpy", "magicgui", "dask"}
    assert loaded_by("import napari_dicommeta") & heavy == set()


def test_the_reader_sniffs_without_pydicom_and_the_worker_starts_light(phantom: Path) -> None:
    heavy = {"pydicom", "pyarrow", "pandas", "imagecodecs", "PyQt6"}
    code = f"from napari_dicommeta._napari.reader import get_reader; assert get_reader({str(phantom)!r})"
    assert loaded_by(code) & heavy == set()
    assert loaded_by("import napari_dicommeta.scanning.worker") & (heavy | {"numpy"}) == set()


def test_the_library_works_without_napari_and_qt(phantom: Path) -> None:
    code = f"""
for name in {sorted(GUI)!r}: sys.modules[name] = None
import numpy as np, napari_dicommeta as dm
(volume,) = dm.load({str(phantom)!r})
assert np.asarray(volume.array).shape == (48, 256, 256)
for name in {sorted(GUI)!r}: del sys.modules[name]
"""
    assert loaded_by(code) & GUI == set()


def test_every_public_name_is_there() -> None:
    import napari_dicommeta as dm
    import napari_dicommeta.scanning.scan

    for name in dm.__all__:
        assert getattr(dm, name) is not None
    assert callable(dm.scan)
    assert set(dm.__all__) <= set(dir(dm))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dm.nothing  # noqa: B018
