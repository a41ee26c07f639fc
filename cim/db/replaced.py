"""A store that was set aside for a restored one, and how it comes back when the exchange was killed."""

import psycopg
from psycopg import sql


def replaced_name(current: str) -> str:
    """Return the name of the database that was replaced."""
    return f"{current}_replaced"


def put_back_database(connection: psycopg.Connection[tuple[object, ...]], current: str) -> bool:
    """Give a set-aside store its name back where there is no store under that name.

    Parameters
    ----------
    connection
        To the server's own database, outside a transaction.
    current
        Name of the store's database.

    Returns
    -------
    bool
        It was set aside and is back.
    """
    old = replaced_name(current)
    found = {row[0] for row in connection.execute("SELECT datname FROM pg_database WHERE datname = ANY(%s)", [[current, old]])}
    if found != {old}:
        return False
    connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(current)))
    return True
