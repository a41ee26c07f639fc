"""A model in the store: placed later, uploaded again, compared, resumed, removed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cim.db import changes, engine
from tests.support.cli import run_cim
from tests.support.ifc_files import model_text, unplaced_text, write_model
from tests.support.server import environment

SECOND_WALL = "#19=IFCWALL('0000000000000000000003',$,'second',$,$,#10,#17,$,$);"


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


def write(path, text):
    path.write_text(text, encoding="ascii")
    return path


def test_a_quarantined_model_gets_its_place_by_the_command_that_was_shown(city, tmp_path):
    first = upload(city, write(tmp_path / "a.ifc", unplaced_text()))
    assert [m["code"] for m in run_cim(city, "bim", "list", "--quarantined", "--json").json()] == [first["code"]]
    assert "has no place" in run_cim(city, "tiles", "build", f"bim/{first['code']}").err
    placed = run_cim(city, "bim", "place", first["code"], "--crs", "EPSG:4547", "--origin", "537000,3376000,20", "--json").json()
    assert (placed["code"], placed["version"], placed["status"]) == (first["code"], 2, "loaded")
    assert run_cim(city, "bim", "list", "--quarantined", "--json").json() == []
    assert rows(city, "SELECT placement[4], placement[8], fix_hint FROM bim_model") == [(537000, 3376000, None)]
    # The wall is 3 m high and its model stands on 20 m.
    assert rows(city, "SELECT base_elevation_m, top_elevation_m FROM bim_element") == [(20.0, 23.0)]
    shown = run_cim(city, "bim", "show", first["code"], "--json").json()
    assert [version["file"] for version in shown["versions"]] == ["a.ifc", "a.ifc"]


def test_a_place_that_nobody_gives_is_refused(city, tmp_path):
    code = upload(city, write(tmp_path / "a.ifc", unplaced_text()))["code"]
    assert "--fit-to, or --crs" in run_cim(city, "bim", "place", code).err
    assert run_cim(city, "bim", "place", "BIM-2026-999999", "--fit-to", "X").code == 1


def test_a_new_file_of_the_same_project_and_name_is_the_next_version(city, tmp_path):
    folder = tmp_path / "b"
    folder.mkdir()
    first = upload(city, write_model(tmp_path, SECOND_WALL, name="house.ifc"))
    # Another name for the first wall, the second gone, a third there, the first higher.
    text = model_text("#19=IFCWALL('0000000000000000000004',$,'third',$,$,#10,#17,$,$);").replace("#14,3.)", "#14,3.5)")
    second = upload(city, write(folder / "house.ifc", text.replace("\\X2\\5899\\X0\\", "wall")))
    assert (second["code"], second["version"]) == (first["code"], 2)
    assert second["difference"] == {"added": 1, "removed": 1, "changed": 1, "unchanged": 0}
    found = run_cim(city, "bim", "diff", f"{first['code']}@1", first["code"], "--json").json()
    assert [one["name"] for one in found["added"]] == ["third"]
    assert [one["name"] for one in found["removed"]] == ["second"]
    assert [(one["global_id"], one["what"]) for one in found["changed"]] == [("0000000000000000000002", ["properties", "geometry"])]
    assert rows(city, "SELECT count(*) FROM bim_model") == [(1,)]
    assert len(list(city.models_dir.glob("*.ifc"))) == 2
    assert "has no version 9" in run_cim(city, "bim", "diff", first["code"], f"{first['code']}@9").err


def test_another_name_is_another_model_and_version_of_joins_them(city, tmp_path):
    first = upload(city, write_model(tmp_path, name="house.ifc"))
    other = upload(city, write_model(tmp_path, SECOND_WALL, name="other.ifc"))
    assert other["code"] != first["code"]
    text = model_text(SECOND_WALL.replace("second", "renamed"))
    joined = upload(city, write(tmp_path / "third.ifc", text), "--version-of", first["code"])
    assert (joined["code"], joined["version"]) == (first["code"], 2)


def test_what_the_operator_said_of_the_place_holds_for_the_next_version(city, tmp_path):
    options = ["--crs", "EPSG:4547", "--origin", "537000,3376000,20"]
    first = upload(city, write(tmp_path / "a.ifc", unplaced_text()), *options)
    second = upload(city, write(tmp_path / "a.ifc", unplaced_text(SECOND_WALL)))
    assert (second["code"], second["status"]) == (first["code"], "loaded")
    assert rows(city, "SELECT placement[4] FROM bim_model") == [(537000,)]


def test_the_same_file_with_new_options_is_no_repetition(city, tmp_path):
    path = write_model(tmp_path)
    first = upload(city, path)
    again = upload(city, path)
    assert (again["unchanged"], again["code"]) == (True, first["code"])
    moved = upload(city, path, "--crs", "EPSG:4547", "--origin", "537100,3376000,20")
    assert (moved["unchanged"], moved["version"]) == (False, 2)
    assert upload(city, path, "--crs", "EPSG:4547", "--origin", "537100,3376000,20")["unchanged"] is True


def test_every_stage_has_a_row_of_its_own_and_a_failure_says_why(city, tmp_path):
    code = upload(city, write_model(tmp_path))["code"]
    stages = {one["stage"]: one["status"] for one in run_cim(city, "bim", "show", code, "--json").json()["stages"]}
    assert list(stages) == ["received", "parsed", "georeferenced", "semantics", "geometry", "tiles", "linked", "reported"]
    assert set(stages.values()) <= {"done", "skipped"}
    bad = write(tmp_path / "bad.ifc", model_text().replace("(#16)", "(#99)"))
    assert run_cim(city, "bim", "upload", bad).code == 1
    stage, detail = rows(city, "SELECT stage, detail FROM bim_stage WHERE status = 'failed'")[0]
    assert (stage, detail["code"]) == ("parsed", "source.syntax")


def test_a_killed_upload_goes_on_from_what_was_read(city, sample_data):
    path = sample_data / "ifc/duplex.ifc"
    child = subprocess.Popen(
        [sys.executable, "-m", "cim", "bim", "upload", str(path)],
        env=environment(city),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not list(city.models_dir.glob(".work/*/semantics-*.json")) and time.monotonic() < deadline:
        assert child.poll() is None
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    read = next(city.models_dir.glob(".work/*/semantics-*.json"))
    assert rows(city, "SELECT count(*) FROM bim_model") == [(0,)]
    before = read.stat().st_mtime_ns, read.read_bytes()
    # Marked, to see that it is taken over and not made again.
    read.write_bytes(before[1].replace(b"Duplex Apartment", b"Duplex apartment"))
    report = upload(city, path)
    assert report["elements"] > 200
    assert rows(city, "SELECT long_name FROM bim_node WHERE kind = 'project'") == [("Duplex apartment",)]
    assert not list(city.models_dir.glob(".work/*"))


BUILDING = "330109001001202100000100015"


def add_building(city):
    with engine.connect(city) as connection:
        change = changes.open_change_set(connection, author="test", operation="ingest", reason="test")
        connection.execute(
            """INSERT INTO building (code, code_scheme, county_code, division_code, name, height_m, storeys_above, geom, change_set_id)
               VALUES (%s, 'CIM-BC27-v1', '330109', '330109001001', 'A', 12.0, 4,
                       ST_Multi(ST_MakeEnvelope(114.39, 30.50, 114.391, 30.501, 4490)), %s)""",
            [BUILDING, change],
        )


def test_a_model_is_bound_by_the_word_of_the_operator_and_keeps_it(city, tmp_path):
    add_building(city)
    code = upload(city, write_model(tmp_path, name="bound.ifc"), "--stage", "design")["code"]
    assert [m["code"] for m in run_cim(city, "bim", "list", "--unbound", "--json").json()] == [code]
    assert run_cim(city, "bim", "bind", code, "--building-code", "X").code == 1
    bound = run_cim(city, "bim", "bind", code, "--building-code", BUILDING, "--project", "P-1", "--json").json()
    assert (bound["building_code"], bound["link_method"], bound["stage"], bound["project_code"]) == (BUILDING, "option", "design", "P-1")
    upload(city, write_model(tmp_path, SECOND_WALL, name="bound.ifc"))
    kept = run_cim(city, "bim", "show", code, "--json").json()
    assert (kept["building_code"], kept["stage"], kept["version"]) == (BUILDING, "design", 2)


def test_a_building_code_in_the_model_binds_it_and_an_unknown_one_is_named(city, tmp_path):
    named = f"#40=IFCBUILDING('0000000000000000000040',$,'Tower {BUILDING}',$,$,$,$,$,.ELEMENT.,$,$,$);"
    unknown = upload(city, write_model(tmp_path, named, name="a.ifc"))
    assert unknown["building_code"] is None
    assert any("which the register does not have" in words for words in unknown["link_words"])
    add_building(city)
    other = upload(city, write_model(tmp_path, f"{named}\n{SECOND_WALL}", name="c.ifc"))
    assert (other["building_code"], other["link_method"]) == (BUILDING, "property")
