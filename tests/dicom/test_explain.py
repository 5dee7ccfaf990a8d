from __future__ import annotations

import re

import pytest

from napari_dicommeta.dicom.explain import EXPLAINED, explanation
from napari_dicommeta.dicom.tags import TagPath


@pytest.mark.parametrize("keyword", EXPLAINED)
def test_what_is_explained_is_a_tag_and_has_a_section(keyword: str) -> None:
    path = TagPath.parse(keyword)
    assert path.keyword == keyword
    assert re.search(r" · PS3\.\d+ (section )?(C\.)?\d+(\.\d+)*$", explanation(path))


def test_sixty_tags_are_explained_and_others_say_nothing() -> None:
    assert len(EXPLAINED) >= 60
    assert explanation(TagPath.parse("PatientComments")) == ""
    assert explanation(TagPath.parse("(0009,xx01,RESCALE)")) == ""
    nested = TagPath.parse("SharedFunctionalGroupsSequence.PixelMeasuresSequence.PixelSpacing")
    assert explanation(nested) == "mm between rows, then between columns · PS3.3 10.7.1.3"
