"""The topology check of one kind of network as stored: reads the rows, runs the pure checks, gives codes and places back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.analysis.network import checks, mixed
from cim.codes.registry import scheme
from cim.crs import transform_xy
from cim.db import network_reads
from cim.db.engine import Connection
from cim.db.network_graph import NetworkView
from cim.db.tables.network import KINDS
from cim.model.network import CUSTOMERS, GRAVITY, SINKS, SOURCES, VALVES

_END_WORDS = CUSTOMERS | SOURCES | SINKS | VALVES | {"CAP", "END", "STUB", "HYDRANT", "LAMP", "GULLY", "BLOWOFF", "START", "RISER", "INLET"}
Shapes = NDArray[np.object_]
_SAME_PLACE_M, _SAME_LEVEL_M = 0.1, 0.3
"""Points of two networks closer than this are taken for one; the first is the survey's own limit for duplicate points."""


@dataclass(frozen=True)
class CheckOptions:
    """Thresholds.

    Parameters
    ----------
    tolerance_m
        Points closer than this are taken for one [m].
    clearance_m
        Least clearance between the walls of two networks [m].
    cover_m
        Least cover [m]; None = by kind.
    """

    tolerance_m: float = 0.5
    clearance_m: float = 0.1
    cover_m: float | None = None


def check_network(connection: Connection, view: NetworkView, plane: str, options: CheckOptions) -> list[dict[str, Any]]:
    """Check a network.

    Parameters
    ----------
    connection
        The store.
    view
        The network.
    plane
        Projected CRS of the city.
    options
        Thresholds.

    Returns
    -------
    list of dict
        rule, severity, part, code, other, value, message, message_zh, proposal, wkb (a point, EPSG:4490); rule by rule.
    """
    rows = _rows(connection, view)
    xy = np.stack(transform_xy("EPSG:4490", plane, rows.lon, rows.lat), axis=1)
    lines = _project(rows.edge_wkb, plane)
    radius = np.nan_to_num(rows.height_mm, nan=0.0) / 2000
    is_gravity = view.kind in GRAVITY
    found = [
        *checks.check_nodes(view.graph, xy, rows.is_end, options.tolerance_m),
        *checks.check_edges(view.graph, view.lengths, view.sinks if is_gravity else view.sources),
        *checks.check_crossings(view.graph, lines, np.maximum(radius, 0.05)),
        *checks.check_cover(rows.cover_m, checks.MIN_COVER_M.get(view.kind, 0.0) if options.cover_m is None else options.cover_m),
    ]
    if is_gravity:
        z = [shapely.get_z(shapely.get_point(lines, i)) for i in (0, -1)]
        found += checks.check_gravity(view.graph, view.flow, np.nan_to_num(z[0] - z[1], nan=0.0), rows.height_mm)
    found += mixed.check_media(view.graph, rows.type_code)
    result = [_row(view, rows, finding, view.codes(finding.part, np.array([finding.other]))[0] if finding.other >= 0 else None)
              for finding in found]  # fmt: skip
    result += _against_others(connection, view, rows, lines, radius, plane, options)
    return result + _bad_components(connection, view, rows)


@dataclass(frozen=True)
class _Rows:
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    is_end: NDArray[np.bool_]
    level_m: NDArray[np.float64]
    edge_wkb: list[bytes]
    type_code: NDArray[np.object_]
    embedding: NDArray[np.object_]
    height_mm: NDArray[np.float64]
    cover_m: NDArray[np.float64]


def _rows(connection: Connection, view: NetworkView) -> _Rows:
    nodes = connection.execute(
        """SELECT ST_X(geom), ST_Y(geom), appendage, feature, ST_Z(geom) FROM unnest(%s::text[]) WITH ORDINALITY AS w (code, n)
           JOIN network_node p ON p.kind = %s AND p.code = w.code ORDER BY w.n""",
        [view.node_code.to_pylist(), view.kind],
    ).fetchall()
    edges = connection.execute(
        """SELECT ST_AsBinary(geom), coalesce(diameter_mm, height_mm),
                  least(start_depth_m, end_depth_m) - CASE depth_reference WHEN 'crown' THEN 0 WHEN 'centre' THEN 0.5 ELSE 1 END
                  * coalesce(diameter_mm, height_mm, 0) / 1000,
                  type_code, embedding
           FROM unnest(%s::text[]) WITH ORDINALITY AS w (code, n) JOIN network_edge e ON e.kind = %s AND e.code = w.code ORDER BY w.n""",
        [view.edge_code.to_pylist(), view.kind],
    ).fetchall()
    lonlat = np.array([row[:2] for row in nodes], np.float64).reshape(-1, 2)
    ends = np.array([row[2] in _END_WORDS or row[3] in _END_WORDS for row in nodes], np.bool_)
    return _Rows(
        lonlat[:, 0], lonlat[:, 1], ends, np.array([row[4] for row in nodes], np.float64), [row[0] for row in edges],
        np.array([row[3] for row in edges], object), np.array([row[4] for row in edges], object),
        np.array([row[1] for row in edges], np.float64),
        np.array([row[2] for row in edges], np.float64),
    )  # fmt: skip


def _project(wkb: list[bytes], plane: str) -> Shapes:
    shapes = np.asarray(shapely.from_wkb(wkb), dtype=object)
    if not len(shapes):
        return shapes
    xyz = shapely.get_coordinates(shapes, include_z=True)
    x, y = transform_xy("EPSG:4490", plane, np.ascontiguousarray(xyz[:, 0]), np.ascontiguousarray(xyz[:, 1]))
    return np.asarray(shapely.set_coordinates(shapes, np.stack([x, y, xyz[:, 2]], axis=1)), dtype=object)


def _row(view: NetworkView, rows: _Rows, finding: checks.Finding, other: str | None) -> dict[str, Any]:
    severity, words, words_zh = checks.RULES[finding.rule]
    if finding.part == "node":
        place = shapely.points(rows.lon[finding.at], rows.lat[finding.at])
    else:
        place = shapely.line_interpolate_point(shapely.force_2d(shapely.from_wkb(rows.edge_wkb[finding.at])), 0.5, normalized=True)
    value = None if np.isnan(finding.value) else round(finding.value, 3)
    return {
        "rule": finding.rule, "severity": severity, "part": finding.part, "code": view.codes(finding.part, np.array([finding.at]))[0],
        "other": other, "value": value, "message": words, "message_zh": words_zh, "proposal": finding.proposal,
        "wkb": bytes(shapely.to_wkb(place)),
    }  # fmt: skip


def _against_others(
    connection: Connection, view: NetworkView, rows: _Rows, lines: Shapes, radius: NDArray[np.float64], plane: str, options: CheckOptions
) -> list[dict[str, Any]]:
    """Compare with the other kinds (T10, T13) and with buildings (T11)."""
    found = []
    here = np.column_stack([*transform_xy("EPSG:4490", plane, rows.lon, rows.lat), rows.level_m])
    for kind in KINDS:
        if kind in (view.kind, "road"):
            continue
        codes, wkb, heights, laid = network_reads.fetch_lines(connection, kind)
        other_radius = np.nan_to_num(np.array(heights, np.float64), nan=0.0) / 2000
        near = list(checks.check_clearance(lines, radius, _project(wkb, plane), other_radius, options.clearance_m))
        # What is laid in a utility tunnel lies inside it, not beside it.
        if "tunnel" in (kind, view.kind):
            near = [one for one in near if (laid[one.other] if view.kind == "tunnel" else rows.embedding[one.at]) != "GALLERY"]
        found += [_row(view, rows, finding, codes[finding.other]) for finding in near]
        if kind in mixed.FLUIDS and view.kind in mixed.FLUIDS:
            names, places = network_reads.fetch_points(connection, kind)
            there = np.column_stack([*transform_xy("EPSG:4490", plane, places[:, 0].copy(), places[:, 1].copy()), places[:, 2]])
            same = mixed.check_shared_points(here, there, _SAME_PLACE_M, _SAME_LEVEL_M)
            found += [_row(view, rows, finding, names[finding.other]) for finding in same]
    buildings = connection.execute("SELECT code, ST_AsBinary(geom) FROM building WHERE status NOT IN ('demolished', 'retired')").fetchall()
    shapes = _project([row[1] for row in buildings], plane)
    under = checks.check_buildings(lines, shapely.force_2d(shapes) if len(shapes) else shapes, 3.0)
    return [*found, *(_row(view, rows, finding, str(buildings[finding.other][0])) for finding in under)]


def _bad_components(connection: Connection, view: NetworkView, rows: _Rows) -> list[dict[str, Any]]:
    wrong = connection.execute(
        "SELECT code, component_code FROM network_node WHERE kind = %s AND component_code !~ %s",
        [view.kind, f"^{scheme('CN-MC16').pattern}$"],
    ).fetchall()
    return [
        _row(view, rows, checks.Finding("T12", "node", view.find(row[0])[1], proposal="assign a new code"), str(row[1])) for row in wrong
    ]
