"""Backup and restore: one archive with the database dump, the models and the rasters; tiles are rebuilt."""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from cim.clock import utc_now
from cim.db import codes, engine, exchange, migrate, row_security
from cim.db.pg_programs import find_programs
from cim.errors import ConflictError, SourceSyntaxError, StoreError
from cim.settings import Settings

_FORMAT = "cim-backup-1"
_COUNTED = ("division", "building", "address", "network_node", "network_edge", "bim_model", "bim_element")


def _libpq(settings: Settings, database: str | None = None) -> tuple[list[str], dict[str, str]]:
    parts = engine.conninfo_parts(settings)
    password = str(parts.pop("password", "") or "")
    for name in ("options", "application_name"):
        parts.pop(name, None)
    if database is not None:
        parts["dbname"] = database
    return ["--dbname", engine.join_conninfo(parts)], {**os.environ, "PGPASSWORD": password}


def _run(argv: list[str], environment: dict[str, str], what: str) -> None:
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StoreError(f"{what} failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}")


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_backup(settings: Settings, target: Path) -> dict[str, Any]:
    """Write an archive; a half-written one never has the final name.

    Returns
    -------
    dict
        The manifest: format, schema, rows per table, bytes.

    Raises
    ------
    StoreError
        The dump failed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with engine.connect(settings) as connection:
        rows = {
            name: int((connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone() or (0,))[0])
            for name in _COUNTED
        }
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        dump = Path(scratch) / "store.dump"
        argv, environment = _libpq(settings)
        _run([find_programs().path("pg_dump"), *argv, "--format=custom", "--file", str(dump)], environment, "pg_dump")
        manifest: dict[str, Any] = {
            "format": _FORMAT,
            "made_at": utc_now().isoformat(),
            "schema": migrate.current_version(settings),
            "rows": rows,
            "store_sha256": _sha256(dump),
        }
        part = Path(scratch) / "archive.part"
        with tarfile.open(part, "w") as archive:
            text = json.dumps(manifest, indent=1).encode()
            member = tarfile.TarInfo("manifest.json")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
            archive.add(dump, "store.dump")
            for name, folder in (("models", settings.models_dir), ("rasters", settings.rasters_dir)):
                if folder.is_dir():
                    archive.add(folder, name)
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        part.replace(target)
    return {**manifest, "bytes": target.stat().st_size}


def read_manifest(source: Path) -> dict[str, Any]:
    """Read and check the manifest of an archive.

    Raises
    ------
    SourceSyntaxError
        The file is missing, cut off, or no archive of ours.
    """
    try:
        with tarfile.open(source) as archive:
            member = archive.extractfile("manifest.json")
            document = json.loads(member.read()) if member else {}
    except FileNotFoundError as error:
        raise SourceSyntaxError(source, "no such file", hint="give an archive made by `cim db backup`") from error
    except (tarfile.TarError, KeyError, ValueError, EOFError) as error:
        raise SourceSyntaxError(source, "not an archive made by `cim db backup`") from error
    if document.get("format") != _FORMAT:
        raise SourceSyntaxError(source, f"found format {document.get('format')!r}, expected {_FORMAT!r}")
    return dict(document)


def _counters(settings: Settings, database: str) -> list[codes.Counter4] | None:
    """Return the counters of a database of this server, None where they cannot be read."""
    parts = engine.conninfo_parts(settings)
    parts["dbname"] = database
    with contextlib.suppress(psycopg.Error), psycopg.connect(engine.join_conninfo(parts)) as connection:
        return codes.fetch_counters(connection)
    return None


def restore_backup(settings: Settings, source: Path, *, force: bool) -> int:
    """Restore an archive into a new database, then put it in the place of the old one.

    Codes issued after the backup are never issued again: see `cim.db.codes.close_gap_after_restore`.

    Returns
    -------
    int
        Code counters that were raised above what the backup knew.

    Raises
    ------
    SourceSyntaxError
        The archive is damaged (the store is unchanged).
    ConflictError
        The store holds buildings and ``force`` is not set.
    StoreError
        pg_restore failed (the store is unchanged).
    """
    manifest = read_manifest(source)
    exchange.put_back(settings)
    if not force and migrate.current_version(settings) is not None:
        with engine.connect(settings) as connection:
            row = connection.execute("SELECT count(*) FROM building").fetchone()
        if row is not None and row[0]:
            raise ConflictError(
                f"the store holds {row[0]} buildings, expected an empty one",
                hint="make a backup of it, then `cim db restore --force`",
            )
    _, fresh, old = exchange.names(settings)
    with tempfile.TemporaryDirectory(dir=settings.data_dir if settings.data_dir.is_dir() else None) as scratch:
        try:
            with tarfile.open(source) as archive:
                archive.extractall(scratch, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise SourceSyntaxError(source, f"damaged archive: {error}") from error
        dump = Path(scratch) / "store.dump"
        if not dump.exists() or _sha256(dump) != manifest["store_sha256"]:
            raise SourceSyntaxError(source, "the database dump is damaged (checksum differs)")
        exchange.admin(settings, [sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(fresh)),
                                  sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(fresh))])  # fmt: skip
        argv, environment = _libpq(settings, fresh)
        restore = [find_programs().path("pg_restore"), *argv, "--exit-on-error", "--no-owner", str(dump)]
        # Policies name roles, and roles are no part of a dump; what is declared about functions of extensions neither.
        _with(settings, fresh, row_security.create_roles)
        _run(restore, environment, "pg_restore")
        _with(settings, fresh, row_security.apply)
        made_year = datetime.fromisoformat(manifest["made_at"]).year
        exchange.set_aside(settings)
        try:
            # Under its new name nobody finds the old store: what its counters say now is the last word.
            raised = _close_gap(settings, fresh, _counters(settings, old), made_year)
            for name, folder in (("models", settings.models_dir), ("rasters", settings.rasters_dir)):
                if (Path(scratch) / name).is_dir():
                    folder.mkdir(parents=True, exist_ok=True)
                    for file in (Path(scratch) / name).iterdir():
                        file.replace(folder / file.name)
            exchange.put_in_place(settings)
        except BaseException:
            exchange.put_back(settings)
            raise
        exchange.drop_replaced(settings)
    return raised


def _with(settings: Settings, database: str, work: Callable[[engine.Connection], None]) -> None:
    parts = engine.conninfo_parts(settings)
    parts["dbname"] = database
    try:
        with psycopg.connect(engine.join_conninfo(parts)) as connection:
            work(connection)
    except psycopg.Error as error:
        raise engine.store_error(error, settings) from error


def _close_gap(settings: Settings, fresh: str, replaced: list[codes.Counter4] | None, made_year: int) -> int:
    parts = engine.conninfo_parts(settings)
    parts["dbname"] = fresh
    try:
        with psycopg.connect(engine.join_conninfo(parts)) as connection:
            return codes.close_gap_after_restore(connection, replaced, made_year)
    except psycopg.Error as error:
        raise engine.store_error(error, settings) from error
