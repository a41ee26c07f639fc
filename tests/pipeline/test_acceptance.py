"""As-built acceptance: what a model says about its building is shown beside the register, asked for, and written as one change set."""

import pytest

from cim.db import engine
from tests.support.cli import run_cim


@pytest.fixture(scope="module")
def house(demo_city):
    city = demo_city[0]
    with engine.connect(city) as connection:
        model, building = connection.execute(
            "SELECT code, building_code FROM bim_model WHERE building_code IS NOT NULL AND sha256 IN "
            "(SELECT sha256 FROM dataset WHERE source LIKE 'fzk%') LIMIT 1"
        ).fetchone()
    return city, model, building


def register(city, building):
    with engine.connect(city) as connection:
        return connection.execute(
            "SELECT height_m, storeys_above, ground_elevation_m, attribute_sources, ST_Area(geom::geography) FROM building WHERE code = %s",
            [building],
        ).fetchone()


def test_nothing_is_written_without_consent(house):
    city, model, building = house
    before = register(city, building)
    refused = run_cim(city, "bim", "accept", model)
    assert refused.code == 1
    assert "--yes" in refused.err
    shown = run_cim(city, "bim", "accept", model, "--dry-run", "--json").json()
    assert (shown["building"], shown["change_set"]) == (building, None)
    assert {"old", "new"} == set(shown["changes"]["height_m"])
    assert register(city, building) == before


def test_an_acceptance_is_one_change_set_that_can_be_taken_back(house):
    city, model, building = house
    before = register(city, building)
    done = run_cim(city, "bim", "accept", model, "--yes", "--source", "certificate 7", "--json")
    assert done.code == 0, done.err
    data = done.json()
    after = register(city, building)
    assert after[0] == data["changes"]["height_m"]["new"]
    with engine.connect(city) as connection:
        top = connection.execute("SELECT base_elevation_m + height_m FROM bim_model WHERE code = %s", [model]).fetchone()[0]
        source, operation = connection.execute("SELECT source, operation FROM change_set WHERE id = %s", [data["change_set"]]).fetchone()
        events = connection.execute("SELECT count(*) FROM change_event WHERE change_set_id = %s", [data["change_set"]]).fetchone()[0]
    assert after[0] == pytest.approx(top - before[2], abs=0.01)
    assert after[1] == 2
    assert after[3]["height_m"] == "completion"
    assert (source, operation, events) == ("certificate 7", "edit", 1)
    again = run_cim(city, "bim", "accept", model, "--yes", "--json").json()
    assert (again["changes"], again["change_set"]) == ({}, None)
    undone = run_cim(city, "changes", "undo", data["change_set"], "--reason", "test")
    assert undone.code == 0, undone.err
    assert register(city, building)[:2] == before[:2]


def test_only_what_was_asked_for_is_taken(house):
    city, model, building = house
    before = register(city, building)
    data = run_cim(city, "bim", "accept", model, "--only", "storeys_above", "--dry-run", "--json").json()
    assert set(data["changes"]) <= {"storeys_above"}
    assert register(city, building) == before
    assert run_cim(city, "bim", "accept", model, "--only", "colour").code == 1
    assert "no BIM model" in run_cim(city, "bim", "accept", "BIM-1999-000001").err


def test_models_without_a_building_are_listed_with_candidates(house):
    city, model, _ = house
    listed = run_cim(city, "bim", "review", "--json").json()
    with engine.connect(city) as connection:
        unbound = {row[0] for row in connection.execute("SELECT code FROM bim_model WHERE building_code IS NULL").fetchall()}
    assert {one["code"] for one in listed} == unbound
    assert model not in unbound
    assert all(set(one["candidates"][0]) == {"code", "name", "iou"} for one in listed if one["candidates"])
