"""Networks that meet where they must not: media that differ at one point, points of two networks in one place."""

from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.analysis.network.checks import Finding
from cim.analysis.network.graph import Floats, NetworkGraph

MEDIA = {
    "YS": "rain", "WS": "sewage", "FG": "waste liquor", "JS": "drinking water", "GS": "industrial water", "RQ": "natural gas",
    "MQ": "coal gas", "YQ": "liquefied gas",
}  # fmt: skip
"""Survey type code (CJJ 61 practice) → what flows. Combined sewers (HS) may join either drain, fire mains (XS) either water."""
FLUIDS = ("water", "rainwater", "sewage", "gas", "heat")


def check_media(graph: NetworkGraph, type_codes: NDArray[np.object_]) -> Iterator[Finding]:
    """Find points where lines of different media meet (T13): rain and sewage, drinking and industrial water, gases.

    Parameters
    ----------
    graph
        The network.
    type_codes
        Survey type code of each edge, None where unknown, shape (m,).
    """
    words = sorted(set(MEDIA.values()))
    number = {word: i for i, word in enumerate(words)}
    medium = np.array([number.get(MEDIA.get(code or "", ""), -1) for code in type_codes], np.int64)
    known = np.flatnonzero(medium >= 0)
    node = np.concatenate([graph.start[known], graph.end[known]])
    what = np.concatenate([medium[known], medium[known]])
    pairs = np.unique(np.stack([node, what], axis=1), axis=0)
    nodes, counts = np.unique(pairs[:, 0], return_counts=True)
    for at in nodes[counts > 1]:
        met = " and ".join(words[i] for i in pairs[pairs[:, 0] == at, 1])
        yield Finding("T13", "node", int(at), proposal=f"{met} meet here: check the type codes, or part the two")


def check_shared_points(xyz: Floats, others: Floats, tolerance_m: float, level_m: float) -> Iterator[Finding]:
    """Find points of two networks in one place and at one level (T13); ``other`` is the position in ``others``.

    Parameters
    ----------
    xyz, others
        Positions in a projected CRS, z = level [m], shape (n, 3) and (k, 3).
    tolerance_m, level_m
        Greatest distance in plan and in height [m].
    """
    if not len(xyz) or not len(others):
        return
    mine, theirs = shapely.STRtree(shapely.points(others[:, :2])).query(
        shapely.points(xyz[:, :2]), predicate="dwithin", distance=tolerance_m
    )
    apart = np.abs(xyz[mine, 2] - others[theirs, 2])
    for i in np.flatnonzero(apart <= level_m):
        yield Finding(
            "T13", "node", int(mine[i]), int(theirs[i]), float(apart[i]), "one point of two networks: check for a wrong connection"
        )
