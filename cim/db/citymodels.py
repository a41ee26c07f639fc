"""City objects and their representations."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from cim.db.engine import Connection

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
    names = sql.SQL(", ").join(map(sql.Identifier, OBJECT_COLUMNS))
    connection.execute("DROP TABLE IF EXISTS staged_object")
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE staged_object ON COMMIT DROP AS SELECT {} FROM city_object WITH NO DATA").format(names)
    )
    _copy(connection, "staged_object", OBJECT_COLUMNS, rows)
    kept = [name for name in OBJECT_COLUMNS if name not in ("code", "county_code")]
    connection.execute(
        sql.SQL(
            """UPDATE city_object o SET {}, status = 'existing', version = o.version + 1, valid_from = now(), recorded_at = now()
               FROM staged_object s WHERE o.code = s.code"""
        ).format(sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in kept))
    )
    connection.execute(
        sql.SQL("INSERT INTO city_object ({0}) SELECT {0} FROM staged_object s WHERE NOT EXISTS "
                "(SELECT 1 FROM city_object o WHERE o.code = s.code)").format(names)
    )  # fmt: skip


def save_representations(connection: Connection, codes: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """End the representations of objects and write their new ones."""
    connection.execute("UPDATE representation SET valid_to = now() WHERE object_code = ANY(%s) AND valid_to IS NULL", [list(codes)])
    _copy(connection, "representation", REPRESENTATION_COLUMNS, rows)


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


def _copy(connection: Connection, table: str, columns: dict[str, str], rows: Iterable[dict[str, Any]]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns)))
    wrapped = {name for name, kind in columns.items() if kind == "jsonb"}
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([Jsonb(row[n]) if n in wrapped and row.get(n) is not None else row.get(n) for n in columns])


_AT = {
    False: "o.status = 'existing' AND r.valid_to IS NULL",
    True: "r.valid_from <= %(moment)s AND (r.valid_to IS NULL OR r.valid_to > %(moment)s)",
}


def iter_representations(
    connection: Connection, *, moment: datetime | None = None, division: str | None = None
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Yield city objects with each of their representations, by object.

    Parameters
    ----------
    moment
        State that is wanted, None = now.
    division
        Only objects of buildings in this division, or in this county.
    """
    # Facts of an object come from its current row: only geometry is kept by time.
    text = f"""SELECT o.code, o.type, o.name, o.parent_code, o.building_code, o.attributes, o.source_key, r.lod, r.geometry_type,
                      r.vertices, r.boundaries, r.semantics, r.appearance
               FROM city_object o LEFT JOIN representation r ON r.object_code = o.code AND {_AT[moment is not None]}
               LEFT JOIN building b ON b.code = o.building_code
               WHERE (%(division)s::text IS NULL OR o.county_code = left(%(division)s, 6) AND
                      (length(%(division)s) <= 6 OR b.division_code LIKE %(division)s || '%%'))
                 AND (%(moment)s::timestamptz IS NOT NULL OR o.status = 'existing')
               ORDER BY o.code, r.lod"""  # noqa: S608 - the condition is one of two constants
    with connection.cursor("representations", row_factory=dict_row) as cursor:
        cursor.itersize = 2000
        yield from cursor.execute(text.encode(), {"moment": moment, "division": division})
