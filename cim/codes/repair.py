"""What a code with a wrong check digit most likely meant: the usual slips of the hand, undone one at a time."""

from dataclasses import dataclass

from cim.codes.scheme import CodeScheme
from cim.errors import CodeError


@dataclass(frozen=True)
class Slip:
    """A right code one slip away.

    Parameters
    ----------
    code
        The right code.
    what, what_zh
        What was changed, positions counted from 1.
    """

    code: str
    what: str
    what_zh: str


def slips(code: str, scheme: CodeScheme) -> list[Slip]:
    """Return the codes that pass the check and differ by one slip: swapped neighbours, swapped over one digit, one wrong digit.

    Parameters
    ----------
    code
        Of the scheme's length, failing its check.
    scheme
        With a check digit.

    Notes
    -----
    The three slips are those MOD 11-2 of ISO/IEC 7064 is made to detect; swaps come first because they are the rarer coincidence.
    """
    if scheme.check is None or len(code) != scheme.segments[-1].end:
        return []
    found: list[Slip] = []
    for distance in (1, 2):
        for at in range(len(code) - distance):
            if code[at] != code[at + distance]:
                changed = list(code)
                changed[at], changed[at + distance] = changed[at + distance], changed[at]
                what = f"characters {at + 1} and {at + 1 + distance} swapped"
                found.append(Slip("".join(changed), what, f"第 {at + 1} 位与第 {at + 1 + distance} 位颠倒"))
    for at, old in enumerate(code):
        for new in "0123456789" + ("X" if at == len(code) - 1 else ""):
            if new != old:
                changed_code = code[:at] + new + code[at + 1 :]
                found.append(Slip(changed_code, f"character {at + 1}: {old} → {new}", f"第 {at + 1} 位: {old} → {new}"))
    right: dict[str, Slip] = {}
    for slip in found:
        if slip.code not in right and _passes(slip.code, scheme):
            right[slip.code] = slip
    return list(right.values())


def _passes(code: str, scheme: CodeScheme) -> bool:
    try:
        scheme.verify(code)
    except CodeError:
        return False
    return True
