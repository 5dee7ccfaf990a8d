from __future__ import annotations

import os
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from dicom_factory import Raw
from pixel_factory import Image, image

from napari_dicommeta.dicom import fragment_walk, fragments
from napari_dicommeta.dicom.fragments import frame_data, frame_index
from napari_dicommeta.files.bounded_cache import BoundedCache
from napari_dicommeta.files.byte_file import PlainFile
from napari_dicommeta.files.opening import file_key
from napari_dicommeta.support.errors import PixelError

JLS = "1.2.840.10008.1.2.4.80"
UNDEFINED = 0xFFFFFFFF
END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
FRAMES = [np.full((8, 8), 10 * n, np.uint8) + np.arange(8, dtype=np.uint8) for n in range(5)]
STREAMS = [bytes(imagecodecs.jpegls_encode(frame)) for frame in FRAMES]


def item(raw: bytes, length: int | None = None) -> bytes:
    raw += b"\0" * (len(raw) % 2)
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(raw) if length is None else length) + raw


def halves(stream: bytes) -> list[bytes]:
    """Return a codestream in two fragments of even length."""
    return [stream[:20], stream[20:]]


def offsets(groups: list[list[bytes]]) -> list[int]:
    """Return the offset of each frame from the first fragment's item."""
    sizes = [sum(len(item(part)) for part in group) for group in groups]
    return [sum(sizes[:n]) for n in range(len(sizes))]


def encapsulated_by(groups: list[list[bytes]], table: bytes = b"", end: bytes = END) -> Raw:
    return Raw("OB", item(table) + b"".join(item(part) for group in groups for part in group) + end, UNDEFINED)


def write(path: Path, pixels: Raw, frames: int = 5, **changes: Any) -> Image:
    return image(path, pixels, (8, 8), JLS, "MONOCHROME2", samples=1, frames=frames, **changes)


def words(values: list[int], code: str = "L") -> bytes:
    return struct.pack(f"<{len(values)}{code}", *values)


WHOLE = [[stream] for stream in STREAMS]
SPLIT = [halves(stream) if n % 2 else [stream] for n, stream in enumerate(STREAMS)]
TABLES = {
    "empty": lambda right: b"",
    "right": words,
    "all zeros": lambda right: words([0] * len(right)),
    "shifted": lambda right: words([value + 2 for value in right]),
    "descending": lambda right: words(right[::-1]),
    "beyond the file": lambda right: words([*right[:-1], 0xFFFFFFF0]),
    "too short": lambda right: words(right[:-2]),
    "too long": lambda right: words([*right, right[-1] + 8]),
    "not whole numbers": lambda right: words(right)[:-2],
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("groups", [WHOLE, SPLIT], ids=["whole", "split"])
def test_frames_are_found_whatever_the_offset_table_says(tmp_path: Path, groups: list[list[bytes]], table: str) -> None:
    file = write(tmp_path / "x.dcm", encapsulated_by(groups, TABLES[table](offsets(groups))))
    for n, frame in enumerate(FRAMES):
        np.testing.assert_array_equal(file.gray(n), frame, strict=True)
    with pytest.raises(PixelError, match="frame 6: its fragments hold 5 of 5 frames"):
        file.gray(5)


def without_markers(groups: list[list[bytes]]) -> list[list[bytes]]:
    """Replace the codestreams by bytes of the same lengths without any marker."""
    return [[bytes([n]) * len(part) for part in group] for n, group in enumerate(groups, 1)]


def test_only_a_table_assigns_fragments_without_markers(tmp_path: Path) -> None:
    groups = without_markers(SPLIT)
    right = offsets(groups)
    extended = {"7FE00001": Raw("OV", words(right, "Q")), "7FE00002": Raw("OV", words([1] * 5, "Q"))}
    wrong = {"7FE00001": Raw("OV", words([0, 1, 2, 3, 1 << 63], "Q"))}
    for content, table in (({}, words(right)), (extended, b"")):
        file = write(tmp_path / "x.dcm", encapsulated_by(groups, table), **content)
        for n, group in enumerate(groups):
            raw = b"".join(part + b"\0" * (len(part) % 2) for part in group)
            assert frame_data(file.path, file.offset, n, 5) == raw
    for content in ({}, wrong):
        file = write(tmp_path / "y.dcm", encapsulated_by(groups), **content)
        with pytest.raises(PixelError, match="7 encapsulated fragments cannot be assigned to 5 frames"):
            file.gray()


def test_frames_in_the_part_of_a_file_that_is_there_are_read(tmp_path: Path) -> None:
    pixels = encapsulated_by(WHOLE, words(offsets(WHOLE)))
    file = write(tmp_path / "x.dcm", pixels)
    whole = Path(file.path).read_bytes()
    Path(file.path).write_bytes(whole[: len(whole) - len(END) - len(item(STREAMS[4])) - 10])
    for n in range(3):
        np.testing.assert_array_equal(file.gray(n), FRAMES[n])
    with pytest.raises(PixelError, match=r"frame 4: its fragment is cut off: \d+ of \d+ bytes are present"):
        file.gray(3)
    with pytest.raises(PixelError, match="frame 5: its fragments hold 4 of 5 frames"):
        file.gray(4)


def test_fewer_fragments_than_frames_are_refused(tmp_path: Path) -> None:
    for table in (b"", words(offsets(WHOLE))):
        file = write(tmp_path / "x.dcm", encapsulated_by(WHOLE[:3], table))
        with pytest.raises(PixelError, match="3 encapsulated fragments cannot be assigned to 5 frames"):
            file.gray()
    file = write(tmp_path / "x.dcm", encapsulated_by(WHOLE[:1]), frames=8_000_000)
    with pytest.raises(PixelError, match="1 encapsulated fragments cannot be assigned to 8,000,000 frames"):
        file.gray()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "the file ends before the end of its fragments"),
        (item(b"", UNDEFINED), "neither a fragment"),
        (item(b"", 0xFFFFFFF0) + item(STREAMS[0]), "0 encapsulated fragments"),
        (item(b"") + b"\xfe\xff\x00\xe0\x10", "0 encapsulated fragments"),
        (item(b"") + item(STREAMS[0])[:30], "cut off"),
        (item(b"") + item(STREAMS[0], UNDEFINED), "neither a fragment"),
        (b"\1" * 64, "neither a fragment"),
    ],
)
def test_damaged_items_are_named_and_nothing_else_is_raised(tmp_path: Path, raw: bytes, reason: str) -> None:
    file = write(tmp_path / "x.dcm", Raw("OB", raw, UNDEFINED), frames=1)
    with pytest.raises(PixelError, match=reason):
        file.gray()


def test_empty_fragments_are_left_out(tmp_path: Path) -> None:
    groups = [[b""], *without_markers(WHOLE), [b""]]
    file = write(tmp_path / "x.dcm", encapsulated_by(groups))
    assert frame_data(file.path, file.offset, 0, 5)[:1] == b"\1"
    assert frame_data(file.path, file.offset, 4, 5)[:1] == b"\5"


def test_the_items_of_a_file_are_walked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walks = []
    walk = fragments._walk
    monkeypatch.setattr(fragments, "_walk", lambda *where: walks.append(where) or walk(*where))
    file = write(tmp_path / "x.dcm", encapsulated_by(WHOLE))
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda n: file.gray(n % 5), range(200)))
    assert all(np.array_equal(read[n], FRAMES[n % 5]) for n in range(200))
    assert len(walks) == 1
    write(tmp_path / "x.dcm", encapsulated_by(WHOLE[::-1], words(offsets(WHOLE[::-1]))))  # another size
    np.testing.assert_array_equal(file.gray(0), FRAMES[4])
    assert len(walks) == 2


def test_large_fragments_are_not_read_while_they_are_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    read = PlainFile.read
    monkeypatch.setattr(PlainFile, "read", lambda *where: counted.append(where[2]) or read(*where))
    groups = [[bytes([n]) * (1 << 18)] for n in range(20)]
    file = write(tmp_path / "x.dcm", encapsulated_by(groups), frames=20)
    index = frame_index(file.path, file.offset, 20)
    assert index.lengths.tolist() == [1 << 18] * 20
    assert sum(counted) < 3 * fragment_walk.READ


def test_a_file_without_frames_any_more_is_a_pixel_error(tmp_path: Path) -> None:
    file = write(tmp_path / "x.dcm", encapsulated_by(WHOLE))
    os.remove(file.path)
    with pytest.raises(PixelError, match="No such file"):
        file.gray()


# -- the cache -------------------------------------------------------------------------------------------


def test_the_cache_drops_what_was_used_least_recently() -> None:
    cache: BoundedCache[bytes] = BoundedCache(10, len)
    for key in "abc":
        cache.get(key, lambda key=key: key.encode() * 4)
        cache.get("a", lambda: b"made again")
    assert cache.used == 8
    assert cache.get("a", lambda: b"made again") == b"aaaa"
    assert cache.get("b", lambda: b"new") == b"new"
    assert cache.get("large", lambda: bytes(50)) == bytes(50)
    assert cache.used == 50
    cache.clear()
    assert cache.used == 0


def test_threads_wait_for_one_value_and_an_error_is_not_kept() -> None:
    cache: BoundedCache[int] = BoundedCache(10, lambda _: 1)
    barrier, made = threading.Barrier(8), []

    def make() -> int:
        made.append(1)
        return len(made)

    def ask(_: int) -> int:
        barrier.wait()
        return cache.get("key", make)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [1] * 8
    with pytest.raises(ZeroDivisionError):
        cache.get("other", lambda: 1 // 0)
    assert cache.get("other", lambda: 5) == 5


def test_a_changed_file_has_another_key(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"one")
    first = file_key(str(path))
    assert first == file_key(str(path))
    path.write_bytes(b"three")
    assert file_key(str(path)) != first
