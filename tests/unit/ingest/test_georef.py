"""Place of a model: positions from PROJ, a geodesic, the published transformation, or by hand; every gate has a case."""

import math

import numpy as np
import pyproj
import pytest
import shapely
from shapely import affinity

from cim.errors import GeometryError
from ingest.ifc.crs_names import read_crs_name
from ingest.ifc.fit import fit_outline, fitted_placement
from ingest.ifc.georef import PlaceOptions, place_model
from ingest.ifc.vertical import to_city_datum

EAST, NORTH = 537000.0, 3376000.0  # EPSG:4547: 114.3854 E 30.5036 N, in Wuhan


def conversion(**changes):
    return {
        "source": "IfcMapConversion", "crs_class": "IfcProjectedCRS", "crs": "EPSG:4547", "wkt": None, "vertical_datum": None,
        "map_unit_m": 1.0, "map_unit_given": True, "eastings": EAST, "northings": NORTH, "height": 20.0, "abscissa": 1.0,
        "ordinate": 0.0, "scale": 1.0, **changes,
    }  # fmt: skip


def document(*conversions, unit_m=1.0, **facts):
    georef = {"conversions": list(conversions), "wcs": None, "true_north": None, "centre": [0, 0, 0], "site": None, "address": None}
    return {"unit_m": unit_m, "georef": georef | facts}


def place(*conversions, options=None, near=None, **facts):
    return place_model("m.ifc", document(*conversions, **facts), options, near=near)


def at(placement, *xyz):
    return placement.to_map(np.array([xyz], dtype=np.float64))[0]


def test_a_turned_conversion_places_points_where_a_hand_calculation_does():
    # x axis (0.6, 0.8): a point 10 m along x and 5 m along y lies 10 (0.6, 0.8) + 5 (-0.8, 0.6) = (2, 11) away.
    placed = place(conversion(abscissa=3.0, ordinate=4.0))
    assert at(placed, 10, 5, 3) == pytest.approx([EAST + 2, NORTH + 11, 23], abs=1e-6)


@pytest.mark.parametrize("unit_m", [1.0, 0.001])
def test_points_agree_with_the_formulas_of_ifcopenshell(unit_m):
    from ifcopenshell.util.geolocation import xyz2enh

    scale = 0.9996 * unit_m
    placed = place(conversion(abscissa=0.27, ordinate=0.96, scale=scale), unit_m=unit_m)
    for xyz in [(0, 0, 0), (100, 50, 7), (-20, 33.3, 1)]:
        expected = xyz2enh(*(v / unit_m for v in xyz), EAST, NORTH, 20.0, 0.27, 0.96, scale)
        assert at(placed, *xyz) == pytest.approx(expected, abs=1e-6)


def test_factors_of_a_scaled_conversion_count_per_axis():
    # IFC 4.3.2, 8.18.3.8: 1000 m along x become 999.6 m, along y 1000.4 m, heights stay.
    placed = place(conversion(source="IfcMapConversionScaled", factors=[0.9996, 1.0004, 1.0]))
    assert at(placed, 1000, 0, 5) == pytest.approx([EAST + 999.6, NORTH, 25], abs=1e-6)
    assert at(placed, 0, 1000, 5) == pytest.approx([EAST, NORTH + 1000.4, 25], abs=1e-6)
    assert placed.method == "IfcMapConversionScaled"


def test_eastings_in_millimetres_are_read_by_the_map_unit_and_without_one_by_the_area_of_use():
    given = place(conversion(eastings=EAST * 1000, northings=NORTH * 1000, height=20_000, map_unit_m=0.001), unit_m=0.001)
    assert at(given, 0, 0, 0) == pytest.approx([EAST, NORTH, 20], abs=1e-6)
    silent = place(conversion(eastings=EAST * 1000, northings=NORTH * 1000, height=20_000, map_unit_m=None, map_unit_given=False))
    assert at(silent, 0, 0, 0) == pytest.approx([EAST, NORTH, 20], abs=1e-6)
    assert "eastings taken as millimetres" in silent.note


@pytest.mark.parametrize(
    ("scale", "words"), [(None, "Scale absent, 0.001 inferred"), (1.0, "contradicts the units"), (1000.0, "contradicts")]
)
def test_a_missing_or_wrong_scale_of_a_model_in_millimetres_is_said_and_not_applied(scale, words):
    placed = place(conversion(scale=scale), unit_m=0.001)
    assert at(placed, 100, 0, 0) == pytest.approx([EAST + 100, NORTH, 20], abs=1e-6)
    assert words in placed.note


def test_a_model_in_feet_with_the_scale_of_feet_keeps_its_size():
    placed = place(conversion(scale=0.3048), unit_m=0.3048)
    assert at(placed, 100, 0, 0) == pytest.approx([EAST + 100, NORTH, 20], abs=1e-6)
    assert "contradicts" not in placed.note


# New York Long Island, EPSG:2263, counts in US survey feet of 1200/3937 m; position by PROJ.
US_FOOT = 1200 / 3937


def new_york():
    return pyproj.Proj("EPSG:2263")(-73.9857, 40.7484)


@pytest.mark.parametrize("given", [US_FOOT, None])
def test_a_crs_in_feet_takes_eastings_in_feet_and_keeps_the_size_of_the_model(given):
    east, north = new_york()
    placed = place(
        conversion(
            crs="EPSG:2263", eastings=east, northings=north, height=100.0, map_unit_m=given, map_unit_given=given is not None, scale=None
        )
    )
    # 30.48006 m are 100 US survey feet; heights are metres of the city.
    assert at(placed, 100 * US_FOOT, 0, 3) == pytest.approx([east + 100, north, 100 * US_FOOT + 3], abs=1e-6)
    lon, lat = placed.lon_lat(np.zeros(3))
    assert (lon, lat) == (pytest.approx(-73.9857, abs=2e-5), pytest.approx(40.7484, abs=2e-5))
    assert "counts in US survey foot" in placed.note


def test_the_operator_speaks_in_the_unit_of_the_crs():
    east, north = new_york()
    placed = place(options=PlaceOptions("EPSG:2263", (east, north, 5.0), 90.0))
    assert at(placed, 100 * US_FOOT, 0, 3) == pytest.approx([east, north + 100, 8], abs=1e-6)


def test_true_north_is_never_added_to_a_conversion():
    with_north = place(conversion(abscissa=0.6, ordinate=0.8), true_north=[0.5, 0.866])
    assert np.array_equal(with_north.matrix, place(conversion(abscissa=0.6, ordinate=0.8)).matrix)
    assert "TrueNorth not added" in with_north.note


def test_an_all_zero_conversion_is_no_place_unless_the_coordinates_are_map_coordinates():
    with pytest.raises(GeometryError, match="all zero"):
        place(conversion(eastings=0.0, northings=0.0))
    placed = place(conversion(eastings=0.0, northings=0.0), centre=[EAST, NORTH, 20])
    assert placed.method == "coordinates"
    assert at(placed, EAST, NORTH, 20) == pytest.approx([EAST, NORTH, 20])


def test_a_model_georeferenced_twice_is_placed_once():
    placed = place(conversion(), centre=[EAST + 30, NORTH + 40, 25])
    assert at(placed, EAST + 30, NORTH + 40, 25) == pytest.approx([EAST + 30, NORTH + 40, 25])
    assert "georeferenced twice" in placed.note


def test_a_model_far_from_its_origin_that_the_conversion_brings_home_is_not_taken_for_twice():
    # Local coordinates around 400 km, 0: only conversion and coordinates together land near Wuhan.
    placed = place(conversion(eastings=EAST - 400_000), centre=[400_000, 0, 0])
    assert at(placed, 400_000, 0, 0) == pytest.approx([EAST, NORTH, 20])


def test_the_world_coordinate_system_is_taken_off_before_the_conversion():
    wcs = np.eye(4)
    wcs[:3, 3] = [100, 200, 5]
    placed = place(conversion(), wcs=wcs.tolist())
    assert at(placed, 100, 200, 5) == pytest.approx([EAST, NORTH, 20])


def test_a_position_outside_the_area_of_use_is_refused_with_all_reasons_and_the_command():
    with pytest.raises(GeometryError, match="outside the area of use of EPSG:4547") as caught:
        place(conversion(northings=NORTH * 3))
    assert "--fit-to" in caught.value.hint


def test_the_first_usable_of_several_operations_is_used():
    placed = place(conversion(crs="Local grid"), conversion(eastings=EAST + 1))
    assert placed.matrix[0, 3] == EAST + 1
    assert "2 coordinate operations in the file, one used" in placed.note
    assert "'Local grid'" in placed.note


def test_the_operator_may_replace_only_the_crs_a_file_names():
    placed = place(conversion(crs="local"), options=PlaceOptions(crs="EPSG:4547"))
    assert (placed.crs, placed.matrix[0, 3]) == ("EPSG:4547", EAST)
    by_itself = place(options=PlaceOptions(crs="EPSG:4547"), centre=[EAST, NORTH, 20])
    assert by_itself.method == "coordinates"


@pytest.mark.parametrize(
    ("lat", "lon", "words"),
    [
        ([42, 21, 31, 181945], [-71, -3, -24, -263305], "Boston"),  # TallBuilding.ifc, Revit 2021
        ([39, 54, 57, 601318], [116, 25, 58, 795166], "Beijing"),  # Revit 2019
        ([24, 28, 0], [54, 25, 0], "Abu Dhabi"),
        ([0, 0, 0], [0, 0, 0], "zero"),
    ],
)
def test_a_default_position_of_a_tool_places_nothing(lat, lon, words):
    site = {"latitude": lat, "longitude": lon, "elevation_m": 0.0, "origin": [0, 0, 0]}
    with pytest.raises(GeometryError, match=f"default of a tool: {words}"):
        place(site=site)


@pytest.mark.parametrize("north", [None, [0.5, math.sqrt(0.75)]])
def test_a_site_position_puts_true_north_where_the_geodesic_does(north):
    site = {"latitude": [30, 30, 0], "longitude": [115, 0, 0], "elevation_m": 7.0, "origin": [10.0, 20.0, 0.0]}
    placed = place(site=site, true_north=north)
    assert (placed.method, placed.confidence) == ("IfcSite", "low")
    # 100 m along true north of the site, by the geodesic on the ellipsoid of CGCS2000 and PROJ's projection.
    lon, lat, _ = pyproj.Geod(a=6378137, rf=298.257222101).fwd(115, 30.5, 0, 100)
    expected = pyproj.Transformer.from_crs("EPSG:4490", placed.crs, always_xy=True).transform(lon, lat)  # noqa: TID251 - the yardstick
    x, y = north or (0.0, 1.0)
    assert at(placed, 10 + 100 * x, 20 + 100 * y, 0)[:2] == pytest.approx(expected, abs=1e-3)


def test_the_position_of_the_scene_of_building_smart_is_that_of_proj_within_a_millimetre():
    # PCERT scene: EPSG:32760, millimetres, 729011225.8823584 / 9063960607.644705, x axis 1, 0, model in metres.
    placed = place(conversion(crs="EPSG:32760", eastings=729011225.8823584, northings=9063960607.644705, height=0.0, map_unit_m=0.001))
    to_degrees = pyproj.Transformer.from_crs("EPSG:32760", "EPSG:4326", always_xy=True)  # noqa: TID251 - the yardstick
    for x, y in [(0, 0), (150, -80)]:
        expected = to_degrees.transform(729011.2258823584 + x, 9063960.607644705 + y)
        distance = pyproj.Geod(ellps="WGS84").inv(*expected, *placed.lon_lat(np.array([x, y, 0.0])))[2]
        assert distance < 0.001


def test_a_rigid_operation_in_degrees_is_read_in_the_order_that_is_a_position():
    # buildingSMART sample: EPSG:4258, 14.0902217, 46.3623297 (Arnoldstein, Austria): longitude first.
    rigid = conversion(source="IfcRigidOperation", crs="EPSG:4258", eastings=14.0902217, northings=46.3623297, height=475.0, is_angle=True)
    near = (14.0, 46.0, 15.0, 47.0)
    placed = place(rigid, near=near)
    assert placed.lon_lat(np.zeros(3)) == pytest.approx((14.0902217, 46.3623297), abs=1e-8)
    swapped = place(rigid | {"eastings": 46.3623297, "northings": 14.0902217}, near=near)
    assert swapped.lon_lat(np.zeros(3)) == pytest.approx((14.0902217, 46.3623297), abs=1e-8)


@pytest.mark.parametrize(
    ("name", "epsg"),
    [
        # Meaning of each name: EPSG registry.
        ("EPSG:4547", 4547), ("epsg 4547", 4547), ("urn:ogc:def:crs:EPSG::25832", 25832), ("urn:ogc:def:crs:EPSG:9.8.2:25832", 25832),
        ("25832", 25832), ("ETRS89/UTM32", 25832), ("ETRS89 / UTM zone 33N", 25833), ("WGS 84 / UTM zone 60S", 32760),
        ("WGS84 UTM 50N", 32650),
        ("CGCS2000 / 3-degree Gauss-Kruger CM 114E", 4547), ("CGCS2000_3_Degree_GK_CM_114E", 4547),
        ("2000国家大地坐标系 中央子午线114", 4547),
        ("CGCS2000 / 3-degree Gauss-Kruger zone 38", 4526),
        ("NC83", None), ("Local grid", None), ("", None), (None, None), ("EPSG:12invalid", None), ("WGS84 UTM 50", None), ("UTM32", None),
    ],
)  # fmt: skip
def test_names_of_crs_are_read_or_refused_never_guessed(name, epsg):
    reading = read_crs_name(name)
    assert (None if reading is None else reading.crs) == (None if epsg is None else f"EPSG:{epsg}")


def test_wkt_is_read_as_a_crs():
    wkt = pyproj.CRS.from_epsg(4547).to_wkt("WKT1_GDAL")
    assert read_crs_name("WKT", wkt).crs == "EPSG:4547"
    assert read_crs_name(wkt).crs == "EPSG:4547"


L_SHAPE = shapely.Polygon([(0, 0), (30, 0), (30, 10), (12, 10), (12, 22), (0, 22)])


def test_an_outline_is_laid_back_onto_the_footprint_it_was_made_from():
    # The footprint is the outline turned by 67 deg about its origin and moved: the origin must come back there.
    target = affinity.translate(affinity.rotate(L_SHAPE, 67, origin=(0, 0)), EAST, NORTH)
    fit = fit_outline(L_SHAPE, target)
    assert fit.iou > 0.99
    assert (fit.easting, fit.northing) == pytest.approx((EAST, NORTH), abs=0.1)
    assert fit.rotation_deg == pytest.approx(67, abs=0.2)
    assert fit.residual_m < 0.1
    placed = fitted_placement(fit, "EPSG:4547", "B", 24.5, 0.0, 12.0)
    assert (placed.confidence, placed.matrix[2, 3]) == ("high", 24.5)


def test_a_rectangle_fits_two_ways_and_that_is_said():
    box = shapely.box(0, 0, 40, 15)
    fit = fit_outline(box, affinity.translate(affinity.rotate(box, 20), EAST, NORTH))
    assert fit.other_turn_deg == pytest.approx(180, abs=1)
    placed = fitted_placement(fit, "EPSG:4547", "B", None, 0.0, 12.0)
    assert "it fits as well" in placed.note
    assert placed.confidence == "medium"


def test_heights_of_another_datum_are_converted_where_that_is_known_and_doubted_where_not():
    placed = place(conversion())
    # EPSG operation 5447: Baltic 1977 height + 0.4 m = Black Sea height.
    assert to_city_datum(placed, "EPSG:5705", "EPSG:5735").matrix[2, 3] == pytest.approx(20.4, abs=1e-9)
    # Published heights of the levelling origin at Qingdao: 72.289 m (1956), 72.2604 m (1985).
    assert to_city_datum(placed, "1956黄海高程系", "EPSG:5737").matrix[2, 3] == pytest.approx(20 - 0.0286, abs=1e-9)
    same = to_city_datum(placed, "urn:ogc:def:crs:EPSG::5737", "EPSG:5737")
    assert same.matrix[2, 3] == 20
    assert same.confidence == "high"
    doubted = to_city_datum(placed, "EPSG:5703", "EPSG:5737")
    assert (doubted.matrix[2, 3], doubted.confidence) == (20, "medium")
    assert "no transformation without a missing grid" in doubted.note
    assert "not understood" in to_city_datum(placed, "site zero", "EPSG:5737").note
