"""Units under their building's code: from a table, from counts, from models."""

import ifcopenshell
import ifcopenshell.util.element
import pytest
import shapely

from cim.codes import registry
from cim.codes.rooms import floor_number, room_number, staircase_number
from cim.db.unit_proposals import unit_label
from cim.errors import CodeError
from tests.pipeline.test_ingest import GOOD, SQUARE, city, ingest, rows, write_layer  # noqa: F401 - city is a fixture
from tests.support.cli import run_cim
from tests.support.ifc_files import write_model


@pytest.fixture
def house(city, tmp_path):  # noqa: F811 - the fixture
    profile = (tmp_path / "p.yaml").read_text(encoding="utf-8")
    (tmp_path / "p.yaml").write_text(
        profile.replace("fields:", "fields:\n  dwelling_units: {source: ts, type: integer}", 1), encoding="utf-8"
    )
    write_layer(tmp_path / "c.gpkg", [{**GOOD, "cs": 3, "ts": 7}], [SQUARE])
    ingest(city, tmp_path)
    return city, rows(city, "SELECT code FROM building")[0][0]


def load(house, tmp_path, *lines):
    (tmp_path / "u.csv").write_text("\n".join(["建筑编号,单元,楼层,室号,建筑面积,用途", *lines]), encoding="utf-8")
    result = run_cim(house[0], "ingest", "units", tmp_path / "u.csv", "--json")
    assert result.code == 0, result.err
    return result.json()[0]


@pytest.mark.parametrize(("text", "floor"), [("3", 3), ("3层", 3), ("-1", -1), ("B2", -2), ("负一层", -1), ("地下1层", -1), ("118F", 118)])
def test_floors_are_read_as_surveys_write_them(text, floor):
    assert floor_number(text) == floor


@pytest.mark.parametrize(
    ("read", "text"),
    [(floor_number, "0"), (floor_number, "夹层"), (room_number, "东户"), (room_number, "12345"), (staircase_number, "南侧")],
)
def test_what_is_no_number_is_refused(read, text):
    with pytest.raises(CodeError, match="expected"):
        read(text)


def test_units_get_the_code_of_their_building_with_floor_and_room(house, tmp_path):
    done = load(house, tmp_path, f"{house[1]},2,11,1103,98.5,residential", "1,,B2,B2-15,20,")
    assert (done["read"], done["accepted"], done["rejected"]) == (2, 2, 0)
    found = dict(rows(house[0], "SELECT room, code FROM unit"))
    for code in found.values():
        registry.scheme("CIM-BC27-v1-unit").verify(code)
        assert code[:26] == house[1][:26]
    # Layout: unit 2 digits, floor 3 (basements 901 …), room 4.
    assert found["1103"][26:35] == "020111103"
    assert found["B2-15"][26:35] == "009020015"
    again = load(house, tmp_path, f"{house[1]},2,11,1103,98.5,residential", "1,,B2,B2-15,21,")
    assert (again["accepted"], again["unchanged"], again["new"]) == (1, 1, 0)


def test_wrong_units_are_refused_one_by_one(house, tmp_path):
    done = load(
        house, tmp_path, f"{house[1]},1,1,101,90,", f"{house[1]},1,1,甲-101,90,", f"{house[1]},1,夹层,1,90,", "nobody,1,1,101,90,",
        f"{house[1]},1,1,102,many,", f"{house[1]},1,1,103,90,castle",
    )  # fmt: skip
    assert done["rejected_by_rule"] == {"U01": 1, "U03": 3, "U04": 1}
    assert rows(house[0], "SELECT message FROM reject WHERE rule = 'U04'")[0][0].startswith(
        "room 甲-101 gets the same number as line 2 (101)"
    )
    run_cim(house[0], "changes", "demolish", house[1], "--reason", "x")
    assert load(house, tmp_path, f"{house[1]},1,2,201,90,")["rejected_by_rule"] == {"U02": 1}


def propose(house, *argv):
    result = run_cim(house[0], "units", "propose", *argv, "--json")
    assert result.code == 0, result.err
    return result.json()


def test_units_are_proposed_evenly_from_counts_and_only_once(house):
    dry = propose(house, "--from", "census", "--dry-run")
    assert (dry["proposed"], rows(house[0], "SELECT count(*) FROM unit")) == (7, [(0,)])
    assert propose(house, "--from", "census", "--division", "420111")["new"] == 7
    # 7 dwellings on 3 storeys: 3 + 2 + 2, the lowest storey takes the remainder.
    assert rows(house[0], "SELECT floor, string_agg(room, ' ' ORDER BY room) FROM unit GROUP BY floor ORDER BY floor") == [
        (1, "101 102 103"), (2, "201 202"), (3, "301 302"),
    ]  # fmt: skip
    before = rows(house[0], "SELECT count(*) FROM change_set")
    assert propose(house, "--from", "census")["unchanged"] == 7
    assert rows(house[0], "SELECT count(*) FROM change_set") == before


def test_proposals_leave_surveyed_units_alone(house, tmp_path):
    load(house, tmp_path, f"{house[1]},,1,101,98.5,")
    assert propose(house, "--from", "census")["proposed"] == 0


def survey(house, tmp_path, *lines):
    (tmp_path / "s.csv").write_text("\n".join(["房屋编号,楼层,室号,面积,用途", *lines]), encoding="utf-8")
    result = run_cim(house[0], "ingest", "units", tmp_path / "s.csv", "--json")
    assert result.code == 0, result.err
    return result.json()[0]


def states(house):
    return dict(rows(house[0], "SELECT room, status FROM unit"))


def last_change_set(house):
    return rows(house[0], "SELECT id FROM change_set ORDER BY recorded_at DESC, id DESC LIMIT 1")[0][0]


def test_a_survey_replaces_what_was_proposed_for_its_building(house, tmp_path):
    propose(house, "--from", "census")
    done = survey(house, tmp_path, f"{house[1]},1,101,98.5,住宅", f"{house[1]},1,105,40,商铺")
    assert (done["new"], done["changed"], done["proposals_retired"]) == (1, 1, 6)
    assert {room for room, state in states(house).items() if state == "existing"} == {"101", "105"}
    assert rows(house[0], "SELECT room, use, attributes FROM unit WHERE status = 'existing' ORDER BY room") == [
        ("101", "residential", {}), ("105", "commercial", {}),
    ]  # fmt: skip
    found = propose(house, house[1], "--from", "census")
    assert (found["proposed"], found["retired"], found["not_proposed"]) == (0, 0, {house[1]: "has surveyed units"})


def test_a_survey_that_is_taken_back_brings_its_units_back_when_loaded_again(house, tmp_path):
    survey(house, tmp_path, f"{house[1]},1,101,98.5,")
    codes = rows(house[0], "SELECT code FROM unit")
    assert run_cim(house[0], "changes", "undo", last_change_set(house), "--reason", "wrong file").code == 0
    assert states(house) == {"101": "retired"}
    assert survey(house, tmp_path, f"{house[1]},1,101,98.5,")["changed"] == 1
    assert states(house) == {"101": "existing"}
    assert rows(house[0], "SELECT code FROM unit") == codes
    assert [row[0] for row in rows(house[0], "SELECT status FROM unit_history ORDER BY version")] == ["existing", "retired"]


def test_proposals_follow_the_count_down_and_up_again_under_the_same_codes(house, tmp_path):
    propose(house, "--from", "census")
    before = rows(house[0], "SELECT code FROM unit ORDER BY code")
    write_layer(tmp_path / "c.gpkg", [{**GOOD, "cs": 3, "ts": 4}], [SQUARE])
    ingest(house[0], tmp_path)
    found = propose(house, "--from", "census")
    assert (found["proposed"], found["new"], found["retired"]) == (4, 0, 3)
    write_layer(tmp_path / "c.gpkg", [{**GOOD, "cs": 3, "ts": 7}], [SQUARE])
    ingest(house[0], tmp_path)
    found = propose(house, "--from", "census")
    assert (found["new"], found["changed"], found["retired"], found["unchanged"]) == (0, 3, 0, 4)
    assert rows(house[0], "SELECT code FROM unit ORDER BY code") == before


def test_a_unit_has_the_footprint_of_its_building(house):
    propose(house, "--from", "census")
    assert rows(house[0], "SELECT count(*) FROM unit u JOIN building b ON b.code = u.building_code AND ST_Equals(u.geom, b.geom)") == [(7,)]


def test_a_number_that_two_buildings_have_is_refused(house, tmp_path):
    write_layer(tmp_path / "d2.gpkg", [{**GOOD, "district": "420112", "ts": 1}], [shapely.affinity.translate(SQUARE, 0.003)])
    assert ingest(house[0], tmp_path, "d2.gpkg").json()[0]["accepted"] == 1
    assert survey(house, tmp_path, "1,1,101,98.5,")["rejected_by_rule"] == {"U05": 1}
    assert "give the building code" in rows(house[0], "SELECT message FROM reject WHERE rule = 'U05'")[0][0]
    # Once one of them is gone, the number is clear.
    run_cim(house[0], "changes", "demolish", house[1], "--reason", "x")
    assert survey(house, tmp_path, "1,1,101,98.6,")["accepted"] == 1


def test_a_basement_room_on_another_floor_is_refused(house, tmp_path):
    done = survey(house, tmp_path, f"{house[1]},B1,B1-15,20,车位", f"{house[1]},1,B1-16,20,")
    assert (done["accepted"], done["rejected_by_rule"]) == (1, {"U03": 1})


@pytest.mark.parametrize(
    ("argv", "fault"),
    [(("nobody",), "not in the register"), (("--division", "%"), "a division code"), (("HOUSE",), "found status demolished")],
)
@pytest.mark.parametrize("source", ["census", "bim"])
def test_proposals_for_what_is_not_there_are_refused(house, argv, fault, source):
    run_cim(house[0], "changes", "demolish", house[1], "--reason", "x")
    result = run_cim(house[0], "units", "propose", *(house[1] if a == "HOUSE" else a for a in argv), "--from", source)
    assert (result.code, fault in result.err) == (1, True), result.err


def test_a_building_without_counts_or_model_says_why(city, tmp_path):  # noqa: F811 - the fixture
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    ingest(city, tmp_path)
    code = rows(city, "SELECT code FROM building")[0][0]
    assert propose((city, code), code, "--from", "census")["not_proposed"] == {code: "has no number of dwellings or households"}
    assert propose((city, code), code, "--from", "bim")["not_proposed"] == {code: "has no model with spaces"}


@pytest.mark.parametrize(
    ("text", "zone", "label"),
    [
        ("Apartment 12", False, "12"), ("FLAT-3B", False, "3B"), ("Unit A OccupancyZoneName", True, "A"), ("Dwelling", False, ""),
        ("1103户", False, ""), ("A户型", False, ""), ("套房", False, ""), ("Unit A corridor", False, None), ("Flat roof", False, None),
        ("Air Handling Unit", False, None), ("Unit heater", False, None), ("入户花园", False, None), ("户外平台", False, None),
        ("客户接待", False, None), ("Living Room", False, None), ("Office Occupancy Zone", True, None),
    ],
)  # fmt: skip
def test_names_of_units_are_told_from_names_of_rooms_and_machines(text, zone, label):
    assert unit_label(text, zone=zone) == label


@pytest.fixture
def duplex(house, sample_data):
    """A building with the real model of a duplex house: two flats on two storeys, A and B, as zones of the model."""
    result = run_cim(house[0], "bim", "upload", sample_data / "ifc/duplex.ifc", "--building-code", house[1], "--json")
    assert result.code == 0, result.err
    return house[0], house[1], result.json()["code"]


def test_the_zones_of_the_duplex_become_its_two_flats(duplex, sample_data):
    # A model says more than a count: its units take the place of those proposed from the census.
    propose(duplex, duplex[1], "--from", "census")
    found = propose(duplex, duplex[1], "--from", "bim")
    assert (found["proposed"], found["new"], found["retired"]) == (2, 2, 7)
    # Floors of the flats: their rooms in the file, read without the store.
    model = ifcopenshell.open(str(sample_data / "ifc/duplex.ifc"))
    sets = [ifcopenshell.util.element.get_psets(space) for space in model.by_type("IfcSpace")]
    for flat, number in (("A", 1), ("B", 2)):
        zone = f"Unit {flat} OccupancyZoneName"
        inside = [s for s in sets if s["PSet_Revit_Other"]["OccupancyZoneName"] == zone]
        area = sum(s["GSA Space Areas"]["GSA BIM Area"] for s in inside)
        code, floor, unit_area, attributes = rows(
            duplex[0], f"SELECT code, floor, floor_area_m2, attributes FROM unit WHERE building_code = '{duplex[1]}' AND name = '{zone}'"
        )[0]
        assert code[26:35] == f"00001{number:04d}"
        assert floor == 1
        assert unit_area == pytest.approx(area, rel=0.01)
        assert attributes == {"proposed": True, "from": "bim", "model": duplex[2], "zone": zone, "spaces": len(inside)}
    again = propose(duplex, duplex[1], "--from", "bim")
    assert (again["new"], again["changed"], again["unchanged"]) == (0, 0, 2)
    assert propose(duplex, duplex[1], "--from", "census")["not_proposed"] == {duplex[1]: "has units from a model"}


def test_a_model_whose_rooms_are_only_rooms_gives_no_units_and_says_why(house, sample_data):
    # FZK-Haus names rooms (Schlafzimmer, Bad, Wohnen …), none of them a unit.
    assert run_cim(house[0], "bim", "upload", sample_data / "ifc/fzk_haus.ifc", "--building-code", house[1]).code == 0
    found = propose(house, "--from", "bim")
    assert (found["proposed"], list(found["not_proposed"])) == (0, [house[1]])
    assert "calls itself a unit" in found["not_proposed"][house[1]]


def test_a_zone_of_the_model_that_calls_itself_a_flat_becomes_a_unit(house, tmp_path):
    body = """#40=IFCSPACE('0000000000000000000040',$,'1','Living',$,#10,#17,.ELEMENT.,.INTERNAL.,$);
#41=IFCSPACE('0000000000000000000041',$,'2','Bath',$,#10,#17,.ELEMENT.,.INTERNAL.,$);
#42=IFCBUILDINGSTOREY('0000000000000000000042',$,'Ground',$,$,$,$,$,.ELEMENT.,0.);
#43=IFCRELAGGREGATES('0000000000000000000043',$,$,$,#42,(#40,#41));
#44=IFCZONE('0000000000000000000044',$,'Flat 7',$,$,$);
#45=IFCRELASSIGNSTOGROUP('0000000000000000000045',$,$,$,(#40,#41),$,#44);"""
    result = run_cim(house[0], "bim", "upload", write_model(tmp_path, body), "--building-code", house[1])
    assert result.code == 0, result.err
    assert propose(house, house[1], "--from", "bim")["proposed"] == 1
    # Both rooms have the wall's body, 4 m x 2 m.
    assert rows(house[0], f"SELECT name, floor, floor_area_m2 FROM unit WHERE building_code = '{house[1]}' AND status = 'existing'") == [
        ("Flat 7", 1, pytest.approx(16.0, abs=0.01))
    ]
