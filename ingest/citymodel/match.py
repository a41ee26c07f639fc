"""City objects that show buildings of the register: the same code, or footprints that cover each other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from cim.crs import STORE_SRID, transform_box, transform_xy
from cim.db import citymodels as rows
from cim.db.engine import Connection
from ingest.citymodel.build import Batch, Made

LEAST_OVERLAP = 0.5
"""Intersection over union of the footprints from which on they are the same building."""


@dataclass(frozen=True)
class Matched:
    """The building of the register that an object shows."""

    code: str
    county: str
    method: str
    score: float | None


def match(connection: Connection, batch: Batch) -> dict[str, Matched]:
    """Return the building of each family of a batch by the key of its first object, where one was found."""
    roots = [one for one in batch.objects if one.key == one.root and one.kind == "Building"]
    told = rows.fetch_counties(connection, [one.key for one in roots])
    found = {one.key: Matched(one.key, told[one.key], "code", None) for one in roots if one.key in told}
    open_ = [one for one in roots if one.key not in found]
    outlines = _family_outlines(batch, open_)
    if not outlines:
        return found
    keys, shapes = list(outlines), np.array(list(outlines.values()), dtype=object)
    west, south, east, north = (float(value) for value in shapely.total_bounds(shapes))
    box = transform_box(batch.place.projected, f"EPSG:{STORE_SRID}", (west, south, east, north))
    buildings = rows.fetch_buildings(connection, box)
    if not buildings:
        return found

    def to_metres(lonlat: Any) -> Any:  # noqa: ANN401 - numpy arrays
        return np.column_stack(transform_xy(f"EPSG:{STORE_SRID}", batch.place.projected, lonlat[:, 0].copy(), lonlat[:, 1].copy()))

    register = shapely.transform(shapely.from_wkb([row[2] for row in buildings]), to_metres)
    pairs = shapely.STRtree(register).query(shapes, predicate="intersects")
    if not pairs.size:
        return found
    common = shapely.area(shapely.intersection(shapes[pairs[0]], register[pairs[1]]))
    score = common / (shapely.area(shapes[pairs[0]]) + shapely.area(register[pairs[1]]) - common)
    for at in np.argsort(score):
        if score[at] >= LEAST_OVERLAP:
            code, county, _ = buildings[pairs[1][at]]
            found[keys[pairs[0][at]]] = Matched(code, county, "footprint", round(float(score[at]), 4))
    return found


def _family_outlines(batch: Batch, roots: list[Made]) -> dict[str, Any]:
    wanted = {one.key for one in roots}
    parts: dict[str, list[Any]] = {}
    for one in batch.objects:
        if one.root in wanted and one.ground is not None:
            parts.setdefault(one.root, []).append(one.ground)
    return {key: found[0] if len(found) == 1 else shapely.union_all(found) for key, found in parts.items()}
