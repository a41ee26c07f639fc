"""Outlines of features as inline SVG: a map in the page that loads nothing from anywhere."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

_WIDTH, _HEIGHT = 720.0, 420.0
_MARGIN = 0.05
_MOST_POINTS = 60_000


def outline(features: Sequence[dict[str, Any]]) -> str:
    """Return an SVG of the features' geometries, empty where none has one; positions as in GeoJSON, longitude first [deg]."""
    shapes = [list(_lines(one["geometry"])) for one in features if one.get("geometry")]
    places = [place for lines in shapes for line in lines for place in line]
    if not places or len(places) > _MOST_POINTS:
        return ""
    west, east = min(p[0] for p in places), max(p[0] for p in places)
    south, north = min(p[1] for p in places), max(p[1] for p in places)
    narrow = math.cos(math.radians(max(-89.0, min(89.0, (south + north) / 2))))
    span_x, span_y = max((east - west) * narrow, 1e-5), max(north - south, 1e-5)
    scale = min(_WIDTH / span_x, _HEIGHT / span_y) / (1 + 2 * _MARGIN)
    left, top = _WIDTH / 2 - (west + east) / 2 * narrow * scale, _HEIGHT / 2 + (south + north) / 2 * scale

    def at(place: Sequence[float]) -> str:
        return f"{place[0] * narrow * scale + left:.1f} {top - place[1] * scale:.1f}"

    drawn = []
    for lines in shapes:
        if len(lines) == 1 and len(lines[0]) == 1:
            x, y = at(lines[0][0]).split()
            drawn.append(f'<circle cx="{x}" cy="{y}" r="4"/>')
            continue
        path = " ".join("M" + "L".join(map(at, line)) + ("Z" if line[0] == line[-1] else "") for line in lines if line)
        closed = all(line[0] == line[-1] for line in lines)
        drawn.append(f'<path class="{"area" if closed else "line"}" d="{path}"/>')
    return f'<svg class="map" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img">{"".join(drawn)}</svg>'


def _lines(geometry: dict[str, Any]) -> Iterator[list[Sequence[float]]]:
    if geometry["type"] == "GeometryCollection":
        for one in geometry["geometries"]:
            yield from _lines(one)
        return
    yield from _nested(geometry["coordinates"])


def _nested(value: list[Any]) -> Iterator[list[Sequence[float]]]:
    if value and isinstance(value[0], int | float):
        yield [value]
    elif value and value[0] and isinstance(value[0][0], int | float):
        yield value
    else:
        for one in value:
            yield from _nested(one)
