from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dicommeta.support.sorting import medians, percentiles, sorted_unique


@given(st.lists(st.integers(-3, 3)))
def test_the_distinct_values_are_those_of_numpy(values: list[int]) -> None:
    for array in (np.array(values, dtype=np.int32), np.array(values, dtype=np.int64).reshape(-1, 1)):
        found = sorted_unique(array)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, np.unique(array))


def test_masked_arrays_are_not_imported_for_it() -> None:
    code = """
import sys
import numpy as np
from napari_dicommeta.support.sorting import medians, sorted_unique
before = "numpy.ma" in sys.modules
sorted_unique(np.array([2, 1, 2]))
assert ("numpy.ma" in sys.modules) == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("shape", [(1,), (2,), (5,), (8,), (1, 3), (4, 3), (7, 2)])
def test_medians_are_those_of_numpy(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(len(shape)).integers(0, 9, shape)
    assert np.array_equal(medians(values), np.median(values, axis=0))


@pytest.mark.parametrize("shape", [(1,), (2,), (3, 4), (31, 17)])
def test_percentiles_are_those_of_numpy(shape: tuple[int, ...]) -> None:
    values, percents = np.random.default_rng(len(shape)).integers(-900, 900, shape), (0.0, 0.1, 37.0, 99.9, 100.0)
    np.testing.assert_allclose(percentiles(values, percents), np.percentile(values, percents))
