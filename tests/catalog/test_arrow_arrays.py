from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from dicom_factory import write_series

from napari_dicommeta.catalog.arrow_arrays import bool_array, number_array, numpy_of, scalar_of, text_array

WITHOUT_PANDAS = """
import sys
import napari_dicommeta as dm
catalog = dm.scan(sys.argv[1])
catalog.where(StudyID="1").values("InstanceNumber")
dm.load(catalog), dm.check(catalog, volumes=True), catalog.tags(), catalog.partial, catalog.to_arrow()
catalog.shareable().save(sys.argv[2])
dm.Catalog.load(sys.argv[2]).tags()
print("pandas" in sys.modules)
"""


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint64", "float64"])
def test_numbers_are_those_that_pyarrow_makes(dtype: str) -> None:
    values = np.arange(13).astype(dtype)
    absent = values % 3 == 0
    assert number_array(values).equals(pa.array(values))
    assert number_array(values[::2]).equals(pa.array(values[::2]))
    assert number_array(values, absent).equals(pa.array(values, mask=absent))
    assert number_array(values, np.zeros(13, bool)).null_count == 0
    assert np.array_equal(numpy_of(pa.array(values).slice(3, 5)), values[3:8])
    assert numpy_of(pa.array(values[:0])).shape == (0,)
    with pytest.raises(ValueError, match="5 of 13 values are null"):
        numpy_of(number_array(values, absent))
    if dtype != "uint64":
        part = number_array(values, absent).slice(2, 6)
        assert numpy_of(part, absent=-1).tolist() == [2, -1, 4, 5, -1, 7]
        assert numpy_of(part, absent=-1).dtype == dtype


def test_truth_values_are_those_that_pyarrow_makes() -> None:
    values = np.arange(21) % 3 == 0
    assert bool_array(values).equals(pa.array(values))
    assert np.array_equal(numpy_of(pa.array(values).slice(5, 11)), values[5:16])
    assert numpy_of(pa.array(values[:0])).dtype == bool


def test_texts_are_those_that_pyarrow_makes() -> None:
    for texts in (["a", "", "é語"], [None, "b", None], [], ["x" * n for n in range(20)]):
        assert text_array(texts).equals(pa.array(texts, pa.string()))
    assert text_array([b"\xff", None], pa.binary()).equals(pa.array([b"\xff", None], pa.binary()))
    with pytest.raises(UnicodeEncodeError):
        text_array(["\udcff"])


def test_single_values_are_those_that_pyarrow_makes() -> None:
    assert scalar_of(7, pa.int32()).equals(pa.scalar(7, pa.int32()))
    assert scalar_of(b"ab", pa.binary()).equals(pa.scalar(b"ab", pa.binary()))


def test_pandas_is_not_imported_for_nothing(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    write_series(tmp_path / "a", 6)
    arguments = [sys.executable, "-c", WITHOUT_PANDAS, str(tmp_path / "a"), str(tmp_path / "c.parquet")]
    run = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]
