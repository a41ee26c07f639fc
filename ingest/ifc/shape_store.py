"""Shapes to the store and back."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cim.db import bim_shapes, engine
from cim.db.engine import Connection
from cim.settings import Settings
from ingest.ifc.frames import shape_from
from ingest.ifc.meshing import Meshes
from ingest.ifc.shapes import Floats, Shape

_BATCH = 2_000
_LAST_ROW = [0.0, 0.0, 0.0, 1.0]


def known_shapes(settings: Settings) -> Callable[[Sequence[bytes]], Mapping[bytes, tuple[Shape, Floats]]]:
    """Return a function that looks for definitions in the store, see `ingest.ifc.meshing.Known`."""

    def look(keys: Sequence[bytes]) -> dict[bytes, tuple[Shape, Floats]]:
        found: dict[bytes, tuple[Shape, Floats]] = {}
        shapes: dict[str, Shape] = {}
        with engine.connect(settings) as connection:
            for start in range(0, len(keys), _BATCH):
                rows = bim_shapes.find_definitions(connection, [key.hex() for key in keys[start : start + _BATCH]])
                for key, (digest, matrix, step, *parts) in rows.items():
                    if digest not in shapes:
                        shapes[digest] = shape_from([bytes(part) for part in parts], float(step))
                    found[bytes.fromhex(key)] = (shapes[digest], np.vstack([np.array(matrix).reshape(3, 4), _LAST_ROW]))
        return found

    return look


def save_shapes(connection: Connection, meshed: Meshes) -> None:
    """Keep the shapes of a model, and what defines them, for its elements and for the next upload."""
    shapes = {mesh.shape.hash: mesh.shape for mesh in meshed.found.values()}
    rows = (
        (digest, one.step_m, one.points.tobytes(), one.faces.tobytes(), one.materials.tobytes(), one.colours.tobytes())
        for digest, one in shapes.items()
    )
    definitions = [(key.hex(), shape.hash, matrix[:3].ravel().tolist()) for key, (shape, matrix) in meshed.definitions.items()]
    bim_shapes.save_shapes(connection, rows, definitions)
