"""Units of pixel values as people write them: DICOM's terms are codes of letters, such as BQML."""

from __future__ import annotations

__all__ = ["unit_words"]

WORDS = {
    "1CM": "1/cm",
    "BQML": "Bq/ml",
    "CM2": "cm²",
    "CM2ML": "cm²/ml",
    "CNTS": "counts",
    "CPS": "counts/s",
    "GML": "g/ml",
    "MGML": "mg/ml",
    "MGMINML": "mg/min/ml",
    "MLG": "ml/g",
    "MLMING": "ml/min/g",
    "MLMINML": "ml/min/ml",
    "MLML": "ml/ml",
    "NONE": "",
    "PCNT": "%",
    "PCT": "%",
    "PROPCNTS": "∝ counts",
    "PROPCPS": "∝ counts/s",
    "SIGNAL INTENSITY (UNITLESS)": "",
    "STDDEV": "SD",
    "UMOLMINML": "µmol/min/ml",
    "UMOLML": "µmol/ml",
    "US": "",
}
"""Terms of *Units* (0054,1001) and of *Rescale Type* (0028,1054) -> words (PS3.3 sections C.8.9.1.1.3, C.11.1.1.2).

"US" is unspecified.
"""


def unit_words(term: str) -> str:
    """Return a unit as people write it, "Bq/ml" for BQML; a term that is none of the Standard's codes as it is."""
    return WORDS.get(term, term)
