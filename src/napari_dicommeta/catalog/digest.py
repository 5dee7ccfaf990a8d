"""Digests of a catalog and of each of its files, to detect whether and where a folder has changed.

Each distinct stored value is hashed once, and a file's digest combines the hashes of its values. 64 bits distinguish
files but are not cryptographically secure.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from napari_dicommeta.catalog.arrow_arrays import bool_array, text_array
from napari_dicommeta.catalog.hashes import hashes, mixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_dicommeta.catalog.catalog import Catalog

__all__ = ["catalog_digest", "common_folder", "file_digests", "relative_paths"]

DIGEST_VERSION = b"dicommeta-1"
"""Part of each digest, so that digests of different versions differ."""


def catalog_digest(catalog: Catalog) -> str:
    """Return 32 hexadecimal digits computed from a catalog's relative paths, file sizes and stored values.

    The digest is the same for a moved folder, for files in another order, and for a saved and reloaded catalog. It
    differs if a file, a name, a size or a byte of an element differs. It ignores modification times, pixels of the same
    length, and entries that are not in the catalog.
    """
    paths = relative_paths(catalog.paths, common_folder(catalog.paths))
    names = hashes(text_array([path.encode("utf-8", "surrogatepass") for path in paths], pa.binary()))
    rows = np.sort(mixed(file_digests(catalog) + mixed(names)))
    return blake2b(rows.astype("<u8").tobytes(), digest_size=16, person=DIGEST_VERSION).hexdigest()


def file_digests(catalog: Catalog) -> np.ndarray:
    """Return a digest of each file's size and stored element values: uint64, shape (n_files,)."""
    total = mixed(catalog.file_column("size").astype(np.uint64))
    for column in catalog.file_rows.columns():
        codes = catalog.file_rows.stored_codes(column)
        is_used = np.bincount(codes + 1, minlength=len(column.values) + 1)[1:] > 0
        if not is_used.any():
            continue
        of_code = np.zeros(len(column.values) + 1, dtype=np.uint64)  # the last entry, for code -1, stays 0
        used = column.values if is_used.all() else column.values.filter(bool_array(is_used))
        seed = int.from_bytes(blake2b(column.path.key.encode(), digest_size=8).digest(), "little")
        of_code[:-1][is_used] = mixed(hashes(used) + np.uint64(seed))
        total += of_code[codes]
    return mixed(total)


def common_folder(paths: Sequence[str]) -> str:
    """Return the deepest folder that holds all of `paths`, "" for no paths or paths on several drives."""
    folders = {os.path.dirname(path) for path in paths}
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:
        return ""


def relative_paths(paths: Sequence[str], folder: str) -> list[str]:
    """Return `paths` relative to `folder` with ``/`` as separator; paths outside `folder` are not shortened."""
    start = os.path.join(folder, "") if folder else ""
    below = [path[len(start) :] if path.startswith(start) else path for path in paths]
    return below if os.sep == "/" else [path.replace(os.sep, "/") for path in below]
