"""The job queue: procrastinate in the store itself, tasks from the entry points ``cim.tasks``.

Packages that must not import each other call a task by its name. A task takes small JSON arguments, may run twice, and may be
killed at any point.
"""

import asyncio
import contextlib
from importlib.metadata import entry_points
from typing import Any

import procrastinate
import structlog
from procrastinate.exceptions import AlreadyEnqueued

from cim.db import engine, outbox, process_jobs
from cim.settings import Settings

REBUILD_TILES = "tiles.rebuild_changed"
RUN_PROCESS = "processes.run"
_POLL_S = 2.0
_PICK_UP_S = 10.0
_STALLED_S = 30
_AT_ONCE = 3
_log = structlog.get_logger("cim.jobs")


def create_app(settings: Settings) -> procrastinate.App:
    """Return the job application with all tasks registered.

    Parameters
    ----------
    settings
        Names the store; handed to the tasks through ``app.settings``.
    """
    # Behind PgBouncer in transaction mode a prepared statement may be unknown to the next server connection.
    more: dict[str, Any] = {"kwargs": {"prepare_threshold": None}} if settings.database.pgbouncer else {}
    connector = procrastinate.PsycopgConnector(conninfo=engine.conninfo(settings), min_size=1, max_size=4, **more)
    app = procrastinate.App(connector=connector)
    for point in entry_points(group="cim.tasks"):
        point.load()(app, settings)
    return app


async def _follow_outbox(app: procrastinate.App, settings: Settings, *, once: bool) -> None:
    while True:
        if await asyncio.to_thread(_has_events, settings):
            with contextlib.suppress(AlreadyEnqueued):
                await app.configure_task(REBUILD_TILES, queueing_lock=REBUILD_TILES, lock="tiles").defer_async()
        if once:
            return
        await asyncio.sleep(_POLL_S)


def _has_events(settings: Settings) -> bool:
    with engine.connect(settings) as connection:
        return outbox.has_unread(connection, "tiles")


async def _pick_up(app: procrastinate.App, settings: Settings) -> None:
    """Put jobs of workers that died, and process jobs that never reached the queue, back on it."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_S):
        _log.warning("job of a worker that died is tried again", task=job.task_name, job=job.id)
        await app.job_manager.retry_job(job)
    for job_id in await asyncio.to_thread(_unqueued, settings):
        with contextlib.suppress(AlreadyEnqueued):
            await app.configure_task(RUN_PROCESS, queueing_lock=f"process-{job_id}").defer_async(job_id=job_id)


def _unqueued(settings: Settings) -> list[str]:
    with engine.connect(settings) as connection:
        return process_jobs.waiting_outside_of_the_queue(connection)


async def _keep_picking_up(app: procrastinate.App, settings: Settings) -> None:
    while True:
        await _pick_up(app, settings)
        await asyncio.sleep(_PICK_UP_S)


async def _work(settings: Settings, *, once: bool) -> None:
    app = create_app(settings)
    async with app.open_async():
        if once:
            await _follow_outbox(app, settings, once=True)
            await _pick_up(app, settings)
            await app.run_worker_async(wait=False, delete_jobs="successful", install_signal_handlers=False)
            return
        follower = asyncio.create_task(_follow_outbox(app, settings, once=False))
        picker = asyncio.create_task(_keep_picking_up(app, settings))
        # A long job must not keep the short ones waiting; tiles are built one after the other by their lock.
        worker = asyncio.create_task(app.run_worker_async(delete_jobs="successful", listen_notify=True, concurrency=_AT_ONCE))
        done, pending = await asyncio.wait({follower, picker, worker}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for task in done:
            task.result()


def run_worker(settings: Settings, *, once: bool = False) -> None:
    """Work on jobs until SIGINT or SIGTERM.

    Parameters
    ----------
    settings
        Names the store.
    once
        Do what is waiting, then return.

    Raises
    ------
    StoreUnavailableError
        The store went away.
    """
    _log.info("worker started", once=once)
    asyncio.run(_work(settings, once=once))
