"""Mapbox vector tiles of the public collections, cut and encoded inside the store.

Which features and attributes a tile has depends on its level: small outlines are left out where they would be less than a pixel, and
attributes come with the levels at which a map can use them. The code of each feature is the attribute ``code``.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import sql as pg

from cim.crs import STORE_SRID
from cim.db.catalog import Attribute, Collection
from cim.db.published import Box
from cim.db.session import Prepared, Session, prepare

EXTENT, BUFFER = 4096, 64
MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
_MOST = 50_000
_DETAIL, _ALL = 14, 16
"""Levels from which on the attributes of labels, and all attributes, are in the tiles."""
_LABELS = {"code", "name", "use", "structure", "height_m", "storeys_above", "safety_grade", "level", "diameter_mm", "material"} | {
    "feature", "appendage", "full_text", "house_number", "status", "ifc_class", "year_built", "type", "highest_lod",
    "control", "land_use", "height_limit_m", "far_max", "coverage_max", "plan_status",
}  # fmt: skip
_FAR = {"code", "use", "height_m", "level", "name", "control", "land_use"}
_FIRST_LEVEL = {"units": 15, "addresses": 14, "bim-elements": 16, "bim-spaces": 16, "bim-storeys": 15, "bim-models": 12, "city-objects": 14}
_PIXEL_AREA_M2 = 1.8e10
"""Area of a pixel of level 0 at 30° north [m2], 256 pixels per tile."""
_GONE = ("demolished", "retired")


@dataclass(frozen=True)
class TileAddress:
    """A tile in numbers the store needs.

    Parameters
    ----------
    level
        0 for the whole world.
    srid
        3857, or 4326 for geographic grids, whose numbers are the stored ones.
    box
        Box in that CRS, easting or longitude first.
    reach
        Box with margin: west, south, east, north [deg], EPSG:4490.
    """

    level: int
    srid: int
    box: Box
    reach: Box


def first_level(collection: Collection) -> int:
    """Return the level from which on a collection has tiles; coarser ones are empty."""
    if collection.kind is not None:
        return 14 if collection.geometry == "POINT" else 11
    return _FIRST_LEVEL.get(collection.id, 0)


def tile_attributes(collection: Collection, level: int) -> tuple[Attribute, ...]:
    """Return the attributes in tiles of a level."""
    wanted = None if level >= _ALL else _LABELS if level >= _DETAIL else _FAR
    return tuple(one for one in collection.queryables if wanted is None or one.name in wanted)


_KNOWN: dict[tuple[str, int, int], Prepared] = {}


async def fetch_tile(session: Session, collection: Collection, address: TileAddress) -> bytes:
    """Return a tile with one layer, named like the collection; empty bytes where nothing is there.

    Raises
    ------
    StoreUnavailableError, StoreError
        As `Session.rows`.
    """
    if address.level < first_level(collection):
        return b""
    return bytes((await session.rows(*tile_statement(collection, address)))[0][0] or b"")


def tile_statement(collection: Collection, address: TileAddress) -> tuple[Prepared, dict[str, Any]]:
    """Return the statement of a tile and its values."""
    parameters: dict[str, Any] = dict(zip(("west", "south", "east", "north"), address.reach, strict=True))
    parameters.update(zip(("left", "bottom", "right", "top"), address.box, strict=True))
    if collection.kind is not None:
        parameters["kind"] = collection.kind
    shape = (collection.id, address.level, address.srid)
    if shape not in _KNOWN:
        _KNOWN[shape] = prepare(_tile(collection, address))
    return _KNOWN[shape], parameters


def _tile(collection: Collection, address: TileAddress) -> pg.Composed:
    conditions = [pg.SQL("t.geom && ST_MakeEnvelope(%(west)s::float8, %(south)s::float8, %(east)s::float8, %(north)s::float8, {})").format(
        pg.Literal(STORE_SRID)
    )]  # fmt: skip
    if collection.kind is not None:
        conditions.insert(0, pg.Composed([pg.SQL("t.kind = %(kind)s")]))
    order: pg.Composable = pg.SQL("")
    if collection.id == "buildings":
        conditions.append(pg.SQL("t.status NOT IN ({})").format(pg.SQL(", ").join(map(pg.Literal, _GONE))))
        if address.level < _DETAIL:
            smallest = _PIXEL_AREA_M2 / 4**address.level
            conditions.append(pg.SQL("t.footprint_area_m2 >= {}::float8").format(pg.Literal(smallest)))
            order = pg.SQL("ORDER BY t.footprint_area_m2 DESC")
    if collection.id == "divisions":
        level = next((n for limit, n in ((6, 1), (8, 2), (10, 3), (12, 4)) if address.level < limit), 5)
        conditions.append(pg.SQL("t.level <= {}").format(pg.Literal(level)))
    flat: pg.Composable = pg.SQL("ST_Force2D(t.geom)" if collection.has_z else "t.geom")
    if address.level < _DETAIL and collection.geometry != "POINT":
        # Half a cell of the tile's grid: nothing that is thrown away could be seen.
        flat = pg.SQL("ST_Simplify({}, {}, true)").format(flat, pg.Literal(360.0 / 2**address.level / EXTENT / 2))
    if address.srid == 3857:
        flat = pg.SQL("ST_Transform(ST_SetSRID({}, 4326), 3857)").format(flat)
    else:
        flat = pg.SQL("ST_SetSRID({}, 4326)").format(flat)
    columns = [
        pg.SQL("t.{0}::text AS {0}" if one.type in ("date", "date-time") else "t.{0}").format(pg.Identifier(one.name))
        for one in tile_attributes(collection, address.level)
    ]
    return pg.SQL(
        """SELECT ST_AsMVT(tile, {layer}, {extent}, 'geom') FROM (
               SELECT {columns}, ST_AsMVTGeom({geometry}, ST_MakeEnvelope(%(left)s::float8, %(bottom)s::float8, %(right)s::float8,
                      %(top)s::float8, {srid}), {extent}, {buffer}, true) AS geom
               FROM {table} AS t WHERE {conditions} {order} LIMIT {most}) AS tile WHERE tile.geom IS NOT NULL"""
    ).format(
        layer=pg.Literal(collection.id),
        extent=pg.Literal(EXTENT),
        columns=pg.SQL(", ").join(columns),
        geometry=flat,
        srid=pg.Literal(address.srid),
        buffer=pg.Literal(BUFFER),
        table=pg.Identifier(collection.table),
        conditions=pg.SQL(" AND ").join(conditions),
        order=order,
        most=pg.Literal(_MOST),
    )
