"""Statistics of buildings by area and by what they are."""

from typing import Any

from psycopg import sql as pg

from cim.crs import STORE_SRID
from cim.db.engine import Connection

GROUPS: dict[str, str] = {
    "use": "use",
    "structure": "structure",
    "safety_grade": "safety_grade",
    "status": "status",
    "decade": "(year_built / 10) * 10",
    "county": "county_code",
    "town": "left(division_code, 9)",
    "village": "division_code",
}
"""Groupings and their expressions over ``building``."""

_FIGURES = """count(*) AS n, coalesce(sum(footprint_area_m2), 0) AS footprint_area_m2, coalesce(sum(floor_area_m2), 0) AS floor_area_m2,
              count(*) FILTER (WHERE floor_area_m2 IS NULL) AS n_without_floor_area, max(height_m) AS highest_m,
              avg(storeys_above)::float8 AS mean_storeys_above"""


def building_statistics(
    connection: Connection, *, area: str | None, divisions: list[str] | None, group_by: list[str], statuses: list[str]
) -> dict[str, Any]:
    """Count and sum buildings.

    Parameters
    ----------
    area
        Polygon as WKT, longitude latitude [deg], EPSG:4490; a building is inside when a point inside its footprint is. None for
        everywhere.
    divisions
        Codes of 2 to 12 digits, None for all.
    group_by
        Keys of `GROUPS`.
    statuses
        Only buildings of these states.

    Returns
    -------
    dict
        ``total`` and ``groups``, areas [m2], heights [m].
    """
    given: dict[str, Any] = {"statuses": statuses, "area": area}
    conditions: list[pg.Composable] = [pg.SQL("status = ANY (%(statuses)s)")]
    if area is not None:
        shape = pg.SQL("ST_GeomFromText(%(area)s, {})").format(pg.Literal(STORE_SRID))
        conditions.append(pg.SQL("geom && {0} AND ST_Intersects(geom, {0}) AND ST_Intersects(ST_PointOnSurface(geom), {0})").format(shape))
    if divisions is not None:
        # Prefixes as ranges: every level is a prefix of the levels below it, and the index on division_code is used.
        ranges: list[pg.Composable] = []
        for place, code in enumerate(divisions):
            given[f"low{place}"], given[f"high{place}"] = code.ljust(12, "0"), code.ljust(12, "9")
            ranges.append(pg.SQL("division_code BETWEEN {} AND {}").format(pg.Placeholder(f"low{place}"), pg.Placeholder(f"high{place}")))
        conditions.append(pg.SQL("({})").format(pg.SQL(" OR ").join(ranges)))
    keys = [pg.SQL("{} AS {}").format(pg.SQL(GROUPS[name]), pg.Identifier(name)) for name in group_by]
    statement = pg.SQL("SELECT {keys} {figures} FROM building WHERE {where} {groups} ORDER BY n DESC, 1")
    where = pg.SQL(" AND ").join(conditions)
    figures = pg.SQL(_FIGURES)
    groups = pg.SQL("GROUP BY {}").format(pg.SQL(", ").join(pg.SQL(str(place + 1)) for place in range(len(keys))))
    head = pg.SQL("{}, ").format(pg.SQL(", ").join(keys))
    found = _documents(connection, statement.format(keys=head, figures=figures, where=where, groups=groups), given) if keys else []
    total = _documents(connection, statement.format(keys=pg.SQL(""), figures=figures, where=where, groups=pg.SQL("")), given)
    return {"total": total[0], "groups": found}


def _documents(connection: Connection, statement: pg.Composed, given: dict[str, Any]) -> list[dict[str, Any]]:
    cursor = connection.execute(statement, given)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
