"""Floor and room texts of surveys → the numbers of a unit code (floors 1-899 and -1 to -99, rooms 1-9999)."""

import re

from cim.errors import CodeError

_DIGITS = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
_BELOW = re.compile(r"^(?:B|b|-|负|地下)\s*(\d{1,2}|[一二三四五六七八九十])\s*(?:层|F|f)?$")
_ABOVE = re.compile(r"^(?:地上)?\s*(\d{1,3})\s*(?:层|F|f|楼)?$")


def floor_number(text: str) -> int:
    """Return the floor: 1, 2, … above ground, -1, -2, … below.

    Parameters
    ----------
    text
        Such as ``3``, ``3层``, ``-1``, ``B2``, ``负一层``, ``地下1层``.

    Raises
    ------
    CodeError
        Not a floor, or outside -99 to 899.

    Examples
    --------
    >>> floor_number("B2"), floor_number("负一层"), floor_number("11层")
    (-2, -1, 11)
    """
    folded = text.strip()
    below = _BELOW.match(folded)
    if below:
        number = -_DIGITS[below[1]] if below[1] in _DIGITS else -int(below[1])
    else:
        above = _ABOVE.match(folded)
        if above is None:
            raise CodeError(f"floor {text!r}: expected a number, or B1, 负一层 for basements")
        number = int(above[1])
    if number == 0 or not -99 <= number <= 899:
        raise CodeError(f"floor {text!r}: expected 1 to 899, or -1 to -99 for basements")
    return number


def room_number(text: str) -> int:
    """Return the room as a number of at most four digits: the last group of digits in the text.

    Parameters
    ----------
    text
        Such as ``1103``, ``1103室``, ``甲-1103``, ``B1-15``.

    Raises
    ------
    CodeError
        No digits, or more than four.

    Examples
    --------
    >>> room_number("甲-1103"), room_number("B1-15")
    (1103, 15)
    """
    groups = re.findall(r"\d+", text)
    if not groups:
        raise CodeError(f"room {text!r}: found no digits, expected a number such as 1103")
    number = int(groups[-1])
    if not 1 <= number <= 9999:
        raise CodeError(f"room {text!r}: found {number}, expected 1 to 9999")
    return number


def staircase_number(text: str | None) -> int:
    """Return the staircase (单元), 0 where there is none.

    Raises
    ------
    CodeError
        Neither a number nor one Chinese digit or letter, or above 99.

    Examples
    --------
    >>> staircase_number("2单元"), staircase_number("二单元"), staircase_number("A"), staircase_number("")
    (2, 2, 1, 0)
    """
    folded = (text or "").strip().removesuffix("门").removesuffix("单元").strip()
    if folded in ("", "无", "0"):
        return 0
    if folded.isdigit() and int(folded) <= 99:
        return int(folded)
    if folded in _DIGITS:
        return _DIGITS[folded]
    if len(folded) == 1 and folded.upper() in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        return ord(folded.upper()) - ord("A") + 1
    raise CodeError(f"staircase {text!r}: expected a number up to 99, one letter, or nothing")
