"""Where batches are worked on: threads of this process, or workers of a Dask cluster. Results come in the order of the batches."""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import pyarrow as pa

from ingest.census.prepare import Context, Prepared

Work = Callable[[pa.RecordBatch, Context], Prepared]


class Executor(Protocol):
    """Runs a function over batches."""

    def map(self, work: Work, batches: Iterator[pa.RecordBatch], context: Context) -> Iterator[Prepared]:
        """Yield the results in the order of the batches."""
        ...


class LocalExecutor:
    """Threads: Arrow, numpy, GEOS and PROJ work without the interpreter lock.

    Parameters
    ----------
    workers
        Threads; batches in work at the same time.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def map(self, work: Work, batches: Iterator[pa.RecordBatch], context: Context) -> Iterator[Prepared]:
        """Yield the results in the order of the batches; at most one batch per thread is ahead."""
        with ThreadPoolExecutor(self._workers) as pool:
            ahead: deque[Future[Prepared]] = deque()
            try:
                for batch in batches:
                    ahead.append(pool.submit(work, batch, context))
                    if len(ahead) > self._workers:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()


class DaskExecutor:
    """Workers of a Dask cluster; they need this program, not the store.

    Parameters
    ----------
    client
        Connected client.
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - distributed ships no types
        self._client = client

    def map(self, work: Work, batches: Iterator[pa.RecordBatch], context: Context) -> Iterator[Prepared]:
        """Yield the results in the order of the batches; two batches per worker are ahead."""
        shared = self._client.scatter(context, broadcast=True)
        most = 2 * max(len(self._client.scheduler_info()["workers"]), 1)
        ahead: deque[Any] = deque()
        for batch in batches:
            ahead.append(self._client.submit(work, batch, shared, pure=False))
            if len(ahead) > most:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


@contextlib.contextmanager
def executor_for(scheduler: str | None) -> Iterator[Executor]:
    """Return the executor for a scheduler address.

    Parameters
    ----------
    scheduler
        None = this process; ``tcp://host:port`` = a running Dask scheduler; ``local:N`` = a cluster of N processes for this run.
    """
    if scheduler is None:
        yield LocalExecutor(max(1, min(os.cpu_count() or 1, 8)))
        return
    from distributed import Client, LocalCluster

    if scheduler.startswith("local:"):
        with (
            LocalCluster(n_workers=int(scheduler.removeprefix("local:")), threads_per_worker=1, dashboard_address=None) as cluster,  # type: ignore[no-untyped-call]  # ships no types
            Client(cluster) as client,  # type: ignore[no-untyped-call]  # as above
        ):
            yield DaskExecutor(client)
        return
    with Client(scheduler, timeout=10) as client:  # type: ignore[no-untyped-call]  # as above
        yield DaskExecutor(client)
