from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import BIG, DEFLATED, EXPLICIT, IMPLICIT, Raw
from pixel_factory import colors, image, partial_of, rle, ybr_of

import napari_dicommeta as dm
from napari_dicommeta.dicom.pixels import read_color, stored_digest
from napari_dicommeta.dicom.uids import DEFLATED_FRAME, RLE
from napari_dicommeta.support.errors import PixelError

BASELINE, LOSSLESS, JLS, J2K, J2K_ANY, HT = (
    f"1.2.840.10008.1.2.4.{end}" for end in ("50", "70", "80", "90", "91", "201")
)
ROUNDING = 2
"""How far colors move when they are rounded to YBR and back."""


def encode(codec: str, samples: np.ndarray, **options: Any) -> bytes:
    import imagecodecs

    return bytes(getattr(imagecodecs, f"{codec}_encode")(samples, **options))


def smooth(rows: int = 16, columns: int = 32) -> np.ndarray:
    """Return colors that a lossy codec hardly changes."""
    j, i = np.mgrid[:rows, :columns]
    return np.stack([100 + 3 * j, 150 - 2 * i, 90 + j + i], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("bits", [8, 16])
def test_native_colors_are_ordered_by_planar_configuration(tmp_path: Path, syntax: str, planar: int, bits: int) -> None:
    frames = [colors(top=1 << bits, seed=n) for n in range(3)]
    stored = [frame.transpose(2, 0, 1) if planar else frame for frame in frames]
    order = ">" if syntax == BIG else "<"
    raw = b"".join(np.ascontiguousarray(one).astype(f"{order}u{bits // 8}").tobytes() for one in stored)
    file = image(tmp_path / "x.dcm", raw, (12, 16), syntax, bits=bits, frames=3, PlanarConfiguration=planar)
    for n, frame in enumerate(frames):
        np.testing.assert_array_equal(file.color(n), frame, strict=True)
    with pytest.raises(PixelError, match=r"frame 4: .* bytes of pixel data are present"):
        file.color(3)


def test_bytes_in_big_endian_words_are_put_in_order(tmp_path: Path) -> None:
    frames = np.stack([colors(3, 5, seed=n) for n in range(2)])  # 45 bytes a frame: the second begins inside a word
    raw = Raw("OW", np.frombuffer(frames.tobytes(), ">u2").astype("<u2").tobytes())
    file = image(tmp_path / "x.dcm", raw, (3, 5), BIG, frames=2)
    for n in range(2):
        np.testing.assert_array_equal(file.color(n), frames[n], strict=True)
    gray = frames[..., 0].copy()
    raw = Raw("OW", np.frombuffer(gray.tobytes(), ">u2").astype("<u2").tobytes())
    file = image(tmp_path / "y.dcm", raw, (3, 5), BIG, "MONOCHROME2", samples=1, frames=2)
    for n in range(2):
        np.testing.assert_array_equal(file.gray(n), gray[n], strict=True)


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_native_ybr_becomes_rgb(tmp_path: Path, syntax: str) -> None:
    rgb = smooth()
    file = image(tmp_path / "x.dcm", ybr_of(rgb).tobytes(), rgb.shape[:2], syntax, "YBR_FULL")
    assert np.abs(file.color().astype(int) - rgb).max() <= ROUNDING
    file = image(tmp_path / "y.dcm", partial_of(rgb).tobytes(), rgb.shape[:2], syntax, "YBR_PARTIAL_422")
    assert np.abs(file.color().astype(int) - rgb).max() <= ROUNDING


def test_ybr_is_converted_as_by_pydicom(tmp_path: Path) -> None:
    from pydicom.pixels.processing import convert_color_space

    ybr = np.stack(np.meshgrid(np.arange(0, 256, 5), np.arange(0, 256, 3)), axis=-1).astype(np.uint8)
    ybr = np.concatenate([ybr, ybr[::-1, :, :1]], axis=-1)
    file = image(tmp_path / "x.dcm", ybr.tobytes(), ybr.shape[:2], photometric="YBR_FULL")
    np.testing.assert_array_equal(file.color(), convert_color_space(ybr, "YBR_FULL", "RGB"))


@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_PARTIAL_422"])
def test_two_pixels_share_the_chrominance_of_subsampled_samples(tmp_path: Path, photometric: str) -> None:
    rgb = np.repeat(smooth(8, 10), 2, axis=1)
    ybr = ybr_of(rgb) if photometric == "YBR_FULL_422" else partial_of(rgb)
    pairs = ybr.reshape(8, 10, 2, 3)
    raw = np.concatenate([pairs[..., 0], pairs[:, :, 0, 1:]], axis=-1).tobytes()
    assert len(raw) == 8 * 20 * 2
    file = image(tmp_path / "x.dcm", raw + raw[::-1], (8, 20), photometric=photometric, frames=2)
    assert np.abs(file.color().astype(int) - rgb).max() <= ROUNDING
    assert stored_digest(file.path, file.offset, 0, file.format) != stored_digest(
        file.path, file.offset, 1, file.format
    )
    full = image(tmp_path / "y.dcm", ybr.tobytes(), (8, 20), photometric=photometric)  # so called, and not subsampled
    np.testing.assert_array_equal(full.color(), file.color())


def test_partial_420_has_no_native_order(tmp_path: Path) -> None:
    file = image(tmp_path / "x.dcm", bytes(16 * 16 * 3 // 2), (16, 16), photometric="YBR_PARTIAL_420")
    with pytest.raises(PixelError, match="no order of native samples is defined for YBR_PARTIAL_420"):
        file.color()


def test_the_dtype_depends_on_bits_stored_and_not_on_the_frame(tmp_path: Path) -> None:
    dark, bright = colors(top=200).astype(np.uint16), colors(top=4096)
    undefined = (bright | 0xF000).astype("<u2").tobytes()  # bits above Bits Stored
    file = image(tmp_path / "x.dcm", dark.astype("<u2").tobytes() + undefined, (12, 16), bits=16, stored=12, frames=2)
    np.testing.assert_array_equal(file.color(0), dark, strict=True)
    np.testing.assert_array_equal(file.color(1), bright, strict=True)
    shifted = image(tmp_path / "y.dcm", (bright << 4).astype("<u2").tobytes(), (12, 16), bits=16, stored=12, HighBit=15)
    np.testing.assert_array_equal(shifted.color(), bright, strict=True)
    (volume,) = dm.load(tmp_path / "x.dcm")
    np.testing.assert_array_equal(np.asarray(volume.array), np.stack([dark, bright]), strict=True)
    eight = image(tmp_path / "z.dcm", dark.astype("<u2").tobytes(), (12, 16), bits=16, stored=8)
    np.testing.assert_array_equal(eight.color(), dark.astype(np.uint8), strict=True)
    wide = image(tmp_path / "w.dcm", (bright.astype("<u4") << 20).tobytes(), (12, 16), bits=32)
    np.testing.assert_array_equal(wide.color(), bright << 4, strict=True)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize(
    ("syntax", "codec", "options"),
    [
        (LOSSLESS, "jpeg8", {"lossless": True, "predictor": 1}),
        (JLS, "jpegls", {}),
        (J2K, "jpeg2k", {"codecformat": "j2k", "reversible": True, "level": 0, "mct": False}),
        (HT, "htj2k", {"reversible": True}),
        (BASELINE, "jpeg8", {"level": 100, "colorspace": "RGB", "outcolorspace": "RGB"}),
    ],
)
def test_the_codestream_orders_its_samples_whatever_planar_configuration_says(
    tmp_path: Path, syntax: str, codec: str, options: dict[str, Any], planar: int
) -> None:
    rgb = smooth()
    data = encode(codec, rgb, **options)
    file = image(tmp_path / "x.dcm", [data, data], rgb.shape[:2], syntax, PlanarConfiguration=planar)
    tolerance = 1 if syntax == BASELINE else 0
    assert file.color(1).dtype == np.uint8
    assert np.abs(file.color(1).astype(int) - rgb).max() <= tolerance


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("bits", [8, 16])
def test_rle_orders_its_samples_by_plane_whatever_planar_configuration_says(
    tmp_path: Path, planar: int, bits: int
) -> None:
    rgb = colors(top=1 << bits)
    file = image(tmp_path / "x.dcm", [rle(rgb)], (12, 16), RLE, bits=bits, PlanarConfiguration=planar)
    np.testing.assert_array_equal(file.color(), rgb, strict=True)
    ybr = image(tmp_path / "y.dcm", [rle(ybr_of(smooth()))], (16, 32), RLE, "YBR_FULL", PlanarConfiguration=planar)
    assert np.abs(ybr.color().astype(int) - smooth()).max() <= ROUNDING


@pytest.mark.parametrize("planar", [0, 1])
def test_deflated_frames_are_ordered_like_native_ones(tmp_path: Path, planar: int) -> None:
    rgb = colors()
    raw = np.ascontiguousarray(rgb.transpose(2, 0, 1) if planar else rgb).tobytes()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(raw) + packer.flush()
    file = image(tmp_path / "x.dcm", [data], (12, 16), DEFLATED_FRAME, PlanarConfiguration=planar)
    np.testing.assert_array_equal(file.color(), rgb, strict=True)


@pytest.mark.parametrize(
    ("photometric", "options"),
    [
        ("RGB", {"mct": False, "reversible": True, "level": 0}),
        ("YBR_RCT", {"mct": True, "reversible": True, "level": 0}),
        ("YBR_ICT", {"mct": True, "level": 60}),
    ],
)
@pytest.mark.parametrize("container", ["j2k", "jp2"])
def test_the_component_transform_is_part_of_jpeg_2000(
    tmp_path: Path, photometric: str, options: dict[str, Any], container: str
) -> None:
    rgb = smooth()
    data = encode("jpeg2k", rgb, codecformat=container, **options)
    file = image(tmp_path / "x.dcm", [data], rgb.shape[:2], J2K_ANY, photometric)
    assert np.abs(file.color().astype(int) - rgb).max() <= (ROUNDING if photometric == "YBR_ICT" else 0)


def test_ybr_without_a_component_transform_is_converted(tmp_path: Path) -> None:
    rgb = smooth()
    for syntax, codec, options in (
        (J2K, "jpeg2k", {"codecformat": "j2k", "reversible": True, "level": 0, "mct": False}),
        (JLS, "jpegls", {}),
    ):
        data = encode(codec, ybr_of(rgb), **options)
        file = image(tmp_path / "x.dcm", [data], rgb.shape[:2], syntax, "YBR_FULL")
        assert np.abs(file.color().astype(int) - rgb).max() <= ROUNDING


@pytest.mark.parametrize("subsampling", ["422", "444", "420"])
@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_FULL", "RGB"])
def test_a_jpeg_that_says_that_it_is_ybr_is_converted(tmp_path: Path, photometric: str, subsampling: str) -> None:
    rgb = smooth()
    data = encode("jpeg8", rgb, level=100, colorspace="RGB", outcolorspace="YCBCR", subsampling=subsampling)
    file = image(tmp_path / "x.dcm", [data], rgb.shape[:2], BASELINE, photometric)
    assert np.abs(file.color().astype(int) - rgb).max() <= 4


def test_twelve_bits_of_a_lossless_codestream_stay_as_they_are(tmp_path: Path) -> None:
    rgb = colors(top=4096)
    for syntax, codec, options in (
        (LOSSLESS, "jpeg8", {"lossless": True, "predictor": 1, "bitspersample": 12}),
        (J2K, "jpeg2k", {"codecformat": "j2k", "reversible": True, "level": 0, "bitspersample": 12}),
    ):
        file = image(tmp_path / "x.dcm", [encode(codec, rgb, **options)], (12, 16), syntax, bits=16, stored=12)
        np.testing.assert_array_equal(file.color(), rgb, strict=True)


def words(values: Any, order: str = "<") -> bytes:
    return np.asarray(values, dtype=np.int64).astype(f"{order}u2").tobytes()


def palette(red: Any, green: Any, blue: Any, first: int = 0, bits: int = 16, order: str = "<") -> dict[str, Raw]:
    """Return the elements of a palette of 16-bit entries."""
    content = {}
    for name, values in (("Red", red), ("Green", green), ("Blue", blue)):
        content[f"{name}PaletteColorLookupTableDescriptor"] = Raw("US", words([len(values), first, bits], order))
        content[f"{name}PaletteColorLookupTableData"] = Raw("OW", words(values, order))
    return content


INDICES = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED, RLE])
def test_palette_colors_clamp_at_both_ends(tmp_path: Path, syntax: str) -> None:
    order = ">" if syntax == BIG else "<"
    red, green, blue = ([(n * factor) % 60013 for n in range(100)] for factor in (641, 1201, 3607))
    pixels: Any = [rle(INDICES)] if syntax == RLE else INDICES.tobytes()
    content = palette(red, green, blue, first=50, order=order)
    file = image(tmp_path / "x.dcm", pixels, (12, 16), syntax, "PALETTE COLOR", samples=1, **content)
    entries = np.clip(INDICES.astype(int) - 50, 0, 99)
    expected = np.stack([np.array(table)[entries] for table in (red, green, blue)], axis=-1).astype(np.uint16)
    np.testing.assert_array_equal(file.color(), expected, strict=True)


def test_a_palette_of_8_bits_is_stored_in_bytes_or_words(tmp_path: Path) -> None:
    tables = [[(n * factor) % 256 for n in range(256)] for factor in (3, 5, 7)]
    expected = np.stack([np.array(table)[INDICES] for table in tables], axis=-1).astype(np.uint8)
    in_words = palette(*tables, bits=8)
    in_high_bytes = palette(*([value << 8 for value in table] for table in tables), bits=8)
    in_bytes = {
        key: Raw("OW", bytes(tables["RGB".index(key[0])])) if key.endswith("Data") else value
        for key, value in in_words.items()
    }
    for content in (in_words, in_high_bytes, in_bytes):
        file = image(tmp_path / "x.dcm", INDICES.tobytes(), (12, 16), EXPLICIT, "PALETTE COLOR", samples=1, **content)
        np.testing.assert_array_equal(file.color(), expected, strict=True)


def test_a_segmented_palette_is_expanded(tmp_path: Path) -> None:
    # Three entries, a line of four to 1000, then the first two segments again by their byte offset 0.
    segments = [0, 3, 7, 8, 200, 1, 4, 1000, 2, 2, 0, 0]
    table = [7, 8, 200, 400, 600, 800, 1000] * 2
    content = {}
    for name in ("Red", "Green", "Blue"):
        content[f"{name}PaletteColorLookupTableDescriptor"] = Raw("US", words([14, 0, 16]))
        content[f"Segmented{name}PaletteColorLookupTableData"] = Raw("OW", words(segments))
    file = image(tmp_path / "x.dcm", INDICES.tobytes(), (12, 16), EXPLICIT, "PALETTE COLOR", samples=1, **content)
    np.testing.assert_array_equal(file.color()[0, :, 1], [*table, 1000, 1000])
    for damaged in ([1, 4, 1000], [9, 1, 1], [0, 3, 7]):
        content["SegmentedBluePaletteColorLookupTableData"] = Raw("OW", words([*damaged]))
        file = image(tmp_path / "y.dcm", INDICES.tobytes(), (12, 16), EXPLICIT, "PALETTE COLOR", samples=1, **content)
        with pytest.raises(PixelError, match="color table"):
            file.color()


def test_a_palette_that_is_missing_or_short_is_an_error(tmp_path: Path) -> None:
    file = image(tmp_path / "x.dcm", INDICES.tobytes(), (12, 16), EXPLICIT, "PALETTE COLOR", samples=1)
    with pytest.raises(PixelError, match="without a table for each color"):
        file.color()
    content = palette([1, 2, 3], [1, 2, 3], [1, 2, 3])
    content["GreenPaletteColorLookupTableData"] = Raw("OW", words([1]))
    file = image(tmp_path / "y.dcm", INDICES.tobytes(), (12, 16), EXPLICIT, "PALETTE COLOR", samples=1, **content)
    with pytest.raises(PixelError, match="says 3 entries, it has 1"):
        file.color()


TABLE = [(n * 641) % 60013 for n in range(256)]
SEGMENTS = [[0, 128, *range(1000, 1128)], [0, 128, *range(128)]]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"GreenPaletteColorLookupTableData": words(TABLE)[:510]}, "says 256 entries, it has 255"),
        ({"GreenPaletteColorLookupTableData": words(TABLE)[:300]}, "says 256 entries, it has 150"),
        ({"GreenPaletteColorLookupTableData": words(TABLE)[:256]}, "different lengths"),
        ({"GreenPaletteColorLookupTableData": words([*TABLE, 1])}, "says 256 entries, it has 257"),
        ({"GreenPaletteColorLookupTableDescriptor": words([128, 0, 16])}, "descriptors .* differ"),
        ({"GreenPaletteColorLookupTableDescriptor": words([256, 5, 16])}, "descriptors .* differ"),
        ({"GreenPaletteColorLookupTableDescriptor": words([256, 0, 8])}, "descriptors .* differ"),
        (
            {f"{name}PaletteColorLookupTableDescriptor": words([128, 0, 16]) for name in ("Red", "Green", "Blue")},
            "says 128 entries, it has 256",
        ),
        (
            {
                "BluePaletteColorLookupTableData": b"",
                "SegmentedBluePaletteColorLookupTableData": words([*SEGMENTS[0], *SEGMENTS[1], 0, 2, 1, 1]),
            },
            "says 256 entries, it has 258",
        ),
    ],
)
def test_a_palette_whose_tables_contradict_their_descriptors_is_an_error(
    tmp_path: Path, changes: dict[str, bytes], reason: str
) -> None:
    content = palette(TABLE, TABLE, TABLE) | {
        key: Raw("US" if key.endswith("Descriptor") else "OW", value) for key, value in changes.items()
    }
    file = image(tmp_path / "x.dcm", INDICES.tobytes(), (12, 16), EXPLICIT, "PALETTE COLOR", samples=1, **content)
    with pytest.raises(PixelError, match=reason):
        file.color()


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_a_palette_of_an_odd_number_of_bytes_is_padded(tmp_path: Path, syntax: str) -> None:
    raw, order = bytes(range(200, 213)) + b"\0", ">" if syntax == BIG else "<"
    stored = np.frombuffer(raw, "<u2").byteswap().tobytes() if syntax == BIG else raw
    content = {}
    for name in ("Red", "Green", "Blue"):
        content[f"{name}PaletteColorLookupTableDescriptor"] = Raw("US", words([13, 0, 8], order))
        content[f"{name}PaletteColorLookupTableData"] = Raw("OW", stored)
    file = image(tmp_path / "x.dcm", INDICES.tobytes(), (12, 16), syntax, "PALETTE COLOR", samples=1, **content)
    np.testing.assert_array_equal(file.color()[0, :, 1], [*range(200, 213), 212, 212, 212])


def test_colors_behind_a_damaged_sequence_are_read(tmp_path: Path) -> None:
    rgb = colors()
    raw = np.ascontiguousarray(rgb.transpose(2, 0, 1)).tobytes()
    damaged = Raw("SQ", b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + bytes(range(1, 41)))
    file = image(tmp_path / "x.dcm", raw, (12, 16), PlanarConfiguration=1, ReferencedImageSequence=damaged)
    np.testing.assert_array_equal(file.color(), rgb, strict=True)


def test_colors_without_a_conversion_are_refused_by_name(tmp_path: Path) -> None:
    file = image(tmp_path / "x.dcm", bytes(12 * 16 * 4), (12, 16), photometric="CMYK", samples=4)
    with pytest.raises(PixelError, match="frame 1: no conversion from CMYK to RGB"):
        file.color()


def test_colors_are_read_into_an_array_that_is_like_them(tmp_path: Path) -> None:
    rgb, deep = colors(), colors(top=4096)
    images = (
        (image(tmp_path / "x.dcm", rgb.tobytes() * 2, (12, 16), frames=2), rgb),
        (image(tmp_path / "y.dcm", rgb.transpose(2, 0, 1).tobytes(), (12, 16), PlanarConfiguration=1), rgb),
        (image(tmp_path / "z.dcm", [encode("jpegls", rgb)], (12, 16), JLS), rgb),
        (image(tmp_path / "w.dcm", deep.astype("<u2").tobytes(), (12, 16), bits=16, stored=12), deep),
    )
    for file, expected in images:
        where = (file.path, file.offset, file.format.frames - 1, file.format)
        out = np.zeros_like(expected)
        assert read_color(*where, out) is out
        np.testing.assert_array_equal(out, expected)
        for other in (out[:, ::-1], out[:5].copy(), out.astype(np.uint32)):
            before = other.copy()
            np.testing.assert_array_equal(read_color(*where, other), expected, strict=True)
            np.testing.assert_array_equal(other, before)


def test_pydicom_decodes_no_colors_and_warns_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    import pydicom

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(pydicom, "dcmread", fail)
    monkeypatch.setattr(warnings, "catch_warnings", fail)
    rgb = colors()
    for syntax, pixels in ((EXPLICIT, rgb.tobytes()), (JLS, [encode("jpegls", rgb)]), (RLE, [rle(rgb)])):
        file = image(tmp_path / "x.dcm", pixels, (12, 16), syntax)
        np.testing.assert_array_equal(file.color(), rgb, strict=True)
