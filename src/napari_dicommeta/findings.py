"""What the counts imply: one small function a rule, each with its evidence and the section of the Standard.

A rule takes a catalog and yields findings. To add one, write the function and put it into `RULES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_dicommeta.catalog import Catalog

__all__ = ["RULES", "Finding", "findings_of"]

SEVERITIES = ("wrong", "decision", "info")
"""Wrong; needs a decision; good to know."""
# Numbers that decide what pixels mean or where they lie: their spellings are worth a word.
_SPELLED = (
    "ImageOrientationPatient",
    "PixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "PixelPaddingValue",
    "WindowCenter",
    "WindowWidth",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the values of a folder, or of a volume, imply.

    `code` names the rule; `severity` is "wrong", "decision" or "info"; `title` one sentence; `evidence` the
    counts behind it as (what, files); `tags` the keywords it rests on; `standard` the section; `advice` the
    preprocessing step; `selection` the conditions under which `Catalog.where` gives its files.
    """

    code: str
    severity: str
    title: str
    evidence: tuple[tuple[str, int], ...] = ()
    tags: tuple[str, ...] = ()
    standard: str = ""
    advice: str = ""
    selection: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __str__(self) -> str:
        return self.title


def findings_of(catalog: Catalog) -> tuple[Finding, ...]:
    """The findings of all rules, the most severe first."""
    found = [finding for rule in RULES for finding in rule(catalog)]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


def _several_spellings(catalog: Catalog) -> Iterator[Finding]:
    for tag in _SPELLED:
        spelled = [value for value in catalog.details(tag) if len({s.text for s in value.spellings}) > 1]
        if spelled:
            spellings = [(s.text, s.files) for value in spelled for s in value.spellings]
            yield Finding(
                "spellings",
                "info",
                f"{tag}: {len(spelled)} of its values are spelled in several ways",
                tuple(spellings),
                (tag,),
                "PS3.5 section 6.2",
                "Compare by value, never as text.",
                ((tag, tuple(value.text for value in spelled)),),
            )


def _suspect_values(catalog: Catalog) -> Iterator[Finding]:
    for summary in catalog.tags():
        if summary.distinct > 1000:
            continue
        for value in catalog.details(summary.path):
            if value.flag:
                yield Finding(
                    "suspect-value",
                    "wrong",
                    f"{summary.keyword}: {value.flag}",
                    ((value.text, value.files),),
                    (summary.keyword,),
                    "PS3.5 section 6.2",
                    "Do not use this value; treat the element as absent.",
                    ((summary.keyword, (value.text,)),),
                )


def _rescale_unspecified(catalog: Catalog) -> Iterator[Finding]:
    if files := catalog.values("RescaleType").get("US", 0):
        yield Finding(
            "rescale-unspecified",
            "decision",
            "Rescale Type is US, which means Unspecified, not Hounsfield units",
            (("US", files),),
            ("RescaleType",),
            "PS3.3 section C.11.1.1.2",
            "Check that air lies near -1000 and water near 0 before the values are used as HU.",
            (("RescaleType", ("US",)),),
        )


def _doubled_windows(catalog: Catalog) -> Iterator[Finding]:
    doubled: list[tuple[tuple[str, str], int]] = []
    for (center, width), files in catalog.values(("WindowCenter", "WindowWidth")).items():
        pairs = list(zip((center or "").split("\\"), (width or "").split("\\"), strict=False))
        if len(pairs) > len(set(pairs)):
            doubled.append(((center, width), files))
    if doubled:
        yield Finding(
            "window-doubled",
            "info",
            "Files give the same window preset twice",
            tuple((f"{center} / {width}", files) for (center, width), files in doubled),
            ("WindowCenter", "WindowWidth"),
            "PS3.3 section C.11.2.1.2",
            "Count such a preset once.",
            (("WindowCenter", tuple(center for (center, _), _ in doubled)),),
        )


RULES: tuple[Callable[[Catalog], Iterator[Finding]], ...] = (
    _suspect_values,
    _rescale_unspecified,
    _several_spellings,
    _doubled_windows,
)
