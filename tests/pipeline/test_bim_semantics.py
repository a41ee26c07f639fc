"""Semantics in the store against what ifcopenshell itself says of the same files, and against hand-made files."""

import ifcopenshell
import ifcopenshell.util.element
import pytest

from cim.db import engine
from tests.support.cli import run_cim
from tests.support.ifc_files import write_model


@pytest.fixture
def city(settings, sample_data):
    assert run_cim(settings, "db", "profile", sample_data / "city.yaml").code == 0
    return settings


def rows(settings, query, *values):
    with engine.connect(settings) as connection:
        return connection.execute(query, values).fetchall()


def upload(city, path, *options):
    result = run_cim(city, "bim", "upload", path, *options, "--json")
    assert result.code == 0, result.err
    return result.json()


def test_a_house_has_the_properties_types_materials_and_areas_of_its_file(city, sample_data):
    path = sample_data / "ifc/fzk_haus.ifc"
    upload(city, path)
    model = ifcopenshell.open(str(path))
    stored = {row[0]: row[1:] for row in rows(city, "SELECT global_id, properties, type_name, materials, storey_code FROM bim_element")}
    expected = [e for e in model.by_type("IfcElement") if not e.is_a("IfcFeatureElement") and not e.is_a("IfcVirtualElement")]
    assert set(stored) == {element.GlobalId for element in expected}
    for element in expected:
        properties, type_name, materials, storey = stored[element.GlobalId]
        theirs = ifcopenshell.util.element.get_psets(element)
        assert {name: set(values) for name, values in properties.items()} == {n: set(v) - {"id"} for n, v in theirs.items()}
        kind = ifcopenshell.util.element.get_type(element)
        assert type_name == (None if kind is None else kind.Name)
        assert [one["name"] for one in materials] == [m.Name for m in ifcopenshell.util.element.get_materials(element)]
        container = ifcopenshell.util.element.get_container(element)
        assert storey.rpartition("/")[2] == container.GlobalId
    areas = {row[0]: row[1:] for row in rows(city, "SELECT global_id, floor_area_m2, area_source, volume_m3 FROM bim_space")}
    for space in model.by_type("IfcSpace"):
        base = ifcopenshell.util.element.get_psets(space, qtos_only=True)
        theirs = next(values["NetFloorArea"] for values in base.values() if "NetFloorArea" in values)
        assert areas[space.GlobalId][:2] == (pytest.approx(theirs), "quantity")
        assert areas[space.GlobalId][2] > theirs


QUANTITIES = """
#40=IFCSPACE('0000000000000000000040',$,'101','Flat 1','dwelling',#10,#43,.ELEMENT.,.INTERNAL.,$);
#41=IFCBUILDING('0000000000000000000041',$,'House',$,$,$,$,$,.ELEMENT.,$,$,$);
#42=IFCBUILDINGSTOREY('0000000000000000000042',$,'Ground',$,$,$,$,$,.ELEMENT.,0.);
#43=IFCPRODUCTDEFINITIONSHAPE($,$,(#44));
#44=IFCSHAPEREPRESENTATION(#3,'Body','SweptSolid',(#45));
#45=IFCEXTRUDEDAREASOLID(#46,#2,#14,2800.);
#46=IFCARBITRARYCLOSEDPROFILEDEF(.AREA.,$,#47);
#47=IFCPOLYLINE((#48,#49,#50,#51,#52,#53,#48));
#48=IFCCARTESIANPOINT((0.,0.));
#49=IFCCARTESIANPOINT((4000.,0.));
#50=IFCCARTESIANPOINT((4000.,1000.));
#51=IFCCARTESIANPOINT((1000.,1000.));
#52=IFCCARTESIANPOINT((1000.,3000.));
#53=IFCCARTESIANPOINT((0.,3000.));
#54=IFCRELAGGREGATES('0000000000000000000054',$,$,$,#42,(#40));
#55=IFCRELAGGREGATES('0000000000000000000055',$,$,$,#41,(#42,#56,#57));
#56=IFCBUILDINGSTOREY('0000000000000000000056',$,'Cellar',$,$,$,$,$,.ELEMENT.,-3000.);
#57=IFCBUILDINGSTOREY('0000000000000000000057',$,'First',$,$,$,$,$,.ELEMENT.,2800.);
#58=IFCRELAGGREGATES('0000000000000000000058',$,$,$,#6,(#41));
#60=IFCZONE('0000000000000000000060',$,'Flat 1',$,$,$);
#61=IFCRELASSIGNSTOGROUP('0000000000000000000061',$,$,$,(#40),$,#60);
#62=IFCCLASSIFICATION($,$,$,'GB/T 51269',$,$,$);
#63=IFCCLASSIFICATIONREFERENCE($,'30-01.10.10','Residential',#62,$,$);
#64=IFCRELASSOCIATESCLASSIFICATION('0000000000000000000064',$,$,$,(#18),#63);
#65=IFCWALLTYPE('0000000000000000000065',$,'W200',$,$,(#66),$,$,$,.SOLIDWALL.);
#66=IFCPROPERTYSET('0000000000000000000066',$,'Pset_WallCommon',$,(#67,#68));
#67=IFCPROPERTYSINGLEVALUE('FireRating',$,IFCLABEL('F30'),$);
#68=IFCPROPERTYSINGLEVALUE('Width',$,IFCPOSITIVELENGTHMEASURE(200.),$);
#69=IFCRELDEFINESBYTYPE('0000000000000000000069',$,$,$,(#18),#65);
#70=IFCPROPERTYSET('0000000000000000000070',$,'Pset_WallCommon',$,(#71));
#71=IFCPROPERTYSINGLEVALUE('FireRating',$,IFCLABEL('F90'),$);
#72=IFCRELDEFINESBYPROPERTIES('0000000000000000000072',$,$,$,(#18),#70);
#73=IFCSIUNIT(*,.AREAUNIT.,$,.SQUARE_METRE.);
#74=IFCELEMENTQUANTITY('0000000000000000000074',$,'Qto_WallBaseQuantities',$,$,(#75,#76));
#75=IFCQUANTITYLENGTH('Length',$,$,4000.,$);
#76=IFCQUANTITYAREA('NetSideArea',$,#77,120000.,$);
#77=IFCSIUNIT(*,.AREAUNIT.,.CENTI.,.SQUARE_METRE.);
#78=IFCRELDEFINESBYPROPERTIES('0000000000000000000078',$,$,$,(#18),#74);
#79=IFCRELCONTAINEDINSPATIALSTRUCTURE('0000000000000000000079',$,$,$,(#18),#42);
"""


@pytest.fixture
def flat(city, tmp_path):
    """Return the city with a model in millimetres: an L-shaped room on one of three storeys, a wall with a type, a zone."""
    path = write_model(tmp_path, QUANTITIES, unit="#5=IFCSIUNIT(*,.LENGTHUNIT.,.MILLI.,.METRE.);")
    path.write_text(path.read_text().replace("537000.,3376000.,20.,1.,0.,1.", "537000.,3376000.,20.,1.,0.,0.001"))
    path.write_text(path.read_text().replace("'EPSG:4547',$,$,$,$,$,$", "'EPSG:4547',$,$,$,$,$,#9"))
    path.write_text(path.read_text().replace("#10=", "#9=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.);\n#10="))
    upload(city, path)
    return city


def test_types_are_inherited_and_overridden_and_units_become_si(flat):
    found = rows(flat, "SELECT properties, original_units, type_name, predefined_type, classifications FROM bim_element")[0]
    properties, originals, type_name, predefined, classes = found
    # ISO 16739-1: an occurrence's property overrides that of its type.
    assert properties["Pset_WallCommon"] == {"FireRating": "F90", "Width": pytest.approx(0.2)}
    assert originals["Pset_WallCommon"] == {"Width": {"value": 200.0, "unit": "mm", "si": "m"}}
    # 120,000 cm2 = 12 m2: the quantity's own unit wins over the project's.
    assert properties["Qto_WallBaseQuantities"] == {"Length": pytest.approx(4.0), "NetSideArea": pytest.approx(12.0)}
    assert originals["Qto_WallBaseQuantities"]["NetSideArea"]["value"] == 120000.0
    assert (type_name, predefined) == ("W200", "SOLIDWALL")
    assert classes == [{"system": "GB/T 51269", "code": "30-01.10.10", "name": "Residential"}]


def test_storeys_are_numbered_and_have_heights_and_outlines(flat):
    found = rows(flat, "SELECT name, number, elevation_m, base_elevation_m, height_m, n_elements FROM bim_storey ORDER BY elevation_m")
    # The highest point of the only element is 3 m; nothing stands above the first floor's 2.8 m but 0.2 m of it.
    assert [row[:2] for row in found] == [("Cellar", -1), ("Ground", 1), ("First", 2)]
    assert [row[2:4] for row in found] == [pytest.approx(pair) for pair in ((-3.0, 17.0), (0.0, 20.0), (2.8, 22.8))]
    assert [row[5] for row in found] == [0, 1, 0]
    assert [row[4] for row in found[:2]] == [pytest.approx(3.0), pytest.approx(2.8)]
    # The storey's outline is that of its room, the wall of 4 mm x 2 mm adds nothing.
    assert rows(flat, "SELECT ST_Area(geom::geography) FROM bim_storey WHERE name = 'Ground'")[0][0] == pytest.approx(6.0, rel=2e-3)
    assert rows(flat, "SELECT count(*) FROM bim_storey WHERE geom IS NULL") == [(2,)]


def test_an_l_shaped_room_has_its_own_outline_area_height_and_volume(flat):
    # By hand: 4 x 1 + 1 x 2 = 6 m2, x 2.8 m = 16.8 m3; the hull would have 9 m2.
    found = rows(
        flat, "SELECT floor_area_m2, area_source, height_m, volume_m3, use, ST_Area(geom::geography), base_elevation_m FROM bim_space"
    )[0]
    assert found[0] == pytest.approx(6.0, abs=1e-3)
    assert found[1] == "mesh"
    # Shapes are kept to a hundredth of a millimetre.
    assert found[2:4] == (pytest.approx(2.8, abs=1e-4), pytest.approx(16.8, abs=1e-3))
    assert found[4] == "dwelling"
    assert found[5] == pytest.approx(6.0, rel=2e-3)
    assert found[6] == pytest.approx(20.0, abs=1e-4)


def test_zones_hold_their_spaces_and_the_tree_its_parents(flat):
    code = rows(flat, "SELECT code FROM bim_model")[0][0]
    assert rows(flat, "SELECT member_code FROM bim_member") == [(f"{code}/0000000000000000000040",)]
    tree = dict(rows(flat, "SELECT kind, parent_global_id FROM bim_node WHERE kind <> 'zone'"))
    assert tree == {"project": None, "building": "0000000000000000000001"}
    assert rows(flat, "SELECT parent_global_id FROM bim_storey WHERE number = 1") == [("0000000000000000000041",)]


def test_properties_are_found_by_index(flat):
    with engine.connect(flat) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            """EXPLAIN SELECT code FROM bim_element WHERE properties @> '{"Pset_WallCommon": {"FireRating": "F90"}}'"""
        ).fetchall()
    assert "bim_element_properties_gin" in str(plan)


def test_facilities_have_their_parts_as_storeys(city, real_data):
    path = real_data / "ifc/pcert_scene_ifc4x3/Infra-Bridge.ifc"
    report = upload(city, path)
    model = ifcopenshell.open(str(path))
    assert report["georeference_method"] == "IfcMapConversion"
    assert rows(city, "SELECT projected_crs FROM bim_model") == [("EPSG:32760",)]
    assert {row[0] for row in rows(city, "SELECT global_id FROM bim_node WHERE kind = 'facility'")} == {
        f.GlobalId for f in model.by_type("IfcFacility") if not f.is_a("IfcBuilding")
    }
    parts = {part.GlobalId for part in model.by_type("IfcFacilityPart")}
    stored = {row[0]: row[1] for row in rows(city, "SELECT global_id, n_elements FROM bim_storey")}
    assert set(stored) == parts
    assert sum(stored.values()) > 0
