"""Files of the tile store that no tile refers to any more, kept for a while: clients still hold the older tileset.json."""

from collections.abc import Iterable

from cim.db.engine import Connection


def retire(connection: Connection, layer: str, names: Iterable[str]) -> None:
    """Note files as superseded from now on.

    Parameters
    ----------
    connection
        The store; the note belongs to the running transaction.
    layer
        Name.
    names
        Relative to the layer's folder.
    """
    connection.execute(
        """INSERT INTO superseded_file (layer, name) SELECT %s, unnest(%s::text[])
           ON CONFLICT (layer, name) DO UPDATE SET since = now()""",
        [layer, sorted(names)],
    )


def fetch_names(connection: Connection, layer: str) -> set[str]:
    """Return the files of a layer that are kept for older clients."""
    return {row[0] for row in connection.execute("SELECT name FROM superseded_file WHERE layer = %s", [layer])}


def fetch_due(connection: Connection, layer: str, grace_s: int) -> list[str]:
    """Return the files of a layer that were superseded at least so many seconds ago."""
    rows = connection.execute(
        "SELECT name FROM superseded_file WHERE layer = %s AND since <= now() - make_interval(secs => %s)", [layer, grace_s]
    )
    return [row[0] for row in rows]


def forget(connection: Connection, layer: str, names: Iterable[str]) -> None:
    """Drop the notes on files that are gone, or needed again."""
    connection.execute("DELETE FROM superseded_file WHERE layer = %s AND name = ANY(%s)", [layer, sorted(names)])
