"""The figures of reading volumes, each a ratio within one run; `bench.py volumes` runs them.

A native series of 130 slices of 512², and the same as JPEG lossless, JPEG-LS and JPEG 2000, are made from the
real chest CT below SHARED_DATA: its 40 slices one behind the other.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

COUNT = 130
SYNTAXES = {
    "JPEG lossless": "1.2.840.10008.1.2.4.70",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
}


def encoders() -> dict[str, Callable[[np.ndarray], bytes]]:
    import imagecodecs

    return {
        "JPEG lossless": lambda pixels: imagecodecs.ljpeg_encode(pixels, bitspersample=12),
        "JPEG-LS": imagecodecs.jpegls_encode,
        "JPEG 2000": lambda pixels: imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True, level=0),
    }


def make_series(source: Path, kind: str = "native", count: int = COUNT) -> Path:
    """A folder with the series, made if it is not there."""
    from pydicom import dcmread
    from pydicom.encaps import encapsulate

    folder = Path(tempfile.gettempdir()) / "dicommeta-bench" / f"{kind.replace(' ', '-')}-{count}"
    if len(list(folder.glob("*"))) == count:
        return folder
    print(f"making the series of {count} slices, {kind} …", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    slices = sorted((dcmread(path) for path in source.glob("*.dcm")), key=lambda one: one.ImagePositionPatient[2])
    for k in range(count):
        dataset = slices[k % len(slices)]
        pixels = dataset.pixel_array
        dataset.ImagePositionPatient[2] = k
        dataset.InstanceNumber = k + 1
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3680043.10.1.{k + 1}"
        if kind != "native":
            dataset.file_meta.TransferSyntaxUID = SYNTAXES[kind]
            data = bytes(encoders()[kind](pixels.astype(np.uint16)))
            dataset.PixelData = encapsulate([data])
            dataset["PixelData"].VR = "OB"
            dataset["PixelData"].is_undefined_length = True
        dataset.save_as(folder / f"{(k * 37) % count:04}.dcm")
        slices[k % len(slices)] = dcmread(dataset.filename) if kind != "native" else dataset
    return folder


def simpleitk(folder: Path) -> np.ndarray:
    import SimpleITK

    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return SimpleITK.GetArrayFromImage(reader.Execute())


def pydicom_loop(folder: Path) -> np.ndarray:
    """What a notebook does: read all, sort by position, rescale, stack."""
    from pydicom import dcmread

    slices = sorted((dcmread(path) for path in folder.iterdir()), key=lambda one: float(one.ImagePositionPatient[2]))
    return np.stack([one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept) for one in slices])


def ours(folder: Path) -> np.ndarray:
    import napari_dicommeta as dm

    return np.asarray(dm.load(folder)[0].array)


def bare_preadv(places: list[tuple[str, int]], shape: tuple[int, ...]) -> np.ndarray:
    """The same bytes into an array, and nothing else."""
    array = np.empty(shape, np.int16)
    for plane, (path, offset) in zip(array, places, strict=True):
        descriptor = os.open(path, os.O_RDONLY)
        os.preadv(descriptor, [plane], offset)
        os.close(descriptor)
    return array


PEAK = """
import json, resource, sys, threading, time
import numpy as np, napari_dicommeta as dm
volume = dm.load(sys.argv[1])[0]
volume.array[0]
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before, peak, done = resident(), 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, resident())
        time.sleep(0.001)
watcher = threading.Thread(target=watch)
watcher.start()
array = np.asarray(volume.array)
done = True
watcher.join()
print(json.dumps({"ratio": (max(peak, resident()) - before) / array.nbytes}))
"""


def bench_volumes(
    shared: Path,
    timed: Callable[[Callable[[], Any]], tuple[float, Any]],
    report: Callable[..., None],
    child: Callable[..., dict[str, Any]],
) -> None:
    import napari_dicommeta as dm

    source = shared / "data" / "chestct-fuzun45"

    def best(action: Callable[[], Any], times: int = 7) -> float:
        action()
        return min(timed(action)[0] for _ in range(times))

    native = make_series(source)
    expected = simpleitk(native)
    assert np.array_equal(ours(native), expected)
    assert np.array_equal(pydicom_loop(native), expected)
    own, itk, loop = best(lambda: ours(native)), best(lambda: simpleitk(native)), best(lambda: pydicom_loop(native), 3)
    print(f"{COUNT} native slices: {own * 1e3:.0f} ms, SimpleITK {itk * 1e3:.0f} ms, pydicom {loop * 1e3:.0f} ms")
    report("native, faster than SimpleITK", itk / own, 5, at_most=False)
    report("native, faster than a pydicom loop", loop / own, 5, at_most=False)

    (series,) = dm.scan(native).series
    (volume,) = dm.load(series)
    offsets = dict(zip(series.catalog.paths, series.catalog.file_column("pixel_offset").tolist(), strict=True))
    places = [(path, offsets[path]) for path, _ in volume.files]
    assert np.array_equal(bare_preadv(places, volume.array.shape) - 1024, expected)

    def fresh() -> dm.Volume:
        return dm.load(series)[0]

    bare = best(lambda: bare_preadv(places, volume.array.shape), 15)
    volumes = [fresh() for _ in range(16)]
    full = best(lambda: np.asarray(volumes.pop().array), 15)
    print(f"np.asarray of the array {full * 1e3:.1f} ms, bare preadv {bare * 1e3:.1f} ms")
    report("np.asarray of a bare preadv", full / bare, 1.6, at_most=True)
    _bench_signed(native, places, best, report)
    report("peak memory of a full load against the array", child(PEAK, str(native))["ratio"], 1.15, at_most=True)

    for kind, bound in (("JPEG lossless", 2), ("JPEG-LS", 1.2), ("JPEG 2000", 1.2)):
        folder = make_series(source, kind)
        assert np.array_equal(ours(folder), expected)
        own, itk = best(lambda folder=folder: ours(folder), 2), best(lambda folder=folder: simpleitk(folder), 2)
        print(f"{kind}: {own * 1e3:.0f} ms, SimpleITK {itk * 1e3:.0f} ms")
        report(f"{kind}, faster than SimpleITK", itk / own, bound, at_most=False)


def _bench_signed(
    native: Path,
    places: list[tuple[str, int]],
    best: Callable[..., float],
    report: Callable[..., None],
) -> None:
    """The same series as signed 16 bits with an intercept of -1024, as most CT is: int16, saturating below -32,768."""
    from pydicom import dcmread

    import napari_dicommeta as dm

    folder = native.with_name("signed-130")
    if not folder.exists():
        folder.mkdir()
        for path, _ in places:
            dataset = dcmread(path)
            dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 15, 1
            dataset.save_as(folder / Path(path).name)
    (series,) = dm.scan(folder).series
    (volume,) = dm.load(series)
    assert volume.array.dtype == np.int16
    offsets = dict(zip(series.catalog.paths, series.catalog.file_column("pixel_offset").tolist(), strict=True))
    signed = [(path, offsets[path]) for path, _ in volume.files]
    bare = best(lambda: bare_preadv(signed, volume.array.shape), 15)
    volumes = [dm.load(series)[0] for _ in range(16)]
    full = best(lambda: np.asarray(volumes.pop().array), 15)
    print(f"signed, intercept -1024: np.asarray {full * 1e3:.1f} ms, bare preadv {bare * 1e3:.1f} ms")
    report("signed, np.asarray of a bare preadv", full / bare, 1.6, at_most=True)
