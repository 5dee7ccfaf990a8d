"""The lines of the dock's tables: frozen records of tags and series, made in threads, without Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.privacy import is_identifying

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Catalog, Series
    from napari_dicommeta.catalog.counts import TagSummary
    from napari_dicommeta.volumes.refusal import Refusal
    from napari_dicommeta.volumes.volume import Volume

__all__ = [
    "FOLDED",
    "SHAPE_BARS",
    "Branch",
    "Offer",
    "SeriesRow",
    "TagRow",
    "is_worth_grouping",
    "next_order",
    "noted",
    "offers",
    "series_branch",
    "series_rows",
    "tag_rows",
    "tree_of",
]

SHAPE_BARS = 12
"""Values in a tag's little picture."""
FOLDED = ("constant", "unique", "identifying", "private")
"""The kinds of tags that are folded away until they are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRow:
    """One line: the tag's `keyword`, dictionary `name` and `tag` as text, how it is filled, and its largest counts.

    `present` is the share of files with a value, 0 to 1; `shape` the counts of the most frequent values over the
    largest; `kind` "" or the one of `FOLDED` that it is; `differs` how much its values differ from another folder's,
    0 to 1, None where none is compared.
    """

    keyword: str
    name: str
    tag: str
    vr: str
    distinct: int
    present: float
    shape: tuple[float, ...]
    kind: str = ""
    spellings: int = 0
    differs: float | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be done otherwise with a series: words for a button, why, and the options of `loader.load_series`."""

    words: str
    why: str
    split: str = "auto"
    missing_rescale: str = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRow:
    """One line: the series' name, modality and size; why it cannot be opened, and whether it is open.

    `notes`: what its volumes' passports say, `problems` of them more than good to know; None: not looked at yet.
    `volumes`: the names of its volumes, if there are several, `open_volumes` of those that are open. `offers`: how else
    it can be opened.
    """

    name: str
    modality: str
    size: str
    reason: str = ""
    is_open: bool = False
    notes: tuple[str, ...] | None = None
    problems: int = 0
    number: int = 0
    """Its place in the list of series."""
    files: int = 0
    matches: int | None = None
    """How many of its files hold what is filtered for; None without a filter."""
    patient: str = ""
    study: str = ""
    study_uid: str = ""
    volumes: tuple[str, ...] = ()
    open_volumes: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()

    @property
    def extent(self) -> str:
        """The size, or with a filter how many files match."""
        return self.size if self.matches is None else f"{self.matches:,} of {self.files:,} match"

    @property
    def badge(self) -> str:
        """The number of problems, × for a series that cannot be opened."""
        return "×" if self.reason and not self.is_open else str(self.problems) if self.problems else ""


def next_order(order: tuple[int, bool] | None, column: int, descending_first: bool) -> tuple[int, bool] | None:
    """(column, descending) after a click on a column's head: its first order, turned round, then none."""
    if order == (column, descending_first):
        return column, not descending_first
    return None if order == (column, not descending_first) else (column, descending_first)


def tag_rows(catalog: Catalog) -> tuple[TagRow, ...]:
    """A row for each tag of `catalog`, in the order of the tags; none where there are no files."""
    rows = []
    n = catalog.n_files
    for summary in catalog.tags():
        shape: tuple[float, ...] = ()
        if 1 < summary.distinct <= 1000:
            most = list(catalog.values(summary.path, most=SHAPE_BARS).values())
            shape = tuple(count / most[0] for count in most)
        rows.append(
            TagRow(
                keyword=summary.keyword,
                name=summary.path.name,
                tag=summary.path.tag_text,
                vr=summary.vr,
                distinct=summary.distinct,
                present=summary.present / n,
                shape=shape,
                kind=_kind(summary, n),
                spellings=summary.spellings,
            )
        )
    return tuple(rows)


def _kind(summary: TagSummary, n: int) -> str:
    """Which of `FOLDED` a tag is, "" for one that tells something."""
    if summary.path.is_private:
        return "private"
    if is_identifying(summary.path, summary.vr):
        return "identifying"
    if n == 1 or summary.spellings > summary.distinct:
        return ""
    if summary.distinct <= 1 and n in (summary.present, summary.empty):
        return "constant"
    return "unique" if summary.distinct == n else ""


def series_rows(catalog: Catalog, refusals: Sequence[Refusal]) -> tuple[SeriesRow, ...]:
    """A row for each series of `catalog`, with the reason where it is among the refused."""
    reasons = {refusal.series.series_instance_uid: refusal.reason for refusal in refusals}
    keywords = ("PatientID", "PatientName", "StudyDate", "StudyDescription", "StudyInstanceUID")
    columns = {keyword: catalog.codes(keyword) for keyword in keywords}

    def first(series: Series, keyword: str) -> str:
        texts, ids = columns[keyword]
        return next((text for number in ids[series.rows].tolist() if (text := texts[number])), "")

    rows = []
    for number, series in enumerate(catalog.series):
        named = [_date(first(series, "StudyDate")), first(series, "StudyDescription")]
        study = " ".join(filter(None, named)) or f"study …{first(series, 'StudyInstanceUID')[-8:] or ' without a UID'}"
        rows.append(
            SeriesRow(
                name=series.name,
                modality=series.modality,
                size=series.size,
                reason=reasons.get(series.series_instance_uid, "") or ("" if series.n_images else "it holds no image"),
                number=number,
                files=series.n_files,
                patient=first(series, "PatientID") or first(series, "PatientName") or "patient without an ID",
                study=study,
                study_uid=first(series, "StudyInstanceUID"),
            )
        )
    return tuple(rows)


def _date(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else text


def noted(row: SeriesRow, volumes: Sequence[Volume], refusals: Sequence[Refusal]) -> SeriesRow:
    """`row` with what is to be said of its volumes, most severe first."""
    refused = [str(refusal) for refusal in refusals]
    problems = [str(note) for volume in volumes for note in volume.problems]
    others = [str(note) for volume in volumes for note in volume.notes if note.severity == "info"]
    notes = tuple(dict.fromkeys([*refused, *problems, *others]))
    return replace(
        row,
        notes=notes,
        problems=len(set(refused + problems)),
        reason=row.reason if volumes else "; ".join(refused),
        volumes=tuple(volume.name for volume in volumes) if len(volumes) > 1 else (),
        offers=offers(volumes, refusals),
    )


def offers(volumes: Sequence[Volume], refusals: Sequence[Refusal]) -> tuple[Offer, ...]:
    """How else a series can be opened, where a note or a refusal allows it."""
    codes = {note.code for volume in volumes for note in volume.notes}
    found = []
    if "gap" in codes:
        found.append(Offer("Split at gaps", "slices are missing: one volume for each run of slices", split="gaps"))
    if len({volume.array.shape[-2:] for volume in volumes}) < len(volumes):
        found.append(Offer("Merge", "one volume of all images of one size, in spite of what parts them", split="none"))
    if any(refusal.code == "rescale-missing" for refusal in refusals):
        why = "images without a rescale take that of the others"
        found.append(Offer("Open anyway", why, missing_rescale="series"))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A node of the series tree: a patient, a study, a series or one of its volumes, and what lies below it.

    `row` is the series' line, None for patients and studies; `volume` the number of the volume among its series'.
    """

    kind: str
    text: str
    row: SeriesRow | None = None
    volume: int | None = None
    below: tuple[Branch, ...] = ()


def series_branch(row: SeriesRow) -> Branch:
    """The branch of a series, with its volumes below it where there are several."""
    volumes = tuple(Branch(kind="volume", text=name, row=row, volume=i) for i, name in enumerate(row.volumes))
    return Branch(kind="series", text=row.name, row=row, volume=None, below=volumes)


def is_worth_grouping(rows: Sequence[SeriesRow]) -> bool:
    """Whether a tree by patient and study says more than a list: some study holds several series, and not all do."""
    studies = {(row.patient, row.study_uid) for row in rows}
    return 1 < len(studies) < len(rows)


def tree_of(rows: Sequence[SeriesRow], by_patient: bool) -> tuple[Branch, ...]:
    """The series in the order of `rows`, below their studies and patients if these are asked for."""
    if not by_patient:
        return tuple(map(series_branch, rows))
    patients: dict[str, dict[str, list[SeriesRow]]] = {}
    for row in rows:
        patients.setdefault(row.patient, {}).setdefault(row.study_uid, []).append(row)
    return tuple(
        Branch(
            kind="patient",
            text=patient,
            below=tuple(
                Branch(kind="study", text=of_study[0].study, below=tuple(map(series_branch, of_study)))
                for of_study in studies.values()
            ),
        )
        for patient, studies in patients.items()
    )
