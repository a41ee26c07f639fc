"""Stages of an upload: each noted in a transaction of its own, so that what happened is known whatever happens next."""

from typing import Any

from psycopg.types.json import Jsonb

from cim.db import engine
from cim.db.engine import Connection
from cim.settings import Settings

STAGES = ("received", "parsed", "georeferenced", "semantics", "geometry", "tiles", "linked", "reported")


class StageLog:
    """Notes the stages of one file.

    Parameters
    ----------
    settings
        Names the store.
    sha256
        Of the plain file.
    dry_run
        Note nothing.
    """

    def __init__(self, settings: Settings, sha256: str, *, dry_run: bool) -> None:
        self._settings, self._sha256, self._dry = settings, sha256, dry_run

    def note(self, stage: str, status: str, detail: dict[str, Any] | None = None) -> None:
        """Note that a stage is ``running``, ``done``, ``failed`` or ``skipped``, at once and for good."""
        if self._dry:
            return
        with engine.connect(self._settings) as connection:
            connection.execute(
                """INSERT INTO bim_stage AS s (sha256, stage, status, detail) VALUES (%(sha256)s, %(stage)s, %(status)s, %(detail)s)
                   ON CONFLICT (sha256, stage) DO UPDATE SET status = excluded.status, detail = excluded.detail, recorded_at = now(),
                       attempt = s.attempt + (excluded.status = 'running')::int,
                       started_at = CASE WHEN excluded.status = 'running' THEN now() ELSE s.started_at END""",
                {"sha256": self._sha256, "stage": stage, "status": status, "detail": Jsonb(detail or {})},
            )


def fetch_stages(connection: Connection, sha256: str) -> list[dict[str, Any]]:
    """Return the stages of a file, in order."""
    rows = connection.execute(
        """SELECT stage, status, attempt, started_at, recorded_at, detail FROM bim_stage WHERE sha256 = %s
           ORDER BY array_position(%s::text[], stage)""",
        [sha256, list(STAGES)],
    ).fetchall()
    return [dict(zip(("stage", "status", "attempt", "started_at", "recorded_at", "detail"), row, strict=True)) for row in rows]


def forget_stages(connection: Connection, sha256: str) -> None:
    """Remove the stages of a file that nothing came of."""
    connection.execute("DELETE FROM bim_stage WHERE sha256 = %s", [sha256])
