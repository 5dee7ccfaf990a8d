"""Only our own decoders run: pydicom's, which take whatever plugin is installed, are never asked."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pytest
from coded_streams import GRAY, STREAMS
from pixel_factory import image

import napari_dicommeta as dm

FORBIDDEN = {"pixel_array", "convert_pixel_data", "pixel_data_handlers", "get_decoder", "DecodeRunner"}


def test_no_module_names_the_decoders_of_pydicom() -> None:
    for path in Path(dm.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = {node.attr} if isinstance(node, ast.Attribute) else set()
            if isinstance(node, ast.ImportFrom | ast.Import):
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                modules += [alias.name for alias in node.names]
                names |= {part for module in modules for part in module.split(".")}
                assert not any(module.startswith(("pydicom.pixels", "gdcm", "pylibjpeg")) for module in modules), path
            assert not names & FORBIDDEN, path


@pytest.mark.parametrize("syntax", STREAMS)
def test_images_open_where_the_decoders_of_pydicom_would_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str
) -> None:
    from pydicom.pixels.decoders.base import Decoder

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a decoder of pydicom was asked")

    for name in ("as_array", "as_buffer", "iter_array", "iter_buffer"):
        monkeypatch.setattr(Decoder, name, fail)
    monkeypatch.setitem(sys.modules, "gdcm", None)
    image(tmp_path / "x.dcm", [STREAMS[syntax]], GRAY.shape, syntax, "MONOCHROME2", samples=1)
    (volume,) = dm.load(tmp_path / "x.dcm")
    assert np.asarray(volume.array).shape[-2:] == GRAY.shape
