"""A decoding process that does what the transfer syntax of a frame says: for tests of `CodecPool`."""

from __future__ import annotations

import json
import os
import signal
import threading

from napari_dicommeta.dicom.codec_worker import CodecWorker
from napari_dicommeta.support.child import receive, send, serve


class FakeWorker(CodecWorker):
    module = __name__


class Unstartable(CodecWorker):
    module = "no_such_module"


def main() -> None:
    stdin, stdout = serve()
    send(stdout, b"{}")
    used = 0
    while True:
        try:
            request = json.loads(receive(stdin))
        except EOFError:
            return
        what, rows, columns, *_ = request["frame"]
        if what == "abort" or (what == "abort if used" and used):
            os.kill(os.getpid(), signal.SIGTERM)
        if what == "hang":
            threading.Event().wait()
        answers = {
            "garbage": b"\xff\xfe{",
            "no object": b"[1]",
            "endless": b" " * (1 << 20),
            "wrong shape": b'{"dtype": "|u1", "shape": [1, 100000]}',
            "wrong dtype": b'{"dtype": "O", "shape": [4, 5]}',
            "too wide": b'{"dtype": "<u4", "shape": [4, 5]}',
            "refused": b'{"error": "it is refused"}',
        }
        right = {"dtype": "|u1", "shape": [rows, columns]}
        send(stdout, answers.get(what, json.dumps(right).encode()))
        used += 1
