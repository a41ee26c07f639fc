"""City objects and their representations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cim.db.engine import Connection
from cim.db.staged_rows import copy_rows, save_rows

OBJECT_COLUMNS = {
    "code": "text", "county_code": "text", "type": "text", "name": "text", "parent_code": "text", "building_code": "text",
    "match_method": "text", "match_score": "float8", "highest_lod": "text", "base_m": "float8", "top_m": "float8", "geom": "geometry",
    "attributes": "jsonb", "change_set_id": "uuid", "source_dataset": "text", "source_key": "text", "content_hash": "text",
}  # fmt: skip
REPRESENTATION_COLUMNS = {
    "object_code": "text", "building_code": "text", "county_code": "text", "lod": "text", "cim_level": "int2", "geometry_type": "text",
    "vertices": "bytea", "boundaries": "jsonb", "semantics": "jsonb", "appearance": "jsonb", "faces": "bytea", "surfaces": "bytea",
    "colours": "bytea", "n_faces": "int4", "is_valid": "bool", "faults": "jsonb", "dataset_id": "uuid", "content_hash": "text",
}  # fmt: skip


@dataclass(frozen=True)
class KnownObject:
    """A city object of an earlier version of the dataset."""

    code: str
    content_hash: str
    status: str


def fetch_known(connection: Connection, dataset: str) -> dict[str, KnownObject]:
    """Return the city objects of a dataset by their key in the source."""
    rows = connection.execute("SELECT source_key, code, content_hash, status FROM city_object WHERE source_dataset = %s", [dataset])
    return {row[0]: KnownObject(row[1], row[2] or "", row[3]) for row in rows.fetchall()}


def issue_codes(connection: Connection, county: str, n: int) -> list[str]:
    """Return new codes of city objects: CO, county, ten digits; no code is ever given twice."""
    rows = connection.execute("SELECT nextval('city_object_code_seq') FROM generate_series(1, %s)", [n]).fetchall()
    return [f"CO{county}{row[0]:010d}" for row in rows]


def fetch_buildings(connection: Connection, box: tuple[float, float, float, float]) -> list[tuple[str, str, bytes]]:
    """Return code, county and footprint (WKB) of the standing buildings that touch a box [deg], EPSG:4490."""
    return connection.execute(
        """SELECT code, county_code, ST_AsBinary(geom) FROM building
           WHERE status NOT IN ('demolished', 'retired') AND NOT ST_IsEmpty(geom) AND geom && ST_MakeEnvelope(%s, %s, %s, %s, 4490)""",
        list(box),
    ).fetchall()


def fetch_counties(connection: Connection, codes: Sequence[str]) -> dict[str, str]:
    """Return the counties of those codes that are buildings of the register."""
    return dict(connection.execute("SELECT code, county_code FROM building WHERE code = ANY(%s)", [list(codes)]).fetchall())


def save_objects(connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Insert new city objects and give known ones their new state; ``geom`` is hexadecimal EWKB."""
    save_rows(connection, "city_object", OBJECT_COLUMNS, rows)


def save_representations(connection: Connection, codes: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """End the representations of objects and write their new ones."""
    connection.execute("UPDATE representation SET valid_to = now() WHERE object_code = ANY(%s) AND valid_to IS NULL", [list(codes)])
    copy_rows(connection, "representation", REPRESENTATION_COLUMNS, rows)


def retire_objects(connection: Connection, codes: Sequence[str], change_set: UUID) -> None:
    """Retire city objects that a new version of their dataset no longer has."""
    connection.execute("UPDATE representation SET valid_to = now() WHERE object_code = ANY(%s) AND valid_to IS NULL", [list(codes)])
    connection.execute(
        """UPDATE city_object SET status = 'retired', version = version + 1, valid_from = now(), recorded_at = now(), change_set_id = %s
           WHERE code = ANY(%s)""",
        [change_set, list(codes)],
    )


def save_textures(connection: Connection, rows: Sequence[tuple[str, str, int, int, bytes]]) -> None:
    """Keep images (sha256, media type, width, height, bytes), each once."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO texture_image (sha256, media_type, width_px, height_px, size_bytes, image)
               VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (sha256) DO NOTHING""",
            [(*row[:4], len(row[4]), row[4]) for row in rows],
        )
