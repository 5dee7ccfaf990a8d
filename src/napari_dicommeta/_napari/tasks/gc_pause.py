"""Keep Python's full garbage collections short while much is read, by excluding the objects from before.

A full collection visits every object of the process and holds the interpreter: a seventh of a second for napari's
objects alone. Reading a large folder makes enough objects to start one at any moment, for example while the first layer
is added. So existing objects are frozen (`gc.freeze`) during reading and unfrozen later, when the window is idle.
"""

from __future__ import annotations

import gc

__all__ = ["begin", "end", "is_frozen", "renew"]

MIN_FROZEN = 2000
"""Fewer objects than this were frozen by Python at its start (3.12: 375). A call of `gc.freeze` freezes over 5,000."""
_readers = 0
_is_ours = False


def begin() -> None:
    """Count one more reader; with the first, freeze all objects unless the program froze some itself."""
    global _readers, _is_ours
    _readers += 1
    if _readers == 1 and not is_frozen():
        gc.freeze()
        _is_ours = True


def is_frozen() -> bool:
    """Return whether `gc.freeze` was called and not undone."""
    return gc.get_freeze_count() >= MIN_FROZEN


def renew() -> None:
    """Freeze the objects made since then, too."""
    if _is_ours:
        gc.freeze()


def end(is_quiet: bool = False) -> None:
    """Count one reader less; after the last, unfreeze all objects and, if it `is_quiet`, collect garbage now.

    Otherwise Python would soon collect at a busier moment, because by its count nearly all objects are new.
    """
    global _readers, _is_ours
    _readers -= 1
    if not _readers and _is_ours:
        gc.unfreeze()
        _is_ours = False
        if is_quiet and gc.isenabled():
            gc.collect()
