"""Planning control: zones as stored, and those that hold at a building."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from cim.crs import epsg_of, parse_crs
from cim.db.engine import Connection
from cim.db.staged_rows import save_rows
from cim.errors import NotFoundError

COLUMNS = {
    "code": "text", "county_code": "text", "control": "text", "name": "text", "land_use": "text", "height_limit_m": "float8",
    "elevation_limit_m": "float8", "far_max": "float8", "far_min": "float8", "coverage_max": "float8", "green_ratio_min": "float8",
    "setback_m": "float8", "plan_name": "text", "plan_status": "text", "approved_on": "date", "approval_no": "text", "geom": "geometry",
    "attributes": "jsonb", "change_set_id": "uuid", "source_dataset": "text", "source_key": "text", "content_hash": "text",
}  # fmt: skip


@dataclass(frozen=True)
class KnownZone:
    """A zone of an earlier version of the dataset."""

    code: str
    county: str
    content_hash: str
    status: str


def fetch_known(connection: Connection, dataset: str) -> dict[str, KnownZone]:
    """Return the zones of a dataset by their key in the source."""
    rows = connection.execute(
        "SELECT source_key, code, county_code, content_hash, status FROM planning_control WHERE source_dataset = %s", [dataset]
    ).fetchall()
    return {row[0]: KnownZone(row[1], row[2], row[3] or "", row[4]) for row in rows}


def issue_codes(connection: Connection, counties: Sequence[str]) -> list[str]:
    """Return a new code for each zone: PC, county, ten digits; no code is ever given twice."""
    rows = connection.execute("SELECT nextval('planning_control_code_seq') FROM generate_series(1, %s)", [len(counties)]).fetchall()
    return [f"PC{county}{row[0]:010d}" for county, row in zip(counties, rows, strict=True)]


def save_zones(connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Insert new zones and give known ones their new state; ``geom`` is hexadecimal EWKB."""
    save_rows(connection, "planning_control", COLUMNS, rows)


def retire_zones(connection: Connection, codes: Sequence[str], change_set: UUID) -> None:
    """Retire zones that a new version of their dataset no longer has."""
    connection.execute(
        """UPDATE planning_control
           SET status = 'retired', version = version + 1, valid_from = now(), recorded_at = now(), change_set_id = %s
           WHERE code = ANY(%s)""",
        [change_set, list(codes)],
    )


def fetch_building(connection: Connection, code: str) -> dict[str, Any]:
    """Return what a check needs of a building.

    Raises
    ------
    NotFoundError
        The register has no such building.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            """SELECT code, name, use, status, height_m, ground_elevation_m, storeys_above, footprint_area_m2, floor_area_m2
               FROM building WHERE code = %s""",
            [code],
        ).fetchone()
    if row is None:
        raise NotFoundError(f"building {code[:40]!r}: not in the register", hint="cim export buildings FILE lists the codes")
    return row


def fetch_zones_at(connection: Connection, code: str, projected_crs: str) -> list[dict[str, Any]]:
    """Return the zones in force that a building touches with more than its edge, with measures in the city's projected CRS.

    Parameters
    ----------
    code
        Building.
    projected_crs
        For areas and distances [m].

    Returns
    -------
    list of dict
        Columns of the zone; ``overlap_m2`` of the footprint; ``is_inside``, and ``edge_m``, its distance from the edge of the zone; for
        plots ``plot_m2``, ``built_m2`` and ``floor_m2``: area, footprints inside, and floor area of the buildings that stand in it,
        the latter None where a building has none.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """WITH b AS (SELECT geom, ST_Transform(geom, %(srid)s) AS flat FROM building WHERE code = %(code)s),
               z AS (SELECT p.*, ST_Transform(p.geom, %(srid)s) AS flat FROM planning_control p, b
                     WHERE p.status = 'existing' AND p.plan_status IS DISTINCT FROM 'withdrawn' AND ST_Intersects(p.geom, b.geom))
               SELECT z.code, z.control, z.name, z.land_use, z.height_limit_m, z.elevation_limit_m, z.far_max, z.far_min, z.coverage_max,
                      z.green_ratio_min, z.setback_m, z.plan_name, z.plan_status, z.approved_on, z.approval_no,
                      ST_Area(ST_Intersection(z.flat, b.flat)) AS overlap_m2, ST_CoveredBy(b.flat, ST_Buffer(z.flat, 0.05)) AS is_inside,
                      ST_Distance(b.flat, ST_Boundary(z.flat)) AS edge_m, ST_Area(z.flat) AS plot_m2, s.built_m2, s.floor_m2, s.n
               FROM b, z LEFT JOIN LATERAL (
                   SELECT count(*) AS n, sum(ST_Area(ST_Intersection(ST_Transform(o.geom, %(srid)s), z.flat))) AS built_m2,
                          CASE WHEN count(*) = count(o.floor_area_m2) THEN sum(o.floor_area_m2) END AS floor_m2
                   FROM building o
                   WHERE z.control = 'plot' AND o.status IN ('existing', 'under_construction', 'planned')
                     AND o.geom && z.geom AND ST_Contains(z.geom, ST_PointOnSurface(o.geom))) s ON true
               WHERE ST_Area(ST_Intersection(z.flat, b.flat)) > 1.0
               ORDER BY z.control, z.code""",
            {"code": code, "srid": epsg_of(parse_crs(projected_crs))},
        ).fetchall()
