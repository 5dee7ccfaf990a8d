from __future__ import annotations

import io
import logging
import sys

import pytest

from napari_dicommeta.support.log import LOGGER, show_log


def test_the_log_goes_to_what_stderr_is_when_a_message_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOGGER, "handlers", [])
    monkeypatch.setattr(LOGGER, "level", LOGGER.level)
    gone, now = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", gone)
    show_log(logging.INFO)
    gone.close()
    monkeypatch.setattr(sys, "stderr", now)
    LOGGER.info("read")
    assert now.getvalue().endswith("INFO read\n")
