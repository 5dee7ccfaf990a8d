"""The names at the top level, used as a script uses them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from dicom_factory import write_series

import napari_dicommeta as dm


def test_every_public_name_is_there_and_documented() -> None:
    assert sorted(dm.__all__) == [name for name in sorted(dir(dm)) if name in dm.__all__]
    assert [name for name in dm.__all__ if name != "__version__" and not getattr(dm, name).__doc__] == []
    with pytest.raises(AttributeError, match="no_such_name"):
        dm.no_such_name  # noqa: B018


def test_what_is_counted_is_checked_compared_audited_and_tabulated(tmp_path: Path) -> None:
    for number, kernel in enumerate(("B30f", "B80f", "B30f", "B80f")):
        write_series(
            tmp_path / f"p{number}",
            3,
            ConvolutionKernel=kernel,
            SeriesInstanceUID=f"1.2.{number}",
            PatientID=f"p{number}",
        )
    catalog = dm.scan(tmp_path)
    soft, sharp = catalog.where(ConvolutionKernel="B30f"), catalog.where(ConvolutionKernel="B80f")
    counted, checked = dm.check(catalog, volumes=False), dm.check(catalog)
    assert {finding.code for finding in counted} <= {finding.code for finding in checked}
    assert all(isinstance(finding, dm.Finding) and isinstance(finding, dm.Note) for finding in checked)
    kernel = next(tag for tag in dm.compare(soft, sharp) if tag.path.text == "ConvolutionKernel")
    assert kernel.distance == 1
    table = dm.series_table(catalog)
    assert (table.num_rows, sorted(table["SeriesInstanceUID"].to_pylist())) == (4, [f"1.2.{n}" for n in range(4)])
    (tmp_path / "labels.csv").write_text("patient,label\n" + "".join(f"p{n},{n % 2}\n" for n in range(4)))
    audit = dm.audit(catalog, dm.read_labels(tmp_path / "labels.csv"))
    assert max(tag.score for tag in audit.tags) == next(
        tag.score for tag in audit.tags if tag.path.text == "ConvolutionKernel"
    )
    recipe = dm.make_recipe(catalog, tmp_path)
    assert recipe.n_volumes == 4
    dm.write_recipe(recipe, tmp_path / "recipe.py")
    assert (tmp_path / "recipe.py").exists()


def test_every_error_is_below_one_base(tmp_path: Path) -> None:
    text = tmp_path / "in" / "x.parquet"
    text.parent.mkdir()
    text.write_text("no catalog")
    for make in (
        lambda: dm.load(tmp_path),
        lambda: dm.Catalog.load(text),
    ):
        with pytest.raises(dm.DicomMetaError):
            make()
    errors = [getattr(dm, name) for name in dm.__all__ if name.endswith("Error")]
    assert len(errors) >= 6
    assert [error for error in errors if not issubclass(error, dm.DicomMetaError)] == []


def test_importing_it_imports_nothing_else() -> None:
    code = "import sys, napari_dicommeta; print(sorted({'numpy', 'pydicom', 'pyarrow', 'napari'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_help_of_the_commands_loads_what_it_prints_and_no_more() -> None:
    """A shell that completes words asks for the arguments at each key: reading DICOM is loaded by what reads it."""
    script = "import sys; from napari_dicommeta.cli import main\ntry: main.main(['--help'])\nexcept SystemExit: pass\n"
    script += "print(*sorted(sys.modules), file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr.split()
    assert not {"numpy", "pydicom", "pyarrow", "napari", "fsspec"} & {*loaded}
    packages = {name.split(".")[1] for name in loaded if name.startswith("napari_dicommeta.")}
    assert packages == {"_version", "cli", "support", "volumes"}
    assert [name for name in loaded if name.startswith("napari_dicommeta.volumes.")] == [
        "napari_dicommeta.volumes.severities"
    ]
