from __future__ import annotations

import threading
import time

import pytest

from napari_dicommeta.support import side_by_side
from napari_dicommeta.support.side_by_side import SideBySide


def test_quick_calls_are_made_by_the_caller_in_order() -> None:
    threads = set()

    def double(number: int) -> int:
        threads.add(threading.current_thread())
        return 2 * number

    together = SideBySide(double)
    assert together(range(50)) == list(range(0, 100, 2))
    assert (together.done, threads) == (50, {threading.current_thread()})
    assert together([]) == []


def test_slow_calls_overlap_and_their_results_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "SLOW_SECONDS", -1.0)  # whatever the first calls take, they count as slow
    side_by_side_calls = threading.Barrier(4, timeout=30)

    def wait(number: int) -> int:
        if 8 <= number < 12:
            side_by_side_calls.wait()  # goes on only if four calls wait at a time
        time.sleep(0.001 * (number % 3))
        return number

    together = SideBySide(wait)
    assert together(range(40)) == list(range(40))
    assert together.done == 40


def test_the_error_of_the_first_item_that_fails_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "SLOW_SECONDS", -1.0)
    both = threading.Barrier(2, timeout=30)

    def fail(number: int) -> int:
        if number in (9, 10):
            both.wait()
            raise OSError(number, "no answer")
        return number

    with pytest.raises(OSError, match="no answer") as raised:
        SideBySide(fail)(range(30))
    assert raised.value.errno == 9
    with pytest.raises(OSError, match="gone"):
        SideBySide(lambda number: (_ for _ in ()).throw(OSError(number, "gone")))([1, 2])
