"""Damaged codestreams of each kind: which of them end a process, and that none ends this one.

``MUTANTS=20000 python -m pytest tests/dicom/test_codec_mutants.py -s`` prints the figures of CONTRIBUTING.
"""

from __future__ import annotations

import io
import os
import random
import zlib
from collections import Counter
from contextlib import suppress

import imagecodecs
import numpy as np
import pytest
from pixel_factory import rle

from napari_dicommeta.dicom.codec_pool import SAFE_KINDS, CodecPool
from napari_dicommeta.dicom.codec_worker import CodedFrame
from napari_dicommeta.dicom.uids import DEFLATED_FRAME, RLE
from napari_dicommeta.support.errors import DecodeError

MUTANTS = int(os.environ.get("MUTANTS", "150"))
J, I = np.mgrid[:24, :32]  # noqa: E741
GRAY = (5 * J + 3 * I).astype(np.uint8)
DEEP = (GRAY.astype(np.uint16) * 16 + np.random.default_rng(1).integers(0, 16, GRAY.shape)).astype(np.uint16)
RGB = np.ascontiguousarray(np.stack([GRAY, GRAY[::-1], 255 - GRAY], axis=-1))
IMAGES = {"gray": GRAY, "deep": DEEP, "rgb": RGB}
J2K = {"codecformat": "j2k", "reversible": True, "level": 0}


def deflated(samples: np.ndarray) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(samples.tobytes()) + packer.flush()


def progressive(samples: np.ndarray) -> bytes:
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.fromarray(samples).save(file, "JPEG", quality=90, progressive=True)
    return file.getvalue()


ENCODERS = {
    "jpeg": (lambda samples: imagecodecs.jpeg8_encode(samples, level=90), ("gray", "rgb")),
    "jpeg-progressive": (progressive, ("gray", "rgb")),
    "jpeg-lossless": (
        lambda samples: (
            imagecodecs.jpeg8_encode(samples, lossless=True, predictor=1, bitspersample=8)
            if samples.dtype == np.uint8
            else imagecodecs.ljpeg_encode(samples)
        ),
        ("gray", "deep", "rgb"),
    ),
    "jpeg-ls": (imagecodecs.jpegls_encode, ("gray", "deep", "rgb")),
    "jpeg-ls-near": (lambda samples: imagecodecs.jpegls_encode(samples, level=2), ("gray", "deep", "rgb")),
    "jpeg-2000": (lambda samples: imagecodecs.jpeg2k_encode(samples, **J2K), ("gray", "deep", "rgb")),
    "htj2k": (lambda samples: imagecodecs.htj2k_encode(samples, reversible=True), ("gray", "deep", "rgb")),
    "rle": (rle, ("gray", "deep", "rgb")),
    "deflated": (deflated, ("gray", "deep", "rgb")),
}
SYNTAX = {"rle": RLE, "deflated": DEFLATED_FRAME}


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Return `data` with one to four faults: bits, bytes, markers, blocks moved, doubled, lost or cut."""
    raw = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4))):
        # Half of the faults hit the header, where a byte decides the most.
        place = dice.randrange(min(len(raw), 200) if dice.random() < 0.5 else len(raw))
        kind = dice.randrange(9)
        if kind == 0:
            raw[place] ^= 1 << dice.randrange(8)
        elif kind == 1:
            raw[place] = dice.randrange(256)
        elif kind == 2:
            raw[place] = dice.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
        elif kind == 3:
            raw[place : place + 2] = bytes((0xFF, dice.choice((0xC4, 0xC3, 0xDA, 0xDB, 0xD9, 0xD0, 0xDD, 0x93, 0x90))))
        elif kind == 4:
            del raw[place : place + dice.randrange(1, 40)]
        elif kind == 5:
            raw[place:place] = raw[place : place + dice.randrange(1, 40)]
        elif kind == 6:
            raw[place:place] = dice.randbytes(dice.randrange(1, 9))
        elif kind == 7:
            raw[place : place + 4] = dice.choice(
                (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\xff\xff", b"\x7f\xff\xff\xff")
            )
        else:
            del raw[place:]
        if len(raw) < 4:
            raw += bytes(4)
    return bytes(raw)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENCODERS)
def test_damaged_codestreams_end_no_process_but_their_own(kind: str) -> None:
    encode, names = ENCODERS[kind]
    seeds = [(IMAGES[name], bytes(encode(IMAGES[name]))) for name in names]
    ends: Counter[str] = Counter()
    pool = CodecPool(1)
    try:
        for number in range(MUTANTS):
            samples, data = seeds[number % len(seeds)]
            frame = (mutated(data, random.Random(f"{kind} {number}")), SYNTAX.get(kind, ""))
            size = (*samples.shape[:2], samples.shape[2] if samples.ndim == 3 else 1, samples.dtype.itemsize * 8)
            try:
                decoded = pool.decode(CodedFrame(*frame, *size))
            except DecodeError as error:
                text = str(error)
                ends["died" if "ended the" in text else "too long" if "takes more" in text else "refused"] += 1
            else:
                assert decoded.shape == samples.shape
                ends["decoded"] += 1
        # The process that is left, or a new one, decodes a whole frame.
        np.testing.assert_array_equal(
            pool.decode(CodedFrame(bytes(imagecodecs.jpegls_encode(GRAY)), "", 24, 32, 1, 8)), GRAY
        )
    finally:
        pool.close()
    print(f"\n{kind}: {MUTANTS} mutants, {dict(ends)}, {pool.deaths} processes ended")  # noqa: T201
    assert sum(ends.values()) == MUTANTS
    if kind in SAFE_KINDS or kind == "jpeg":  # small frames of baseline JPEG are decoded in this process
        assert pool.deaths == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jpeg-lossless", "jpeg-ls", "jpeg-2000", "htj2k"])
def test_what_is_decoded_of_a_damaged_frame_is_the_same_in_each_process(kind: str) -> None:
    # A codec that stops early and says nothing leaves what was in the memory before: pixels that no file holds.
    encode, names = ENCODERS[kind]
    decoded = []
    for _ in range(2):
        pool = CodecPool(1)
        found = {}
        try:
            for name in names:
                samples = IMAGES[name]
                size = (*samples.shape[:2], samples.shape[2] if samples.ndim == 3 else 1, samples.dtype.itemsize * 8)
                seed = bytes(encode(samples))
                for number in range(400):
                    frame = CodedFrame(mutated(seed, random.Random(f"again {number}")), "", *size)
                    with suppress(DecodeError):
                        found[name, number] = pool.decode(frame).tobytes()
        finally:
            pool.close()
        decoded.append(found)
    assert decoded[0] == decoded[1]
    assert len(decoded[0]) > 20
