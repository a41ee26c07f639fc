"""Pool of read-only connections for servers: asynchronous, with a statement timeout, able to follow a restarted store."""

import time
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection
from psycopg import errors as pg_errors
from psycopg import sql as pg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from cim.access import RowScope
from cim.db import engine, row_security
from cim.errors import CimError, StoreUnavailableError
from cim.settings import Settings

_REST_S = 1.0
"""After a failed attempt to connect, requests are refused at once for this long instead of waiting each [s]."""
_LIMITS = """SELECT set_config('statement_timeout', %s, true), set_config('transaction_read_only', 'on', true),
                    set_config('timezone', 'UTC', true), set_config('jit', 'off', true)"""
"""What PgBouncer does not take at the start of a session."""

Statement = LiteralString | pg.SQL | pg.Composed


class ReadPool:
    """Connections for reading, shared by all requests of a server process.

    Parameters
    ----------
    settings
        Names the store, the number of connections and the statement timeout.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pooled = settings.database.pgbouncer
        self._failed_at = float("-inf")
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] = AsyncConnectionPool(
            # A callable, because the private cluster may come back on another port.
            conninfo=self._conninfo,
            connection_class=AsyncConnection[TupleRow],
            kwargs={"autocommit": True, **({"prepare_threshold": None} if self._pooled else {})},
            min_size=0,
            max_size=settings.database.pool_max,
            timeout=settings.database.connect_timeout_s,
            reconnect_timeout=0,
            reconnect_failed=self._note_failure,
            open=False,
            name="cim-read",
        )

    def _conninfo(self) -> str:
        parts = engine.conninfo_parts(self._settings)
        if self._pooled:
            return engine.join_conninfo(parts)
        limits = f"-c statement_timeout={self._settings.database.statement_timeout_ms} -c default_transaction_read_only=on"
        return engine.join_conninfo({**parts, "options": f"{parts.get('options', '')} {limits}".strip()})

    def _note_failure(self, _: AsyncConnectionPool[AsyncConnection[TupleRow]]) -> None:
        self._failed_at = time.monotonic()

    async def open(self) -> None:
        """Start the pool without waiting for the store."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    async def rows(
        self, statement: Statement, parameters: dict[str, Any] | None = None, *, scope: RowScope | None = None
    ) -> Sequence[TupleRow]:
        """Run a reading statement and return its rows.

        Parameters
        ----------
        scope
            Row filter of the principal, None for all rows.

        Raises
        ------
        StoreUnavailableError
            No connection in time, or the statement ran into its timeout.
        StoreError
            The store refused the statement.
        """
        if time.monotonic() - self._failed_at < _REST_S:
            raise self._unavailable()
        try:
            try:
                return await self._run(statement, parameters, scope)
            except PoolTimeout:
                raise
            except psycopg.OperationalError as error:
                if error.sqlstate is not None and not isinstance(error, pg_errors.AdminShutdown | pg_errors.CrashShutdown):
                    raise
            # Connections of before a restart of the store are dead: drop them and ask once more.
            await self._pool.check()
            return await self._run(statement, parameters, scope)
        except CimError:
            raise
        except PoolTimeout as error:
            raise self._unavailable() from error
        except pg_errors.QueryCanceled as error:
            limit = self._settings.database.statement_timeout_ms
            raise StoreUnavailableError(f"statement ran longer than {limit} ms", hint="ask for less, or raise the limit") from error
        except psycopg.Error as error:
            raise engine.store_error(error, self._settings) from error

    def _unavailable(self) -> StoreUnavailableError:
        return StoreUnavailableError(f"store {engine.address(self._settings)}: no connection in time", hint="cim db status; cim db start")

    async def _run(self, statement: Statement, parameters: dict[str, Any] | None, scope: RowScope | None) -> Sequence[TupleRow]:
        async with self._pool.connection() as connection:
            if scope is None and not self._pooled:
                cursor = await connection.execute(statement, parameters)
                return await cursor.fetchall()
            async with connection.transaction():
                if self._pooled:
                    await connection.execute(_LIMITS, [f"{self._settings.database.statement_timeout_ms}"])
                if scope is not None:
                    await connection.execute(row_security.ENTER, row_security.settings_of(scope))
                cursor = await connection.execute(statement, parameters)
                return await cursor.fetchall()
