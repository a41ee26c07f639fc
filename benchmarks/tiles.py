"""Meshing and writing buildings: this platform's core against py3dtiles' triangulation, same footprints, runs alternating.

Not like for like: py3dtiles only triangulates the roofs here (its writer has no feature ids), ours makes walls, roofs, normals, placement
in EPSG:4978 and the glb with feature ids and property table. The areas of both triangulations are compared first.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable

import numpy as np
import shapely
from py3dtiles.tilers.b3dm.wkb_utils import TriangleSoup
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(__import__("pathlib").Path(__file__).resolve().parent.parent))

from benchmarks.data import footprints, heights_m
from cim.geometry.ecef import enu_frame
from cim.geometry.footprint import footprints_from_wkb
from cim.geometry.solid import extrude
from cim.geometry.triangulate import triangulate
from tiles.glb import Primitive, build_glb
from tiles.metadata import Number, PropertyTable, Text

PEER_SIZE = 2_000
ROUNDS = 3


def ours(wkb: list[bytes], heights: np.ndarray, codes: list[str]) -> int:
    """Return the bytes of the glb of all buildings."""
    prints = footprints_from_wkb(wkb)
    frame = enu_frame(114.4, 30.5)
    blocks = extrude(prints, triangulate(prints), np.zeros(len(wkb)), heights, [frame], np.zeros(len(wkb), dtype=np.int64))
    features = np.repeat(np.arange(len(wkb)), np.diff(blocks.vertex_start))
    table = PropertyTable("building", (Text("code", codes, is_id=True), Number("height_m", heights.tolist())), len(wkb))
    return len(build_glb([Primitive(blocks.positions, blocks.normals, features, blocks.triangles)], table))


def peer(wkb_3d: list[bytes]) -> float:
    """Return the area that py3dtiles' triangles cover."""
    total = 0.0
    for row in wkb_3d:
        points = TriangleSoup.from_wkb_multipolygon(row).triangles[0]
        corners = np.array(points, dtype=np.float64)
        (ax, ay), (bx, by) = (corners[:, 1, :2] - corners[:, 0, :2]).T, (corners[:, 2, :2] - corners[:, 0, :2]).T
        total += float(np.abs(ax * by - ay * bx).sum() / 2)
    return total


def _to_metres(lonlat: np.ndarray) -> np.ndarray:
    return (lonlat - (114.4, 30.5)) * (95_900.0, 110_900.0)


def timed(work: Callable[[], object]) -> float:
    """Return processor seconds of a call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    """Run and print one row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    shapes, heights = footprints(arguments.size), heights_m(arguments.size)
    wkb = list(shapely.to_wkb(shapes, byte_order=1))
    codes = [f"{i:027d}" for i in range(arguments.size)]
    metres = [shapely.transform(shape, _to_metres) for shape in shapes[:PEER_SIZE]]
    solid = [shapely.multipolygons([shapely.force_3d(shape, 0.0)]) for shape in metres]
    wkb_3d = [shapely.to_wkb(shape, output_dimension=3, byte_order=1, flavor="iso") for shape in solid]
    prints = footprints_from_wkb(wkb[:PEER_SIZE])
    exact = float(shapely.area(metres).sum())
    assert not len(triangulate(prints).bad)
    assert abs(peer(wkb_3d) - exact) < 1e-3 * exact
    ours(wkb[:100], heights[:100], codes[:100])
    own, other = [], []
    for _ in range(ROUNDS):
        own.append(arguments.size / timed(lambda: ours(wkb, heights, codes)))
        other.append(PEER_SIZE / timed(lambda: peer(wkb_3d)))
    value, peer_value = float(np.median(own)), float(np.median(other))
    row = {
        "name": "tiles.encode", "value": round(value), "unit": "buildings per processor second",
        "peer": "py3dtiles TriangleSoup (roofs only)",
        "peer_value": round(peer_value), "ratio": round(value / peer_value, 1), "gate": 60_000, "target": 150_000,
    }  # fmt: skip
    if arguments.json:
        print(json.dumps(row))
        return
    drawn = Table(*row)
    drawn.add_row(*map(str, row.values()))
    Console().print(drawn)


if __name__ == "__main__":
    main()
