from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from dicom_factory import DEFLATED, write_series
from fake_codec_worker import FakeWorker, Unstartable
from pixel_factory import image, rle

import napari_dicommeta as dm
from napari_dicommeta.dicom import codec_pool, codec_worker
from napari_dicommeta.dicom.codec_pool import CodecPool, decode_guarded
from napari_dicommeta.dicom.codec_worker import CodecWorker, CodedFrame
from napari_dicommeta.dicom.codecs import MAX_FRAME, decode_frame
from napari_dicommeta.dicom.uids import RLE
from napari_dicommeta.support.errors import DecodeError, PixelError

JLS = "1.2.840.10008.1.2.4.80"
GRAY = (5 * np.arange(24)[:, np.newaxis] + 3 * np.arange(32)).astype(np.uint8)
STREAM = bytes(imagecodecs.jpegls_encode(GRAY))


@pytest.fixture
def pool() -> Iterator[CodecPool]:
    made = CodecPool(1, FakeWorker)
    yield made
    made.close()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, a minute at most."""
    for _ in range(600):
        if holds():
            return
        threading.Event().wait(0.1)
    raise AssertionError


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


# -- frames that end or hold up their process ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("abort", "its codec ended the decoding process"),
        ("garbage", "its codec ended the decoding process"),
        ("no object", "its codec ended the decoding process"),
        ("endless", "its codec ended the decoding process"),
        ("wrong shape", "its codec ended the decoding process"),
        ("wrong dtype", "its codec ended the decoding process"),
        ("too wide", "its codec ended the decoding process"),
        ("hang", "decoding it takes more than 2 s"),
        ("refused", "it is refused"),
    ],
)
def test_a_frame_that_its_process_does_not_survive_costs_that_frame(
    monkeypatch: pytest.MonkeyPatch, pool: CodecPool, what: str, reason: str
) -> None:
    monkeypatch.setattr(codec_worker, "LEAST_SECONDS", 2.0 if what == "hang" else 60.0)  # only one takes too long
    for used in (False, True):
        if used:
            pool.decode(CodedFrame(b"", "right", 4, 5, 1, 8))
        with pytest.raises(DecodeError, match=reason):
            pool.decode(CodedFrame(b"", what, 4, 5, 1, 8))
    assert pool.decode(CodedFrame(b"", "right", 4, 5, 1, 8)).shape == (4, 5)
    deaths = {"refused": 0, "hang": 2}
    assert pool.deaths == deaths.get(what, 3)  # in a used process, a frame is tried twice


def test_a_frame_is_not_blamed_for_a_process_that_an_earlier_one_damaged(pool: CodecPool) -> None:
    pool.decode(CodedFrame(b"", "right", 4, 5, 1, 8))
    assert pool.decode(CodedFrame(b"", "abort if used", 4, 5, 1, 8)).shape == (4, 5)
    assert pool.deaths == 1


def test_a_process_that_ended_without_work_is_replaced(pool: CodecPool) -> None:
    pool.decode(CodedFrame(b"", "right", 4, 5, 1, 8))
    worker = pool._idle[0][0]
    worker.kill()
    until(lambda: not worker.is_running)
    pool.decode(CodedFrame(b"", "right", 4, 5, 1, 8))
    assert pool.deaths == 0


def test_a_process_that_cannot_start_is_a_decode_error() -> None:
    pool = CodecPool(2, Unstartable)
    for _ in range(3):
        with pytest.raises(DecodeError, match="the decoding process cannot be started"):
            pool.decode(CodedFrame(b"", "", 4, 5))

    def fail() -> CodecWorker:
        raise OSError

    pool = CodecPool(1, fail)
    for _ in range(2):
        with pytest.raises(DecodeError, match="the decoding process cannot be started"):
            pool.decode(CodedFrame(b"", "", 4, 5))
    pool.close()


def test_processes_end_when_they_have_no_work(monkeypatch: pytest.MonkeyPatch, pool: CodecPool) -> None:
    monkeypatch.setattr(codec_pool, "IDLE_SECONDS", -1.0)
    pool.decode(CodedFrame(b"", "right", 4, 5, 1, 8))
    until(lambda: not pool._count and pool._watcher is None)
    pool.decode(CodedFrame(b"", "right", 4, 5, 1, 8))


def test_closing_ends_frames_that_wait_and_frames_that_are_decoded(pool: CodecPool) -> None:
    def reason(what: str) -> str:
        with pytest.raises(DecodeError) as caught:
            pool.decode(CodedFrame(b"", what, 4, 5, 1, 8))
        return str(caught.value)

    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(reason, "hang") for _ in range(3)]
        until(lambda: any(worker.is_ready for worker in list(pool._busy)))
        pool.close()
        assert [future.result() for future in waiting] == ["the program is ending"] * 3
    assert pool._count == 0


def test_a_codec_may_not_take_more_memory_than_its_frame_explains() -> None:
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("the address space cannot be limited here")
    code = """
from napari_dicommeta.dicom import codec_worker
codec_worker._limit(codec_worker._address_space(), codec_worker.CodedFrame(b"", "", 512, 512), 1 << 20)
bytearray(1 << 28)
try:
    bytearray(1 << 30)
except MemoryError:
    print("refused")
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "refused\n"


# -- frames that are decoded -----------------------------------------------------------------------------


def test_threads_share_the_processes() -> None:
    pool = CodecPool(2)
    streams = [bytes(imagecodecs.jpegls_encode(GRAY + n)) for n in range(8)]
    with ThreadPoolExecutor(8) as threads:
        decoded = list(threads.map(lambda n: pool.decode(CodedFrame(streams[n % 8], JLS, 24, 32, 1, 8)), range(64)))
    assert pool._count == 2
    pool.close()
    for n, samples in enumerate(decoded):
        np.testing.assert_array_equal(samples, GRAY + n % 8, strict=True)


@pytest.mark.parametrize("side", [1, 3000, 7])
def test_frames_of_any_size_pass_through_the_shared_memory(side: int) -> None:
    samples = np.random.default_rng(side).integers(0, 4096, (side, side), dtype=np.uint16)
    data = bytes(imagecodecs.jpegls_encode(samples))
    np.testing.assert_array_equal(decode_guarded(CodedFrame(data, JLS, side, side)), samples, strict=True)


def test_colors_come_back_as_they_are_decoded_in_this_process() -> None:
    rgb = np.stack([GRAY, GRAY[::-1], 255 - GRAY], axis=-1)
    data = bytes(imagecodecs.jpeg8_encode(rgb, level=90))
    for as_rgb in (False, True):
        frame = (data, "1.2.840.10008.1.2.4.50", 24, 32, 3, 8, as_rgb)
        np.testing.assert_array_equal(decode_guarded(CodedFrame(*frame)), decode_frame(*frame), strict=True)


def test_safe_and_native_frames_start_no_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail() -> CodecPool:
        raise AssertionError

    monkeypatch.setattr(codec_pool, "_shared_pool", fail)
    np.testing.assert_array_equal(decode_guarded(CodedFrame(rle(GRAY), RLE, 24, 32, 1, 8)), GRAY)
    small = bytes(imagecodecs.jpeg8_encode(GRAY, level=95))
    np.testing.assert_array_equal(decode_guarded(CodedFrame(small, "", 24, 32, 1, 8)), imagecodecs.jpeg8_decode(small))
    large = np.random.default_rng(0).integers(0, 256, (256, 256), dtype=np.uint8)
    with pytest.raises(AssertionError):
        decode_guarded(CodedFrame(bytes(imagecodecs.jpeg8_encode(large, level=100)), "", 256, 256, 1, 8))
    for syntax in ("1.2.840.10008.1.2.1", DEFLATED):
        file = image(tmp_path / "x.dcm", GRAY.tobytes(), (24, 32), syntax, "MONOCHROME2", samples=1)
        np.testing.assert_array_equal(file.gray(), GRAY)


def test_a_frame_too_large_for_memory_is_refused_before_a_process_sees_it() -> None:
    with pytest.raises(DecodeError, match=f"it takes 8,589,672,450 bytes decoded, more than {MAX_FRAME:,}"):
        decode_guarded(CodedFrame(STREAM, JLS, 65535, 65535, 1, 16))


# -- processes and interpreters --------------------------------------------------------------------------------

SCRIPT = f"""
import sys
sys.path[:] = {sys.path!r}
print("main", flush=True)
import threading, imagecodecs, numpy as np
from napari_dicommeta.dicom import codec_pool, codec_worker
from napari_dicommeta.dicom.codec_pool import CodecPool, decode_guarded
from napari_dicommeta.dicom.codec_worker import CodedFrame
from fake_codec_worker import FakeWorker
stream = bytes(imagecodecs.jpegls_encode(np.ones((8, 8), np.uint8)))
one = lambda: decode_guarded(CodedFrame(stream, "", 8, 8, 1, 8))
"""


def run(code: str, timeout: float = 60) -> str:
    done = subprocess.run([sys.executable, "-c", SCRIPT + code], capture_output=True, text=True, timeout=timeout)
    assert done.stderr == ""
    return done.stdout


def test_a_script_without_a_guard_decodes() -> None:
    assert run("print(one().sum())") == "main\n64\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("end", ["", "import os; os._exit(0)", "import os; os.kill(os.getpid(), 9)"])
def test_no_process_outlives_the_one_that_started_it(end: str) -> None:
    code = f"one(); print(codec_pool._pool._idle[0][0].pid, flush=True)\n{end}"
    pid = int(run(code).split()[1])
    until(lambda: not is_running(pid))


@pytest.mark.parametrize("daemon", [True, False])
def test_a_frame_that_hangs_does_not_hold_up_the_end(daemon: bool) -> None:
    code = f"""
codec_worker.LEAST_SECONDS = {1e6 if daemon else 1.0}
codec_pool._pool = pool = CodecPool(1, FakeWorker)
import atexit
atexit.register(pool.close)
def hang():
    try:
        pool.decode(CodedFrame(b"", "hang", 4, 5))
    except Exception as error:
        print(type(error).__name__, flush=True)
threading.Thread(target=hang, daemon={daemon}).start()
while not any(worker.is_ready for worker in list(pool._busy)):
    threading.Event().wait(0.05)
"""
    lines = run(code).split()
    assert lines == ["main", "DecodeError"] or (daemon and lines == ["main"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_has_processes_of_its_own() -> None:
    code = """
import os, warnings
warnings.simplefilter("ignore")
one()
first = codec_pool._pool._idle[0][0].pid
child = os.fork()
if not child:
    ok = one().sum() == 64 and codec_pool._pool._idle[0][0].pid != first
    codec_pool._pool.close()
    os._exit(0 if ok else 1)
print(os.waitpid(child, 0)[1], one().sum(), codec_pool._pool._idle[0][0].pid == first)
"""
    assert run(code) == "main\n0 64 True\n"


def test_a_pickled_array_is_read_in_a_process_of_another_pool(tmp_path: Path) -> None:
    image(tmp_path / "x.dcm", [STREAM], (24, 32), JLS, "MONOCHROME2", samples=1)
    (volume,) = dm.load(tmp_path)
    with multiprocessing.get_context("spawn").Pool(1) as processes:  # daemons, as the workers of Dask are
        read = processes.apply(np.asarray, (volume.array,))
    np.testing.assert_array_equal(read[0], GRAY)


def test_a_slice_whose_codec_dies_is_named_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying(CodecWorker):
        def decode(self, frame: CodedFrame) -> np.ndarray:
            if frame.data == streams[2]:
                self.kill()
            return super().decode(frame)

    from dicom_factory import encapsulated

    streams = [bytes(imagecodecs.jpegls_encode(np.full((16, 12), k, np.uint16))) + b"\0" for k in range(5)]
    streams = [stream[: len(stream) // 2 * 2] for stream in streams]
    paths = write_series(tmp_path, 5, JLS, PixelData=lambda k: encapsulated([streams[k]]))
    monkeypatch.setattr(codec_pool, "_pool", CodecPool(1, Dying))
    (volume,) = dm.load(tmp_path)
    with pytest.raises(PixelError, match="frame 1: its codec ended the decoding process") as caught:
        np.asarray(volume)
    assert caught.value.path == str(paths[2])
    assert [int(volume.array[k].max()) for k in (0, 1, 3, 4)] == [-1024, -1023, -1021, -1020]
    codec_pool._pool.close()
