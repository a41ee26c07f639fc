"""Layers ``points/<name>``: scans (LAS, LAZ) as tiles. py3dtiles reads, projects and shares out the points; the contents are written anew.

Its own contents of version 1.1 keep z up, where glTF has y up (section 3.3), have colours that are not normalised and rows that are not
aligned to 4 bytes (section 3.6.2.4), and its preview at the root repeats points: none of that reaches the tile store.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from py3dtiles.constants import SpecVersion
from py3dtiles.convert import convert
from py3dtiles.exceptions import Py3dtilesException

from cim.crs import epsg_of, parse_crs, transform_box
from cim.db import datasets, engine, profiles, superseded, tilesets
from cim.db.datasets import Counts, DatasetInfo
from cim.db.tilesets import TileRow, TilesetRow
from cim.errors import ConfigError, GeometryError, InvalidParameterError, MissingCrsError, SourceSyntaxError
from cim.geoid import Geoid
from cim.geometry.measures import STEPS
from cim.settings import Settings
from tiles import merge
from tiles.glb import Document
from tiles.glb_read import Floats, Glb
from tiles.lift import Lift
from tiles.store import TileStore

KIND = "pointcloud"
PREFIX = "points/"
STYLE = "points-1"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
_EXTRA = ("classification", "intensity")
_NOWHERE = np.eye(4)


@dataclass(frozen=True)
class Scan:
    """What the headers of the files say.

    Parameters
    ----------
    files
        Of one scan.
    crs
        Horizontal, or three-dimensional with ellipsoidal heights.
    has_normal_heights
        Heights are in the city's vertical datum; otherwise ellipsoidal.
    n_points
        Of all files.
    box
        West, south, east, north [deg], EPSG:4490.
    heights
        Lowest and highest point as written [m].
    sha256
        Of all files.
    """

    files: list[Path]
    crs: pyproj.CRS
    has_normal_heights: bool
    n_points: int
    box: tuple[float, float, float, float]
    heights: tuple[float, float]
    sha256: str


def _laspy() -> Any:  # noqa: ANN401 - laspy ships no types
    try:
        import laspy
    except ImportError as error:
        raise ConfigError("point clouds need laspy and lazrs, which are not installed", hint="pip install 'cim[pointclouds]'") from error
    return laspy


def _header(path: Path) -> Any:  # noqa: ANN401 - laspy ships no types
    laspy = _laspy()
    if not path.is_file():
        raise SourceSyntaxError(path, "found no such file, expected LAS or LAZ")
    try:
        with laspy.open(path) as reader:
            return reader.header
    except (laspy.errors.LaspyException, ValueError, OSError, EOFError) as error:
        raise SourceSyntaxError(
            path, f"found no LAS or LAZ, or a damaged one: {error}", hint="check it with lasinfo or pdal info"
        ) from error


def look(files: Sequence[Path], crs: str | None = None) -> Scan:
    """Read the headers of a scan.

    Parameters
    ----------
    files
        LAS or LAZ.
    crs
        Wins over the one in the files; None = as written there.

    Raises
    ------
    SourceSyntaxError
        A file is no LAS or LAZ.
    MissingCrsError
        Neither the files nor the caller name a CRS.
    GeometryError
        No points, coordinates outside of the CRS, different CRS per file, or heights in feet.
    """
    found: list[tuple[pyproj.CRS, Any]] = []
    digest = hashlib.sha256()
    for path in files:
        header = _header(path)
        told = parse_crs(crs) if crs else header.parse_crs()
        if told is None:
            raise MissingCrsError(path, "found no coordinate reference system, expected one", hint="give --crs EPSG:<number>")
        if header.point_count == 0:
            raise GeometryError(path, "found no points, expected some")
        if found and told != found[0][0]:
            raise GeometryError(path, f"found {told.name}, expected {found[0][0].name} as in {files[0].name}")
        found.append((told, header))
        with path.open("rb") as handle:
            digest.update(hashlib.file_digest(handle, "sha256").digest())
    whole = found[0][0]
    horizontal = whole.sub_crs_list[0] if whole.is_compound else whole
    if any(axis.unit_name not in ("metre", "meter") for axis in whole.axis_info[2:]):
        raise GeometryError(files[0], f"found heights in {whole.axis_info[2].unit_name}, expected metres", hint="pdal translate first")
    low = np.min([header.mins for _, header in found], axis=0)
    high = np.max([header.maxs for _, header in found], axis=0)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
        raise GeometryError(files[0], f"found a box {low.tolist()} to {high.tolist()}, expected numbers", hint="check it with lasinfo")
    flat = horizontal.to_2d() if len(horizontal.axis_info) == 3 else horizontal
    code = epsg_of(flat)
    box = transform_box(flat.to_wkt() if code is None else f"EPSG:{code}", "EPSG:4490", (low[0], low[1], high[0], high[1]))
    if not np.isfinite(box).all():
        raise GeometryError(files[0], f"found {low.tolist()} to {high.tolist()}, expected places within {flat.name}")
    n = sum(int(header.point_count) for _, header in found)
    return Scan(
        list(files), horizontal, whole.is_compound or len(whole.axis_info) < 3, n, box, (float(low[2]), float(high[2])), digest.hexdigest()
    )


def encode(points: NDArray[np.float32], attributes: dict[str, NDArray[Any]], dataset: str, *, compress: bool) -> bytes:
    """Return a glb of points (glTF 2.0, mode 0) with classification and intensity as property attributes.

    Parameters
    ----------
    points
        Shape (n, 3), z up [units of the tile].
    attributes
        ``COLOR_0`` (n, 3) uint8, ``_CLASSIFICATION`` (n,) uint8, ``_INTENSITY`` (n,) uint16; what is missing is left out.
    dataset
        Name and version of the dataset, one feature for all points.
    compress
        As in `tiles.glb.build_glb`.
    """
    used = ["EXT_mesh_features", "EXT_structural_metadata", "KHR_mesh_quantization", *(["EXT_meshopt_compression"] if compress else [])]
    document = Document(
        {
            "asset": {"version": "2.0", "generator": "cim"}, "extensionsUsed": used, "extensionsRequired": used[2:], "scene": 0,
            "scenes": [{"nodes": [0]}], "bufferViews": [], "accessors": [], "materials": [{"doubleSided": True}],
        },
        compress,
    )  # fmt: skip
    upright = np.column_stack((points[:, 0], points[:, 2], -points[:, 1])).astype(np.float64)
    low, high = upright.min(axis=0), upright.max(axis=0)
    centre, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-3)
    steps = np.zeros((len(upright), 4), np.int16)
    steps[:, :3] = np.rint((upright - centre) * (STEPS / half))
    made = {"POSITION": document.add_attribute(steps, width=3, normalized=True)}
    document.json["accessors"][0] |= {"min": steps[:, :3].min(axis=0).tolist(), "max": steps[:, :3].max(axis=0).tolist()}
    if "COLOR_0" in attributes:
        colours = np.full((len(points), 4), 255, np.uint8)
        colours[:, :3] = attributes["COLOR_0"]
        made["COLOR_0"] = document.add_attribute(colours, width=4, normalized=True)
    properties: dict[str, Any] = {}
    for name, kind in (("classification", "UINT8"), ("intensity", "UINT16")):
        if (semantic := f"_{name.upper()}") in attributes:
            made[semantic] = document.add_attribute(attributes[semantic], width=1)
            properties[name] = ({"type": "SCALAR", "componentType": kind}, {"attribute": semantic})
    made["_FEATURE_ID_0"] = document.add_attribute(np.zeros((len(points), 2), np.uint16), width=1)
    told: dict[str, Any] = {"EXT_mesh_features": {"featureIds": [{"featureCount": 1, "attribute": 0, "propertyTable": 0}]}}
    if properties:
        told["EXT_structural_metadata"] = {"propertyAttributes": [0]}
    document.json["meshes"] = [{"primitives": [{"attributes": made, "mode": 0, "material": 0, "extensions": told}]}]
    document.json["nodes"] = [{"mesh": 0, "translation": centre.tolist(), "scale": [half] * 3}]
    told_name = dataset.encode()
    classes: dict[str, Any] = {"scan": {"properties": {"dataset": {"type": "STRING", "required": True}}}}
    table = {"values": document.add_view(told_name), "stringOffsets": document.add_view(np.array([0, len(told_name)], "<u4").tobytes())}
    metadata: dict[str, Any] = {"propertyTables": [{"class": "scan", "count": 1, "properties": {"dataset": table}}]}
    if properties:
        classes["point"] = {"properties": {key: schema for key, (schema, _) in properties.items()}}
        metadata["propertyAttributes"] = [{"class": "point", "properties": {key: where for key, (_, where) in properties.items()}}]
    document.json["extensions"] = {"EXT_structural_metadata": {"schema": {"id": "cim", "classes": classes}} | metadata}
    return document.to_glb()


def _rewritten(
    tile: dict[str, Any], folder: Path, made: list[tuple[str, bytes]], dataset: str, *, compress: bool, lift: Lift | None, outer: Floats
) -> Iterator[dict[str, Any]]:
    """Turn a tile of py3dtiles into ours, its contents with it; external tilesets are taken in."""
    uri = tile.get("content", {}).get("uri", "")
    if uri.endswith(".json"):
        inner = json.loads((folder / uri).read_text(encoding="utf-8"))["root"]
        inner["transform"] = _product(tile.get("transform"), inner.get("transform"))
        yield from _rewritten(inner, (folder / uri).parent, made, dataset, compress=compress, lift=lift, outer=outer)
        return
    result: dict[str, Any] = {key: tile[key] for key in ("boundingVolume", "geometricError", "transform", "refine") if key in tile}
    matrix = outer @ np.array(tile.get("transform", np.eye(4).ravel()), dtype=np.float64).reshape(4, 4).T
    if lift is not None:
        result["boundingVolume"] = {"box": lift.padded(tile["boundingVolume"]["box"], matrix, is_root=outer is _NOWHERE)}
    if uri.endswith(".glb") and not uri.endswith("preview.glb"):
        glb = Glb((folder / uri).read_bytes())
        names = glb.json["meshes"][0]["primitives"][0]["attributes"]
        values = {name: glb.accessor(index) for name, index in names.items()}
        points = values.pop("POSITION").astype(np.float32)
        if lift is not None:
            points = lift.lifted(points, matrix)
        scalars = {name: column if name == "COLOR_0" else column.ravel() for name, column in values.items()}
        content = encode(points, scalars, dataset, compress=compress)
        name = f"content/{len(made)}-{hashlib.sha256(content).hexdigest()[:16]}.glb"
        made.append((name, content))
        result["content"] = {"uri": name}
    below = [
        one
        for child in tile.get("children", [])
        for one in _rewritten(child, folder, made, dataset, compress=compress, lift=lift, outer=matrix)
    ]
    if below:
        result["children"] = below
    yield result


def _product(outer: list[float] | None, inner: list[float] | None) -> list[float]:
    first, second = (np.eye(4) if one is None else np.array(one, dtype=np.float64).reshape(4, 4).T for one in (outer, inner))
    return [float(value) for value in (first @ second).T.ravel()]


def _tiled(scan: Scan, folder: Path, jobs: int) -> dict[str, Any]:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            convert(
                [str(path) for path in scan.files], folder, overwrite=True, jobs=jobs, crs_in=scan.crs, force_crs_in=True,
                crs_out=pyproj.CRS.from_epsg(4978), pyproj_always_xy=True, extra_fields=list(_EXTRA), spec_version=SpecVersion.V1_1,
                use_process_pool=False,
            )  # fmt: skip
    except Py3dtilesException as error:
        raise SourceSyntaxError(scan.files[0], f"py3dtiles gave up: {error}") from error
    document: dict[str, Any] = json.loads((folder / "tileset.json").read_text(encoding="utf-8"))
    return document


def build_points(settings: Settings, files: Sequence[Path], name: str, *, crs: str | None = None, dry_run: bool = False) -> tuple[int, int]:
    """Make a layer of a scan, unless it is there already; return points and tiles.

    Parameters
    ----------
    settings
        Names store and tile store.
    files
        LAS or LAZ of one scan; heights in the city's vertical datum unless their CRS has ellipsoidal ones.
    name
        Of the layer ``points/<name>`` and of the dataset.
    crs
        Wins over the one in the files.
    dry_run
        Read the headers only.

    Raises
    ------
    InvalidParameterError
        The name has other characters than a-z, 0-9 and hyphens.
    SourceError
        As of `look`.
    """
    if not _NAME.fullmatch(name):
        raise InvalidParameterError("name", name, "a-z, 0-9 and hyphens, at most 61")
    scan = look(files, crs)
    if dry_run:
        return scan.n_points, 0
    layer, store = f"{PREFIX}{name}", TileStore(settings.tiles_url)
    with tempfile.TemporaryDirectory(prefix="cim-points-") as folder, engine.connect(settings) as connection:
        tilesets.lock_layer(connection, layer)
        known = datasets.last_version(connection, KIND, name)
        tiles = tilesets.fetch_input_hashes(connection, layer)
        if known is not None and known[1] == scan.sha256 and tiles and all(store.exists(f"{layer}/{row.uri}") for row in tiles.values()):
            return scan.n_points, len(tiles)
        geoid = profiles.fetch_geoid(settings, connection) if scan.has_normal_heights else Geoid(0.0)
        lift = Lift(geoid, scan.box)
        document = _tiled(scan, Path(folder), settings.tiles.workers or os.cpu_count() or 1)
        code = epsg_of(scan.crs)
        info = DatasetInfo(
            KIND, name, ", ".join(path.name for path in files), scan.sha256, None if code is None else f"EPSG:{code}", None, None, None
        )
        dataset = datasets.reserve_dataset(connection, info)
        made: list[tuple[str, bytes]] = []
        compress = settings.tiles.meshopt
        (root,) = _rewritten(
            document["root"],
            Path(folder),
            made,
            f"{name}/{dataset}",
            compress=compress,
            lift=None if geoid.grid is None else lift,
            outer=_NOWHERE,
        )
        root["transform"] = _product([float(value) for value in lift.shift.T.ravel()], root.get("transform"))
        for uri, content in made:
            store.write(f"{layer}/{uri}", content)
        rows = [
            TileRow(str(n), uri, scan.sha256, hashlib.sha256(content).hexdigest(), 0, len(content), scan.box)
            for n, (uri, content) in enumerate(made)
        ]
        title = {"en": f"Scan {name}", "zh": f"点云 {name}"}
        datasets.finish_dataset(connection, dataset, Counts(scan.n_points, scan.n_points, 0, 0), [], {"tiles": len(made)})
        before = {row.uri for row in tiles.values()}
        tilesets.save_tileset(
            connection,
            TilesetRow(
                layer, KIND, "pointclouds", title, None, False, [], scan.n_points, scan.box, scan.heights[0] + lift.reach[0],
                scan.heights[1] + lift.reach[1], f"{layer}/tileset.json", STYLE, 0, rows, {"dataset": str(dataset)},
            ),
        )  # fmt: skip
        superseded.retire(connection, layer, before - {row.uri for row in rows})
        body = {
            "asset": {"version": "1.1", "tilesetVersion": STYLE, "extras": {"dataset": f"{name}/{dataset}"}},
            "geometricError": document["geometricError"], "root": root,
        }  # fmt: skip
        store.settle([f"{layer}/content"])
        store.write(f"{layer}/tileset.json", json.dumps(body, separators=(",", ":")).encode())
    merge.write_city(settings)
    return scan.n_points, len(made)
