"""New addresses, points and lines of networks by an edit; buildings come by `cim.db.succession`."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from psycopg import sql
from psycopg.types.json import Jsonb

from cim.address.fold import fold
from cim.address.parse import parse
from cim.clock import utc_now
from cim.codes.network import CODE_SCHEME, LINE, MAX_SEQUENCE, POINT, PREFIX
from cim.crs import STORE_SRID, transform_xy
from cim.db import divisions, profiles
from cim.db.catalog import Collection
from cim.db.codes import reserve_counts, reserve_sequences
from cim.db.engine import Connection
from cim.db.geocode import fetch_gazetteer
from cim.db.networks import middles
from cim.errors import GeometryError, InvalidBodyError

CREATE_ONLY: dict[str, tuple[str, ...]] = {
    "address": ("full_text",),
    "network_node": ("survey_no",),
    "network_edge": ("start_node", "end_node", "depth_reference", "feature"),
}
"""Attributes that are set when a feature is made and by no edit afterwards."""

_NEAR_M = 1.0
_CABLES = ("power", "lighting", "telecom")
Values = Mapping[str, Any]


def create(connection: Connection, collection: Collection, values: Values, shape: Any, change_set: UUID) -> str:  # noqa: ANN401 - shapely geometry
    """Insert a feature and return the code it was given.

    Parameters
    ----------
    connection
        Inside a transaction.
    collection
        Addresses, or points or lines of a network.
    values
        Attributes that an edit can set, and those of `CREATE_ONLY`.
    shape
        Point or line, EPSG:4490 lon/lat [deg]; None for a straight line between its nodes.
    change_set
        Written with the row.

    Raises
    ------
    InvalidBodyError
        An attribute is missing that the feature needs, or names something that is not there.
    GeometryError
        The place is in no village or community of the store, or a line does not begin and end at its nodes.
    """
    given = {name: value for name, value in values.items() if value is not None}
    make = {"address": _address, "network_node": _node, "network_edge": _edge}[collection.table]
    row = make(connection, collection, given, shape)
    row["change_set_id"] = change_set
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(collection.table), sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
    )
    connection.execute(statement, row)
    return str(row["code"])


def _address(connection: Connection, _: Collection, given: Values, shape: Any) -> dict[str, Any]:  # noqa: ANN401 - shapely geometry
    village = _village(connection, shape)
    text = " ".join(str(given.get("full_text") or f"{given.get('road', '')}{given.get('house_number', '')}").split())
    if not text:
        raise InvalidBodyError("body, properties.full_text: found nothing, expected the address, or road and house_number")
    parts = parse(text, fetch_gazetteer(connection))
    building = given.get("building_code")
    if building is not None and connection.execute("SELECT 1 FROM building WHERE code = %s", [building]).fetchone() is None:
        raise InvalidBodyError(f"body, properties.building_code: found {building!r}, expected a building of the register")
    year = utc_now().year
    number = reserve_sequences(connection, "CIM-AD-v1", [village[:6]], year)[0]
    return {
        "road": parts.road or None, "house_number": parts.house_number or None, **given, "full_text": text,
        "code": f"AD{village[:6]}-{year}{number:06d}", "county_code": village[:6], "division_code": village, "geom": _wkb(shape),
        "match_method": "edit" if building else None, "norm_text": fold(text), "components": Jsonb(parts.as_dict()),
    }  # fmt: skip


def _node(connection: Connection, collection: Collection, given: Values, shape: Any) -> dict[str, Any]:  # noqa: ANN401 - shapely geometry
    height = given.get("elevation_m")
    if height is None and {"ground_elevation_m", "depth_m"} <= set(given):
        height = given["ground_elevation_m"] - given["depth_m"]
    if height is None:
        raise InvalidBodyError("body, properties.elevation_m: found nothing, expected it, or ground_elevation_m and depth_m [m]")
    village = _village(connection, shape)
    county = village[:6]
    code = _issue(connection, str(collection.kind), POINT, county)
    placed = shapely.points(shape.x, shape.y, height)
    return {
        "survey_no": code, **given, "elevation_m": height, "kind": collection.kind, "code": code, "county_code": county,
        "division_code": village, "geom": _wkb(placed),
    }  # fmt: skip


def _edge(connection: Connection, collection: Collection, given: Values, shape: Any) -> dict[str, Any]:  # noqa: ANN401 - shapely geometry
    ends = []
    for name in ("start_node", "end_node"):
        found = connection.execute(
            """SELECT ST_AsBinary(geom), county_code FROM network_node WHERE kind = %s AND code = %s AND status <> 'abandoned' FOR SHARE""",
            [collection.kind, given.get(name)],
        ).fetchone()
        if found is None:
            raise InvalidBodyError(f"body, properties.{name}: found {given.get(name)!r}, expected the code of a point of {collection.kind}")
        ends.append((shapely.from_wkb(bytes(found[0])), found[1]))
    if given["start_node"] == given["end_node"]:
        raise InvalidBodyError("body, properties.end_node: found the start node, expected another one")
    (start, county), (end, _) = ends
    lonlat = np.array([[start.x, start.y], [end.x, end.y]])
    if shape is not None:
        lonlat = shapely.get_coordinates(shape)
    crs = profiles.fetch_profile(connection).projected_crs
    plane = np.column_stack(transform_xy("EPSG:4490", crs, lonlat[:, 0], lonlat[:, 1]))
    nodes = np.column_stack(transform_xy("EPSG:4490", crs, np.array([start.x, end.x]), np.array([start.y, end.y])))
    away = np.hypot(*(plane[[0, -1]] - nodes).T)
    if away.max() > _NEAR_M:
        raise GeometryError(
            "body", f"ends are {away[0]:.1f} m and {away[1]:.1f} m from its nodes, expected {_NEAR_M:g} m", where="geometry"
        )
    lonlat[0], lonlat[-1] = (start.x, start.y), (end.x, end.y)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(plane, axis=0).T))])
    if along[-1] <= 0:
        raise GeometryError("body", "the line has no length", where="geometry")
    drop = start.z - end.z
    heights = start.z - drop * along / along[-1]
    length = float(np.hypot(along[-1], drop))
    line = shapely.linestrings(np.column_stack([lonlat, heights]))
    return {
        "feature": "CABLE" if collection.kind in _CABLES else "PIPE", "depth_reference": "crown", **given, "kind": collection.kind,
        "code": _issue(connection, str(collection.kind), LINE, county), "county_code": county, "length_m": length,
        "division_code": divisions.fetch_areas(connection, 5).codes_at(middles(np.array([line], dtype=object)))[0],
        "slope": float(drop / length), "geom": _wkb(line),
    }  # fmt: skip


def _issue(connection: Connection, kind: str, letter: str, county: str) -> str:
    year, area = utc_now().year, f"{kind}:{letter}:{county}"
    last = reserve_counts(connection, CODE_SCHEME, {area: 1}, year, limit=MAX_SEQUENCE)[area]
    return f"{PREFIX[kind]}{county}-{letter}{year}{last:06d}"


def _village(connection: Connection, shape: Any) -> str:  # noqa: ANN401 - shapely geometry
    found = divisions.fetch_areas(connection, 5).codes_at(np.array([shape], dtype=object))[0]
    if found is None:
        raise GeometryError("body", "lies in no village or community of the store", where="geometry", hint="check its CRS")
    return found


def _wkb(shape: Any) -> bytes:  # noqa: ANN401 - shapely geometry
    return bytes(shapely.to_wkb(shapely.set_srid(shape, STORE_SRID), include_srid=True))
