from __future__ import annotations

import pytest

from napari_dicommeta.privacy import is_identifying
from napari_dicommeta.tags import TagPath


@pytest.mark.parametrize(
    ("tag", "vr", "expected"),
    [
        ("PatientName", "PN", True),
        ("PatientID", "LO", True),
        ("StudyDate", "DA", True),
        ("SOPInstanceUID", "UI", True),
        ("SOPClassUID", "UI", False),
        ("StudyDescription", "LO", True),
        ("ConvolutionKernel", "SH", False),
        ("RescaleSlope", "DS", False),
        ("Modality", "CS", False),
        ("(0009,xx01,GEMS_IDEN_01)", "LO", True),
        ("ProcedureCodeSequence.CodeMeaning", "LO", False),
    ],
)
def test_who_is_named_and_who_is_not(tag: str, vr: str, expected: bool) -> None:
    assert is_identifying(TagPath.parse(tag), vr) is expected
