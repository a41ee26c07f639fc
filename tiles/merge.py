"""The city tileset: all layers in one tileset.json, by the tileset model of py3dtiles.

Its known losses (implicit tiling, region volumes, metadata) do not occur here: our layers are explicit, have boxes, and are pointed to, not
read in.
"""

import json

import numpy as np
from py3dtiles.tileset import Tile, TileSet
from py3dtiles.tileset.bounding_volume_box import BoundingVolumeBox

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


def city_document(layers: dict[str, dict[str, object]]) -> bytes:
    """Return the tileset.json over layers.

    Parameters
    ----------
    layers
        The tileset.json of each, by its folder.
    """
    tiles, corners, errors = [], [], []
    for name, document in layers.items():
        root = Tile.from_dict(document["root"])  # type: ignore[arg-type]  # a dictionary of the standard
        axes, placed = _placed(root)
        volume = BoundingVolumeBox()
        volume.set_from_list([*placed, *axes.ravel()])
        error = float(document["geometricError"])  # type: ignore[arg-type]  # a number of the standard
        tiles.append(Tile(geometric_error=error, bounding_volume=volume, refine_mode="ADD", content_uri=f"{name}/{NAME}"))
        corners.append(placed + np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) @ axes)
        errors.append(error)
    points = np.concatenate(corners)
    frame = _frame(points)
    local = to_frame(frame, points)
    low, high = local.min(axis=0) - 0.1, local.max(axis=0) + 0.1
    around = BoundingVolumeBox()
    middle = frame[:3, :3] @ ((low + high) / 2) + frame[:3, 3]
    around.set_from_list([*middle, *(frame[:3, :3] * ((high - low) / 2)).T.ravel()])
    whole = Tile(geometric_error=max(errors), bounding_volume=around, refine_mode="ADD")
    for tile in tiles:
        whole.add_child(tile)
    city = TileSet(geometric_error=max(errors))
    city.root_tile = whole
    made = city.to_dict()
    made["asset"] = {"version": "1.1"}
    return json.dumps(made, separators=(",", ":"), default=float).encode()


def _placed(root: Tile) -> tuple[Floats, Floats]:
    """Return half axes (rows) and centre of a root's box in EPSG:4978 [m]."""
    box = np.array(root.bounding_volume.to_dict()["box"], dtype=np.float64)  # type: ignore[union-attr]  # a root has one
    axes: Floats = box[3:].reshape(3, 3) @ root.transform[:3, :3].T
    centre: Floats = root.transform[:3, :3] @ box[:3] + root.transform[:3, 3]
    return axes, centre


def _frame(points: Floats) -> Matrix:
    """Return an upright frame in the middle of points: boxes along the earth's axes are not tight."""
    middle = ecef_to_lonlat(((points.min(axis=0) + points.max(axis=0)) / 2)[None])[0]
    frame = enu_frame(float(middle[0]), float(middle[1]), 0.0)
    assert np.allclose(frame[:3, 3], lonlat_to_ecef(middle[:1], middle[1:2], np.zeros(1))[0])  # noqa: S101 - what a frame is
    return frame
