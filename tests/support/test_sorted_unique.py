from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_dicommeta.support.sorted_unique import sorted_unique


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
from napari_dicommeta.support.sorted_unique import sorted_unique
before = "numpy.ma" in sys.modules
sorted_unique(np.array([2, 1, 2]))
assert ("numpy.ma" in sys.modules) == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)
