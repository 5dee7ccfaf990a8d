from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_factory import Raw, write_series

import napari_dicommeta as dm
from napari_dicommeta.findings.hu_check import (
    Checked,
    HUCheckProgress,
    check_sample,
    hu_findings,
    iter_hu_check,
    why_unchecked,
)
from napari_dicommeta.findings.hu_sample import HUSample, read_sample
from napari_dicommeta.phantom import PADDING, chest

Change = Callable[[pydicom.Dataset], None]


def checked(series: Sequence[dm.Series]) -> tuple[Checked, ...]:
    steps = iter_hu_check(series)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def sample_of(volume: dm.Volume) -> HUSample:
    """A sample of a volume whose files lie in one folder."""
    return read_sample(volume, dm.scan(Path(volume.files[0][0]).parent))


def findings_in(folder: Path) -> list[dm.Finding]:
    return [finding for one in checked(dm.scan(folder).series) for finding in one.findings]


def altered(files: Sequence[Path], folder: Path, change: Change) -> Path:
    """Copies of `files` in `folder`, each changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(folder / path.name)
    return folder


def store(dataset: pydicom.Dataset, stored: np.ndarray, signed: bool, bits: int = 16) -> None:
    """Put these stored values into a data set, cut to `bits`."""
    dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = int(signed), bits, bits - 1
    dataset.PixelData = (stored.astype(np.int64) & ((1 << bits) - 1)).astype("<u2").tobytes()


def every_sixth(phantom: Path) -> list[Path]:
    """8 of its 48 slices."""
    return sorted(phantom.iterdir())[::6]


def no_intercept(dataset: pydicom.Dataset) -> None:
    del dataset.RescaleIntercept


def no_rescale(dataset: pydicom.Dataset) -> None:
    del dataset.RescaleIntercept, dataset.RescaleSlope


def intercept(value: float) -> Change:
    def change(dataset: pydicom.Dataset) -> None:
        dataset.RescaleIntercept = value

    return change


def slope(value: float) -> Change:
    def change(dataset: pydicom.Dataset) -> None:
        dataset.RescaleSlope = value

    return change


FAULTS = [
    (no_intercept, "hu-intercept-missing", "the intercept of -1024 is probably missing"),
    (no_rescale, "hu-intercept-missing", "the intercept of -1024 is probably missing"),
    (intercept(0), "hu-intercept-missing", "the intercept of -1024 is probably missing"),
    (intercept(-2048), "hu-intercept-doubled", "is probably -1024, doubled"),
    (intercept(1024), "hu-intercept-sign", "probably has the wrong sign, -1024 fits"),
    (intercept(777), "hu-intercept", "an intercept of -1024 would fit, not 777"),
    (slope(2), "hu-slope", "a slope of about 1 would fit, not 2"),
    (slope(1.5), "hu-slope", "a slope of about 1 would fit, not 1.5"),
]


@pytest.mark.parametrize(("change", "code", "words"), FAULTS)
def test_a_wrong_rescale_is_found_in_the_phantom(
    phantom: Path, tmp_path: Path, change: Change, code: str, words: str
) -> None:
    (finding,) = findings_in(altered(every_sixth(phantom), tmp_path, change))
    assert finding.code == code
    assert finding.severity == "wrong"
    assert words in finding.title
    assert "Chest phantom 2.5 mm" in finding.title
    assert finding.standard.startswith("PS3.3")
    assert finding.advice
    assert finding.files == 8
    assert dm.scan(tmp_path).where(dict(finding.selection)).n_files == 8


def test_the_title_says_where_air_lies(phantom: Path, tmp_path: Path) -> None:
    (finding,) = findings_in(altered(every_sixth(phantom), tmp_path, no_intercept))
    # Air of -1000 HU is stored as 24.
    assert finding.title.endswith("air lies at 24, not near -1000: the intercept of -1024 is probably missing")


def values_of(dataset: pydicom.Dataset) -> np.ndarray:
    """The phantom's HU with noise of 10, air where it is padding."""
    image = chest()[dataset.InstanceNumber - 1].astype(int)
    noise = np.random.default_rng(dataset.InstanceNumber).normal(0, 10, image.shape).round().astype(int)
    return np.where(image == PADDING, -1000, image) + noise


def unpadded(stored: Callable[[np.ndarray], np.ndarray], signed: bool, bits: int = 16, offset: float = 0) -> Change:
    """The phantom without padding, its HU stored as `stored` makes them."""

    def change(dataset: pydicom.Dataset) -> None:
        del dataset.PixelPaddingValue
        dataset.RescaleIntercept = offset
        store(dataset, stored(values_of(dataset)), signed, bits)

    return change


def with_dense_bone(hu: np.ndarray) -> np.ndarray:
    """Stored with an intercept of -1024, bone of 700 made 1200 HU: 2224, which is beyond a sign in 12 bits."""
    return np.where(hu > 600, hu + 500, hu) + 1024


def with_rest(low: int, high: int) -> Callable[[np.ndarray], np.ndarray]:
    """The upper rows spread evenly from `low` to `high`."""

    def stored(hu: np.ndarray) -> np.ndarray:
        hu = hu.copy()
        hu[:20] = np.linspace(low, high, hu[:20].size).reshape(20, -1).round()
        return hu

    return stored


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (unpadded(lambda hu: hu, True), []),
        (unpadded(lambda hu: hu + 8192, False, offset=-8192), []),
        (unpadded(lambda hu: hu, False), ["hu-sign"]),
        (unpadded(lambda hu: hu, False, bits=12), ["hu-sign"]),
        (unpadded(lambda hu: hu + 32768, True, offset=-32768), ["hu-sign"]),
        (unpadded(with_dense_bone, False, bits=12, offset=-1024), []),
        (unpadded(with_dense_bone, True, bits=12, offset=-1024), ["hu-sign"]),
        (unpadded(lambda hu: hu, True, offset=-1024), ["hu-rescale-twice"]),
        (unpadded(with_rest(-1500, -1500), True), ["hu-padding"]),
        (unpadded(with_rest(-1900, -1200), True), ["hu-below"]),
    ],
)
def test_what_is_stored_is_told_from_what_is_meant(
    phantom: Path, tmp_path: Path, change: Change, codes: list[str]
) -> None:
    assert [one.code for one in findings_in(altered(every_sixth(phantom), tmp_path, change))] == codes


@pytest.mark.slow
def test_a_slope_applied_to_values_that_are_hu_already_is_a_rescale_twice(phantom: Path, tmp_path: Path) -> None:
    def change(dataset: pydicom.Dataset) -> None:
        unpadded(lambda hu: hu, True, offset=-1024)(dataset)
        dataset.RescaleSlope = 2

    (finding,) = findings_in(altered(every_sixth(phantom), tmp_path, change))
    assert finding.code == "hu-rescale-twice"
    assert "slope 2 and intercept -1024" in finding.title


def test_padding_that_no_file_states_is_found_beside_what_they_do_state(phantom: Path, tmp_path: Path) -> None:
    def change(dataset: pydicom.Dataset) -> None:
        dataset["PixelPaddingValue"].value = -1999

    (finding,) = findings_in(altered(every_sixth(phantom), tmp_path, change))
    assert finding.code == "hu-padding"
    assert finding.severity == "decision"
    # Stored -2000 and an intercept of -1024.
    assert "exactly -3024 (stored -2000)" in finding.title
    assert "Pixel Padding Value is -1999" in finding.title


def test_the_phantom_is_right_and_its_padding_left_out_of_the_sample(phantom: Path) -> None:
    (one,) = checked(dm.scan(phantom).series)
    assert (one.findings, one.state, one.reason) == ((), "checked", "")
    sample = one.sample
    assert sample is not None
    held = set((sample.low + np.flatnonzero(sample.counts)).tolist())
    assert held == {-1000, -850, -100, 40, 700}
    assert (sample.rescale, sample.bits, sample.signed, sample.n_slices) == ((1.0, -1024.0), 13, True, 9)
    image = chest()[np.linspace(0, 47, 9).round().astype(int)]
    assert sample.n_padding == int((image == PADDING).sum())
    assert sample.n + sample.n_padding == image.size
    assert sample.edges[0] == -1000.5
    assert len(sample.edges) == len(sample.counts) + 1


def test_a_histogram_shows_every_pixel_of_the_sample(phantom: Path) -> None:
    (volume,) = dm.load(phantom)
    sample = sample_of(volume)
    bars = sample.histogram(64)
    assert len(bars) <= 64
    assert sum(pixels for _, _, pixels in bars) == sample.n
    assert all(behind[0] == before[1] for before, behind in pairwise(bars))
    assert {low < 40 < high for low, high, pixels in bars if pixels} == {True, False}


def test_samples_compare_by_what_they_hold(phantom: Path, tmp_path: Path) -> None:
    (volume,) = dm.load(phantom)
    (again,) = dm.load(phantom)
    (other,) = dm.load(altered(every_sixth(phantom), tmp_path, intercept(0)))
    assert sample_of(volume) == sample_of(again)
    assert hash(sample_of(volume)) == hash(sample_of(again))
    assert sample_of(volume) != sample_of(other)


def image(folder: Path, pixels: np.ndarray, **changes: object) -> Path:
    """Four slices with the HU of `pixels` in a folder of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = (pixels + 1024).astype("<u2")
    outside = {"Rows": pixels.shape[0], "Columns": pixels.shape[1], "PixelData": Raw("OW", stored.tobytes())}
    write_series(folder, 4, **{**outside, **changes})
    return folder


def noisy(*parts: tuple[float, int], sigma: float = 20) -> np.ndarray:
    """128 rows of 128 pixels: (HU, rows) after one another, with noise."""
    rows = np.concatenate([np.full((n, 128), value, dtype=float) for value, n in parts])
    return np.clip(rows + np.random.default_rng(1).normal(0, sigma, rows.shape), -1024, 3071).round()


@pytest.mark.parametrize(
    "pixels",
    [
        noisy((40, 128)),  # tissue alone
        noisy((-100, 30), (40, 98)),  # fat and tissue, no air
        noisy((-100, 20), (40, 60), (900, 24), (1100, 24), sigma=120),  # bone without a population of its own
        noisy((-1000, 128)),  # air alone
        noisy((-850, 128), sigma=60),  # lung alone
        noisy((-1000, 64), (-700, 64), sigma=60),  # air and lung
        np.linspace(-1024, -770, 128 * 128).reshape(128, 128).round(),  # a ramp
        np.arange(128 * 128).reshape(128, 128) % 256 - 0.0,  # a drawing
        np.full((128, 128), -1024.0),  # nothing
        noisy((-1000, 60), (-850, 20), (-100, 12), (40, 36)),  # a chest
        noisy((-850, 20), (-100, 40), (40, 68)),  # a chest's middle: lung is no air
        noisy((-1000, 40), (0, 60), (1064, 28), sigma=0),  # a phantom that was calculated
    ],
)
def test_nothing_is_said_without_a_fault(tmp_path: Path, pixels: np.ndarray) -> None:
    assert findings_in(image(tmp_path, pixels)) == []


@pytest.mark.parametrize("bits", [12, 13, 16])
def test_noise_of_air_below_all_tissue_is_no_fault(tmp_path: Path, bits: int) -> None:
    rows = np.concatenate([np.full((n, 128), hu, dtype=float) for hu, n in ((-1000, 70), (-100, 12), (40, 46))])
    hu = np.clip(rows + np.random.default_rng(1).normal(0, 80, rows.shape), -3072, 1023).round()
    # A tenth of air's noise of 80 lies more than 1.28 of it below -1000.
    assert 0.05 < (hu[:70] < -1100).mean() < 0.15
    changes = {"PixelRepresentation": 1, "BitsStored": bits, "HighBit": bits - 1}
    stored = ((hu + 1024).astype(int) & ((1 << bits) - 1)).astype("<u2")
    assert findings_in(image(tmp_path, hu, PixelData=Raw("OW", stored.tobytes()), **changes)) == []


def test_padding_where_air_is_does_not_hide_that_the_intercept_is_missing(tmp_path: Path) -> None:
    hu = noisy((-1024, 30), (-1000, 30), (-850, 20), (-100, 12), (40, 36))
    hu[:30] = -2048  # stored as -1024
    stored = Raw("OW", (hu + 1024).astype("<i2").tobytes())
    changes = {"PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15, "RescaleIntercept": 0}
    folder = image(tmp_path, hu, PixelData=stored, **changes)
    (finding,) = findings_in(folder)
    assert finding.code == "hu-intercept-missing"


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({"Modality": "MR"}, "not-ct", "MR, not CT"),
        ({"Modality": "PT"}, "not-ct", "PT, not CT"),
        (
            {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
            "localizer",
            "a localizer: projections do not hold HU",
        ),
        ({"RescaleType": "MGML"}, "no-hu", "its units are mg/ml, not HU"),
        ({"RescaleType": lambda k: ["HU", "US"][k % 2]}, "no-hu", "its files do not state HU"),
    ],
)
def test_what_need_not_be_hu_is_not_looked_at_and_says_why(
    tmp_path: Path, changes: dict[str, object], state: str, reason: str
) -> None:
    folder = image(tmp_path, noisy((24, 64), (1064, 64)), RescaleIntercept=0, **changes)
    (one,) = checked(dm.scan(folder).series)
    assert (one.state, one.reason, one.sample, one.findings) == (state, reason, None, ())


def test_check_itself_leaves_out_what_need_not_be_hu(tmp_path: Path) -> None:
    folder = image(tmp_path, noisy((24, 64), (1064, 64)), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (volume,) = dm.load(folder)
    assert why_unchecked(volume) == ("", "")
    assert check_sample(volume, sample_of(volume)) == ()


def test_a_sample_too_small_to_tell_says_so(tmp_path: Path) -> None:
    write_series(tmp_path, 4)
    (one,) = checked(dm.scan(tmp_path).series)
    assert (one.state, one.reason) == ("too-small", "a sample of 768 pixels is too small")
    assert one.findings == ()


def test_files_without_an_image_are_told(tmp_path: Path) -> None:
    write_series(tmp_path, 2, PixelData=None, Rows=None, Columns=None)
    (one,) = checked(dm.scan(tmp_path).series)
    assert one.state == "refused"
    assert "no pixel data" in one.reason


def test_a_slice_that_cannot_be_read_costs_only_itself(phantom: Path, tmp_path: Path) -> None:
    folder = altered(every_sixth(phantom), tmp_path, no_intercept)
    catalog = dm.scan(folder)
    (folder / "slice_001.dcm").unlink()
    (one,) = checked(catalog.series)
    assert one.sample is not None
    assert one.sample.n_slices == 7
    assert [finding.code for finding in one.findings] == ["hu-intercept-missing"]


def test_a_volume_of_which_no_slice_can_be_read_says_so(phantom: Path, tmp_path: Path) -> None:
    folder = altered(every_sixth(phantom), tmp_path, no_intercept)
    catalog = dm.scan(folder)
    for path in folder.iterdir():
        path.unlink()
    (one,) = checked(catalog.series)
    assert one.state == "unreadable"
    assert "slice_" in one.reason
    assert str(folder) not in one.reason
    (finding,) = hu_findings([one])
    assert (finding.code, finding.severity, finding.evidence) == ("hu-unread", "decision", ((one.reason, 1),))
    assert catalog.where(dict(finding.selection)).n_files == 8


def test_a_series_without_a_uid_is_chosen_by_its_files(phantom: Path, tmp_path: Path) -> None:
    def change(dataset: pydicom.Dataset) -> None:
        no_intercept(dataset)
        dataset.SeriesInstanceUID = ""

    altered(every_sixth(phantom), tmp_path / "a", change)
    altered(sorted(phantom.iterdir())[:4], tmp_path / "b", lambda dataset: setattr(dataset, "Modality", "MR"))
    catalog = dm.scan(tmp_path)
    (finding,) = [finding for one in checked(catalog.series) for finding in one.findings]
    ((keyword, uids),) = finding.selection
    assert keyword == "SOPInstanceUID"
    assert len(uids) == 8


def test_progress_names_each_series_and_a_closed_check_ends(tmp_path: Path) -> None:
    for n in range(3):
        image(tmp_path / str(n), noisy((24, 64), (1064, 64)), RescaleIntercept=0, SeriesInstanceUID=f"1.2.{n}")
    series = dm.scan(tmp_path).series
    steps = list(iter_hu_check(series))
    assert [(step.done, step.total) for step in steps] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert steps[0] == HUCheckProgress(0, 3)
    assert [len(step.findings) for step in steps] == [0, 1, 1, 1]
    closed = iter_hu_check(series)
    next(closed)
    closed.close()
    assert list(closed) == []


# -- real files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "code", "words"), FAULTS)
def test_a_wrong_rescale_is_found_in_a_real_chest(
    shared: Path, tmp_path: Path, change: Change, code: str, words: str
) -> None:
    files = sorted((shared / "data" / "chestct-fuzun45").glob("*.dcm"))
    assert len(files) == 40
    (finding,) = findings_in(altered(files, tmp_path, change))
    assert finding.code == code
    assert words in finding.title


# Real CT series with what is found in them: padding that no tag states, by the mean and minimum of TRUTH.json.
PADDED = {"4 Lv2": -2000, "1 CT0": -2048, "1 CT": -2048, "2 HELICAL CHEST": -3051}


def test_real_series_are_silent_but_for_padding_left_in(shared: Path) -> None:
    found: dict[str, set[str]] = {}
    looked_at = 0
    for folder in sorted((shared / "data").iterdir()):
        if folder.is_dir():
            for one in checked(dm.scan(folder, workers=1).series):
                looked_at += one.sample is not None
                for finding in one.findings:
                    if finding.code == "hu-padding":
                        assert f"are exactly {PADDED[one.name]}" in finding.title.replace(",", " ").split(" which")[0]
                    found.setdefault(folder.name, set()).add(finding.code)
    assert found == {
        "cornerstone-wado": {"hu-padding", "hu-below"},  # lossy copies smeared the padding of one series
        "dicom-numpy-dupes": {"hu-padding"},
        "pydicom-package": {"hu-padding"},
    }
    assert looked_at >= 30


def test_samples_can_be_compared_with_other_things() -> None:
    sample = HUSample(low=0, counts=np.array([1]), n=1, n_padding=0, n_slices=1, rescale=None, bits=None, signed=None)
    assert sample != 1
    assert sample.spike == (0, 1.0)
