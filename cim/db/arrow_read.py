"""Rows of the store as Arrow tables, by ADBC: the driver decodes the binary protocol, no value passes through Python."""

import contextlib
import queue
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from psycopg import sql

from cim.db import engine
from cim.errors import StoreError
from cim.settings import Settings


class ArrowReader:
    """Connections for reading Arrow tables, shared by threads and opened when one is needed.

    Parameters
    ----------
    settings
        Names the store.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections that are not in use."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._free.get_nowait().close()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        try:
            connection = self._free.get_nowait()
        except queue.Empty:
            # Brings pandas along: half a second that only those pay who read this way.
            from adbc_driver_postgresql import dbapi

            connection = dbapi.connect(engine.conninfo(self._settings), autocommit=True)
        try:
            yield connection
        except BaseException:
            # In which state the protocol is, nobody knows.
            with contextlib.suppress(AdbcError):
                connection.close()
            raise
        self._free.put(connection)

    def fetch(self, query: sql.Composable) -> pa.Table:
        """Return the result of a query.

        Parameters
        ----------
        query
            SELECT with literals composed by `psycopg.sql`: the driver's fast path, COPY, takes no parameters.

        Raises
        ------
        StoreError
            The server refused or went away.
        """
        try:
            try:
                return self._fetch(query)
            except AdbcError:
                # Kept connections do not outlive a restart of the store; one of them may have been tried, the others are as dead.
                self.close()
                return self._fetch(query)
        except AdbcError as error:
            # The driver's message repeats the whole statement.
            raise StoreError(f"store {engine.address(self._settings)}: {type(error).__name__} while reading an Arrow table") from error

    def _fetch(self, query: sql.Composable) -> pa.Table:
        with self._connection() as connection, connection.cursor() as cursor:
            cursor.execute(query.as_string(None))
            return cursor.fetch_arrow_table()
