"""The map of an ingest report: refused and warned records over the boundaries of the divisions, in pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from cim.crs import transform_xy

WIDTH, HEIGHT = 720, 480
_POINTS = 5_000
_METRES_PER_DEGREE = 111_195.0
_COLOURS = ("#c62828", "#1565c0", "#2e7d32", "#6a1b9a", "#ef6c00", "#00838f", "#5d4037", "#ad1457", "#455a64", "#827717")


@dataclass(frozen=True)
class ReportedFeatures:
    """Records as read, with what the checks say of them.

    Parameters
    ----------
    columns
        Fields of the source, personal ones taken out.
    wkb
        Outlines, source CRS, null where there is none, shape (n,).
    crs
        CRS of the source.
    geometry_type
        As the source declares it.
    rules, messages, messages_zh, places
        Why and where, shape (n,).
    """

    columns: pa.Table
    wkb: pa.Array
    crs: str
    geometry_type: str
    rules: list[str]
    messages: list[str]
    messages_zh: list[str]
    places: list[str]


def draw_map(refused: ReportedFeatures | None, warned: ReportedFeatures | None, boundaries: NDArray[Any] | None) -> dict[str, Any] | None:
    """Return what the map draws, in pixels, y downward.

    Parameters
    ----------
    refused, warned
        Records; drawn at the centre of their outlines, 5,000 of each at most.
    boundaries
        Polygons under them, EPSG:4490 lon/lat [deg], shape (n,).

    Returns
    -------
    dict or None
        ``points`` (x, y, colour, title, ring), ``paths`` (SVG path data of the boundaries), ``legend`` (rule → colour), scale bar
        (``bar_m``, ``bar_px``); None where no record has a place.
    """
    kinds = [(records, ring) for records, ring in ((refused, False), (warned, True)) if records is not None]
    placed = [(records, ring, *_centres(records)) for records, ring in kinds]
    x = np.concatenate([part[2] for part in placed]) if placed else np.empty(0)
    y = np.concatenate([part[3] for part in placed]) if placed else np.empty(0)
    good = np.isfinite(x) & np.isfinite(y)
    if not good.any():
        return None
    frame = _Frame(x[good], y[good])
    rules = sorted({_first(rule) for records, _ in kinds for rule in records.rules})
    colour = {rule: _COLOURS[i % len(_COLOURS)] for i, rule in enumerate(rules)}
    points = []
    # Refused records last: they lie on top.
    for records, ring, lon, lat in reversed(placed):
        px, py, inside = frame.pixels(lon, lat)
        points += [
            {
                "x": round(float(px[i]), 1), "y": round(float(py[i]), 1), "colour": colour[_first(records.rules[i])], "ring": ring,
                "title": f"{records.places[i]}: {records.rules[i]}",
            }
            for i in np.flatnonzero(inside)[:_POINTS]
        ]  # fmt: skip
    bar = _round_length(160 / frame.scale)
    return {
        "points": points, "paths": frame.paths([] if boundaries is None else boundaries), "legend": colour, "bar_m": bar,
        "bar_px": round(bar * frame.scale, 1),
    }  # fmt: skip


def _first(rules: str) -> str:
    return rules.split(", ", 1)[0]


def _centres(records: ReportedFeatures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shapes = np.asarray(shapely.from_wkb(records.wkb.to_numpy(zero_copy_only=False), on_invalid="ignore"), dtype=object)
    centre = shapely.centroid(shapes)
    return transform_xy(records.crs, "EPSG:4490", shapely.get_x(centre), shapely.get_y(centre))


class _Frame:
    """The part of the city that is shown, and its scale [px/m]."""

    def __init__(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        # The middle 98 %: one record on the other side of the globe must not shrink the city to a dot.
        west, east = np.quantile(x, [0.01, 0.99])
        south, north = np.quantile(y, [0.01, 0.99])
        inside = (x >= west - 0.05) & (x <= east + 0.05) & (y >= south - 0.05) & (y <= north + 0.05)
        self._x, self._y = (x[inside].min() + x[inside].max()) / 2, (y[inside].min() + y[inside].max()) / 2
        self._metres = _METRES_PER_DEGREE * np.cos(np.radians(self._y))
        across, along = np.ptp(x[inside]) * self._metres, np.ptp(y[inside]) * _METRES_PER_DEGREE
        self.scale = float(min((WIDTH - 80) / max(across, 300), (HEIGHT - 80) / max(along, 300)))

    def pixels(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
        """Return pixels and whether they are on the map; positions in degrees."""
        px = WIDTH / 2 + (lon - self._x) * self._metres * self.scale
        py = HEIGHT / 2 - (lat - self._y) * _METRES_PER_DEGREE * self.scale
        with np.errstate(invalid="ignore"):
            return px, py, (px >= 0) & (px <= WIDTH) & (py >= 0) & (py <= HEIGHT)

    def paths(self, boundaries: Sequence[Any] | NDArray[Any]) -> list[str]:
        """Return the boundaries on the map as SVG path data, half a pixel fine."""
        half = (WIDTH / 2 / self._metres / self.scale, HEIGHT / 2 / _METRES_PER_DEGREE / self.scale)
        shown = np.asarray(boundaries, dtype=object)
        if not len(shown):
            return []
        clipped = shapely.clip_by_rect(shapely.boundary(shown), self._x - half[0], self._y - half[1], self._x + half[0], self._y + half[1])
        out = []
        for line in shapely.get_parts(shapely.simplify(clipped[~shapely.is_empty(clipped)], 0.5 / self.scale / _METRES_PER_DEGREE)):
            px, py, _ = self.pixels(*shapely.get_coordinates(line).T)
            out.append("M" + " L".join(f"{a:.1f} {b:.1f}" for a, b in zip(px, py, strict=True)))
        return out


def _round_length(metres: float) -> int:
    """Return the largest of 1, 2, 5 × 10ⁿ that fits."""
    power = 10 ** int(np.floor(np.log10(max(metres, 1))))
    return int(max(step * power for step in (1, 2, 5) if step * power <= max(metres, 1)))
