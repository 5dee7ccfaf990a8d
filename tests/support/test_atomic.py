from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from napari_dicommeta.support.atomic import replacing, write_failure, write_text, write_texts


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


def test_devices_pipes_and_folders_are_not_replaced_and_links_are(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("folder", "Is a directory"), ("pipe", "a device, pipe or socket has this name")):
        with pytest.raises(OSError, match=reason) as raised:
            write_text(tmp_path / name, "text")
        assert raised.value.filename == str(tmp_path / name)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to("target")
    write_text(tmp_path / "link", "text")
    assert ((tmp_path / "target").read_text(), (tmp_path / "link").read_text()) == ("mine", "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link", "pipe", "target"]


def test_files_that_belong_together_are_written_both_or_none(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(IsADirectoryError):
        write_texts({tmp_path / "a": "new", tmp_path / "b": "new"})
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    write_texts({tmp_path / "a": "1", tmp_path / "c": "2"})
    assert ((tmp_path / "a").read_text(), (tmp_path / "c").read_text()) == ("1", "2")


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space, or choose another folder"),
        (errno.EFBIG, "free some space, or choose another folder"),
        (errno.EROFS, "choose a folder that you may write to"),
        (errno.EACCES, "choose a folder that you may write to"),
        (errno.ENOENT, "make its folder first, or choose another"),
        (errno.ENAMETOOLONG, "choose a shorter name"),
    ],
)
def test_a_failure_to_write_says_what_to_do(number: int, advice: str) -> None:
    text = os.strerror(number)
    assert write_failure(OSError(number, text, os.path.abspath("x.csv")), "x.csv") == f"x.csv: {text}: {advice}"
    assert write_failure(OSError(number, text), "y") == f"y: {text}: {advice}"
    assert write_failure(OSError(number, "own words: do this", "z"), "y") == "z: own words: do this"


def test_fewer_bytes_than_asked_for_are_an_error_with_a_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot be written whole") as raised, replacing(tmp_path / "x"):
        raise OSError("100 requested and 7 written")
    assert raised.value.filename == str(tmp_path / "x")
