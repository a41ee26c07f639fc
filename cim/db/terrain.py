"""Terrain rows, and ground elevations of buildings."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from cim.db.engine import Connection
from cim.ids import new_id


def fetch_files(connection: Connection) -> list[str]:
    """Return the file names of all terrains in the raster folder, newest first."""
    rows = connection.execute(
        "SELECT t.file FROM raster t JOIN dataset d ON d.id = t.dataset_id WHERE t.kind = 'terrain' ORDER BY d.loaded_at DESC, t.name"
    ).fetchall()
    return [str(row[0]) for row in rows]


def save_terrain(connection: Connection, dataset_id: UUID, values: dict[str, Any]) -> None:
    """Insert or replace a terrain by name; ``footprint`` is hexadecimal EWKB, EPSG:4490."""
    connection.execute(
        """INSERT INTO raster (id, dataset_id, kind, name, file, crs, vertical_datum, source_unit, resolution_m, width_px, height_px,
                   n_bands, data_type, nodata, valid_share, min_m, max_m, n_sources, geom)
           VALUES (%(id)s, %(dataset_id)s, 'terrain', %(name)s, %(file)s, %(crs)s, %(vertical_datum)s, 'm', %(resolution_m)s,
                   %(width_px)s, %(height_px)s, 1, %(data_type)s, %(nodata)s, NULL, %(min_m)s, %(max_m)s, 1, %(footprint)s)
           ON CONFLICT (kind, name) DO UPDATE SET dataset_id = excluded.dataset_id, file = excluded.file, crs = excluded.crs,
                   vertical_datum = excluded.vertical_datum, resolution_m = excluded.resolution_m, min_m = excluded.min_m,
                   max_m = excluded.max_m, geom = excluded.geom, width_px = excluded.width_px, height_px = excluded.height_px,
                   data_type = excluded.data_type, nodata = excluded.nodata""",
        {"id": new_id(), "dataset_id": dataset_id, **values},
    )


def fetch_footprints(connection: Connection) -> tuple[list[str], list[bytes]]:
    """Return code and footprint (WKB, EPSG:4490) of every standing building."""
    rows = connection.execute(
        "SELECT code, ST_AsBinary(geom) FROM building WHERE status NOT IN ('demolished', 'retired') ORDER BY code"
    ).fetchall()
    return [row[0] for row in rows], [bytes(row[1]) for row in rows]


def update_ground(connection: Connection, codes: Sequence[str], elevations_m: Sequence[float | None], change_set: UUID) -> int:
    """Write ground elevations [m] where they differ by more than a millimetre; return how many buildings changed."""
    return connection.execute(
        """UPDATE building b SET ground_elevation_m = s.ground, version = b.version + 1, valid_from = now(), recorded_at = now(),
                  change_set_id = %(change_set)s
           FROM unnest(%(codes)s::text[], %(ground)s::float8[]) AS s (code, ground)
           WHERE b.code = s.code AND s.ground IS NOT NULL
             AND (b.ground_elevation_m IS NULL OR abs(b.ground_elevation_m - s.ground) > 0.001)""",
        {"change_set": change_set, "codes": list(codes), "ground": list(elevations_m)},
    ).rowcount
