"""GCJ-02 and BD-09: the shifted coordinates of Chinese web maps, recognised by evidence and taken back only on request.

The formulas are the publicly known ones; the inverse is found by iteration (six steps: below 1 mm).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.db.divisions import DivisionAreas

Floats = NDArray[np.float64]
DATUMS = ("cgcs2000", "gcj02", "bd09")
_A, _EE = 6_378_245.0, 0.00669342162296594323  # Krassovsky 1940
_STEPS = 6
_MIN_EVIDENCE = 20


def _offset(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    wave = (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + wave
    north += (20.0 * np.sin(y * np.pi) + 40.0 * np.sin(y / 3.0 * np.pi)) * 2.0 / 3.0
    north += (160.0 * np.sin(y / 12.0 * np.pi) + 320.0 * np.sin(y * np.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + wave
    east += (20.0 * np.sin(x * np.pi) + 40.0 * np.sin(x / 3.0 * np.pi)) * 2.0 / 3.0
    east += (150.0 * np.sin(x / 12.0 * np.pi) + 300.0 * np.sin(x / 30.0 * np.pi)) * 2.0 / 3.0
    phi = np.radians(lat)
    magic = 1 - _EE * np.sin(phi) ** 2
    return (
        east * 180.0 / (_A / np.sqrt(magic) * np.cos(phi) * np.pi),
        north * 180.0 / ((_A * (1 - _EE)) / (magic * np.sqrt(magic)) * np.pi),
    )


def to_gcj02(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Shift CGCS2000 positions as GCJ-02 does; longitude and latitude [deg], shape (n,)."""
    east, north = _offset(lon, lat)
    return lon + east, lat + north


def from_gcj02(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Take the GCJ-02 shift back; longitude and latitude [deg], shape (n,)."""
    x, y = lon, lat
    for _ in range(_STEPS):
        back_x, back_y = to_gcj02(x, y)
        x, y = x - (back_x - lon), y - (back_y - lat)
    return x, y


def from_bd09(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Take the BD-09 shift back; longitude and latitude [deg], shape (n,)."""
    x, y = lon - 0.0065, lat - 0.006
    turn = np.pi * 3000.0 / 180.0
    radius = np.hypot(x, y) - 0.00002 * np.sin(y * turn)
    angle = np.arctan2(y, x) - 0.000003 * np.cos(x * turn)
    return from_gcj02(radius * np.cos(angle), radius * np.sin(angle))


_INVERSE = {"gcj02": from_gcj02, "bd09": from_bd09}


def to_cgcs2000(geometry: NDArray[Any], datum: str) -> NDArray[Any]:
    """Take the shift of a datum back from geometries in degrees; ``cgcs2000`` leaves them alone.

    Parameters
    ----------
    geometry
        Lon/lat [deg], shape (n,).
    datum
        One of `DATUMS`.
    """
    if datum == "cgcs2000" or len(geometry) == 0:
        return geometry
    return np.asarray(shapely.transform(geometry, lambda xy: positions_to_cgcs2000(xy, datum)))


def positions_to_cgcs2000(lonlat: Floats, datum: str) -> Floats:
    """Take the shift of a datum back from positions [deg], shape (m, 2)."""
    return lonlat if datum == "cgcs2000" else np.column_stack(_INVERSE[datum](lonlat[:, 0], lonlat[:, 1]))


@dataclass(frozen=True)
class Reference:
    """What is known of the city, to compare a layer with.

    Parameters
    ----------
    areas
        Villages and communities with a boundary.
    roads
        Road centre lines, EPSG:4490 lon/lat [deg].
    buildings
        Footprints of the register, EPSG:4490.
    """

    areas: DivisionAreas
    roads: NDArray[Any]
    buildings: NDArray[Any]


@dataclass(frozen=True)
class Suspicion:
    """A layer that fits the city better after a shift is taken back.

    Parameters
    ----------
    datum
        gcj02 or bd09.
    evidence
        What was compared, with the shares before and after.
    """

    datum: str
    evidence: str


def _points(geometry: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(shapely.point_on_surface(geometry))


def _fits(geometry: NDArray[Any], declared: Sequence[str | None], reference: Reference) -> dict[str, tuple[float, int]]:
    """Return, by kind of evidence, how well a layer fits (0-1) and on how many rows that rests."""
    found: dict[str, tuple[float, int]] = {}
    given = np.array([code is not None for code in declared], np.bool_)
    if len(reference.areas.codes) > 1 and given.any():
        codes = np.array(reference.areas.codes_at(_points(geometry[given])), dtype=object)
        hit = codes == np.array(declared, dtype=object)[given]
        found["declared villages that contain the building"] = (float(hit.mean()), int(given.sum()))
    if len(reference.roads):
        crossing = np.unique(shapely.STRtree(reference.roads).query(geometry, predicate="intersects")[0])
        found["buildings that no road crosses"] = (1 - len(crossing) / len(geometry), len(geometry))
    if len(reference.buildings):
        covered = np.unique(shapely.STRtree(reference.buildings).query(_points(geometry), predicate="covered_by")[0])
        found["buildings that stand on a registered footprint"] = (len(covered) / len(geometry), len(geometry))
    return found


def suspect_shift(geometry: NDArray[Any], declared: Sequence[str | None], reference: Reference) -> Suspicion | None:
    """Tell whether a layer looks shifted by GCJ-02 or BD-09 (rule G05).

    Parameters
    ----------
    geometry
        A sample of the footprints, taken as CGCS2000, lon/lat [deg], shape (n,).
    declared
        Village each record declares, or None.
    reference
        What the city is known to look like.

    Returns
    -------
    Suspicion or None
        The datum that fits clearly better (by 20 percentage points in the declared villages or the registered footprints, by 8 in the
        roads crossed), when no kind of evidence speaks against it.
    """
    if len(geometry) < _MIN_EVIDENCE:
        return None
    margins = {"buildings that no road crosses": 0.08}
    plain = _fits(geometry, declared, reference)
    best: tuple[float, Suspicion] | None = None
    for datum in ("gcj02", "bd09"):
        shifted = _fits(to_cgcs2000(geometry, datum), declared, reference)
        gains = {kind: shifted[kind][0] - share for kind, (share, n) in plain.items() if n >= _MIN_EVIDENCE}
        speaking = {kind: gain for kind, gain in gains.items() if gain >= margins.get(kind, 0.2)}
        if not speaking or any(gain < -margins.get(kind, 0.2) / 2 for kind, gain in gains.items()):
            continue
        words = "; ".join(f"{kind}: {plain[kind][0]:.0%} as given, {shifted[kind][0]:.0%} after the shift" for kind in speaking)
        total = sum(gains.values())
        if best is None or total > best[0]:
            best = (total, Suspicion(datum, words))
    return None if best is None else best[1]
