"""The server's end of the job queue: puts process jobs on it."""

import asyncio
import contextlib
from typing import Any

import procrastinate

from cim.db import engine, process_jobs
from cim.jobs import RUN_PROCESS
from cim.settings import Settings


class Queue:
    """Opened with the first job; a job that cannot be put on it now is picked up by the worker later.

    Parameters
    ----------
    settings
        Names the store.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: Any = None
        self._lock = asyncio.Lock()

    async def put(self, job_id: str) -> None:
        """Queue a stored job."""
        async with self._lock:
            if self._app is None:
                connector = procrastinate.PsycopgConnector(conninfo=engine.conninfo(self._settings), min_size=0, max_size=2)
                self._app = procrastinate.App(connector=connector)
                await self._app.open_async()
        queue_id = await self._app.configure_task(RUN_PROCESS, queueing_lock=f"process-{job_id}").defer_async(job_id=job_id)
        await asyncio.to_thread(self._note, job_id, queue_id)

    def _note(self, job_id: str, queue_id: int) -> None:
        with engine.connect(self._settings) as connection:
            process_jobs.note_queued(connection, job_id, queue_id)

    async def close(self) -> None:
        """Close its connections."""
        if self._app is not None:
            with contextlib.suppress(OSError):
                await self._app.close_async()
