"""Cells made by the workers of a Dask cluster: the same function as here, one cell per task, files written by the worker.

A task gets a cell's key and gives back the rows of its tiles; neither buildings nor contents travel. Workers reach the store and the tile
store by the same addresses, so both must be shared (``CIM_DATABASE__URL``, ``CIM_TILE_STORE``) once they run on other machines.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cim.errors import InvalidParameterError
from cim.settings import Settings
from tiles import city
from tiles.city import CellJob, CellResult
from tiles.city_build import MakeCells


def make_one(settings: Settings, job: CellJob) -> CellResult:
    """Make one cell in a worker; its connections stay open for the next one."""
    return city.make_cell(settings, city.shared_reader(settings), job)


@contextlib.contextmanager
def cells_by(scheduler: str | None) -> Iterator[MakeCells]:
    """Return what makes the cells of a build.

    Parameters
    ----------
    scheduler
        None = threads of this process; ``tcp://host:port`` = a running Dask scheduler; ``local:N`` = N processes for this build.

    Raises
    ------
    InvalidParameterError
        The address is none of these.
    """
    if scheduler is None:
        yield city.make_cells
        return
    from distributed import Client, LocalCluster

    if scheduler.startswith("local:") and scheduler.removeprefix("local:").isdigit():
        n = int(scheduler.removeprefix("local:"))
        with (
            LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=None) as cluster,  # type: ignore[no-untyped-call]  # ships no types
            Client(cluster) as client,  # type: ignore[no-untyped-call]  # as above
        ):
            yield _maker(client)
        return
    if "://" not in scheduler:
        raise InvalidParameterError("scheduler", scheduler, "tcp://host:port or local:N")
    with Client(scheduler, timeout=10) as client:  # type: ignore[no-untyped-call]  # as above
        yield _maker(client)


def _maker(client: Any) -> MakeCells:  # noqa: ANN401 - distributed ships no types
    def make(settings: Settings, jobs: Sequence[CellJob], progress: Callable[[int, int], None] | None) -> list[CellResult]:
        waiting = [client.submit(make_one, settings, job, pure=False) for job in jobs]
        done = []
        for future in waiting:
            done.append(future.result())
            # The scheduler would keep the rows of every cell until the end.
            future.release()
            if progress is not None:
                progress(len(done), len(jobs))
        return done

    return make
