"""Rules of the code's structure, checked on the source and in fresh interpreters."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from import_graph import FLOORS, NAME, SOURCE, circles, import_graph, imported_names, module_name, modules, upward

FILES = list(modules().values())
GUI = {"napari", "qtpy", "magicgui", "superqt", "vispy", "PyQt6", "PySide6"}
QT = GUI - {"napari", "vispy"}
INSIDE_FUNCTIONS = {"cli": {"napari"}, "scanning": {"dask"}}
"""Imports that a package of the library may make, but only inside functions."""
MAX_LINES = 500
MAX_POSITIONAL = 4
WIDGETS = f"{NAME}._napari.widgets"


def parts_of(path: Path) -> list[str]:
    return module_name(path).split(".")[1:]


def files_inside(*package: str) -> list[Path]:
    return [path for path in FILES if parts_of(path)[: len(package)] == [*package]]


def files_outside(package: str) -> list[Path]:
    return [path for path in FILES if parts_of(path)[:1] != [package]]


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def test_every_package_has_its_floor() -> None:
    packages = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert packages == {package for floor in FLOORS for package in floor}


def test_imports_lead_down_only() -> None:
    assert upward(import_graph()) == []


def test_no_modules_import_one_another() -> None:
    assert circles(import_graph()) == []


def test_the_search_for_circles_and_for_imports_upward_finds_them() -> None:
    graph = {f"{NAME}.dicom.a": {f"{NAME}.catalog.b"}, f"{NAME}.catalog.b": {f"{NAME}.catalog.c"}}
    graph[f"{NAME}.catalog.c"] = {f"{NAME}.catalog.b"}
    assert circles(graph) == [[f"{NAME}.catalog.b", f"{NAME}.catalog.c"]]
    assert upward(graph) == [f"{NAME}.dicom.a -> {NAME}.catalog.b"]
    inside = {f"{NAME}._napari.tasks.a": {f"{NAME}._napari.widgets.b"}, f"{NAME}._napari.widgets.b": set()}
    assert upward(inside) == [f"{NAME}._napari.tasks.a -> {NAME}._napari.widgets.b"]


@pytest.mark.slow
def test_the_library_knows_no_napari_and_no_qt() -> None:
    for path in files_outside("_napari"):
        foreign = {name.split(".")[0] for name in imported_names(path)} & (GUI | {"dask"})
        assert foreign <= INSIDE_FUNCTIONS.get((parts_of(path) or [""])[0], set()), path
        at_top = [node for node in tree_of(path).body if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert not {ast.unparse(node).split()[1].split(".")[0] for node in at_top} & (GUI | {"dask"}), path


def test_only_states_and_widgets_import_qt() -> None:
    for path in files_inside("_napari"):
        names = set(imported_names(path))
        assert not [name for name in names if name.startswith("napari._")], path
        if parts_of(path)[1:2] not in (["state"], ["widgets"]):
            assert not [name for name in names if name.split(".")[0] in QT or name.startswith("napari.qt")], path


def widget_classes(path: Path) -> Iterator[str]:
    """Yield the widget classes of a module: their bases' names begin with Q and are not models or delegates."""
    for node in tree_of(path).body:
        bases = [ast.unparse(base) for base in getattr(node, "bases", ())]
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (base for base in bases if base.startswith("Q") and not base.endswith(("Model", "Delegate")))


def test_a_widget_imports_no_other_unless_it_puts_others_together() -> None:
    for path in files_inside("_napari", "widgets"):
        if path.stem != "dock" and not path.stem.endswith(("_tab", "_panel")):
            imported = {other for other in import_graph()[module_name(path)] if other.startswith(WIDGETS)}
            assert not [other for other in imported if list(widget_classes(modules()[other]))], path


def test_no_module_is_too_long() -> None:
    assert not {path.name for path in FILES if len(path.read_text("utf-8").splitlines()) > MAX_LINES}


def test_records_of_many_fields_are_made_by_keywords() -> None:
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
                fields = [statement for statement in node.body if isinstance(statement, ast.AnnAssign)]
                is_record = any(decorator.startswith("dataclass") for decorator in decorators)
                if is_record and len(fields) > MAX_POSITIONAL:
                    assert any("kw_only=True" in decorator for decorator in decorators), node.name


def test_whatever_is_caught_is_logged_raised_or_handed_on() -> None:
    """``except Exception`` hides faults, so each one logs, raises, or returns the error as a value."""
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type) == "Exception"):
                body = "\n".join(map(ast.unparse, node.body))
                assert any(word in body for word in ("log_fault(", "raise", "_Failure(")), f"{path}:{node.lineno}"


def test_no_cache_grows_without_a_bound() -> None:
    """A function that keeps what it returns has no arguments, or a limit; texts of any length are left out."""
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.FunctionDef):
                continue
            for decorator in map(ast.unparse, node.decorator_list):
                if decorator in ("cache", "functools.cache", "lru_cache(maxsize=None)", "lru_cache(None)"):
                    assert not node.args.args, f"{path}: {node.name} keeps all results"


def test_uids_have_one_home() -> None:
    for path in FILES:
        texts = [node.value for node in ast.walk(tree_of(path)) if isinstance(node, ast.Constant)]
        uids = [text for text in texts if isinstance(text, str) and text.startswith("1.2.840.10008.")]
        assert not uids or parts_of(path) == ["dicom", "uids"], path


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


@pytest.mark.slow
def test_the_library_works_without_napari_and_qt(phantom: Path) -> None:
    absent = sorted(GUI | {"dask"})
    code = f"""
for name in {absent!r}: sys.modules[name] = None
import numpy as np, napari_dicommeta as dm
(volume,) = dm.load({str(phantom)!r})
assert np.asarray(volume).shape == (48, 256, 256)
for name in {absent!r}: del sys.modules[name]
"""
    assert loaded_by(code) & {*absent} == set()


def test_pydicom_decodes_nothing() -> None:
    """Its plugins are whatever is installed beside it, and some of them end the process on a damaged frame."""
    modules_of_pixels = ("pydicom.pixels", "pydicom.pixel_data_handlers", "pydicom.encaps")
    for path in FILES:
        nodes = list(ast.walk(tree_of(path)))
        texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        assert not [name for name in (*imported_names(path), *texts) if name.startswith(modules_of_pixels)], path
        assert "pixel_array" not in {node.attr for node in nodes if isinstance(node, ast.Attribute)}, path
    code = "from napari_dicommeta.dicom import pixels, codec_worker"
    assert not loaded_by(code) & {"pydicom", "gdcm", "pylibjpeg", "openjpeg"}


def test_every_public_name_is_there() -> None:
    import napari_dicommeta as dm
    import napari_dicommeta.scanning.scan

    for name in dm.__all__:
        assert getattr(dm, name) is not None
    assert callable(dm.scan)
    assert set(dm.__all__) <= set(dir(dm))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dm.nothing  # noqa: B018


def test_all_errors_are_of_one_family() -> None:
    import napari_dicommeta as dm

    errors = [getattr(dm, name) for name in dm.__all__ if name.endswith("Error")]
    assert len(errors) >= 6
    assert all(issubclass(error, dm.DicomMetaError) for error in errors)
