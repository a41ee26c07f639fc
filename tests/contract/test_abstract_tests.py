"""Abstract tests of the standards that no other file here covers; the identifiers are those of their annexes.

OGC API - Features part 1 (17-069r4, A.2) and part 2 (18-058r1, A.2), Tiles (20-057, annex A), Processes (18-062r2, annex A). Written from
the annexes; with test_features, test_formats, test_vector_tiles and test_processes it covers what the executable test suites ask.
"""

import http.client
import json
from datetime import datetime
from urllib.parse import urlsplit

import pytest
import shapely

from tests.support.http import ask, get, status_of
from tests.support.send import send

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
REL = "http://www.opengis.net/def/rel/ogc/1.0"
FEATURES = ["divisions", "buildings", "addresses", "bim-models", "water-lines", "water-points"]


@pytest.fixture(scope="module")
def document(demo_server):
    return get(f"{demo_server}/openapi?f=json")


def resolved(document, parameter):
    if "$ref" not in parameter:
        return parameter
    found = document
    for part in parameter["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def parameters(document, path):
    return {one["name"]: one for one in (resolved(document, one) for one in document["paths"][path]["get"]["parameters"])}


# --- Features, part 1 ---


def test_http_1_1_is_spoken(demo_server):  # /conf/core/http
    parts = urlsplit(demo_server)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request("GET", "/conformance")
    answer = connection.getresponse()
    assert (answer.status, answer.version) == (200, 11)
    answer.read()
    connection.close()


def test_the_landing_page_has_the_links_it_must_have(demo_server):  # /conf/core/root-success
    links = get(f"{demo_server}/")["links"]
    rels = {link["rel"] for link in links}
    assert rels & {"service-desc", "service-doc"}
    assert {"conformance", "data", "self", "alternate"} <= rels
    # Tiles, /conf/dataset-tilesets/landingpage.
    assert f"{REL}/tilesets-vector" in rels


@pytest.mark.parametrize("path", ["/", "/conformance", "/collections", "/collections/buildings", "/openapi"])
def test_unknown_parameters_are_refused_everywhere(demo_server, path):  # /conf/core/query-param-unknown
    assert ask(f"{demo_server}{path}?unknownParameter=1")[0] == 400
    assert ask(f"{demo_server}{path}?f=nothing")[0] in {400, 406}


@pytest.mark.parametrize("path", ["/", "/conformance", "/collections", "/collections/buildings", "/collections/buildings/items"])
def test_documents_come_as_json_and_as_pages(demo_server, path):  # /conf/html/definition, /conf/core/conformance-success
    for accept, expected in (("application/json", "json"), ("text/html", "text/html")):
        status, headers, body = ask(f"{demo_server}{path}", accept=accept)
        assert status == 200
        assert expected in headers["Content-Type"]
        if expected == "json":
            json.loads(body)


def test_the_collections_say_where_they_are(demo_server):  # /conf/core/fc-md-success, fc-md-links, fc-md-items-links
    listed = get(f"{demo_server}/collections")
    assert {"self", "alternate"} <= {link["rel"] for link in listed["links"]}
    assert all("type" in link for link in listed["links"])
    for one in listed["collections"]:
        if one["itemType"] != "feature":
            continue
        ways = [link for link in one["links"] if link["rel"] == "items"]
        assert {link["type"] for link in ways} >= {"application/geo+json", "text/html"}
        for link in ways:
            assert ask(f"{link['href']}{'&' if '?' in link['href'] else '?'}limit=1", accept=link["type"])[0] == 200, link


def test_a_box_that_is_said_holds_the_features(demo_server):  # /conf/core/fc-md-extent
    for name in FEATURES:
        one = get(f"{demo_server}/collections/{name}")
        assert one["extent"]["spatial"].get("crs", CRS84) == CRS84
        west, south, east, north = one["extent"]["spatial"]["bbox"][0]
        around = shapely.box(west - 1e-6, south - 1e-6, east + 1e-6, north + 1e-6)
        for feature in get(f"{demo_server}/collections/{name}/items", limit=100)["features"]:
            assert feature["geometry"] is None or around.covers(shapely.force_2d(shapely.geometry.shape(feature["geometry"])))


@pytest.mark.parametrize("name", FEATURES)
def test_the_parameters_have_the_schemas_of_the_standard(document, name):  # /conf/core/fc-bbox-definition, fc-limit-, fc-time-definition
    found = parameters(document, f"/collections/{name}/items")
    box, limit, moment = found["bbox"], found["limit"], found["datetime"]
    for one in (box, limit, moment):
        assert (one["in"], one["required"], one.get("style", "form"), one.get("explode")) == ("query", False, "form", False)
    assert box["schema"]["type"] == "array"
    assert (box["schema"]["minItems"], box["schema"]["maxItems"], box["schema"]["items"]["type"]) == (4, 6, "number")
    assert (limit["schema"]["type"], limit["schema"]["minimum"]) == ("integer", 1)
    assert limit["schema"]["minimum"] <= limit["schema"]["default"] <= limit["schema"]["maximum"]
    assert moment["schema"]["type"] == "string"


def test_the_limit_of_the_document_is_kept(demo_server, document):  # /conf/core/fc-limit-response
    items = f"{demo_server}/collections/bim-elements/items"
    limit = parameters(document, "/collections/bim-elements/items")["limit"]["schema"]
    assert len(get(items)["features"]) == min(limit["default"], get(items)["numberMatched"])
    for n in (1, 7):
        assert len(get(items, limit=n)["features"]) == n
    # More than the maximum is no error: the server gives what it gives.
    assert get(items, limit=limit["maximum"] + 1)["numberReturned"] <= limit["maximum"]


@pytest.mark.parametrize("name", FEATURES)
def test_boxes_of_six_numbers_and_over_the_antimeridian(demo_server, name):  # /conf/core/fc-bbox-response
    items = f"{demo_server}/collections/{name}/items"
    everything = get(items, limit=1)["numberMatched"]
    placed = get(items, limit=1, bbox="-180,-90,180,90")["numberMatched"]
    assert get(items, limit=1, bbox="-180,-90,-10000,180,90,10000")["numberMatched"] == placed <= everything
    # West above east: the box goes round the other side of the earth, and the city is not there.
    assert get(items, limit=1, bbox="170,-90,-170,90")["numberMatched"] == 0
    assert get(items, limit=1, bbox="100,-90,-170,90")["numberMatched"] == placed
    for wrong in ("1,2,3,4,5", "", "1,2,3,4,5,6,7", "0,10,1,5"):
        assert status_of(items, bbox=wrong) == 400, wrong


@pytest.mark.parametrize("name", FEATURES)
def test_a_page_and_a_feature_link_to_themselves_in_every_format(demo_server, name):  # /conf/core/fc-links, fc-rel-type, f-links
    page = get(f"{demo_server}/collections/{name}/items", limit=2)
    one = page["features"][0]
    feature = get(f"{demo_server}/collections/{name}/items/{one['id']}")
    assert {key: feature[key] for key in ("type", "id", "geometry", "properties")} == {
        key: one[key] for key in ("type", "id", "geometry", "properties")
    }
    assert {"self", "alternate", "collection"} <= {link["rel"] for link in feature["links"]}
    for links in (page["links"], feature["links"]):
        for link in links:
            if link["rel"] in {"self", "alternate", "collection"}:
                status, headers, _ = ask(link["href"], accept="*/*")
                assert status == 200, link
                assert headers["Content-Type"].partition(";")[0] == link["type"].partition(";")[0], link


def test_times_are_instants_and_open_and_closed_intervals(demo_server):  # /conf/core/fc-time-response
    items = f"{demo_server}/collections/buildings/items"
    now = get(items, limit=1)["numberMatched"]
    for text, expected in (
        ("2999-01-01T00:00:00Z", now), ("2001-01-01", 0), ("2001-01-01T00:00:00Z/2001-02-01T00:00:00Z", 0), ("../2001-01-01T00:00:00Z", 0),
        ("2001-01-01T00:00:00Z/..", now), ("/2999-01-01T00:00:00Z", now), ("2001-01-01T00:00:00Z/", now),
        ("2001-01-01T00:00:00+08:00/2999-01-01T00:00:00+08:00", now),
    ):  # fmt: skip
        assert get(items, limit=1, datetime=text)["numberMatched"] == expected, text
    for wrong in (
        "yesterday",
        "2001-01-01T00:00:00Z/2001-01-02T00:00:00Z/2001-01-03T00:00:00Z",
        "..",
        "2001-02-30",
        "2001-01-01T25:00:00Z",
    ):
        assert status_of(items, datetime=wrong) == 400, wrong


def test_the_time_stamp_is_now(demo_server):  # /conf/core/fc-timeStamp
    stamp = datetime.fromisoformat(get(f"{demo_server}/collections/buildings/items", limit=1)["timeStamp"])
    assert abs((stamp - datetime.now(stamp.tzinfo)).total_seconds()) < 60


def test_head_is_get_without_a_body(demo_server):  # 17-069r4, 7.2 (HTTP 1.1)
    for path in ("/", "/collections", "/conformance"):
        answer = send(f"{demo_server}{path}", "HEAD")
        assert (answer.status, answer.body) == (200, b"")


def test_what_is_not_there_says_so_in_json(demo_server):  # /conf/core/f-success, RFC 9457
    for path in ("/collections/nothing", "/collections/nothing/items", "/collections/buildings/items/nothing", "/nothing"):
        status, headers, body = ask(f"{demo_server}{path}")
        assert status == 404
        assert "json" in headers["Content-Type"]
        assert json.loads(body)


# --- Features, part 2 ---


@pytest.mark.parametrize("name", FEATURES)
def test_a_crs_list_has_the_default_and_the_storage(demo_server, name):  # /conf/crs/fc-md-crs-list-A, -storageCrs, -crs-list-global
    one = get(f"{demo_server}/collections/{name}")
    assert CRS84 in one["crs"]
    assert one["storageCrs"] in one["crs"]
    assert not [uri for uri in one["crs"] if not uri.startswith("http://www.opengis.net/def/crs/")]
    for uri in one["crs"]:
        status, headers, _ = ask(f"{demo_server}/collections/{name}/items?limit=1&crs={uri}")
        assert (status, headers["Content-Crs"]) == (200, f"<{uri}>")


def test_without_a_crs_it_is_crs84_and_the_header_says_so(demo_server):  # /conf/crs/default-crs, ogc-crs-header
    items = f"{demo_server}/collections/buildings/items"
    _, headers, plain = ask(f"{items}?limit=2")
    assert headers["Content-Crs"] == f"<{CRS84}>"
    _, _, said = ask(f"{items}?limit=2&crs={CRS84}")
    assert json.loads(plain)["features"] == json.loads(said)["features"]
    code = json.loads(plain)["features"][0]["id"]
    assert ask(f"{items}/{code}")[1]["Content-Crs"] == f"<{CRS84}>"


def test_boxes_are_crs84_whatever_the_crs_of_the_answer(demo_server):  # /conf/crs/fc-bbox-crs-definition, bbox-crs-action
    items = f"{demo_server}/collections/buildings/items"
    box, gauss_krueger = "114.390,30.503,114.3975,30.510", "http://www.opengis.net/def/crs/EPSG/0/4547"
    expected = {one["id"] for one in get(items, bbox=box, limit=1000)["features"]}
    assert expected
    for more in ({"crs": gauss_krueger}, {"bbox-crs": CRS84}, {"bbox-crs": CRS84, "crs": gauss_krueger}):
        assert {one["id"] for one in get(items, bbox=box, limit=1000, **more)["features"]} == expected
    for name in ("crs", "bbox-crs"):
        assert status_of(items, bbox=box, **{name: "urn:nothing"}) == 400
        assert status_of(items, bbox=box, **{name: ""}) == 400


# --- Tiles ---


def test_collections_lead_to_their_tilesets(demo_server):  # /conf/geodata-tilesets/desc-links, /conf/tilesets-list/tileset-links
    for root in (f"{demo_server}", f"{demo_server}/collections/buildings"):
        links = get(f"{root}/" if root == demo_server else root)["links"]
        way = next(link["href"] for link in links if link["rel"] == f"{REL}/tilesets-vector")
        listed = get(way)["tilesets"]
        assert listed
        for one in listed:
            # 20-057, 9.3: each entry has dataType, crs, the matrix set, and a link to itself.
            assert one["dataType"] == "vector"
            assert one["crs"].startswith("http://www.opengis.net/def/crs/")
            own = next(link["href"] for link in one["links"] if link["rel"] == "self")
            document = get(own)
            assert document["crs"] == one["crs"]


@pytest.mark.parametrize("grid", ["WebMercatorQuad", "WorldCRS84Quad", "CGCS2000Quad"])
def test_a_tileset_describes_itself(demo_server, grid):  # /conf/tileset/tileset-description
    found = get(f"{demo_server}/collections/buildings/tiles/{grid}")
    assert found["dataType"] == "vector"
    scheme = next(link["href"] for link in found["links"] if link["rel"] == f"{REL}/tiling-scheme")
    assert get(scheme)["id"] == grid
    templates = [link for link in found["links"] if link["rel"] == "item"]
    assert templates
    for link in templates:
        assert link["templated"] is True
        assert all(name in link["href"] for name in ("{tileMatrix}", "{tileRow}", "{tileCol}"))
        assert link["type"] == "application/vnd.mapbox-vector-tile"


def test_the_tile_parameters_are_declared(document):  # /conf/core/tc-tilematrix-definition, tc-tilerow-, tc-tilecol-definition
    paths = [path for path in document["paths"] if path.startswith("/collections/buildings/tiles/{") and path.count("{") == 4]
    assert paths
    for path in paths:
        found = parameters(document, path)
        assert len([one for one in found.values() if one["in"] == "path"]) == 4
        assert all(one["required"] for one in found.values() if one["in"] == "path")


def test_a_city_tile_takes_a_choice_of_collections(demo_server):  # /conf/collections-selection/collections-response
    import mapbox_vector_tile

    west, south, east, north = get(f"{demo_server}/collections/buildings")["extent"]["spatial"]["bbox"][0]
    from math import asinh, pi, radians, tan

    column = int(((west + east) / 2 + 180) / 360 * 2**13)
    row = int((1 - asinh(tan(radians((south + north) / 2))) / pi) / 2 * 2**13)
    tile = f"{demo_server}/tiles/WebMercatorQuad/13/{row}/{column}"
    for chosen in (["buildings"], ["water-lines"], ["buildings", "water-lines"]):
        body = ask(f"{tile}?collections={','.join(chosen)}", accept="*/*")[2]
        assert set(mapbox_vector_tile.decode(body)) == set(chosen)
    assert ask(f"{tile}?collections=nothing", accept="*/*")[0] in {400, 404}


# --- Processes ---


def test_the_list_of_processes_is_limited(demo_server):  # /conf/core/pl-limit-definition, pl-limit-response
    assert len(get(f"{demo_server}/processes", limit=1)["processes"]) == 1
    for wrong in ("0", "-1", "x"):
        assert status_of(f"{demo_server}/processes", limit=wrong) == 400
    everything = get(f"{demo_server}/processes")
    assert {"self"} <= {link["rel"] for link in everything["links"]}
    assert len(everything["processes"]) > 3


def test_jobs_are_listed_by_kind_of_process_state_and_time(demo_city, demo_server):  # /conf/job-list/*
    import time

    from tests.support.cli import run_cim

    made = run_cim(demo_city[0], "token", "create", "--name", f"abstract {time.monotonic()}", "--role", "operator", "--json")
    token = made.json()["token"]
    body = json.dumps({"inputs": {"message": "abstract"}}).encode()
    headers = {"Content_Type": "application/json", "Prefer": "respond-async"}
    started = [send(f"{demo_server}/processes/echo/execution", "POST", body, token=token, **headers) for _ in range(3)]
    assert {one.status for one in started} == {201}
    assert run_cim(demo_city[0], "worker", "--once").code == 0
    jobs = f"{demo_server}/jobs"

    def listed(query):
        answer = send(f"{jobs}?limit=1000&{query}", token=token)
        assert answer.status == 200, answer.body[:200]
        return answer.json()["jobs"]

    mine = {one.json()["jobID"] for one in started}
    assert mine <= {one["jobID"] for one in listed("processID=echo&status=successful")}
    assert all(one["processID"] == "echo" and one["status"] == "successful" for one in listed("processID=echo&status=successful"))
    assert not mine & {one["jobID"] for one in listed("status=failed")}
    assert not listed("processID=nothing")
    assert mine <= {one["jobID"] for one in listed("type=process")}
    # Pages keep the choice.
    page = send(f"{jobs}?limit=2&processID=echo&status=successful", token=token).json()
    following = next(link["href"] for link in page["links"] if link["rel"] == "next")
    assert all(one["processID"] == "echo" for one in send(following, token=token).json()["jobs"])
    assert "processID=echo" in following
    assert "status=successful" in following
    since = min(one["created"] for one in listed("processID=echo") if one["jobID"] in mine).replace("+00:00", "Z")
    assert mine <= {one["jobID"] for one in listed(f"datetime={since}/..")}
    assert not mine & {one["jobID"] for one in listed("datetime=../2001-01-01T00:00:00Z")}
    assert mine <= {one["jobID"] for one in listed("minDuration=0&maxDuration=3600")}
    assert not mine & {one["jobID"] for one in listed("minDuration=3600")}
    for wrong in ("status=soon", "limit=0", "datetime=soon", "minDuration=x", "unknown=1"):
        assert send(f"{jobs}?{wrong}", token=token).status == 400, wrong
