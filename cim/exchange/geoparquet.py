"""GeoParquet 1.1: geometry as well-known binary, CRS as PROJJSON, a box per row for readers that skip row groups."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from cim.crs import parse_crs
from cim.exchange.arrow import GEOMETRY, record_batch, schema_of
from cim.exchange.model import Job, Rows

_SHAPES = {"MULTIPOLYGON": "MultiPolygon", "POINT": "Point", "LINESTRING": "LineString"}
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_BOX = "bbox"


def write_geoparquet(path: Path, job: Job, batches: Iterable[Rows]) -> None:
    """Write a GeoParquet file, one row group per batch.

    The Arrow metadata of each field has its name for people (``title``), see `schema_of`.
    """
    schema = schema_of(job)
    box = pa.struct([pa.field(side, pa.float64()) for side in _SIDES])
    whole = schema.append(pa.field(_BOX, box))
    extent = _Extent(job.collection.has_z)
    with pq.ParquetWriter(path, whole, compression="zstd") as writer:
        for rows in batches:
            batch = record_batch(schema, rows)
            shapes = shapely.from_wkb(np.array([row[-1] for row in rows], dtype=object))
            writer.write_batch(pa.record_batch([*batch.columns, _boxes(shapes, box)], schema=whole))
            extent.add(shapes)
        # Known only now; the footer is written when the file is closed.
        writer.add_key_value_metadata({"geo": json.dumps(_geo(job, extent), ensure_ascii=False)})


class _Extent:
    """Box around everything that was added, with heights where the geometry has them."""

    def __init__(self, has_z: bool) -> None:
        self._has_z = has_z
        self._low: NDArray[np.float64] | None = None
        self._high: NDArray[np.float64] | None = None

    def add(self, shapes: NDArray[Any]) -> None:
        places = shapely.get_coordinates(shapes, include_z=self._has_z)
        if len(places) == 0:
            return
        low, high = np.nanmin(places, axis=0), np.nanmax(places, axis=0)
        self._low = low if self._low is None else np.minimum(low, self._low)
        self._high = high if self._high is None else np.maximum(high, self._high)

    @property
    def box(self) -> list[float] | None:
        """Least then greatest coordinates, None where nothing has a place."""
        return None if self._low is None or self._high is None else [*self._low.tolist(), *self._high.tolist()]


def _boxes(shapes: NDArray[Any], kind: Any) -> Any:  # noqa: ANN401 - pyarrow types
    bounds = shapely.bounds(shapes)
    empty = np.isnan(bounds[:, 0])
    return pa.StructArray.from_arrays([pa.array(side) for side in bounds.T], fields=list(kind), mask=pa.array(empty))


def _geo(job: Job, extent: _Extent) -> dict[str, Any]:
    shape = _SHAPES[job.collection.geometry] + (" Z" if job.collection.has_z else "")
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [shape],
        "crs": parse_crs(f"EPSG:{job.srid}").to_json_dict(),
        "covering": {"bbox": {side: [_BOX, side] for side in _SIDES}},
    }
    if extent.box is not None:
        column["bbox"] = extent.box
    return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
