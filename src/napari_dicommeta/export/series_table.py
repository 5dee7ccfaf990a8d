"""A table of a catalog with a row per series, its volumes and its geometry, for pandas, DuckDB and polars.

Ten columns have the names and the meaning of those in ``volume_geometry_index`` of the Imaging Data Commons (IDC):
ImagingDataCommons/idc-index-data, volume_geometry_index.sql; documented in idc-index, docs/indices_reference.md; here
as of idc-index-data 24.1. They describe all instances of a series. They are filled where IDC has a row: single-frame
CT, MR and PET images without LOCALIZER or MIP. Elsewhere, and where an image lacks the element, they are null.

* ``single_orientation``: all instances have the same *Image Orientation (Patient)* (0020,0037);
* ``orthogonal_orientation``: the product of its row and column directions has length 1, within 0.01;
* ``unique_slice_positions``: no two instances have the same position along the normal;
* ``consistent_in_plane_row``, ``consistent_in_plane_col``: the positions differ along the rows, and along the columns,
  by less than 0.1 mm;
* ``consistent_pixel_spacing``, ``consistent_image_dimensions``: all instances have the same *Pixel Spacing*
  (0028,0030), the same *Rows* and *Columns*;
* ``uniform_slice_spacing``: each step differs by less than 1 % from the span over the number of steps; null for one
  instance;
* ``obliquity_degrees``: the angle between the normal and the nearest axis of the patient, rounded to 0.01;
* ``regularly_spaced_3d_volume``: all of the booleans are true; false if any is false, else null if any is null.

Values are compared by meaning, where IDC compares texts: ``0.5`` and ``0.500`` are equal. Positions closer than
`geometry.SAME_POSITION` are the same. Copies of an instance count once, as in an archive. ``volume_is_regular`` and
the columns around it are not IDC's: they describe the largest volume that `load` makes, whatever its SOP class.

Pixels are read only where `load.load_series` needs them to make a volume. It reads a frame of a color volume, and of an
MR, PET or NM volume with a rescale and a window. It compares images at the same position that no tag distinguishes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from napari_dicommeta.catalog.series_parts import series_parts
from napari_dicommeta.dicom.functional_groups import GROUP_OF, GROUPS
from napari_dicommeta.dicom.privacy import is_identifying, is_plain
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.dicom.uids import CT_IMAGE, MR_IMAGE, PET_IMAGE
from napari_dicommeta.dicom.values import number, numbers
from napari_dicommeta.export.printable import units_text
from napari_dicommeta.export.small_counts import MIN_PATIENTS, OTHER
from napari_dicommeta.export.tables import stamped
from napari_dicommeta.scanning.cluster import cluster_results, count_workers
from napari_dicommeta.support.generators import result_of
from napari_dicommeta.volumes.geometry import SAME_POSITION
from napari_dicommeta.volumes.load import load_series
from napari_dicommeta.volumes.volume_notes import geometry_notes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.volumes.volume import Volume

__all__ = ["IDC_COLUMNS", "SCHEMA", "iter_series_table", "series_table", "without_identity"]

IDC_COLUMNS = (
    "single_orientation",
    "orthogonal_orientation",
    "unique_slice_positions",
    "consistent_in_plane_row",
    "consistent_in_plane_col",
    "consistent_pixel_spacing",
    "consistent_image_dimensions",
    "uniform_slice_spacing",
    "obliquity_degrees",
    "regularly_spaced_3d_volume",
)
IDC_CLASSES = frozenset((CT_IMAGE, MR_IMAGE, PET_IMAGE))
SLICE_TOLERANCE = 0.01
"""A fraction of the mean step."""
IN_PLANE_TOLERANCE = 0.1
"""In mm."""
UNIT_LENGTH_TOLERANCE = 0.01
"""The largest difference of the length of the normal from 1."""
TEXTS = (
    "StudyInstanceUID",
    "PatientID",
    "Modality",
    "SeriesDescription",
    "SeriesNumber",
    "Manufacturer",
    "ManufacturerModelName",
    "ConvolutionKernel",
    "RescaleType",
    "TransferSyntaxUID",
)
NUMBER_COLUMNS = ("Rows", "Columns", "SliceThickness", "KVP", "RescaleSlope", "RescaleIntercept", "PixelPaddingValue")
WHOLE = ("Rows", "Columns")
_GROUP_OF = {**GROUP_OF, "KVP": "CTXRayDetailsSequence"}
WINDOW = pa.struct(
    [("center", pa.float64()), ("width", pa.float64()), ("function", pa.string()), ("explanation", pa.string())]
)
SCHEMA = pa.schema(
    [
        ("SeriesInstanceUID", pa.string()),
        *((keyword, pa.string()) for keyword in TEXTS),
        *((keyword, pa.int32() if keyword in WHOLE else pa.float64()) for keyword in NUMBER_COLUMNS),
        *((f"{keyword}_values", pa.int32()) for keyword in (*TEXTS, *NUMBER_COLUMNS)),
        ("lossy", pa.bool_()),
        ("n_files", pa.int32()),
        ("n_images", pa.int32()),
        ("n_volumes", pa.int32()),
        ("n_refused", pa.int32()),
        ("refusal_reason", pa.string()),
        ("notes", pa.list_(pa.string())),
        ("n_times", pa.int32()),
        ("n_slices", pa.int32()),
        ("n_rows", pa.int32()),
        ("n_columns", pa.int32()),
        ("spacing_k", pa.float64()),
        ("spacing_j", pa.float64()),
        ("spacing_i", pa.float64()),
        ("units", pa.string()),
        ("windows", pa.list_(WINDOW)),
        ("is_color", pa.bool_()),
        ("is_placed", pa.bool_()),
        ("tilt_degrees", pa.float64()),
        ("missing_slices", pa.int32()),
        ("uneven_mm", pa.float64()),
        ("volume_is_regular", pa.bool_()),
        *((name, pa.float64() if name == "obliquity_degrees" else pa.bool_()) for name in IDC_COLUMNS),
    ]
)


def series_table(
    catalog: Catalog, *, progress: Callable[[int, int], None] | None = None, client: Any = None
) -> pa.Table:
    """Return a table of `SCHEMA` with a row for each of ``catalog.series``, in their order.

    A column named by a keyword holds the value that all images of the series share (all files, if there is no image),
    else null. ``…_values`` counts the distinct values. ``lossy``: *Lossy Image Compression* (0028,2110) is 01 in an
    image. ``n_volumes``, ``n_refused`` (files), ``refusal_reason`` and ``notes`` (codes of notes that need a decision)
    are about all volumes.

    The columns from ``n_times`` to ``volume_is_regular`` are about the largest volume, null if there is none. Sizes and
    spacing (mm) are along the array's axes k, j, i; spacing is null if the files state none. ``windows`` begins with
    those of the middle slice. ``volume_is_regular``: the volume has two or more slices, evenly spaced along their
    normal, without gaps. The other columns are IDC's; the module describes them.

    `progress` is called with (series done, all series). `client`: a ``dask.distributed.Client`` whose workers make the
    rows, each those of a part of the catalog (needs the extra ``distributed``). They must be able to open its files by
    the same paths or URLs.

    Examples
    --------
    >>> table = dm.series_table(dm.scan("Chest CT phantom"))
    >>> table.select(["Modality", "n_slices", "spacing_k", "volume_is_regular"]).to_pylist()
    [{'Modality': 'CT', 'n_slices': 48, 'spacing_k': 2.5, 'volume_is_regular': True}]
    """
    report = None if progress is None else lambda done: progress(*done)
    return result_of(iter_series_table(catalog, client), report)


def iter_series_table(catalog: Catalog, client: Any = None) -> Generator[tuple[int, int], None, pa.Table]:
    """Make the table of `series_table`; yield (series done, all series) and return the table."""
    rows: list[dict[str, Any]] = []
    if client is not None:
        of_parts: dict[int, list[dict[str, Any]]] = {}
        parts = series_parts(catalog, count_workers(client))
        for part, made in cluster_results(client, _rows, parts):
            of_parts[part] = made
            yield sum(map(len, of_parts.values())), len(catalog.series)
        rows = [row for part in sorted(of_parts) for row in of_parts[part]]
    else:
        for series in catalog.series:
            rows.append(_row(series))
            yield len(rows), len(catalog.series)
    return stamped(pa.Table.from_pylist(rows, schema=SCHEMA), full=True)


def without_identity(table: pa.Table) -> pa.Table:
    """Return a `series_table` without data that may identify a person, for ``tables.write`` without ``full=True``.

    Columns of identifying tags, refusals, and the names of window presets are left out. A unit that is no known term
    becomes "withheld". A text shared by fewer than
    `small_counts.MIN_PATIENTS` patients becomes "(other)". Rows keep the order of the series, so row numbers still
    identify them.
    """
    keywords = {name: _keyword(name) for name in table.column_names}
    names = [
        name
        for name, keyword in keywords.items()
        if name != "refusal_reason" and (keyword is None or not is_identifying(keyword, keyword.vr))
    ]
    columns = {name: table.column(name).to_pylist() for name in names}
    patients = table.column("PatientID").to_pylist()
    for name in names:
        if keywords[name] is not None and name in TEXTS:
            held: dict[str | None, set[str | None]] = {}
            for text, patient in zip(columns[name], patients, strict=True):
                held.setdefault(text, set()).add(patient)
            keyword, shown = TagPath.parse(name), set()
            for text, of_text in held.items():
                if text is None or (len(of_text) >= MIN_PATIENTS and is_plain(keyword, keyword.vr, text)):
                    shown.add(text)
            columns[name] = [text if text in shown else OTHER for text in columns[name]]
    columns["windows"] = [
        None if windows is None else [{**window, "explanation": None} for window in windows]
        for windows in columns["windows"]
    ]
    columns["units"] = [units and units_text(units) for units in columns["units"]]
    schema = pa.schema([table.schema.field(name) for name in names])
    return stamped(pa.table(columns, schema=schema), full=False)


def _keyword(name: str) -> TagPath | None:
    """Return the element that a column is named after, None if there is none."""
    return TagPath.parse(name) if name == "SeriesInstanceUID" or name in (*TEXTS, *NUMBER_COLUMNS) else None


def _rows(part: tuple[Series, ...]) -> list[dict[str, Any]]:
    return list(map(_row, part))


def _row(series: Series) -> dict[str, Any]:
    catalog = series.catalog
    with_images = np.flatnonzero(catalog.file_column("pixel_offset") >= 0)
    images = catalog.rows(with_images) if len(with_images) else catalog
    row: dict[str, Any] = {"SeriesInstanceUID": series.series_instance_uid or None}
    for keyword in (*TEXTS, *NUMBER_COLUMNS):
        texts, missing = _stated(images, keyword)
        shared = texts[0] if len(texts) == 1 and not missing else None
        value = number(shared) if shared is not None and keyword in NUMBER_COLUMNS else shared
        row[keyword] = int(value) if isinstance(value, float) and keyword in WHOLE else value
        row[f"{keyword}_values"] = len(texts)
    volumes, refusals = load_series(series)
    refused = {path for refusal in refusals for path in refusal.paths}
    row |= {
        "lossy": bool(images.values("LossyImageCompression").get("01", 0)),
        "n_files": series.n_files,
        "n_images": series.n_images,
        "n_volumes": len(volumes),
        "n_refused": len(refused),
        "refusal_reason": "; ".join(dict.fromkeys(refusal.reason for refusal in refusals)) or None,
        "notes": sorted({note.code for volume in volumes for note in volume.problems}),
    }
    if volumes:
        row |= _of_volume(volumes[0], _states_spacing(images))
    return row | _as_idc(images)


def _stated(catalog: Catalog, keyword: str) -> tuple[list[str], int]:
    """Return the distinct values in the files, at top level or else in functional groups, and the files without any."""
    group = _GROUP_OF.get(keyword)
    nested = [f"{groups}.{group}.{keyword}" for groups in GROUPS] if group else []
    for tag in (keyword, *nested):
        counts = catalog.values(tag)
        if texts := [text for text in counts if text]:
            return texts, counts.absent + counts.get("", 0)
    return [], catalog.n_files


def _states_spacing(catalog: Catalog) -> bool:
    return any(_stated(catalog, keyword)[0] for keyword in ("PixelSpacing", "ImagerPixelSpacing"))


def _of_volume(volume: Volume, states_spacing: bool) -> dict[str, Any]:
    *lead, rows, columns = volume.array.shape[:-1] if volume.is_color else volume.array.shape
    if len(lead) == 1:  # a fourth axis without slices: all images are at the same position
        lead = [lead[0], 1] if volume.axis else [1, lead[0]]
    geometry = volume.geometry
    k, j, i = geometry.spacing
    is_placed = geometry.affine is not None
    several = is_placed and len(geometry.steps) > 0
    return {
        "n_times": lead[0],
        "n_slices": lead[1],
        "n_rows": rows,
        "n_columns": columns,
        "spacing_k": k if np.isfinite(k) else None,
        "spacing_j": j if states_spacing else None,
        "spacing_i": i if states_spacing else None,
        "units": volume.units or None,
        "windows": [
            {
                "center": window.center,
                "width": window.width,
                "function": window.function,
                "explanation": window.explanation,
            }
            for window in volume.windows
        ],
        "is_color": volume.is_color,
        "is_placed": is_placed,
        "tilt_degrees": geometry.tilt if several else None,
        "missing_slices": sum(missing for _, _, missing in geometry.gaps) if several else None,
        "uneven_mm": geometry.uneven if several else None,
        "volume_is_regular": several and bool(np.isfinite(k)) and not any(geometry_notes(geometry)),
    }


def _as_idc(images: Catalog) -> dict[str, Any]:
    """Return IDC's columns for the images of a series; {} where IDC has no row for it."""
    names = ("SOPClassUID", "SOPInstanceUID", "ImageType", "ImagePositionPatient", "ImageOrientationPatient")
    columns = [images.column_texts(name) for name in (*names, "PixelSpacing", "Rows", "Columns")]
    instances = {
        row[1] or f"file {n}": row for n, row in enumerate(zip(*columns, strict=True)) if row[0] in IDC_CLASSES
    }
    kinds = {kind for row in instances.values() for kind in (row[2] or "").split("\\")}
    if not instances or any(kind == "LOCALIZER" or "MIP" in kind for kind in kinds):
        return {}
    _, _, _, positions, orientations, spacings, rows, image_columns = zip(*instances.values(), strict=True)
    idc_row: dict[str, Any] = {
        "single_orientation": _are_equal(orientations),
        "consistent_pixel_spacing": _are_equal(spacings),
        "consistent_image_dimensions": _are_equal(list(zip(rows, image_columns, strict=True))),
    }
    idc_row |= _planes_as_idc(_table_of(positions, 3), _table_of(orientations, 6))
    checks = [
        idc_row.get(name) for name in IDC_COLUMNS if name not in ("obliquity_degrees", "regularly_spaced_3d_volume")
    ]
    whole = False if False in checks else None if None in checks else True
    return idc_row | {"regularly_spaced_3d_volume": whole}


def _planes_as_idc(positions: np.ndarray | None, orientations: np.ndarray | None) -> dict[str, Any]:
    """Return IDC's columns for positions, mm of shape (n, 3), and directions of shape (n, 6); None if incomplete."""
    if orientations is None:
        return {}
    across, down = orientations[:, :3], orientations[:, 3:]
    normals = np.cross(across, down)
    lengths = np.linalg.norm(normals, axis=1)
    idc_row: dict[str, Any] = {"orthogonal_orientation": bool(np.abs(lengths - 1).max() <= UNIT_LENGTH_TOLERANCE)}
    if lengths[0] > 0:
        cosine = min(float(np.abs(normals[0]).max() / lengths[0]), 1.0)
        idc_row["obliquity_degrees"] = round(float(np.degrees(np.arccos(cosine))), 2)
    if positions is None:
        return idc_row
    distances = np.sort((positions * normals).sum(axis=1))
    steps = np.diff(distances)
    idc_row |= {
        "unique_slice_positions": bool((steps > SAME_POSITION).all()),
        "consistent_in_plane_row": bool(np.ptp((positions * across).sum(axis=1)) < IN_PLANE_TOLERANCE),
        "consistent_in_plane_col": bool(np.ptp((positions * down).sum(axis=1)) < IN_PLANE_TOLERANCE),
    }
    if len(steps):
        mean = (distances[-1] - distances[0]) / len(steps)
        idc_row["uniform_slice_spacing"] = bool(np.abs(steps - mean).max() < SLICE_TOLERANCE * mean)
    return idc_row


def _are_equal(values: Sequence[object]) -> bool | None:
    """Return whether all values are equal, None if any is missing."""
    if any(value in (None, "") or (isinstance(value, tuple) and None in value) for value in values):
        return None
    return len(set(values)) == 1


def _table_of(texts: Sequence[str | None], width: int) -> np.ndarray | None:
    """Return the numbers of each text, float64 of shape (n, width); None if any text is not `width` numbers."""
    rows = {text: numbers(text or "", width) for text in set(texts)}
    if any(value is None for value in rows.values()):
        return None
    return np.array([rows[text] for text in texts], dtype=np.float64)
