from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import DicomDictionary

from napari_dicommeta.dicom.tags import TagPath

PUBLIC = st.sampled_from(sorted(DicomDictionary)).map(lambda tag: (tag, ""))
CREATORS = st.text(st.characters(min_codepoint=32, max_codepoint=255), min_size=1, max_size=16).map(str.strip)
PRIVATE = st.tuples(
    st.integers(0, 0x7FFF).map(lambda group: (2 * group + 1) << 16), st.integers(0, 0xFF), CREATORS.filter(bool)
).map(lambda parts: (parts[0] | parts[1], parts[2]))


@given(st.lists(PUBLIC | PRIVATE, min_size=1, max_size=4))
def test_text_and_key_of_a_path_parse_back(elements: list[tuple[int, str]]) -> None:
    path = TagPath(tuple(elements))
    assert TagPath.parse(path.text) == path
    assert TagPath.of_key(path.key) == path


@pytest.mark.parametrize("text", ["WindowCenter", "(0028,1050)", "0028,1050", "00281050", " WindowCenter "])
def test_a_tag_may_be_written_in_several_ways(text: str) -> None:
    path = TagPath.parse(text)
    assert (path.tag, path.keyword, path.name, path.vr) == (0x00281050, "WindowCenter", "Window Center", "DS")
    assert path.display == "(0028,1050) WindowCenter"


def test_a_nested_path_is_named_level_by_level() -> None:
    path = TagPath.parse("SharedFunctionalGroupsSequence.PixelMeasuresSequence.PixelSpacing")
    assert path.key == "52009229/00289110/00280030"
    assert path.keyword == "PixelSpacing"


def test_a_private_element_is_named_by_its_creator_whatever_its_block() -> None:
    path = TagPath.of_key("0009xx01:GEMS_IDEN_01")
    assert path.text == "(0009,xx01,GEMS_IDEN_01)"
    assert path.is_private
    assert path.vr == "LO"


def test_a_tag_is_written_whole_whatever_its_creator_holds() -> None:
    path = TagPath.parse("(0019,xx01,ACME 1%2E2%2E3)")
    assert (path.tag_text, path.name) == ("(0019,xx01,ACME 1%2E2%2E3)", "ACME 1.2.3 0019,xx01")
    assert TagPath.parse(path.tag_text) == path
    nested = TagPath.parse("SharedFunctionalGroupsSequence.PixelMeasuresSequence.PixelSpacing")
    assert nested.tag_text == "(0028,0030)"


def test_repeating_groups_stay_apart() -> None:
    assert TagPath.of_key("60000010").text != TagPath.of_key("60020010").text
    assert TagPath.of_key("60020010").name == "Overlay Rows"


def test_what_is_no_tag_is_told_with_what_is() -> None:
    with pytest.raises(ValueError, match=r"'WindowCentre' is not a DICOM keyword.*write WindowCenter"):
        TagPath.parse("WindowCentre")
