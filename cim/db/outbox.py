"""The outbox: change events and how far each follower has read."""

from cim.db.engine import Connection


def has_unread(connection: Connection, reader: str) -> bool:
    """Tell whether there are events that a follower has not read."""
    row = connection.execute(
        """SELECT EXISTS (SELECT 1 FROM change_event WHERE id > coalesce((SELECT last_event_id FROM outbox_reader WHERE name = %s), 0))""",
        [reader],
    ).fetchone()
    return bool(row and row[0])


def newest_event(connection: Connection) -> int:
    """Return the id of the newest event, 0 for none."""
    row = connection.execute("SELECT coalesce(max(id), 0) FROM change_event").fetchone()
    return int(row[0]) if row else 0


def mark_read(connection: Connection, reader: str, last_event_id: int) -> None:
    """Note that a follower has read up to an event; the mark never goes back."""
    connection.execute(
        """INSERT INTO outbox_reader (name, last_event_id) VALUES (%s, %s)
           ON CONFLICT (name) DO UPDATE SET last_event_id = greatest(outbox_reader.last_event_id, excluded.last_event_id)""",
        [reader, last_event_id],
    )
