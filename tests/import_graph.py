"""The import graph of the package, for the structure test and for ``python3 dev.py graph``.

Every import counts: at module level, inside a function, under ``TYPE_CHECKING``, and by ``import_module``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

NAME = "napari_dicommeta"
SOURCE = Path(__file__).resolve().parents[1] / "src" / NAME
FLOORS = (
    ("support",),
    ("files",),
    ("dicom",),
    ("catalog",),
    ("scanning", "analysis"),
    ("volumes",),
    ("findings",),
    ("export",),
    ("cli", "_napari"),
)
"""The packages from the bottom up: each imports only packages on lower floors."""
PLUGIN_FLOORS = ("", "tasks", "state", "widgets")
"""The floors inside ``_napari``; "" is its own modules."""
Graph = dict[str, set[str]]


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def imported_names(path: Path) -> Iterator[str]:
    """Yield every name that a file imports, as ``package.module`` and ``package.module.name``, in any package."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports are not used here"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            yield from (argument.value for argument in node.args if isinstance(argument, ast.Constant))


@cache
def import_graph() -> Graph:
    """Return module -> the modules of this package that it imports, without the lazy table in the root."""
    paths = modules()
    graph: Graph = {}
    for name, path in paths.items():
        found = set()
        for imported in imported_names(path):
            parts = imported.split(".")
            while parts and ".".join(parts) not in paths:
                parts.pop()
            if parts and ".".join(parts) != name:
                found.add(".".join(parts))
        graph[name] = found if name != NAME else set()
    return graph


def package_of(module: str) -> str:
    """Return the subpackage that a module is in, "" for modules directly in the root."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (SOURCE / parts[1]).is_dir() else ""


def plugin_floor_of(module: str) -> int:
    parts = module.split(".")
    return PLUGIN_FLOORS.index(parts[2]) if len(parts) > 2 and parts[2] in PLUGIN_FLOORS else 0


def floor_of(package: str) -> int:
    """Return the floor of a package; -1 for the root's own modules, which are below all but ``__main__``."""
    return next((n for n, packages in enumerate(FLOORS) if package in packages), -1)


def upward(graph: Graph) -> list[str]:
    """Return the imports that neither lead down nor stay within a package."""
    found = []
    for module, imported in graph.items():
        own = package_of(module)
        for other in imported if module != f"{NAME}.__main__" else ():
            package = package_of(other)
            if other == NAME:
                found.append(f"{module} imports the root of the package")
            elif (package != own and floor_of(package) >= floor_of(own)) or (
                package == own == "_napari" and plugin_floor_of(other) > plugin_floor_of(module)
            ):
                found.append(f"{module} -> {other}")
    return sorted(found)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the sets of modules that import one another, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            circle = []
            while not circle or circle[-1] != module:
                circle.append(stack.pop())
            if len(circle) > 1:
                found.append(sorted(circle))

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return found


def main() -> int:
    """Print the packages by floor, their imports and any violations; return 1 if there are violations."""
    graph = import_graph()
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in modules().items()}
    for floor in reversed(FLOORS):
        for package in floor:
            own = [module for module in graph if package_of(module) == package]
            below = {package_of(other) for module in own for other in graph[module]} - {package, ""}
            size = sum(lines[module] for module in own)
            text = ", ".join(sorted(below, key=lambda name: (-floor_of(name), name))) or "nothing"
            print(f"{package:<10} {len(own):>3} modules {size:>6,} lines   imports {text}")
    problems = upward(graph) + [f"circle: {', '.join(circle)}" for circle in circles(graph)]
    n_imports = sum(map(len, graph.values()))
    print(f"\n{len(graph)} modules, {n_imports} imports, those inside functions and for types included")
    print(f"{len(circles(graph))} circles, {len(upward(graph))} imports that do not lead down")
    for problem in problems:
        print(f"  {problem}")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
