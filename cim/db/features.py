"""Features of the public collections as GeoJSON text, made inside the store: pages, single features, counts, history."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import orjson
from psycopg import sql as pg

from cim.db.catalog import Collection
from cim.db.feature_sql import (
    FeatureQuery,
    Output,
    OutputCrs,
    all_statement,
    copy_statement,
    count_statement,
    estimate_statement,
    item_statement,
    page_statement,
    text_statement,
)
from cim.db.session import Prepared, Session, prepare
from cim.db.tables.history import HISTORY
from cim.errors import NotFoundError

_COUNTS_KEPT = 4096
CountMode = Literal["auto", "exact", "none"]


@dataclass(frozen=True)
class Matched:
    """How many features a query matches.

    Parameters
    ----------
    number
        None where it was not counted.
    is_exact
        Whether it is a count, not the planner's estimate.
    """

    number: int | None
    is_exact: bool = True


@dataclass(frozen=True)
class Page:
    """Features of a page.

    Parameters
    ----------
    features
        GeoJSON features, or rows of values and ISO WKB.
    matched
        Features in all pages.
    last
        Sort values and internal id of the last feature, None where no page follows.
    """

    features: list[Any]
    matched: Matched
    last: tuple[Any, ...] | None

    @property
    def returned(self) -> int:
        """Features on this page."""
        return len(self.features)


class Counter:
    """Remembers counts of filtered queries for as long as nothing was published.

    Parameters
    ----------
    exact_to
        Counted exactly up to this number, estimated beyond.
    """

    def __init__(self, exact_to: int) -> None:
        self._exact_to = exact_to
        self._signal = ""
        self._known: OrderedDict[tuple[Any, ...], Matched] = OrderedDict()

    async def matched(self, session: Session, query: FeatureQuery, signal: str, mode: CountMode) -> Matched:
        """Return how many features a query matches.

        Parameters
        ----------
        signal
            Changes whenever something was published; counts of another signal are forgotten.
        mode
            ``auto`` counts up to the threshold and estimates beyond, ``exact`` counts, ``none`` does neither.
        """
        if mode == "none":
            return Matched(None)
        if query.is_whole and session.sees_all:
            total = await _total(session, query.collection)
            if total is not None:
                return Matched(total)
        if signal != self._signal:
            self._known.clear()
            self._signal = signal
        exact = mode == "exact" or query.is_whole
        statement, parameters = count_statement(query, None if exact else self._exact_to + 1)
        key = (session.principal.cache_key, statement.text, *map(str, parameters.values()))
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        number = int((await session.rows(statement, parameters))[0][0])
        made = Matched(number) if exact or number <= self._exact_to else await self._estimated(session, query)
        self._known[key] = made
        while len(self._known) > _COUNTS_KEPT:
            self._known.popitem(last=False)
        return made

    async def _estimated(self, session: Session, query: FeatureQuery) -> Matched:
        statement, parameters = estimate_statement(query)
        plan = orjson.loads((await session.rows(statement, parameters))[0][0])
        return Matched(max(int(plan[0]["Plan"]["Plan Rows"]), self._exact_to + 1), is_exact=False)


@dataclass(frozen=True)
class TextPage:
    """A page as GeoJSON text.

    Parameters
    ----------
    features
        Features, comma-separated, UTF-8.
    returned
        Features on this page.
    matched, last
        As `Page`.
    """

    features: bytes
    returned: int
    matched: Matched
    last: tuple[Any, ...] | None


async def fetch_text_page(session: Session, query: FeatureQuery, counter: Counter, signal: str, *, mode: CountMode = "auto") -> TextPage:
    """Return a page as GeoJSON text, in one round trip where the total is maintained; errors as `fetch_page`."""
    with_total = query.is_whole and session.sees_all and query.collection.table in HISTORY
    row = tuple((await session.rows(*text_statement(query, with_total=with_total)))[0])
    has_more = row[1] > query.limit
    returned = min(row[1], query.limit)
    if not has_more and query.after is None and (returned or query.offset == 0):
        matched = Matched(query.offset + returned)
    elif row[-1] is not None and mode != "none":
        matched = Matched(row[-1])
    else:
        matched = await counter.matched(session, query, signal, mode)
    return TextPage(row[0] or b"", returned, matched, row[2:-1] if has_more else None)


async def fetch_page(
    session: Session,
    query: FeatureQuery,
    counter: Counter,
    signal: str,
    *,
    mode: CountMode = "auto",
    output: Output = "rows",
) -> Page:
    """Return a page as rows, each its value alone where the output is one value.

    Raises
    ------
    StoreUnavailableError
        No answer in time.
    """
    statement, parameters = page_statement(query, output)
    rows = await session.rows(statement, parameters)
    has_more = len(rows) > query.limit
    kept = rows[: query.limit] if has_more else rows
    if not has_more and query.after is None and (kept or query.offset == 0):
        matched = Matched(query.offset + len(kept))
    else:
        matched = await counter.matched(session, query, signal, mode)
    n_keys = len(query.sort) + 1
    last = tuple(kept[-1])[-n_keys:] if has_more else None
    features = [tuple(row)[:-n_keys] for row in kept] if output == "rows" else [row[0] for row in kept]
    return Page(features, matched, last)


async def stream_features(session: Session, query: FeatureQuery, output: Output = "geojson") -> AsyncIterator[Sequence[Any]]:
    """Yield everything a query matches, from one state of the store, in batches; rows as `page_statement`."""
    statement, parameters = all_statement(query, output)
    async for batch in session.batches(statement, parameters):
        yield batch


async def stream_geojson(session: Session, query: FeatureQuery) -> AsyncIterator[bytes]:
    """Yield everything a query matches as GeoJSON features with commas between them, from one state of the store.

    Yields
    ------
    bytes
        Parts cut anywhere, none where nothing matches.
    """
    copied = copy_statement(query)
    if copied is None:
        comma = b""
        async for batch in stream_features(session, query):
            yield comma + b",\n".join([row[0].encode() for row in batch])
            comma = b",\n"
        return
    skipped = 1  # the comma before the first
    async for part in session.copied(copied):
        yield part[skipped:] if skipped else part
        skipped = 0


async def fetch_item(
    session: Session, collection: Collection, code: str, crs: OutputCrs, moment: datetime | None = None
) -> tuple[str, Any]:
    """Return one feature as GeoJSON text, and its version, None where the collection has none.

    Raises
    ------
    NotFoundError
        The collection has no such code, or had none at the moment.
    """
    rows = await session.rows(*item_statement(collection, code, crs, moment))
    if not rows:
        raise NotFoundError(f"collection {collection.id}: no feature {code[:80]!r}")
    return str(rows[0][0]), rows[0][1]


async def fetch_item_row(session: Session, collection: Collection, code: str, crs: OutputCrs) -> tuple[Any, ...]:
    """Return the values of one feature and its geometry as ISO WKB; errors as `fetch_item`."""
    rows = await session.rows(*item_statement(collection, code, crs, output="rows"))
    if not rows:
        raise NotFoundError(f"collection {collection.id}: no feature {code[:80]!r}")
    return tuple(rows[0])[:-1]


async def _total(session: Session, collection: Collection) -> int | None:
    """Return the maintained number of rows of a collection, None where none is kept."""
    if collection.table not in HISTORY:
        return None
    rows = await session.rows(_TOTAL, {"collection": collection.id})
    return None if rows[0][0] is None else int(rows[0][0])


_TOTAL: Prepared = replace(prepare(pg.SQL("SELECT sum(n)::bigint FROM feature_count WHERE collection = %(collection)s")), steady=True)
