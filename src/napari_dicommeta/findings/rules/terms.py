"""Rule about values that must be one of a few terms, and are none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dicommeta.dicom.privacy import is_identifying
from napari_dicommeta.dicom.tags import TagPath
from napari_dicommeta.findings.evidence import by_files, file_count, top
from napari_dicommeta.findings.rule import rule
from napari_dicommeta.support.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_dicommeta.findings.finding import Finding
    from napari_dicommeta.findings.survey import Survey

_YES_NO = frozenset(("YES", "NO"))
_POSITIONS = (
    "HFP HFS HFDR HFDL HFV HFI FFP FFS FFDR FFDL FFV FFI LFP LFS LFDR LFDL RFP RFS RFDR RFDL AFP AFS AFDR AFDL PFP PFS "
    "PFDR PFDL SITTING"
)
TERMS = {
    "PatientPosition": frozenset(_POSITIONS.split()),
    "PatientSex": frozenset("MFO"),
    "Laterality": frozenset("RL"),
    "ImageLaterality": frozenset("RLUB"),
    "LossyImageCompression": frozenset(("00", "01")),
    "VOILUTFunction": frozenset(("LINEAR", "LINEAR_EXACT", "SIGMOID")),
    "BurnedInAnnotation": _YES_NO,
    "RecognizableVisualFeatures": _YES_NO,
    "PatientIdentityRemoved": _YES_NO,
}
"""Tags whose terms the Standard lists in full."""


@rule(
    "terms-undefined",
    severity="info",
    title="Tags hold values that are none of their defined terms",
    standard="PS3.5 section 6.2",
    advice="Map these values to the terms of the Standard, or treat the elements as absent.",
    meaning="Programs ignore them or stop: groups and filters by these tags miss the files.",
)
def terms_undefined(survey: Survey) -> Iterator[Finding]:
    """Yield a finding with the values of tags, of those that may identify persons only the name."""
    lines, masks, tags = [], [], []
    for tag, terms in TERMS.items():
        path = TagPath.parse(tag)
        is_private = is_identifying(path, path.vr)
        if is_private and not survey.catalog.has_paths:  # a catalog for others holds pseudonyms
            continue
        mask = survey.holding(tag, lambda text, terms=terms: text not in terms)  # type: ignore[misc]
        if mask.any():
            of_value = survey.joint(tag).counted(mask)
            lines += [(tag, file_count(mask))] if is_private else [(f"{tag} {text}", n) for (text,), n in of_value]
            masks.append(mask)
            tags.append(tag)
    if masks:
        yield survey.finding(
            "terms-undefined",
            np.logical_or.reduce(masks),
            top(by_files(lines), "other values, each in at most", together=max),
            title=f"{counted(len(tags), 'tag')} {'holds' if len(tags) == 1 else 'hold'} values that are none of "
            f"{'its' if len(tags) == 1 else 'their'} defined terms",
            tags=tuple(tags),
        )
