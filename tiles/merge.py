"""The city tileset: all layers in one tileset.json (3D Tiles 1.1, section 7.2), pointed to by their boxes."""

import json
from typing import Any

import numpy as np

from cim.crs import lonlat_to_ecef
from cim.db import engine, tilesets
from cim.geometry.ecef import Matrix, ecef_to_lonlat, enu_frame, to_frame
from cim.settings import Settings
from tiles.glb_read import Floats
from tiles.store import TileStore

NAME = "tileset.json"


def write_city(settings: Settings) -> list[str]:
    """Write the city tileset if it is not there or its layers have changed; return the layers in it.

    Parameters
    ----------
    settings
        Names store and tile store.
    """
    store = TileStore(settings.tiles_url)
    with engine.connect(settings) as connection:
        # Two builds that end at the same time must not write each other's older list.
        tilesets.lock_layer(connection, NAME)
        layers = [row.layer for row in tilesets.fetch_tilesets(connection)]
        if not layers:
            store.remove(NAME)
            return []
        body = city_document({layer: json.loads(store.read(f"{layer}/{NAME}")) for layer in layers})
        if not store.exists(NAME) or store.read(NAME) != body:
            store.write(NAME, body)
    return layers


def city_document(layers: dict[str, dict[str, Any]]) -> bytes:
    """Return the tileset.json over layers.

    Parameters
    ----------
    layers
        The tileset.json of each, by its folder.
    """
    tiles, corners, errors = [], [], []
    for name, document in layers.items():
        axes, placed = _placed(document["root"])
        error = float(document["geometricError"])
        tiles.append(_tile(error, [*placed, *axes.ravel()]) | {"content": {"uri": f"{name}/{NAME}"}})
        corners.append(placed + np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) @ axes)
        errors.append(error)
    points = np.concatenate(corners)
    frame = _frame(points)
    local = to_frame(frame, points)
    low, high = local.min(axis=0) - 0.1, local.max(axis=0) + 0.1
    middle = frame[:3, :3] @ ((low + high) / 2) + frame[:3, 3]
    whole = _tile(max(errors), [*middle, *(frame[:3, :3] * ((high - low) / 2)).T.ravel()]) | {"children": tiles}
    made = {"asset": {"version": "1.1"}, "geometricError": max(errors), "root": whole}
    return json.dumps(made, separators=(",", ":")).encode()


def _tile(error: float, box: list[Any]) -> dict[str, Any]:
    return {"boundingVolume": {"box": [float(value) for value in box]}, "geometricError": error, "refine": "ADD"}


def _placed(root: dict[str, Any]) -> tuple[Floats, Floats]:
    """Return half axes (rows) and centre of a root's box in EPSG:4978 [m]."""
    box = np.array(root["boundingVolume"]["box"], dtype=np.float64)
    # Column by column (section 7.4.2); no transform is the unit matrix.
    transform = np.array(root.get("transform", np.eye(4).ravel()), dtype=np.float64).reshape(4, 4).T
    axes: Floats = box[3:].reshape(3, 3) @ transform[:3, :3].T
    centre: Floats = transform[:3, :3] @ box[:3] + transform[:3, 3]
    return axes, centre


def _frame(points: Floats) -> Matrix:
    """Return an upright frame in the middle of points: boxes along the earth's axes are not tight."""
    middle = ecef_to_lonlat(((points.min(axis=0) + points.max(axis=0)) / 2)[None])[0]
    frame = enu_frame(float(middle[0]), float(middle[1]), 0.0)
    assert np.allclose(frame[:3, 3], lonlat_to_ecef(middle[:1], middle[1:2], np.zeros(1))[0])  # noqa: S101 - what a frame is
    return frame
