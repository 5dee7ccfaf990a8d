"""Which files make up a series."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.catalog.file_rows import tag_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.catalog.file_rows import FileRows

__all__ = ["series_rows"]


def series_rows(files: FileRows) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the UID and the rows of each series, ordered by its first file; see `Catalog.series`."""
    if not files.n_files:
        return
    texts, uids = files.codes(tag_path("SeriesInstanceUID"), "meaning")
    study_texts, studies = files.codes(tag_path("StudyInstanceUID"), "meaning")
    pairs, counts = np.unique(uids * len(study_texts) + studies, return_counts=True)
    shared = set()
    of_uid: dict[int, list[int]] = {}
    for pair, n in zip(pairs.tolist(), counts.tolist(), strict=True):
        if study_texts[pair % len(study_texts)]:
            of_uid.setdefault(pair // len(study_texts), []).append(n)
    for uid, n_files in of_uid.items():
        if len(n_files) > 1 and min(n_files) > 1:
            shared.add(uid)
    is_shared = np.zeros(len(texts), dtype=bool)
    is_shared[list(shared)] = True
    has_no_study = np.array([not text for text in study_texts])
    studies = np.where(has_no_study[studies], len(study_texts), studies)  # absent and empty are alike
    keys = uids * (len(study_texts) + 2) + np.where(is_shared[uids], studies + 1, 0)
    without = np.flatnonzero(np.array([not text for text in texts])[uids])
    rest: dict[tuple[str, ...], int] = {}
    for i, *key in zip(without.tolist(), *_stated(files.at(without)), strict=True):
        keys[i] = -1 - rest.setdefault(tuple(key), len(rest))
    _, first, ids = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(ids, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(ids))[:-1])
    for i in np.argsort(first).tolist():
        yield texts[uids[groups[i][0]]] or "", groups[i]


def _stated(files: FileRows) -> Iterator[list[str]]:
    """Yield study, series number, modality and folder of files without a UID, a text for each file."""
    for name in ("StudyInstanceUID", "SeriesNumber", "Modality"):
        texts, ids = files.codes(tag_path(name), "meaning")
        yield [texts[i] or "" for i in ids.tolist()]
    yield [os.path.dirname(path) for path in files.file_column("path").to_pylist()]
