"""Data sets that Hypothesis builds, read by us and by pydicom: the same elements with the same values."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_factory import BIG, DEFLATED, EXPLICIT, IMPLICIT, dicom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_dicommeta.dicom.header import parse_header
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.values import decode, shortest

WORDS = st.text("ABC xyz019_", min_size=0, max_size=12).map(str.strip)
DECIMALS = st.one_of(
    st.integers(-9999, 9999).map(str),
    st.decimals(-9999, 9999, places=4, allow_nan=False).map(lambda d: format(d, "f")),
    st.floats(-1e10, 1e10, allow_nan=False).map(lambda f: f"{f:.6e}"),
)
TOP: dict[str, st.SearchStrategy[Any]] = {
    "ImageType": st.lists(WORDS.map(str.upper), min_size=1, max_size=4),
    "SeriesDescription": WORDS,
    "PatientName": WORDS.map(lambda text: text.replace(" ", "^")),
    "StudyInstanceUID": st.lists(st.integers(0, 10**9), min_size=1, max_size=6).map(lambda xs: ".".join(map(str, xs))),
    "SliceThickness": DECIMALS,
    "ImagePositionPatient": st.lists(DECIMALS, min_size=3, max_size=3),
    "InstanceNumber": st.integers(-(2**31), 2**31 - 1),
    "Rows": st.integers(0, 65535),
    "FrameIncrementPointer": st.integers(0, 2**32 - 1),
    "TagAngleFirstAxis": st.floats(allow_nan=False, allow_infinity=False),
    "ImageComments": WORDS,
    "SimpleFrameList": st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5),
}
ITEM = st.fixed_dictionaries({}, optional={"CodeValue": WORDS, "CodeMeaning": WORDS, "NumericValue": DECIMALS})
NESTED = st.fixed_dictionaries(
    {}, optional={"CodeValue": WORDS, "ConceptCodeSequence": st.lists(ITEM, max_size=3), "Rows": st.integers(0, 9)}
)
DATA_SETS = st.fixed_dictionaries(
    {"SOPClassUID": st.just("1.2.840.10008.5.1.4.1.1.88.11"), "Modality": st.just("SR")},
    optional={
        **TOP,
        "ProcedureCodeSequence": st.lists(NESTED, max_size=3),
        "ContentSequence": st.lists(NESTED, max_size=2),
    },
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(content=DATA_SETS, syntax=st.sampled_from([EXPLICIT, IMPLICIT, BIG, DEFLATED]))
def test_built_data_sets_equal_pydicoms(content: dict[str, Any], syntax: str) -> None:
    data = dicom({**content, "SOPInstanceUID": "1.2.3"}, syntax)
    header = parse_header(lambda offset, count: data[offset : offset + count], len(data))
    ours: dict[Any, list[str]] = {}
    for one in header.elements:
        path = TagPath.of_key(one.key)
        ours.setdefault(path.elements, []).append(decode(one.value, path).text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(data))
        theirs: dict[Any, list[str]] = {}
        flatten(dataset.file_meta, (), theirs)
        flatten(dataset, (), theirs)
    assert ours == theirs
    # Rows without pixel data, and a report without content: told, but all is read.
    assert bool(header.reason) == ("Rows" in content or "ContentSequence" not in content)
    assert header.transfer_syntax == syntax


def flatten(dataset: Any, prefix: tuple[Any, ...], out: dict[Any, list[str]]) -> None:
    for element in dataset:
        path = (*prefix, (int(element.tag), ""))
        if element.VR == "SQ":
            n = len(element.value)
            out.setdefault(path, []).append(f"{n} item{'s' if n != 1 else ''}")
            for item in element.value:
                flatten(item, path, out)
        else:
            out.setdefault(path, []).append(text_of(element.VR, element.value))


def text_of(vr: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, pydicom.multival.MultiValue)):
        return "\\".join(text_of(vr, one) for one in value)
    if vr == "OB":
        return bytes(value).hex(" ").upper()
    if vr == "AT":
        return f"({int(value) >> 16:04X},{int(value) & 0xFFFF:04X})"
    if vr in ("DS", "IS"):
        return shortest(str(getattr(value, "original_string", value)).strip()) or ""
    if vr in ("FL", "FD"):
        return shortest(str(np.float32(value)) if vr == "FL" else repr(float(value))) or ""
    return str(value).strip()


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-30, 123456.789, 2.0**60])
def test_floats_read_back_as_the_same_number(value: float) -> None:
    text = decode(b"FD." + struct.pack("<d", value), TagPath.parse("TagAngleFirstAxis")).text
    assert float(text) == value
