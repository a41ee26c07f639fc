"""Decode-back proof: buildings read out of the tiles, turned to longitude, latitude and height, against their outlines in the store."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from cim.db import tile_reads
from cim.db.engine import Connection
from cim.geoid import Geoid
from cim.geometry.ecef import ecef_to_lonlat
from cim.geometry.measures import METRES_PER_DEGREE
from tiles.glb_read import Floats, Glb
from tiles.layers.buildings import SKIRT_M, STOREY_M

LARGEST_M = 0.02
_SEED = 20_260_101


@dataclass
class Comparison:
    """Result.

    Parameters
    ----------
    compared
        Buildings.
    largest_m
        Largest distance [m].
    faults
        In words.
    """

    compared: int = 0
    largest_m: float = 0.0
    faults: list[str] = field(default_factory=list)


class Sample:
    """Chosen buildings, collected while a tileset is walked."""

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._found: dict[str, Floats] = {}

    def choose(self, codes: Sequence[str], at_most: int) -> None:
        """Choose buildings at random, the same ones at every run over the same codes."""
        picked = np.random.default_rng(_SEED).permutation(len(codes))[:at_most]
        self._wanted = {codes[int(i)] for i in picked}

    def take(self, _path: str, content: bytes, transform: Floats) -> None:
        """Keep the vertices (lon, lat, h) of chosen buildings of a content."""
        glb = Glb(content)
        tables = glb.json.get("extensions", {}).get("EXT_structural_metadata", {}).get("propertyTables", [])
        if not tables or "code" not in tables[0]["properties"]:
            return
        mine = [(number, code) for number, code in enumerate(glb.column(0, "code")) if code in self._wanted]
        parts = glb.parts() if mine else []
        for number, code in mine:
            vertices = [part.vertices[part.features == number] for part in parts if part.features is not None]
            points = np.concatenate(vertices) if vertices else np.empty((0, 3))
            if len(points):
                self._found[code] = ecef_to_lonlat(points @ transform[:3, :3].T + transform[:3, 3])

    def compare(self, connection: Connection, parameters: dict[str, Any], geoid: Geoid) -> Comparison:
        """Compare what was found with the store.

        Parameters
        ----------
        connection
            The store.
        parameters
            Of the layer: ``ground_m``.
        geoid
            Ellipsoidal minus normal height.
        """
        result = Comparison()
        for code, height, ground, storeys, wkb in tile_reads.fetch_outlines(connection, sorted(self._found)):
            vertices = self._found[code]
            outline = shapely.get_coordinates(shapely.from_wkb(bytes(wkb)))
            west, south, east, north = shapely.from_wkb(bytes(wkb)).bounds
            separation = geoid.at_one((west + east) / 2, (south + north) / 2)
            base = (ground if ground is not None and np.isfinite(ground) else parameters["ground_m"]) + separation
            rise = height if height and height > 0 else (storeys or 1) * STOREY_M
            scale = np.array([METRES_PER_DEGREE * np.cos(np.radians(outline[0, 1])), METRES_PER_DEGREE, 1.0])
            worst = 0.0
            for level in (base - SKIRT_M, base + rise):
                target = np.column_stack((outline, np.full(len(outline), level)))
                # Every corner of the register has a vertex, and every vertex at this level is a corner.
                near = vertices[np.abs(vertices[:, 2] - level) < 0.5]
                apart = np.linalg.norm((target[:, None] - near[None]) * scale, axis=2) if len(near) else np.full((len(target), 1), np.inf)
                worst = max(worst, float(apart.min(axis=1).max()), float(apart.min(axis=0).max()))
            result.compared += 1
            result.largest_m = max(result.largest_m, worst)
            if worst > LARGEST_M:
                result.faults.append(f"code {code}: a vertex is {worst:.3f} m from its place in the store, expected at most {LARGEST_M} m")
        return result
