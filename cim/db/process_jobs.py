"""Jobs of processes in the store: made, taken up, reported, finished, dismissed, listed."""

import dataclasses
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from cim.access import Permission, Principal, RowScope
from cim.db.engine import Connection
from cim.errors import NotFoundError
from cim.ids import new_id

MOST_ATTEMPTS = 3
"""A job that took so many workers down with it is not tried again."""

_COLUMNS = (
    "id", "process", "state", "inputs", "request", "principal", "subject", "token_id", "message", "progress", "attempts", "results",
    "problem", "queue_id", "created_at", "started_at", "finished_at", "updated_at",
)  # fmt: skip

SELECT = f"SELECT {', '.join(_COLUMNS)} FROM process_job"  # noqa: S608 - names are constants of this module
Job = dict[str, Any]


def principal_document(principal: Principal) -> dict[str, Any]:
    """Return a principal as JSON, to run a job later as what it was when it was asked for."""
    return {
        "subject": principal.subject,
        "role": principal.role,
        "permissions": sorted(principal.permissions),
        "collections": None if principal.collections is None else sorted(principal.collections),
        "writable": None if principal.writable is None else sorted(principal.writable),
        "scope": None if principal.scope is None else dataclasses.asdict(principal.scope),
        "token_id": principal.token_id,
    }


def principal_from(document: dict[str, Any]) -> Principal:
    """Return the principal of `principal_document`."""

    def names(part: list[str] | None) -> frozenset[str] | None:
        return None if part is None else frozenset(part)

    scope = document["scope"]
    return Principal(
        document["subject"],
        document["role"],
        frozenset(Permission(one) for one in document["permissions"]),
        names(document["collections"]),
        names(document["writable"]),
        None if scope is None else RowScope(*(tuple(scope[name]) for name in ("counties", "towns", "villages"))),
        document["token_id"],
    )


def create(connection: Connection, process: str, inputs: dict[str, Any], request: dict[str, Any], principal: Principal) -> UUID:
    """Store an accepted job and return its id."""
    job_id = new_id()
    connection.execute(
        "INSERT INTO process_job (id, process, inputs, request, principal, subject, token_id) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [job_id, process, Jsonb(inputs), Jsonb(request), Jsonb(principal_document(principal)), principal.subject, principal.token_id],
    )
    return job_id


def note_queued(connection: Connection, job_id: UUID | str, queue_id: int) -> None:
    """Note the job of the queue that will run it."""
    connection.execute("UPDATE process_job SET queue_id = %s WHERE id = %s", [queue_id, job_id])


def fetch(connection: Connection, job_id: UUID | str, subject: str | None) -> Job:
    """Return a job.

    Parameters
    ----------
    subject
        Whose it must be, None for anybody's.

    Raises
    ------
    NotFoundError
        There is none, or it is somebody else's.
    """
    try:
        wanted = UUID(str(job_id))
    except ValueError:
        raise _unknown(job_id) from None
    condition = " WHERE id = %(id)s AND (%(subject)s::text IS NULL OR subject = %(subject)s)"
    row = connection.execute((SELECT + condition).encode(), {"id": wanted, "subject": subject}).fetchone()
    if row is None:
        raise _unknown(job_id)
    return dict(zip(_COLUMNS, row, strict=True))


def _unknown(job_id: object) -> NotFoundError:
    return NotFoundError(f"no job {str(job_id)[:80]!r}")


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which jobs are meant; None for all.

    Parameters
    ----------
    subject
        Who started them.
    processes, states
        One of them.
    since, until
        Created between.
    at_least_s, at_most_s
        Time they run or ran [s]; jobs that have not begun have none.
    """

    subject: str | None = None
    processes: tuple[str, ...] | None = None
    states: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    at_least_s: int | None = None
    at_most_s: int | None = None


_CHOSEN = """ WHERE (%(subject)s::text IS NULL OR subject = %(subject)s)
    AND (%(processes)s::text[] IS NULL OR process = ANY (%(processes)s)) AND (%(states)s::text[] IS NULL OR state = ANY (%(states)s))
    AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR created_at <= %(until)s)
    AND (%(at_least_s)s::bigint IS NULL OR coalesce(finished_at, now()) - started_at >= %(at_least_s)s * interval '1 second')
    AND (%(at_most_s)s::bigint IS NULL OR coalesce(finished_at, now()) - started_at <= %(at_most_s)s * interval '1 second')"""


def listing(connection: Connection, choice: Choice, *, limit: int, offset: int) -> tuple[list[Job], int]:
    """Return a page of jobs, newest first, and the number of all."""
    lists = {"processes": choice.processes and list(choice.processes), "states": choice.states and list(choice.states)}
    given = {**dataclasses.asdict(choice), **lists, "max_rows": limit, "skipped": offset}
    where = _CHOSEN
    rows = connection.execute((SELECT + where + " ORDER BY created_at DESC, id DESC LIMIT %(max_rows)s OFFSET %(skipped)s").encode(), given)
    jobs = [dict(zip(_COLUMNS, row, strict=True)) for row in rows.fetchall()]
    total = connection.execute(b"SELECT count(*) FROM process_job" + where.encode(), given).fetchone()
    return jobs, int(total[0]) if total else 0


def take_up(connection: Connection, job_id: str) -> Job | None:
    """Start a job, or start it again after its worker died; None where it is finished or dismissed."""
    row = connection.execute(
        """UPDATE process_job SET state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()), updated_at = now(),
                  message = '', progress = 0
           WHERE id = %s AND state IN ('accepted', 'running') RETURNING id""",
        [job_id],
    ).fetchone()
    return None if row is None else fetch(connection, job_id, None)


def report(connection: Connection, job_id: str, progress: int, message: str) -> bool:
    """Note progress; False where the job was dismissed meanwhile."""
    return (
        connection.execute(
            "UPDATE process_job SET progress = %s, message = %s, updated_at = now() WHERE id = %s AND state = 'running'",
            [progress, message[:500], job_id],
        ).rowcount
        == 1
    )


def finish(connection: Connection, job_id: str, *, results: dict[str, Any] | None = None, problem: dict[str, Any] | None = None) -> bool:
    """Note the end of a job: results or the problem; False where it was dismissed meanwhile."""
    state = "successful" if problem is None else "failed"
    message = "" if problem is None else str(problem["detail"])[:500]
    return (
        connection.execute(
            """UPDATE process_job SET state = %s, message = %s, progress = CASE WHEN %s THEN 100 ELSE progress END, results = %s,
                      problem = %s, finished_at = now(), updated_at = now() WHERE id = %s AND state = 'running'""",
            [
                state,
                message,
                problem is None,
                None if results is None else Jsonb(results),
                None if problem is None else Jsonb(problem),
                job_id,
            ],
        ).rowcount
        == 1
    )


def dismiss(connection: Connection, job_id: str, session_name: str) -> None:
    """Dismiss a job that is not finished, or forget the results of one that is; statements it runs are ended."""
    connection.execute(
        """UPDATE process_job SET state = 'dismissed', results = NULL, message = 'dismissed', finished_at = coalesce(finished_at, now()),
                  updated_at = now() WHERE id = %s AND state <> 'dismissed'""",
        [job_id],
    )
    connection.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [session_name])


def waiting_outside_of_the_queue(connection: Connection) -> list[str]:
    """Return accepted jobs that never got into the queue: the server died in between."""
    rows = connection.execute(
        "SELECT id::text FROM process_job WHERE state = 'accepted' AND queue_id IS NULL AND created_at < now() - interval '10 seconds'"
    )
    return [row[0] for row in rows.fetchall()]


def unfinished(connection: Connection) -> set[str]:
    """Return the ids of the jobs that have not ended."""
    return {row[0] for row in connection.execute("SELECT id::text FROM process_job WHERE state IN ('accepted', 'running')").fetchall()}


def counts(connection: Connection) -> dict[str, int]:
    """Return the number of jobs by state."""
    return {row[0]: int(row[1]) for row in connection.execute("SELECT state, count(*) FROM process_job GROUP BY state").fetchall()}
