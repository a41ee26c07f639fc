"""The data resource catalogue (OGC API - Records, part 1): records, search, pages, DCAT, what a limited token is told."""

import time
from urllib.parse import quote

import pytest
import shapely

from cim.db import engine
from tests.support.cli import run_cim
from tests.support.http import ask, get, status_of
from tests.support.send import send


@pytest.fixture(scope="module")
def records(demo_server):
    return {one["id"]: one for one in get(f"{demo_server}/records", limit=1000)["features"]}


def test_there_is_a_record_for_each_collection_and_each_dataset(demo_city, demo_server, records):
    listed = {one["id"] for one in get(f"{demo_server}/collections")["collections"] if one["itemType"] == "feature"}
    with engine.connect(demo_city[0]) as connection:
        datasets = {f"{kind}.{name}" for kind, name in connection.execute("SELECT DISTINCT kind, name FROM dataset").fetchall()}
    assert set(records) == listed | datasets
    assert {"census.guanggu_census", "buildings"} <= set(records)


def test_a_record_has_what_the_standard_and_the_catalogue_want(demo_server, records):
    for name, one in records.items():
        # 20-004, 8.2: id, type, geometry, time, conformsTo, properties with type and title, links.
        assert (one["id"], one["type"]) == (name, "Feature")
        assert one["conformsTo"][0].startswith("http://www.opengis.net/spec/ogcapi-records-1/")
        assert one["properties"]["type"] in {"dataset", "dataset-series", "service"}
        assert one["properties"]["title"]
        assert {"license", "accessGrade", "maintenanceFrequency"} <= set(one["properties"])
        if one["bbox"]:
            assert shapely.geometry.shape(one["geometry"]).bounds == pytest.approx(tuple(one["bbox"]))
        assert get(f"{demo_server}/records/{quote(name)}") == one
    assert status_of(f"{demo_server}/records/nothing") == 404


def test_numbers_of_a_dataset_add_up_to_its_report(demo_city, records):
    with engine.connect(demo_city[0]) as connection:
        rows = connection.execute(
            """SELECT DISTINCT ON (kind, name) kind || '.' || name, n_read, n_accepted, n_unchanged, n_rejected
               FROM dataset ORDER BY kind, name, version DESC"""
        ).fetchall()
    assert len(rows) >= 3
    for name, read, accepted, unchanged, rejected in rows:
        found = records[name]["properties"]["quality"]
        assert (found["read"], found["accepted"], found["unchanged"], found["rejected"]) == (read, accepted, unchanged, rejected)
        assert read == accepted + unchanged + rejected


def test_the_count_of_a_collection_is_that_of_its_items(demo_server, records):
    for name in ("buildings", "water-lines", "addresses"):
        assert records[name]["properties"]["count"] == get(f"{demo_server}/collections/{name}/items", limit=1)["numberMatched"]


@pytest.mark.parametrize(("query", "expected"), [
    ({"q": "建筑"}, {"buildings"}), ({"q": "BUILDINGS"}, {"buildings"}), ({"q": "census faulty-word"}, set()),
    ({"type": "dataset", "q": "census"}, {"census.guanggu_census"}), ({"ids": "buildings,units"}, {"buildings", "units"}),
])  # fmt: skip
def test_words_types_and_ids_search(demo_server, records, query, expected):
    found = get(f"{demo_server}/records", limit=1000, **query)
    names = {one["id"] for one in found["features"]}
    assert found["numberMatched"] == len(names)
    assert expected <= names
    if not expected:
        assert not names
    if "type" in query:
        assert all(records[name]["properties"]["type"] == query["type"] for name in names)
    if "ids" in query:
        assert names == expected
    assert len(names) < len(records)


def test_a_box_and_a_time_search(demo_server, records):
    west, south, east, north = records["buildings"]["bbox"]
    inside = get(f"{demo_server}/records", limit=1000, bbox=f"{west},{south},{east},{north}")
    assert {one["id"] for one in inside["features"]} == {
        name for name, one in records.items() if one["bbox"] and shapely.box(*one["bbox"]).intersects(shapely.box(west, south, east, north))
    }
    assert get(f"{demo_server}/records", bbox="0,0,1,1")["numberMatched"] == 0
    timed = {name for name, one in records.items() if one["time"]}
    assert timed
    for interval, expected in (("2000-01-01T00:00:00Z/..", timed), ("../2000-01-01T00:00:00Z", set()), ("2000-01-01/2000-02-01", set())):
        assert {one["id"] for one in get(f"{demo_server}/records", limit=1000, datetime=interval)["features"]} == expected, interval


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "bbox=1,2,3", "datetime=soon", "unknown=1", "f=xml", "externalIds=1"])
def test_what_is_not_defined_is_refused(demo_server, query):
    assert ask(f"{demo_server}/records?{query}")[0] == 400


def test_pages_of_a_search_put_together_are_the_search(demo_server):
    everything = [one["id"] for one in get(f"{demo_server}/records", limit=1000, type="dataset-series")["features"]]
    assert len(everything) > 4
    seen, url = [], f"{demo_server}/records?type=dataset-series&limit=3"
    while url:
        page = get(url)
        assert page["numberMatched"] == len(everything)
        seen += [one["id"] for one in page["features"]]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert seen == everything


def test_the_catalogue_is_a_dcat_catalogue_too(demo_server, records):
    status, headers, _ = ask(f"{demo_server}/records?f=dcat&limit=1000")
    assert (status, headers["Content-Type"]) == (200, "application/ld+json")
    found = get(f"{demo_server}/records", f="dcat", limit=1000)
    assert found["@type"] == "dcat:Catalog"
    assert len(found["dcat:dataset"]) == len(records)
    assert all(one["dct:title"] and one["dcat:distribution"] is not None for one in found["dcat:dataset"])


@pytest.mark.parametrize(("lang", "word"), [("en", "Buildings"), ("zh", "建筑")])
def test_pages_for_people(demo_server, lang, word):
    for path in ("/records", "/records/buildings"):
        status, headers, body = ask(f"{demo_server}{path}?f=html&lang={lang}")
        assert (status, headers["Content-Type"].partition(";")[0]) == (200, "text/html")
        assert word in body.decode()


def token(city, *options):
    made = run_cim(city, "token", "create", "--name", f"records {time.monotonic()}", *options, "--json")
    assert made.code == 0, made.err
    return made.json()["token"]


def test_a_limited_token_learns_no_totals_and_nothing_of_other_collections(demo_city, demo_server, records):
    village = get(f"{demo_server}/collections/buildings/items", limit=1)["features"][0]["properties"]["division_code"]
    found = send(f"{demo_server}/records?limit=1000", token=token(demo_city[0], "--role", "viewer", "--division", village)).json()[
        "features"
    ]
    assert {one["id"] for one in found} == set(records)
    n = records["census.guanggu_census"]["properties"]["quality"]["read"]
    for one in found:
        assert not {"count", "quality"} & set(one["properties"])
        assert str(n) not in one["properties"]["description"]
    found = send(f"{demo_server}/records?limit=1000", token=token(demo_city[0], "--role", "viewer", "--collection", "divisions")).json()
    assert {one["id"] for one in found["features"] if one["properties"]["type"] != "dataset"} == {"divisions"}
    assert not [one["id"] for one in found["features"] if one["id"].startswith("census.")]


def test_the_admin_page_shows_what_is_slow_and_missing_to_administrators_only(demo_city, demo_server):
    address = f"{demo_server}/admin/queries"
    assert send(address).status == 401
    assert send(address, token=token(demo_city[0], "--role", "operator")).status == 403
    admin = token(demo_city[0], "--role", "admin")
    with engine.connect(demo_city[0]) as connection:
        # A transaction that is open while the page is read.
        connection.execute("SELECT 'a needle', pg_backend_pid()")
        found = send(address, token=admin).json()
    assert set(found) >= {"running", "statements", "problems", "requests"}
    assert [one for one in found["running"] if "a needle" in one["statement"]]
    assert found["problems"] == []
    with engine.connect(demo_city[0]) as connection:
        (definition,) = connection.execute("SELECT pg_get_indexdef('building_geom_gist'::regclass)").fetchone()
        connection.execute("DROP INDEX building_geom_gist")
    try:
        missing = send(address, token=admin).json()["problems"]
        assert [one for one in missing if "building.geom" in one["what"]]
        page = send(f"{address}?f=html&lang=zh", token=admin).body.decode()
        assert "慢查询" in page
        assert "building.geom" in page
    finally:
        with engine.connect(demo_city[0]) as connection:
            connection.execute(definition.encode())
