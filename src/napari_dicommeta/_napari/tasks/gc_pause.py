"""Python's full garbage collections kept short while much is read: what was there before is left out of them.

Such a collection looks at every object of the process, with the interpreter held: a seventh of a second for those of
napari alone. Reading a large folder makes enough objects to bring one on, in whatever moment, as that of the first
layer. So while something is read what was there before is set aside (`gc.freeze`), and taken back afterwards, when
nobody waits for the window.
"""

from __future__ import annotations

import gc

__all__ = ["begin", "end", "renew"]

_readers = 0
_is_ours = False


def begin() -> None:
    """Something begins to be read: set aside what there is, unless the program has done so itself."""
    global _readers, _is_ours
    _readers += 1
    if _readers == 1 and not gc.get_freeze_count():
        gc.freeze()
        _is_ours = True


def renew() -> None:
    """Set aside what has been made since then, too."""
    if _is_ours:
        gc.freeze()


def end(is_quiet: bool = False) -> None:
    """It is done: after the last of all, what was set aside is collected again; where it `is_quiet`, at once.

    Python would do so of itself soon, in some less quiet moment: by its count next to nothing is there but new objects.
    """
    global _readers, _is_ours
    _readers -= 1
    if not _readers and _is_ours:
        gc.unfreeze()
        _is_ours = False
        if is_quiet and gc.isenabled():
            gc.collect()
