"""The process that decodes compressed frames, and its side of the conversation: a codec may end it, but nothing else.

A request is a short text, and the codestream lies in memory that both processes share. The samples come back through
the same memory. What comes back is checked, as a damaged frame may have made the process write anything.
"""

from __future__ import annotations

import json
import math
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_dicommeta.support.child import STOP_SECONDS, Child, receive, send, serve
from napari_dicommeta.support.errors import DecodeError
from napari_dicommeta.support.shared_block import SharedBlock, attached

if TYPE_CHECKING:
    import mmap

__all__ = ["CodecWorker", "CodedFrame", "main"]

MAX_ANSWER = 1 << 16
ALIGNED = 64
DTYPES = frozenset(("|u1", "|i1", "<u2", "<i2", "<u4", "<i4"))
SPARE_BYTES, BYTES_PER_SAMPLE = 512 << 20, 32
"""The memory that decoding may take, besides what the process has: codecs keep several words for each sample."""
LEAST_SECONDS, BYTES_PER_SECOND = 4.0, 1e6
"""The slowest codec decodes some 10 MB a second."""
ORPHAN_SECONDS = 5
"""How much longer than its `seconds` a frame may take if the process that asked has ended."""
ENVIRONMENT = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class CodedFrame(NamedTuple):
    """A compressed frame, and what is known of its image: the arguments of `codecs.decode_frame`."""

    data: bytes
    transfer_syntax: str
    rows: int
    columns: int
    samples: int = 1
    bits_allocated: int = 16
    as_rgb: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the samples."""
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    @property
    def seconds(self) -> float:
        """How long decoding may take."""
        return LEAST_SECONDS + math.prod(self.shape) * self.bits_allocated / 8 / BYTES_PER_SECOND


class CodecWorker(Child):
    """The parent's side of a decoding process; only one thread at a time may use it.

    `decoded`: the number of frames that it has decoded or refused.
    """

    module = __name__

    def __init__(self) -> None:
        self.decoded = 0
        self.is_ready = False
        self._block = SharedBlock()
        try:
            super().__init__(self.module, "decoding process", self._block.shared, ENVIRONMENT)
        except BaseException:
            self._block.close()
            raise

    def wait_ready(self) -> None:
        """Wait until the process can decode; raise OSError or EOFError if it ends before."""
        if not self.is_ready:
            self.receive(MAX_ANSWER)
            self.is_ready = True

    def decode(self, frame: CodedFrame) -> np.ndarray:
        """Return what `codecs.decode_frame` returns, a new array.

        Raises
        ------
        DecodeError
            If the frame cannot be decoded. The process is still good.
        OSError, EOFError
            If the process ended, or answered nonsense.
        """
        data, *others = frame
        bits = frame.bits_allocated
        place = -(-len(data) // ALIGNED) * ALIGNED
        room = math.prod(frame.shape) * (1 if bits <= 8 else 2 if bits <= 16 else 4)
        memory = self._block.reserve(place + room)
        self._block.write(data)
        request = {"handle": self._block.handle, "size": self._block.size, "length": len(data), "place": place}
        self.send(json.dumps({**request, "room": room, "frame": others}).encode())
        answer = self.receive(MAX_ANSWER)
        self.decoded += 1
        return _checked(answer, memory, place, frame.shape, room)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End the process at once, and give its memory back."""
        super().stop(seconds)
        self._block.close()


def _checked(answer: bytes, memory: mmap.mmap, place: int, shape: tuple[int, ...], room: int) -> np.ndarray:
    """Return a copy of the samples that an answer announces; raise EOFError if it is none."""
    try:
        said = json.loads(answer)
    except ValueError as error:
        raise EOFError("the answer of a decoding process is damaged") from error
    said = said if isinstance(said, dict) else {}
    if isinstance(said.get("error"), str):
        raise DecodeError(said["error"])
    dtype = said.get("dtype")
    count = math.prod(shape)
    if dtype not in DTYPES or said.get("shape") != list(shape) or count * np.dtype(dtype).itemsize > room:
        raise EOFError("the answer of a decoding process is damaged")
    samples = np.frombuffer(memory, dtype, count, place).reshape(shape)
    return samples.astype(samples.dtype.newbyteorder("="), copy=True)


# -- the process ---------------------------------------------------------------------------------------------


def main() -> None:
    """Decode the frames of requests until stdin is closed."""
    stdin, stdout = serve()
    _die_alone()
    import imagecodecs

    for name in ("jpeg8", "ljpeg", "jpegsof3", "jpegls", "jpeg2k", "htj2k", "packbits"):
        getattr(imagecodecs, f"{name}_decode")  # loads the library now: it is no part of a frame's time
    base = _address_space()
    memory, known = None, ("", 0)
    send(stdout, b"{}")
    while True:
        try:
            request = json.loads(receive(stdin))
        except EOFError:
            return
        if memory is None or known != (request["handle"], request["size"]):
            if memory is not None:
                memory.close()
            known = request["handle"], request["size"]
            memory = attached(*known)
        _limit(base, CodedFrame(b"", *request["frame"]), request["size"])
        try:
            answer = _answer(memory, request)
        finally:
            _alarm(0)
        send(stdout, json.dumps(answer).encode())


def _answer(memory: mmap.mmap, request: dict[str, Any]) -> dict[str, Any]:
    from napari_dicommeta.dicom.codecs import decode_frame

    try:
        array = decode_frame(memory[: request["length"]], *request["frame"])
        if array.nbytes > request["room"]:
            return {"error": f"the codestream has {array.dtype.itemsize * 8} bits per sample, more than the image"}
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        np.frombuffer(memory, array.dtype, array.size, request["place"]).reshape(array.shape)[...] = array
    except DecodeError as error:
        return {"error": str(error)}
    return {"dtype": array.dtype.str, "shape": array.shape}


def _limit(base: int, frame: CodedFrame, shared: int) -> None:
    """Bound the memory and the time of the next frame."""
    if base:
        import resource

        soft = base + SPARE_BYTES + shared + BYTES_PER_SAMPLE * math.prod(frame.shape)
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (soft if hard < 0 else min(soft, hard), hard))
    _alarm(math.ceil(frame.seconds + ORPHAN_SECONDS))


def _alarm(seconds: int) -> None:
    """End this process after `seconds` even if a codec keeps Python from running; 0 takes that back.

    The process that asks ends this one earlier. This is for the case that it is gone.
    """
    if sys.platform == "win32":
        import faulthandler

        if seconds:
            faulthandler.dump_traceback_later(seconds, exit=True)
        else:
            faulthandler.cancel_dump_traceback_later()
    else:
        signal.alarm(seconds)


def _address_space() -> int:
    """Return the address space of this process in bytes, 0 where it cannot be limited."""
    with suppress(OSError), open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * 4096
    return 0


def _die_alone() -> None:
    """Make the death of this process cost nothing else: no core file, no dialog, and no other process's memory."""
    if sys.platform == "win32":
        import ctypes

        ctypes.windll.kernel32.SetErrorMode(0x0003)  # SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX
        return
    import resource

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")  # where memory runs out, Linux ends this process first
