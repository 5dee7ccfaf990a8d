"""Rows of the dock's tables: frozen records of tags and series, made in threads. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING

from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.dicom.units import unit_words
from napari_dicommeta.support.words import counted
from napari_dicommeta.volumes.load import images_of, sizes_text
from napari_dicommeta.volumes.structures import holds_structures

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
    "tag_label",
    "tag_rows",
    "tree_of",
]

SHAPE_BARS = 12
"""Largest number of bars in a tag's Shape column."""
FOLDED = ("constant", "unique", "identifying", "private")
"""The kinds of tags that are hidden until the user unfolds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRow:
    """A row of the tag table: the tag's `keyword`, dictionary `name`, `tag` as text, and its counts.

    `value`: the value of a tag that has only one, else "". `present`: the share of files with a value, 0 to 1.
    `shape`: the counts of the most frequent values, relative to the largest. `kind`: one of `FOLDED` or "". `differs`:
    how much its values differ from another folder's, 0 to 1, None without a comparison.
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
    value: str = ""

    @property
    def label(self) -> str:
        """The keyword, after that of the innermost sequence around it: "ProcedureCode › CodeValue"."""
        return tag_label(self.keyword)

    @property
    def values(self) -> str:
        """The number of distinct values, or the value of a tag that has only one: "= B31f"."""
        return f"= {self.value}" if self.value else f"{self.distinct:,}"


def tag_label(keyword: str) -> str:
    """Return the innermost keyword of a tag, after that of the sequence around it: "ProcedureCode › CodeValue"."""
    levels = [level.removesuffix("Sequence") or level for level in keyword.split(".")[-2:-1]]
    return " › ".join([*levels, keyword.rpartition(".")[2]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Another way to open a series: text of a button, its tooltip, and the options of `load_series`."""

    words: str
    why: str
    split: str = "auto"
    missing_rescale: str = "refuse"
    with_contours: bool = False
    """Whether the contours of structures are added as shapes."""
    with_places: bool = False
    """Whether the places of the measurements of reports are added to what is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRow:
    """A row of the series tree: name, modality and size, why the series cannot be opened, and whether it is open.

    `notes`: the notes on its volumes, None before they are read; `problems` counts the notes that are problems.
    `volumes`: the names of its volumes if there are several; `open_volumes`: those that are open. `offers`: other ways
    to open it. `spacing` is the distance of its slices and `units` those of its values, both "" before they are known.
    """

    name: str
    modality: str
    size: str
    reason: str = ""
    is_open: bool = False
    notes: tuple[str, ...] | None = None
    problems: int = 0
    number: int = 0
    """Index in the list of series."""
    files: int = 0
    matches: int | None = None
    """Number of its files that match the filters; None without a filter."""
    patient: str = ""
    study: str = ""
    study_uid: str = ""
    volumes: tuple[str, ...] = ()
    open_volumes: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    has_images: bool = True
    """Whether it has images, or structures, which are drawn as labels."""
    has_pictures: bool = True
    """Whether it has images to make a picture of."""
    spacing: str = ""
    units: str = ""

    @property
    def line(self) -> str:
        """Modality, size, distance of slices and units: "CT · 275 × 512 × 512 · 1 mm · HU"."""
        return self.lines[0]

    @property
    def lines(self) -> tuple[str, ...]:
        """The `line`, and shorter ones for less space: without units, then without the distance of slices."""
        parts = [part for part in (self.modality, self.size, self.spacing, self.units) if part]
        return tuple(dict.fromkeys(" · ".join(parts[:n]) for n in range(len(parts), min(2, len(parts)) - 1, -1)))

    @property
    def extent(self) -> str:
        """With a filter the number of matching files, else ""."""
        return "" if self.matches is None else f"{self.matches:,} of {self.files:,}"

    @property
    def badge(self) -> str:
        """The number of notes that need a decision in words, or that a series cannot be opened."""
        if self.reason and not self.is_open:
            return "cannot be opened" if self.has_images else ""
        return counted(self.problems, "note") if self.problems else ""


def next_order(order: tuple[int, bool] | None, column: int, descending_first: bool) -> tuple[int, bool] | None:
    """Return (column, descending) after a click on a column header: first order, reversed, then None."""
    if order == (column, descending_first):
        return column, not descending_first
    return None if order == (column, not descending_first) else (column, descending_first)


def tag_rows(catalog: Catalog) -> tuple[TagRow, ...]:
    """Return a row for each tag of `catalog`, in the order of the tags."""
    rows = []
    n = catalog.n_files
    for summary in catalog.tags():
        shape: tuple[float, ...] = ()
        if 1 < summary.distinct <= 1000:
            counts = list(catalog.values(summary.path, most=SHAPE_BARS).values())
            shape = tuple(count / counts[0] for count in counts)
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
                value=next((text for text in catalog.values(summary.path, most=2) if text), "")
                if summary.distinct == 1
                else "",
                spellings=summary.spellings,
            )
        )
    return tuple(rows)


def _kind(summary: TagSummary, n: int) -> str:
    """Return which of `FOLDED` a tag is, "" for an informative tag."""
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
    """Return a row for each series of `catalog`, with the reason for a refused series."""
    reasons = {refusal.series.series_instance_uid: refusal.reason for refusal in refusals}
    keywords = ("PatientID", "PatientName", "StudyDate", "StudyDescription", "StudyInstanceUID")
    columns = {keyword: catalog.codes(keyword) for keyword in keywords}

    def first(series: Series, keyword: str) -> str:
        texts, ids = columns[keyword]
        return next((text for number in ids[series.rows].tolist() if (text := texts[number])), "")

    rows = []
    for number, series in enumerate(catalog.series):
        uid = first(series, "StudyInstanceUID")
        has_images = bool(series.n_images) or holds_structures(series)
        described = filter(None, (_date(first(series, "StudyDate")), first(series, "StudyDescription")))
        study = " ".join(described) or (f"Study …{uid[-8:]}" if uid else "Study without a UID")
        rows.append(
            SeriesRow(
                name=series.name,
                modality=series.modality,
                size=series.size if series.n_images or not has_images else "structures",
                reason=reasons.get(series.series_instance_uid, "")
                or ("" if has_images else "the series contains no images"),
                number=number,
                has_images=has_images,
                has_pictures=bool(series.n_images),
                files=series.n_files,
                patient=first(series, "PatientID") or first(series, "PatientName") or "Patient without an ID",
                study=study,
                study_uid=uid,
            )
        )
    return tuple(rows)


def _date(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else text


def noted(row: SeriesRow, volumes: Sequence[Volume], refusals: Sequence[Refusal]) -> SeriesRow:
    """Return `row` with the notes on its volumes, most severe first."""
    refused = [str(refusal) for refusal in refusals]
    problems = [str(note) for volume in volumes for note in volume.problems]
    others = [str(note) for volume in volumes for note in volume.notes if note.severity == "info"]
    shown = images_of(volumes)
    notes = tuple(dict.fromkeys([*refused, *problems, *others]))
    return replace(
        row,
        size=sizes_text(shown) if volumes else row.size,
        notes=notes,
        problems=len(set(refused + problems)),
        reason=row.reason if volumes else "; ".join(refused),
        volumes=tuple(volume.name for volume in volumes) if len(volumes) > 1 else (),
        offers=offers(shown, refusals),
        spacing=_spacing(shown),
        units=unit_words(shown[0].units) if len({volume.units for volume in shown}) == 1 else "",
    )


def _spacing(volumes: Sequence[Volume]) -> str:
    """Return the distance of slices that all volumes share, as far as they have one, as text."""
    distances = [volume.geometry.spacing[0] for volume in volumes]
    texts = {f"{distance:.3g} mm" for distance in distances if isfinite(distance)}
    return texts.pop() if len(texts) == 1 else ""


def offers(volumes: Sequence[Volume], refusals: Sequence[Refusal]) -> tuple[Offer, ...]:
    """Return other ways to open a series, as far as its notes and refusals allow."""
    codes = {note.code for volume in volumes for note in volume.notes}
    choices = []
    if "gap" in codes:
        why = "Slices are missing: make one volume of each run without gaps"
        choices.append(Offer(words="Split at gaps", why=why, split="gaps"))
    if "blocks" in codes:
        why = "The distance between slices changes: make one volume of each evenly spaced block"
        choices.append(Offer(words="Split into blocks", why=why, split="blocks"))
    if "structures" in codes:
        why = "Open the structures, and add their contours as shapes, exactly as they were drawn"
        choices.append(Offer(words="Add contours", why=why, with_contours=True))
        return tuple(choices)
    if len({volume.array.shape[-2:] for volume in volumes}) < len(volumes):
        why = "Make one volume of all images of the same size, ignoring other differences"
        choices.append(Offer(words="Merge", why=why, split="none"))
    if any(refusal.code == "rescale-missing" for refusal in refusals):
        why = "Apply the rescale of the other images to those that have none"
        choices.append(Offer(words="Open anyway", why=why, missing_rescale="series"))
    return tuple(choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A node of the series tree: a study, a series or one of its volumes, with the nodes below it.

    A node of the kind "rest" holds the series without images. `row`: the row of the series, None for studies and rest.
    `volume`: the number of the volume in its series.
    """

    kind: str
    text: str
    row: SeriesRow | None = None
    volume: int | None = None
    below: tuple[Branch, ...] = ()


def series_branch(row: SeriesRow) -> Branch:
    """Return the branch of a series, with its volumes below it if there are several."""
    volumes = tuple(Branch(kind="volume", text=name, row=row, volume=i) for i, name in enumerate(row.volumes))
    return Branch(kind="series", text=row.name, row=row, volume=None, below=volumes)


def is_worth_grouping(rows: Sequence[SeriesRow]) -> bool:
    """Return whether heads of studies are useful: there are several studies."""
    return len({(row.patient, row.study_uid) for row in rows}) > 1


def tree_of(rows: Sequence[SeriesRow], by_patient: bool) -> tuple[Branch, ...]:
    """Return the series in the order of `rows`, below a head for each study if `by_patient`.

    Series without images come last, below a head of their own, unless there are no others.
    """
    images = [row for row in rows if row.has_images] or rows
    rest = [row for row in rows if not row.has_images] if images is not rows else []
    branches = _studies(images) if by_patient else tuple(map(series_branch, images))
    if rest:
        below = tuple(map(series_branch, rest))
        branches = (*branches, Branch(kind="rest", text=f"{len(rest):,} without images", below=below))
    return branches


def _studies(rows: Sequence[SeriesRow]) -> tuple[Branch, ...]:
    """Return a head with patient and study for each study; the studies of a patient follow each other."""
    patients: dict[str, dict[str, list[SeriesRow]]] = {}
    for row in rows:
        patients.setdefault(row.patient, {}).setdefault(row.study_uid, []).append(row)
    return tuple(
        Branch(kind="study", text=f"{patient} · {of_study[0].study}", below=tuple(map(series_branch, of_study)))
        for patient, studies in patients.items()
        for of_study in studies.values()
    )
