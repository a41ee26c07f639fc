"""Beidou grid position code (GB/T 39409-2020), two-dimensional, levels 1 to 10, north-eastern hemisphere and its mirrors."""

import numpy as np
from numpy.typing import NDArray

from cim.errors import CodeError

# Per level: divisor pair (columns, rows) inside the parent cell and how the pair is written.
_SPLITS: tuple[tuple[int, int, str], ...] = (
    (12, 8, "hex"),
    (2, 3, "single"),
    (15, 10, "hex"),
    (15, 15, "hex"),
    (2, 2, "single"),
    (8, 8, "hex"),
    (8, 8, "hex"),
    (8, 8, "hex"),
    (8, 8, "hex"),
)


def grid_code(lon_deg: float, lat_deg: float, *, level: int = 8) -> str:
    """Return the grid code of a position.

    Parameters
    ----------
    lon_deg, lat_deg
        Longitude and latitude [deg], CGCS2000.
    level
        1 (6 x 4 deg) to 10 (about 1.5 cm); 8 is about 1 m.

    Raises
    ------
    CodeError
        Position outside +-180/+-88 deg (polar caps have a layout of their own) or level outside 1-10.

    References
    ----------
    GB/T 39409-2020; from level 2 on the other hemispheres are mirrored to the north-east.

    Examples
    --------
    >>> grid_code(120.3, 30.2)
    'N51H043320000000'
    """
    if not (-180 <= lon_deg < 180 and -88 < lat_deg < 88 and 1 <= level <= 10):
        raise CodeError(f"grid code: found lon {lon_deg}, lat {lat_deg}, level {level}; expected ±180, ±88, 1-10")
    column = int(lon_deg // 6) + 31
    row = int(abs(lat_deg) // 4)
    code = ("N" if lat_deg >= 0 else "S") + f"{column:02d}" + chr(ord("A") + row)
    # Integer units of 1/2048 arc second (level 10) keep cell borders exact; the epsilon undoes binary rounding of decimal degrees.
    unit = 3600 * 2048
    x = int(abs(lon_deg) * unit + 1e-4) % (6 * unit)
    y = int(abs(lat_deg) * unit + 1e-4) % (4 * unit)
    width, height = 6 * unit, 4 * unit
    for columns, rows, written in _SPLITS[: level - 1]:
        width, height = width // columns, height // rows
        cell_x, cell_y = min(x // width, columns - 1), min(y // height, rows - 1)
        x, y = x - cell_x * width, y - cell_y * height
        code += f"{cell_x:X}{cell_y:X}" if written == "hex" else str(cell_y * 2 + cell_x)
    return code


def grid_sort_keys(lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return integers that order positions as their grid codes of level 8 do.

    Parameters
    ----------
    lon_deg, lat_deg
        Longitude and latitude [deg], CGCS2000, northern hemisphere, shape (n,).
    """
    unit = 3600 * 2048
    key = ((lon_deg // 6).astype(np.int64) + 31) * 32 + (np.abs(lat_deg) // 4).astype(np.int64)
    x = (np.abs(lon_deg) * unit + 1e-4).astype(np.int64) % (6 * unit)
    y = (np.abs(lat_deg) * unit + 1e-4).astype(np.int64) % (4 * unit)
    width, height = 6 * unit, 4 * unit
    for columns, rows, written in _SPLITS[:7]:
        width, height = width // columns, height // rows
        cell_x, cell_y = np.minimum(x // width, columns - 1), np.minimum(y // height, rows - 1)
        x, y = x - cell_x * width, y - cell_y * height
        key = key * 256 + cell_x * 16 + cell_y if written == "hex" else key * 8 + cell_y * 2 + cell_x
    return key
