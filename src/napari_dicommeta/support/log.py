"""The log, ``logging.getLogger("napari_dicommeta")``, and what may stand in it.

Nothing of a patient (values, paths, names of files) goes into it above the level DEBUG: not even as the text of an
exception, which may quote a value. So faults are logged by `log_fault`, which tells kind and place of an exception, and
leaves text and traceback to DEBUG.

``NAPARI_DICOMMETA_LOG=debug`` (or ``info``, ``warning``, ``error``) in the environment shows it on stderr; so do ``-v``
and ``-vv`` on the command line. In a program, configure the logger by `logging` as any other.
"""

from __future__ import annotations

import logging
import os
import sys

__all__ = ["LOGGER", "VARIABLE", "log_fault", "show_log"]

LOGGER = logging.getLogger("napari_dicommeta")
LOGGER.addHandler(logging.NullHandler())
VARIABLE = "NAPARI_DICOMMETA_LOG"
"""The environment variable that names a level."""
_FORMAT = "%(asctime)s napari-dicommeta %(levelname)s %(message)s"
_LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error", "critical")}
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def show_log(level: int) -> None:
    """Show the log on stderr from `level` on; a further call changes the level."""
    handler = next((one for one in LOGGER.handlers if one.get_name() == "stderr"), None)
    if handler is None:
        handler = logging.StreamHandler(sys.stderr)
        handler.set_name("stderr")
        handler.setFormatter(logging.Formatter(_FORMAT, "%H:%M:%S"))
        LOGGER.addHandler(handler)
    handler.setLevel(level)
    LOGGER.setLevel(level)


def log_fault(action: str, error: BaseException, level: int = logging.ERROR) -> None:
    """Log that `action` failed: at `level` the kind of `error` and where it was raised, at DEBUG all of it.

    `action` holds no value, path or name of a file. The level is ERROR for a fault of this program, DEBUG for one of
    a file.
    """
    LOGGER.log(level, "%s failed: %s", action, _place_of(error))
    if LOGGER.isEnabledFor(logging.DEBUG):
        LOGGER.debug("%s", action, exc_info=error)


def _place_of(error: BaseException) -> str:
    """Return the kind of an exception, and the deepest line of this package on its way."""
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename.startswith(_PACKAGE):
            place = f" at {os.path.relpath(code.co_filename, _PACKAGE)}:{trace.tb_lineno} in {code.co_name}"
        trace = trace.tb_next
    return type(error).__name__ + place


def _show_as_asked() -> None:
    """Show the log where the environment asks for it; a level that does not exist is told, not ignored."""
    asked = os.environ.get(VARIABLE, "")
    if not asked:
        return
    level = _LEVELS.get(asked.lower())
    show_log(logging.WARNING if level is None else level)
    if level is None:
        LOGGER.warning("%s must be one of %s; it is taken for warning", VARIABLE, ", ".join(_LEVELS))


_show_as_asked()
