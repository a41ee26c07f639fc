"""What the store is busy with."""

from typing import Any

from cim.db.engine import Connection


def _documents(connection: Connection, statement: str) -> list[dict[str, Any]]:
    cursor = connection.execute(statement.encode())
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def running(connection: Connection) -> list[dict[str, Any]]:
    """Return the statements that run in this database, longest first; durations in seconds."""
    return _documents(
        connection,
        """SELECT pid, application_name AS session, round(extract(epoch FROM now() - query_start)::numeric, 3)::float8 AS seconds,
                  wait_event_type AS waits_for, left(regexp_replace(query, '\\s+', ' ', 'g'), 500) AS statement
           FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
           ORDER BY query_start LIMIT 100""",
    )


def statements(connection: Connection) -> list[dict[str, Any]]:
    """Return the statements that took most time in all, where the server counts them (pg_stat_statements); milliseconds."""
    found = connection.execute(
        "SELECT to_regclass('pg_stat_statements') IS NOT NULL AND current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%'"
    ).fetchone()
    if not (found and found[0]):
        return []
    return _documents(
        connection,
        """SELECT calls, round(total_exec_time::numeric, 1)::float8 AS total_ms, round(mean_exec_time::numeric, 3)::float8 AS mean_ms,
                  rows, left(regexp_replace(query, '\\s+', ' ', 'g'), 500) AS statement
           FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
           ORDER BY total_exec_time DESC LIMIT 50""",
    )
