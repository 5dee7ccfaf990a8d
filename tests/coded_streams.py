"""One small image in each codec, for tests of cut and damaged files."""

from __future__ import annotations

import imagecodecs
import numpy as np
from pixel_factory import rle

from napari_dicommeta.dicom.uids import RLE

GRAY = (5 * np.arange(24)[:, np.newaxis] + 3 * np.arange(32)).astype(np.uint8)
J2K = {"codecformat": "j2k", "reversible": True, "level": 0}
STREAMS = {
    "1.2.840.10008.1.2.4.50": bytes(imagecodecs.jpeg8_encode(GRAY, level=90)),
    "1.2.840.10008.1.2.4.70": bytes(imagecodecs.jpeg8_encode(GRAY, lossless=True, predictor=1)),
    "1.2.840.10008.1.2.4.80": bytes(imagecodecs.jpegls_encode(GRAY)),
    "1.2.840.10008.1.2.4.81": bytes(imagecodecs.jpegls_encode(GRAY, level=2)),
    "1.2.840.10008.1.2.4.90": bytes(imagecodecs.jpeg2k_encode(GRAY, **J2K)),
    "1.2.840.10008.1.2.4.91": bytes(imagecodecs.jpeg2k_encode(GRAY, codecformat="j2k", level=60)),
    "1.2.840.10008.1.2.4.201": bytes(imagecodecs.htj2k_encode(GRAY, reversible=True)),
    RLE: rle(GRAY),
}
"""Transfer syntax -> a codestream of `GRAY`."""
