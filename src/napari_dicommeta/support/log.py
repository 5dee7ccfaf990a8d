"""The logger ``logging.getLogger("napari_dicommeta")`` and how faults are logged without patient data.

Above the level DEBUG, the log contains no patient data: no values, paths or file names. The text of an exception may
quote a value, so `log_fault` logs only its type and place, and its text and traceback at DEBUG.

The environment variable ``NAPARI_DICOMMETA_LOG=debug`` (or ``info``, ``warning``, ``error``) shows the log on stderr.
So do ``-v`` and ``-vv`` on the command line. In a program, configure the logger with `logging` like any other.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

__all__ = ["LOGGER", "VARIABLE", "log_fault", "show_log"]

LOGGER = logging.getLogger("napari_dicommeta")
LOGGER.addHandler(logging.NullHandler())
VARIABLE = "NAPARI_DICOMMETA_LOG"
"""The environment variable that sets the level."""
_FORMAT = "%(asctime)s napari-dicommeta %(levelname)s %(message)s"
_LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error", "critical")}
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class _StderrHandler(logging.StreamHandler[TextIO]):
    """A handler that writes to what stderr is when a message comes, as a notebook may replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def show_log(level: int) -> None:
    """Show messages of `level` and above on stderr; another call changes the level."""
    handler = next((handler for handler in LOGGER.handlers if handler.get_name() == "stderr"), None)
    if handler is None:
        handler = _StderrHandler()
        handler.set_name("stderr")
        handler.setFormatter(logging.Formatter(_FORMAT, "%H:%M:%S"))
        LOGGER.addHandler(handler)
    handler.setLevel(level)
    LOGGER.setLevel(level)


def log_fault(action: str, error: BaseException, level: int = logging.ERROR) -> None:
    """Log that `action` failed: the type and place of `error` at `level`, its text and traceback at DEBUG.

    `action` must not contain a value, path or file name. Use ERROR for a fault of this program, DEBUG for a fault of
    a file.
    """
    LOGGER.log(level, "%s failed: %s", action, _place_of(error))
    if LOGGER.isEnabledFor(logging.DEBUG):
        LOGGER.debug("%s", action, exc_info=error)


def _place_of(error: BaseException) -> str:
    """Return the type of an exception and the innermost line of this package in its traceback."""
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename.startswith(_PACKAGE):
            place = f" at {os.path.relpath(code.co_filename, _PACKAGE)}:{trace.tb_lineno} in {code.co_name}"
        trace = trace.tb_next
    return type(error).__name__ + place


def _configure_from_environment() -> None:
    """Show the log at the level that the environment variable names; warn about an unknown level."""
    level_name = os.environ.get(VARIABLE, "")
    if not level_name:
        return
    level = _LEVELS.get(level_name.lower())
    show_log(logging.WARNING if level is None else level)
    if level is None:
        LOGGER.warning("%s must be one of %s; it is taken for warning", VARIABLE, ", ".join(_LEVELS))


_configure_from_environment()
