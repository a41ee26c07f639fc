"""The audit table: events in, listings out."""

import json
from datetime import datetime
from typing import Any

from cim.db.engine import Connection

INSERT = """INSERT INTO audit_event (subject, role, token_id, address, action, target, status, request_id, detail)
            SELECT subject, role, token_id, address, action, target, status, request_id, detail
            FROM jsonb_to_recordset($1::text::jsonb) AS given (subject text, role text, token_id uuid, address text, action text,
                                                               target text, status smallint, request_id text, detail jsonb)"""
"""Adds events given as a JSON array (``$1``)."""


def add(connection: Connection, *, subject: str, action: str, target: str, detail: dict[str, Any]) -> None:
    """Add an event of the command line, in the running transaction."""
    connection.execute(
        """INSERT INTO audit_event (subject, role, action, target, status, detail)
           VALUES (%s, 'command line', %s, %s, 0, %s::jsonb)""",
        [subject, action, target, json.dumps(detail)],
    )


def listing(connection: Connection, *, since: datetime | None = None, subject: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Return events, newest first."""
    cursor = connection.execute(
        """SELECT recorded_at, subject, role, address, action, target, status, request_id, detail FROM audit_event
           WHERE (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s) AND (%(subject)s::text IS NULL OR subject = %(subject)s)
           ORDER BY id DESC LIMIT %(max_rows)s""",
        {"since": since, "subject": subject, "max_rows": limit},
    )
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
