"""What tiles made on request are made from: buildings of a filter or a past date, counted by cell and read by cell."""

from collections.abc import Sequence
from typing import Any

from psycopg import sql as pg

from cim.db.feature_sql import FeatureQuery, all_of, conditions_of, parameters_of, source
from cim.db.session import Session

_STANDING = pg.SQL("status IN ('existing', 'under_construction') AND NOT ST_IsEmpty(geom)")
# NaN is greater than infinity to PostgreSQL.
_KNOWN = pg.SQL("ground_elevation_m > '-Infinity' AND ground_elevation_m < 'Infinity'")
_CELLS = pg.SQL(
    """SELECT floor(((ST_XMin(geom) + ST_XMax(geom)) / 2 + 180.0) / 360.0 * %(side)s::float8)::int AS column,
              floor(((ST_YMin(geom) + ST_YMax(geom)) / 2 + 180.0) / 360.0 * %(side)s::float8)::int AS row,
              count(*), sum(ST_NPoints(geom) - ST_NRings(geom)), min(ST_XMin(geom)), min(ST_YMin(geom)), max(ST_XMax(geom)),
              max(ST_YMax(geom)), min(ground_elevation_m) FILTER (WHERE {known}), max(ground_elevation_m) FILTER (WHERE {known}),
              max(height_m), max(storeys_above), count(*) - count(ground_elevation_m) FILTER (WHERE {known})
       FROM {rows} WHERE {conditions} GROUP BY 1, 2"""
)
_ROWS = pg.SQL(
    """SELECT code, height_m, height_source, ground_elevation_m, storeys_above, use, structure, year_built, ST_AsBinary(geom, 'NDR')
       FROM {rows}
       WHERE geom && ST_MakeEnvelope(%(w)s::float8, %(s)s::float8, %(e)s::float8, %(n)s::float8, 4490) AND {conditions}"""
)
_STATE = pg.SQL(
    """SELECT (SELECT coalesce(max(id), 0) FROM change_event),
              (SELECT (parameters->>'ground_m')::float8 FROM tileset WHERE layer = 'buildings'),
              (SELECT avg(ground_elevation_m) FILTER (WHERE {known}) FROM (SELECT ground_elevation_m FROM building LIMIT 10000) s)"""
).format(known=_KNOWN)


async def fetch_state(session: Session) -> tuple[int, float]:
    """Return the id of the newest change and the ground [m] that is assumed where nobody has measured it."""
    newest, chosen, mean = (await session.rows(_STATE))[0]
    return int(newest), float(chosen if chosen is not None else round(mean or 0.0))


async def fetch_cells(session: Session, query: FeatureQuery, level: int) -> Sequence[Any]:
    """Return the cells that hold buildings of a query, see `tiles.live.tileset`.

    Parameters
    ----------
    query
        Filter and moment; its page does not matter.
    level
        The earth as a square of 360 degrees has 2 ** level cells along each side.
    """
    return await session.rows(
        _CELLS.format(known=_KNOWN, rows=source(query), conditions=_all(query)), parameters_of(query) | {"side": float(1 << level)}
    )  # fmt: skip


async def fetch_rows(session: Session, query: FeatureQuery, box: tuple[float, float, float, float]) -> Sequence[Any]:
    """Return the buildings of a query that touch a box [deg], see `tiles.live.tile`."""
    statement = _ROWS.format(rows=source(query), conditions=_all(query))
    return await session.rows(statement, parameters_of(query) | dict(zip(("w", "s", "e", "n"), box, strict=True)))


def _all(query: FeatureQuery) -> pg.Composed:
    return all_of([_STANDING, *conditions_of(query)])
