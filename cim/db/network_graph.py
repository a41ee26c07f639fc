"""The warm graph of one kind of network: read once from the store, then kept up to date by the outbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg import sql

from cim.analysis.network.graph import Floats, Int32s, Mask, NetworkGraph, Signs, Workspace, build_graph
from cim.analysis.network.isolate import Valves
from cim.analysis.network.supply import SupplyIndex
from cim.analysis.network.trace import orient
from cim.db.arrow_copy import copy_out
from cim.db.engine import Connection
from cim.errors import NotFoundError
from cim.model.network import CUSTOMERS, GRAVITY, SINKS, SOURCES, VALVES, shut_state

_NODES = pa.schema([("code", pa.string()), ("feature", pa.string()), ("appendage", pa.string()), ("state", pa.string())])
_EDGES = pa.schema([
    ("code", pa.string()), ("start_node", pa.string()), ("end_node", pa.string()), ("feature", pa.string()), ("state", pa.string()),
    ("length_m", pa.float64()), ("flow_direction", pa.int16()), ("slope", pa.float64()),
])  # fmt: skip
_SCHEMAS = {"network_node": _NODES, "network_edge": _EDGES}
_FOLLOWED_AT_MOST = 200_000


def _read(connection: Connection, table: str, kind: str, codes: Sequence[str] | None = None) -> pa.Table:
    schema = _SCHEMAS[table]
    query = sql.SQL("SELECT {} FROM {} WHERE kind = {} AND status <> 'abandoned'{}").format(
        sql.SQL(", ").join(map(sql.Identifier, schema.names)), sql.Identifier(table), sql.Literal(kind),
        sql.SQL("") if codes is None else sql.SQL(" AND code = ANY({})").format(sql.Literal(list(codes))),
    )  # fmt: skip
    return copy_out(connection, query, schema)


def _column(table: pa.Table, name: str) -> Any:  # noqa: ANN401 - pyarrow ships no types
    return table.column(name).combine_chunks()


def _is_one_of(column: Any, words: frozenset[str]) -> Mask:  # noqa: ANN401 - as above
    return np.asarray(pc.is_in(column, value_set=pa.array(sorted(words), pa.string())))


@dataclass
class NetworkView:
    """One kind of network as arrays.

    Parameters
    ----------
    kind
        water, …
    nodes, edges
        Rows in use or planned.
    last_event
        Newest change that is in it.
    """

    kind: str
    nodes: pa.Table
    edges: pa.Table
    last_event: int

    def __post_init__(self) -> None:
        self.node_code, self.edge_code = _column(self.nodes, "code"), _column(self.edges, "code")
        start = pc.index_in(_column(self.edges, "start_node"), value_set=self.node_code)
        end = pc.index_in(_column(self.edges, "end_node"), value_set=self.node_code)
        # A line whose end was abandoned hangs in the air: it is no part of the graph.
        whole = np.asarray(pc.and_(start.is_valid(), end.is_valid()))
        if not whole.all():
            self.edges = self.edges.filter(pa.array(whole))
            self.edge_code = _column(self.edges, "code")
            start, end = start.filter(pa.array(whole)), end.filter(pa.array(whole))
        self.n_dangling = int((~whole).sum())
        self.graph: NetworkGraph = build_graph(len(self.node_code), np.asarray(start, np.int32), np.asarray(end, np.int32))

    @cached_property
    def space(self) -> Workspace:
        """Scratch arrays for traces."""
        return Workspace(self.graph)

    @cached_property
    def lengths(self) -> Floats:
        """Length of each edge [m], 0 where unknown."""
        return np.nan_to_num(np.asarray(_column(self.edges, "length_m").to_numpy(zero_copy_only=False), np.float64), nan=0.0)

    def nodes_that_are(self, words: frozenset[str]) -> Int32s:
        """Return the nodes whose appendage or feature is one of some words."""
        found = _is_one_of(_column(self.nodes, "appendage"), words) | _is_one_of(_column(self.nodes, "feature"), words)
        return np.flatnonzero(found).astype(np.int32)

    @cached_property
    def sources(self) -> Int32s:
        """Nodes that feed the network."""
        return self.nodes_that_are(SOURCES)

    @cached_property
    def sinks(self) -> Int32s:
        """Nodes where a drainage network ends."""
        return self.nodes_that_are(SINKS)

    @cached_property
    def customers(self) -> Int32s:
        """Nodes that are connections."""
        return self.nodes_that_are(CUSTOMERS)

    @cached_property
    def valves(self) -> Valves:
        """Valves and switches by state."""
        node_state, edge_state = _column(self.nodes, "state"), _column(self.edges, "state")
        shut, stuck = frozenset({shut_state(self.kind)}), frozenset({"broken", "inaccessible"})
        node = _is_one_of(_column(self.nodes, "appendage"), VALVES) | np.asarray(node_state.is_valid())
        edge = _is_one_of(_column(self.edges, "feature"), VALVES) | np.asarray(edge_state.is_valid())
        return Valves(
            node, edge, _is_one_of(node_state, shut), _is_one_of(edge_state, shut), _is_one_of(node_state, stuck),
            _is_one_of(edge_state, stuck),
        )  # fmt: skip

    @cached_property
    def flow(self) -> Signs:
        """Direction of flow in each edge: as told, for drains by their fall, else by the way to sinks or from sources."""
        told = np.nan_to_num(_column(self.edges, "flow_direction").to_numpy(zero_copy_only=False), nan=0.0).astype(np.int8)
        is_gravity = self.kind in GRAVITY
        if is_gravity:
            slope = np.nan_to_num(np.asarray(_column(self.edges, "slope").to_numpy(zero_copy_only=False), np.float64), nan=0.0)
            told = np.where(told == 0, np.sign(slope), told).astype(np.int8)
        return orient(self.graph, told, self.sinks if is_gravity else self.sources, to_roots=is_gravity, lengths=self.lengths)

    @cached_property
    def supply(self) -> SupplyIndex:
        """Index for isolation."""
        return SupplyIndex(self.graph, self.valves, self.sources)

    def find(self, code: str) -> tuple[str, int]:
        """Return ``node`` or ``edge`` and the position of a part.

        Raises
        ------
        NotFoundError
            No part in use has this code.
        """
        for name, codes in (("edge", self.edge_code), ("node", self.node_code)):
            at = pc.index(codes, code).as_py()
            if at >= 0:
                return name, int(at)
        raise NotFoundError(
            f"{code}: no part of the {self.kind} network in use", hint=f"look it up in {self.kind}-lines or {self.kind}-points"
        )

    def codes(self, part: str, positions: NDArray[np.integer]) -> list[str]:
        """Return the codes of nodes or edges by position."""
        found: list[str] = (self.node_code if part == "node" else self.edge_code).take(pa.array(positions)).to_pylist()
        return found


def load_view(connection: Connection, kind: str) -> NetworkView:
    """Read a network.

    Parameters
    ----------
    connection
        The store.
    kind
        water, …

    Raises
    ------
    NotFoundError
        There is no network of this kind.
    """
    # The mark is read first: a change that comes in between is applied twice, which is harmless.
    row = connection.execute("SELECT coalesce(max(id), 0) FROM change_event").fetchone()
    nodes, edges = _read(connection, "network_node", kind), _read(connection, "network_edge", kind)
    if nodes.num_rows == 0:
        raise NotFoundError(f"no {kind} network in the store", hint="cim ingest network FILE")
    return NetworkView(kind, nodes, edges, int(row[0]) if row else 0)


def follow(connection: Connection, view: NetworkView) -> NetworkView:
    """Return the network with all changes since its mark; the view itself where there are none.

    Only the changed rows are read. More than 200,000 changes at once are read as a whole.
    """
    events = connection.execute(
        "SELECT id, collection, code FROM change_event WHERE id > %s AND collection = ANY(%s) ORDER BY id LIMIT %s",
        [view.last_event, [f"{view.kind}-points", f"{view.kind}-lines"], _FOLLOWED_AT_MOST + 1],
    ).fetchall()
    if not events:
        return view
    if len(events) > _FOLLOWED_AT_MOST:
        return load_view(connection, view.kind)
    tables = {"network_node": view.nodes, "network_edge": view.edges}
    for table, suffix in (("network_node", "points"), ("network_edge", "lines")):
        codes = sorted({row[2] for row in events if row[1].endswith(suffix)})
        if codes:
            old = tables[table]
            kept = old.filter(pc.invert(pc.is_in(old.column("code"), value_set=pa.array(codes, pa.string()))))
            tables[table] = pa.concat_tables([kept, _read(connection, table, view.kind, codes)]).combine_chunks()
    return NetworkView(view.kind, tables["network_node"], tables["network_edge"], int(events[-1][0]))


class NetworkGraphs:
    """The networks of a store, each read on first use and followed afterwards."""

    def __init__(self) -> None:
        self._views: dict[str, NetworkView] = {}

    def view(self, connection: Connection, kind: str) -> NetworkView:
        """Return a network as of now.

        Raises
        ------
        NotFoundError
            There is no network of this kind.
        """
        known = self._views.get(kind)
        self._views[kind] = follow(connection, known) if known else load_view(connection, kind)
        return self._views[kind]
