"""Reading on behalf of one principal: statements with named values over the connections of requests."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, LiteralString

from psycopg import sql as pg

from cim.access import ANONYMOUS, Principal
from cim.db.request_pool import RequestPool

_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")
_FIRST_ROWS = 100
_WAITING_PARTS = 8


@dataclass(frozen=True)
class Prepared:
    """A statement in the form the driver takes.

    Parameters
    ----------
    text
        With ``$1``, ``$2``, …
    names
        Names of the parameters in that order.
    steady
        It has one good plan whatever the values: the store keeps it instead of planning anew, which takes longer than a small statement.
    """

    text: str
    names: tuple[str, ...]
    steady: bool = False

    def arguments(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Return the values in the order of the placeholders."""
        return [parameters[name] for name in self.names]


Statement = LiteralString | pg.SQL | pg.Composed | Prepared


def prepare(statement: Statement) -> Prepared:
    """Return a statement with numbered placeholders.

    Examples
    --------
    >>> prepare("SELECT %(a)s::int + %(b)s::int + %(a)s::int")
    Prepared(text='SELECT $1::int + $2::int + $1::int', names=('a', 'b'), steady=False)
    """
    if isinstance(statement, Prepared):
        return statement
    return _numbered(statement) if isinstance(statement, str) else _number(statement.as_string(None))


@lru_cache(maxsize=256)
def _numbered(text: str) -> Prepared:
    return _number(text)


def _number(text: str) -> Prepared:
    names: dict[str, int] = {}

    def replace(match: re.Match[str]) -> str:
        return "%" if match[1] is None else f"${names.setdefault(match[1], len(names) + 1)}"

    numbered = _PLACEHOLDER.sub(replace, text)
    return Prepared(numbered, tuple(names))


class Session:
    """The way to the rows for one request.

    Parameters
    ----------
    pool
        Connections of the process.
    principal
        Who asks; its row filter applies to every statement.
    """

    def __init__(self, pool: RequestPool, principal: Principal = ANONYMOUS) -> None:
        self._pool = pool
        self.principal = principal

    @property
    def sees_all(self) -> bool:
        """Whether every row of a collection is visible, so that maintained totals hold."""
        return self.principal.scope is None

    async def rows(self, statement: Statement, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Run a reading statement and return its rows.

        Raises
        ------
        StoreUnavailableError, StoreError
            As `RequestPool.acquire`.
        InvalidParameterError
            A value of the client is outside what the store can compute with.
        """
        made = prepare(statement)
        return await self._pool.rows(made.text, *made.arguments(parameters or {}), scope=self.principal.scope, steady=made.steady)

    async def batches(
        self, statement: Statement, parameters: Mapping[str, Any] | None = None, *, size: int = 2000
    ) -> AsyncIterator[Sequence[Any]]:
        """Yield the rows of a statement in batches out of one state of the store; the next batch is read while one is used.

        Parameters
        ----------
        size
            Rows per batch; the first one is small, so that the first byte goes out early.

        Yields
        ------
        sequence of rows
            Never empty. Errors as `rows`.
        """
        made = prepare(statement)
        async with self._pool.acquire(self.principal.scope) as connection, connection.transaction(readonly=True):
            cursor = await connection.cursor(made.text, *made.arguments(parameters or {}))
            following = asyncio.ensure_future(cursor.fetch(min(size, _FIRST_ROWS)))
            try:
                while found := await following:
                    following = asyncio.ensure_future(cursor.fetch(size))
                    yield found
            finally:
                # A client that left: the connection is free again only when the running fetch has ended.
                if not following.done():
                    await asyncio.wait([following])
                if not following.cancelled():
                    following.exception()

    async def copied(self, text: str) -> AsyncIterator[bytes]:
        """Yield the lines of a statement with one text column and no values, as the store sends them: nothing is done per row here.

        Parameters
        ----------
        text
            Statement; its texts hold no control characters.

        Yields
        ------
        bytes
            Parts cut anywhere; every text ends with a line feed. Errors as `rows`.
        """
        async with self._pool.acquire(self.principal.scope) as connection, connection.transaction(readonly=True):
            # The time is that of the client's network, not of the statement; and the first row must not wait until all are sorted.
            await connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL enable_sort = off")
            waiting: asyncio.Queue[bytearray] = asyncio.Queue(_WAITING_PARTS)
            # Comma-separated values with a delimiter and a quote that no text contains are the texts themselves.
            copying = asyncio.ensure_future(
                connection.copy_from_query(text, output=waiting.put, format="csv", delimiter="\x02", quote="\x01", escape="\x01")
            )
            taking: asyncio.Future[bytearray] | None = None
            try:
                while True:
                    taking = asyncio.ensure_future(waiting.get())
                    await asyncio.wait([copying, taking], return_when=asyncio.FIRST_COMPLETED)
                    parts = [taking.result()] if taking.done() else []
                    while not waiting.empty():
                        parts.append(waiting.get_nowait())
                    if not parts:
                        break
                    yield b"".join(parts)
                await copying
            finally:
                # A client that left ends the statement too.
                for one in (taking, copying):
                    if one is not None and not one.done():
                        one.cancel()
                        await asyncio.wait([one])
