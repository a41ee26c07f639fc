"""Units under their building's code: from a table, from counts, from models."""

import pytest

from cim.codes import registry
from cim.codes.rooms import floor_number, room_number, staircase_number
from cim.errors import CodeError
from tests.pipeline.test_ingest import GOOD, SQUARE, city, ingest, rows, write_layer  # noqa: F401 - city is a fixture
from tests.support.cli import run_cim


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


def test_units_are_proposed_from_spaces_that_call_themselves_units(demo_city):
    settings, _ = demo_city
    result = run_cim(settings, "units", "propose", "--from", "bim", "--dry-run", "--json")
    assert result.code == 0, result.err
    # The sample models name rooms (Foyer, Bedroom …), none is called a unit: the command says why it proposes none.
    assert result.json()["proposed"] == 0
    assert any("calls itself a unit" in why for why in result.json()["not_proposed"].values())
