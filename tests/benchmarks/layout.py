"""The figures of laying out series, each a ratio within one run; `bench.py layout` runs them.

On the folder of 285,380 files: loading and checking against scanning. Then color cine and small JPEG frames against
pydicom, and enhanced files beside thousands of classic ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CINE_FRAMES, SMALL_FRAMES, CLASSIC_FILES = 200, 4000, 5000
_STEPS = """
import json, resource, sys, time
import napari_dicommeta as dm
def timed(action):
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
scan, catalog = timed(lambda: dm.scan(sys.argv[1]))
times = {"scan": scan, "scan_mb": peak()}
{steps}
times["peak_mb"] = peak()
print(json.dumps(times))
"""
LOAD_CHECK = _STEPS.replace(
    "{steps}",
    """times["load"], volumes = timed(lambda: dm.load(catalog))
times["again"], _ = timed(lambda: dm.check(catalog, volumes=True))
times["volumes"] = len(volumes)""",
)
CHECK = _STEPS.replace("{steps}", 'times["check"], _ = timed(lambda: dm.check(catalog, volumes=True))')


def bench_layout(
    folder: Path,
    shared: Path,
    timed: Callable[[Callable[[], Any]], tuple[float, Any]],
    report: Callable[..., None],
    child: Callable[..., dict[str, Any]],
) -> None:
    child(CHECK, str(folder))  # the page cache is warm from here on
    loads, checks = ([child(code, str(folder)) for _ in range(3)] for code in (LOAD_CHECK, CHECK))
    load, check = (
        min(runs, key=lambda run, name=name: run[name]) for runs, name in ((loads, "load"), (checks, "check"))
    )
    scan = min(run["scan"] for run in (*loads, *checks))
    print(
        f"scan {scan:.2f} s, load of all series {load['load']:.2f} s ({load['volumes']:,.0f} volumes), check "
        f"{check['check']:.2f} s, after the load {load['again']:.2f} s"
    )
    report("load of all series, of the scan's time", load["load"] / scan, 0.5, at_most=True)
    report("check with volumes, of the scan's time", check["check"] / scan, 1.0, at_most=True)
    report("peak of scan, load and check", load["peak_mb"], 600, at_most=True, unit=" MB")
    _bench_frames(timed, report)
    _bench_enhanced(shared, timed, report)


def _bench_frames(timed: Callable[[Callable[[], Any]], tuple[float, Any]], report: Callable[..., None]) -> None:
    """Color cine and small JPEG frames, all of them and one."""
    from pydicom import dcmread

    import napari_dicommeta as dm

    with tempfile.TemporaryDirectory() as temporary:
        for name, write in (("color cine", write_cine), ("small JPEG frames", write_small_frames)):
            path = Path(temporary) / f"{name}.dcm"
            write(path)
            own = min(timed(lambda path=path: np.asarray(dm.load(path)[0].array))[0] for _ in range(3))
            other = min(timed(lambda path=path: dcmread(path).pixel_array)[0] for _ in range(3))
            volumes = [dm.load(path)[0] for _ in range(5)]
            one = min(timed(lambda volume=volume: volume.array[volume.array.shape[0] // 2])[0] for volume in volumes)
            print(f"{name}: {own * 1e3:.0f} ms, pydicom {other * 1e3:.0f} ms, one frame {one * 1e3:.1f} ms")
            report(f"{name}, all frames, of pydicom's time", own / other, 1.2, at_most=True)
            report(f"{name}, one frame", one * 1e3, 5, at_most=True, unit=" ms")


def _bench_enhanced(
    shared: Path, timed: Callable[[Callable[[], Any]], tuple[float, Any]], report: Callable[..., None]
) -> None:
    """A check of 11 enhanced series beside thousands of classic files."""
    from pydicom import dcmread

    import napari_dicommeta as dm

    enhanced = [path for path in sorted((shared / "data" / "dcm_qa_enh").rglob("*.dcm")) if path.is_file()]
    classic = sorted((shared / "data" / "chestct-fuzun45").glob("*.dcm"))
    with tempfile.TemporaryDirectory() as temporary:
        for n in range(11):
            dataset = dcmread(enhanced[n % len(enhanced)])
            dataset.SeriesInstanceUID = f"1.2.826.0.1.3680043.10.2.{n}"
            dataset.SOPInstanceUID = f"1.2.826.0.1.3680043.10.3.{n}"
            dataset.save_as(Path(temporary) / f"enhanced{n}.dcm")
        for n in range(CLASSIC_FILES):
            of_series, n_files = n // len(classic), len(classic)
            dataset = dcmread(classic[n % n_files])
            dataset.SeriesInstanceUID = f"1.2.826.0.1.3680043.10.5.{of_series}"
            dataset.SOPInstanceUID = f"1.2.826.0.1.3680043.10.6.{n}"
            dataset.save_as(Path(temporary) / f"classic{n}.dcm")
        catalog = dm.scan(temporary)
        seconds = timed(lambda: dm.check(catalog, volumes=True))[0]
        report("check of 11 enhanced series beside 5,000 classic files", seconds, 1, at_most=True, unit=" s")


def write_cine(path: Path) -> None:
    """Write an RGB ultrasound cine of 480 × 640."""
    frames = np.random.default_rng(0).integers(0, 255, (CINE_FRAMES, 480, 640, 3), dtype=np.uint8)
    dataset = _image(frames.shape[1:3], CINE_FRAMES, "1.2.840.10008.1.2.1", "RGB")
    dataset.PixelData = frames.tobytes()
    dataset.save_as(path, enforce_file_format=True)


def write_small_frames(path: Path) -> None:
    """Write JPEG baseline frames of 64 × 64 with an empty offset table."""
    import imagecodecs
    from pydicom.encaps import encapsulate

    shades = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    frames = [bytes(imagecodecs.jpeg8_encode(shades + n % 50)) for n in range(SMALL_FRAMES)]
    dataset = _image((64, 64), SMALL_FRAMES, "1.2.840.10008.1.2.4.50", "MONOCHROME2")
    dataset.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2) for frame in frames], has_bot=False)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, enforce_file_format=True)


def _image(size: tuple[int, ...], frames: int, syntax: str, photometric: str) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.10.4.1"
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = "1.2.826.0.1.3680043.10.4.2", "1.2.826.0.1.3680043.10.4.3"
    dataset.Modality, dataset.InstanceNumber = "US", 1
    dataset.Rows, dataset.Columns = size
    dataset.NumberOfFrames, dataset.SamplesPerPixel = frames, 3 if photometric == "RGB" else 1
    dataset.PhotometricInterpretation, dataset.PlanarConfiguration = photometric, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    return dataset
