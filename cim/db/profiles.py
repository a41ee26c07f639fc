"""The city profile in the store."""

from psycopg.types.json import Jsonb

from cim.db.engine import Connection
from cim.errors import ConfigError
from cim.profile import CityProfile, parse_profile


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
