"""Run a generator that yields its progress and returns its result, as all long tasks do."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["begun", "changed", "result_of"]

Progress = TypeVar("Progress")
Changed = TypeVar("Changed")
Result = TypeVar("Result")


def result_of(steps: Generator[Progress, None, Result], progress: Callable[[Progress], object] | None = None) -> Result:
    """Run `steps` to its end and return its result; call `progress` with each value it yields."""
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        if progress is not None:
            progress(step)
        del step  # it may hold much that the next step is about to release


def changed(
    steps: Generator[Progress, None, Result], change: Callable[[Progress], Changed]
) -> Generator[Changed, None, Result]:
    """Return the result of `steps`; yield ``change(step)`` for each value that it yields."""
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        yield change(step)


def begun(steps: Generator[None, None, Result]) -> Generator[None, None, Result]:
    """Run `steps` up to where it first yields, and return the rest of it, with its result."""
    try:
        next(steps)
    except StopIteration as stop:
        return _ended(stop.value)
    return steps


def _ended(result: Result) -> Generator[None, None, Result]:
    yield from ()
    return result
