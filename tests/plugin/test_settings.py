from __future__ import annotations

import os
from pathlib import Path

import pytest
from napari.settings import get_settings

from napari_dicommeta._napari.settings import is_preferred, prefer


@pytest.fixture(autouse=True)
def settings_as_before() -> object:
    before = dict(get_settings().plugins.extension2reader)
    yield
    get_settings().plugins.extension2reader = before


def test_settings_are_those_of_this_process_alone() -> None:
    assert Path(get_settings().config_path) == Path(os.environ["NAPARI_CONFIG"])
    assert Path(os.environ["NAPARI_CONFIG"]).parent.name.startswith("napari-config-")


def test_the_preference_is_napari_s_own_and_can_be_taken_back() -> None:
    get_settings().plugins.extension2reader = {"*.tif": "napari", "*.dcm": "another"}
    assert not is_preferred()
    prefer(True)
    assert is_preferred()
    readers = get_settings().plugins.extension2reader
    assert readers["*/"] == readers["*.dcm"] == "napari-dicommeta"
    assert readers["*.tif"] == "napari"
    prefer(False)
    assert not is_preferred()
    assert dict(get_settings().plugins.extension2reader) == {"*.tif": "napari"}


def test_taking_it_back_leaves_what_others_were_given() -> None:
    prefer(True)
    get_settings().plugins.extension2reader = {**get_settings().plugins.extension2reader, "*/": "another"}
    prefer(False)
    assert dict(get_settings().plugins.extension2reader).get("*/") == "another"
