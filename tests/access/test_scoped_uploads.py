"""A token for a village uploads models of that village, and neither finds, replaces nor names anything elsewhere."""

import json
import time
import urllib.parse

import pyproj
import pytest

from cim.db import engine
from ingest.source import sha256_of
from tests.support.cli import run_cim
from tests.support.ifc_files import model_text, unplaced_text
from tests.support.send import send


@pytest.fixture(scope="module")
def settings(demo_city):
    return demo_city[0]


@pytest.fixture(scope="module")
def places(settings):
    """A village, a building in it and one outside, both without a model."""
    with engine.connect(settings) as connection:
        found = connection.execute(
            """SELECT division_code, code FROM building
               WHERE geom IS NOT NULL AND code NOT IN (SELECT building_code FROM bim_model WHERE building_code IS NOT NULL) ORDER BY code"""
        ).fetchall()
    village = found[0][0]
    return village, found[0][1], next(code for division, code in found if division != village)


def token_for(settings, division):
    made = run_cim(
        settings, "token", "create", "--name", f"village {time.monotonic_ns()}", "--role", "engineer", "--division", division, "--json"
    )
    assert made.code == 0, made.err
    return made.json()["token"]


@pytest.fixture(scope="module")
def token(settings, places):
    return token_for(settings, places[0])


@pytest.fixture(autouse=True)
def _nothing_is_left(settings):
    before = models(settings)
    yield
    for code in {row[0] for row in models(settings)} - {row[0] for row in before}:
        assert run_cim(settings, "bim", "remove", code).code == 0
    assert models(settings) == before


def models(settings):
    with engine.connect(settings) as connection:
        return sorted(connection.execute("SELECT code, version, building_code FROM bim_model").fetchall())


def model_on(settings, building, folder, number):
    """Write a one-wall model that stands in a building's footprint; the place by PROJ."""
    with engine.connect(settings) as connection:
        lon, lat = connection.execute(
            "SELECT ST_X(p), ST_Y(p) FROM (SELECT ST_PointOnSurface(geom) AS p FROM building WHERE code = %s) q", [building]
        ).fetchone()
    east, north = pyproj.Transformer.from_crs("EPSG:4490", "EPSG:4547", always_xy=True).transform(lon, lat)  # noqa: TID251 - the reference
    text = model_text().replace("537000.,3376000.,", f"{east:.3f},{north:.3f},").replace("0000000000000000000001", f"{number:022d}")
    path = folder / f"model-{number}.ifc"
    path.write_text(text)
    return path


def upload(server, settings, path, token, **options):
    where = f"{server}/bim/models?" + urllib.parse.urlencode({"filename": path.name, **options})
    answer = send(where, "POST", path.read_bytes(), token=token, Content_Type="model/step")
    assert answer.status == 202, answer.body
    assert run_cim(settings, "worker", "--once").code == 0
    return send(f"{server}/bim/uploads/{answer.json()['id']}", token=token).json()


def test_a_model_of_a_building_in_the_village_is_loaded(settings, demo_server, places, token, tmp_path):
    _, home, _ = places
    path = model_on(settings, home, tmp_path, 101)
    done = upload(demo_server, settings, path, token, building_code=home)
    assert done["state"] == "successful", done
    assert done["report"]["building_code"] == home
    code = done["report"]["code"]
    assert send(f"{demo_server}/collections/bim-models/items/{code}", token=token).status == 200
    assert send(f"{demo_server}/bim/models/{code}/report", token=token).json()["code"] == code


@pytest.mark.parametrize("named", [True, False])
def test_a_model_elsewhere_is_refused_and_leaves_nothing(settings, demo_server, places, token, tmp_path, named):
    _, _, away = places
    path = model_on(settings, away, tmp_path, 102 + named)
    refused = upload(demo_server, settings, path, token, **({"building_code": away} if named else {}))
    assert refused["state"] == "failed"
    words = refused["error"]["message"] + refused["error"]["hint"]
    assert ("the register has no such building" if named else "outside of them") in words
    if not named:
        # Not a word of the building that stands there.
        assert away not in json.dumps(refused)
        assert "--building-code" in words
    assert not (settings.models_dir / f"{sha256_of(path)}.ifc").exists()


def test_a_model_without_a_place_needs_a_building(settings, demo_server, places, token, tmp_path):
    path = tmp_path / "lost.ifc"
    path.write_text(unplaced_text())
    refused = upload(demo_server, settings, path, token)
    assert refused["state"] == "failed"
    assert "it has no place" in refused["error"]["message"]
    bound = upload(demo_server, settings, path, token, building_code=places[1])
    assert bound["state"] == "successful", bound
    assert bound["report"]["building_code"] == places[1]


def test_a_model_elsewhere_is_neither_found_nor_replaced(settings, demo_server, places, token, tmp_path):
    _, home, away = places
    path = model_on(settings, away, tmp_path, 104)
    there = run_cim(settings, "bim", "upload", path, "--building-code", away, "--json").json()["code"]
    before = models(settings)
    same = upload(demo_server, settings, path, token)
    assert same["state"] == "failed"
    assert "outside the divisions of this token" in same["error"]["message"]
    assert there not in json.dumps(same)
    aimed = upload(demo_server, settings, model_on(settings, home, tmp_path, 105), token, version_of=there)
    assert aimed["state"] == "failed"
    assert "no BIM model has the code" in aimed["error"]["message"]
    assert send(f"{demo_server}/bim/models/{there}/report", token=token).status == 404
    assert models(settings) == before
