"""The exchange of the whole store for a restored one: two renames, which a kill between them does not lose."""

import contextlib
import time

import psycopg
from psycopg import sql

from cim.db import engine
from cim.db.replaced import put_back_database, replaced_name
from cim.settings import Settings

_ATTEMPTS = 100
_WAIT_S = 0.05


def names(settings: Settings) -> tuple[str, str, str]:
    """Return the names of the store's database, of the one that is being restored, and of the one that was replaced."""
    current = str(engine.conninfo_parts(settings)["dbname"])
    return current, f"{current}_restoring", replaced_name(current)


def admin(settings: Settings, statements: list[sql.Composed]) -> None:
    """Run statements that cannot be part of a transaction, in the server's own database.

    Raises
    ------
    StoreError
        The server refused.
    """
    try:
        with psycopg.connect(_server(settings), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)
    except psycopg.Error as error:
        raise engine.store_error(error, settings) from error


def set_aside(settings: Settings) -> None:
    """Give the present store the name of a replaced one; its sessions are ended, as often as clients come back in between."""
    current, _, old = names(settings)
    end = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}").format(sql.Literal(current))
    try:
        with psycopg.connect(_server(settings), autocommit=True) as connection:
            connection.execute(_drop(old))
            for attempt in range(_ATTEMPTS):
                connection.execute(end)
                try:
                    connection.execute(_rename(current, old))
                    return
                except psycopg.errors.ObjectInUse:
                    if attempt == _ATTEMPTS - 1:
                        raise
                    time.sleep(_WAIT_S)
    except psycopg.Error as error:
        raise engine.store_error(error, settings) from error


def put_in_place(settings: Settings) -> None:
    """Give the restored database the store's name."""
    current, fresh, _ = names(settings)
    admin(settings, [_rename(fresh, current)])


def drop_replaced(settings: Settings) -> None:
    """Remove the store that was replaced."""
    admin(settings, [_drop(names(settings)[2])])


def put_back(settings: Settings) -> bool:
    """Undo an exchange that was killed between its renames; nothing happens where the store is in its place.

    Returns
    -------
    bool
        The store that was set aside is back under its name.
    """
    current = names(settings)[0]
    # Not every account may look into the server's own database; then the store itself says what is wrong with it.
    with contextlib.suppress(psycopg.Error), psycopg.connect(_server(settings), autocommit=True) as connection:
        return put_back_database(connection, current)
    return False


def _server(settings: Settings) -> str:
    parts = engine.conninfo_parts(settings)
    parts["dbname"] = "postgres"
    return engine.join_conninfo(parts)


def _rename(name: str, to: str) -> sql.Composed:
    return sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to))


def _drop(name: str) -> sql.Composed:
    return sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
