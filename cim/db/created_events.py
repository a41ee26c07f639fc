"""Outbox rows of a bulk load: what the insert trigger would write, without a second copy of every row in the server."""

from collections.abc import Iterable, Iterator
from uuid import UUID

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from cim.db.arrow_copy import Kind, constant, copy_in
from cim.db.engine import Connection

_KINDS: dict[str, Kind] = {"change_set_id": "uuid", "collection": "text", "code": "text", "action": "text", "bbox": "geometry"}
# Byte order, type 3 (polygon), one ring of five points (OGC 06-103r4, 8.2.8).
_BOX = np.dtype([("order", "u1"), ("type", "<u4"), ("rings", "<u4"), ("points", "<u4"), ("xy", "<f8", (5, 2))])


class CreatedEvents:
    """Collects codes and boxes of new features while they stream to the store.

    Parameters
    ----------
    collection
        Collection id of the features.
    """

    def __init__(self, collection: str) -> None:
        self._collection = collection
        self._parts: list[tuple[pa.Array, NDArray[np.float64]]] = []

    def watch(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield tables unchanged; they have the columns ``code`` and ``geom`` (well-known binary), or the box of each outline.

        A box is the columns ``west``, ``south``, ``east`` and ``north`` [deg], EPSG:4490 as the geometry.
        """
        for table in tables:
            if "west" in table.column_names:
                box = np.column_stack([table.column(side).to_numpy() for side in ("west", "south", "east", "north")])
            else:
                box = shapely.bounds(shapely.from_wkb(table.column("geom").to_numpy()))
            self._parts.append((table.column("code").combine_chunks(), box))
            yield table

    def write(self, connection: Connection, change_set: UUID) -> None:
        """Write one ``create`` event per feature."""
        copy_in(connection, "change_event", (self._events(*part, change_set) for part in self._parts), _KINDS)

    def _events(self, codes: pa.Array, bounds: NDArray[np.float64], change_set: UUID) -> pa.Table:
        n = len(codes)
        change = pa.array([change_set.bytes], pa.binary()).take(pa.array(np.zeros(n, np.int32)))
        same = {"collection": constant(self._collection, n), "action": constant("create", n)}
        return pa.table({"change_set_id": change, "code": codes, "bbox": box_wkb(bounds), **same})


def box_wkb(bounds: NDArray[np.float64]) -> pa.Array:
    """Return boxes as polygons in well-known binary.

    Parameters
    ----------
    bounds
        West, south, east, north, shape (n, 4).
    """
    n = len(bounds)
    rows = np.zeros(n, _BOX)
    rows["order"], rows["type"], rows["rings"], rows["points"] = 1, 3, 1, 5
    rows["xy"] = bounds[:, [0, 1, 0, 3, 2, 3, 2, 1, 0, 1]].reshape(n, 5, 2)
    offsets = np.arange(n + 1, dtype=np.int32) * _BOX.itemsize
    return pa.Array.from_buffers(pa.binary(), n, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(rows.tobytes())])
