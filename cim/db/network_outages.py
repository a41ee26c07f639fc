"""Shutdowns of network parts: opened with the isolation they need, moved from state to state, set against each other."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from psycopg import sql

from cim.analysis.network.isolate import isolate
from cim.db import network_queries
from cim.db.codes import reserve_counts
from cim.db.engine import Connection
from cim.db.network_graph import NetworkView
from cim.errors import ConflictError, InvalidParameterError, NotFoundError
from cim.ids import new_id
from cim.model.outage import ACTIVE, CAUSES, require_step

_SCHEME = "CIM-OUTAGE-v1"
_KEPT = (
    "close", "already_shut", "unusable", "has_source_inside", "dry_lines", "cut_off_lines", "out_of_service_points", "connections",
    "customers", "served", "length_m",
)  # fmt: skip
_COLUMNS = (
    "number", "kind", "cause", "state", "part_code", "starts_at", "ends_at", "reason", "result", "conflicts_with", "recorded_at",
)  # fmt: skip
Outage = dict[str, Any]


def open_outage(
    connection: Connection, view: NetworkView, part_code: str, *, cause: str, starts_at: datetime, ends_at: datetime | None, reason: str,
    author: str, change_set: UUID, broken: Sequence[str] = (), inaccessible: Sequence[str] = (),
) -> Outage:  # fmt: skip
    """Record a shutdown with the valves it needs and who it affects.

    Parameters
    ----------
    connection
        Inside a transaction.
    view
        The network.
    part_code
        Part that is worked on or burst.
    cause
        planned: state ``planned``, or ``conflict`` where it touches another one; accidental: ``in_progress`` at once.
    starts_at, ends_at
        Period; the end is needed for planned ones.
    reason, author, change_set
        For the record.
    broken, inaccessible
        Valves that cannot be used.

    Returns
    -------
    dict
        As `fetch_outage`.

    Raises
    ------
    NotFoundError
        A code is not in the network.
    InvalidParameterError
        The period or the cause is wrong.
    """
    _check(cause, starts_at, ends_at)
    result = _isolate(connection, view, part_code, broken, inaccessible)
    number, outage_id = _number(connection, starts_at.year), new_id()
    overlaps = find_overlaps(connection, view, result, starts_at, ends_at, number)
    state = "in_progress" if cause == "accidental" else "conflict" if overlaps else "planned"
    connection.execute(
        """INSERT INTO network_outage
               (id, kind, number, cause, state, part_code, starts_at, ends_at, reason, result, conflicts_with, change_set_id)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [outage_id, view.kind, number, cause, state, part_code, starts_at, ends_at, reason, _json(result, overlaps),
         overlaps[0]["number"] if overlaps else None, change_set],
    )  # fmt: skip
    _step(connection, outage_id, state, author, reason)
    return fetch_outage(connection, number)


def move_outage(
    connection: Connection, view: NetworkView, number: str, state: str, *, author: str, note: str | None = None, at: datetime | None = None,
    accept_conflict: bool = False,
) -> Outage:  # fmt: skip
    """Start, finish or cancel a shutdown.

    Parameters
    ----------
    connection
        Inside a transaction.
    view
        The network as it is now: a shutdown that starts is isolated anew.
    number
        Its number.
    state
        in_progress, finished or cancelled.
    author, note
        For the record.
    at
        Real time of the start or end.
    accept_conflict
        Start although it touches another one.

    Raises
    ------
    NotFoundError
        No such shutdown.
    ConflictError
        The state may not follow, or it touches another one that is in progress or planned for the same time.
    """
    row = _locked(connection, number)
    require_step(number, row["state"], state)
    if state == "in_progress":
        starts = at or row["starts_at"]
        ends = row["ends_at"] if row["ends_at"] is None or row["ends_at"] > starts else None
        told = row["result"].get("told", {})
        result = _isolate(connection, view, row["part_code"], told.get("broken", ()), told.get("inaccessible", ()))
        overlaps = find_overlaps(connection, view, result, starts, ends, number)
        if overlaps and not accept_conflict:
            raise ConflictError(
                f"{number} touches {', '.join(one['number'] for one in overlaps)}",
                hint=f"cim network outage reschedule {number} --starts … --ends …, or start it with --accept-conflict",
            )
        connection.execute(
            "UPDATE network_outage SET starts_at = %s, ends_at = %s, result = %s, conflicts_with = %s WHERE id = %s",
            [starts, ends, _json(result, overlaps), overlaps[0]["number"] if overlaps else None, row["id"]],
        )
    elif state == "finished":
        ends = at or datetime.now(tz=row["starts_at"].tzinfo)
        if ends <= row["starts_at"]:
            raise InvalidParameterError("at", ends.isoformat(), f"a time after the start, {row['starts_at'].isoformat()}")
        connection.execute("UPDATE network_outage SET ends_at = %s WHERE id = %s", [ends, row["id"]])
    _enter(connection, row, state, author, note)
    if state in ("finished", "cancelled"):
        release(connection, view, number, author)
    return fetch_outage(connection, number)


def reschedule_outage(
    connection: Connection, view: NetworkView, number: str, *, starts_at: datetime, ends_at: datetime, author: str, note: str | None = None
) -> Outage:
    """Give a planned shutdown another time; it is planned afterwards, or in conflict.

    Raises
    ------
    NotFoundError
        No such shutdown.
    ConflictError
        It is not planned any more.
    InvalidParameterError
        The period is wrong.
    """
    row = _locked(connection, number)
    if row["state"] not in ("planned", "conflict"):
        raise ConflictError(f"{number} is {row['state']}, expected planned or conflict", hint=f"cim network outage show {number}")
    _check(row["cause"], starts_at, ends_at)
    overlaps = find_overlaps(connection, view, row["result"], starts_at, ends_at, number)
    connection.execute(
        "UPDATE network_outage SET starts_at = %s, ends_at = %s, result = %s, conflicts_with = %s WHERE id = %s",
        [starts_at, ends_at, _json(row["result"], overlaps), overlaps[0]["number"] if overlaps else None, row["id"]],
    )
    _enter(connection, row, "conflict" if overlaps else "planned", author, note or "rescheduled")
    release(connection, view, number, author)
    return fetch_outage(connection, number)


def release(connection: Connection, view: NetworkView, number: str, author: str) -> None:
    """Make shutdowns that were in conflict with one planned again where nothing is in their way any more."""
    waiting = connection.execute(
        "SELECT number FROM network_outage WHERE kind = %s AND state = 'conflict' AND conflicts_with = %s ORDER BY number FOR UPDATE",
        [view.kind, number],
    ).fetchall()
    for (other,) in waiting:
        row = _locked(connection, other)
        overlaps = find_overlaps(connection, view, row["result"], row["starts_at"], row["ends_at"], other)
        connection.execute(
            "UPDATE network_outage SET conflicts_with = %s, result = %s WHERE id = %s",
            [overlaps[0]["number"] if overlaps else None, _json(row["result"], overlaps), row["id"]],
        )
        if not overlaps:
            _enter(connection, row, "planned", author, f"{number} is out of its way")


def find_overlaps(
    connection: Connection, view: NetworkView, result: Outage, starts_at: datetime, ends_at: datetime | None, number: str
) -> list[Outage]:
    """Return the other shutdowns of the same time that share parts with one, or cut more off together than each alone.

    Returns
    -------
    list of dict
        number, shared (valves and lines in both), more_lines (out of service only because both happen).
    """
    others = connection.execute(
        """SELECT number, result FROM network_outage WHERE kind = %s AND number <> %s AND state = ANY(%s)
           AND tstzrange(starts_at, ends_at) && tstzrange(%s, %s) ORDER BY number""",
        [view.kind, number, list(ACTIVE), starts_at, ends_at],
    ).fetchall()
    found = []
    mine = {*result["close"], *result["dry_lines"], *result["cut_off_lines"]}
    for other, theirs in others:
        shared = sorted(mine & {*theirs["close"], *theirs["dry_lines"], *theirs["cut_off_lines"]})
        more = [] if shared else _together(view, result, theirs)
        if shared or more:
            found.append({"number": other, "shared": shared, "more_lines": more})
    return found


def _together(view: NetworkView, mine: Outage, theirs: Outage) -> list[str]:
    """Return the lines that lose every source only while both are shut."""
    edge = next((code for code in mine["dry_lines"] if code in set(view.edge_code.to_pylist())), None)
    if edge is None or not len(view.sources):
        return []
    node_closed, edge_closed = view.valves.node_closed.copy(), view.valves.edge_closed.copy()
    node_valve, edge_valve = view.valves.node_valve.copy(), view.valves.edge_valve.copy()
    for code in theirs["close"]:
        try:
            part, at = view.find(code)
        except NotFoundError:
            continue
        closed, valve = (node_closed, node_valve) if part == "node" else (edge_closed, edge_valve)
        closed[at] = valve[at] = True
    shut = replace(view.valves, node_closed=node_closed, edge_closed=edge_closed, node_valve=node_valve, edge_valve=edge_valve)
    both = isolate(view.graph, shut, view.sources, edge=view.find(edge)[1], space=view.space)
    alone = {*mine["dry_lines"], *mine["cut_off_lines"], *theirs["dry_lines"], *theirs["cut_off_lines"]}
    return sorted(set(view.codes("edge", both.dead_edges)) - alone)


def fetch_outage(connection: Connection, number: str) -> Outage:
    """Return a shutdown with its steps, the overlaps found, and who is affected.

    Raises
    ------
    NotFoundError
        No such shutdown.
    """
    row = _row(connection, number, lock=False)
    steps = connection.execute(
        "SELECT state, author, note, recorded_at FROM network_outage_step WHERE outage_id = %s ORDER BY id", [row["id"]]
    ).fetchall()
    row["steps"] = [dict(zip(("state", "author", "note", "recorded_at"), step, strict=True)) for step in steps]
    row.pop("id")
    return row


def list_outages(connection: Connection, kind: str | None = None, *, state: str | None = None, limit: int = 1000) -> list[Outage]:
    """Return shutdowns, the newest first, with the number of lines and customers out of service."""
    rows = connection.execute(
        """SELECT number, kind, cause, state, part_code, starts_at, ends_at, reason, conflicts_with,
                  jsonb_array_length(result -> 'dry_lines') + jsonb_array_length(result -> 'cut_off_lines'), (result ->> 'customers')::int
           FROM network_outage WHERE (%(kind)s::text IS NULL OR kind = %(kind)s) AND (%(state)s::text IS NULL OR state = %(state)s)
           ORDER BY starts_at DESC, number DESC LIMIT %(limit)s""",
        {"kind": kind, "state": state, "limit": limit},
    ).fetchall()
    names = ("number", "kind", "cause", "state", "part_code", "starts_at", "ends_at", "reason", "conflicts_with", "lines", "customers")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _isolate(connection: Connection, view: NetworkView, code: str, broken: Sequence[str], inaccessible: Sequence[str]) -> Outage:
    found = network_queries.isolate_part(connection, view, code, broken=broken, inaccessible=inaccessible)
    return {name: found[name] for name in _KEPT} | {"told": {"broken": list(broken), "inaccessible": list(inaccessible)}}


def _check(cause: str, starts_at: datetime, ends_at: datetime | None) -> None:
    if cause not in CAUSES:
        raise InvalidParameterError("cause", cause, f"one of {', '.join(CAUSES)}")
    if ends_at is None and cause == "planned":
        raise InvalidParameterError("ends", "nothing", "the planned end of the shutdown")
    if ends_at is not None and ends_at <= starts_at:
        raise InvalidParameterError("ends", ends_at.isoformat(), f"a time after the start, {starts_at.isoformat()}")


def _number(connection: Connection, year: int) -> str:
    last = reserve_counts(connection, _SCHEME, {"all": 1}, year)["all"]
    return f"OUT-{year}-{last:06d}"


def _json(result: Outage, overlaps: list[Outage]) -> str:
    return orjson.dumps({**result, "overlaps": overlaps}).decode()


def _row(connection: Connection, number: str, *, lock: bool) -> Outage:
    query = sql.SQL("SELECT id, {} FROM network_outage WHERE number = %s {}").format(
        sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)), sql.SQL("FOR UPDATE" if lock else "")
    )
    row = connection.execute(query, [number]).fetchone()
    if row is None:
        raise NotFoundError(f"{number}: no such shutdown", hint="cim network outage list")
    return dict(zip(("id", *_COLUMNS), row, strict=True))


def _locked(connection: Connection, number: str) -> Outage:
    return _row(connection, number, lock=True)


def _enter(connection: Connection, row: Outage, state: str, author: str, note: str | None) -> None:
    connection.execute("UPDATE network_outage SET state = %s WHERE id = %s", [state, row["id"]])
    _step(connection, row["id"], state, author, note)


def _step(connection: Connection, outage_id: UUID, state: str, author: str, note: str | None) -> None:
    connection.execute(
        "INSERT INTO network_outage_step (outage_id, state, author, note) VALUES (%s, %s, %s, %s)", [outage_id, state, author, note]
    )
