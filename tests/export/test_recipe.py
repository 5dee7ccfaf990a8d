from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import ROOT, Raw, contour, ct_slice, encapsulated, enhanced, structure_set, write_series

import napari_dicommeta as dm
from napari_dicommeta.catalog.digest import catalog_digest
from napari_dicommeta.export import recipe_run
from napari_dicommeta.export.printable import kind_title
from napari_dicommeta.export.recipe import make_recipe, step_of, write_recipe
from napari_dicommeta.export.recipe_model import Recipe, Step, recipe_of_json
from napari_dicommeta.export.recipe_run import arrays, unchanged
from napari_dicommeta.findings.finding import Finding
from napari_dicommeta.support.errors import RecipeError

GUI = """
import runpy, sys
sys.argv[:] = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    gui = {"napari", "qtpy", "vispy"} & set(sys.modules)
    assert not gui, gui
"""


def run_fresh(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script in a fresh interpreter, in a folder that is not its own."""
    command = [sys.executable, "-c", GUI, str(script), *map(str, arguments)]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        command, capture_output=True, text=True, cwd="/", env=environment, check=False, encoding="utf-8"
    )


def child(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The same in this process, which is a second faster: arguments, folder, outputs and exit code are its own."""
    argv, folder, code = sys.argv, os.getcwd(), 0
    out, err = io.StringIO(), io.StringIO()
    sys.argv = [str(script), *map(str, arguments)]
    os.chdir("/")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            err.write(f"{ended.code}\n")
    finally:
        sys.argv = argv
        os.chdir(folder)
    return subprocess.CompletedProcess(sys.argv, code, out.getvalue(), err.getvalue())


def made_again(script: Path, *folder: Path) -> list[Any]:
    """Shape, dtype and hash of each array that a script makes."""
    volumes = runpy.run_path(str(script))["volumes"]
    return [[list(array.shape), str(array.dtype), hash_of(array)] for _, array in volumes(*map(str, folder))]


def hash_of(array: np.ndarray) -> str:
    return sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def shown(source: object, **options: str) -> list[Any]:
    """The same of the volumes that `load` gives."""
    arrays = [np.asarray(volume.array) for volume in dm.load(source, **options)]
    return [[list(one.shape), str(one.dtype), sha256(one.tobytes()).hexdigest()] for one in arrays]


def recipe_in(folder: Path, script: Path, *steps: Step, full: bool = False) -> Recipe:
    recipe = make_recipe(dm.scan(folder), folder, steps=steps, full=full)
    write_recipe(recipe, script)
    return recipe


def write_many(folder: Path) -> Path:
    """Three series: a plain one, one with a gap, a copy and an odd name, one of two frames a file; and a file more."""
    write_series(folder / "a", 4)
    write_series(
        folder / "b o'b", 6, SeriesInstanceUID="1.2.3", ImagePositionPatient=lambda k: [0, 0, [0, 1, 2, 5, 6, 7][k]]
    )
    shutil.copy(folder / "b o'b" / "im001.dcm", folder / "b o'b" / "copy.dcm")
    pixels = [np.full((8, 8), n, "<u2") for n in (5, 9)]
    frames = [{"ImagePositionPatient": [0, 0, -z]} for z in (0, 4)]
    shared = {
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [1, 1],
        "RescaleSlope": 2,
        "RescaleIntercept": -7,
    }
    (folder / "frames.dcm").write_bytes(
        enhanced(pixels, frames, shared, SeriesInstanceUID="1.2.4", SOPInstanceUID="1.9")
    )
    (folder / "report.dcm").write_bytes(
        ct_slice(0, PixelData=None, Rows=None, SeriesInstanceUID="1.2.5", Modality="SR")
    )
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_many(tmp_path / "source")


# -- what is in it ------------------------------------------------------------------------------------


def test_a_recipe_states_what_was_found_and_what_is_done(folder: Path) -> None:
    recipe = make_recipe(dm.scan(folder), folder, full=True)
    assert recipe.digest == catalog_digest(dm.scan(folder))
    assert (recipe.folder, recipe.sources, len(recipe.files)) == (str(folder), ("",), 13)
    of = {one.uid: one for one in recipe.series}
    plain = of["1.2.826.0.1.3680043.10.1731.99.2"]
    assert (plain.first, plain.modality, plain.n_files) == ("a/im001.dcm", "CT", 4)
    assert dict(plain.options) == {"split": "auto", "padding": "keep", "missing_rescale": "refuse"}
    (volume,) = plain.volumes
    assert (volume.shape, volume.dtype, volume.units, volume.axis) == ((4, 16, 12), "int16", "HU", "")
    assert volume.spacing == (2.5, 0.75, 0.5)
    assert volume.orientation == (1, 0, 0, 0, 1, 0)
    assert dict(volume.found) == {"slope": ("1",), "intercept": ("-1024",), "rescale_type": ("HU",)}
    assert volume.windows == ((40, 400, "LINEAR", "SOFT"), (-600, 1200, "LINEAR", "LUNG"))
    # Files are named in the reverse of their order.
    assert [recipe.files[n][0] for n in volume.files] == [f"a/im00{n}.dcm" for n in (4, 3, 2, 1)]
    assert volume.frames == ()
    (gapped,) = of["1.2.3"].volumes
    assert [recipe.files[n][0] for n, _ in gapped.left_out] in (["b o'b/copy.dcm"], ["b o'b/im001.dcm"])
    (frames,) = of["1.2.4"].volumes
    assert (frames.shape, frames.frames) == ((2, 8, 8), (1, 0))
    assert dict(frames.found)["intercept"] == ("-7",)
    assert of["1.2.5"].volumes == ()
    ((reason, files, plain),) = of["1.2.5"].refusals
    assert "no pixel data" in reason
    assert plain == reason
    assert [recipe.files[n][0] for n in files] == ["report.dcm"]


def test_json_gives_back_the_same_recipe(folder: Path) -> None:
    steps = (
        Step(
            "exclude", selection=(("KVP", True), (("WindowCenter", "WindowWidth"), (("40\\-600", None),))), reason="x"
        ),
        Step("exclude", selection=(("SliceThickness", slice(0.5, None)),)),
        Step("split", "gaps", (("SeriesInstanceUID", ("1.2.3",)),)),
        Step("resample", "1 mm", reason="spacings differ"),
    )
    recipe = make_recipe(dm.scan(folder), folder, steps=steps, full=True)
    assert recipe_of_json(recipe.to_json()) == recipe
    shareable = make_recipe(dm.scan(folder), folder, steps=steps)
    assert recipe_of_json(shareable.to_json()) == shareable
    assert json.loads(recipe.to_json())["digest"] == recipe.digest


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "steps": []}'])
def test_what_is_no_recipe_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"recipe|Expecting"):
        recipe_of_json(text)


def test_lists_in_a_selection_are_as_good_as_tuples() -> None:
    assert Step("exclude", selection=[("KVP", ["100"])]) == Step("exclude", selection=(("KVP", ("100",)),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "step",
    [
        Step("padding", "water"),
        Step("missing_rescale", "guess"),
        Step("split", "NoSuchKeyword"),
        Step("exclude"),
        Step("exclude", selection=(("NoSuchKeyword", ("1",)),)),
    ],
)
def test_a_step_that_cannot_be_done_is_refused_when_it_is_made(folder: Path, step: Step) -> None:
    with pytest.raises(ValueError, match=r"padding|missing_rescale|NoSuchKeyword|selection"):
        make_recipe(dm.scan(folder), folder, steps=[step])


def test_progress_counts_the_series(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    make_recipe(dm.scan(folder), folder, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_findings_that_have_a_step_and_those_that_are_advice() -> None:
    here = (("SeriesInstanceUID", ("1.2.3",)),)
    gap = Finding(code="gap", severity="decision", title="one slice is missing", selection=here)
    assert step_of(gap) == Step("split", "gaps", here, "one slice is missing")
    shifted = Finding(code="hu-intercept-missing", severity="wrong", title="Jane: air lies at 24", selection=here)
    assert step_of(shifted) == Step("exclude", "", here, kind_title("hu-intercept-missing"))
    assert (
        step_of(Finding(code="hu-sign", severity="wrong", title="without files")) is None
    )  # that would leave out everything
    assert step_of(Finding(code="lossy", severity="decision", title="a person decides", selection=here)) is None


# -- running it ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_script_makes_the_same_arrays_in_a_fresh_interpreter(folder: Path, tmp_path: Path) -> None:
    recipe = recipe_in(folder, tmp_path / "recipe.py")
    ran = run_fresh(tmp_path / "recipe.py", folder, "--out", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    hashes = [hash_of(np.load(path)) for path in (tmp_path / "out").iterdir()]
    assert sorted(hashes) == sorted(row[2] for row in shown(folder))
    assert len(hashes) == recipe.n_volumes == 3


def test_files_are_readable_by_their_owner_only(folder: Path, tmp_path: Path) -> None:
    written = write_recipe(make_recipe(dm.scan(folder), folder), tmp_path / "recipe.py")
    assert written == (str(tmp_path / "recipe.py"), str(tmp_path / "recipe.json"))
    if os.name == "posix":
        assert [os.stat(path).st_mode & 0o777 for path in written] == [0o600, 0o600]
    assert {path.name for path in tmp_path.iterdir()} == {"source", "recipe.py", "recipe.json"}
    with pytest.raises(ValueError, match="another suffix"):
        write_recipe(make_recipe(dm.scan(folder), folder), tmp_path / "recipe.json")


def test_neither_patients_nor_dates_are_in_it(folder: Path, tmp_path: Path) -> None:
    write_series(folder / "a", 4, PatientName="Canary^Name", PatientID="CANARY7", StudyDate="19830517")
    recipe_in(folder, tmp_path / "recipe.py")
    for path in (tmp_path / "recipe.py", tmp_path / "recipe.json"):
        text = path.read_text("utf-8")
        assert not [word for word in ("Canary", "CANARY7", "19830517", "Doe") if word in text]
    assert "names no files" in (tmp_path / "recipe.py").read_text("utf-8")
    assert not [word for word in ("im001", str(folder), "10.1731.99.2", "Test series") if word in text]


def test_a_moved_folder_is_given_as_the_argument(folder: Path, tmp_path: Path) -> None:
    recipe_in(folder, tmp_path / "recipe-PHI.py", full=True)
    expected = sorted(shown(folder))
    assert sorted(made_again(tmp_path / "recipe-PHI.py")) == expected
    shutil.move(folder, tmp_path / "moved")
    assert sorted(made_again(tmp_path / "recipe-PHI.py", tmp_path / "moved")) == expected
    gone = child(tmp_path / "recipe-PHI.py")
    assert gone.returncode == 1
    assert "the folder does not exist" in gone.stderr


def test_a_saved_catalog_gives_a_script_that_needs_the_folder(folder: Path, tmp_path: Path) -> None:
    dm.scan(folder).save(tmp_path / "c.parquet")
    write_recipe(make_recipe(dm.Catalog.load(tmp_path / "c.parquet"), None), tmp_path / "recipe.py")
    assert str(folder) not in (tmp_path / "recipe.py").read_text("utf-8")
    without = child(tmp_path / "recipe.py")
    assert (without.returncode, "give it as an argument" in without.stderr) == (1, True)
    assert sorted(made_again(tmp_path / "recipe.py", folder)) == sorted(shown(folder))
    # A folder above: the files lie deeper than when the recipe was made.
    (tmp_path / "above").mkdir()
    shutil.move(folder, tmp_path / "above" / "deeper")
    assert len(made_again(tmp_path / "recipe.py", tmp_path / "above")) == 3


def test_one_file_and_several_folders_are_sources_too(folder: Path, tmp_path: Path) -> None:
    for source in (folder / "frames.dcm", [folder / "a", folder / "frames.dcm"]):
        written, _ = write_recipe(make_recipe(dm.scan(source), source, full=True), tmp_path / "recipe.py")
        assert sorted(made_again(Path(written))) == sorted(shown(source))
        written, _ = write_recipe(make_recipe(dm.scan(source), source), tmp_path / "recipe.py")
        arguments = [source] if isinstance(source, Path) else source
        assert child(Path(written), *arguments).returncode == 0


def change_value(folder: Path) -> None:
    path = folder / "a" / "im004.dcm"
    path.write_bytes(path.read_bytes().replace(b"-1024 ", b"-1023 "))


def add_and_remove(folder: Path) -> None:
    (folder / "a" / "im001.dcm").rename(folder / "a" / "im009.dcm")
    change_value(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_value, ["1 changed (first: a/im004.dcm)"]),
        (
            add_and_remove,
            ["1 new (first: a/im009.dcm)", "1 missing (first: a/im001.dcm)", "1 changed (first: a/im004.dcm)"],
        ),
        (lambda folder: shutil.rmtree(folder / "a"), ["4 missing (first: a/im001.dcm)"]),
        (lambda folder: write_series(folder, 2, SeriesInstanceUID="1.2.9"), ["2 new (first: im001.dcm)"]),
    ],
)
def test_a_changed_folder_is_refused_in_one_sentence(
    folder: Path, tmp_path: Path, change: Any, words: list[str]
) -> None:
    recipe_in(folder, tmp_path / "recipe-PHI.py", full=True)
    change(folder)
    ran = child(tmp_path / "recipe-PHI.py")
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "has changed since the recipe was made" in ran.stderr
    assert [word for word in words if word not in ran.stderr] == []
    for kind in ("new", "missing", "changed"):
        assert (f" {kind} (" in ran.stderr) == any(f" {kind} (" in word for word in words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_value, ["1 new or changed (first: im004.dcm)", "1 missing or changed (first: number 4)"]),
        (
            lambda folder: shutil.rmtree(folder / "a"),
            ["4 missing or changed (first: number 1)"],
        ),
        (lambda folder: write_series(folder, 2, SeriesInstanceUID="1.2.9"), ["2 new or changed (first: im001.dcm)"]),
        (lambda folder: (folder / "a").rename(folder / "z"), ["renamed, moved or copied"]),
    ],
)
def test_a_recipe_without_names_says_by_number_what_changed(
    folder: Path, tmp_path: Path, change: Any, words: list[str]
) -> None:
    recipe_in(folder, tmp_path / "recipe.py")
    change(folder)
    ran = child(tmp_path / "recipe.py", folder)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert [word for word in words if word not in ran.stderr] == []


def test_pixels_that_changed_alone_are_seen_where_they_were_read(folder: Path, tmp_path: Path) -> None:
    catalog = dm.scan(folder)
    write_recipe(make_recipe(catalog, folder), tmp_path / "headers.py")
    write_recipe(make_recipe(catalog, folder, pixels=True), tmp_path / "pixels.py")
    assert sorted(made_again(tmp_path / "pixels.py", folder)) == sorted(shown(folder))
    path = folder / "a" / "im004.dcm"
    path.write_bytes(path.read_bytes()[:-2] + b"\1\1")
    assert len(made_again(tmp_path / "headers.py", folder)) == 3
    assert "it does not detect changes of pixels alone" in (tmp_path / "headers.py").read_text("utf-8")
    ran = child(tmp_path / "pixels.py", folder)
    assert (ran.returncode, "the pixels of the series of file 1 have changed" in ran.stderr) == (1, True)


def test_a_recipe_may_lie_in_its_folder(folder: Path) -> None:
    recipe_in(folder, folder / "recipe.py")
    assert sorted(made_again(folder / "recipe.py", folder)) == sorted(shown(folder))


def test_without_its_json_a_script_still_refuses(folder: Path, tmp_path: Path) -> None:
    recipe_in(folder, tmp_path / "recipe.py")
    (tmp_path / "recipe.json").unlink()
    assert sorted(made_again(tmp_path / "recipe.py", folder)) == sorted(shown(folder))
    change_value(folder)
    ran = child(tmp_path / "recipe.py", folder)
    assert ran.returncode == 1
    assert "a name, a size or a header differs" in ran.stderr


def test_json_of_another_recipe_is_not_believed(folder: Path, tmp_path: Path) -> None:
    recipe_in(folder, tmp_path / "recipe.py")
    write_series(tmp_path / "other", 2)
    other = make_recipe(dm.scan(tmp_path / "other"), tmp_path / "other")
    (tmp_path / "recipe.json").write_text(other.to_json())
    assert len(made_again(tmp_path / "recipe.py", folder)) == 3


def test_pixels_that_are_gone_are_told(folder: Path, tmp_path: Path) -> None:
    changes = {"PixelData": encapsulated([b"\xff\xd8\xff\xe0 no picture"])}
    (folder / "a" / "im004.dcm").write_bytes(ct_slice(0, "1.2.840.10008.1.2.4.70", **changes))
    recipe_in(folder, tmp_path / "recipe.py")
    ran = child(tmp_path / "recipe.py", folder)
    assert (ran.returncode, "im004.dcm: frame 1" in ran.stderr) == (1, True)


def test_arrays_are_written_where_asked_to(folder: Path, tmp_path: Path) -> None:
    recipe_in(folder, tmp_path / "recipe.py")
    ran = child(tmp_path / "recipe.py", folder, "--out", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 4
    assert "4 × 16 × 12" in ran.stdout
    expected = sorted(one[2] for one in shown(folder))
    files = sorted((tmp_path / "out").iterdir())
    assert sorted(sha256(np.load(path).tobytes()).hexdigest() for path in files) == expected
    for _ in range(2):  # the second time anew
        assert child(tmp_path / "recipe.py", folder, "--out", tmp_path / "all.npz").returncode == 0
    with np.load(tmp_path / "all.npz") as archive:
        assert sorted(archive) == ["volume_0001", "volume_0002", "volume_0003"]
        assert sorted(sha256(archive[name].tobytes()).hexdigest() for name in archive) == expected


def test_what_is_no_recipe_is_not_replaced_by_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("print('my own work')\n")
    with pytest.raises(ValueError, match=r"own\.py exists and is not a recipe: it would be overwritten"):
        recipe_in(folder, tmp_path / "own.py")
    assert (tmp_path / "own.py").read_text() == "print('my own work')\n"
    assert not (tmp_path / "own.json").exists()
    for _ in range(2):
        recipe_in(folder, tmp_path / "recipe.py")


def test_arrays_that_are_not_whole_have_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(file: Any, *_: Any, **__: Any) -> None:
        file.write(b"begun")
        raise OSError("100 requested and 5 written")  # as NumPy does on a full disk

    stated = {"units": "HU", "spacing": [1, None, 1], "first": "x"}

    def made(_: Any) -> Any:
        yield stated, np.zeros(3)

    monkeypatch.setattr("numpy.lib.format.write_array", full)
    for out in ("all.npz", "folder"):
        assert recipe_run.main(made, "in", ["--out", str(tmp_path / out)]) == 1
        assert "it cannot be written whole (100 requested and 5 written)" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


# -- steps --------------------------------------------------------------------------------------------


def test_steps_are_followed_and_advice_stays_advice(folder: Path, tmp_path: Path) -> None:
    padded = np.where(np.arange(192).reshape(16, 12) % 2, 1024, 0).astype("<u2")
    write_series(folder / "p", 3, pixels=padded, PixelPaddingValue=0, SeriesInstanceUID="1.2.6")
    write_series(folder / "m", 3, SeriesInstanceUID="1.2.7", RescaleSlope=lambda k: 1 if k else None)
    steps = (
        Step("exclude", selection=(("SeriesInstanceUID", ("1.2.4",)),), reason="too\nshort"),
        Step("split", "gaps", (("SeriesInstanceUID", ("1.2.3",)),), "slices are missing"),
        Step("padding", "air", (("PixelPaddingValue", True),), "padding is no air"),
        Step("missing_rescale", "series"),
        Step("resample", "1 × 1 × 1 mm", reason="spacings differ\nvery much"),
    )
    recipe = recipe_in(folder, tmp_path / "recipe.py", *steps)
    named = make_recipe(dm.scan(folder), folder, steps=steps, full=True)
    assert {named.files[n][0]: step for n, step in named.excluded} == {"frames.dcm": 0}
    assert recipe.excluded == named.excluded
    catalog = dm.scan(folder)

    def of(uid: str, **options: str) -> list[Any]:
        return shown(catalog.where(SeriesInstanceUID=uid), **options)

    expected = [
        *of("1.2.826.0.1.3680043.10.1731.99.2"),
        *of("1.2.3", split="gaps"),
        *of("1.2.6", padding="air"),
        *of("1.2.7", missing_rescale="series"),
    ]
    assert len(expected) == 5
    assert sorted(made_again(tmp_path / "recipe.py", folder)) == sorted(expected)
    text = (tmp_path / "recipe.py").read_text("utf-8")
    assert "#   1 × 1 × 1 mm: spacings differ" in text
    assert "#   padding = air: padding is no air" in text
    assert not [line for line in text.splitlines() if line.startswith(("short", "very much"))]


def test_what_all_series_have_in_common_is_said_once(tmp_path: Path) -> None:
    for n in range(20):
        write_series(
            tmp_path / "s" / str(n), 2, SeriesInstanceUID=f"1.2.{n}", SOPInstanceUID=lambda k, n=n: f"1.3.{n}.{k}"
        )
    recipe_in(tmp_path / "s", tmp_path / "recipe.py")
    text = (tmp_path / "recipe.py").read_text("utf-8")
    assert text.count("'slope'") == text.count("'orientation'") == text.count("'options'") == 1
    assert len(text.splitlines()) < 20 * 3 + 60
    assert len(made_again(tmp_path / "recipe.py", tmp_path / "s")) == 20


def test_names_and_texts_of_files_cannot_become_code(tmp_path: Path) -> None:
    odd = tmp_path / 'x"""\'); raise SystemExit("code") #{version}'
    write_series(odd, 2, SeriesInstanceUID="1.2'3", WindowCenterWidthExplanation=['"""', "\\N{x}\n#"])
    reason = '"""\nraise SystemExit("code")'
    steps = [
        Step("advise", "a\nraise SystemExit", reason=reason),
        Step("exclude", selection=(("KVP", ("1'\n",)),), reason=reason),
    ]
    recipe_in(odd, tmp_path / 'r"""e.py', *steps)
    assert made_again(tmp_path / 'r"""e.py', odd) == shown(odd)
    recipe_in(odd, tmp_path / 'r"""PHI.py', *steps, full=True)
    assert made_again(tmp_path / 'r"""PHI.py') == shown(odd)


def test_an_empty_catalog_makes_an_empty_recipe(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    recipe = recipe_in(tmp_path / "nothing", tmp_path / "recipe.py")
    assert recipe.n_volumes == 0
    assert recipe_of_json(recipe.to_json()) == recipe
    assert made_again(tmp_path / "recipe.py", tmp_path / "nothing") == []


def test_the_folder_may_be_left_out_only_where_it_is_known(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="give it as an argument"):
        unchanged(None, {"digest": "", "n_files": 0, "sources": ("",), "first": ()})


# -- what lies over images ----------------------------------------------------------------------------


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Return a folder with a CT that has overlays, and a structure set drawn on it."""
    overlay = {
        "60000010": Raw("US", b"\x10\0"),
        "60000011": Raw("US", b"\x0c\0"),
        "60000040": Raw("CS", b"G "),
        "60000050": Raw("SS", b"\1\0\1\0"),
        "60000100": Raw("US", b"\1\0"),
        "60000102": Raw("US", b"\0\0"),
        "60003000": Raw("OW", bytes(range(24))),
    }
    folder = tmp_path / "drawn"
    write_series(folder, 5, FrameOfReferenceUID=f"{ROOT}.5", **overlay)
    box = [(-8.0, -18.0), (-8.0, -12.0), (-6.0, -12.0), (-6.0, -18.0)]
    region = (3, "Lung^Jane", [255, 0, 0], [contour(box, 5.0)])
    (folder / "rs.dcm").write_bytes(structure_set(region))
    return folder


@pytest.mark.parametrize("full", [False, True])
def test_structures_and_overlays_are_made_again_with_their_images(drawn: Path, tmp_path: Path, full: bool) -> None:
    script = tmp_path / ("recipe-PHI.py" if full else "recipe.py")
    recipe = recipe_in(drawn, script, full=full)
    expected = shown(drawn)
    assert len(expected) == recipe.n_volumes == 3
    assert sorted(made_again(script, drawn)) == sorted(expected)
    (series,) = [series for series in recipe.series if series.modality == "RTSTRUCT"]
    (volume,) = series.volumes
    assert volume.shape == (5, 16, 12)
    assert volume.frames == (-1,) * 5
    assert volume.segments == ((3, "Lung^Jane" if full else "withheld"),)
    texts = script.read_text("utf-8") + script.with_suffix(".json").read_text("utf-8")
    assert ("Jane" in texts) == full


def test_structures_whose_images_are_left_out_are_refused_with_the_reason(drawn: Path, tmp_path: Path) -> None:
    recipe = recipe_in(drawn, tmp_path / "recipe.py", Step("exclude", "", (("Modality", ("CT",)),)))
    (series,) = recipe.series
    assert series.volumes == ()
    ((reason, _, _),) = series.refusals
    assert "images that its contours were drawn on are absent" in reason
    assert "images that its contours were drawn on are absent" in (tmp_path / "recipe.py").read_text("utf-8")
    assert made_again(tmp_path / "recipe.py", drawn) == []


def test_scripts_that_look_into_no_other_series_still_run(drawn: Path, tmp_path: Path) -> None:
    recipe_in(drawn, tmp_path / "recipe.py")
    text = (tmp_path / "recipe.py").read_text("utf-8")
    assert "'among': True" in text
    images = [series for series in dm.scan(drawn).series if series.modality == "CT"]
    of_images = make_recipe(images[0].catalog, drawn)
    assert of_images.n_volumes == 2
    old = runpy.run_path(str(tmp_path / "recipe.py"))
    entries = [
        {**old["ALL_SERIES"], **entry, "volumes": [{**old["ALL_VOLUMES"], **volume} for volume in entry["volumes"]]}
        for entry in old["SERIES"]
    ]
    for entry in entries:
        del entry["among"]
        entry["volumes"] = [volume for volume in entry["volumes"] if volume["units"] == "HU"]
    made = list(arrays(dm.scan(drawn), str(drawn), entries))
    assert [(entry["units"], array.shape) for entry, array in made] == [("HU", (5, 16, 12))]


# -- real files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["chestct-fuzun45", "dcm_qa_ct", "ibsi", "dicom-numpy-dupes"])
def test_recipes_of_real_folders_make_the_same_arrays(shared: Path, tmp_path: Path, name: str) -> None:
    folder = shared / "data" / name
    recipe = recipe_in(folder, tmp_path / "recipe.py")
    assert recipe_of_json((tmp_path / "recipe.json").read_text("utf-8")) == recipe
    assert sorted(made_again(tmp_path / "recipe.py", folder)) == sorted(shown(folder))
