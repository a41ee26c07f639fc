"""``cim export`` of buildings to CityJSON: closed blocks of the right volume."""

import json
from collections import Counter

import numpy as np
import pyproj
import pytest
import shapely

from tests.support.exports import export, rows


def check_solid(solid, vertices):
    """Return the volume [m3] of a solid; every edge must be used exactly once in each direction."""
    edges = Counter()
    volume = 0.0
    assert len(solid["boundaries"]) == 1
    surfaces = solid["boundaries"][0]
    assert len(solid["semantics"]["values"][0]) == len(surfaces)
    reference = vertices[surfaces[0][0][0]]
    for surface in surfaces:
        area = np.zeros(3)
        for ring in surface:
            assert len(ring) >= 3
            assert len(set(ring)) == len(ring)
            edges.update(zip(ring, ring[1:] + ring[:1], strict=True))
            places = vertices[ring] - reference
            area += np.cross(places, np.roll(places, -1, axis=0)).sum(axis=0) / 2
        # Divergence theorem over flat faces: outward faces give a positive volume.
        volume += np.dot(vertices[surface[0][0]] - reference, area) / 3
    assert set(edges.values()) == {1}
    assert all((b, a) in edges for a, b in edges)
    return volume


def check_cityjson(document):
    """Check what the schema cannot say; return volume by city object, and the vertices [m]."""
    assert (document["type"], document["version"]) == ("CityJSON", "2.0")
    scale, translate = (np.array(document["transform"][key]) for key in ("scale", "translate"))
    vertices = np.array(document["vertices"], dtype=np.int64).reshape(-1, 3) * scale + translate
    used = set()

    def walk(boundary):
        for part in boundary:
            if isinstance(part, int):
                used.add(part)
            else:
                walk(part)

    volumes = {}
    objects = document["CityObjects"]
    for code, made in objects.items():
        for child in made.get("children", []):
            assert objects[child]["parents"] == [code]
        assert ("parents" in made) == (made["type"] == "BuildingPart")
        for geometry in made.get("geometry", []):
            walk(geometry["boundaries"])
            if geometry["type"] == "Solid":
                assert geometry["lod"] == "1.2"
                volumes[code] = check_solid(geometry, vertices)
            else:
                assert (geometry["type"], geometry["lod"]) == ("MultiSurface", "0")
    assert used == set(range(len(vertices)))
    if len(vertices):
        extent = np.array(document["metadata"]["geographicalExtent"])
        assert extent == pytest.approx(np.concatenate([vertices.min(axis=0), vertices.max(axis=0)]), abs=1e-6)
    return volumes, vertices


def footprint_areas(settings, crs="EPSG:4547"):
    """Area of each part of each footprint [m2], by PROJ and GEOS."""
    to_metres = pyproj.Transformer.from_crs("EPSG:4490", crs, always_xy=True)  # noqa: TID251 - the reference
    areas = {}
    for code, shape in rows(settings, "SELECT code, ST_AsBinary(geom) FROM building"):
        parts = shapely.get_parts(shapely.from_wkb(shape))
        areas[code] = [shapely.transform(part, to_metres.transform, interleaved=False).area for part in parts]
    return areas


def test_every_building_of_the_city_is_a_closed_block_of_the_right_volume(demo_city, tmp_path):
    settings, _ = demo_city
    file = tmp_path / "b.city.json"
    assert export(settings, "buildings", file)["crs"] == "EPSG:4547"
    document = json.loads(file.read_text(encoding="utf-8"))
    volumes, vertices = check_cityjson(document)
    areas = footprint_areas(settings)
    register = {row[0]: row[1:] for row in rows(settings, "SELECT code, height_m, ground_elevation_m, use FROM building")}
    assert set(document["CityObjects"]) == set(volumes) == set(register)
    for code, (height, ground, use) in register.items():
        assert volumes[code] == pytest.approx(sum(areas[code]) * height, rel=1e-3)
        made = document["CityObjects"][code]
        assert made["attributes"]["height_m"] == height
        assert made["attributes"]["use"] == use
        own = vertices[np.unique(np.concatenate([ring for surface in made["geometry"][0]["boundaries"][0] for ring in surface]))]
        assert (own[:, 2].min(), own[:, 2].max()) == pytest.approx((ground, ground + height), abs=0.0011)
    assert document["metadata"]["referenceSystem"] == "https://www.opengis.net/def/crs/EPSG/0/4547"
    assert document["transform"]["scale"] == [0.001, 0.001, 0.001]
    # Wuhan in CM 114 E: easting about 537 km, northing about 3 376 km; easting comes first.
    assert vertices[:, :2].mean(axis=0) == pytest.approx((537_900, 3_376_500), abs=2_000)


def test_holes_parts_missing_heights_and_missing_ground_are_handled(register, tmp_path):
    export(register, "buildings", tmp_path / "s.json")
    document = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    objects = document["CityObjects"]
    volumes, _ = check_cityjson(document)
    areas = footprint_areas(register)
    expected = {"A": areas["A"][0] * 10, "B": areas["B"][0] * 12.5, "C": areas["C"][0] * 9}
    expected |= {f"D-{number}": area * 30 for number, area in enumerate(areas["D"], start=1)}
    assert volumes == pytest.approx(expected, rel=1e-3)
    assert objects["D"]["children"] == ["D-1", "D-2"]
    assert "geometry" not in objects["D"]
    assert objects["E"]["geometry"][0]["lod"] == "0"
    assert objects["B"]["attributes"]["groundElevationSource"] == "unknown"
    assert "groundElevationSource" not in objects["A"]["attributes"]
    lows = {code: document["vertices"][objects[code]["geometry"][0]["boundaries"][0][0][0][0]][2] for code in ("A", "B", "C")}
    assert lows == {"A": 25_500, "B": 0, "C": -3_250}
