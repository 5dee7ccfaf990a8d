from __future__ import annotations

import threading

import pytest

from napari_dicommeta.scanning.worker import Worker, pack


def test_a_stopped_process_raises_as_an_ended_one_does() -> None:
    worker = Worker()
    worker.stop()
    assert not worker.is_running
    with pytest.raises(OSError, match="stopped"):
        worker.read(pack(["x"]))


def test_stopping_wakes_a_thread_that_waits_for_a_message() -> None:
    worker = Worker()
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            worker.receive()
        except (OSError, EOFError) as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    worker.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert len(raised) == 1
