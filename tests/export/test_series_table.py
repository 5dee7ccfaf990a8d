from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dicom_factory import AXIAL, ROOT, ct_pixels, ct_slice, enhanced, write_series

import napari_dicommeta as dm
from napari_dicommeta.export.series_table import IDC_COLUMNS, SCHEMA, iter_series_table, series_table

MR_IMAGE, RT_PLAN = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.481.5"
REGULAR = dict.fromkeys(IDC_COLUMNS, True) | {"obliquity_degrees": 0.0}
NOT_IDC = dict.fromkeys(IDC_COLUMNS)


def rows_of(source: Path) -> list[dict[str, Any]]:
    return series_table(dm.scan(source, workers=1)).to_pylist()


def row_of(folder: Path, count: int = 4, **changes: Any) -> dict[str, Any]:
    """The row of one series of `count` slices, 2.5 × 0.75 × 0.5 mm."""
    write_series(folder, count, **changes)
    (row,) = rows_of(folder)
    return row


def idc_of(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in IDC_COLUMNS}


def test_a_plain_series_is_one_row(tmp_path: Path) -> None:
    row = row_of(
        tmp_path, ConvolutionKernel="B31f", Manufacturer="SIEMENS", ManufacturerModelName="Force", PixelPaddingValue=0
    )
    expected = {
        "SeriesInstanceUID": f"{ROOT}.2",
        "StudyInstanceUID": f"{ROOT}.1",
        "PatientID": "P1",
        "Modality": "CT",
        "SeriesDescription": "Test series",
        "SeriesNumber": "3",
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "Force",
        "ConvolutionKernel": "B31f",
        "RescaleType": "HU",
        "TransferSyntaxUID": "1.2.840.10008.1.2.1",
        "Rows": 16,
        "Columns": 12,
        "SliceThickness": None,
        "KVP": None,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "PixelPaddingValue": 0,
        "lossy": False,
        "n_files": 4,
        "n_images": 4,
        "n_volumes": 1,
        "n_refused": 0,
        "refusal_reason": None,
        "notes": [],
        "n_times": 1,
        "n_slices": 4,
        "n_rows": 16,
        "n_columns": 12,
        "spacing_k": 2.5,
        "spacing_j": 0.75,
        "spacing_i": 0.5,
        "units": "HU",
        "windows": [
            {"center": 40, "width": 400, "function": "LINEAR", "explanation": "SOFT"},
            {"center": -600, "width": 1200, "function": "LINEAR", "explanation": "LUNG"},
        ],
        "is_color": False,
        "is_placed": True,
        "tilt_degrees": 0,
        "missing_slices": 0,
        "uneven_mm": 0,
        "volume_is_regular": True,
        **REGULAR,
    }
    assert {name: row[name] for name in expected} == expected
    counts = {name: row[name] for name in row.keys() - expected.keys()}
    assert counts == {
        f"{name}_values": 0 if expected[name] is None else 1 for name in expected if f"{name}_values" in SCHEMA.names
    }


def test_a_value_that_not_all_images_share_is_null_and_counted(tmp_path: Path) -> None:
    row = row_of(
        tmp_path,
        RescaleIntercept=lambda k: -1024 if k < 2 else -1000,
        KVP=lambda k: 120 if k else None,
        RescaleSlope=lambda k: "1" if k else "1.000",
        LossyImageCompression=lambda k: "01" if k == 3 else "00",
    )
    assert (row["RescaleIntercept"], row["RescaleIntercept_values"]) == (None, 2)
    assert (row["KVP"], row["KVP_values"]) == (None, 1)  # one image lacks it
    assert (row["RescaleSlope"], row["RescaleSlope_values"]) == (1, 1)  # one meaning
    assert row["lossy"] is True


ONE_OF_TWO = "1.3.6.1.4.1.5962.1.3.1.1.20031208063649.855"
WITH_A_COPY = {
    ("cornerstone-wado/", "1.2.840.113619.2.30.1.1762295590.1623.978668949.890"),
    ("dicomparser/encapsulated/single-frame", "1.3.6.1.4.1.5962.1.3.1.1.20040826185059.5457"),
}
"""Images in several transfer syntaxes, in one of them twice."""
SLANT = math.radians(10)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"ImageOrientationPatient": lambda k: AXIAL if k else [0, 1, 0, 1, 0, 0]},
            # Of the first slice the normal points down: it lies at 0 as all of the others do not, at 0 of its own.
            {"single_orientation": False, "consistent_in_plane_row": False, "consistent_in_plane_col": False},
        ),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0.98, 0]}, {"orthogonal_orientation": False}),
        (
            {"ImagePositionPatient": lambda k: [-10, -20, 2.5 * (k // 2)]},
            {"unique_slice_positions": False, "uniform_slice_spacing": False},
        ),
        ({"ImagePositionPatient": lambda k: [-10 + 0.04 * k, -20, 2.5 * k]}, {"consistent_in_plane_row": False}),
        ({"ImagePositionPatient": lambda k: [-10, -20 - 0.04 * k, 2.5 * k]}, {"consistent_in_plane_col": False}),
        ({"PixelSpacing": lambda k: [0.75, 0.5 + 0.01 * (k == 2)]}, {"consistent_pixel_spacing": False}),
        # Steps of 2.5, 2.55 and 2.45 mm: 2 % of their mean of 2.5 mm.
        ({"ImagePositionPatient": lambda k: [-10, -20, 2.5 * k + 0.05 * (k == 2)]}, {"uniform_slice_spacing": False}),
        ({"ImagePositionPatient": lambda k: [-10, -20, 2.5 * k + 0.01 * (k == 2)]}, {}),  # 0.4 %
        ({"ImagePositionPatient": lambda k: [-10 + 0.02 * k, -20, 2.5 * k]}, {}),  # 0.06 mm
        ({"ImageOrientationPatient": lambda k: AXIAL if k else ["1.0", "0.00", "-0", "0", "1", "0"]}, {}),
    ],
)
def test_each_check_of_idc_fails_by_itself(tmp_path: Path, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    row = row_of(tmp_path, **changes)
    whole = {"regularly_spaced_3d_volume": False} if expected else {}
    assert idc_of(row) == REGULAR | expected | whole


def test_images_of_several_sizes_are_of_no_volume_of_idc(tmp_path: Path) -> None:
    write_series(tmp_path, 3)
    (tmp_path / "other.dcm").write_bytes(ct_slice(3, pixels=np.zeros((8, 12), "<u2")))
    (row,) = rows_of(tmp_path)
    assert idc_of(row) == REGULAR | {"consistent_image_dimensions": False, "regularly_spaced_3d_volume": False}
    assert (row["n_volumes"], row["n_slices"], row["Rows"], row["Rows_values"], row["n_rows"]) == (2, 3, None, 2, 16)


def test_a_tilted_gantry_is_sheared_and_an_oblique_plane_is_not(tmp_path: Path) -> None:
    slanted = [1, 0, 0, 0, math.cos(SLANT), math.sin(SLANT)]
    written = [f"{value:.12f}" for value in slanted]
    sheared = row_of(tmp_path / "sheared", ImageOrientationPatient=written)  # the table still moves along z
    assert sheared["obliquity_degrees"] == 10
    # Along the columns the position moves by 2.5 sin 10° a slice.
    assert (sheared["consistent_in_plane_row"], sheared["consistent_in_plane_col"]) == (True, False)
    assert sheared["tilt_degrees"] == pytest.approx(10, abs=1e-3)
    assert (sheared["regularly_spaced_3d_volume"], sheared["volume_is_regular"]) == (False, False)
    assert "tilt" in sheared["notes"]
    normal = np.cross(slanted[:3], slanted[3:])
    oblique = row_of(
        tmp_path / "oblique",
        ImageOrientationPatient=written,
        ImagePositionPatient=lambda k: [f"{value:.9f}" for value in 2.5 * k * normal],
    )
    assert idc_of(oblique) == REGULAR | {"obliquity_degrees": 10.0}
    assert (oblique["tilt_degrees"], oblique["volume_is_regular"]) == (pytest.approx(0, abs=1e-3), True)


def test_what_idc_has_no_row_for_is_null(tmp_path: Path) -> None:
    localizer = row_of(tmp_path / "a", ImageType=lambda k: ["ORIGINAL", "PRIMARY", "LOCALIZER" if k == 0 else "AXIAL"])
    projection = row_of(tmp_path / "b", ImageType=["DERIVED", "SECONDARY", "CSA MIP"])
    capture = row_of(tmp_path / "c", SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    assert [idc_of(row) for row in (localizer, projection, capture)] == [NOT_IDC] * 3
    assert capture["volume_is_regular"]


def test_one_instance_has_no_step_and_a_missing_element_no_answer(tmp_path: Path) -> None:
    single = row_of(tmp_path / "single", 1)
    assert idc_of(single) == REGULAR | {"uniform_slice_spacing": None, "regularly_spaced_3d_volume": None}
    assert (single["spacing_k"], single["tilt_degrees"], single["volume_is_regular"]) == (None, None, False)
    nowhere = row_of(tmp_path / "nowhere", ImagePositionPatient=lambda k: None if k == 1 else [-10, -20, 2.5 * k])
    of_positions = [name for name in IDC_COLUMNS if "slice" in name or "in_plane" in name]
    unanswered = dict.fromkeys((*of_positions, "regularly_spaced_3d_volume"))
    assert idc_of(nowhere) == REGULAR | unanswered
    two = row_of(
        tmp_path / "two",
        ImagePositionPatient=lambda k: None if k == 1 else [-10, -20, 2.5 * k],
        PixelSpacing=lambda k: [1, 1] if k == 2 else [2, 2],
    )
    assert two["regularly_spaced_3d_volume"] is False  # whatever the positions are


def test_copies_of_an_instance_count_once(tmp_path: Path) -> None:
    paths = write_series(tmp_path, 4)
    (tmp_path / "copy.dcm").write_bytes(paths[1].read_bytes())
    (row,) = rows_of(tmp_path)
    assert (row["n_files"], row["n_slices"], row["notes"]) == (5, 4, ["left-out"])
    assert idc_of(row) == REGULAR


def test_a_gap_is_counted(tmp_path: Path) -> None:
    row = row_of(tmp_path, 8, ImagePositionPatient=lambda k: [-10, -20, 2.5 * (k + 2 * (k > 3))])
    assert (row["missing_slices"], row["volume_is_regular"], row["notes"]) == (2, False, ["gap"])
    # Six steps of 2.5 mm, the usual one, and one of 7.5 mm.
    assert row["uneven_mm"] == pytest.approx(5)
    assert row["spacing_k"] == 2.5


def test_times_are_apart_from_slices(tmp_path: Path) -> None:
    for t in range(3):
        for k in range(2):
            content = {"TemporalPositionIdentifier": t + 1, "SOPInstanceUID": f"{ROOT}.3.{t}.{k}"}
            (tmp_path / f"{t}-{k}.dcm").write_bytes(ct_slice(k, **content))
    (row,) = rows_of(tmp_path)
    assert (row["n_volumes"], row["n_times"], row["n_slices"], row["unique_slice_positions"]) == (1, 3, 2, False)
    one_place = tmp_path / "one place"
    one_place.mkdir()
    for t in range(3):
        content = {"TemporalPositionIdentifier": t + 1, "SOPInstanceUID": f"{ROOT}.4.{t}", "SeriesInstanceUID": ROOT}
        (one_place / f"{t}.dcm").write_bytes(ct_slice(0, **content))
    (row,) = rows_of(one_place)
    assert (row["n_times"], row["n_slices"], row["spacing_k"]) == (3, 1, None)


def test_enhanced_files_state_their_values_in_functional_groups(tmp_path: Path) -> None:
    frames = [
        {"ImagePositionPatient": [-10, -20, 2.5 * k], "RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"}
        for k in range(3)
    ]
    shared = {"ImageOrientationPatient": AXIAL, "PixelSpacing": [0.75, 0.5], "SliceThickness": 3}
    (tmp_path / "a.dcm").write_bytes(enhanced([ct_pixels(k) for k in range(3)], frames, shared))
    (row,) = rows_of(tmp_path)
    assert (row["n_slices"], row["spacing_k"], row["spacing_j"], row["spacing_i"]) == (3, 2.5, 0.75, 0.5)
    assert (row["RescaleIntercept"], row["RescaleIntercept_values"], row["SliceThickness"]) == (-1024, 1, 3)
    assert (row["volume_is_regular"], idc_of(row)) == (True, NOT_IDC)


def test_what_opens_as_no_volume_has_its_reason(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", 3)
    cut = next((tmp_path / "ct").glob("*.dcm"))
    cut.write_bytes(cut.read_bytes()[:-100])
    absent = dict.fromkeys(("PixelData", "Rows", "Columns"))
    plan = {"Modality": "RTPLAN", "SOPClassUID": RT_PLAN, "SeriesInstanceUID": f"{ROOT}.9", **absent}
    plan["RTPlanGeometry"] = "PATIENT"
    (tmp_path / "plan.dcm").write_bytes(ct_slice(0, **plan))
    ct, rtplan = rows_of(tmp_path)
    assert (ct["n_files"], ct["n_volumes"], ct["n_refused"]) == (3, 1, 1)
    assert ct["refusal_reason"]
    assert (rtplan["Modality"], rtplan["n_images"], rtplan["n_volumes"], rtplan["n_refused"]) == ("RTPLAN", 0, 0, 1)
    assert rtplan["refusal_reason"] == "the file has no pixel data"
    assert {rtplan[name] for name in ("n_slices", "spacing_j", "volume_is_regular", "units", "windows")} == {None}


def test_a_spacing_that_no_file_states_is_null(tmp_path: Path) -> None:
    row = row_of(tmp_path, PixelSpacing=None)
    assert (row["spacing_k"], row["spacing_j"], row["spacing_i"]) == (2.5, None, None)
    at_detector = row_of(tmp_path / "b", 2, PixelSpacing=None, ImagerPixelSpacing=[0.2, 0.1], SeriesInstanceUID=ROOT)
    assert (at_detector["spacing_j"], at_detector["spacing_i"]) == (0.2, 0.1)


@pytest.mark.parametrize("several", ["slices", "times", "enhanced"])
def test_no_pixel_is_read(tmp_path: Path, several: str) -> None:
    if several == "enhanced":
        frames = [{"ImagePositionPatient": [-10, -20, 2.5 * k]} for k in range(3)]
        shared = {"ImageOrientationPatient": AXIAL, "PixelSpacing": [0.75, 0.5]}
        (tmp_path / "a.dcm").write_bytes(enhanced([ct_pixels(k) for k in range(3)], frames, shared))
    else:
        for t in range(1 + (several == "times")):
            content = {"TemporalPositionIdentifier": t + 1, "SOPInstanceUID": lambda k, t=t: f"{ROOT}.3.{t}.{k}"}
            write_series(tmp_path / str(t), 3, **content)
    catalog = dm.scan(tmp_path, workers=1)
    before = series_table(catalog)
    for path, offset in zip(catalog.paths, catalog.file_column("pixel_offset").tolist(), strict=True):
        with open(path, "r+b") as file:
            file.truncate(offset)
    assert series_table(catalog) == before
    assert before["n_volumes"].to_pylist() == [1]


@pytest.mark.parametrize(
    "changes",
    [
        {"Modality": "MR", "SOPClassUID": MR_IMAGE, "RescaleSlope": 2, "RescaleIntercept": 0, "RescaleType": None},
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "BitsStored": 16}
        | {"HighBit": 15, "PixelData": ct_pixels().tobytes() * 3},
    ],
    ids=["MR", "color"],
)
def test_of_some_volumes_one_frame_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """As the module says: load asks the pixels of one frame whose units a window means, or how large colors are."""
    from napari_dicommeta.dicom import pixels
    from napari_dicommeta.volumes import sources

    read: list[str] = []

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(path: str, *arguments: Any) -> Any:
            read.append(path)
            return function(path, *arguments)

        return counting

    for name in ("read_frame", "read_color", "stored_digest"):
        monkeypatch.setattr(sources, name, counted(getattr(pixels, name)))
    row = row_of(tmp_path, 6, **changes)
    assert (row["n_volumes"], row["n_slices"]) == (1, 6)
    assert len(read) == 1


def test_progress_and_the_order_of_the_series(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 2)
    write_series(tmp_path / "b", 3, SeriesInstanceUID=f"{ROOT}.7")
    catalog = dm.scan(tmp_path, workers=1)
    told: list[tuple[int, int]] = []
    table = series_table(catalog, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)] == list(iter_series_table(catalog))
    assert table["SeriesInstanceUID"].to_pylist() == [f"{ROOT}.7", f"{ROOT}.2"]
    assert [one.series_instance_uid for one in catalog.series] == table["SeriesInstanceUID"].to_pylist()


def test_the_table_is_typed_and_survives_parquet_and_pandas(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 2)
    table = series_table(dm.scan(tmp_path / "a", workers=1))
    assert table.schema == SCHEMA
    assert len({name.lower() for name in SCHEMA.names}) == len(SCHEMA)  # SQL does not tell cases apart
    pq.write_table(table, tmp_path / "series.parquet")
    assert pq.read_table(tmp_path / "series.parquet") == table
    frame = table.to_pandas()
    assert frame["regularly_spaced_3d_volume"].dtype == bool
    assert frame["spacing_k"].dtype == np.float64
    empty = series_table(dm.scan(tmp_path / "a", workers=1).where(Modality="MR"))
    assert (empty.num_rows, empty.schema) == (0, SCHEMA)
    assert pa.types.is_list(SCHEMA.field("windows").type)


def test_real_series_have_the_shape_spacing_and_steps_that_other_tools_found(shared: Path) -> None:
    tables: dict[str, list[dict[str, Any]]] = {}
    compared, spaced, stepped = 0, 0, 0
    for known in json.loads((shared / "data" / "TRUTH.json").read_text())["series"]:
        folder = known["folder"]
        if known.get("shape_zyx") is None:
            continue
        if folder not in tables:
            files = [path for path in sorted((shared / "data" / folder).iterdir()) if path.is_file()]
            tables[folder] = series_table(dm.scan(files, workers=1)).to_pylist()
        uid = known["SeriesInstanceUID"] or None
        (row,) = [one for one in tables[folder] if one["SeriesInstanceUID"] == uid and one["n_images"]]
        # Images of one place are counted there as slices, and one of two files of one place could not be read.
        if known["shape_zyx"][1] > row["n_rows"]:
            assert known["shape_zyx"][1] % row["n_rows"] == known["shape_zyx"][2] % row["n_columns"] == 0
            compared += 1
            continue  # the other tool shows the tiles of a mosaic side by side
        slices = row["n_times"] if row["n_slices"] == 1 and uid != ONE_OF_TWO else row["n_slices"]
        slices += (folder, uid) in WITH_A_COPY
        assert [slices, row["n_rows"], row["n_columns"]] == known["shape_zyx"], (folder, uid)
        for name, spacing in zip(("spacing_k", "spacing_j", "spacing_i"), known["spacing_zyx_mm"], strict=True):
            if row[name] is None:
                assert spacing in (None, 1), (folder, uid, name)  # 1 stands there where no file states it
            elif name == "spacing_k" and row["uneven_mm"]:  # the usual step; the other tool gives the mean
                assert known["dz_min_max"][0] * 0.999 <= row[name] <= known["dz_min_max"][1] * 1.001, (folder, uid)
            elif spacing is not None:
                assert row[name] == pytest.approx(spacing, rel=5e-3), (folder, uid, name)
                spaced += name == "spacing_j"
        if known.get("dz_min_max") and row["uniform_slice_spacing"] is not None:
            smallest, largest = known["dz_min_max"]
            unique = known["n_positions"] == known["n_files"]
            assert row["unique_slice_positions"] == unique, (folder, uid)
            assert row["uniform_slice_spacing"] == (unique and largest - smallest < 0.01 * largest), (folder, uid)
            stepped += 1
        compared += 1
    assert compared == 135
    assert spaced > 90
    assert stepped > 50
