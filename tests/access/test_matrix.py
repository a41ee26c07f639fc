"""The matrix: every way to the data, for every scope, gives what a brute-force filter of the whole leaves, and nothing else.

The sample city has one county; the filters here are its towns and villages, a county elsewhere, and mixtures.
"""

import json
import time

import mapbox_vector_tile
import pytest
import shapely

from cim.db import engine
from tests.support.cli import run_cim
from tests.support.send import send

NETWORKS = {"water-lines": "network_edge_water", "water-points": "network_node_water"}
REGISTER = ("buildings", "addresses", *NETWORKS)


@pytest.fixture(scope="module")
def rows(demo_city):
    """Collection -> code -> (county, division, building): read as the owner, before any filter."""
    found = {}
    with engine.connect(demo_city[0]) as connection:
        for collection, table, columns in (
            ("buildings", "building", "county_code, division_code, code"),
            ("addresses", "address", "county_code, division_code, building_code"),
            ("units", "unit", "county_code, NULL, building_code"),
            ("bim-models", "bim_model", "county_code, NULL, building_code"),
        ):
            found[collection] = {row[0]: row[1:] for row in connection.execute(f"SELECT code, {columns} FROM {table}").fetchall()}
        # Networks by their places, not by the column that the filter reads: the lowest village over a point, or the middle of a line.
        villages = connection.execute(
            "SELECT code, ST_AsBinary(geom) FROM division WHERE level = 5 AND geom IS NOT NULL ORDER BY code"
        ).fetchall()
        boundaries = [(code, shapely.from_wkb(bytes(wkb))) for code, wkb in villages]
        for collection, table in NETWORKS.items():
            parts = connection.execute(f"SELECT code, county_code, ST_AsText(ST_Force2D(geom)) FROM {table}").fetchall()
            found[collection] = {}
            for code, county, text in parts:
                middle = shapely.from_wkt(text).interpolate(0.5, normalized=True) if text.startswith("LINE") else shapely.from_wkt(text)
                village = next((code for code, boundary in boundaries if boundary.covers(middle)), None)
                found[collection][code] = (county, village, None)
        found["elements"] = dict(connection.execute("SELECT code, model_code FROM bim_element").fetchall())
    return found


@pytest.fixture(scope="module")
def scopes(demo_city, rows):
    """Name -> (token, divisions)."""
    divisions = sorted({row[1] for row in rows["buildings"].values()})
    towns = sorted({code[:9] for code in divisions})
    wanted = {
        "county": [divisions[0][:6]],
        "town": [towns[0]],
        "village": [divisions[-1]],
        "mixture": [divisions[0], towns[-1]],
        "city": [divisions[0][:4]],
        "nowhere": None,
    }
    made = {}
    with engine.connect(demo_city[0]) as connection:
        elsewhere = connection.execute(
            "SELECT code FROM division WHERE level = 5 AND code NOT IN (SELECT division_code FROM building) LIMIT 1"
        ).fetchone()
    wanted["nowhere"] = [elsewhere[0]] if elsewhere else [divisions[0]]
    for name, codes in wanted.items():
        options = [part for code in codes for part in ("--division", code)]
        unique = f"matrix {name} {time.monotonic()}"
        result = run_cim(demo_city[0], "token", "create", "--name", unique, "--role", "operator", *options, "--json")
        assert result.code == 0, result.err
        made[name] = (result.json()["token"], codes)
    return made


NAMES = ["county", "town", "village", "mixture", "city", "nowhere"]


def inside(divisions, county, division):
    """The rule in words of the documentation, written again: wide codes are prefixes of the county, fine ones of the division."""
    return any((county or "").startswith(code) if len(code) <= 6 else (division or "").startswith(code) for code in divisions)


def allowed(rows, collection, divisions):
    if collection in REGISTER:
        return {code for code, (county, division, _) in rows[collection].items() if inside(divisions, county, division)}
    buildings = {code for code, (county, division, _) in rows["buildings"].items() if inside(divisions, county, division)}
    return {code for code, (county, _, building) in rows[collection].items() if inside(divisions, county, None) or building in buildings}


@pytest.mark.parametrize("name", NAMES)
def test_items_in_every_format_and_count(demo_server, rows, scopes, name):
    token, divisions = scopes[name]
    for collection in (*REGISTER, "units", "bim-models"):
        if not rows[collection]:
            continue
        expected = allowed(rows, collection, divisions)
        page = send(f"{demo_server}/collections/{collection}/items?limit=10000&skipGeometry=true", token=token).json()
        assert {one["id"] for one in page["features"]} == expected, collection
        assert page["numberMatched"] == len(expected)
        first = send(f"{demo_server}/collections/{collection}/items?limit=1", token=token).json()
        assert first["numberMatched"] == len(expected)
    table = send(f"{demo_server}/collections/buildings/items?limit=10000&f=csv", token=token)
    assert table.status == 200
    assert table.body.count(b"\n") - 1 == len(allowed(rows, "buildings", divisions))


@pytest.mark.parametrize("name", NAMES)
def test_single_features_and_their_history(demo_server, rows, scopes, name):
    token, divisions = scopes[name]
    expected = allowed(rows, "buildings", divisions)
    codes = sorted(rows["buildings"])
    some = [*sorted(expected)[:3], *[code for code in codes if code not in expected][:3]]
    for code in some:
        wanted = 200 if code in expected else 404
        assert send(f"{demo_server}/collections/buildings/items/{code}", token=token).status == wanted
        assert send(f"{demo_server}/collections/buildings/items/{code}/history", token=token).status == wanted


@pytest.mark.parametrize("name", NAMES)
def test_filters_boxes_sorting_and_cursors_reach_no_further(demo_server, rows, scopes, name):
    token, divisions = scopes[name]
    expected = allowed(rows, "buildings", divisions)
    base = f"{demo_server}/collections/buildings/items"
    for query in (
        "filter=height_m%20%3E%20-1%20OR%20height_m%20IS%20NULL&limit=10000",
        "bbox=-180,-90,180,90&limit=10000",
        "datetime=2026-11-20T00:00:00Z/..&limit=10000",
    ):
        answer = send(f"{base}?{query}", token=token)
        assert answer.status == 200, (query, answer.body[:200])
        assert {one["id"] for one in answer.json()["features"]} <= expected, query
    seen, url = [], f"{base}?limit=17&sortby=-code"
    while url:
        page = send(url, token=token).json()
        seen += [one["id"] for one in page["features"]]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert sorted(seen) == sorted(expected)


@pytest.mark.parametrize("name", NAMES)
def test_whole_collections_as_files(demo_server, rows, scopes, name):
    token, divisions = scopes[name]
    for collection in ("buildings", *NETWORKS):
        expected = allowed(rows, collection, divisions)
        text = send(f"{demo_server}/collections/{collection}/export/{collection}.geojson", token=token)
        assert text.status == 200, text.body[:200]
        assert {one["id"] for one in json.loads(text.body)["features"]} == expected
        past = send(
            f"{demo_server}/collections/{collection}/items?datetime=2126-01-01T00:00:00Z&limit=10000&skipGeometry=true", token=token
        )
        assert {one["id"] for one in past.json()["features"]} == expected


@pytest.mark.parametrize("name", NAMES)
def test_vector_tiles_with_the_caches_warm(demo_server, rows, scopes, name):
    token, divisions = scopes[name]
    expected = allowed(rows, "buildings", divisions)
    # Lake Wuhan's east: one tile of level 12 holds the sample city; asked as everybody first, so that a wrong cache key would show.
    boxes = send(f"{demo_server}/collections/buildings").json()["extent"]["spatial"]["bbox"][0]
    from math import asinh, floor, pi, radians, tan

    def address(lon, lat, level):
        column = floor((lon + 180) / 360 * 2**level)
        return column, floor((1 - asinh(tan(radians(lat))) / pi) / 2 * 2**level)

    level = 14
    west_column, south_row = address(boxes[0], boxes[1], level)
    east_column, north_row = address(boxes[2], boxes[3], level)
    seen, everybody = set(), set()
    for column in range(west_column, east_column + 1):
        for row in range(north_row, south_row + 1):
            url = f"{demo_server}/collections/buildings/tiles/WebMercatorQuad/{level}/{row}/{column}"
            for who, found in ((None, everybody), (token, seen), (token, seen)):
                answer = send(url, token=who)
                assert answer.status in {200, 204}, answer.body[:200]
                if answer.body:
                    for layer in mapbox_vector_tile.decode(answer.body).values():
                        found |= {one["properties"]["code"] for one in layer["features"]}
            assert "public" not in (send(url, token=token).headers["Cache-Control"] or "")
    assert everybody
    assert seen == everybody & expected


@pytest.mark.parametrize("name", NAMES)
def test_3d_tiles(demo_server, rows, scopes, name):
    token, divisions = scopes[name]
    expected = allowed(rows, "buildings", divisions)
    layers = {one["id"]: one for one in send(f"{demo_server}/3dtiles", token=token).json()["layers"]}
    models = allowed(rows, "bim-models", divisions)
    assert {layer for layer in layers if layer.startswith("bim/")} <= {f"bim/{code}" for code in models}
    everything = {one["id"] for one in send(f"{demo_server}/3dtiles").json()["layers"]}
    for layer in everything - set(layers):
        refused = send(f"{demo_server}/3dtiles/{layer}/tileset.json", token=token)
        assert refused.status == 403, layer
    assert send(f"{demo_server}/3dtiles/buildings/tileset.json", token=token).status == 403
    answer = send(f"{demo_server}/{layers['buildings']['href']}", token=token)
    seen = set()
    if answer.status == 200:
        base = f"{demo_server}/3dtiles/buildings/live"
        stack = [answer.json()["root"]]
        while stack:
            one = stack.pop()
            stack += one.get("children", [])
            if "content" in one:
                tile = send(f"{base}/{one['content']['uri']}", token=token)
                assert tile.status in {200, 404}
                if tile.status == 200:
                    assert tile.headers["Vary"].startswith("Authorization")
                    seen |= {code for code in rows["buildings"] if code.encode() in tile.body}
    standing = {
        one["id"]
        for one in send(f"{demo_server}/collections/buildings/items?limit=10000&skipGeometry=true").json()["features"]
        if one["properties"]["status"] in {"existing", "under_construction"}
    }
    assert seen == expected & standing


@pytest.mark.parametrize("name", NAMES)
def test_models_processes_and_exports(demo_city, demo_server, rows, scopes, name):
    token, divisions = scopes[name]
    listed = send(f"{demo_server}/bim/models", token=token).json()["models"]
    assert {one["code"] for one in listed} == allowed(rows, "bim-models", divisions)
    expected = allowed(rows, "buildings", divisions)

    def execute(process, inputs):
        body = json.dumps({"inputs": inputs}).encode()
        return send(f"{demo_server}/processes/{process}/execution", "POST", body, token=token, Content_Type="application/json")

    everything = {"type": "Polygon", "coordinates": [[[73, 3], [136, 3], [136, 54], [73, 54], [73, 3]]]}
    states = ["planned", "under_construction", "existing", "demolished", "retired"]
    made = execute("building-statistics", {"polygon": everything, "status": states, "group_by": ["village"]}).json()
    assert made["total"]["n"] == len(expected)
    assert {row["village"] for row in made["groups"]} == {rows["buildings"][code][1] for code in expected}
    codes = sorted(rows["buildings"])
    checked = execute("code-check", {"codes": codes}).json()["codes"]
    assert {row["code"] for row in checked if row["known_in"] == "building"} == expected
    assert execute("tiles-build", {"layers": ["buildings"]}).status == 403
    started = execute("export", {"collection": "buildings", "format": "csv"})
    assert started.status == 201
    assert run_cim(demo_city[0], "worker", "--once").code == 0
    results = send(f"{started.headers['Location']}/results", token=token).json()
    assert results["report"]["rows"] == len(expected)
    body = send(results["file"]["href"], token=token).body.decode()
    assert {code for code in codes if code in body} == expected


@pytest.mark.parametrize("name", NAMES)
def test_bim_parts_follow_their_model(demo_server, rows, scopes, name):
    token, divisions = scopes[name]
    models = allowed(rows, "bim-models", divisions)
    expected = {code for code, model in rows["elements"].items() if model in models}
    page = send(f"{demo_server}/collections/bim-elements/items?limit=10000&skipGeometry=true&properties=code", token=token).json()
    assert page["numberMatched"] == len(expected)
    assert {one["id"] for one in page["features"]} <= expected


def test_documents_tell_a_filtered_token_no_totals(demo_server, scopes):
    token = scopes["village"][0]
    for one in send(f"{demo_server}/collections", token=token).json()["collections"]:
        assert "itemCount" not in one


def test_streets_tell_networks_apart(rows, scopes):
    # Guards the tests above: a filter that let everything or nothing through would pass where all parts lie in one street.
    n, some = len(rows["water-lines"]), [len(allowed(rows, "water-lines", scopes[name][1])) for name in ("town", "village", "mixture")]
    assert all(0 < one < n for one in some), (some, n)
