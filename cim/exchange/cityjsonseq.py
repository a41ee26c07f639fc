"""CityJSON text sequences (https://www.cityjson.org/cityjsonseq): one line of metadata, then one line per building."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely

from cim.exchange.cityjson import attributes_of
from cim.exchange.model import Job, Rows
from cim.exchange.solid import SCALE_M, SEMANTICS, Block, Polygon, lay_flat, on_grid, raise_block


def write_cityjsonseq(path: Path, job: Job, batches: Iterable[Rows]) -> None:
    """Write the building register as a CityJSON text sequence; solids and attributes as `cim.exchange.cityjson.write_cityjson`.

    Parameters
    ----------
    job
        Of the collection buildings, in a projected CRS in metres.
    batches
        Rows, the footprint last.
    """
    names = [column.name for column in job.collection.columns]
    metadata = {"referenceSystem": f"https://www.opengis.net/def/crs/EPSG/0/{job.srid}", "title": job.title}
    head = {
        "type": "CityJSON", "version": "2.0", "transform": {"scale": [SCALE_M] * 3, "translate": [*job.origin, 0.0]},
        "metadata": metadata, "CityObjects": {}, "vertices": [],
    }  # fmt: skip
    with path.open("wb") as out:
        out.write(orjson.dumps(head) + b"\n")
        for rows in batches:
            shapes = shapely.force_2d(shapely.from_wkb(np.array([row[-1] for row in rows], dtype=object)))
            for row, polygons in zip(rows, on_grid(shapes, job.origin), strict=True):
                out.write(orjson.dumps(_feature(dict(zip(names, row[:-1], strict=True)), polygons)) + b"\n")


def _feature(row: dict[str, Any], polygons: list[Polygon]) -> dict[str, Any]:
    code, ground, height = row["code"], row.get("ground_elevation_m"), row.get("height_m")
    building: dict[str, Any] = {"type": "Building", "attributes": attributes_of(row)}
    objects = {code: building}
    base = round((ground or 0.0) / SCALE_M)
    top = base + round((height or 0.0) / SCALE_M)
    vertices: list[tuple[int, int, int]] = []
    if polygons and top <= base:
        building["geometry"] = [_geometry(lay_flat(polygons, base), vertices, "MultiSurface")]
    elif len(polygons) == 1:
        building["geometry"] = [_geometry(raise_block(polygons[0], base, top), vertices, "Solid")]
    elif polygons:
        building["children"] = [f"{code}-{number}" for number in range(1, len(polygons) + 1)]
        for part, polygon in zip(building["children"], polygons, strict=True):
            solid = _geometry(raise_block(polygon, base, top), vertices, "Solid")
            objects[part] = {"type": "BuildingPart", "parents": [code], "geometry": [solid]}
    return {"type": "CityJSONFeature", "id": code, "CityObjects": objects, "vertices": vertices}


def _geometry(block: Block, vertices: list[tuple[int, int, int]], kind: str) -> dict[str, Any]:
    first = len(vertices)
    vertices.extend(block.vertices)
    surfaces = [[[first + index for index in ring] for ring in surface] for surface in block.surfaces]
    if kind == "MultiSurface":
        return {"type": kind, "lod": "0", "boundaries": surfaces}
    return {"type": kind, "lod": "1.2", "boundaries": [surfaces], "semantics": {"surfaces": SEMANTICS, "values": [block.kinds]}}
