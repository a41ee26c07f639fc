"""Versions of BIM models: which file made which version, and what changed between two."""

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from cim.db.engine import Connection
from cim.errors import InvalidParameterError, NotFoundError

_LOADED = ("code", "stage", "building_code", "project_code", "status", "options", "fix", "unplaced")
Part = tuple[str, int]
"""GlobalId and occurrence."""


def find_loaded(connection: Connection, sha256: str) -> dict[str, Any] | None:
    """Return code, options and columns that options decide of the model whose current version a file is; None where there is none."""
    row = connection.execute(
        """SELECT m.code, m.stage, m.building_code, m.project_code, m.status, coalesce(v.options, '{}'::jsonb), m.fix_hint,
                  CASE WHEN m.placement IS NULL THEN m.georef_note END
           FROM bim_model m LEFT JOIN bim_version v ON v.model_code = m.code AND v.version = m.version WHERE m.sha256 = %s""",
        [sha256],
    ).fetchone()
    return None if row is None else dict(zip(_LOADED, row, strict=True))


def find_earlier(connection: Connection, sha256: str) -> tuple[str, int] | None:
    """Return model and version that a file once was, None where it never was any."""
    row = connection.execute(
        "SELECT model_code, version FROM bim_version WHERE sha256 = %s ORDER BY recorded_at DESC LIMIT 1", [sha256]
    ).fetchone()
    return None if row is None else (row[0], row[1])


def find_predecessor(connection: Connection, project_global_id: str | None, name: str) -> str | None:
    """Return the model that a new file is the next version of: the one with its project and name; None where there is not exactly one."""
    if project_global_id is None:
        return None
    rows = connection.execute(
        "SELECT code FROM bim_model WHERE project_global_id = %s AND name = %s LIMIT 2", [project_global_id, name]
    ).fetchall()
    return rows[0][0] if len(rows) == 1 else None


def fetch_current(connection: Connection, code: str) -> dict[str, Any]:
    """Return what the next version of a model takes over, with the model locked.

    Raises
    ------
    NotFoundError
        No model has this code.
    """
    row = connection.execute(
        """SELECT m.name, m.version, m.sha256, m.stage, m.note, m.building_code, m.link_method, m.project_code,
                  coalesce(v.options, '{}'::jsonb), d.source, cim_box(m.geom)
           FROM bim_model m JOIN dataset d ON d.id = m.dataset_id LEFT JOIN bim_version v ON v.model_code = m.code AND v.version = m.version
           WHERE m.code = %s FOR UPDATE OF m""",
        [code],
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no BIM model has the code {code!r}", hint="cim bim list")
    names = ("name", "version", "sha256", "stage", "note", "building_code", "link_method", "project_code", "options", "source", "box")
    return dict(zip(names, row, strict=True))


def archive_parts(connection: Connection, code: str, version: int) -> None:
    """Keep the elements of the current version as hashes, before the next version replaces them."""
    connection.execute(
        """INSERT INTO bim_version_part (model_code, version, global_id, occurrence, ifc_class, name, property_hash, geometry_hash)
           SELECT model_code, %s, global_id, occurrence, ifc_class, name, property_hash, geometry_hash
           FROM bim_element WHERE model_code = %s""",
        [version, code],
    )


def save_version(
    connection: Connection, code: str, version: int, sha256: str, file_name: str, dataset_id: UUID, change_set: UUID,
    options: dict[str, Any], report: dict[str, Any],
) -> None:  # fmt: skip
    """Note a version."""
    connection.execute(
        """INSERT INTO bim_version (model_code, version, sha256, file_name, dataset_id, options, report, change_set_id)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [code, version, sha256, file_name, dataset_id, Jsonb(options), Jsonb(report), change_set],
    )


def fetch_versions(connection: Connection, code: str) -> list[dict[str, Any]]:
    """Return the versions of a model, oldest first."""
    rows = connection.execute(
        """SELECT v.version, v.file_name, v.sha256, v.recorded_at, v.options, (v.report ->> 'elements')::int
           FROM bim_version v WHERE v.model_code = %s ORDER BY v.version""",
        [code],
    ).fetchall()
    return [dict(zip(("version", "file", "sha256", "recorded_at", "options", "elements"), row, strict=True)) for row in rows]


def parse_version(text: str) -> tuple[str, int | None]:
    """Split ``CODE`` or ``CODE@VERSION``.

    Raises
    ------
    InvalidParameterError
        The version is no number.
    """
    code, mark, number = text.partition("@")
    if mark and not (number.isascii() and number.isdigit()):
        raise InvalidParameterError("model", text, "a model code, or a code with a version such as BIM-2026-000001@1")
    return code, int(number) if mark else None


def fetch_parts(connection: Connection, text: str) -> tuple[str, dict[Part, tuple[str, str | None, str | None, str | None]]]:
    """Return the elements of a version: class, name, hash of the properties, hash of the geometry.

    Parameters
    ----------
    connection
        The store.
    text
        ``CODE`` (current version) or ``CODE@VERSION``.

    Returns
    -------
    tuple
        ``CODE@VERSION``, and the elements by GlobalId and occurrence.

    Raises
    ------
    NotFoundError
        There is no such model or version.
    """
    code, version = parse_version(text)
    row = connection.execute("SELECT version FROM bim_model WHERE code = %s", [code]).fetchone()
    if row is None:
        raise NotFoundError(f"no BIM model has the code {code!r}", hint="cim bim list")
    current = int(row[0])
    version = current if version is None else version
    if version == current:
        rows = connection.execute(
            "SELECT global_id, occurrence, ifc_class, name, property_hash, geometry_hash FROM bim_element WHERE model_code = %s", [code]
        ).fetchall()
    else:
        if connection.execute("SELECT 1 FROM bim_version WHERE model_code = %s AND version = %s", [code, version]).fetchone() is None:
            raise NotFoundError(f"model {code} has no version {version}, its newest is {current}", hint=f"cim bim show {code}")
        rows = connection.execute(
            """SELECT global_id, occurrence, ifc_class, name, property_hash, geometry_hash FROM bim_version_part
               WHERE model_code = %s AND version = %s""",
            [code, version],
        ).fetchall()
    return f"{code}@{version}", {(r[0], r[1]): (r[2], r[3], r[4], r[5]) for r in rows}


def compare(connection: Connection, old: str, new: str) -> dict[str, Any]:
    """Return what was added, removed and changed from one version to another, by GlobalId.

    Raises
    ------
    NotFoundError
        There is no such model or version.
    """
    first, before = fetch_parts(connection, old)
    second, after = fetch_parts(connection, new)

    def shown(part: Part, facts: tuple[str, str | None, str | None, str | None]) -> dict[str, Any]:
        return {"global_id": part[0], "class": facts[0], "name": facts[1]}

    changed = []
    for part in sorted(before.keys() & after.keys()):
        was, now = before[part], after[part]
        what = [name for name, index in (("properties", 2), ("geometry", 3)) if was[index] != now[index]]
        if what:
            changed.append({**shown(part, now), "what": what})
    return {
        "from": first,
        "to": second,
        "added": [shown(part, after[part]) for part in sorted(after.keys() - before.keys())],
        "removed": [shown(part, before[part]) for part in sorted(before.keys() - after.keys())],
        "changed": changed,
        "unchanged": len(before.keys() & after.keys()) - len(changed),
    }
