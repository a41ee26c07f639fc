"""What the store publishes at this moment: collections with extents and licences, tilesets, the city, models."""

from dataclasses import dataclass, field
from typing import Any

from psycopg import sql as pg

from cim.access import RowScope
from cim.db import sqlfile
from cim.db.catalog import Collection, collections
from cim.db.published_rasters import PublishedRaster, fetch_published_rasters
from cim.db.read_pool import ReadPool
from cim.db.tables import METADATA
from cim.profile import CityProfile, parse_profile

_MOST_EVENTS = 5000
Box = tuple[float, float, float, float]

# BIM rows carry no dataset name of their own table-wide; their model's dataset is of kind bim.
_BY_KIND_ONLY = {"bim_storey", "bim_space", "bim_element"}


@dataclass(frozen=True)
class Origin:
    """Where the rows of a collection come from: newest version of one dataset."""

    name: str
    licence: str | None
    provider: str | None
    is_synthetic: bool


@dataclass(frozen=True)
class Published:
    """A collection with what its rows say.

    Parameters
    ----------
    bbox
        West, south, east, north [deg], EPSG:4490; None while no row has a place.
    """

    collection: Collection
    n_features: int
    bbox: Box | None
    origins: tuple[Origin, ...]
    is_synthetic: bool


@dataclass(frozen=True)
class Tileset:
    """A published 3D layer.

    Parameters
    ----------
    bbox
        West, south, east, north [deg], EPSG:4490.
    heights
        Lowest and highest ellipsoidal height [m].
    """

    layer: str
    kind: str
    collection: str
    title: dict[str, str]
    note: dict[str, str] | None
    is_synthetic: bool
    replaces: list[str]
    n_features: int
    bbox: Box | None
    heights: tuple[float, float] | None


@dataclass(frozen=True)
class Catalogue:
    """Everything published, read at one time."""

    signal: str
    profile: CityProfile | None
    published: dict[str, Published]
    tilesets: tuple[Tileset, ...]
    rasters: dict[str, PublishedRaster] = field(default_factory=dict)

    @property
    def bbox(self) -> Box | None:
        """Box around all places: west, south, east, north [deg], EPSG:4490; divisions win where they have boundaries."""
        divisions = self.published.get("divisions")
        if divisions is not None and divisions.bbox is not None:
            return divisions.bbox
        boxes = [one.bbox for one in self.published.values() if one.bbox is not None]
        boxes += [one.bbox for one in self.tilesets if one.bbox is not None]
        if not boxes:
            return None
        west, south, east, north = zip(*boxes, strict=True)
        return min(west), min(south), max(east), max(north)


@dataclass(frozen=True)
class Changes:
    """What was committed to the outbox since the last look.

    Parameters
    ----------
    touched
        Collection and box (west, south, east, north [deg], EPSG:4490; None for no place) of each event; None where the events do not
        tell everything, so that all has to be taken for changed.
    """

    newest: int
    n_change_sets: int
    touched: list[tuple[str, Box | None]] | None


async def fetch_changes(pool: ReadPool, seen: Changes | None) -> Changes:
    """Return what changed since a look; nothing on the first one.

    Events get their numbers before they are committed: one with a lower number may appear after one with a higher number. Then more
    change sets have appeared than the new events name, and nothing can be told.
    """
    newest, n_change_sets = (await pool.rows(sqlfile.load("outbox_state")))[0]
    if seen is None:
        return Changes(newest, n_change_sets, [])
    rows = await pool.rows(sqlfile.load("newest_events"), {"after": seen.newest})
    rows = [row for row in rows if row[0] <= newest]
    known = len(rows) <= _MOST_EVENTS and n_change_sets - seen.n_change_sets == len({row[6] for row in rows})
    touched = [(row[1], None if row[2] is None else (row[2], row[3], row[4], row[5])) for row in rows]
    return Changes(newest, n_change_sets, touched if known else None)


async def fetch_signal(pool: ReadPool) -> str:
    """Return a text that changes whenever `fetch_catalogue` would; cheap (index look-ups and small tables)."""
    rows = await pool.rows(sqlfile.load("catalogue_signal"))
    return str(rows[0][0])


async def fetch_catalogue(pool: ReadPool) -> Catalogue:
    """Read everything that is published.

    Raises
    ------
    StoreError
        The store does not answer or has another schema.
    """
    # The signal first: what changes while the rest is read is seen at the next look.
    signal = await fetch_signal(pool)
    documents = await pool.rows(sqlfile.load("city_profile"))
    profile = parse_profile(documents[0][0], source="city profile in the store") if documents else None
    origins = await _origins(pool)
    published: dict[str, Published] = {}
    for collection in collections().values():
        found = await _published(pool, collection, origins)
        if collection.is_core or found.n_features:
            published[collection.id] = found
    return Catalogue(signal, profile, published, await fetch_tilesets(pool), await fetch_published_rasters(pool))


async def fetch_tilesets(pool: ReadPool) -> tuple[Tileset, ...]:
    """Return the published 3D layers: buildings, models, networks."""
    rows = await pool.rows(sqlfile.load("tilesets"))
    names = ("layer", "kind", "collection", "title", "note", "is_synthetic", "replaces", "n_features")
    return tuple(
        Tileset(
            **dict(zip(names, row[:8], strict=True)),
            bbox=None if row[8] is None else (row[8], row[9], row[10], row[11]),
            heights=None if row[12] is None else (row[12], row[13]),
        )
        for row in rows
    )


async def fetch_models(pool: ReadPool, scope: RowScope | None = None) -> list[dict[str, Any]]:
    """Return the BIM models inside a row filter, by code."""
    return [row[0] for row in await pool.rows(sqlfile.load("bim_models"), scope=scope)]


async def fetch_visible_models(pool: ReadPool, scope: RowScope) -> set[str]:
    """Return the codes of the BIM models inside a row filter."""
    return {str(row[0]) for row in await pool.rows("SELECT code FROM bim_model", scope=scope)}


async def fetch_schema_version(pool: ReadPool) -> str | None:
    """Return the schema version of the store, None where it has none."""
    rows = await pool.rows(sqlfile.load("schema_version"))
    return str(rows[0][0]) if rows else None


async def _origins(pool: ReadPool) -> dict[tuple[str, str], Origin]:
    rows = await pool.rows(sqlfile.load("datasets_by_name"))
    return {(row[0], row[1]): Origin(*row[1:]) for row in rows}


async def _published(pool: ReadPool, collection: Collection, origins: dict[tuple[str, str], Origin]) -> Published:
    rows = await pool.rows(summary_statement(collection), {"kind": collection.kind} if collection.kind else None)
    boxes = [row[2:6] for row in rows if row[2] is not None]
    bbox: Box | None = None
    if boxes:
        west, south, east, north = zip(*boxes, strict=True)
        bbox = (min(west), min(south), max(east), max(north))
    if collection.table in _BY_KIND_ONLY:
        found = [origin for (kind, _), origin in origins.items() if kind == "bim"] if any(row[1] for row in rows) else []
    else:
        names = {row[0] for row in rows if row[1]}
        found = [origin for (kind, name), origin in origins.items() if name in names and kind == collection.dataset_kind]
    is_synthetic = any(row[6] for row in rows) or any(origin.is_synthetic for origin in found)
    return Published(collection, sum(row[1] for row in rows), bbox, tuple(found), is_synthetic)


def summary_statement(collection: Collection) -> pg.Composed:
    """Return the statement that sums up a collection: origin, count, west, south, east, north [deg, EPSG:4490], generated or not."""
    columns = METADATA.tables[collection.table].columns
    return pg.SQL(
        """SELECT {origin} AS origin, count(*), ST_XMin(ST_Extent(geom)), ST_YMin(ST_Extent(geom)), ST_XMax(ST_Extent(geom)),
                  ST_YMax(ST_Extent(geom)), coalesce(bool_or({synthetic}), false)
           FROM {table} WHERE {kind} GROUP BY 1"""
    ).format(
        origin=pg.Identifier("source_dataset") if "source_dataset" in columns else pg.SQL("NULL::text"),
        synthetic=pg.Identifier("is_synthetic") if "is_synthetic" in columns else pg.SQL("false"),
        table=pg.Identifier(collection.table),
        kind=pg.SQL("kind = %(kind)s") if collection.kind else pg.SQL("true"),
    )
