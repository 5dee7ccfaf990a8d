#!/usr/bin/env python3
"""Everything a developer runs, with nothing but Python 3.11+ and git.

    python3 dev.py demo [FOLDER] [--screenshot OUT.png]   open napari on FOLDER, or on a sample
    python3 dev.py test                                   what CI runs: check, and all tests
    python3 dev.py test --fast                            the quick tests of the library, no checks
    python3 dev.py test --matrix [--only=WORD]            a part of the tests on each Python and Qt that can be had
    python3 dev.py test --long                            the goals of reliability at their full size, with figures
    python3 dev.py check                                  format, lint, types, spelling, banned words and the docs
    python3 dev.py docs                                   write what the docs take from the code, and build them
    python3 dev.py site                                   build the docs only
    python3 dev.py pictures [SCENES]                      take the pictures of the docs from the real window
    python3 dev.py graph                                  the packages, what imports what, and circles
    python3 dev.py bench [WORDS] [--json F] [--page F]    the benchmarks, each a ratio within one run
    python3 dev.py coverage                               the tests, and the shares of library and plugin they run
    python3 dev.py release [--tag vX.Y.Z]                 build, check and try a release; publishes nothing
    python3 dev.py changes                                the changes of this version, from CHANGELOG.md
    python3 dev.py graphics                               the Debian packages that Qt and OpenGL need

Each makes ``.venv`` and installs what it needs there; as root on Debian also the graphics libraries.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
SAMPLE = ROOT / ".sample" / "Chest CT phantom"
SITE = ROOT / ".docs"
"""Where the pages of docs/ are built; what has not changed is kept there."""
SCREEN = "-screen 0 1600x1000x24"
DEBIAN = [
    "xvfb",
    "xauth",
    "libgl1",
    "libegl1",
    "libgl1-mesa-dri",
    "libglx-mesa0",
    "libglib2.0-0",
    "libdbus-1-3",
    "libfontconfig1",
    "libxkbcommon-x11-0",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-image0",
    "libxcb-keysyms1",
    "libxcb-randr0",
    "libxcb-render-util0",
    "libxcb-shape0",
    "libxcb-xfixes0",
    "libxcb-xkb1",
    "libxcb-glx0",
    "fonts-dejavu-core",
]


def run(*command: str | Path, check: bool = True, **options: object) -> int:
    """Run a command in the project's folder, and print it."""
    print("+", " ".join(map(str, command)), flush=True)
    code = subprocess.run([str(part) for part in command], check=False, **{"cwd": ROOT, **options}).returncode  # type: ignore[call-overload]
    if code and check:
        sys.exit(code)
    return code


def environment() -> None:
    """Make .venv and install the project with all that its commands need, once for each state of pyproject.toml."""
    if sys.version_info < (3, 11):  # noqa: UP036  the Python that runs this file may be older
        sys.exit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
    stamp = VENV / "installed"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if not PYTHON.exists():
        run(sys.executable, "-m", "venv", VENV)
    run(PYTHON, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")  # knows dependency groups
    run(PYTHON, "-m", "pip", "install", "--quiet", "-e", f"{ROOT}[all]", "--group", f"{ROOT / 'pyproject.toml'}:dev")
    stamp.write_text(wanted)


def graphics(headless: bool) -> None:
    """Install the libraries that Qt and OpenGL need on Linux as root on Debian; otherwise print their names."""
    if not sys.platform.startswith("linux"):
        return
    missing = [name for name in DEBIAN if not _has_package(name)] if shutil.which("dpkg-query") else []
    if not missing and (shutil.which("xvfb-run") or not headless):
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", "-qq", env=quiet, stdout=subprocess.DEVNULL)
        run(
            "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, env=quiet, stdout=subprocess.DEVNULL
        )
    elif headless and not shutil.which("xvfb-run"):
        sys.exit(
            f"A virtual screen is needed. On Debian or Ubuntu:\n  sudo apt-get install {' '.join(missing or DEBIAN)}"
        )
    elif missing:
        print(f"If the window does not open, install:\n  sudo apt-get install {' '.join(missing)}")


def _has_package(name: str) -> bool:
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status}", name], capture_output=True, text=True, check=False
    )
    return shown.stdout == "installed"


def on_screen(*command: str | Path) -> list[str | Path]:
    """Return the command, on a fresh virtual screen where xvfb-run is installed."""
    if sys.platform.startswith("linux") and shutil.which("xvfb-run"):
        return ["xvfb-run", "-a", "-s", SCREEN, *command]
    return list(command)


def demo(options: argparse.Namespace) -> None:
    """Open napari on a folder; or, with --screenshot, write a picture of its window."""
    environment()
    graphics(headless=bool(options.screenshot))
    inside = [PYTHON, ROOT / "dev.py", "_window", *([options.folder] if options.folder else [])]
    if options.screenshot:
        run(*on_screen(*inside, "--screenshot", os.path.abspath(options.screenshot), "--theme", options.theme))
    else:
        run(*inside, "--theme", options.theme)


def window(options: argparse.Namespace) -> None:
    """Run `demo` inside .venv: a real viewer with the dock, and the folder opened as a drop opens it."""
    if options.screenshot:  # a picture neither depends on the user's settings nor changes them
        os.environ["NAPARI_CONFIG"] = os.path.join(tempfile.mkdtemp(), "settings.yaml")
    folder = options.folder
    if folder is None:
        from napari_dicommeta.phantom import sample

        folder = str(sample(SAMPLE))
    import napari

    viewer = napari.Viewer(title="napari-dicommeta")
    viewer.theme = options.theme
    _, dock = viewer.window.add_plugin_dock_widget("napari-dicommeta", "DICOM")
    dock.open_paths([os.path.abspath(folder)])
    if not options.screenshot:
        napari.run()
        return
    from qtpy.QtCore import QEventLoop, QTimer
    from qtpy.QtWidgets import QApplication

    viewer.window.resize(1600, 1000)

    def wait(milliseconds: int) -> None:
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    for _ in range(600):
        wait(100)
        if dock.is_idle:
            break
    else:
        sys.exit("the folder was not read within a minute")
    dock.tabs.setCurrentIndex(1 if viewer.layers else 0)
    wait(1000)
    QApplication.processEvents()
    viewer.window.screenshot(options.screenshot, canvas_only=False, flash=False)
    print(f"wrote {options.screenshot}")
    viewer.close()


def check() -> None:
    """Check format, lint, types, spelling and words, and build the docs, whose warnings are errors."""
    run(PYTHON, "-m", "ruff", "format", "--check", ".")
    run(PYTHON, "-m", "ruff", "check", ".")
    run(PYTHON, "-m", "mypy")
    run(PYTHON, "-m", "codespell_lib", "src", "tests", "docs", "dev.py", *sorted(ROOT.glob("*.md")))
    run(PYTHON, ROOT / "tests" / "banned_words.py")
    build_docs()


def build_docs(python: str | Path = PYTHON) -> None:
    """Build the pages of docs/ into .docs/html."""
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--builder", "html"]
    run(python, "-m", "sphinx", *options, "--doctree-dir", SITE / "doctrees", ROOT / "docs", SITE / "html")


def docs() -> None:
    """Write what the docs take from the code: generated pages, and the outputs of blocks; then build them."""
    run(PYTHON, ROOT / "tests" / "docs_pages.py")
    run(PYTHON, ROOT / "tests" / "docs_blocks.py")
    build_docs()
    print(f"open {SITE / 'html' / 'index.html'}")


def test_goals(arguments: list[str]) -> None:
    """Run the tests of the goals of reliability at their full size, one after the other, and print their figures."""
    run(PYTHON, "-m", "pytest", "tests/goals", *arguments, env={**os.environ, "DICOMMETA_LONG": "1"})


def with_bytecode() -> dict[str, str]:
    """Return the environment in which Python keeps what it compiles, as pip does: else each process compiles all."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def test(fast: bool, arguments: list[str], python: str | Path) -> None:
    """Run the tests on all cores; the fast ones need neither a screen nor the folder of real files."""
    selected = ["-m", "not gui and not real and not slow", "-p", "no:napari", "-p", "no:pytest-qt"]
    selected += ["--ignore=tests/window", "--ignore=tests/plugin"]  # importing napari takes longer than many tests
    spread = ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"]
    command = [python, "-m", "pytest", *spread, *(selected if fast else ()), *arguments]
    kept = with_bytecode()
    if not run(*(command if fast else on_screen(*command)), env=kept, check=fast):
        return
    print("== Some tests failed. Once more, one after the other: a window may be late where tests share cores ==")
    run(*on_screen(python, "-m", "pytest", "--last-failed", "--last-failed-no-failures", "none"), env=kept)
    print("== They passed alone. What failed above depends on the load of the machine: make it wait, not hope ==")


COVERED = {"library": (95, "--omit"), "plugin": (85, "--include")}
"""Part of the code -> the least share of its lines that tests must run, in percent, and how its files are chosen."""


def coverage(arguments: list[str], python: str | Path) -> None:
    """Run the tests on all cores, and fail where they run less of the library or of the plugin than they must."""
    for path in ROOT.glob(".coverage*"):
        path.unlink()
    options = ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal", "--cov", "--cov-report="]
    run(*on_screen(python, "-m", "pytest", *options, *arguments), env=with_bytecode())
    for part, (share, choice) in COVERED.items():
        print(f"== {part}: at least {share} % ==", flush=True)
        report = ["report", "--skip-covered", "--sort=cover", f"--fail-under={share}"]
        run(python, "-m", "coverage", *report, choice, "*/_napari/*")


def version_and_changes() -> tuple[str, str, str]:
    """Return the version of the code, and the title and text of the newest section of CHANGELOG.md."""
    match = re.search(r'__version__ = "(.+)"', (ROOT / "src" / "napari_dicommeta" / "_version.py").read_text("utf-8"))
    section = re.search(r"^## (.+)\n+((?:(?!## ).*\n)*)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    if match is None or section is None:
        sys.exit("_version.py has no version, or CHANGELOG.md no section")
    return match[1], section[1], section[2].strip()


def release(tag: str | None) -> None:
    """Build, check, and install the wheel in an empty environment; with a tag, refuse one that is not this version."""
    version, title, _ = version_and_changes()
    if title.split()[0] != version:
        sys.exit(f"CHANGELOG.md begins with {title!r}, the version is {version}: name the changes of this version")
    if tag is not None and tag != f"v{version}":
        sys.exit(f"the tag is {tag}, the version is {version}: tag v{version}, or change _version.py")
    if tag is not None and "unreleased" in title:
        sys.exit(f"CHANGELOG.md says {title!r}: write the date of the release in place of it")
    environment()
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    run(PYTHON, "-m", "build", "--outdir", dist, ROOT)
    files = sorted(dist.iterdir())
    run(PYTHON, "-m", "twine", "check", "--strict", *files)
    run(PYTHON, "-m", "npe2", "validate", ROOT / "src" / "napari_dicommeta" / "napari.yaml")
    with tempfile.TemporaryDirectory() as folder:
        try_wheel(next(file for file in files if file.suffix == ".whl"), Path(folder))
    for file in files:
        print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}  {file.stat().st_size:,} bytes")
    print("nothing was published: the tag that release.yml waits for does that")


TRIAL = """
from importlib.metadata import distributions
from pathlib import Path
import napari_dicommeta as dm
names = {str(dist.name).lower() for dist in distributions()}
assert not names & {"napari", "qtpy", "magicgui", "superqt", "pyqt6", "pyside6"}, sorted(names)
folder = dm.sample("sample")
(volume,) = dm.load(folder)
assert (volume.units, volume.array[0].min()) == ("HU", -3024), volume  # padding: -2000, and an intercept of -1024
assert (Path(dm.__file__).parent / "icon.svg").exists()
"""


def try_wheel(wheel: Path, folder: Path) -> None:
    """Install a wheel in an empty environment, without napari and Qt, and use library and command line."""
    venv.create(folder / "venv", with_pip=True)
    scripts = folder / "venv" / BIN.name
    python, command = scripts / PYTHON.name, scripts / f"napari-dicommeta{PYTHON.suffix}"
    run(python, "-m", "pip", "install", "--quiet", wheel)
    run(python, "-m", "pip", "check")
    run(python, "-I", "-c", TRIAL, cwd=folder)
    for arguments in (["--version"], ["info"], ["series", "sample"], ["values", "sample", "RescaleSlope"]):
        run(command, *arguments, cwd=folder)
    run(python, "-I", "-m", "napari_dicommeta", "--help", cwd=folder, stdout=subprocess.DEVNULL)
    megabytes = sum(file.stat().st_size for file in (folder / "venv").rglob("*") if not file.is_symlink()) / 1e6
    print(f"the environment has {megabytes:,.0f} MB")


def main() -> None:
    """Run the command that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("demo", "_window"):
        sub = commands.add_parser(name)
        sub.add_argument("folder", nargs="?", help="a folder of DICOM; without it a sample is written")
        sub.add_argument("--screenshot", metavar="OUT.png", help="without a screen: write a picture of the window")
        sub.add_argument("--theme", choices=("dark", "light"), default="dark")
    sub = commands.add_parser("test", epilog="Further arguments go to pytest.")
    sub.add_argument(
        "--fast", action="store_true", help="only tests of the library, without slow ones, real files and checks"
    )
    sub.add_argument("--long", action="store_true", help="only the goals of reliability, at their full size")
    sub.add_argument("--here", action="store_true", help="with this Python and what is installed for it; no checks")
    sub.add_argument(
        "--matrix", action="store_true", help="only a part, on each Python and Qt binding that can be had; --only=WORD"
    )
    for name in ("check", "docs", "graph", "changes", "graphics"):
        commands.add_parser(name)
    for name in ("coverage", "site"):
        sub = commands.add_parser(name, epilog="Further arguments of coverage go to pytest.")
        sub.add_argument("--here", action="store_true", help="with this Python and what is installed for it")
    commands.add_parser("pictures").add_argument("scenes", nargs="*", help="names of tests/docs_pictures.py; all")
    commands.add_parser("release").add_argument("--tag", help="the tag that releases, which must be the version")
    benches = commands.add_parser("bench")
    benches.add_argument("words", nargs="*")
    benches.add_argument("--folder", help="a folder made by the generator of the large folder")
    benches.add_argument("--json", help="write the figures, with machine and versions, as JSON")
    benches.add_argument("--page", help="write a page of all that was printed")
    options, rest = parser.parse_known_args()
    if rest and options.command not in ("test", "coverage"):
        parser.error(f"unknown arguments: {' '.join(rest)}")
    if options.command == "_window":
        window(options)
    elif options.command == "demo":
        demo(options)
    elif options.command == "check":
        environment()
        check()
    elif options.command == "release":
        release(options.tag)
    elif options.command == "changes":
        print(version_and_changes()[2])
    elif options.command == "graphics":
        print(" ".join(DEBIAN))
    elif options.command == "test" and options.here:
        test(options.fast, rest, sys.executable)
    elif options.command == "test":
        environment()
        if options.long:
            test_goals(rest)
            return
        if options.matrix:
            graphics(headless=True)
            run(PYTHON, "-m", "pip", "install", "--quiet", "--group", f"{ROOT / 'pyproject.toml'}:matrix")
            run(PYTHON, ROOT / "tests" / "matrix.py", *rest)
            return
        if not options.fast:
            graphics(headless=True)
            check()
        test(options.fast, rest, PYTHON)
    elif options.command == "docs":
        environment()
        docs()
    elif options.command == "site":
        if not options.here:
            environment()
        build_docs(sys.executable if options.here else PYTHON)
    elif options.command == "coverage":
        if not options.here:
            environment()
            graphics(headless=True)
        coverage(rest, sys.executable if options.here else PYTHON)
    elif options.command == "pictures":
        environment()
        graphics(headless=True)
        run(*on_screen(PYTHON, ROOT / "tests" / "docs_pictures.py", *options.scenes))
    elif options.command == "graph":
        run(sys.executable, ROOT / "tests" / "import_graph.py")
    elif options.command == "bench":
        environment()
        run(PYTHON, "-m", "pip", "install", "--quiet", "--group", f"{ROOT / 'pyproject.toml'}:bench")
        named = [f"--{name}={value}" for name in ("folder", "json", "page") if (value := getattr(options, name))]
        run(PYTHON, ROOT / "tests" / "benchmarks" / "bench.py", *options.words, *named, env=with_bytecode())


if __name__ == "__main__":
    main()
