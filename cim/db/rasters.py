"""Rows of rasters, and ground elevations of buildings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import dict_row

from cim.db.engine import Connection
from cim.errors import StoreError
from cim.ids import new_id
from cim.settings import Settings

Floats = NDArray[np.float64]

_COLUMNS = (
    "kind", "name", "file", "crs", "vertical_datum", "source_unit", "resolution_m", "width_px", "height_px", "n_bands", "data_type",
    "nodata", "valid_share", "min_m", "max_m", "n_sources", "acquired_on",
)  # fmt: skip


def fetch_files(connection: Connection, kind: str) -> list[tuple[str, str]]:
    """Return name and file name of all rasters of a kind, newest first."""
    rows = connection.execute(
        "SELECT t.name, t.file FROM raster t JOIN dataset d ON d.id = t.dataset_id WHERE t.kind = %s ORDER BY d.loaded_at DESC, t.name",
        [kind],
    ).fetchall()
    return [(str(row[0]), str(row[1])) for row in rows]


def stored_rasters(connection: Connection, settings: Settings, *, but: str = "") -> list[Path]:
    """Return the elevation rasters of the store, newest first.

    Parameters
    ----------
    but
        Name of a terrain to leave out.

    Raises
    ------
    StoreError
        The file of one is gone: heights taken from the others only would be wrong without a word.
    """
    found = []
    for name, file in fetch_files(connection, "terrain"):
        path = settings.rasters_dir / file
        if name == but:
            continue
        if not path.exists():
            raise StoreError(
                f"terrain {name!r}: its file {path} is not there",
                hint=f"restore it, or load the source again: cim ingest terrain FILE --name {name}",
            )
        found.append(path)
    return found


def fetch_rasters(connection: Connection) -> list[dict[str, Any]]:
    """Return all rasters, newest first, with dataset facts and the box [deg] in EPSG:4490."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """SELECT t.kind, t.name, t.file, t.crs, t.vertical_datum, t.source_unit, t.resolution_m, t.width_px, t.height_px, t.n_bands,
                      t.data_type, t.nodata, t.valid_share, t.min_m, t.max_m, t.acquired_on,
                      ARRAY[ST_XMin(t.geom), ST_YMin(t.geom), ST_XMax(t.geom), ST_YMax(t.geom)] AS bbox, d.version, d.loaded_at, d.licence,
                      d.provider, d.is_synthetic
               FROM raster t JOIN dataset d ON d.id = t.dataset_id ORDER BY d.loaded_at DESC, t.name"""
        ).fetchall()


def save_raster(connection: Connection, dataset_id: UUID, values: dict[str, Any]) -> None:
    """Insert or replace a raster by kind and name; ``footprint`` is hexadecimal EWKB, EPSG:4490."""
    given = {name: values.get(name) for name in _COLUMNS}
    names = ", ".join(_COLUMNS)
    marks = ", ".join(f"%({name})s" for name in _COLUMNS)
    kept = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("kind", "name"))
    connection.execute(
        f"""INSERT INTO raster (id, dataset_id, geom, {names}) VALUES (%(id)s, %(dataset_id)s, %(footprint)s, {marks})
            ON CONFLICT (kind, name) DO UPDATE SET dataset_id = excluded.dataset_id, geom = excluded.geom, {kept}""".encode(),  # noqa: S608 - names are constants
        {"id": new_id(), "dataset_id": dataset_id, "footprint": values["footprint"], **given},
    )


def fetch_footprints(connection: Connection, footprint: str) -> tuple[list[str], list[bytes]]:
    """Return code and footprint (WKB, little-endian, EPSG:4490) of every standing building that touches a box (hexadecimal EWKB)."""
    rows = connection.execute(
        """SELECT code, ST_AsBinary(geom, 'NDR') FROM building
           WHERE status NOT IN ('demolished', 'retired') AND NOT ST_IsEmpty(geom) AND geom && %s::geometry ORDER BY code""",
        [footprint],
    ).fetchall()
    return [row[0] for row in rows], [bytes(row[1]) for row in rows]


def update_ground(connection: Connection, codes: Sequence[str], ground: tuple[Floats, Floats, Floats], change_set: UUID) -> int:
    """Write lowest, mean and highest ground [m] where one differs by more than a millimetre; return how many buildings changed.

    Parameters
    ----------
    codes
        Buildings.
    ground
        Three arrays of shape (n,); NaN leaves the building as it is.
    """
    low, mean, high = (np.round(part, 3).tolist() for part in ground)
    return connection.execute(
        """UPDATE building b SET ground_elevation_m = s.low, ground_mean_m = s.mean, ground_max_m = s.high, version = b.version + 1,
                  valid_from = now(), recorded_at = now(), change_set_id = %(change_set)s
           FROM unnest(%(codes)s::text[], %(low)s::float8[], %(mean)s::float8[], %(high)s::float8[]) AS s (code, low, mean, high)
           WHERE b.code = s.code AND s.low <> 'NaN'
             AND (b.ground_elevation_m IS NULL OR abs(b.ground_elevation_m - s.low) > 0.001 OR b.ground_mean_m IS NULL
                  OR abs(b.ground_mean_m - s.mean) > 0.001 OR b.ground_max_m IS NULL OR abs(b.ground_max_m - s.high) > 0.001)""",
        {"change_set": change_set, "codes": list(codes), "low": low, "mean": mean, "high": high},
    ).rowcount


def fetch_points(connection: Connection, footprint: str) -> tuple[list[str], list[str], Floats, Floats, Floats]:
    """Return kind, code, longitude, latitude [deg] and ground [m] (NaN = unknown) of the network points in a box (hexadecimal EWKB)."""
    found = connection.execute(
        """SELECT kind, code, ST_X(geom), ST_Y(geom), ground_elevation_m FROM network_node
           WHERE geom && %s::geometry AND NOT ST_IsEmpty(geom) ORDER BY kind, code""",
        [footprint],
    ).fetchall()
    numbers = np.array([[np.nan if value is None else value for value in row[2:]] for row in found], np.float64).reshape(-1, 3)
    lon, lat, ground = (np.ascontiguousarray(numbers[:, n]) for n in range(3))
    return [row[0] for row in found], [row[1] for row in found], lon, lat, ground


def update_point_ground(connection: Connection, kinds: Sequence[str], codes: Sequence[str], ground: Floats, change_set: UUID) -> int:
    """Write the ground [m] of network points, and their depth below it where the elevation is known; return how many changed."""
    return connection.execute(
        """UPDATE network_node n SET ground_elevation_m = s.ground,
                  depth_m = coalesce(round((s.ground - n.elevation_m)::numeric, 3), n.depth_m), version = n.version + 1,
                  valid_from = now(), recorded_at = now(), change_set_id = %(change_set)s
           FROM unnest(%(kinds)s::text[], %(codes)s::text[], %(ground)s::float8[]) AS s (kind, code, ground)
           WHERE n.kind = s.kind AND n.code = s.code""",
        {"change_set": change_set, "kinds": list(kinds), "codes": list(codes), "ground": ground.tolist()},
    ).rowcount


def fetch_model_outlines(connection: Connection, *, footprint: str | None, code: str | None) -> tuple[list[str], list[bytes]]:
    """Return code and outline (WKB, little-endian, EPSG:4490) of placed BIM models: those that touch a box, or one."""
    found = connection.execute(
        """SELECT code, ST_AsBinary(geom, 'NDR') FROM bim_model
           WHERE geom IS NOT NULL AND NOT ST_IsEmpty(geom) AND (%(box)s::text IS NULL OR geom && (%(box)s::text)::geometry)
             AND (%(code)s::text IS NULL OR code = %(code)s) ORDER BY code""",
        {"box": footprint, "code": code},
    ).fetchall()
    return [row[0] for row in found], [bytes(row[1]) for row in found]


def update_model_ground(
    connection: Connection, codes: Sequence[str], ground: tuple[Floats, Floats, Floats], change_set: UUID | None
) -> int:  # fmt: skip
    """Write lowest, mean and highest ground [m] under BIM models where one differs by more than a millimetre; return how many changed.

    Parameters
    ----------
    change_set
        None leaves the one that wrote them and tells no follower of the outbox.
    """
    low, mean, high = (np.round(part, 3).tolist() for part in ground)
    changed = connection.execute(
        """UPDATE bim_model m SET ground_min_m = s.low, ground_mean_m = s.mean, ground_max_m = s.high, recorded_at = now(),
                  change_set_id = coalesce(%(change_set)s::uuid, m.change_set_id)
           FROM unnest(%(codes)s::text[], %(low)s::float8[], %(mean)s::float8[], %(high)s::float8[]) AS s (code, low, mean, high)
           WHERE m.code = s.code AND s.low <> 'NaN'
             AND (m.ground_min_m IS NULL OR abs(m.ground_min_m - s.low) > 0.001 OR abs(m.ground_mean_m - s.mean) > 0.001
                  OR abs(m.ground_max_m - s.high) > 0.001)
           RETURNING m.code""",
        {"change_set": change_set, "codes": list(codes), "low": low, "mean": mean, "high": high},
    ).fetchall()
    if change_set is None:
        return len(changed)
    connection.execute(
        """INSERT INTO change_event (change_set_id, collection, code, action, bbox)
           SELECT %s, 'bim-models', code, 'update', cim_box(geom) FROM bim_model WHERE code = ANY(%s)""",
        [change_set, [row[0] for row in changed]],
    )
    return len(changed)
