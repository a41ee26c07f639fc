"""Where water runs and stands: filled depressions and flow directions, by pyflwdir (extra ``hydrology``)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.errors import ToolMissingError

Floats = NDArray[np.float64]
_NODATA = -9999.0


def _library() -> Any:  # noqa: ANN401 - ships no types
    try:
        import pyflwdir
    except ImportError as error:
        raise ToolMissingError(
            "flow over the ground needs pyflwdir, which is not installed", hint="pip install 'cim-platform[hydrology]'"
        ) from error
    return pyflwdir


def fill_depressions(heights: Floats) -> tuple[Floats, NDArray[np.uint8]]:
    """Raise the ground of every depression to its outlet.

    Parameters
    ----------
    heights
        Elevations [m], shape (rows, columns), NaN without data; water leaves at the border and at missing cells.

    Returns
    -------
    tuple
        Filled elevations [m], and where each cell drains to: 1 east, 2 south-east, 4 south, … 128 north-east (D8 of ESRI), 0 outlet,
        247 without data.

    Raises
    ------
    ToolMissingError
        The extra is not installed.
    """
    filled, directions = _library().dem.fill_depressions(np.where(np.isnan(heights), _NODATA, heights), nodata=_NODATA, outlets="edge")
    return np.where(filled == _NODATA, np.nan, filled), np.asarray(directions, np.uint8)


_NEIGHBOURS = ((1, 0, 1), (2, 1, 1), (4, 1, 0), (8, 1, -1), (16, 0, -1), (32, -1, -1), (64, -1, 0), (128, -1, 1))
"""Code, row and column of the eight neighbours."""


def _steepest(filled: Floats, otherwise: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the neighbour of steepest descent; on flats, at outlets and missing cells what the filling says."""
    around = np.pad(filled, 1, constant_values=np.nan)
    best, found = np.zeros(filled.shape), otherwise.copy()
    n_rows, n_columns = filled.shape
    for code, row, column in _NEIGHBOURS:
        there = around[1 + row : 1 + row + n_rows, 1 + column : 1 + column + n_columns]
        fall = (filled - there) / np.hypot(row, column)
        steeper = (fall > best + 1e-9) & (otherwise != 0) & (otherwise != 247)
        best, found = np.where(steeper, fall, best), np.where(steeper, np.uint8(code), found)
    return found


def flow_directions(heights: Floats) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return where each cell drains to, see `fill_depressions`, and how many cells drain through it, itself included.

    Raises
    ------
    ToolMissingError
        The extra is not installed.
    """
    filled, directions = fill_depressions(heights)
    directions = _steepest(filled, directions)
    network = _library().from_array(directions, ftype="d8", check_ftype=False)
    return directions, np.asarray(network.upstream_area("cell"), np.int64)
