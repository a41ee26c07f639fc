"""Folding addresses for comparison: simplified characters, half width, no spaces, one kind of dash."""

import re
import unicodedata
from functools import lru_cache

from opencc import OpenCC
from pypinyin import lazy_pinyin

_DASHES = re.compile(r"[‐‑‒–—―ー－~～]")
_SPACES = re.compile(r"[\s_]+")
_NUMERALS = {"〇": 0, "零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}


@lru_cache(maxsize=1)
def _converter() -> OpenCC:
    return OpenCC("t2s")


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """Return an address folded for comparison; the original stays what it is.

    Examples
    --------
    >>> fold("光谷資本大廈 Ａ座")
    '光谷资本大厦A座'
    """
    half = unicodedata.normalize("NFKC", text)
    return str(_converter().convert(_DASHES.sub("-", _SPACES.sub("", half)))).upper()


def number_of(text: str) -> int | None:
    """Return the number written in digits or Chinese numerals below 100, None where there is none.

    Examples
    --------
    >>> number_of("十二"), number_of("36号"), number_of("二十")
    (12, 36, 20)
    """
    digits = re.search(r"\d+", text)
    if digits:
        return int(digits[0])
    found = re.search(r"[〇零一二两三四五六七八九十]+", text)
    if found is None:
        return None
    tens, ten, ones = found[0].rpartition("十")
    if not ten:
        return _NUMERALS[found[0][-1]]
    return (_NUMERALS[tens[-1]] if tens else 1) * 10 + (_NUMERALS[ones[0]] if ones else 0)


@lru_cache(maxsize=65_536)
def sound(text: str) -> str:
    """Return the pinyin of a text without tones: 珞喻路 and 珞瑜路 sound alike."""
    return " ".join(lazy_pinyin(text))


def trigrams(text: str) -> frozenset[str]:
    """Return the trigrams of a text, padded as pg_trgm pads words."""
    padded = f"  {text} "
    return frozenset(padded[i : i + 3] for i in range(len(padded) - 2))


def likeness(first: str, second: str) -> float:
    """Return how alike two names are, 0-1: 1 equal, 0.95 equal in sound and length, else the share of common trigrams."""
    if first == second:
        return 1.0
    if first and second and len(first) == len(second) and sound(first) == sound(second):
        return 0.95
    a, b = trigrams(first), trigrams(second)
    return len(a & b) / len(a | b)
