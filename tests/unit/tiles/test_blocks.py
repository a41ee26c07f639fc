"""Footprints to blocks: counts and areas by hand, positions by PROJ."""

import numpy as np
import pyproj
import pytest
import shapely

from cim.geometry.ecef import ecef_to_lonlat, enu_frame, from_frame, inverse_frame, to_frame
from cim.geometry.footprint import WkbError, footprints_from_wkb
from cim.geometry.solid import extrude
from cim.geometry.triangulate import AREA_TOLERANCE, triangulate

LON, LAT = 114.4, 30.5
DEG = 1e-5
"""About a metre."""


def wkb(text):
    return shapely.to_wkb(shapely.transform(shapely.from_wkt(text), lambda xy: xy * DEG + (LON, LAT)), byte_order=1)


def area(prints, triangles):
    a, b, c = (prints.xy[triangles.vertices[:, corner]] for corner in range(3))
    return np.sum((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


def blocks_of(*texts, base=10.0, top=40.0):
    prints = footprints_from_wkb([wkb(text) for text in texts])
    n = len(texts)
    frame = enu_frame(LON, LAT, base)
    return extrude(prints, triangulate(prints), np.full(n, base), np.full(n, top), [frame], np.zeros(n, dtype=np.int64)), frame


def z_up(y_up):
    return np.column_stack((y_up[:, 0], -y_up[:, 2], y_up[:, 1])).astype(np.float64)


L_SHAPE = "POLYGON((0 0, 20 0, 20 10, 10 10, 10 30, 0 30, 0 0))"
SQUARE_WITH_HOLE = "POLYGON((0 0, 40 0, 40 40, 0 40, 0 0), (10 10, 10 20, 30 20, 30 10, 10 10))"
STAR = "POLYGON((0 30, 7 10, 28 9, 11 -4, 18 -24, 0 -12, -18 -24, -11 -4, -28 9, -7 10, 0 30))"


@pytest.mark.parametrize(
    ("text", "square_units", "triangles"),
    [
        # 20 x 10 + 10 x 20; n - 2 triangles.
        (L_SHAPE, 400.0, 4),
        # 1600 - 200; n - 2 + m + 2 triangles for a hole of m vertices.
        (SQUARE_WITH_HOLE, 1400.0, 8),
        ("MULTIPOLYGON(((0 0, 10 0, 10 10, 0 10, 0 0)), ((20 0, 30 0, 20 10, 20 0)))", 150.0, 3),
        # Clockwise, as some files have it.
        ("POLYGON((0 0, 0 10, 10 10, 10 0, 0 0))", 100.0, 2),
    ],
)
def test_triangles_cover_exactly_the_polygon(text, square_units, triangles):
    prints = footprints_from_wkb([wkb(text)])
    cut = triangulate(prints)
    # One square degree on a sphere of 111,195 m per degree, narrowed by the cosine of the first vertex' latitude.
    one = (111_195.0 * DEG) ** 2 * np.cos(np.radians(prints.lonlat[0, 1]))
    assert area(prints, cut) == pytest.approx(square_units * one, rel=1e-7)
    assert len(cut.vertices) == triangles
    assert cut.area_error[0] <= AREA_TOLERANCE
    assert not cut.bad.size


def test_random_outlines_with_holes_keep_their_area():
    rng = np.random.default_rng(7)
    rows = []
    for _ in range(300):
        angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 60)))
        ring = rng.uniform(0.5, 1.0, len(angle))[:, None] * np.column_stack((np.cos(angle), np.sin(angle))) * 3e-4 + (LON, LAT)
        shape = shapely.Polygon(ring)
        hole = shape.buffer(-4e-5)
        if shape.is_valid and hole.geom_type == "Polygon" and not hole.is_empty and rng.random() < 0.5:
            shape = shapely.Polygon(ring, [hole.exterior.coords])
        if shape.is_valid:
            rows.append(shape)
    prints = footprints_from_wkb([shapely.to_wkb(row, byte_order=1) for row in rows])
    cut = triangulate(prints)
    assert len(rows) > 200
    assert cut.area_error.max() <= AREA_TOLERANCE
    for i, row in enumerate(rows):
        mine = cut.vertices[cut.feature_start[i] : cut.feature_start[i + 1]]
        a, b, c = (prints.lonlat[mine[:, corner]] - (LON, LAT) for corner in range(3))
        total = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]).sum() / 2
        # GEOS on the same degrees; 1e-6 because vertices closer than a millimetre were dropped.
        assert total == pytest.approx(row.area, rel=1e-6)


def test_a_self_crossing_outline_is_named_and_not_fatal():
    # A bow tie of unequal wings.
    prints = footprints_from_wkb([wkb(L_SHAPE), wkb("POLYGON((0 0, 20 20, 20 0, 0 10, 0 0))"), wkb(STAR)])
    assert triangulate(prints).bad.tolist() == [1]


def test_an_outline_without_area_has_no_vertices_and_is_named():
    prints = footprints_from_wkb([wkb("POLYGON((0 0, 10 0, 20 0, 0 0))"), wkb(L_SHAPE)])
    assert np.diff(prints.vertex_start).tolist() == [0, 6]
    assert triangulate(prints).bad.tolist() == [0]


def test_repeated_vertices_are_dropped():
    prints = footprints_from_wkb([wkb("POLYGON((0 0, 10 0, 10 0.0000001, 10 10, 0 10, 0 10, 0 0))")])
    assert len(prints.xy) == 4


@pytest.mark.parametrize(
    "row", [b"", b"\x01", wkb(L_SHAPE)[:-8], shapely.to_wkb(shapely.Point(1, 2), byte_order=1), b"\x00" + wkb(L_SHAPE)[1:]]
)
def test_bytes_that_are_no_polygon_are_refused_with_their_position(row):
    with pytest.raises(WkbError, match="footprint 1: expected a little-endian polygon"):
        footprints_from_wkb([wkb(L_SHAPE), row])


@pytest.mark.parametrize(("text", "n"), [(L_SHAPE, 6), (STAR, 10), ("POLYGON((0 0, 10 0, 0 10, 0 0))", 3)])
def test_an_n_gon_becomes_5n_vertices_and_3n_minus_2_triangles(text, n):
    blocks, _ = blocks_of(text)
    assert len(blocks.positions) == 5 * n
    assert len(blocks.triangles) == 3 * n - 2


def test_blocks_enclose_the_volume_of_area_times_height():
    blocks, _ = blocks_of(SQUARE_WITH_HOLE)
    points = z_up(blocks.positions)
    a, b, c = (points[blocks.triangles[:, corner]] for corner in range(3))
    # The open floor lies in the plane z = 0 of the frame, so it adds nothing to the divergence theorem.
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    geod = pyproj.Geod(ellps="GRS80")
    ground = abs(geod.geometry_area_perimeter(shapely.from_wkb(wkb(SQUARE_WITH_HOLE)))[0])
    assert volume == pytest.approx(ground * 30.0, rel=1e-4)


def test_normals_have_length_one_and_point_out_of_the_block():
    blocks, _ = blocks_of(L_SHAPE, SQUARE_WITH_HOLE)
    assert np.abs(np.linalg.norm(blocks.normals.astype(np.float64), axis=1) - 1).max() < 1e-6
    corners = blocks.positions[blocks.triangles].astype(np.float64)
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat /= np.linalg.norm(flat, axis=1)[:, None]
    assert np.einsum("ij,ij->i", flat, blocks.normals[blocks.triangles[:, 0]]).min() > 0.999
    # glTF's y is up: roofs look up.
    assert (blocks.normals[:, 1] > 0.999).sum() == 6 + 8


def test_block_vertices_come_back_to_their_longitude_latitude_and_heights():
    blocks, frame = blocks_of(STAR, base=-3.25, top=96.5)
    back = ecef_to_lonlat(from_frame(frame, z_up(blocks.positions)))
    wanted = shapely.get_coordinates(shapely.from_wkb(wkb(STAR)))
    for lon, lat, height in back:
        off = np.abs(wanted - (lon, lat)).max(axis=1).min() * 111_195
        assert off < 0.001
        assert min(abs(height + 3.25), abs(height - 96.5)) < 0.001


@pytest.mark.parametrize(("lon", "lat", "height"), [(LON, LAT, -12.0), (-70.6, -33.4, 550.0), (179.99, 89.0, 0.0)])
def test_the_frame_stands_where_proj_puts_its_origin_and_axes(lon, lat, height):
    to_ecef = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)  # noqa: TID251 - the reference
    frame = enu_frame(lon, lat, height)
    origin = np.array(to_ecef.transform(lon, lat, height))
    assert np.abs(frame[:3, 3] - origin).max() < 1e-6
    up = np.array(to_ecef.transform(lon, lat, height + 100.0)) - origin
    assert np.abs(frame[:3, 2] - up / 100).max() < 1e-9
    assert np.allclose(frame[:3, :3].T @ frame[:3, :3], np.eye(3), atol=1e-14)
    assert np.linalg.det(frame[:3, :3]) == pytest.approx(1.0)
    north = np.array(to_ecef.transform(lon, lat + 1e-5, height)) - origin
    assert to_frame(frame, (origin + north)[None])[0] == pytest.approx([0.0, np.linalg.norm(north), 0.0], abs=1e-5)
    assert np.allclose(inverse_frame(frame) @ frame, np.eye(4), atol=1e-8)
