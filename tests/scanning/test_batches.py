from __future__ import annotations

import threading

from napari_dicommeta.scanning.batches import Batches
from napari_dicommeta.scanning.worker import unpack


def taken(batches: Batches) -> list[tuple[int, list[str]]]:
    found = []
    while (batch := batches.take()) is not None:
        found.append((batch[0], unpack(batch[1])))
    return found


def test_batches_hold_all_files_in_order() -> None:
    paths = [f"{n:05}" for n in range(1000)]
    batches = Batches(count=2, each=0.001, least=0.03)
    batches.add(paths[:300])
    batches.add(paths[300:])
    batches.close()
    found = taken(batches)
    assert [path for _, part in found for path in part] == paths
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    sizes = [len(part) for _, part in found]
    assert sizes == sorted(sizes, reverse=True)  # a process gets a part of what is left
    assert max(sizes) <= 500
    assert min(sizes[:-1]) >= 30


def test_a_batch_waits_for_enough_files_unless_there_are_no_more() -> None:
    batches = Batches(count=2, each=0.01, least=0.1)
    batches.add(["a", "b"])
    found: list[list[str]] = []

    def take() -> None:
        batch = batches.take()
        assert batch is not None
        found.append(unpack(batch[1]))

    thread = threading.Thread(target=take)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    batches.close()
    thread.join(5)
    assert found == [["a", "b"]]
    assert batches.take() is None


def test_a_batch_is_as_large_as_what_was_measured_asks_for() -> None:
    paths = [f"{n:05}" for n in range(4000)]
    batches = Batches(count=2, each=0.03, least=0.1)  # as slow as the first headers of a kind
    batches.add(paths)
    first = batches.take()
    assert first is not None
    assert len(unpack(first[1])) <= 20
    batches.measured(10, 0.01)
    second = batches.take()
    assert second is not None
    assert len(unpack(second[1])) >= 100
