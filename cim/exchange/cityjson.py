"""CityJSON 2.0 (https://www.cityjson.org/specs/2.0.1): buildings and city objects, written without holding them all in memory."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson
import shapely

from cim.exchange.citymodel import Appearances, Cells, StoredObject, best_families, cells_of, class_of, geometry_of
from cim.exchange.model import Job, Rows
from cim.exchange.solid import SCALE_M, SEMANTICS, Block, Polygon, lay_flat, on_grid, raise_block

_OBJECTS_PER_STEP = 1000


def write_cityjson(path: Path, job: Job, batches: Iterable[Rows]) -> None:
    """Write buildings or city objects as one CityJSON object.

    Parameters
    ----------
    path
        File; vertices and texture vertices are gathered in files next to it that go at the end.
    job
        Of the collection buildings or city-objects, in a projected CRS in metres.
    batches
        Rows, the footprint last.

    Notes
    -----
    A building that a city model shows has the geometry of the model in all its levels, with parts, semantics and appearance. Any other
    building with a height is a ``Solid`` of LoD 1.2 from its lowest ground upwards; of several parts, a ``Building`` with one
    ``BuildingPart`` each. A building without a height is its footprint, LoD 0. City objects are as their source had them. Vertices are
    easting, northing, elevation, whatever axis order the registry gives the CRS. Missing values are left out of the attributes.
    """
    names = [column.name for column in job.collection.columns]
    spools = [path.with_name(f"{path.name}.{part}") for part in ("vertices", "texture-vertices")]
    with ExitStack() as stack:
        out = stack.enter_context(path.open("wb"))
        vertices, places = (stack.enter_context(spool.open("wb+")) for spool in spools)
        writer = _Writer(out, vertices, places, job)
        transform = {"scale": [SCALE_M] * 3, "translate": [*job.origin, 0.0]}
        out.write(b'{"type":"CityJSON","version":"2.0","transform":' + orjson.dumps(transform) + b',\n"CityObjects":{')
        for rows in _steps(batches):
            if job.collection.id == "city-objects":
                writer.add_objects([row[names.index("code")] for row in rows])
            else:
                writer.add_buildings([dict(zip(names, row, strict=False)) for row in rows], [row[-1] for row in rows])
        out.write(b'},\n"vertices":[')
        _append(out, vertices)
        writer.write_appearance(places)
        out.write(b',\n"metadata":' + orjson.dumps(_metadata(job, writer)) + b"}\n")
    for spool in spools:
        spool.unlink()


def _append(out: IO[bytes], spool: IO[bytes]) -> None:
    spool.seek(0)
    shutil.copyfileobj(spool, out)
    out.write(b"]")


class _Writer:
    """Writes city objects to one file and their vertices to another."""

    def __init__(self, objects: IO[bytes], vertices: IO[bytes], places: IO[bytes], job: Job) -> None:
        self._objects = objects
        self._vertices = vertices
        self._job = job
        self._appearances = Appearances(places)
        self._n_objects = 0
        self._n_vertices = 0
        self.low: Cells | None = None
        self.high: Cells | None = None

    def add_buildings(self, rows: list[dict[str, Any]], footprints: list[bytes | None]) -> None:
        """Write buildings, each as its best city model shows it or as a block."""
        models = self._job.models([row["code"] for row in rows]) if self._job.models else []
        families = best_families(models)
        shapes = shapely.force_2d(shapely.from_wkb(np.array(footprints, dtype=object)))
        for row, polygons in zip(rows, on_grid(shapes, self._job.origin), strict=True):
            family = families.get(row["code"])
            if family is None:
                self._add_block(row, polygons)
            else:
                self._add_family(row, family)
                self._job.counts["buildings_from_models"] = self._job.counts.get("buildings_from_models", 0) + 1

    def add_objects(self, codes: list[str]) -> None:
        """Write city objects as their source had them, with their code and that of their building."""
        found = self._job.models(codes) if self._job.models else []
        for one, made in zip(found, self._geometries(found), strict=True):
            links = {"children": one.children} if one.children else {}
            told = {"cim_code": one.code} | ({"cim_building_code": one.building_code} if one.building_code else {})
            kind, attributes = class_of(one)
            parents = {"parents": [one.parent_key]} if one.parent_key else {}
            self._write(one.key, {"type": kind, "attributes": attributes | told} | parents | links | made)

    def write_appearance(self, places: IO[bytes]) -> None:
        """Write materials, textures and texture vertices where there are any."""
        kept = {"materials": self._appearances.materials, "textures": self._appearances.textures}
        kept = {name: value for name, value in kept.items() if value}
        if not kept:
            return
        self._objects.write(b',\n"appearance":' + orjson.dumps(kept)[:-1] + b',"vertices-texture":[')
        _append(self._objects, places)
        self._objects.write(b"}")

    def _add_family(self, row: dict[str, Any], family: list[StoredObject]) -> None:
        root = family[0]
        keys = {one.code: row["code"] if one is root else one.code for one in family}
        for one, made in zip(family, self._geometries(family), strict=True):
            kind, attributes = class_of(one)
            parts = [keys[part.code] for part in family if part.parent_code == one.code]
            links: dict[str, Any] = {"children": parts} if parts else {}
            if one is root:
                attributes = attributes | attributes_of(row) | {"cim_model_code": one.code}
            else:
                links["parents"] = [keys[one.parent_code]]
            self._write(keys[one.code], {"type": kind, "attributes": attributes} | links | made)

    def _geometries(self, objects: list[StoredObject]) -> list[dict[str, Any]]:
        found = []
        for one, (cells, numbers) in zip(objects, cells_of(objects, self._job.srid, self._job.origin), strict=True):
            first = self._take(cells)
            made = [
                geometry_of(shape, one.kind, of_shape, first, self._appearances)
                for shape, of_shape in zip(one.shapes, numbers, strict=True)
            ]
            found.append({"geometry": made} if made else {})
        return found

    def _add_block(self, row: dict[str, Any], polygons: list[Polygon]) -> None:
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
        first = self._take(np.array(block.vertices, np.int64).reshape(-1, 3))
        return [[[first + index for index in ring] for ring in surface] for surface in block.surfaces]

    def _take(self, cells: Cells) -> int:
        """Write vertices and return the number that the first one has in the file."""
        first = self._n_vertices
        if len(cells):
            text = orjson.dumps(np.ascontiguousarray(cells), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
            self._vertices.write((b",\n" if first else b"\n") + text)
            self._n_vertices += len(cells)
            low, high = cells.min(axis=0), cells.max(axis=0)
            self.low = low if self.low is None else np.minimum(self.low, low)
            self.high = high if self.high is None else np.maximum(self.high, high)
        return first


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
        corners = [[o + cell * SCALE_M for o, cell in zip(origin, cells.tolist(), strict=True)] for cells in (writer.low, writer.high)]
        metadata["geographicalExtent"] = [round(number, 3) for corner in corners for number in corner]
    return metadata
