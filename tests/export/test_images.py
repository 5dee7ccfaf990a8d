from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import write_series
from pixel_factory import colors, image

import napari_dicommeta as dm
from napari_dicommeta.cli.main import main
from napari_dicommeta.export.images import write_image, write_images
from napari_dicommeta.volumes.conversions import grid_of, ras_affine


def loaded(folder: Path, count: int = 5, **changes: Any) -> dm.Volume:
    write_series(folder, count, **changes)
    (volume,) = dm.load(folder)
    return volume


def test_nifti_and_nrrd_hold_the_same_voxels_and_places(tmp_path: Path) -> None:
    nibabel, nrrd = pytest.importorskip("nibabel"), pytest.importorskip("nrrd")
    volume = loaded(tmp_path / "a", ImagePositionPatient=lambda k: [-10, -20, 2.5 * k], PixelSpacing=[0.5, 0.75])
    for name in ("x.nii.gz", "x.nii", "x.nrrd"):
        write_image(volume, tmp_path / name)
    for name in ("x.nii.gz", "x.nii"):
        read = nibabel.load(tmp_path / name)
        assert np.array_equal(np.asanyarray(read.dataobj).T, np.asarray(volume))
        assert np.allclose(read.affine, ras_affine(volume))
    data, header = nrrd.read(str(tmp_path / "x.nrrd"), index_order="C")
    assert np.array_equal(data, np.asarray(volume))
    assert data.dtype == volume.array.dtype
    assert np.array_equal(header["space directions"].T, grid_of(volume)[:3, :3])
    assert np.array_equal(header["space origin"], grid_of(volume)[:3, 3])
    said = json.loads((tmp_path / "x.json").read_text())
    assert said["axes"] == ["k", "j", "i"]
    assert said["units"] == "HU"
    assert "name" not in said
    assert all(note.keys() == {"code", "severity", "standard"} for note in said["notes"])


def test_an_nrrd_is_read_alike_by_simpleitk(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    volume = loaded(tmp_path / "a")
    write_image(volume, tmp_path / "x.nrrd")
    read, expected = sitk.ReadImage(str(tmp_path / "x.nrrd")), volume.to_sitk()
    assert np.array_equal(sitk.GetArrayFromImage(read), np.asarray(volume))
    for name in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(read, name)(), getattr(expected, name)())


def test_colors_are_rgb(tmp_path: Path) -> None:
    nibabel, nrrd = pytest.importorskip("nibabel"), pytest.importorskip("nrrd")
    rgb = colors()
    image(tmp_path / "c.dcm", rgb.tobytes(), rgb.shape[:2])
    (volume,) = dm.load(tmp_path / "c.dcm")
    write_image(volume, tmp_path / "c.nii")
    write_image(volume, tmp_path / "c.nrrd")
    voxels = np.asanyarray(nibabel.load(tmp_path / "c.nii").dataobj)
    assert np.array_equal(np.stack([voxels[name] for name in "RGB"], axis=-1).transpose(2, 1, 0, 3)[0], rgb)
    assert np.array_equal(nrrd.read(str(tmp_path / "c.nrrd"), index_order="C")[0][0], rgb)


def test_names_are_safe_unique_and_by_template(tmp_path: Path) -> None:
    volume = loaded(tmp_path / "a", SeriesDescription="../Thorax: lung", SeriesNumber="2")
    names = [Path(item.path).name for item in write_images([volume, volume], tmp_path, ".nrrd", "{name}")]
    assert names == ["2_.._Thorax_lung.nrrd", "2_.._Thorax_lung-2.nrrd"]
    assert [Path(item.path).name for item in write_images([volume], tmp_path)] == ["001-CT.nii.gz"]
    with pytest.raises(ValueError, match="no template of names"):
        list(write_images([volume], tmp_path, template="{patient}"))
    with pytest.raises(ValueError, match="no template of names"):
        list(write_images([volume], tmp_path, template="{name.__class__}{number.x}"))
    with pytest.raises(ValueError, match="must be one of"):
        list(write_images([volume], tmp_path, ".png"))
    with pytest.raises(ValueError, match="must end in"):
        write_image(volume, tmp_path / "x.mha")


def test_the_command_writes_what_has_a_grid_and_names_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "in/a", 5)
    write_series(tmp_path / "in/b", 3, ImagePositionPatient=None, SeriesDescription="lost", SeriesInstanceUID="1.2.3")
    assert main(["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--no-cache"]) == 0
    out, err = capsys.readouterr()
    assert "1 file of 2 series in " in out
    assert "3 CT: 3 images without positions are no grid" in err  # the series description may name a person
    assert "lost" not in err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["001-CT.json", "001-CT.nii.gz"]


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    write_series(tmp_path / "in", 3)
    code = (
        "import sys; sys.modules['nibabel'] = None\n"
        "from napari_dicommeta.cli.main import main\n"
        "sys.exit(main(['convert', sys.argv[1], sys.argv[2], '--no-cache']))"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "in"), str(tmp_path / "out")]
    run = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert run.returncode in (1, 2)
    assert "pip install 'nibabel'" in run.stderr
    assert not list((tmp_path / "out").iterdir())


def test_a_json_of_something_else_stays_and_earlier_images_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nrrd")
    volume, out = loaded(tmp_path / "a"), tmp_path / "out"
    out.mkdir()
    for text in ('{"my": 1}', "[]", "1", "no JSON", "[" * 100_000):
        (out / "001-CT.json").write_text(text)
        with pytest.raises(FileExistsError, match="is no description of an image, and stays as it is"):
            write_image(volume, out / "001-CT.nrrd")
        assert (out / "001-CT.json").read_text() == text
    assert [path.name for path in out.iterdir()] == ["001-CT.json"]
    assert main(["convert", str(tmp_path / "a"), str(out), "--to", "nrrd"]) == 2
    assert "001-CT.json: it is no description of an image, and stays as it is: choose another name" in (
        capsys.readouterr().err
    )
    (out / "001-CT.json").unlink()
    assert [item.is_replaced for _ in range(2) for item in write_images([volume], out, ".nrrd")] == [False, True]
    assert main(["convert", str(tmp_path / "a"), str(out), "--to", "nrrd"]) == 0
    assert ", 1 in place of earlier ones" in capsys.readouterr().out


def test_an_image_that_is_not_whole_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nrrd")
    volume = loaded(tmp_path / "a")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("napari_dicommeta.export.images.put_text", full)
    with pytest.raises(OSError, match="No space left on device"):
        write_image(volume, tmp_path / "x.nrrd")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("template", ["{number:9999999999}", "{number:{number}}", "{number.__class__}", "{0}", "{"])
def test_a_template_can_take_no_memory_and_reach_nothing_else(tmp_path: Path, template: str) -> None:
    with pytest.raises(ValueError, match="is no template of names"):
        next(write_images([loaded(tmp_path / "a")], tmp_path, template=template))


def test_names_of_devices_are_not_used(tmp_path: Path) -> None:
    volume = loaded(tmp_path / "a")
    names = ("CON", "nul.x", "Com1", "console", "../../x")
    paths = [next(write_images([volume], tmp_path, ".nrrd", name)).path for name in names]
    expected = ["_CON", "_nul.x", "_Com1", "console", "x"]
    assert [Path(path).relative_to(tmp_path).as_posix() for path in paths] == [f"{name}.nrrd" for name in expected]
