"""Checking many codes at once."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cim.codes import building
from cim.codes.scheme import CodeScheme

_SMALLEST = 64


def passes(codes: Sequence[str], scheme: CodeScheme) -> NDArray[np.bool_]:
    """Return which codes have the layout and the check digit of a MOD 11-2 scheme.

    Parameters
    ----------
    codes
        Shape (n,).
    scheme
        `cim.codes.building.BUILDING` or `UNIT`.

    Notes
    -----
    A full code is valid when Σ dᵢ·2ⁱ ≡ 1 (mod 11), i = 0 at the check character, X = 10 (ISO/IEC 7064, MOD 11-2).
    """
    width = scheme.segments[-1].end
    fits = np.array([len(code) == width and code.isascii() for code in codes], np.bool_)
    kept = [code for code, fit in zip(codes, fits, strict=True) if fit]
    raw = np.frombuffer("".join(kept).encode("ascii"), np.uint8).reshape(len(kept), width)
    digits = raw.astype(np.int64) - ord("0")
    digits[:, -1][raw[:, -1] == ord("X")] = 10
    weights = np.array([pow(2, place, 11) for place in range(width - 1, -1, -1)])
    good = ((digits @ weights) % 11 == 1) & (digits[:, :-1] >= 0).all(axis=1) & (digits[:, :-1] <= 9).all(axis=1)
    good &= (digits[:, -1] >= 0) & (digits[:, -1] <= 10)
    layout = re.compile(scheme.pattern)
    good[good] = [layout.fullmatch(code) is not None for code, fine in zip(kept, good, strict=True) if fine]
    out = np.zeros(len(codes), np.bool_)
    out[fits] = good
    return out


def can_check(scheme: CodeScheme, n: int) -> bool:
    """Tell whether `passes` knows the scheme and n codes are worth it."""
    return n >= _SMALLEST and scheme.id in (building.BUILDING.id, building.UNIT.id)
