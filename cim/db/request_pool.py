"""The one way to a connection for a request: role and row filter of the principal are set before the first statement.

Without a row filter a connection is handed out as it is, with no further round trip. With one, the request runs in a read-only
transaction under the role ``cim_scoped``, to which the policies of the tables apply (`cim.db.row_security`); the settings are
local to the transaction, so poolers in transaction mode are safe.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg

from cim.access import RowScope
from cim.db import engine
from cim.db.row_security import READER
from cim.errors import CimError, InvalidParameterError, StoreError, StoreUnavailableError
from cim.settings import Settings

_REST_S = 1.0
"""After a failed attempt to connect, requests are refused at once for this long instead of waiting each [s]."""

_SPECIAL = {"dbname": "database", "connect_timeout": "timeout"}
_TAKEN = {"host", "port", "user", "password", "database", "timeout", "passfile", "service", "servicefile", "sslmode"}

ENTER = """SELECT set_config('cim.counties', $1::text[]::text, true), set_config('cim.towns', $2::text[]::text, true),
                  set_config('cim.villages', $3::text[]::text, true), set_config('role', 'cim_scoped', true)"""
"""Enters a row scope for the rest of the transaction; the role last, as it may not be given back."""


_SET_LOCAL = "SELECT set_config(name, value, true) FROM unnest($1::text[], $2::text[]) AS given (name, value)"
_WRITERS = 4


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    def get_reset_query(self) -> str:
        """Return nothing: whatever a request sets is local to its transaction, and the reset costs a round trip."""
        return ""


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
        self._failed_at = float("-inf")
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Prepare the pool; connections are made when they are needed."""
        if self._pool is None:
            async with self._opening:
                if self._pool is None:
                    self._pool = await asyncpg.create_pool(
                        min_size=0,
                        max_size=min(self._settings.database.pool_max, _WRITERS) if self._writing else self._settings.database.pool_max,
                        max_inactive_connection_lifetime=120.0,
                        connect=self._connect,
                        connection_class=_Connection,
                    )

    async def close(self) -> None:
        """Close all connections; those in use are given five seconds."""
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), 5)
        except TimeoutError:
            self._pool.terminate()

    async def _connect(self, *_: object, **options: Any) -> Any:  # noqa: ANN401 - asyncpg ships no types
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
            arguments["server_settings"] = {"application_name": "cim", **self._session}
        try:
            return await asyncpg.connect(**arguments, connection_class=options.get("connection_class", _Connection))
        except (OSError, TimeoutError, asyncpg.PostgresError):
            self._failed_at = time.monotonic()
            raise

    @contextlib.asynccontextmanager
    async def acquire(self, scope: RowScope | None = None) -> AsyncIterator[Any]:
        """Hand out a connection on which the row filter is set.

        Parameters
        ----------
        scope
            Row filter of the principal, None for all rows (`cim.access.Principal.scope`).

        Yields
        ------
        asyncpg.Connection
            Without a scope outside of a transaction.

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
        if time.monotonic() - self._failed_at < _REST_S:
            raise self._unavailable()
        try:
            async with self._pool.acquire(timeout=self._settings.database.connect_timeout_s) as connection:
                if scope is None and not self._settings.database.pgbouncer:
                    yield connection
                else:
                    async with connection.transaction(readonly=not self._writing):
                        await self._enter(connection, scope)
                        yield connection
        except CimError:
            raise
        except asyncpg.QueryCanceledError as error:
            limit = self._settings.database.statement_timeout_ms
            raise StoreUnavailableError(f"statement ran longer than {limit} ms", hint="ask for less, or raise the limit") from error
        except (asyncpg.DataError, ValueError) as error:
            # Class 22 of the server, or a value the driver cannot write: a number out of range, a NUL character.
            raise InvalidParameterError("filter", str(error).partition("\n")[0][:120], "values that can be computed") from error
        except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.InterfaceError) as error:
            raise self._unavailable() from error
        except (asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, asyncpg.TooManyConnectionsError) as error:
            raise self._unavailable() from error
        except asyncpg.PostgresError as error:
            raise StoreError(f"store {engine.address(self._settings)}: {error.args[0] if error.args else type(error).__name__}") from error

    async def _enter(self, connection: Any, scope: RowScope | None) -> None:  # noqa: ANN401 - asyncpg ships no types
        if self._settings.database.pgbouncer:
            kept = {name: value for name, value in self._session.items() if name != "default_transaction_read_only"}
            await connection.fetch(_SET_LOCAL, list(kept), list(kept.values()))
        if scope is not None:
            await connection.fetchrow(ENTER, list(scope.counties), list(scope.towns), list(scope.villages))

    async def rows(self, statement: str, *values: Any, scope: RowScope | None = None) -> Sequence[Any]:  # noqa: ANN401 - any bound value
        """Run a reading statement with ``$1 … $n`` and return its rows; a connection that died in between is replaced once.

        Raises
        ------
        StoreUnavailableError, StoreError
            As `acquire`.
        """
        try:
            async with self.acquire(scope) as connection:
                found: Sequence[Any] = await connection.fetch(statement, *values)
                return found
        except StoreUnavailableError as error:
            if isinstance(error.__cause__, asyncpg.QueryCanceledError) or error.__cause__ is None:
                raise
            # Connections of before a restart of the store are dead.
            if self._pool is not None:
                await self._pool.expire_connections()
        async with self.acquire(scope) as connection:
            again: Sequence[Any] = await connection.fetch(statement, *values)
            return again

    def _unavailable(self) -> StoreUnavailableError:
        return StoreUnavailableError(f"store {engine.address(self._settings)}: no connection in time", hint="cim db status; cim db start")
