"""The log: shown where it is requested, and nothing of a patient in it above DEBUG."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import Raw, ct_slice, encapsulated, write_series

import napari_dicommeta as dm
from napari_dicommeta.cli.main import main
from napari_dicommeta.findings import rule as rules
from napari_dicommeta.scanning.worker import Worker, pack
from napari_dicommeta.support.log import LOGGER, log_fault

CANARY = "CANARY^JANE"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a series, and files with a fault each, all with a patient's name in path and header."""
    folder = tmp_path / CANARY
    write_series(folder, 3, PatientName=CANARY)
    odd = {
        "cut": ct_slice(0, PatientName=CANARY)[:700],
        "codec": ct_slice(0, "1.2.840.10008.1.2.4.70", PatientName=CANARY, PixelData=encapsulated([CANARY.encode()])),
        "sequence": ct_slice(0, PatientName=CANARY, ProcedureCodeSequence=Raw("SQ", CANARY.encode() * 4)),
        "lut": ct_slice(0, PatientName=CANARY, VOILUTSequence=[{"LUTDescriptor": [1, 2, 3], "LUTExplanation": CANARY}]),
        "groups": ct_slice(
            0, PatientName=CANARY, NumberOfFrames=1, PerFrameFunctionalGroupsSequence=Raw("SQ", CANARY.encode())
        ),
        "text": CANARY.encode() * 100,
    }
    for name, data in odd.items():
        (folder / f"{CANARY} {name}.dcm").write_bytes(data)
    return folder


def use_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scan, open, read and check, with a rule and a task that fail on a value of a patient."""

    def failing(survey: Any) -> Any:
        raise ValueError(CANARY)
        yield

    monkeypatch.setitem(rules._FUNCTIONS, failing, "counts")
    for path in sorted(folder.iterdir()):
        try:
            for volume in dm.load(path):
                np.asarray(volume)
        except dm.DicomMetaError:
            continue
    dm.check(dm.scan(folder), pixels=True)
    log_fault("a task", ValueError(CANARY))


@pytest.mark.parametrize(("level", "shown"), [(logging.INFO, False), (logging.DEBUG, True)])
def test_nothing_of_a_patient_is_logged_above_debug(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, level: int, shown: bool
) -> None:
    with caplog.at_level(level, LOGGER.name):
        use_all(folder, monkeypatch)
    assert {record.levelno for record in caplog.records} >= {logging.ERROR, level}
    assert (CANARY in caplog.text) == shown
    above = [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert not [record for record in above if CANARY in record.getMessage() or record.exc_info]


def test_a_fault_names_its_kind_and_its_place(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    try:
        (tmp_path / CANARY).write_text("no catalog")
        dm.Catalog.load(tmp_path / CANARY)
    except dm.DicomMetaError as error:
        with caplog.at_level(logging.INFO, LOGGER.name):
            log_fault("reading a catalog", error)
    (record,) = caplog.records
    assert "reading a catalog failed: " in record.getMessage()
    assert f" at {os.path.join('catalog', '')}" in record.getMessage()
    assert CANARY not in record.getMessage()


def test_what_a_scanning_process_writes_to_stderr_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("import sys; print('from the process', file=sys.stderr)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (path,) = write_series(tmp_path / "in", 1)
    with caplog.at_level(logging.DEBUG, LOGGER.name):
        worker = Worker()
        worker.read(pack([str(path)]))
        worker.stop()
    assert [record.levelno for record in caplog.records if "from the process" in record.getMessage()] == [logging.DEBUG]


@pytest.fixture
def log_as_before() -> Any:
    handlers, level = list(LOGGER.handlers), LOGGER.level
    yield
    LOGGER.handlers[:], LOGGER.level = handlers, level


@pytest.mark.usefixtures("log_as_before")
def test_the_command_line_shows_the_log(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LOGGER.handlers[:] = []
    shown = {}
    for option in ("", "-v", "-vv"):
        assert main(["findings", str(folder), "--pixels", "--no-cache", *([option] if option else [])]) == 0
        shown[option] = capsys.readouterr().err
    assert "napari-dicommeta" not in shown[""]
    assert " INFO scanning with " in shown["-v"]
    assert " DEBUG " not in shown["-v"]
    assert " DEBUG " in shown["-vv"]


@pytest.mark.slow
@pytest.mark.parametrize(("level", "words"), [("debug", ["INFO", "DEBUG"]), ("Info", ["INFO"]), ("loud", ["WARNING"])])
def test_the_environment_shows_the_log(folder: Path, level: str, words: list[str]) -> None:
    code = "import sys, napari_dicommeta as dm; dm.check(dm.scan(sys.argv[1]), pixels=True)"
    environment = {**os.environ, "NAPARI_DICOMMETA_LOG": level}
    command = [sys.executable, "-c", code, str(folder)]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    assert sorted(word for word in levels if f"napari-dicommeta {word}" in shown) == sorted(words)
    assert ("NAPARI_DICOMMETA_LOG must be one of" in shown) == (level == "loud")


@pytest.mark.usefixtures("log_as_before")
def test_the_command_line_shows_no_more_than_the_environment_asks_for(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_DICOMMETA_LOG", "error")
    LOGGER.setLevel(logging.ERROR)
    assert main(["values", str(folder), "KVP"]) == 0
    assert LOGGER.level == logging.ERROR
    assert main(["values", str(folder), "KVP", "-v"]) == 0
    assert LOGGER.level == logging.INFO
