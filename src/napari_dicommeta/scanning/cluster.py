"""Results of the workers of a Dask cluster, which is imported when a client is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["cluster_results", "count_workers"]

Part = TypeVar("Part")
Result = TypeVar("Result")


def count_workers(client: Any) -> int:
    """Return the number of threads in which the workers of a ``dask.distributed.Client`` run tasks, at least 1."""
    return max(int(sum(client.nthreads().values())), 1)


def cluster_results(
    client: Any, function: Callable[[Part], Result], parts: Iterable[Part]
) -> Iterator[tuple[int, Result]]:
    """Yield (number of a part, ``function(part)``) as workers finish; closing cancels what is left.

    Function, parts and results are pickled. An error of `function` is raised.
    """
    from dask.distributed import as_completed

    futures: list[Any] = []
    try:
        for part in parts:
            futures.append(client.submit(function, part, pure=False))
        numbers = {future.key: n for n, future in enumerate(futures)}
        for future, result in as_completed(futures, with_results=True):
            yield numbers[future.key], result
    finally:
        client.cancel(futures)
