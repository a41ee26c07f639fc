"""JSON-FG 0.3 (OGC 21-045): GeoJSON features with their solids and other CRS in ``place``, and their time."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import numpy as np
import orjson
import shapely

from cim.crs import transform_xy
from cim.exchange.model import Job, Rows
from cim.exchange.solid import SCALE_M, Block, on_grid, raise_block

CONFORMS_TO = [
    "http://www.opengis.net/spec/json-fg-1/0.3/conf/core",
    "http://www.opengis.net/spec/json-fg-1/0.3/conf/polyhedra",
    "http://www.opengis.net/spec/json-fg-1/0.3/conf/types-schemas",
]
_EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


def head(job: Job) -> dict[str, Any]:
    """Return the members of a collection besides its features."""
    return {
        "conformsTo": CONFORMS_TO,
        "featureType": job.collection.id,
        "coordRefSys": _CRS84,
        "geometryDimension": {"POINT": 0, "LINESTRING": 1, "MULTIPOLYGON": 2}[job.collection.geometry],
    }


def features(job: Job, rows: Rows, *, turn_axes: bool, place_all: bool, heights: str | None) -> Iterator[bytes]:
    """Yield rows as JSON-FG features.

    Parameters
    ----------
    job
        Its CRS is that of ``place``, projected for solids.
    rows
        Values, then the geometry as WKB, EPSG:4490 lon/lat [deg].
    turn_axes
        The authority puts northing or latitude first in the CRS of ``place``.
    place_all
        Write ``place`` for features without a solid too: the client asked for this CRS.
    heights
        URI of the vertical datum of the solids, None where it has none; then no solids are written.
    """
    names = [column.name for column in job.collection.columns]
    shapes = shapely.from_wkb(np.array([row[-1] for row in rows], dtype=object))
    moved = shapely.transform(
        shapes, lambda xy: np.column_stack([*transform_xy("EPSG:4490", f"EPSG:{job.srid}", xy[:, 0], xy[:, 1]), xy[:, 2:]]),
        include_z=job.collection.has_z,
    )  # fmt: skip
    with_solids = (
        heights is not None and "height_m" in names and "ground_elevation_m" in names and job.collection.geometry == "MULTIPOLYGON"
    )
    polygons = list(on_grid(shapely.force_2d(moved), job.origin)) if with_solids else [[]] * len(rows)
    texts = shapely.to_geojson(shapes)
    placed: list[str] = shapely.to_geojson(_turned(moved, turn_axes)) if place_all else [""] * len(rows)
    crs = f"{_EPSG}{job.srid}"
    for at, row in enumerate(rows):
        values = dict(zip(names, row[:-1], strict=True))
        made: dict[str, Any] = {"type": "Feature", "id": values.get("code"), "featureType": job.collection.id}
        if values.get("valid_from") is not None:
            made["time"] = {"interval": [_text(values["valid_from"]), ".."]}
        ground, height = values.get("ground_elevation_m"), values.get("height_m")
        made["place"] = None
        if polygons[at] and ground is not None and height is not None and round(height / SCALE_M) > 0:
            base = round(ground / SCALE_M)
            blocks = [raise_block(polygon, base, base + round(height / SCALE_M)) for polygon in polygons[at]]
            made["place"] = _solid(blocks, job.origin, turn_axes=turn_axes) | {"coordRefSys": [crs, heights]}
        elif place_all and texts[at] is not None:
            made["place"] = {**orjson.loads(placed[at]), "coordRefSys": crs}
        made["geometry"] = None if texts[at] is None else orjson.Fragment(texts[at])
        made["properties"] = {name: _text(value) for name, value in values.items()}
        for column in job.collection.columns:
            if column.type == "json" and values[column.name] is not None:
                made["properties"][column.name] = orjson.Fragment(values[column.name])
        yield orjson.dumps(made)


def _turned(shapes: Any, turn: bool) -> Any:  # noqa: ANN401 - shapely geometries
    if not turn:
        return shapes
    return shapely.transform(shapes, lambda places: np.column_stack([places[:, 1], places[:, 0], places[:, 2:]]), include_z=True)


def _solid(blocks: list[Block], origin: tuple[float, float], *, turn_axes: bool) -> dict[str, Any]:
    """Return blocks as a Polyhedron, or several as a MultiPolyhedron: shells of polygons of rings of positions."""
    made = []
    for block in blocks:
        places = np.array(block.vertices, dtype=np.float64) * SCALE_M + np.array([*origin, 0.0])
        places = np.round(places[:, [1, 0, 2]] if turn_axes else places, 3)
        at = places.tolist()
        shell = [[[at[index] for index in (*ring, ring[0])] for ring in surface] for surface in block.surfaces]
        made.append([shell])
    if len(made) == 1:
        return {"type": "Polyhedron", "coordinates": made[0]}
    return {"type": "MultiPolyhedron", "coordinates": made}


def _text(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
