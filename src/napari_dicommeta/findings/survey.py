"""Input of the rules: the columns of a catalog as codes, its series, and the notes of their volumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from napari_dicommeta.catalog.series_parts import series_parts
from napari_dicommeta.dicom.functional_groups import GROUP_OF
from napari_dicommeta.dicom.uids import SECONDARY_CAPTURE
from napari_dicommeta.findings.finding import Finding
from napari_dicommeta.findings.rule import kind_of
from napari_dicommeta.findings.uses import with_uses
from napari_dicommeta.scanning.cluster import cluster_results, count_workers
from napari_dicommeta.support.log import log_fault
from napari_dicommeta.support.sorting import sorted_unique
from napari_dicommeta.volumes.load import load_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.catalog.counts import TagSummary
    from napari_dicommeta.findings.finding import Conditions
    from napari_dicommeta.volumes.geometry import VolumeGeometry
    from napari_dicommeta.volumes.note import Note

__all__ = ["CodedValues", "SeriesFacts", "Survey", "VolumeFacts"]

_FALLBACK_TAGS = (
    ("SeriesInstanceUID",),
    ("SOPInstanceUID",),
    ("StudyInstanceUID", "SeriesInstanceUID"),
    ("SeriesInstanceUID", "SOPInstanceUID", "InstanceNumber", "ImagePositionPatient", "Modality"),
)
"""Tags that select files if the tags of a finding do not distinguish them from other files."""
SECTIONAL = ("CT", "MR", "PT")
"""Modalities whose images require a position and spacing in the patient."""
MAX_TAGS = 12
"""Maximum number of tags in a selection."""
MAX_COMPARED = 200_000
"""Maximum number of values compared to find these tags."""


class _Singles(Sequence[tuple[str | None, ...]]):
    """Texts as combinations of one, without a tuple for each."""

    def __init__(self, texts: tuple[str | None, ...]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, i: int) -> tuple[str | None, ...]: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[tuple[str | None, ...]]: ...
    def __getitem__(self, i: int | slice) -> tuple[str | None, ...] | Sequence[tuple[str | None, ...]]:
        return _Singles(self._texts[i]) if isinstance(i, slice) else (self._texts[i],)

    def __iter__(self) -> Iterator[tuple[str | None, ...]]:
        return zip(self._texts, strict=True)


@dataclass(frozen=True, slots=True)
class CodedValues:
    """Joint values of some tags.

    `texts`: the combinations that occur, None for an absent tag. `ids`: the index of each file's combination, of shape
    (n_files,) and the smallest signed integer type.
    """

    texts: Sequence[tuple[str | None, ...]]
    ids: np.ndarray

    def counted(self, mask: np.ndarray | None = None) -> list[tuple[tuple[str | None, ...], int]]:
        """Return (combination, number of files) for the files in `mask`, most frequent first."""
        ids = self.ids if mask is None else self.ids[mask]
        counts = np.bincount(ids, minlength=len(self.texts)).tolist()
        pairs = [(texts, n) for texts, n in zip(self.texts, counts, strict=True) if n]
        return sorted(pairs, key=lambda pair: (-pair[1], [text or "" for text in pair[0]]))

    def where(self, holds: Callable[..., bool]) -> np.ndarray:
        """Return for each file whether `holds` is true of its texts, bool of shape (n_files,)."""
        chosen = np.array([holds(*texts) for texts in self.texts], dtype=bool)
        return chosen[self.ids] if len(chosen) else np.zeros(0, dtype=bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFacts:
    """Summary of a volume: `label`, `rows` of its files in the catalog, spacing (k, j, i) in mm, and notes.

    `spacing[0]` is the usual step along the normal of the slices, also where these are sheared; NaN if there is none.
    `steps`: the smallest and the largest step in mm, missing slices aside. `shear`: the sideways part of a step, mm.
    `has_presets`: whether its files give any.
    """

    label: str
    rows: np.ndarray
    spacing: tuple[float, float, float]
    steps: tuple[float, float]
    shear: float
    has_presets: bool
    slices: int
    modality: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """Volumes of a series, (reason, rows) of its refused files, and `error` if the series could not be examined."""

    volumes: tuple[VolumeFacts, ...] = ()
    refused: tuple[tuple[str, np.ndarray], ...] = ()
    error: str = ""


class Survey:
    """Catalog as the rules use it: each column is coded once, each series examined once.

    `reads_pixels`: whether the pixels are to be checked too, however many files this reads.
    """

    def __init__(self, catalog: Catalog, reads_pixels: bool = False) -> None:
        self.catalog = catalog
        self.reads_pixels = reads_pixels
        self.n_files = catalog.n_files
        self.series_facts: list[SeriesFacts] = []
        self._own: dict[str, CodedValues] = {}
        self._joint: dict[tuple[str, ...], CodedValues] = {}

    # -- columns ------------------------------------------------------------------------------------

    @cached_property
    def summaries(self) -> tuple[TagSummary, ...]:
        """`Catalog.tags`."""
        return self.catalog.tags()

    @cached_property
    def _keywords(self) -> tuple[str, ...]:
        """Keywords of elements outside sequences that vary or are not in every file."""
        return tuple(
            summary.keyword
            for summary in self.summaries
            if len(summary.path.elements) == 1
            and not summary.keyword.startswith("(")
            and (summary.distinct > 1 or summary.present < self.n_files)
        )

    @cached_property
    def _groups(self) -> tuple[str, ...]:
        outer = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
        return tuple(keyword for keyword in outer if len(self.catalog.values(keyword)))

    def own(self, tag: str) -> CodedValues:
        """Return the values of one tag as in the catalog."""
        if tag not in self._own:
            texts, codes = self.catalog.codes(tag)
            first = np.full(len(texts), self.n_files)
            first[codes[::-1]] = np.arange(self.n_files)[::-1]  # the last assignment, from the first file, stays
            order = np.argsort(first, kind="stable")[: np.count_nonzero(first < self.n_files)]
            numbers = np.empty(len(texts), dtype=_small(len(order)))
            numbers[order] = np.arange(len(order))
            self._own[tag] = CodedValues(_Singles(tuple(texts[i] for i in order.tolist())), numbers[codes])
        return self._own[tag]

    def joint(self, *tags: str) -> CodedValues:
        """Return the joint values of `tags`; missing values are taken from functional groups of enhanced images."""
        if tags not in self._joint:
            self._joint[tags] = _combined([self._filled(tag) for tag in tags])
        return self._joint[tags]

    def _filled(self, tag: str) -> CodedValues:
        column = self.own(tag)
        if tag not in GROUP_OF:
            return column
        for outer in self._groups:
            inner = self.own(f"{outer}.{GROUP_OF[tag]}.{tag}")
            seen = {text: i for i, (text,) in enumerate(column.texts)}
            added = np.array([seen.setdefault(text, len(seen)) for (text,) in inner.texts], dtype=np.int64)
            lacking = column.where(lambda text: text is None)
            ids = np.where(lacking, added[inner.ids], column.ids)
            column = CodedValues(_Singles(tuple(seen)), ids.astype(_small(len(seen))))
        return column

    def says(self, tag: str, *texts: str) -> np.ndarray:
        """Return for each file whether `tag` is one of `texts`."""
        return self.joint(tag).where(lambda text: text in texts)

    def filled(self, tag: str) -> np.ndarray:
        """Return for each file whether `tag` is present and not empty."""
        return self.joint(tag).where(bool)

    def holding(self, tag: str, holds: Callable[[str], bool]) -> np.ndarray:
        """Return for each file whether `holds` is true of its value of `tag`; False if it has none.

        The values are not kept, unlike those of `own`: there may be one for each file.
        """
        texts, codes = self.catalog.codes(tag)
        chosen = np.array([bool(text) and holds(text or "") for text in texts], dtype=bool)
        return chosen[codes] if len(chosen) else np.zeros(self.n_files, dtype=bool)

    @cached_property
    def images(self) -> np.ndarray:
        """Mask of files with pixel data, bool of shape (n_files,)."""
        return np.asarray(self.catalog.file_column("pixel_offset") >= 0)

    @cached_property
    def gray(self) -> np.ndarray:
        """Mask of files with measured grayscale images: one sample per pixel, not a secondary capture."""
        kinds = self.joint("SamplesPerPixel", "SOPClassUID", "PhotometricInterpretation")
        held = kinds.where(
            lambda samples, sop_class, photometric: (
                samples in ("1", None, "")
                and not (sop_class or "").startswith(SECONDARY_CAPTURE)
                and (photometric or "MONOCHROME2").startswith("MONOCHROME")
            )
        )
        gray: np.ndarray = self.images & held
        return gray

    @cached_property
    def ct(self) -> np.ndarray:
        """Mask of files with CT images."""
        ct: np.ndarray = self.gray & self.says("Modality", "CT")
        return ct

    @cached_property
    def sectional(self) -> np.ndarray:
        """Mask of files with slices of the patient: grayscale CT, MR, PET and reconstructed NM images."""
        kinds = self.joint("Modality", "ImageType")
        slices = kinds.where(
            lambda modality, image_type: (
                modality in SECTIONAL or (modality == "NM" and "RECON TOMO" in (image_type or "").split("\\"))
            )
        )
        sectional: np.ndarray = self.gray & slices
        return sectional

    @cached_property
    def localizers(self) -> np.ndarray:
        """Mask of files with localizers of CT, MR or PET: slices or projections for planning, in no volume."""
        is_localizer = self.joint("ImageType").where(
            lambda text: "LOCALIZER" in [value.strip() for value in (text or "").split("\\")]
        )
        localizers: np.ndarray = self.sectional & is_localizer
        return localizers

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """Series of the catalog."""
        return self.catalog.series

    @cached_property
    def series_ids(self) -> np.ndarray:
        """Index of each file's series, int64 of shape (n_files,)."""
        ids = np.zeros(self.n_files, dtype=np.int64)
        for i, series in enumerate(self.series):
            ids[series.rows] = i
        return ids

    def mixing(self, of: np.ndarray, groups: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return the files of `mask` in groups with several values of the codes `of`; integers, (n_files,)."""
        mixed = np.zeros(self.n_files, dtype=bool)
        rows = np.flatnonzero(mask)
        if len(rows):
            span = int(of.max()) + 1
            pairs = sorted_unique(groups[rows].astype(np.int64) * span + of[rows])
            several = np.bincount(pairs // span, minlength=int(groups.max()) + 1) > 1
            mixed[rows] = several[groups[rows]]
        return mixed

    # -- volumes ------------------------------------------------------------------------------------

    def look(self, client: Any = None) -> Iterator[int]:
        """Examine one series after the other, or the workers of a Dask client many; yield the number of series done."""
        if client is not None:
            of_parts: dict[int, tuple[SeriesFacts, ...]] = {}
            parts = series_parts(self.catalog, count_workers(client))
            for number, facts in cluster_results(client, _facts_of_all, parts):
                of_parts[number] = facts
                yield sum(map(len, of_parts.values()))
            self.series_facts += [facts for number in sorted(of_parts) for facts in of_parts[number]]
            return
        for series in self.series:
            self.series_facts.append(_facts(series))
            yield len(self.series_facts)

    # -- findings -----------------------------------------------------------------------------------

    def finding(
        self,
        code: str,
        mask: np.ndarray,
        evidence: Iterable[tuple[str, int]] = (),
        *,
        title: str = "",
        severity: str = "",
        tags: Sequence[str] = (),
        standard: str = "",
        advice: str = "",
        meaning: str = "",
        by: Sequence[str] = (),
        scope: str = "",
        is_harmless: bool = False,
    ) -> Finding:
        """Return a finding about the files in `mask`; arguments left empty are those registered for `code`.

        Its meaning names the uses that go wrong if it is ignored, unless `is_harmless`.
        Its selection uses the tags `by`, or else `tags`, or else UIDs.
        """
        kind = kind_of(code)
        tags = tuple(tags) or kind.tags
        return Finding(
            code=code,
            severity=severity or kind.severities[0],
            title=title or kind.title,
            tags=tags,
            standard=standard or kind.standard,
            advice=advice or kind.advice,
            evidence=tuple(evidence),
            selection=self.selection(mask, tuple(by) or kind.by or tags),
            files=int(np.count_nonzero(mask)),
            meaning=(meaning or kind.meaning) if is_harmless else with_uses(code, meaning or kind.meaning),
            scope=scope,
        )

    def selection(self, mask: np.ndarray, tags: tuple[str, ...]) -> Conditions:
        """Return conditions for `Catalog.where` that select the files in `mask`, with `tags` if they suffice.

        Files that no known element distinguishes from these are selected too.
        """
        if mask.all():
            return ()
        if not mask.any():
            return (("SOPInstanceUID", ()),)
        for names in ((tags,) if tags else ()) + _FALLBACK_TAGS:
            joint = _combined([self.own(name) for name in names])
            chosen = np.zeros(len(joint.texts), dtype=bool)
            chosen[joint.ids[mask]] = True
            confused = chosen[joint.ids] & ~mask
            if not confused.any():
                break
        else:
            names = self._distinguishing(mask, names, joint.ids)
            joint = _combined([self.own(name) for name in names])
            chosen = np.zeros(len(joint.texts), dtype=bool)
            chosen[joint.ids[mask]] = True
        wanted = tuple(texts for texts, is_chosen in zip(joint.texts, chosen.tolist(), strict=True) if is_chosen)
        if len(names) == 1 and "." not in names[0] and all(text is not None for (text,) in wanted):
            return ((names[0], tuple(text for (text,) in wanted if text is not None)),)
        return ((names, wanted),)

    def _distinguishing(self, mask: np.ndarray, names: tuple[str, ...], ids: np.ndarray) -> tuple[str, ...]:
        """Return `names` and further tags that distinguish the files in `mask` from other files, as far as possible."""
        among = np.isin(ids, ids[mask]) & np.isin(ids, ids[~mask])
        rows = np.flatnonzero(among)
        catalog, inside = self.catalog.rows(rows), mask[rows]
        columns: dict[str, np.ndarray] = {}
        known = set()
        for tag in self._keywords:
            if len(columns) * len(rows) > MAX_COMPARED:
                break
            column = _numbered(catalog.column_texts(tag))
            if column.any() and column.tobytes() not in known:
                known.add(column.tobytes())
                columns[tag] = column
        codes = ids[rows]
        while (left := _confused(codes, inside)) and len(names) < MAX_TAGS:
            finer = {tag: _finer(codes, column) for tag, column in columns.items()}
            best = min(finer, key=lambda tag: _confused(finer[tag], inside), default="")
            if not best or _confused(finer[best], inside) == left:
                break
            names, codes = (*names, best), finer[best]
        return names


def _numbered(texts: Sequence[str | None]) -> np.ndarray:
    numbers: dict[str | None, int] = {}
    return np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)


def _finer(codes: np.ndarray, column: np.ndarray) -> np.ndarray:
    finer = codes.astype(np.int64) * (int(column.max(initial=0)) + 1) + column
    return np.asarray(np.unique(finer, return_inverse=True)[1])


def _confused(codes: np.ndarray, inside: np.ndarray) -> int:
    """Return the number of files outside that share a code with a file inside."""
    return int(np.count_nonzero(np.isin(codes[~inside], codes[inside])))


def _combined(columns: Sequence[CodedValues]) -> CodedValues:
    ids, texts = columns[0].ids, columns[0].texts
    for column in columns[1:]:
        size = len(column.texts)
        unique, ids = _compact(ids.astype(np.int64) * size + column.ids, len(texts) * size)
        ids = ids.astype(_small(len(unique)))
        texts = tuple((*texts[i // size], *column.texts[i % size]) for i in unique.tolist())
    return CodedValues(texts, ids)


def _small(size: int) -> np.dtype[Any]:
    """Return the smallest signed integer type that holds the indices of `size` texts."""
    return np.min_scalar_type(-max(size, 1))


def _compact(codes: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted distinct `codes`, all below `span`, and the index of each code among them."""
    if span > 1 << 22:
        unique, places = np.unique(codes, return_inverse=True)
        return unique, places
    occurs = np.bincount(codes, minlength=span) > 0
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[codes]


def _ends(geometry: VolumeGeometry) -> tuple[float, float]:
    """Return the smallest and the largest step between slices, missing slices aside, in mm; NaN for one slice."""
    gaps = {k for k, _, _ in geometry.gaps}
    steps = [abs(step) for k, step in enumerate(geometry.steps) if k not in gaps] or [float("nan")]
    return min(steps), max(steps)


def _facts_of_all(part: tuple[Series, ...]) -> tuple[SeriesFacts, ...]:
    return tuple(map(_facts, part))


def _facts(series: Series) -> SeriesFacts:
    row_of: dict[str, int] = {}

    def rows(paths: Sequence[str]) -> np.ndarray:
        if paths is series.catalog.paths:  # as of most series, which are one volume
            return np.sort(series.rows).astype(np.int64)
        if not row_of:
            row_of.update(zip(series.catalog.paths, series.rows.tolist(), strict=True))
        return np.array(sorted({row_of[path] for path in paths if path in row_of}), dtype=np.int64)

    try:
        volumes, refusals = load_series(series)
    except Exception as error:  # noqa: BLE001  a failing series must not stop the others
        log_fault("looking at a series", error)
        return SeriesFacts(error=type(error).__name__)
    name = f"series {series.number}" if series.number else "a series without a number"
    facts = []
    for i, volume in enumerate(volumes, 1):
        label = name + (f" [{i}]" if len(volumes) > 1 else "")
        copies = [path for note in volume.notes if note.code == "left-out" for path in note.paths]
        paths = (*volume.sources.paths, *copies) if copies else volume.sources.paths
        slices = len(volume.geometry.steps) + 1
        step = abs(volume.geometry.usual_step) if np.isfinite(volume.geometry.spacing[0]) else float("nan")
        facts.append(
            VolumeFacts(
                label=label,
                rows=rows(paths),
                spacing=(step, *volume.geometry.spacing[1:]),
                steps=_ends(volume.geometry),
                shear=volume.geometry.shear,
                has_presets=bool(volume.windows),
                slices=slices,
                modality=volume.modality,
                notes=volume.notes,
            )
        )
    refused = tuple((refusal.reason, rows(refusal.paths)) for refusal in refusals)
    return SeriesFacts(tuple(facts), refused)
