"""Own checks of a tileset: what viewers suffer from and validators miss (3D Tiles 1.1, EXT_mesh_features, EXT_structural_metadata)."""

import json
import posixpath
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from py3dtiles.exceptions import Py3dtilesException
from py3dtiles.tileset import TileSet

from cim import geoid
from cim.db import engine, superseded, tilesets
from cim.errors import TileError
from cim.settings import Settings
from tiles import proof, subtrees
from tiles.glb_read import Floats, Glb
from tiles.store import TileStore

_TOLERANCE_M = 0.05
_REFINES = ("ADD", "REPLACE")


@dataclass
class Report:
    """Faults of a layer.

    Parameters
    ----------
    layer
        Name.
    tiles, features
        Contents read and features found.
    far_tiles
        Of the contents, those that show others from afar and hold no codes.
    compared
        Buildings decoded and compared with the store.
    largest_offset_m
        Largest distance of a decoded vertex from its place in the store [m].
    unchecked
        Contents of kinds that are not looked into (point clouds, composites, implicit tiling of other than quadtrees of boxes …).
    faults
        In words, with their place.
    """

    layer: str
    tiles: int = 0
    features: int = 0
    far_tiles: int = 0
    compared: int = 0
    largest_offset_m: float = 0.0
    unchecked: int = 0
    faults: list[str] = field(default_factory=list)


def check_content(content: bytes) -> tuple[list[str], Floats]:
    """Check a glb; return its codes and its vertices with z up, shape (n, 3) [m].

    Parameters
    ----------
    content
        The file.

    Raises
    ------
    TileError
        Names the first fault.
    """
    batch: dict[str, Any] = {}
    centre = np.zeros(3)
    if content[:4] == b"b3dm":
        content, batch, centre = _unwrapped(content)
    glb = Glb(content)
    try:
        codes = _check_tables(glb) or [str(code) for code in batch.get("code", [])]
        vertices = [part.vertices + centre for part in glb.parts()]
    except (KeyError, IndexError, ValueError, TypeError, UnicodeDecodeError) as error:
        raise TileError(f"damaged structure: {type(error).__name__} {error}") from error
    return codes, np.concatenate(vertices) if vertices else np.empty((0, 3))


def _unwrapped(content: bytes) -> tuple[bytes, dict[str, Any], Floats]:
    """Return glb, batch table and centre [m] of a b3dm (3D Tiles 1.0, "Batched 3D Model")."""
    if len(content) < 28:
        raise TileError("b3dm header is cut off")
    version, length, *sizes = struct.unpack_from("<6I", content, 4)
    start = 28 + sum(sizes)
    if version != 1 or length != len(content) or start > length:
        raise TileError(f"b3dm header: version {version}, length {length}, file {len(content)}")
    if length % 8 or start % 8:
        raise TileError("b3dm: glb and file are not 8-byte aligned")
    try:
        features = json.loads(content[28 : 28 + sizes[0]] or b"{}")
        table = json.loads(content[28 + sizes[0] + sizes[1] : 28 + sizes[0] + sizes[1] + sizes[2]] or b"{}")
    except ValueError as error:
        raise TileError("b3dm: feature table or batch table is not JSON") from error
    return content[start:], table, np.array(features.get("RTC_CENTER", (0.0, 0.0, 0.0)), dtype=np.float64)


def _check_tables(glb: Glb) -> list[str]:
    """Check every column of every property table; return the codes, none for a far view."""
    metadata = glb.json.get("extensions", {}).get("EXT_structural_metadata", {})
    codes: list[str] = []
    told = [one for mesh in glb.json.get("meshes", []) for one in mesh["primitives"] if "EXT_mesh_features" in one.get("extensions", {})]
    if any("propertyTable" in one["extensions"]["EXT_mesh_features"]["featureIds"][0] for one in told) and not metadata:
        raise TileError("the features of a mesh have no property table")
    for number, table in enumerate(metadata.get("propertyTables", [])):
        for name, column in table["properties"].items():
            for part in ("values", "stringOffsets"):
                if part in column and (glb.json["bufferViews"][column[part]].get("byteOffset", 0) + glb.binary_offset) % 8:
                    raise TileError(f"property {name}: {part} is not 8-byte aligned")
            values = glb.column(number, name)
            if name == "code":
                codes += values
    return codes


def _corners(box: list[float], transform: Floats) -> Floats:
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
    return _apply(transform, np.array(box[:3]) + signs @ np.array(box[3:]).reshape(3, 3))


def _apply(transform: Floats, points: Floats) -> Floats:
    moved: Floats = points @ transform[:3, :3].T + transform[:3, 3]
    return moved


def _outside(points: Floats, box: list[float], transform: Floats) -> float:
    """Return how far points leave a box [m]; the box is in the tile's frame."""
    centre = _apply(transform, np.array(box[:3])[None])[0]
    worst = 0.0
    for axis in np.array(box[3:]).reshape(3, 3) @ transform[:3, :3].T:
        half = float(np.linalg.norm(axis))
        if half == 0.0:
            worst = max(worst, float(np.linalg.norm(points - centre, axis=1).max()) if not axis.any() else 0.0)
            continue
        worst = max(worst, float(np.abs((points - centre) @ (axis / half)).max() - half))
    return worst


def _transform_of(tile: dict[str, Any]) -> Floats:
    return np.array(tile.get("transform", np.eye(4).ravel()), dtype=np.float64).reshape(4, 4).T


Around = tuple[list[float], Floats] | None
Content = Callable[[str, bytes, Floats], None]


class Checker:
    """Walks a tileset and all external tilesets it leads to.

    Parameters
    ----------
    read
        Returns a file by its path; raises `TileError` where it is missing.
    report
        Faults go here.
    on_content
        Called with path, bytes and transform to EPSG:4978 of every content.
    """

    def __init__(self, read: Callable[[str], bytes], report: Report, on_content: Content | None = None) -> None:
        self._read, self.report, self._on_content = read, report, on_content
        self.codes: Counter[str] = Counter()
        self.files: set[str] = set()
        self._open: list[str] = []
        self._schema: dict[str, Any] = {}

    def document(self, path: str, parent: Floats, parent_error: float | None, place: str, around: Around) -> None:
        """Check a tileset.json and everything below."""
        if path in self._open:
            self.report.faults.append(f"{place} {path}: external tilesets lead back to themselves")
            return
        self.files.add(path)
        self._open.append(path)
        try:
            document = json.loads(self._read(path))
            if document["asset"].get("version") not in ("1.0", "1.1") or "refine" not in document["root"]:
                self.report.faults.append(f"{path}: expected asset.version 1.1 and a root with refine")
            if parent_error is None:
                # Read by a second, independent implementation; it refuses boxes and refinements that the standard does not know.
                TileSet.from_dict(document)
            self._schema = document.get("schema", {})
            root, error = document["root"], float(document["geometricError"])
            if parent_error is not None and float(root["geometricError"]) > parent_error + 1e-9:
                self.report.faults.append(f"{path}: geometricError {root['geometricError']} exceeds its parent's {parent_error}")
            self._tile(root, parent, error, place, posixpath.dirname(path), around)
        except TileError as error:
            self.report.faults.append(error.message)
        except (Py3dtilesException, NotImplementedError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            self.report.faults.append(f"{path}: damaged structure: {type(error).__name__} {error}")
        finally:
            self._open.pop()

    def _tile(self, tile: dict[str, Any], parent: Floats, parent_error: float, place: str, folder: str, around: Around) -> None:
        tile = self._as_explicit(tile, folder)
        transform = parent @ _transform_of(tile)
        if abs(np.linalg.det(_transform_of(tile))) < 1e-12:
            self.report.faults.append(f"{place}: the transform cannot be inverted")
        error = float(tile["geometricError"])
        if error < 0 or error > parent_error + 1e-9:
            self.report.faults.append(f"{place}: geometricError {error} exceeds its parent's {parent_error}")
        if "refine" in tile and tile["refine"] not in _REFINES:
            self.report.faults.append(f"{place}: refine is {tile['refine']!r}, expected ADD or REPLACE")
        box = tile["boundingVolume"].get("box")
        if box is None:
            self.report.faults.append(f"{place}: the bounding volume is no box")
            return
        if len(box) != 12 or not np.isfinite(box).all():
            self.report.faults.append(f"{place}: expected a box of 12 numbers, found {len(box)}")
            return
        if around is not None:
            off = _outside(_corners(box, transform), *around)
            if off > _TOLERANCE_M:
                self.report.faults.append(f"{place}: leaves its parent's box by {off:.2f} m")
        contents = [tile["content"]] if "content" in tile else tile.get("contents", [])
        if tile.get("children", [None]) == []:
            self.report.faults.append(f"{place}: children is empty, expected tiles or no such member")
        for content in contents:
            self._content(posixpath.normpath(posixpath.join(folder, content["uri"])), box, transform, error, place)
        for number, child in enumerate(tile.get("children", [])):
            self._tile(child, transform, error, f"{place}/{number}", folder, (box, transform))

    def _as_explicit(self, tile: dict[str, Any], folder: str) -> dict[str, Any]:
        """Return the explicit tiles that an implicit one stands for; without contents where it is of a kind that is not unfolded."""
        if "implicitTiling" not in tile:
            return tile
        if subtrees.is_known(tile, self._schema):
            return subtrees.unfolded(tile, self._schema, folder, self._noted)
        self.report.unchecked += 1
        return {name: value for name, value in tile.items() if name not in ("content", "contents")}

    def _noted(self, path: str) -> bytes:
        self.files.add(path)
        return self._read(path)

    def _content(self, path: str, box: list[float], transform: Floats, error: float, place: str) -> None:
        # Tiles made on request carry their filter behind the name.
        name = path.partition("?")[0]
        if name.endswith(".json"):
            self.document(path, transform, error, place, (box, transform))
            return
        if path in self.files:
            self.report.faults.append(f"{place} {path}: is shown twice")
        self.files.add(path)
        if not name.endswith((".glb", ".b3dm")):
            self.report.unchecked += 1
            return
        try:
            content = self._read(path)
            codes, vertices = check_content(content)
        except TileError as fault:
            self.report.faults.append(f"{place} {path}: {fault.message}")
            return
        self.report.tiles += 1
        self.report.far_tiles += not codes
        self.codes.update(codes)
        if len(vertices):
            off = _outside(_apply(transform, vertices), box, transform)
            if off > _TOLERANCE_M:
                self.report.faults.append(f"{place} {path}: content leaves its box by {off:.2f} m")
        if self._on_content is not None:
            self._on_content(path, content, transform)


def validate_folder(folder: Path) -> Report:
    """Check a tileset of anybody in a folder: structure, boxes, errors, contents; no store is asked.

    Parameters
    ----------
    folder
        Holds tileset.json; or the file itself.
    """
    root, name = (folder, "tileset.json") if folder.is_dir() else (folder.parent, folder.name)
    report = Report(str(folder))

    def read(path: str) -> bytes:
        target = root / path
        if not target.resolve().is_relative_to(root.resolve()) or not target.is_file():
            raise TileError(f"{path} is missing")
        return target.read_bytes()

    Checker(read, report).document(name, np.eye(4), None, "root", None)
    return report


def validate_layer(settings: Settings, layer: str, *, sample: int = 1000) -> Report:
    """Check a published layer against the standard and against the store.

    Parameters
    ----------
    settings
        Names store and tile store.
    layer
        Name.
    sample
        Buildings decoded to longitude, latitude and height and compared with their outline in the store.
    """
    store = TileStore(settings.tiles_url)
    report = Report(layer)
    decoded = proof.Sample() if layer == "buildings" else None
    with engine.connect(settings) as connection:
        wanted = Counter(tilesets.sample_codes(connection, layer))
        row = next((one for one in tilesets.fetch_tilesets(connection) if one.layer == layer), None)
    if decoded is not None:
        decoded.choose(sorted(wanted), sample)
    checker = Checker(lambda path: store.read(f"{layer}/{path}"), report, None if decoded is None else decoded.take)
    checker.document("tileset.json", np.eye(4), None, "root", None)
    if not report.tiles and report.faults:
        return report
    with engine.connect(settings) as connection:
        kept = superseded.fetch_names(connection, layer)
    orphans = store.names(layer) - {f"{layer}/{path}" for path in [*checker.files, *kept]}
    report.faults += [f"{name}: no tile refers to it" for name in sorted(orphans)]
    report.features = checker.codes.total()
    report.faults += [
        f"code {code} occurs {n} times, expected {max(wanted[code], 1)}" for code, n in checker.codes.items() if n > max(wanted[code], 1)
    ]
    report.faults += [f"code {code} is in the store and in no tile" for code in sorted(set(wanted) - set(checker.codes))[:20]]
    report.faults += [f"code {code} is in a tile and not in the store" for code in sorted(set(checker.codes) - set(wanted))[:20]]
    if decoded is not None and row is not None and row.parameters:
        with engine.connect(settings) as connection:
            found = decoded.compare(connection, row.parameters, geoid.of_parameters(row.parameters, settings.rasters_dir))
        report.compared, report.largest_offset_m = found.compared, found.largest_m
        report.faults += found.faults
    return report
