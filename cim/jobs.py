"""The job queue: procrastinate in the store itself, tasks from the entry points ``cim.tasks``.

Packages that must not import each other call a task by its name. A task takes small JSON arguments, may run twice, and may be
killed at any point.
"""

import asyncio
import contextlib
from importlib.metadata import entry_points

import procrastinate
import structlog
from procrastinate.exceptions import AlreadyEnqueued

from cim.db import engine, outbox
from cim.settings import Settings

REBUILD_TILES = "tiles.rebuild_changed"
_POLL_S = 2.0
_log = structlog.get_logger("cim.jobs")


def create_app(settings: Settings) -> procrastinate.App:
    """Return the job application with all tasks registered.

    Parameters
    ----------
    settings
        Names the store; handed to the tasks through ``app.settings``.
    """
    connector = procrastinate.PsycopgConnector(conninfo=engine.conninfo(settings), min_size=1, max_size=4)
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


async def _work(settings: Settings, *, once: bool) -> None:
    app = create_app(settings)
    async with app.open_async():
        if once:
            await _follow_outbox(app, settings, once=True)
            await app.run_worker_async(wait=False, delete_jobs="successful", install_signal_handlers=False)
            return
        follower = asyncio.create_task(_follow_outbox(app, settings, once=False))
        worker = asyncio.create_task(app.run_worker_async(delete_jobs="successful", listen_notify=True))
        done, pending = await asyncio.wait({follower, worker}, return_when=asyncio.FIRST_COMPLETED)
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
