"""Built rows → store: codes, component codes, insert of what is new, update of what changed."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cim.clock import utc_now
from cim.codes.component import component_class
from cim.codes.network import CODE_SCHEME, LINE, MAX_SEQUENCE, POINT, PREFIX
from cim.db import networks
from cim.db.arrow_copy import constant
from cim.db.codes import reserve_counts
from cim.db.datasets import DatasetInfo
from cim.db.engine import Connection
from cim.ids import new_ids
from ingest.network.build import Built

COMPONENT_SCHEME = "CN-MC16"


@dataclass(frozen=True)
class Written:
    """What a load wrote.

    Parameters
    ----------
    inserted, updated, unchanged
        Points and lines.
    missing
        Parts of the dataset that the source does not have any more; they stay.
    components
        Component codes issued.
    """

    inserted: int
    updated: int
    unchanged: int
    missing: int
    components: int


class Writer:
    """Writes one kind of one dataset.

    Parameters
    ----------
    connection
        Inside a transaction.
    info
        The dataset.
    kind, county
        Of the parts.
    depth_reference
        Of the lines.
    change_set
        Written into every row.
    """

    def __init__(self, connection: Connection, info: DatasetInfo, kind: str, county: str, depth_reference: str, change_set: UUID) -> None:
        self._connection, self._info, self._kind, self._county = connection, info, kind, county
        self._depth_reference, self._change_set = depth_reference, change_set
        self._inserted = self._updated = self._unchanged = self._missing = self._components = 0

    def write(self, built: Built) -> Written:
        """Write the rows."""
        networks.lock_writers(self._connection)
        codes = self._table("network_node", built.nodes, POINT, {})
        ends = {"start_node": codes.take(pa.array(built.start)), "end_node": codes.take(pa.array(built.end))}
        self._table("network_edge", built.edges.drop_columns(["start", "end"]), LINE, ends)
        return Written(self._inserted, self._updated, self._unchanged, self._missing, self._components)

    def _table(self, table: str, rows: pa.Table, letter: str, more: dict[str, Any]) -> Any:  # noqa: ANN401 - pyarrow ships no types
        n = rows.num_rows
        known = networks.fetch_known(self._connection, table, self._kind, self._info.name)
        keys = rows.column("key").combine_chunks()
        at = pc.index_in(keys, value_set=known.column("key").combine_chunks())
        fresh = np.asarray(pc.is_null(at))
        index = np.asarray(pc.fill_null(at, 0), np.int64)
        old_hash, old_code, old_component = (_take(known.column(name), index, fresh) for name in ("hash", "code", "component"))
        same = ~fresh & np.asarray(pc.fill_null(pc.equal(rows.column("content_hash").combine_chunks(), old_hash), fill_value=False))
        codes = _merge(fresh, old_code, self._issue(letter, int(fresh.sum())))
        touched = np.flatnonzero(~same)
        components = self._component_codes(table, rows, touched, old_component)
        every = self._columns(table, rows, codes, components, more)
        self._insert(table, every.filter(pa.array(fresh)))
        changed = every.filter(pa.array(~fresh & ~same))
        self._updated += networks.update(self._connection, table, changed, self._change_set)
        self._unchanged += int(same.sum())
        self._missing += known.num_rows - int((~fresh).sum())
        return codes if n else pa.array([], pa.string())

    def _insert(self, table: str, rows: pa.Table) -> None:
        if rows.num_rows:
            ids = new_ids(rows.num_rows)
            offsets = pa.py_buffer((np.arange(rows.num_rows + 1, dtype=np.int32) * 16).tobytes())
            column = pa.Array.from_buffers(pa.binary(), rows.num_rows, [None, offsets, pa.py_buffer(ids.tobytes())])
            self._inserted += networks.insert(self._connection, table, self._kind, rows.append_column("id", column), self._change_set)

    def _issue(self, letter: str, n: int) -> list[str]:
        if not n:
            return []
        year, area = utc_now().year, f"{self._kind}:{letter}:{self._county}"
        last = reserve_counts(self._connection, CODE_SCHEME, {area: n}, year, limit=MAX_SEQUENCE)[area]
        head = f"{PREFIX[self._kind]}{self._county}-{letter}{year}"
        return [f"{head}{number:06d}" for number in range(last - n + 1, last + 1)]

    def _component_codes(self, table: str, rows: pa.Table, touched: NDArray[np.int64], old: Any) -> Any:  # noqa: ANN401 - as above
        """Issue component codes to touched parts that should have one and have none."""
        parts = rows.column("appendage" if table == "network_node" else "feature").combine_chunks().dictionary_encode()
        classes = [component_class(self._kind, word) for word in parts.dictionary.to_pylist()]
        found = pa.array(classes, pa.string()).take(parts.indices).to_numpy(zero_copy_only=False)
        out = np.array(old.to_pylist(), dtype=object) if len(old) else np.empty(0, dtype=object)
        wanting = [i for i in touched.tolist() if found[i] is not None and out[i] is None]
        if not wanting:
            return pa.array(out.tolist(), pa.string())
        areas = {f"{self._county}{one}": 0 for one in sorted({found[i] for i in wanting})}
        for i in wanting:
            areas[f"{self._county}{found[i]}"] += 1
        last = reserve_counts(self._connection, COMPONENT_SCHEME, areas, 0)
        following = {area: last[area] - n + 1 for area, n in areas.items()}
        for i in wanting:
            area = f"{self._county}{found[i]}"
            out[i] = f"{area}{following[area]:06d}"
            following[area] += 1
        self._components += len(wanting)
        return pa.array(out.tolist(), pa.string())

    def _columns(self, table: str, rows: pa.Table, codes: Any, components: Any, more: dict[str, Any]) -> pa.Table:  # noqa: ANN401 - as above
        n = rows.num_rows
        columns = {name: rows.column(name) for name in rows.column_names if name != "key"}
        columns |= more | {
            "kind": constant(self._kind, n), "code": codes, "county_code": pc.utf8_slice_codeunits(codes, 2, 8),
            "source_dataset": constant(self._info.name, n), "source_key": rows.column("key"), "component_code": components,
            "change_set_id": pa.array([self._change_set.bytes] * n, pa.binary()),
        }  # fmt: skip
        if table == "network_node":
            columns["survey_no"] = rows.column("key")
        else:
            columns["depth_reference"] = constant(self._depth_reference, n)
        return pa.table(columns)


def _take(column: Any, index: NDArray[np.int64], absent: NDArray[np.bool_]) -> Any:  # noqa: ANN401 - as above
    if not len(column):
        return pa.nulls(len(index), pa.string())
    return column.combine_chunks().take(pa.array(index, mask=absent))


def _merge(fresh: NDArray[np.bool_], old: Any, issued: list[str]) -> Any:  # noqa: ANN401 - as above
    """Return old codes where there are any, the issued ones in order elsewhere."""
    if fresh.all():
        return pa.array(issued, pa.string())
    if not issued:
        return old
    at = np.cumsum(fresh) - 1
    return pc.if_else(pa.array(fresh), pa.array(issued, pa.string()).take(pa.array(np.maximum(at, 0))), old)
