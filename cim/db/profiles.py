"""The city profile in the store."""

from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from cim.db.engine import Connection
from cim.errors import ConfigError
from cim.geoid import Geoid, geoid_of
from cim.profile import CityProfile, parse_profile
from cim.settings import Settings


def fetch_profile(connection: Connection) -> CityProfile:
    """Return the store's city profile.

    Raises
    ------
    ConfigError
        None is stored yet.
    """
    row = connection.execute("SELECT document FROM city_profile").fetchone()
    if row is None:
        raise ConfigError(
            "the store has no city profile; expected one before data is loaded",
            hint="cim db profile city.yaml",
        )
    return parse_profile(row[0], source="city profile in the store")


def fetch_geoid(settings: Settings, connection: Connection) -> Geoid:
    """Return the separation of ellipsoid and height datum of the city; raises as `fetch_profile`."""
    return geoid_of(fetch_profile(connection), settings.rasters_dir)


def fetch_extents(connection: Connection) -> dict[str, tuple[float, float, float, float]]:
    """Return the boxes of buildings and networks that are in the store: west, south, east, north [deg]."""
    tables = {"buildings": "building", "networks": "network_edge"}
    found = {}
    for name, table in tables.items():
        box = SQL("SELECT ST_XMin(b), ST_YMin(b), ST_XMax(b), ST_YMax(b) FROM (SELECT ST_Extent(geom)::box3d AS b FROM {}) AS e")
        row = connection.execute(box.format(Identifier(table))).fetchone()
        if row is not None and row[0] is not None:
            found[name] = (row[0], row[1], row[2], row[3])
    return found


def save_profile(connection: Connection, profile: CityProfile) -> bool:
    """Store a city profile; return False when the same one is there already."""
    document = Jsonb(profile.model_dump(mode="json"))
    changed = connection.execute(
        """INSERT INTO city_profile (document) VALUES (%(document)s)
           ON CONFLICT (singleton) DO UPDATE SET document = excluded.document, updated_at = now()
           WHERE city_profile.document <> excluded.document""",
        {"document": document},
    )
    return changed.rowcount > 0


def fetch_vertical_datum(connection: Connection) -> str | None:
    """Return the vertical CRS of the city, None where the store has no profile yet."""
    row = connection.execute("SELECT document FROM city_profile").fetchone()
    return None if row is None else parse_profile(row[0], source="city profile in the store").vertical_datum
