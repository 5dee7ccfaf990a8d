"""The data dictionaries give what pydicom gives, without importing it."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import pydicom.datadict as theirs
import pytest

from napari_dicommeta.dicom import dictionary


def their_public(tag: int) -> Any:
    try:
        return theirs.get_entry(tag)
    except KeyError:
        return None


def their_private(tag: int, creator: str) -> Any:
    try:
        return theirs.get_private_entry(tag, creator)
    except KeyError:
        return None


def test_each_entry_of_the_standard_and_every_repeating_group_are_as_pydicom_gives_them() -> None:
    tags = list(theirs.DicomDictionary)
    groups = [int(key.replace("x", digit), 16) for key in theirs.RepeatersDictionary for digit in "024f"]
    chance = random.Random(4)
    others = [chance.choice(tags) ^ 1 << chance.randrange(32) for _ in range(5000)]
    for tag in tags + groups + others:
        assert dictionary.public_entry(tag) == their_public(tag)
        assert dictionary.keyword_of(tag) == theirs.keyword_for_tag(tag)


def test_keywords_lead_to_the_tags_of_pydicom() -> None:
    assert dictionary.known_keywords() == theirs.keyword_dict
    assert dictionary.tag_of("PixelSpacing") == 0x00280030
    assert dictionary.tag_of("OverlayRows") is None  # of a repeating group: which of its tags is meant is not known


def test_each_private_entry_is_as_pydicom_gives_it() -> None:
    n = 0
    for creator, entries in theirs.private_dictionaries.items():
        assert dictionary.is_known_creator(creator)
        for key in entries:
            tag = int(key.replace("xx", "10").replace("xx", "11"), 16)
            assert dictionary.private_entry(tag, creator) == their_private(tag, creator)
            assert dictionary.private_entry(tag ^ 1, creator) == their_private(tag ^ 1, creator)
            n += 1
    assert n > 5000
    assert not dictionary.is_known_creator("NOBODY")
    assert dictionary.private_entry(0x00091001, "NOBODY") is None


@pytest.mark.parametrize("question", ["public_entry(0x00280030)", "private_entry(0x00291008, 'SIEMENS CSA HEADER')"])
def test_a_question_does_not_import_pydicom(question: str) -> None:
    code = f"import sys\nfrom napari_dicommeta.dicom.dictionary import *\nassert {question}"
    code += "\nprint('pydicom' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_the_files_of_pydicom_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pydicom._dicom_dict")
    monkeypatch.setattr(dictionary, "find_spec", lambda _name: None)
    assert dictionary._tables("_dicom_dict").DicomDictionary[0x00280030][4] == "PixelSpacing"
