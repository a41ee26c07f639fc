"""The one way to a connection for a request: role and row filter of the principal are set before the first statement.

A connection remembers whose rows it shows; it is told again only where the next request is of another principal, in one round trip, and
whenever that is not certain. With a row filter it has the role ``cim_scoped``, to which the policies of the tables apply
(`cim.db.row_security`), without one ``cim_reader``. Behind a pooler in transaction mode, which mixes sessions, each request runs in
a transaction of its own and the settings are local to it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import asyncpg

from cim.access import RowScope
from cim.db import engine
from cim.db.row_security import READER, SCOPED
from cim.errors import CimError, InvalidParameterError, StoreError, StoreUnavailableError
from cim.settings import Settings

_REST_S = 1.0
"""After a failed attempt to connect, requests are refused at once for this long instead of waiting each [s]."""

_SPECIAL = {"dbname": "database", "connect_timeout": "timeout"}
_TAKEN = {"host", "port", "user", "password", "database", "timeout", "passfile", "service", "servicefile", "sslmode"}

_ENTER = """SELECT set_config('cim.counties', $1::text[]::text, $5), set_config('cim.towns', $2::text[]::text, $5),
                   set_config('cim.villages', $3::text[]::text, $5), set_config('role', $4, $5)"""
"""Enters a row scope; the role last, as the others may not be set with it."""


_SET_LOCAL = "SELECT set_config(name, value, true) FROM unnest($1::text[], $2::text[]) AS given (name, value)"
_WRITERS = 4


_LOST = (
    asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)  # fmt: skip
# The internal error: a store that goes down says so unasked, and its driver waits for an end of that message that never comes.
_DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError, ValueError)
_UNKNOWN = object()


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    shown: object = None
    """Row scope the session is in; a new session is in none."""

    def get_reset_query(self) -> str:
        """Return nothing: a request leaves nothing behind but the row scope, which `show` knows, and the reset costs a round trip."""
        return ""

    async def show(self, scope: RowScope | None) -> None:
        """Put the session into a row scope."""
        if self.shown is not scope and self.shown != scope:
            # Unknown until the store has said yes: whatever interrupts this, the next request asks again.
            self.shown = _UNKNOWN
            await enter(self, scope, for_transaction=False)
            self.shown = scope


async def enter(connection: Any, scope: RowScope | None, *, for_transaction: bool) -> None:  # noqa: ANN401 - asyncpg ships no types
    """Enter a row scope, for the running transaction or until the next one."""
    lists = ((), (), ()) if scope is None else (scope.counties, scope.towns, scope.villages)
    await connection.fetchrow(_ENTER, *map(list, lists), READER if scope is None else SCOPED, for_transaction)


class RequestPool:
    """Connections of one server process.

    Parameters
    ----------
    settings
        Names the store, the number of connections and the statement timeout.
    writing
        Connections of the account itself, for the server's own records (tokens, audit, jobs); otherwise they are read-only and of
        the role ``cim_reader``, which cannot read those.
    """

    def __init__(self, settings: Settings, *, writing: bool = False) -> None:
        self._settings = settings
        self._writing = writing
        database = settings.database
        self._session = {"timezone": "UTC", "jit": "off", "statement_timeout": str(database.statement_timeout_ms)}
        if not writing:
            # A plan for any box fits no box: small ones must use the spatial index, large ones need not.
            self._session |= {"plan_cache_mode": "force_custom_plan", "default_transaction_read_only": "on", "role": READER}
        self._pool: Any = None
        self._steady: Any = None
        self._failed_at = float("-inf")
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Prepare the pool; connections are made when they are needed."""
        if self._pool is None:
            async with self._opening:
                if self._pool is None:
                    most = min(self._settings.database.pool_max, _WRITERS) if self._writing else self._settings.database.pool_max
                    # The records of the server need no second kind, and poolers keep no plans.
                    is_split = not self._writing and not self._settings.database.pgbouncer
                    if is_split:
                        self._steady = await self._made(max(most // 2, 1), plan_cache_mode="force_generic_plan")
                    self._pool = await self._made(max(most - most // 2, 1) if is_split else most)

    async def _made(self, most: int, **session: str) -> Any:  # noqa: ANN401 - asyncpg ships no types
        return await asyncpg.create_pool(
            min_size=0,
            max_size=most,
            max_inactive_connection_lifetime=120.0,
            connect=partial(self._connect, self._session | session),
            connection_class=_Connection,
        )

    async def close(self) -> None:
        """Close all connections; those in use are given five seconds."""
        for pool in (self._pool, self._steady):
            if pool is not None:
                try:
                    await asyncio.wait_for(pool.close(), 5)
                except TimeoutError:
                    pool.terminate()

    async def _connect(self, session: dict[str, str], *_: object, **options: Any) -> Any:  # noqa: ANN401 - asyncpg ships no types
        # Asked anew each time, because the private cluster may come back on another port.
        parts = await asyncio.to_thread(engine.conninfo_parts, self._settings)
        named = {_SPECIAL.get(name, name): value for name, value in parts.items()}
        arguments: dict[str, Any] = {name: value for name, value in named.items() if name in _TAKEN}
        sslmode = arguments.pop("sslmode", None)
        database = self._settings.database
        arguments |= {"timeout": database.connect_timeout_s, "ssl": sslmode} if sslmode else {"timeout": database.connect_timeout_s}
        # PgBouncer refuses most start-up parameters, and forgets what a session sets: then they are set per transaction.
        if database.pgbouncer:
            arguments["statement_cache_size"] = 0
        else:
            arguments["server_settings"] = {"application_name": "cim", **session}
        try:
            return await asyncpg.connect(**arguments, connection_class=options.get("connection_class", _Connection))
        except (OSError, TimeoutError, asyncpg.PostgresError):
            self._failed_at = time.monotonic()
            raise

    @contextlib.asynccontextmanager
    async def acquire(self, scope: RowScope | None = None, *, steady: bool = False) -> AsyncIterator[Any]:
        """Hand out a connection on which the row filter is set.

        Parameters
        ----------
        scope
            Row filter of the principal, None for all rows (`cim.access.Principal.scope`).
        steady
            Its statements have one good plan whatever their values, which is kept.

        Yields
        ------
        asyncpg.Connection
            Outside of a transaction, except behind a pooler.

        Raises
        ------
        StoreUnavailableError
            No connection in time, or a statement ran into its timeout.
        StoreError
            The store refused a statement.
        InvalidParameterError
            A value of the client is outside what the store can compute with.
        """
        if self._pool is None:
            await self.open()
        pool = self._pool_of(steady=steady)
        try:
            async with pool.acquire(timeout=self._patience(pool)) as connection:
                if self._settings.database.pgbouncer:
                    async with connection.transaction(readonly=not self._writing):
                        await self._enter(connection, scope)
                        yield connection
                else:
                    await self._show(connection, scope)
                    yield connection
        except CimError:
            raise
        except _DRIVER_ERRORS as error:
            raise self._translated(error) from error

    def _pool_of(self, *, steady: bool) -> Any:  # noqa: ANN401 - asyncpg ships no types
        if time.monotonic() - self._failed_at < _REST_S:
            raise self._unavailable()
        return self._steady if steady and self._steady is not None else self._pool

    def _patience(self, pool: Any) -> int | None:  # noqa: ANN401 - asyncpg ships no types
        # A deadline costs more than a small statement: none where a connection is free.
        return None if pool.get_idle_size() else self._settings.database.connect_timeout_s

    def _translated(self, error: Exception) -> CimError:
        if isinstance(error, asyncpg.QueryCanceledError):
            limit = self._settings.database.statement_timeout_ms
            return StoreUnavailableError(f"statement ran longer than {limit} ms", hint="ask for less, or raise the limit")
        if isinstance(error, asyncpg.DataError | ValueError):
            # Class 22 of the server, or a value the driver cannot write: a number out of range, a NUL character.
            return InvalidParameterError("filter", str(error).partition("\n")[0][:120], "values that can be computed")
        if isinstance(error, asyncpg.PostgresError) and not isinstance(error, _LOST):
            return StoreError(f"store {engine.address(self._settings)}: {error.args[0] if error.args else type(error).__name__}")
        return self._unavailable()

    async def _show(self, connection: Any, scope: RowScope | None) -> None:  # noqa: ANN401 - asyncpg ships no types
        if not self._writing:
            # A connection that died while it was handed over is no connection any more, only a proxy without one: this call says so in
            # an error of the driver, a call of our own method would not.
            connection.is_closed()
            await connection.show(scope)

    async def _enter(self, connection: Any, scope: RowScope | None) -> None:  # noqa: ANN401 - asyncpg ships no types
        kept = {name: value for name, value in self._session.items() if name != "default_transaction_read_only"}
        await connection.fetch(_SET_LOCAL, list(kept), list(kept.values()))
        if scope is not None:
            await enter(connection, scope, for_transaction=True)

    async def rows(self, statement: str, *values: Any, scope: RowScope | None = None, steady: bool = False) -> Sequence[Any]:  # noqa: ANN401 - any bound value
        """Run a reading statement with ``$1 … $n`` and return its rows; a connection that died in between is replaced once.

        Raises
        ------
        StoreUnavailableError, StoreError
            As `acquire`.
        """
        try:
            return await self._fetch(statement, values, scope, steady=steady)
        except StoreUnavailableError as error:
            if isinstance(error.__cause__, asyncpg.QueryCanceledError) or error.__cause__ is None:
                raise
            # Connections of before a restart of the store are dead.
            for pool in (self._pool, self._steady):
                if pool is not None:
                    await pool.expire_connections()
        return await self._fetch(statement, values, scope, steady=steady)

    async def _fetch(self, statement: str, values: Sequence[Any], scope: RowScope | None, *, steady: bool) -> Sequence[Any]:
        found: Sequence[Any]
        if self._settings.database.pgbouncer or self._pool is None:
            async with self.acquire(scope, steady=steady) as connection:
                found = await connection.fetch(statement, *values)
            return found
        # As `acquire`, without the cost of two context managers: most requests come this way.
        pool = self._pool_of(steady=steady)
        try:
            connection = await pool.acquire(timeout=self._patience(pool))
            try:
                await self._show(connection, scope)
                found = await connection.fetch(statement, *values)
            finally:
                await pool.release(connection)
        except _DRIVER_ERRORS as error:
            raise self._translated(error) from error
        return found

    def _unavailable(self) -> StoreUnavailableError:
        return StoreUnavailableError(f"store {engine.address(self._settings)}: no connection in time", hint="cim db status; cim db start")
