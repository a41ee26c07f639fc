"""Change sets: who changed what, when and why."""

from uuid import UUID

from cim.db.engine import Connection
from cim.ids import new_id


def open_change_set(connection: Connection, *, author: str, operation: str, reason: str, dataset_id: UUID | None = None) -> UUID:
    """Start a change set in the running transaction and make it the current one for deletes.

    Parameters
    ----------
    connection
        Inside a transaction; the change set lives and dies with it.
    author
        Account or person.
    operation
        ingest, edit, split, merge, demolish, undo, link.
    reason
        In words.
    dataset_id
        Dataset that is being loaded.

    Returns
    -------
    UUID
        To be written into ``change_set_id`` of every row touched.
    """
    change_set = new_id()
    connection.execute(
        "INSERT INTO change_set (id, author, operation, reason, dataset_id) VALUES (%s, %s, %s, %s, %s)",
        [change_set, author, operation, reason, dataset_id],
    )
    connection.execute("SELECT set_config('cim.change_set', %s, true)", [str(change_set)])
    return change_set
