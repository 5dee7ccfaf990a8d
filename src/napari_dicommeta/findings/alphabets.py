"""Texts of one byte a letter whose alphabet is not Latin: which character set makes words of their bytes.

In Latin-1, whose letters above 0x7F are accented ones, no language writes words of those letters alone. The
frequencies of letters show of which alphabet the bytes are.
"""

from __future__ import annotations

import math
import re

__all__ = ["likely_charset"]

_FREQUENCIES = {
    "Cyrillic": "о11 е8.5 а8 и7.4 н6.7 т6.3 с5.5 р4.7 в4.5 л4.4 к3.5 м3.2 д3 п2.8 у2.6 я2 ы1.9 ь1.7 г1.7 з1.7 б1.6 "
    "ч1.4 й1.2 х1 ж.9 ш.7 ю.6 ц.5 щ.4 э.3 ф.3 ъ.04 ё.04 і.5 ї.1 є.1 ґ.01",
    "Greek": "α10 ο8.5 ι7.5 ε7.4 τ8 σ4.9 ς4 ν6.4 η4.2 υ3.8 ρ4.3 π4.2 κ4.1 μ3.3 λ2.7 ω1.6 γ1.8 δ1.7 θ1.3 χ1.2 φ.9 β.7 "
    "ξ.5 ζ.4 ψ.2 ά2 έ1.8 ή1.5 ί2.2 ό2.2 ύ1 ώ.7 ϊ.05 ϋ.01",
    "Hebrew": "י11 ה10.9 ו10.4 ל7.4 א6.3 ר5.6 ת5 ב4.7 ש4.4 מ4.6 ם3.2 נ2.9 ן1.4 ע3.2 ד2.6 ח2.5 כ2.7 ך.8 ק2.1 פ1.7 ף.2 "
    "צ1.2 ץ.1 ט1.2 ג1.2 ס1.5 ז1.3",
    "Arabic": "ا12.5 ل11.8 ي6.8 م6.5 و6 ن6.5 ر5 ت4.5 ب4.3 ة3 ع4 د3.9 س3.2 ه4.3 ف3 ق2.6 ك2.2 ح2.4 ج1.7 ش1.3 ص1.3 ط1 ض.9 "
    "خ1.1 ى1 ز.9 ث.6 ذ.7 غ.6 ظ.3 ئ.5 ء.5 أ2.5 إ1 آ.2 ؤ.15",
    "Thai": "า7 น6.9 ร6.3 อ5.8 ก5.2 เ4.6 ง4.5 ่4.3 ม4 ย3.6 ้3.4 ล3.4 ว3.3 ั4 ด3.2 ี3 ท3 ส2.7 ต2.6 ะ2.1 ิ2.2 ค2.2 บ2 ป2.2 "
    "ไ1.7 ใ1.3 แ1.8 ห2.8 จ1.5 พ1.7 ข1.4 ช1.3 ุ1.3 ู1.3 ์1 ื1 โ.9 ผ.5 ถ.7 ซ.5 ำ.9 ณ.5 ธ.5 ็.6 ฉ.2 ศ.5 ภ.4 ญ.3 ฐ.15 ฟ.2 ึ.5 "
    "ษ.3 ฮ.1 ฎ.05 ฏ.05 ฝ.1 ฬ.05",
}
"""Letters of each alphabet, and how many of a hundred letters they are."""
_SETS = (
    ("Cyrillic", "cp1251", "Windows-1251"),
    ("Cyrillic", "iso8859-5", "ISO_IR 144"),
    ("Cyrillic", "koi8-r", "KOI8-R"),
    ("Greek", "iso8859-7", "ISO_IR 126"),
    ("Hebrew", "iso8859-8", "ISO_IR 138"),
    ("Arabic", "iso8859-6", "ISO_IR 127"),
    ("Arabic", "cp1256", "Windows-1256"),
    ("Thai", "cp874", "ISO_IR 166"),
)
"""Alphabet, Python's name of the character set, and DICOM's or the common one.

Letters of Windows-1253 and 1255 are those of ISO_IR 126 and 138, but for one.
"""
_WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
MIN_LETTERS, MIN_RUN = 6, 4
"""Letters in a text, and in one of its words, from which the alphabet is certain enough."""
MIN_DISTINCT, MIN_MEAN = 4, -3.8
"""Different letters of a text, and the mean logarithm of their likelihoods, below which it is in no language."""
RARE = {"KOI8-R": math.log(20)}
"""Character sets that fewer programs write, and how much less likely they are, as a logarithm."""
MIN_ODDS = math.log(100)
"""By how much a character set must be more likely than the next one: a hundred times, as a logarithm."""
PER_CHINESE_BYTE = -math.log(40 * 94) / 2
"""Logarithm of the likelihood of a byte of Chinese: 40 × 94 characters of GB 2312 are common."""


def _logarithms(frequencies: str) -> dict[str, float]:
    parts = {part[0]: float(part[1:]) for part in frequencies.split()}
    total = sum(parts.values())
    return {letter: math.log(share / total) for letter, share in parts.items()}


_LIKELIHOODS = {alphabet: _logarithms(frequencies) for alphabet, frequencies in _FREQUENCIES.items()}


def likely_charset(raw: bytes, is_chinese: bool = False) -> str:
    """Return the character set in which bytes are words of another alphabet than Latin, "" if that is unsure.

    Words of Latin letters may stand beside them, but none of both kinds of letters. `is_chinese`: whether the bytes are
    characters of GB 2312, too; the character set must then also be more likely than that one.
    """
    words = [word for word in _WORD.findall(raw) if not word.isascii()]
    letters = sum(map(len, words))
    used = {byte for word in words for byte in word}
    if letters < MIN_LETTERS or max(map(len, words)) < MIN_RUN or min(used) < 0x80 or len(used) < MIN_DISTINCT:
        return ""
    scores = [(_likelihood(words, alphabet, codec) - RARE.get(name, 0.0), name) for alphabet, codec, name in _SETS]
    scores.append((PER_CHINESE_BYTE * letters if is_chinese else -math.inf, ""))
    (best, name), (second, _) = sorted(scores, reverse=True)[:2]
    return name if best - second >= MIN_ODDS and best >= MIN_MEAN * letters else ""


def _likelihood(words: list[bytes], alphabet: str, codec: str) -> float:
    """Return the logarithm of the likelihood of words in an alphabet, minus infinity if they are none."""
    shares, total = _LIKELIHOODS[alphabet], 0.0
    for raw in words:
        word = raw.decode(codec, "replace")
        if not (word.islower() or word.isupper() or word.istitle() or word.lower() == word.upper()):
            return -math.inf
        for letter in word.lower():
            total += shares.get(letter, -math.inf)
    return total
