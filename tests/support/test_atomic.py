from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from napari_dicommeta.support.atomic import replacing, write_text


def fill(temporary: str, deletes: bool) -> None:
    """Fail as a writer does on a full disk; Arrow deletes its file before."""
    if deletes:
        os.unlink(temporary)
    raise OSError(errno.ENOSPC, "Error writing bytes to file. Detail: [errno 28] No space left on device")


def test_a_full_disk_says_so_even_if_the_writer_deleted_its_file(tmp_path: Path) -> None:
    target = tmp_path / "x.parquet"
    target.write_text("old")
    for deletes in (False, True):
        with pytest.raises(OSError, match="No space left on device") as raised, replacing(target) as temporary:
            fill(temporary, deletes)
        assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(target))
        assert raised.value.strerror == os.strerror(errno.ENOSPC)
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]
    assert target.read_text() == "old"


def test_an_error_about_another_file_is_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised, replacing(tmp_path / "x"):
        (tmp_path / "other").read_bytes()
    assert raised.value.filename == str(tmp_path / "other")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        write_text(tmp_path / "none" / "x.txt", "text")
    assert raised.value.filename == str(tmp_path / "none" / "x.txt")
