"""Plain outlines against GEOS, which measures the same bytes."""

import numpy as np
import pyarrow as pa
import pytest
import shapely

from cim.geometry.outlines import MOST_POINTS, plain_outlines


def _column(shapes, **options):
    return pa.array(shapely.to_wkb(np.asarray(shapes, dtype=object), **options), pa.binary())


def _random_rings(n, seed):
    """Return rings of 3 to 12 random vertices, most of them crossing themselves, some on a coarse grid so that vertices fall together."""
    random = np.random.default_rng(seed)
    rings = []
    for i in range(n):
        xy = random.random((random.integers(3, 13), 2)) * 0.001 + (114.4, 30.5)
        if i % 3 == 0:
            xy = np.round(xy, 4)
        if i % 3 == 1:
            # In order around their middle: simple.
            middle = xy.mean(axis=0)
            xy = xy[np.argsort(np.arctan2(*(xy - middle).T))]
        rings.append(shapely.Polygon(xy))
    return np.array(rings, dtype=object)


def test_what_is_plain_is_valid_for_geos():
    shapes = _random_rings(3_000, 1)
    plain = plain_outlines(_column(shapes)).plain
    valid = shapely.is_valid(shapes)
    assert not (plain & ~valid).any()
    # Nothing but what rounding leaves open is given to GEOS.
    assert plain[valid].mean() > 0.9
    assert 300 < plain.sum() < 2_900


def test_measures_equal_those_of_geos():
    shapes = _random_rings(3_000, 2)
    found = plain_outlines(_column(shapes))
    shapes = shapes[found.plain]
    area, length = found.area_and_length(found.xy)
    assert area[found.plain] == pytest.approx(shapely.area(shapes), rel=1e-9)
    assert length[found.plain] == pytest.approx(shapely.length(shapes), rel=1e-12)
    assert (found.bounds(found.xy)[found.plain] == shapely.bounds(shapes)).all()
    assert (found.inner_points(found.xy)[found.plain] == shapely.get_coordinates(shapely.point_on_surface(shapes))).all()
    assert np.isnan(area[~found.plain]).all()


def test_written_as_geos_writes_multipolygons():
    shapes = _random_rings(300, 3)
    found = plain_outlines(_column(shapes))
    expected = [
        bytes(wkb) if plain else None
        for plain, wkb in zip(found.plain, shapely.to_wkb([shapely.MultiPolygon([shape]) for shape in shapes]), strict=True)
    ]
    assert found.wkb(found.xy).to_pylist() == expected


def test_multipolygons_of_one_part_are_plain_too():
    box = shapely.box(114.4, 30.5, 114.401, 30.501)
    first, second = plain_outlines(_column([box])), plain_outlines(_column([shapely.MultiPolygon([box])]))
    assert first.plain.all()
    assert (first.xy == second.xy).all()
    assert second.plain.all()


def _cases():
    box = shapely.box(0, 0, 1, 1)
    circle = shapely.Point(0, 0).buffer(1, quad_segs=MOST_POINTS)
    return {
        "hole": shapely.Polygon(box.exterior, [shapely.box(0.2, 0.2, 0.4, 0.4).exterior]),
        "two parts": shapely.MultiPolygon([box, shapely.box(3, 3, 4, 4)]),
        "height": shapely.force_3d(box, 5),
        "line": box.exterior,
        "empty": shapely.Polygon(),
        "many vertices": circle,
        "bow tie": shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]),
        "spike": shapely.Polygon([(0, 0), (1, 0), (1, 1), (1, 2), (1, 1), (0, 1)]),
        "touches itself": shapely.Polygon([(0, 0), (2, 0), (1, 1), (2, 2), (0, 2), (1, 1)]),
        "no area": shapely.Polygon([(0, 0), (1, 0), (2, 0)]),
        "not a number": shapely.transform(box, lambda xy: np.where((xy == 1).all(axis=1)[:, None], np.nan, xy)),
        "vertex twice": shapely.Polygon([(0, 0), (1, 0), (1, 0), (1, 1), (0, 1)]),
    }


@pytest.mark.parametrize("name", sorted(_cases()))
def test_everything_else_is_left_to_geos(name):
    assert plain_outlines(_column([_cases()[name]])).plain.tolist() == [False]


def test_bytes_that_are_no_geometry_are_not_plain():
    good = shapely.to_wkb(shapely.box(0, 0, 1, 1))
    rows = [None, b"", b"\x01\x03", good[:-1], good + b"\0", good]
    assert plain_outlines(pa.array(rows, pa.binary())).plain.tolist() == [False] * 5 + [True]
    assert plain_outlines(pa.array(rows, pa.large_binary()).slice(4)).plain.tolist() == [False, True]
    assert plain_outlines(_column([shapely.box(0, 0, 1, 1)], byte_order=0)).plain.tolist() == [False]
    assert len(plain_outlines(pa.array([], pa.binary())).plain) == 0
