from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# napari's own test fixtures reset and save the settings: they must not be the developer's, nor those of another worker
# of pytest-xdist, which has the environment of the process that starts it. Settings of plugins lie beside them.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp(prefix="napari-config-")) / "settings.yaml")

# The window and the command line keep catalogs: not among the developer's.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="cache-")

# So are decisions on findings, which would hold in the next run too.
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="data-")

# The log of a developer who has it on would be in the outputs that tests compare.
os.environ.pop("NAPARI_DICOMMETA_LOG", None)

settings.register_profile("short", max_examples=50, deadline=None)
settings.load_profile("short")

SHARED = Path(os.environ.get("SHARED_DATA", Path(__file__).resolve().parents[2] / "shared"))
NEEDED = ("data/TRUTH.json", "dsb2017/make_dsb2017.py", "malformed/make.py")


LONG = bool(os.environ.get("DICOMMETA_LONG"))
"""Whether the tests of goals run at their full size: ``dev.py test --long``."""


@pytest.fixture(scope="session")
def is_long() -> bool:
    return LONG


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """Return a function that has the figure of a goal printed at the end of the run."""
    return lambda goal, text: record_property("figure", f"{goal}: {text}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the goals."""
    reports = terminalreporter.stats.get("passed", [])
    figures = [text for report in reports for name, text in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("goals of reliability")
    for text in sorted(figures, key=lambda text: int(text[1:].partition(":")[0])):
        terminalreporter.write_line(text)


def _open_own_screen(config: pytest.Config) -> None:
    """Give a worker of pytest-xdist a screen of its own: on a shared one, windows cover each other's mouse and keys."""
    if "PYTEST_XDIST_WORKER" not in os.environ or "DISPLAY" not in os.environ or shutil.which("Xvfb") is None:
        return
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writing)
    with open(reading) as stream:
        number = stream.readline().strip()
    if not number:
        raise pytest.UsageError(f"Xvfb ended with code {server.wait()} instead of opening a screen")
    os.environ["DISPLAY"] = f":{number}"
    os.environ.pop("XAUTHORITY", None)
    config.add_cleanup(server.kill)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a ``SHARED_DATA`` that lacks what the tests read: they would be skipped without a word."""
    _open_own_screen(config)
    config.addinivalue_line("markers", "gui: runs a real window and needs a screen")
    config.addinivalue_line("markers", "real: reads the folder of real files (SHARED_DATA)")
    config.addinivalue_line("markers", "slow: takes more than a second or two")
    missing = [name for name in NEEDED if not (SHARED / name).exists()]
    if missing and "SHARED_DATA" in os.environ:
        raise pytest.UsageError(
            f"SHARED_DATA is {SHARED}, and there is no {', no '.join(missing)}: unset or correct it"
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by what a test takes, and begin with the files of slow tests: one that came last would run alone."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "qtbot" in names or "window" in item.path.parts:
            item.add_marker("gui")
        if "shared" in names:
            item.add_marker("real")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real files and generators; tests that need it are skipped where it is absent."""
    if not all((SHARED / name).exists() for name in NEEDED):
        pytest.skip("the folder of real files is not here (set SHARED_DATA)")
    return SHARED


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from napari_dicommeta.phantom import sample

    return sample(tmp_path_factory.mktemp("phantom") / "Chest CT phantom")
