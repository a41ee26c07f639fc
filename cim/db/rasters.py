"""Rows of rasters, and ground elevations of buildings."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import dict_row

from cim.db.engine import Connection
from cim.ids import new_id

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
