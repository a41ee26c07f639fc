"""Layers ``networks/<kind>``: pipes, ducts, wells, lamps at their true depth."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.db import tile_reads
from cim.db.engine import Connection
from cim.db.tilesets import TileRow
from cim.geoid import Geoid
from cim.geometry.ecef import Matrix, enu_frame
from cim.geometry.mesh import Mesh, to_srgb_linear, to_y_up, unit_float32
from cim.geometry.models import MODELS
from cim.geometry.tube import ducts, merged, tubes
from tiles.content import LayerContent, Leaf, branch_of
from tiles.glb import Primitive
from tiles.instances import build_scene
from tiles.instancing import Copies
from tiles.layers.common import NETWORK_TITLES, SYNTHETIC_NOTE, hash_of, local
from tiles.metadata import Number, PropertyTable, Text
from tiles.plan import Node, plan

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Colour = tuple[float, float, float, float]

STYLE = "networks-4"
# Map colours of CJJ 61 practice, brightened where a dark pipe would vanish underground.
_COLOURS = {
    "water": "#2060d0", "rainwater": "#8b4a2b", "sewage": "#b0306a", "gas": "#ff7fe9", "heat": "#ff8c00", "power": "#e02020",
    "lighting": "#ffb020", "telecom": "#108a30", "road": "#808080", "tunnel": "#ffd700",
}  # fmt: skip
_MIN_RADIUS_M = 0.05
# Model, radius [m], and the top above ground [m]; None = a joint of the pipe. Lamps and trees are as wide as they are high.
_MODELS: dict[str | None, tuple[str, float, float | None]] = {
    "MANHOLE": ("shaft", 0.35, 0.0), "VALVE_WELL": ("shaft", 0.45, 0.0), "METER_WELL": ("shaft", 0.3, 0.0), "HANDHOLE": ("shaft", 0.3, 0.0),
    "GULLY": ("shaft", 0.25, 0.0), "VALVE": ("valve", 0.18, None), "HYDRANT": ("hydrant", 0.12, 0.8), "LAMP": ("lamp", 8.0, 8.0),
    "TREE": ("tree", 6.0, 6.0), "TRANSFORMER": ("cabinet", 0.9, 1.8), "SUBSTATION": ("cabinet", 2.0, 3.0), "CABINET": ("cabinet", 0.4, 1.4),
    "ENTRANCE": ("cabinet", 1.5, 2.8), "HATCH": ("shaft", 1.2, 0.2), "VENT": ("cabinet", 1.0, 2.0), "EXIT": ("shaft", 0.5, 0.3),
    "REG_BOX": ("cabinet", 0.4, 1.5), "REG_STATION": ("cabinet", 2.0, 3.0), "PUMP": ("cabinet", 1.5, 2.5),
}  # fmt: skip
_JOINT: tuple[str, float, float | None] = ("shaft", 0.12, None)
_STANDING = ("lamp", "tree")


def _colour(kind: str) -> Colour:
    text = _COLOURS[kind].lstrip("#")
    red, green, blue = to_srgb_linear(np.array([int(text[i : i + 2], 16) / 255 for i in (0, 2, 4)]))
    return float(red), float(green), float(blue), 1.0


def _radius(row: tuple[Any, ...]) -> float:
    return max(_MIN_RADIUS_M, (row[2] or 0) / 2000)


def _is_duct(row: tuple[Any, ...]) -> bool:
    return bool(row[3] and row[4])


def _centre_shift(row: tuple[Any, ...]) -> float:
    """Return how far the centre line lies above the surveyed line [m]: crown down, invert up."""
    half = row[4] / 2000 if _is_duct(row) else _radius(row)
    return float({"crown": -half, "invert": half}.get(row[5], 0.0))


def _vertices(edges: list[tuple[Any, ...]]) -> tuple[Floats, Ints]:
    """Return the vertices of all lines (lon, lat, height), shape (v, 3), and the line of each."""
    if not edges:
        return np.empty((0, 3)), np.empty(0, dtype=np.int64)
    xyz, line = shapely.get_coordinates(shapely.from_wkb([row[7] for row in edges]), include_z=True, return_index=True)
    return xyz, line.astype(np.int64)


def _lines(frame: Matrix, edges: list[tuple[Any, ...]], geoid: Geoid) -> Mesh:
    xyz, line = _vertices(edges)
    shift = np.array([_centre_shift(row) for row in edges])[line] + geoid.at(xyz[:, 0], xyz[:, 1])
    places = local(frame, xyz[:, 0], xyz[:, 1], xyz[:, 2] + shift)
    joined = np.flatnonzero(line[1:] == line[:-1])
    joined = joined[np.isfinite(places[joined]).all(axis=1) & np.isfinite(places[joined + 1]).all(axis=1)]
    start, end, owner = places[joined], places[joined + 1], line[joined]
    length = np.linalg.norm(end - start, axis=1)
    # A line of no length still has to be found: it is drawn a centimetre long.
    end = np.where((length < 0.01)[:, None], start + np.array([0.0, 0.0, 0.01]), end)
    square = np.array([_is_duct(row) for row in edges], dtype=bool)[owner]
    radius = np.array([_radius(row) for row in edges])[owner]
    parts = [tubes(start[~square], end[~square], radius[~square], owner[~square])]
    if square.any():
        width, height = (np.array([(row[i] or 0.0) / 1000 for row in edges])[owner[square]] for i in (3, 4))
        parts.append(ducts(start[square], end[square], width, height, owner[square]))
    return merged(parts)


def _points(frame: Matrix, nodes: list[tuple[Any, ...]], first: int, geoid: Geoid, colour: Colour) -> list[Copies]:
    """Return the nodes as copies of models, one entry per model; ``first`` is the feature id of the first node."""
    own = np.arange(first, first + len(nodes))[[np.isfinite(row[7]) for row in nodes]]
    nodes = [row for row in nodes if np.isfinite(row[7])]
    chosen = [_MODELS.get(row[2], _JOINT) for row in nodes]
    lon, lat, z = (np.array([row[i] for row in nodes], dtype=np.float64) for i in (5, 6, 7))
    radius = np.array([one[1] for one in chosen])
    is_joint = np.array([one[2] is None for one in chosen], dtype=bool)
    ground = np.array([row[7] if row[3] is None else row[3] for row in nodes], dtype=np.float64)
    head = np.where(is_joint, z + 0.15, ground + np.array([one[2] or 0.0 for one in chosen]))
    standing = np.array([one[0] in _STANDING for one in chosen], dtype=bool)
    foot = np.where(is_joint, z - 0.15, np.where(standing, ground, np.minimum(z, head - 0.05)))
    places = local(frame, lon, lat, foot + geoid.at(lon, lat))
    sizes = np.column_stack((radius, radius, head - foot))
    found = []
    for name in sorted({one[0] for one in chosen}):
        mine = np.array([one[0] == name for one in chosen])
        shade = (1.0, 1.0, 1.0, 1.0) if name in _STANDING else colour
        found.append(Copies(MODELS[name], places[mine], sizes[mine], own[mine], shade))
    return found


def _table(kind: str, edges: list[tuple[Any, ...]], nodes: list[tuple[Any, ...]]) -> PropertyTable:
    n, m = len(edges), len(nodes)
    columns = (
        Text("code", [row[0] for row in [*edges, *nodes]], is_id=True),
        Text("part", ["line"] * n + ["point"] * m),
        Text("kind", [kind] * (n + m)),
        Text("material", [row[1] for row in edges] + [None] * m),
        Number("diameter_mm", [row[2] for row in edges] + [None] * m),
        Number("depth_m", [row[6] for row in edges] + [row[4] for row in nodes]),
        Number("year_laid", [row[8] for row in edges] + [None] * m),
        Text("feature", [None] * n + [row[2] or row[1] for row in nodes]),
    )
    return PropertyTable("network_part", columns, n + m)


def encode_tile(kind: str, frame: Matrix, edges: list[tuple[Any, ...]], nodes: list[tuple[Any, ...]], geoid: Geoid) -> bytes:
    """Return the ``.glb`` of some lines and points (rows of `cim.db.tile_reads`) in the frame of their tile."""
    primitives = []
    if edges:
        mesh = _lines(frame, edges, geoid)
        normals = to_y_up(unit_float32(mesh.normals).astype(np.float64))
        primitives.append(Primitive(to_y_up(mesh.positions), normals, mesh.features, mesh.triangles, _colour(kind), double_sided=True))
    copies = _points(frame, nodes, len(edges), geoid, _colour(kind))
    return build_scene(primitives, [one.instanced() for one in copies], _table(kind, edges, nodes))


def _reach(frame: Matrix, edges: list[tuple[Any, ...]], nodes: list[tuple[Any, ...]], geoid: Geoid) -> tuple[Floats, Floats]:
    """Return the lowest and the highest corner of a tile in its frame [m]."""
    corners = [np.stack(one.corners()) for one in _points(frame, nodes, 0, geoid, _colour("water"))]
    if edges and len(found := _lines(frame, edges, geoid).positions):
        corners.append(found)
    everything = np.concatenate(corners) if corners else np.zeros((1, 3))
    return everything.min(axis=0), everything.max(axis=0)


def build_layer(connection: Connection, kind: str, geoid: Geoid, known: Mapping[str, TileRow]) -> LayerContent:
    """Plan the layer of one kind of network.

    Parameters
    ----------
    connection
        The store.
    kind
        One of the kinds of `cim.db.tables.network`.
    geoid
        Ellipsoidal minus normal height.
    known
        Tiles that are published, by key.
    """
    edges = [(*row[:7], bytes(row[7]), row[8]) for row in tile_reads.fetch_edges(connection, kind)]
    nodes = list(tile_reads.fetch_nodes(connection, kind))
    en, zh = NETWORK_TITLES[kind]
    synthetic = tile_reads.is_synthetic(connection, "network")
    note = SYNTHETIC_NOTE if synthetic else None
    empty = LayerContent(
        f"networks/{kind}", "network", f"{kind}-lines", {"en": en, "zh": zh}, note, synthetic, [], STYLE, None, 0.0, 0.0, []
    )  # fmt: skip
    if not edges and not nodes:
        return empty
    xyz, line = _vertices(edges)
    n_vertices = np.bincount(line, minlength=len(edges)).astype(np.int64)
    middle = np.column_stack([np.bincount(line, xyz[:, axis], minlength=len(edges)) for axis in range(2)]) / n_vertices[:, None]
    first = np.cumsum(n_vertices) - n_vertices
    places = np.array([row[5:8] for row in nodes], dtype=np.float64).reshape(-1, 3)
    lonlat = np.concatenate([middle, places[:, :2]])
    heights = np.concatenate([xyz[:, 2], places[:, 2]])
    heights += geoid.at(*np.concatenate([xyz[:, :2], places[:, :2]]).T)
    heights = heights[np.isfinite(heights)]
    level = float(np.rint(np.median(heights))) if len(heights) else 0.0
    # Without heights a part has a place on the map but none in space: it keeps its code and is reported.
    unknown = np.unique(line[~np.isfinite(xyz[:, 2])])
    bad = [edges[i][0] for i in unknown] + [row[0] for row in nodes if not np.isfinite(row[7])]
    vertices = np.concatenate([16 * (n_vertices - 1), np.full(len(nodes), 4)])

    def leaf_of(node: Node) -> Leaf:
        lines = [int(i) for i in node.features if i < len(edges)]
        mine, points = [edges[i] for i in lines], [nodes[i - len(edges)] for i in node.features if i >= len(edges)]
        covered = [xyz[first[i] : first[i] + n_vertices[i], :2] for i in lines] + [lonlat[node.features]]
        (west, south), (east, north) = (getattr(np.concatenate(covered), side)(axis=0).tolist() for side in ("min", "max"))
        frame = enu_frame((west + east) / 2, (south + north) / 2, level)
        digest = hash_of(STYLE, [*mine, *points, (geoid.token, level)])
        old = known.get(node.key)
        # What did not change has the box it had: making its meshes only to measure them would take most of the time.
        measured = old.box if old is not None and old.input_hash == digest else None
        low, high = _reach(frame, mine, points, geoid) if measured is None else np.array(measured).reshape(2, 3)
        return Leaf(
            node.key, frame, low, high, digest,
            len(mine) + len(points), (west, south, east, north), 20.0,
            lambda: encode_tile(kind, frame, mine, points, geoid),
        )  # fmt: skip

    tree = branch_of(plan(lonlat[:, 0], lonlat[:, 1], vertices, lambda n, v: n <= 4000 and v <= 65_000), leaf_of)
    low, high = (float(heights.min()), float(heights.max())) if len(heights) else (0.0, 0.0)
    return replace(empty, tree=tree, min_height_m=low, max_height_m=high, bad=bad)
