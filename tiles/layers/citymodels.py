"""Layer ``citymodels``: city objects of city models in their highest level of detail, coloured by material or by kind of surface.

Meshes are read tile by tile while they are made: memory does not grow with the city.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.crs import lonlat_to_ecef
from cim.db import engine, tile_reads
from cim.db.engine import Connection
from cim.geoid import Geoid
from cim.geometry.ecef import Matrix, enu_frame, to_frame
from cim.geometry.mesh import Mesh, flat_mesh, to_srgb_linear, to_y_up, unit_float32
from cim.model.city_object import SURFACE_TYPES
from cim.settings import Settings
from tiles.content import LayerContent, Leaf, branch_of
from tiles.glb import Primitive, build_glb
from tiles.layers.common import CITYMODELS, SYNTHETIC_NOTE, hash_of, local
from tiles.metadata import Number, PropertyTable, Text
from tiles.plan import Node, plan

Floats = NDArray[np.float64]

LAYER = CITYMODELS
STYLE = "citymodels-1"
TITLE = {"en": "City models", "zh": "城市模型"}
MAX_OBJECTS = 1_500
MAX_VERTICES = 65_000
MOST_REPLACED = 5_000
"""Buildings that the list of layers names as replaced; a larger model is switched as a whole."""
_SLACK_M = 0.5
# sRGB by kind of surface where the source names no colour.
_SURFACES = {
    "RoofSurface": (176, 92, 72), "WallSurface": (224, 216, 202), "GroundSurface": (150, 146, 140), "OuterCeilingSurface": (200, 196, 188),
    "OuterFloorSurface": (170, 166, 158), "Window": (140, 176, 204), "Door": (132, 96, 68), "ClosureSurface": (210, 210, 206),
    "WaterSurface": (110, 150, 190), "TrafficArea": (120, 120, 120), "AuxiliaryTrafficArea": (140, 150, 120),
}  # fmt: skip
# By class of the object where its surfaces have no kind.
_OBJECTS = {"SolitaryVegetationObject": (90, 130, 70), "PlantCover": (100, 136, 80), "WaterBody": (110, 150, 190), "Road": (120, 120, 120)}
_GREY = (204, 202, 198)


def _palette(object_type: str) -> NDArray[np.uint8]:
    """Return the linear colour of each kind of surface, shape (kinds, 4)."""
    fallback = _OBJECTS.get(object_type, _GREY)
    srgb = np.array([_SURFACES.get(name, fallback) for name in SURFACE_TYPES]) / 255
    found: NDArray[np.uint8] = np.rint(np.column_stack((to_srgb_linear(srgb), np.ones(len(srgb)))) * 255).astype(np.uint8)
    return found


def _colours(object_type: str, surfaces: bytes, colours: bytes | None, n: int) -> NDArray[np.uint8]:
    """Return the linear colour of each triangle, shape (n, 4)."""
    kinds = np.frombuffer(surfaces, np.uint8)
    palette = _palette(object_type)
    found: NDArray[np.uint8] = palette[np.where(kinds < len(palette), kinds, 0)]
    if colours is not None:
        told = np.frombuffer(colours, np.uint8).reshape(-1, 4)
        linear = np.rint(np.column_stack((to_srgb_linear(told[:, :3] / 255), told[:, 3] / 255)) * 255).astype(np.uint8)
        found = np.where(told[:, 3:] > 0, linear, found)
    if len(found) != n:
        raise ValueError(f"{len(found)} surfaces for {n} triangles")
    return found


def _mesh(frame: Matrix, rows: Sequence[tuple[Any, ...]], geoid: Geoid) -> Mesh:
    """Return the coloured triangles of all objects in a frame."""
    points, faces, features, colours, first = [], [], [], [], 0
    for number, (object_type, vertices, triangles, surfaces, told) in enumerate(rows):
        xyz = np.frombuffer(vertices, "<f8").reshape(-1, 3)
        corners = np.frombuffer(triangles, "<i4").reshape(-1, 3).astype(np.int64)
        points.append(local(frame, xyz[:, 0], xyz[:, 1], xyz[:, 2] + geoid.at(xyz[:, 0], xyz[:, 1])))
        faces.append(corners + first)
        features.append(np.full(len(corners), number))
        colours.append(_colours(object_type, bytes(surfaces), None if told is None else bytes(told), len(corners)))
        first += len(xyz)
    return flat_mesh(np.concatenate(points), np.concatenate(faces), np.concatenate(features), np.concatenate(colours))


def _table(objects: Sequence[tuple[Any, ...]]) -> PropertyTable:
    columns = (
        Text("code", [row[0] for row in objects], is_id=True), Text("building_code", [row[1] for row in objects]),
        Text("type", [row[2] for row in objects]), Text("name", [row[3] for row in objects]), Text("lod", [row[4] for row in objects]),
        Number("cim_level", [row[5] for row in objects], is_integer=True),
        Number("height_m", [None if row[11] is None or row[10] is None else row[11] - row[10] for row in objects]),
    )  # fmt: skip
    return PropertyTable("city_object", columns, len(objects))


def _encode(settings: Settings, frame: Matrix, objects: Sequence[tuple[Any, ...]], geoid: Geoid) -> bytes:
    with engine.kept(settings) as connection:
        meshes = tile_reads.fetch_representations(connection, [row[0] for row in objects])
    types = {row[0]: row[2] for row in objects}
    rows = [(types[row[0]], *row[1:]) for row in meshes]
    mesh = _mesh(frame, rows, geoid)
    normals = to_y_up(unit_float32(mesh.normals).astype(np.float64))
    primitive = Primitive(to_y_up(mesh.positions), normals, mesh.features, mesh.triangles, vertex_colours=mesh.colours, double_sided=True)
    return build_glb([primitive], _table(objects), compress=settings.tiles.meshopt)


def build_layer(connection: Connection, settings: Settings, geoid: Geoid) -> LayerContent:
    """Plan the layer.

    Parameters
    ----------
    connection
        The store.
    settings
        Names the store for reading meshes.
    geoid
        Ellipsoidal minus normal height.
    """
    # code, building_code, type, name, lod, cim_level, n_faces, content_hash, middle lon, lat, base_m, top_m, west, south, east, north
    rows = list(tile_reads.fetch_city_objects(connection))
    synthetic = tile_reads.is_synthetic(connection, "citymodel")
    replaced = sorted({row[1] for row in rows if row[1]})
    empty = LayerContent(
        LAYER, "citymodel", "city-objects", TITLE, SYNTHETIC_NOTE if synthetic else None, synthetic,
        replaced if len(replaced) <= MOST_REPLACED else [], STYLE, None, 0.0, 0.0, [],
    )  # fmt: skip
    if not rows:
        return empty
    middle = np.array([(row[8], row[9]) for row in rows], dtype=np.float64)
    separation = geoid.at(middle[:, 0], middle[:, 1])
    low, high = (np.array([row[i] for row in rows], dtype=np.float64) + separation for i in (10, 11))

    def leaf_of(node: Node) -> Leaf:
        mine = [rows[int(i)] for i in node.features]
        boxes = np.array([row[12:16] for row in mine], dtype=np.float64)
        west, south = boxes[:, :2].min(axis=0).tolist()
        east, north = boxes[:, 2:].max(axis=0).tolist()
        base, top = float(low[node.features].min()), float(high[node.features].max())
        frame = enu_frame((west + east) / 2, (south + north) / 2, base)
        corners = np.array([(x, y, z) for x in (west, east) for y in (south, north) for z in (base, top)])
        places = to_frame(frame, lonlat_to_ecef(corners[:, 0], corners[:, 1], corners[:, 2]))
        return Leaf(
            node.key, frame, places.min(axis=0) - _SLACK_M, places.max(axis=0) + _SLACK_M,
            hash_of(STYLE, [*mine, (geoid.token, settings.tiles.meshopt)]), len(mine), (west, south, east, north),
            float(np.linalg.norm(places.max(axis=0) - places.min(axis=0))) / max(1, int(np.sqrt(len(mine)))),
            lambda: _encode(settings, frame, mine, geoid),
        )  # fmt: skip

    vertices = np.array([3 * row[6] for row in rows], dtype=np.int64)
    tree = branch_of(plan(middle[:, 0], middle[:, 1], vertices, lambda n, v: n <= MAX_OBJECTS and v <= MAX_VERTICES), leaf_of)
    return replace(empty, tree=tree, min_height_m=float(low.min()), max_height_m=float(high.max()))
