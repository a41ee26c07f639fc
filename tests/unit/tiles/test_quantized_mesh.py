"""Terrain tiles, read back by a reader written from the specification of quantized-mesh 1.0."""

import gzip
import struct

import numpy as np
import pytest

from tiles.quantized_mesh import SIDE, encode, tile_box, vertex_lonlat


def read_tile(content):
    """Reader after https://github.com/CesiumGS/quantized-mesh, sections Header, Vertex Data, Index Data, Edge Indices, Extensions."""
    body = gzip.decompress(content)
    names = ("cx", "cy", "cz", "low", "high", "sx", "sy", "sz", "radius", "hx", "hy", "hz")
    header = dict(zip(names, struct.unpack_from("<3d2f4d3d", body), strict=True))
    at = 88
    (count,) = struct.unpack_from("<I", body, at)
    at += 4
    columns = []
    for _ in range(3):
        codes = np.frombuffer(body, "<u2", count, at).astype(np.int64)
        columns.append(np.cumsum((codes >> 1) ^ -(codes & 1)))
        at += 2 * count
    (n_triangles,) = struct.unpack_from("<I", body, at)
    codes = np.frombuffer(body, "<u2", 3 * n_triangles, at + 4)
    at += 4 + 6 * n_triangles
    highest, indices = 0, []
    for code in codes.tolist():
        indices.append(highest - code)
        highest += code == 0
    edges = []
    for _ in range(4):
        (n,) = struct.unpack_from("<I", body, at)
        edges.append(np.frombuffer(body, "<u2", n, at + 4))
        at += 4 + 2 * n
    kind, length = struct.unpack_from("<BI", body, at)
    normals = np.frombuffer(body, np.uint8, length, at + 5).reshape(-1, 2)
    assert at + 5 + length == len(body)
    assert kind == 1
    u, v, h = (column / 32767 for column in columns)
    heights = header["low"] + h * (header["high"] - header["low"])
    return header, u, v, heights, np.reshape(indices, (-1, 3)), edges, normals


def sampled(level, x, y, surface):
    lon = vertex_lonlat(level, x * (SIDE - 1) - 1, SIDE + 2, is_latitude=False)
    lat = vertex_lonlat(level, y * (SIDE - 1) - 1, SIDE + 2, is_latitude=True)
    return surface(*np.meshgrid(lon, lat))


def hills(lon, lat):
    return 60 + 30 * np.sin(lon * 900) + 20 * np.cos(lat * 700)


LEVEL, X, Y = 14, 26_800, 10_970  # near 114.5° E, 30.5° N


def test_heights_positions_and_triangles_are_those_that_went_in():
    header, u, v, heights, triangles, _, _ = read_tile(encode(LEVEL, X, Y, sampled(LEVEL, X, Y, hills)))
    west, south, east, north = tile_box(LEVEL, X, Y)
    expected = hills(west + u * (east - west), south + v * (north - south))
    assert np.abs(heights - expected).max() < 0.02
    # 64 x 64 cells of two triangles each, all counter-clockwise seen from above.
    assert triangles.shape == (8192, 3)
    a, b, c = (np.stack((u, v), axis=1)[triangles[:, k]] for k in range(3))
    assert ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] > 0).all()
    assert header["low"] <= heights.min()
    assert header["high"] >= heights.max()


def test_neighbours_share_their_edge_to_the_bit():
    here = read_tile(encode(LEVEL, X, Y, sampled(LEVEL, X, Y, hills)))
    east = read_tile(encode(LEVEL, X + 1, Y, sampled(LEVEL, X + 1, Y, hills)))
    north = read_tile(encode(LEVEL, X, Y + 1, sampled(LEVEL, X, Y + 1, hills)))

    def edge(tile, which, axis):
        at = tile[5][which]
        order = np.argsort(tile[axis][at])
        return tile[3][at][order], tile[6][at][order]

    for one, other in ((edge(here, 2, 2), edge(east, 0, 2)), (edge(here, 3, 1), edge(north, 1, 1))):
        assert len(one[0]) == SIDE
        # Decoded in double precision from two headers: equal but for the last bits.
        assert np.abs(one[0] - other[0]).max() < 1e-9
        assert np.abs(one[1].astype(int) - other[1].astype(int)).max() <= 1


def test_the_normal_of_a_level_plane_is_the_vertical_of_the_place():
    *_, normals = read_tile(encode(LEVEL, X, Y, np.full((SIDE + 2, SIDE + 2), 25.0)))
    plane = normals / 255 * 2 - 1
    z = 1 - np.abs(plane).sum(axis=1)
    vectors = np.column_stack((plane, z))
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    west, south, east, north = np.radians(tile_box(LEVEL, X, Y))
    lon, lat = (west + east) / 2, (south + north) / 2
    up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    assert np.degrees(np.arccos(np.clip(vectors @ up, -1, 1))).max() < 0.8


def test_the_horizon_point_sees_every_vertex():
    from cim.crs import lonlat_to_ecef

    heights = sampled(LEVEL, X, Y, hills)
    header, u, v, decoded, *_ = read_tile(encode(LEVEL, X, Y, heights))
    west, south, east, north = tile_box(LEVEL, X, Y)
    ecef = lonlat_to_ecef(west + u * (east - west), south + v * (north - south), decoded)
    centre = np.array([header["cx"], header["cy"], header["cz"]])
    assert np.linalg.norm(ecef - centre, axis=1).max() <= header["radius"] + 1e-6
    point = np.array([header["hx"], header["hy"], header["hz"]])
    scaled = ecef / np.array([6_378_137.0, 6_378_137.0, 6_356_752.314245])
    # The plane through a vertex and touching the unit sphere lies below the point: it is at least as far out as every vertex.
    assert np.linalg.norm(point) >= np.linalg.norm(scaled, axis=1).max() - 1e-9


@pytest.mark.parametrize("relief", [600.0, 8000.0])
def test_relief_beyond_the_finest_steps_is_kept_within_half_a_coarser_step(relief):
    ramp = np.broadcast_to(np.linspace(0, relief, SIDE + 2), (SIDE + 2, SIDE + 2))
    _, u, _, heights, *_ = read_tile(encode(LEVEL, X, Y, ramp))
    expected = np.interp(u * (SIDE - 1), np.arange(-1, SIDE + 1), ramp[0])
    assert np.abs(heights - expected).max() <= relief / 32767 + 2 / 64
