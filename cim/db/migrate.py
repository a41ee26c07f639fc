"""Bring the store's schema to this program's version."""

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from cim.db import deferred, engine, exchange, row_security
from cim.errors import MigrationError
from cim.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def newest_version() -> str:
    """Return the schema version this program was made for."""
    versions = _known_versions()
    if not versions:
        raise MigrationError("this installation carries no migrations", hint="install the platform again")
    return max(versions)


def current_version(settings: Settings) -> str | None:
    """Return the store's schema version, None for an empty store.

    Raises
    ------
    StoreUnavailableError
        No answer.
    """
    with engine.connect(settings) as connection:
        row = connection.execute("SELECT to_regclass('public.alembic_version')").fetchone()
        if row is None or row[0] is None:
            return None
        version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(version[0]) if version else None


def require_current(settings: Settings) -> None:
    """Refuse to work on a store of another schema version.

    Raises
    ------
    MigrationError
        The store is older (with the command to run) or newer (with what to install).
    """
    found, expected = current_version(settings), newest_version()
    if found == expected:
        return
    if found is None or found in _known_versions():
        raise MigrationError(f"store schema: found version {found or 'none'}, expected {expected}", hint="cim db migrate")
    raise _newer(found, expected)


def migrate(settings: Settings) -> tuple[str | None, str]:
    """Apply all missing migrations in one transaction.

    Returns
    -------
    tuple
        Version before and after.

    Raises
    ------
    MigrationError
        The store is newer than this program, or a statement failed; nothing is changed then.
    """
    exchange.put_back(settings)
    before, target = current_version(settings), newest_version()
    if before is not None and before not in _known_versions():
        raise _newer(before, target)
    if before == target:
        with engine.connect(settings) as connection:
            if not row_security.is_applied(connection):
                row_security.apply(connection)
        deferred.build_missing(settings)
        return before, target
    import sqlalchemy
    from alembic import command

    from cim.db.job_schema import apply_job_schema

    config = _config()
    try:
        with engine.sqlalchemy_engine(settings).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            apply_job_schema(connection)
            row_security.apply_with(connection)
    except sqlalchemy.exc.DBAPIError as error:
        original = error.orig
        detail = original.diag.message_primary if isinstance(original, psycopg.Error) else str(original)
        raise MigrationError(
            f"migration of {engine.address(settings)} from {before or 'nothing'} to {target} failed: {detail}",
            hint="the store is unchanged; install the missing extension or privilege and run `cim db migrate` again",
        ) from error
    return before, target


def _known_versions() -> set[str]:
    # By file name, NNNN_what_it_does.py: loading the migrations would cost every command a second.
    return {path.name[:4] for path in (_MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py")}


def _newer(found: str, expected: str) -> MigrationError:
    return MigrationError(
        f"store schema: found version {found}, newer than {expected} of this program",
        hint="install the program version that made the store, or restore an older backup",
    )
