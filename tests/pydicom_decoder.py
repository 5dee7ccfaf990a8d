"""A plugin by which pydicom decodes with the product's own codecs, for comparisons of all that comes after decoding."""

from __future__ import annotations

from typing import Any

from napari_dicommeta.dicom.codecs import DECODED, decode_frame

__all__ = ["decode_for_pydicom", "is_available", "register_with_pydicom"]


def is_available(uid: str) -> bool:
    """Return whether `decode_frame` can decode the transfer syntax; pydicom requires this function of a plugin."""
    return str(uid) in DECODED


def decode_for_pydicom(src: bytes, runner: Any) -> bytes:
    """Decode a frame for pydicom: return its samples as little endian bytes, color by pixel."""
    array = decode_frame(
        src, str(runner.transfer_syntax), runner.rows, runner.columns, runner.samples_per_pixel, runner.bits_allocated
    )
    runner.set_option("bits_allocated", array.dtype.itemsize * 8)
    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", 0)
        if str(runner.photometric_interpretation) in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", "RGB")
        elif str(runner.photometric_interpretation) == "YBR_FULL_422":
            runner.set_option("photometric_interpretation", "YBR_FULL")
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def register_with_pydicom() -> None:
    """Add `decode_for_pydicom` as a plugin to each of pydicom's decoders it supports; repeated calls do nothing."""
    from pydicom.pixels import decoders
    from pydicom.pixels.decoders.base import Decoder

    for decoder in vars(decoders).values():
        if isinstance(decoder, Decoder) and is_available(decoder.UID) and "dicommeta" not in decoder.available_plugins:
            decoder.add_plugin("dicommeta", (__name__, "decode_for_pydicom"))
