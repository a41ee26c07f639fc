"""Reading network parts by code: attributes, shapes, what they serve; figures of a network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.db.engine import Connection

_PARTS = {
    "node": """SELECT code, feature, appendage, state, component_code, elevation_m, depth_m, status, ST_AsBinary(geom) AS wkb
               FROM network_node WHERE kind = %s AND code = ANY(%s)""",
    "edge": """SELECT code, start_node, end_node, feature, state, material, diameter_mm, length_m, year_laid, status,
                      ST_AsBinary(geom) AS wkb
               FROM network_edge WHERE kind = %s AND code = ANY(%s)""",
}


def fetch_parts(connection: Connection, kind: str, part: str, codes: Sequence[str]) -> list[dict[str, Any]]:
    """Return attributes and shape (well-known binary, EPSG:4490) of nodes or edges, in the order of the codes."""
    with connection.cursor() as cursor:
        rows = cursor.execute(_PARTS[part].encode(), [kind, list(codes)]).fetchall()
        names = [column.name for column in cursor.description or ()]
    by_code = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
    return [by_code[code] for code in codes if code in by_code]


def fetch_served(connection: Connection, kind: str, codes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the buildings and addresses that parts of a network serve, with the number of customers."""
    rows = connection.execute(
        """SELECT l.collection, l.target_code, sum(l.n_customers), min(coalesce(b.name, b.address, a.full_text))
           FROM network_link l LEFT JOIN building b ON l.collection = 'buildings' AND b.code = l.target_code
           LEFT JOIN address a ON l.collection = 'addresses' AND a.code = l.target_code
           WHERE l.kind = %s AND l.part_code = ANY(%s) GROUP BY l.collection, l.target_code ORDER BY l.collection, l.target_code""",
        [kind, list(codes)],
    ).fetchall()
    return [{"collection": row[0], "code": row[1], "customers": int(row[2]), "name": row[3]} for row in rows]


def fetch_customers(connection: Connection, kind: str, codes: Sequence[str]) -> int:
    """Return the number of customers told by the source at some points (attribute ``customers``, else one per connection)."""
    row = connection.execute(
        """SELECT coalesce(sum(coalesce((attributes ->> 'customers')::int, 1)), 0) FROM network_node
           WHERE kind = %s AND code = ANY(%s)""",
        [kind, list(codes)],
    ).fetchone()
    return int(row[0]) if row else 0


def fetch_summary(connection: Connection, kind: str | None) -> list[dict[str, Any]]:
    """Return number and length [km] of lines by kind, material, class of diameter and decade of laying."""
    with connection.cursor() as cursor:
        rows = cursor.execute(
            """SELECT kind, coalesce(material, feature, 'unknown') AS material,
                      CASE WHEN diameter_mm IS NULL THEN 'unknown' WHEN diameter_mm < 100 THEN '< 100' WHEN diameter_mm < 200 THEN '100-199'
                           WHEN diameter_mm < 300 THEN '200-299' WHEN diameter_mm < 600 THEN '300-599'
                           WHEN diameter_mm < 1000 THEN '600-999'
                           ELSE '>= 1000' END AS diameter_mm,
                      CASE WHEN year_laid IS NULL THEN 'unknown' ELSE (year_laid / 10 * 10) || 's' END AS laid,
                      county_code, count(*) AS lines, round((sum(length_m) / 1000)::numeric, 3)::float8 AS length_km
               FROM network_edge WHERE status = 'in_use' AND (%(kind)s::text IS NULL OR kind = %(kind)s)
               GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 7 DESC NULLS LAST""",
            {"kind": kind},
        ).fetchall()
        names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in rows]


def fetch_lines(connection: Connection, kind: str) -> tuple[list[str], list[bytes], list[float | None], list[str | None]]:
    """Return code, shape (well-known binary, EPSG:4490, z [m]), diameter [mm] and how it is laid (embedding) of the lines in use."""
    rows = connection.execute(
        """SELECT code, ST_AsBinary(geom), coalesce(diameter_mm, height_mm), embedding FROM network_edge
           WHERE kind = %s AND status = 'in_use' ORDER BY code""",
        [kind],
    ).fetchall()
    return [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], [r[3] for r in rows]


def fetch_points(connection: Connection, kind: str) -> tuple[list[str], NDArray[np.float64]]:
    """Return code and position (lon, lat [deg], EPSG:4490; level [m]) of the points in use, shape (n, 3)."""
    rows = connection.execute(
        "SELECT code, ST_X(geom), ST_Y(geom), ST_Z(geom) FROM network_node WHERE kind = %s AND status = 'in_use' ORDER BY code", [kind]
    ).fetchall()
    return [str(row[0]) for row in rows], np.array([row[1:] for row in rows], np.float64).reshape(-1, 3)
