"""The file names that the manifest offers to the reader: ``python3 tests/reader_patterns.py`` writes them into it.

napari asks with fnmatch, which cannot say "no dot in the name" or "digits only". So names without a dot are written
out by their length, and endings of digits too. A pattern for all names would make napari ask which plugin is to open
every TIFF. napari lower-cases patterns, and of names the ending only: names are matched without letters.
"""

from __future__ import annotations

from pathlib import Path

MANIFEST = Path(__file__).resolve().parents[1] / "src" / "napari_dicommeta" / "napari.yaml"
ENDINGS = ("dcm", "dicom", "ima", "dic", "dc3", "mr", "ct")
ARCHIVES = ("zip", "tar", "tgz", "tar.gz", "dcm.gz")
LONGEST_NAME = 64
LONGEST_NUMBER = 6
HEAD = "      filename_patterns:\n"


def patterns() -> list[str]:
    """Return the patterns, in the order of the manifest."""
    return [
        *(f"*.{ending}" for ending in (*ENDINGS, *ARCHIVES)),
        *("[!.]" * length for length in range(1, LONGEST_NAME + 1)),
        *(f"*.{'[0-9]' * length}" for length in range(1, LONGEST_NUMBER + 1)),  # img.0001
        "*.[a-z][a-z]dc.[0-9]*",  # GE: i1234567.MRDC.12, .CTDC
        "[0-9].[0-9]*.[0-9]*",  # a UID
        "*.[0-9].[0-9]*.[0-9]*",  # a UID behind a word: MR.1.2.840
    ]


def with_patterns(manifest: str) -> str:
    """Return the text of a manifest with these patterns in place of those it has."""
    before, _, after = manifest.partition(HEAD)
    rest = after.splitlines(keepends=True)
    while rest and rest[0].startswith("        - "):
        del rest[0]
    return before + HEAD + "".join(f'        - "{pattern}"\n' for pattern in patterns()) + "".join(rest)


if __name__ == "__main__":
    MANIFEST.write_text(with_patterns(MANIFEST.read_text("utf-8")), "utf-8")
