from __future__ import annotations

import threading

from napari_dicommeta.support.cached import cached_if_short, cached_property


class Thing:
    def __init__(self) -> None:
        self.calls = 0
        self.entered, self.may_go_on = threading.Event(), threading.Event()

    @cached_property
    def quick(self) -> int:
        """The quick value."""
        self.calls += 1
        return self.calls

    @cached_property
    def slow(self) -> str:
        self.entered.set()
        assert self.may_go_on.wait(10)
        return "done"


def test_it_is_worked_out_once_for_each_object() -> None:
    first, second = Thing(), Thing()
    assert (first.quick, first.quick, first.calls) == (1, 1, 1)
    assert second.calls == 0
    assert Thing.quick.__doc__ == "The quick value."


def test_one_object_does_not_wait_for_another() -> None:
    busy, other = Thing(), Thing()
    other.may_go_on.set()
    thread = threading.Thread(target=lambda: busy.slow)
    thread.start()
    assert busy.entered.wait(10)
    results: list[str] = []
    second = threading.Thread(target=lambda: results.append(other.slow))
    second.start()
    second.join(10)
    assert results == ["done"]  # while the first thread is still computing
    busy.may_go_on.set()
    thread.join(10)
    assert not thread.is_alive()


def test_results_for_long_texts_are_not_kept() -> None:
    asked: list[str] = []

    @cached_if_short(2)
    def doubled(text: str, times: int = 2) -> str:
        asked.append(text)
        return text * times

    long = "x" * 1000
    for text in ("a", "a", long, long, "b", "c", "a"):
        assert doubled(text) == text * 2
    assert asked == ["a", long, long, "b", "c", "a"]
    assert doubled("a", 3) == "aaa"
