"""CIM-BC27-v1: the 27-character building code and its 36-character unit code.

The layout is this project's own (the segments of JGJ/T 496-2022 are not public); the check is ISO 7064 MOD 11-2.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from stdnum.iso7064 import mod_11_2

from cim.codes.scheme import CodeScheme, Segment

ORIGINS: dict[str, tuple[str, str]] = {
    "01": ("census base map", "普查底图"),
    "02": ("design or construction permit", "设计/施工许可"),
    "03": ("completion", "竣工"),
    "04": ("self-built-house survey", "自建房排查"),
    "05": ("change detection", "变化发现"),
    "06": ("split or merge", "分割/合并"),
    "99": ("other", "其他"),
}


def check_digit(body: str) -> str:
    """Return the ISO 7064 MOD 11-2 check character (0-9 or X) of a digit string.

    Examples
    --------
    >>> check_digit("33010900100120210000010001")
    '5'
    """
    return str(mod_11_2.calc_check_digit(body))


def building_code(area12: str, year: int, sequence: int, *, sub: int = 0, origin: str = "01") -> str:
    """Assemble a building code; sequences are issued by the store only.

    Parameters
    ----------
    area12
        Statistical division code of the village or community, 12 digits, frozen at assignment.
    year
        Year of first assignment.
    sequence
        1 to 999999 inside (area12, year).
    sub
        0 whole building, 1-89 sub-building, 90-99 detached basement.
    origin
        Key of `ORIGINS`.

    Examples
    --------
    >>> building_code("440305001002", 2024, 123, sub=1, origin="02")
    '440305001002202400012301026'
    """
    body = f"{area12}{year:04d}{sequence:06d}{sub:02d}{origin}"
    return body + check_digit(body)


def building_codes(areas: Sequence[str], year: int, sequences: Sequence[int], *, sub: int = 0, origin: str = "01") -> list[str]:
    """Assemble many building codes at once.

    Parameters
    ----------
    areas
        12-digit division of each building, shape (n,).
    year, sub, origin
        As for `building_code`.
    sequences
        Sequence of each building, shape (n,).

    Returns
    -------
    list of str
        Shape (n,); equal to `building_code` of each.
    """
    n = len(areas)
    area_digits = np.frombuffer("".join(areas).encode("ascii"), np.uint8).reshape(n, 12)
    text = building_code_digits(area_digits, year, np.asarray(sequences, np.int64), sub=sub, origin=origin).tobytes().decode("ascii")
    return [text[at : at + 27] for at in range(0, 27 * n, 27)]


def building_code_digits(
    areas: NDArray[np.uint8], year: int, sequences: NDArray[np.int64], *, sub: int = 0, origin: str = "01"
) -> NDArray[np.uint8]:
    """Assemble many building codes as ASCII.

    Parameters
    ----------
    areas
        ASCII digits of the 12-digit division of each building, shape (n, 12).
    year, sub, origin
        As for `building_code`.
    sequences
        Sequence of each building, shape (n,).

    Returns
    -------
    ndarray
        Shape (n, 27).
    """
    out = np.empty((len(areas), 27), np.uint8)
    out[:, :12] = areas
    out[:, 12:16] = np.frombuffer(f"{year:04d}".encode(), np.uint8)
    for place in range(6):
        out[:, 21 - place] = ord("0") + sequences // 10**place % 10
    out[:, 22:26] = np.frombuffer(f"{sub:02d}{origin}".encode(), np.uint8)
    # ISO/IEC 7064 MOD 11-2: weights 2^(i+1) mod 11 from the right; at most 26 * 9 * 10 each, so that 16 bits hold the sum.
    total = np.zeros(len(areas), np.int16)
    for place in range(26):
        total += (out[:, place] - np.uint8(ord("0"))).astype(np.int16) * np.int16(pow(2, 26 - place, 11))
    out[:, 26] = np.frombuffer(b"10X98765432", np.uint8)[total % 11]
    return out


def unit_code(building: str, *, unit: int, floor: int, room: int) -> str:
    """Assemble the 36-character unit code of a building.

    Parameters
    ----------
    building
        27-character building code; its check character is dropped.
    unit
        Staircase 0-99, 0 = none.
    floor
        1-899 above ground, -1 to -99 below ground (written 901-999).
    room
        Room 0-9999.

    Examples
    --------
    >>> unit_code("330109001001202100000100015", unit=0, floor=-2, room=15)
    '330109001001202100000100010090200155'
    """
    written = floor if floor > 0 else 900 - floor
    body = f"{building[:26]}{unit:02d}{written:03d}{room:04d}"
    return body + check_digit(body)


_BUILDING_SEGMENTS = (
    Segment("area12", 0, 12, "statistical division at assignment", "赋码时统计用区划代码"),
    Segment("assign_year", 12, 16, "year of first assignment", "首次赋码年份"),
    Segment("sequence", 16, 22, "sequence inside division and year", "顺序码"),
    Segment("sub", 22, 24, "sub-building (00 whole, 01-89 part, 90-99 detached basement)", "子建筑码"),
    Segment("origin", 24, 26, "origin of the code", "来源码"),
)

BUILDING = CodeScheme(
    id="CIM-BC27-v1",
    title_en="Building code, 27 characters",
    title_zh="房屋建筑编码(27位)",
    pattern=r"\d{12}(19|20)\d{2}(?!000000)\d{6}\d{2}(0[1-6]|99)[\dX]",
    segments=(*_BUILDING_SEGMENTS, Segment("check", 26, 27, "check digit, ISO 7064 MOD 11-2", "校验码")),
    check=check_digit,
    n_check=1,
    issued=True,
    source="project layout; check: ISO/IEC 7064 MOD 11-2",
)

UNIT = CodeScheme(
    id="CIM-BC27-v1-unit",
    title_en="Unit code, 36 characters",
    title_zh="房屋单元编码(36位)",
    pattern=r"\d{12}(19|20)\d{2}(?!000000)\d{6}\d{2}(0[1-6]|99)\d{9}[\dX]",
    segments=(
        *_BUILDING_SEGMENTS,
        Segment("unit", 26, 28, "staircase (00 none)", "单元"),
        Segment("floor", 28, 31, "floor (901-999 below ground)", "楼层"),
        Segment("room", 31, 35, "room", "室号"),
        Segment("check", 35, 36, "check digit, ISO 7064 MOD 11-2", "校验码"),
    ),
    check=check_digit,
    n_check=1,
    issued=True,
    source="project layout; check: ISO/IEC 7064 MOD 11-2",
)
