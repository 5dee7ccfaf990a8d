from __future__ import annotations

import pytest

from napari_dicommeta.support import shared_block
from napari_dicommeta.support.shared_block import UNIT, SharedBlock, attached


def test_both_sides_see_what_the_other_writes() -> None:
    block = SharedBlock()
    memory = block.reserve(10)
    block.write(b"from here")
    other = attached(block.handle, block.size)
    assert other[:9] == b"from here"
    other[:4] = b"back"
    assert memory[:9] == b"back here"
    other.close()
    block.close()


def test_a_block_grows_and_a_large_one_becomes_small_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_block, "KEPT", 4 * UNIT)
    block = SharedBlock()
    sizes = []
    for wanted in (1, UNIT + 1, 1, 6 * UNIT, 5 * UNIT, 3 * UNIT, 1):
        memory = block.reserve(wanted)
        assert len(memory) == block.size >= wanted
        memory[block.size - 1 : block.size] = b"x"
        sizes.append(block.size // UNIT)
    assert sizes == [1, 2, 2, 6, 6, 3, 3]
    block.close()
    block.close()
    assert (block.size, block.shared) == (0, ())
