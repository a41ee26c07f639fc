"""CityJSON 2.0 (https://www.cityjson.org/specs/2.0.1): buildings as blocks, written without holding them all in memory."""

import shutil
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson
import shapely

from cim.exchange.model import Job, Rows
from cim.exchange.solid import SCALE_M, SEMANTICS, Block, Polygon, lay_flat, on_grid, raise_block

_OBJECTS_PER_STEP = 5000


def write_cityjson(path: Path, job: Job, batches: Iterable[Rows]) -> None:
    """Write the building register as one CityJSON object.

    Parameters
    ----------
    path
        File; its vertices are gathered in a second file next to it that goes at the end.
    job
        Of the collection buildings, in a projected CRS in metres.
    batches
        Rows, the footprint last.

    Notes
    -----
    A building with a height is a ``Solid`` of LoD 1.2 from its lowest ground upwards; of several parts, a ``Building`` with one
    ``BuildingPart`` each. A building without a height is its footprint, LoD 0. Vertices are easting, northing, elevation, whatever
    axis order the registry gives the CRS. Missing values are left out of the attributes.
    """
    spool = path.with_name(path.name + ".vertices")
    names = [column.name for column in job.collection.columns]
    with path.open("wb") as out, spool.open("wb+") as vertices:
        writer = _Writer(out, vertices)
        transform = {"scale": [SCALE_M] * 3, "translate": [*job.origin, 0.0]}
        out.write(b'{"type":"CityJSON","version":"2.0","transform":' + orjson.dumps(transform) + b',\n"CityObjects":{')
        for rows in _steps(batches):
            shapes = shapely.force_2d(shapely.from_wkb(np.array([row[-1] for row in rows], dtype=object)))
            for row, polygons in zip(rows, on_grid(shapes, job.origin), strict=True):
                writer.add(dict(zip(names, row[:-1], strict=True)), polygons)
        out.write(b'},\n"vertices":[')
        vertices.seek(0)
        shutil.copyfileobj(vertices, out)
        out.write(b'],\n"metadata":' + orjson.dumps(_metadata(job, writer)) + b"}\n")
    spool.unlink()


class _Writer:
    """Writes city objects to one file and their vertices to another."""

    def __init__(self, objects: IO[bytes], vertices: IO[bytes]) -> None:
        self._objects = objects
        self._vertices = vertices
        self._n_objects = 0
        self._n_vertices = 0
        self.low: list[int] | None = None
        self.high: list[int] | None = None

    def add(self, row: dict[str, Any], polygons: list[Polygon]) -> None:
        """Write a building with its parts."""
        code, ground, height = row["code"], row["ground_elevation_m"], row["height_m"]
        building: dict[str, Any] = {"type": "Building", "attributes": attributes_of(row)}
        base = round((ground or 0.0) / SCALE_M)
        top = base + round((height or 0.0) / SCALE_M)
        if not polygons:
            self._write(code, building)
        elif top <= base:
            self._write(code, building | {"geometry": [self._flat(lay_flat(polygons, base))]})
        elif len(polygons) == 1:
            self._write(code, building | {"geometry": [self._solid(raise_block(polygons[0], base, top))]})
        else:
            parts = [f"{code}-{number}" for number in range(1, len(polygons) + 1)]
            self._write(code, building | {"children": parts})
            for part, polygon in zip(parts, polygons, strict=True):
                solid = self._solid(raise_block(polygon, base, top))
                self._write(part, {"type": "BuildingPart", "parents": [code], "geometry": [solid]})

    def _write(self, code: str, made: dict[str, Any]) -> None:
        self._objects.write((b",\n" if self._n_objects else b"\n") + orjson.dumps(code) + b":" + orjson.dumps(made))
        self._n_objects += 1

    def _solid(self, block: Block) -> dict[str, Any]:
        semantics = {"surfaces": SEMANTICS, "values": [block.kinds]}
        return {"type": "Solid", "lod": "1.2", "boundaries": [self._surfaces(block)], "semantics": semantics}

    def _flat(self, block: Block) -> dict[str, Any]:
        return {"type": "MultiSurface", "lod": "0", "boundaries": self._surfaces(block)}

    def _surfaces(self, block: Block) -> list[list[list[int]]]:
        """Write the vertices of a block and return its surfaces with the indices they have in the file."""
        text = orjson.dumps(block.vertices)[1:-1]
        self._vertices.write((b",\n" if self._n_vertices else b"\n") + text)
        first, self._n_vertices = self._n_vertices, self._n_vertices + len(block.vertices)
        low, high = [min(axis) for axis in zip(*block.vertices, strict=True)], [max(axis) for axis in zip(*block.vertices, strict=True)]
        self.low = low if self.low is None else [min(pair) for pair in zip(self.low, low, strict=True)]
        self.high = high if self.high is None else [max(pair) for pair in zip(self.high, high, strict=True)]
        return [[[first + index for index in ring] for ring in surface] for surface in block.surfaces]


def attributes_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a building as JSON values, missing ones left out."""
    attributes = {name: _json(value) for name, value in row.items() if value is not None}
    if row.get("ground_elevation_m") is None:
        attributes["groundElevationSource"] = "unknown"
    return attributes


def _steps(batches: Iterable[Rows]) -> Iterator[Rows]:
    for rows in batches:
        for start in range(0, len(rows), _OBJECTS_PER_STEP):
            yield rows[start : start + _OBJECTS_PER_STEP]


def _json(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime | date) else value


def _metadata(job: Job, writer: _Writer) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "referenceSystem": f"https://www.opengis.net/def/crs/EPSG/0/{job.srid}",
        "referenceDate": job.moment.date().isoformat(),
        "title": f"{job.city.zh} {job.city.en}: {job.collection.title.zh} {job.collection.title.en}, z {job.vertical_datum}",
    }
    if writer.low is not None and writer.high is not None:
        origin = [*job.origin, 0.0]
        corners = [[o + cell * SCALE_M for o, cell in zip(origin, cells, strict=True)] for cells in (writer.low, writer.high)]
        metadata["geographicalExtent"] = [round(number, 3) for corner in corners for number in corner]
    return metadata
