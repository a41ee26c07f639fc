"""Network nodes and edges: load."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from cim.db import bulk
from cim.db.engine import Connection

NODE_COLUMNS = (
    "kind", "code", "county_code", "survey_no", "feature", "appendage", "type_code", "ground_elevation_m", "elevation_m", "depth_m",
    "owner", "status", "geom", "attributes", "source_dataset", "source_key", "content_hash",
)  # fmt: skip
EDGE_COLUMNS = (
    "kind", "code", "county_code", "start_node", "end_node", "type_code", "diameter_mm", "width_mm", "height_mm", "material",
    "embedding", "depth_reference", "start_depth_m", "end_depth_m", "length_m", "slope", "flow_direction", "pressure", "voltage",
    "n_cables", "year_laid", "owner", "status", "geom", "attributes", "source_dataset", "source_key", "content_hash",
)  # fmt: skip
_FETCH = {
    "network_node": "SELECT source_key, code, content_hash FROM network_node WHERE kind = %s AND source_dataset = %s FOR UPDATE",
    "network_edge": "SELECT source_key, code, content_hash FROM network_edge WHERE kind = %s AND source_dataset = %s FOR UPDATE",
}

_MISSING = {
    "network_node": "SELECT count(*) FROM network_node WHERE kind = %s AND source_dataset = %s AND NOT (source_key = ANY(%s))",
    "network_edge": "SELECT count(*) FROM network_edge WHERE kind = %s AND source_dataset = %s AND NOT (source_key = ANY(%s))",
}


def fetch_known(connection: Connection, table: str, kind: str, dataset: str) -> dict[str, tuple[str, str | None]]:
    """Return code and content hash by survey number of a dataset's nodes (``network_node``) or edges (``network_edge``)."""
    return {row[0]: (row[1], row[2]) for row in connection.execute(_FETCH[table], [kind, dataset])}


def count_missing(connection: Connection, table: str, kind: str, dataset: str, keys: Sequence[str]) -> int:
    """Return how many nodes (``network_node``) or edges (``network_edge``) of a dataset are not among these survey numbers."""
    row = connection.execute(_MISSING[table], [kind, dataset, list(keys)]).fetchone()
    return int(row[0]) if row else 0


def load_nodes(connection: Connection, rows: Sequence[Sequence[Any]], change_set: UUID) -> tuple[int, int]:
    """Load rows of `NODE_COLUMNS`; return inserted and updated."""
    bulk.stage(connection, "network_node", NODE_COLUMNS, rows)
    return bulk.upsert(connection, "network_node", ("kind", "code"), NODE_COLUMNS, change_set)


def load_edges(connection: Connection, rows: Sequence[Sequence[Any]], change_set: UUID) -> tuple[int, int]:
    """Load rows of `EDGE_COLUMNS`; return inserted and updated."""
    bulk.stage(connection, "network_edge", EDGE_COLUMNS, rows)
    return bulk.upsert(connection, "network_edge", ("kind", "code"), EDGE_COLUMNS, change_set)
