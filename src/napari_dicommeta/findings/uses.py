"""Uses of images, and which of them go wrong if a finding is ignored."""

from __future__ import annotations

__all__ = ["MATTERS_FOR", "USES", "uses_of", "with_uses"]

IF_IGNORED = "If ignored, "

USES = ("reading", "counting", "display", "measuring", "registration", "radiomics", "training", "sharing")
"""Reading files by other programs, counting and grouping them, display, measuring in mm or units, and so on."""

_VALUES = ("measuring", "radiomics", "training")
_PLACES = ("display", "measuring", "registration")
_GRIDS = ("radiomics", "training")
_CASES = ("counting", "training")

MATTERS_FOR: dict[str, tuple[str, ...]] = {
    # files
    "damaged": ("reading", "training"),
    "unreadable": ("counting",),
    "archives": ("counting",),
    "refused": ("display", "training"),
    "series-failed": ("display",),
    "no-pixels": ("counting",),
    "meta-contradicts": ("reading", "sharing"),
    "numbers-left-out": _CASES,
    "syntax-missing": ("reading", "display"),
    "transfer-syntaxes": ("reading",),
    "spellings": ("counting",),
    "suspect-value": ("reading", *_VALUES),
    "suspect-text": ("reading",),
    "terms-undefined": ("reading", "counting"),
    "sign-mismatch": ("display", *_GRIDS),
    "absent-in-part": ("reading", "training"),
    "charset-undefined": ("reading", "counting"),
    "charset-contradicts": ("counting", "training"),
    "pixels-cut": ("display", *_VALUES),
    "pixels-longer": ("display", *_VALUES),
    "pixels-assumed": ("display", *_VALUES),
    # identity
    "identifying": ("sharing",),
    "burned-in": ("training", "sharing"),
    "series-studies": _CASES,
    "series-modalities": _CASES,
    "series-numbers": _CASES,
    "series-frames": ("registration",),
    "study-patients": _CASES,
    "patient-contradicts": _CASES,
    "study-dates": _CASES,
    "date-order": _CASES,
    "dates-invalid": ("reading", "counting"),
    "ages": ("training",),
    "image-twice": _CASES,
    "same-pixels": _CASES,
    "enhanced-mixed": ("reading", "counting"),
    "uid-reused": ("counting", "sharing"),
    "uids-missing": ("counting", "registration"),
    "references-missing": ("registration", "training"),
    "frames-missing": ("registration",),
    "one-acquisition": ("training",),
    # what is mixed
    "scanners": _GRIDS,
    "scanner-unstated": _GRIDS,
    "field-in-gauss": ("counting",),
    "protocols-vary": _GRIDS,
    "protocol-outliers": _GRIDS,
    "kernels": _GRIDS,
    "thicknesses": _GRIDS,
    "kvp-zero": ("measuring", "radiomics"),
    "modality-unknown": _CASES,
    "derived": _GRIDS,
    "localizers": _GRIDS,
    "image-type": ("counting", "training"),
    "contrast-in-part": _GRIDS,
    "patient-positions": ("registration", "training"),
    "sides": ("training",),
    "views": ("training",),
    "body-parts": _GRIDS,
    "no-ct-values": _GRIDS,
    "color": _GRIDS,
    "overlays": ("display", "sharing"),
    # values
    "rescale-unspecified": _VALUES,
    "rescale-type": _VALUES,
    "rescale-type-missing": ("measuring",),
    "rescale-in-part": _VALUES,
    "rescale-missing": _VALUES,
    "rescale-in-series": _VALUES,
    "rescales": _VALUES,
    "slope-4097": ("measuring",),
    "slope-zero": _VALUES,
    "intercept-missing": _VALUES,
    "intercept-unsigned": _VALUES,
    "intercept-unusual": _VALUES,
    "modality-lut": _VALUES,
    "pixel-format": ("reading", *_GRIDS),
    "high-bit": ("display", *_VALUES),
    "padding": ("display", *_GRIDS),
    "padding-impossible": ("display", *_GRIDS),
    "lossy": ("radiomics", "training"),
    "pet-units": _VALUES,
    "pet-attenuation": _VALUES,
    "pet-counts": _VALUES,
    "pet-decay": _VALUES,
    "suv-missing": _VALUES,
    "hu-intercept": _VALUES,
    "hu-intercept-missing": _VALUES,
    "hu-intercept-doubled": _VALUES,
    "hu-intercept-sign": _VALUES,
    "hu-rescale-twice": _VALUES,
    "hu-sign": ("display", *_VALUES),
    "hu-slope": _VALUES,
    "hu-below": _GRIDS,
    "hu-padding": ("display", *_GRIDS),
    "hu-unread": _VALUES,
    # display
    "monochrome1": ("display", "training"),
    "monochrome-mixed": ("display", *_GRIDS),
    "window-doubled": ("counting",),
    "window-implausible": ("display", "training"),
    "windows-vary": ("display", "training"),
    "windows-stored": ("display", "training"),
    "sigmoid": ("display", "training"),
    # places
    "orientations": ("display", "registration", "training"),
    "orientation-invalid": _PLACES,
    "spacings": _GRIDS,
    "sizes": ("training",),
    "spacing-invalid": _PLACES,
    "spacing-missing": ("measuring",),
    "position-missing": _PLACES,
    "lengths-odd": ("measuring",),
    "unplaced": _PLACES,
    "steps": _GRIDS,
    "slices-overlap": ("measuring", "training"),
    "slices-apart": ("measuring", "radiomics"),
    "step-contradicts": _PLACES,
    "gap": _PLACES,
    "uneven": _PLACES,
    "blocks": _PLACES,
    "beside": _PLACES,
    "tilt": _PLACES,
    "split": ("display", "training"),
    "left-out": ("display", *_CASES),
    "volumes": ("display", "training"),
    "interleaved": ("display", *_VALUES),
    "tracked": _PLACES,
    "one-place": _PLACES,
    "mosaic": _PLACES,
    "slide-absent": _GRIDS,
}
"""Code of a finding -> the uses of its images that go wrong if it is ignored."""


def with_uses(code: str, meaning: str) -> str:
    """Return `meaning` with a clause that names the uses which go wrong if a finding with this code is ignored."""
    uses = MATTERS_FOR.get(code, ())
    if not uses:
        return meaning
    named = " and ".join(filter(None, (", ".join(uses[:-1]), uses[-1])))
    return f"{meaning} {IF_IGNORED}{named} {'goes' if len(uses) == 1 else 'go'} wrong.".strip()


def uses_of(code: str, meaning: str) -> tuple[str, ...]:
    """Return the uses that a finding with this meaning names, () if it is harmless."""
    return MATTERS_FOR.get(code, ()) if IF_IGNORED in meaning else ()
