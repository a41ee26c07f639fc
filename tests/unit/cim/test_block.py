"""A block made by plain arrays is the one that the compiled code makes; what loads without compiled code stays so."""

import subprocess
import sys

import numpy as np
import pytest
import shapely

from cim.geometry.block import raise_block, unrolled
from cim.geometry.ecef import enu_frame
from cim.geometry.footprint import footprints_from_wkb
from cim.geometry.solid import extrude
from cim.geometry.triangulate import triangulate

HOUSES = "MULTIPOLYGON (((116 39,116.001 39,116.001 39.001,116 39.001,116 39),(116.0002 39.0002,116.0004 39.0002,116.0004 39.0004,116.0002 39.0002)),((116.002 39,116.0025 39.001,116.003 39,116.002 39)))"  # noqa: E501 - one geometry
ACROSS = "POLYGON ((179.9995 10,-179.9995 10,-179.9995 10.001,179.9995 10.001,179.9995 10))"


def _volume(block):
    corners = block.positions[block.triangles].astype(np.float64)
    return float((corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


@pytest.mark.parametrize("wkt", [HOUSES, ACROSS])
def test_block_is_that_of_the_compiled_code(wkt):
    # From the other implementation: the same vertices with their normals, as many triangles, the same volume.
    shape = shapely.from_wkt(wkt)
    outline = unrolled(shape)
    west, south, east, north = outline.bounds
    frame = enu_frame((west + east) / 2, (south + north) / 2, 20.0)
    ours = raise_block(outline, 20.0, 35.0, frame)
    prints = footprints_from_wkb([shapely.to_wkb(shape, byte_order=1)])
    other = extrude(prints, triangulate(prints), np.array([20.0]), np.array([35.0]), [frame], np.zeros(1, np.int64))

    def corners(block):
        return np.unique(np.round(np.hstack([block.positions, block.normals]), 3) + 0.0, axis=0)

    np.testing.assert_allclose(corners(ours), corners(other), atol=2e-3)
    assert ours.triangles.shape == other.triangles.shape
    assert _volume(ours) == pytest.approx(_volume(other), rel=1e-5)
    corner = ours.positions[ours.triangles].astype(np.float64)
    outward = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert (np.einsum("ij,ij->i", outward, ours.normals[ours.triangles[:, 0]]) > 0).all()


def test_an_outline_without_area_gives_no_block():
    assert unrolled(shapely.from_wkt("POLYGON ((116 39,116.001 39,116 39))")) is None
    assert unrolled(shapely.from_wkt("LINESTRING (116 39,116.001 39)")) is None


def test_an_upload_loads_neither_compiled_code_nor_tables():
    # Two seconds of every upload before: what only other layers and formats need.
    code = (
        "import sys, ingest.ifc.load, tiles.build, tiles.layers.bim; "
        "print([name for name in ('numba', 'pandas', 'sqlalchemy', 'py3dtiles', 'requests') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
