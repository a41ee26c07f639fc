"""The data resource catalogue: what is held, from whom, by which standard, how current, how good, who may see it."""

from typing import Any

from cim.db.catalog import collections
from cim.db.engine import Connection

_DATASETS = """SELECT DISTINCT ON (d.kind, d.name) d.kind, d.name, d.version, d.source, d.sha256, d.crs, d.licence, d.provider,
                      d.is_synthetic, d.n_read, d.n_accepted, d.n_unchanged, d.n_rejected, d.loaded_at,
                      (SELECT min(loaded_at) FROM dataset f WHERE f.kind = d.kind AND f.name = d.name) AS first_loaded_at
               FROM dataset d ORDER BY d.kind, d.name, d.version DESC"""


def fetch_datasets(connection: Connection) -> list[dict[str, Any]]:
    """Return the newest version of every dataset, with counts and the time of the first version."""
    cursor = connection.execute(_DATASETS)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def fetch_lineage(connection: Connection, kind: str, name: str) -> list[dict[str, Any]]:
    """Return all versions of a dataset, newest first."""
    cursor = connection.execute(
        """SELECT version, source, sha256, n_read, n_accepted, n_unchanged, n_rejected, loaded_at FROM dataset
           WHERE kind = %s AND name = %s ORDER BY version DESC""",
        [kind, name],
    )
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def collections_of(kind: str, name: str) -> list[str]:
    """Return the collections that a dataset of a kind feeds."""
    found = [one.id for one in collections().values() if one.dataset_kind == kind]
    if kind == "network":
        mine = [one for one in found if name.split("-", maxsplit=1)[0].split("_", maxsplit=1)[0] == one.split("-")[0]]
        return mine or found
    return found
