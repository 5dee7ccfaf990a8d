"""The decoding processes: frames that might end or hold up a process are decoded in one that may be lost.

The window, thumbnails, the library and the command line share them. They start when the first frame needs one, as many
as there are threads that decode at one time. They end after a minute without work, and with this process. Nothing of
them is in an array, so arrays can be pickled and read in threads and in processes of other kinds.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.codec_worker import CodecWorker, CodedFrame
from napari_dicommeta.dicom.codecs import MAX_FRAME, decode_frame, frame_header
from napari_dicommeta.support.errors import DecodeError
from napari_dicommeta.support.log import LOGGER

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = ["SAFE_KINDS", "SAFE_SMALL_KINDS", "CodecPool", "decode_guarded"]

SAFE_KINDS = frozenset(("rle", "deflated"))
"""The kinds of frames that are decoded in this process: `tests/dicom/test_codec_mutants.py` has found no death."""
SAFE_SMALL_KINDS, MAX_SMALL = frozenset(("jpeg-baseline",)), 32 << 10
"""The kinds, as harmless in that test, of which frames of at most this number of bytes are decoded in this process too:
sending them would take as long as decoding them. A baseline scan decodes each block once, so it cannot take long."""
MAX_WORKERS = 16
START_SECONDS = 60.0
"""How long a process may take to start: on a network disk, its libraries are read slowly."""
IDLE_SECONDS = 60.0
"""After this time without work, a process ends."""
TICK_SECONDS = 0.25
"""Interval at which time limits are looked at."""


class CodecPool:
    """At most `size` decoding processes, started by `start` when needed; all methods may be called in any thread."""

    def __init__(self, size: int, start: Callable[[], CodecWorker] = CodecWorker) -> None:
        self.size, self._start = size, start
        self.deaths = 0
        """The number of processes that ended while they decoded, or were ended for taking too long."""
        self._idle: list[tuple[CodecWorker, float]] = []
        self._busy: dict[CodecWorker, float] = {}
        self._late: set[CodecWorker] = set()
        self._count = 0
        self._closed = False
        self._watcher: threading.Thread | None = None
        self._changed = threading.Condition()

    def decode(self, frame: CodedFrame) -> np.ndarray:
        """Return what `codecs.decode_frame` returns.

        A frame that ends its process is tried again in a new one, unless the process was new: an earlier frame may have
        damaged it.

        Raises
        ------
        DecodeError
            If the frame cannot be decoded, ends its process or takes too long.
        """
        seconds = frame.seconds
        is_new = False
        while True:
            worker = self._take(is_new)
            used = worker.decoded
            try:
                worker.wait_ready()
                self._set_deadline(worker, seconds)
                array = worker.decode(frame)
            except DecodeError:
                self._give_back(worker)
                raise
            except (OSError, EOFError, ValueError) as error:
                is_late = self._lose(worker)
                if self.is_closed:
                    raise DecodeError("the program is ending") from error
                if is_late:
                    raise DecodeError(f"decoding it takes more than {seconds:.0f} s") from error
                if not worker.is_ready:
                    raise DecodeError("the decoding process cannot be started") from error
                if not used:
                    raise DecodeError("its codec ended the decoding process: the codestream is damaged") from error
                is_new = True
            except BaseException:
                self._lose(worker)
                raise
            else:
                self._give_back(worker)
                return array

    @property
    def is_closed(self) -> bool:
        """Whether no frame is decoded any more."""
        return self._closed

    def close(self) -> None:
        """End all processes; frames that are being decoded, and all later ones, raise DecodeError."""
        with self._changed:
            self._closed = True
            idle, busy = [worker for worker, _ in self._idle], list(self._busy)
            self._idle.clear()
            self._changed.notify_all()
        for worker in (*busy, *idle):
            worker.kill()
        for worker in idle:
            worker.stop()

    # -- taking and giving back ---------------------------------------------------------------------

    def _take(self, is_new: bool) -> CodecWorker:
        """Return a process for one frame, a new one if asked for; wait if all are busy."""
        worker: CodecWorker | None = None
        with self._changed:
            while True:
                if self._closed:
                    raise DecodeError("the program is ending")
                if self._idle:
                    worker = self._idle.pop()[0]
                    break
                if self._count < self.size:
                    self._count += 1
                    break
                self._changed.wait()
        try:
            if worker is not None and (is_new or not worker.is_running):
                worker.stop()
                worker = None
            worker = worker or self._start()
            with self._changed:
                self._watch()
                self._busy[worker] = time.monotonic() + START_SECONDS
        except BaseException as error:
            with self._changed:
                self._count -= 1
                self._changed.notify()
            if isinstance(error, (OSError, RuntimeError)):  # nothing starts while the interpreter ends
                raise DecodeError("the decoding process cannot be started") from error
            raise
        if self.is_closed:
            worker.kill()
        return worker

    def _set_deadline(self, worker: CodecWorker, seconds: float) -> None:
        with self._changed:
            self._busy[worker] = time.monotonic() + seconds

    def _give_back(self, worker: CodecWorker) -> None:
        with self._changed:
            del self._busy[worker]
            if worker not in self._late and not self._closed:
                self._idle.append((worker, time.monotonic()))
                self._changed.notify()
                return
        self._end(worker)

    def _lose(self, worker: CodecWorker) -> bool:
        """Forget a process that ended, or is in an unknown state; return whether it took too long."""
        with self._changed:
            del self._busy[worker]
            is_late = worker in self._late
            self.deaths += 1
        LOGGER.warning("a decoding process %s", "took too long" if is_late else "ended while it decoded a frame")
        self._end(worker)
        return is_late

    def _end(self, worker: CodecWorker) -> None:
        worker.stop()
        with self._changed:
            self._late.discard(worker)
            self._count -= 1
            self._changed.notify()

    # -- time limits --------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Start the thread that ends late and idle processes, unless it runs."""
        if self._watcher is None:
            watcher = threading.Thread(target=self._run, name="dicommeta-codec-watch", daemon=True)
            watcher.start()
            self._watcher = watcher

    def _run(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            now = time.monotonic()
            with self._changed:
                for worker, deadline in self._busy.items():
                    if now > deadline and worker not in self._late:
                        self._late.add(worker)
                        worker.kill()
                old = [worker for worker, since in self._idle if now > since + IDLE_SECONDS]
                self._idle = [(worker, since) for worker, since in self._idle if worker not in old]
                if not self._count or self._closed:
                    self._watcher = None
                    return
            for worker in old:
                self._end(worker)


_GUARD = threading.Lock()
_pool: CodecPool | None = None
_inherited: list[CodecPool] = []
"""Pools of the process that was forked into this one: they are its own, and must neither be used nor ended here."""


def decode_guarded(frame: CodedFrame) -> np.ndarray:
    """Return what `codecs.decode_frame` returns, decoded where a crash, a hang or an allocation costs this frame only.

    Raises
    ------
    DecodeError
        As `codecs.decode_frame` does, and if the codec ends its process or takes too long.
    """
    if (size := math.prod(frame.shape) * -(-frame.bits_allocated // 8)) > MAX_FRAME:
        raise DecodeError(f"it takes {size:,} bytes decoded, more than {MAX_FRAME:,}")
    _, kind = header = frame_header(frame.data, frame.transfer_syntax)
    if kind in SAFE_KINDS or (kind in SAFE_SMALL_KINDS and len(frame.data) <= MAX_SMALL):
        return decode_frame(*frame, header=header)
    return _shared_pool().decode(frame)


def _shared_pool() -> CodecPool:
    global _pool
    with _GUARD:
        if _pool is None:
            _pool = CodecPool(min(os.cpu_count() or 1, MAX_WORKERS))
            atexit.register(_pool.close)
        return _pool


def _after_fork() -> None:
    global _pool, _GUARD
    _GUARD = threading.Lock()
    if _pool is not None:
        atexit.unregister(_pool.close)
        _inherited.append(_pool)
        _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
