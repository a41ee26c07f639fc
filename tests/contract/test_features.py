"""The abstract tests of OGC API - Features parts 1 (17-069r4) and 2 (18-058r1), for every collection and CRS the server offers."""

import json
from datetime import datetime

import pyproj
import pytest
import shapely

from tests.support.http import ask, get, status_of

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
COLLECTIONS = [
    "divisions",
    "buildings",
    "units",
    "addresses",
    "bim-models",
    "bim-storeys",
    "bim-spaces",
    "bim-elements",
    "planning-controls",
    "water-lines",
    "water-points",
]
EPSG = [4490, 4326, 3857, 4547]


def uri(epsg):
    return f"http://www.opengis.net/def/crs/EPSG/0/{epsg}"


@pytest.fixture(scope="module")
def collections(demo_server):
    return {one["id"]: one for one in get(f"{demo_server}/collections")["collections"]}


def items(demo_server, collection):
    return f"{demo_server}/collections/{collection}/items"


def test_the_landing_page_links_resolve(demo_server):
    # A.2.2: every link of the landing page answers with its media type.
    for link in get(f"{demo_server}/")["links"]:
        status, headers, _ = ask(link["href"], accept=link.get("type", "*/*"))
        assert status == 200, link
        assert headers["Content-Type"].partition(";")[0] == link["type"].partition(";")[0], link


def test_the_api_definition_is_valid_openapi(demo_server):
    from openapi_spec_validator import validate

    status, headers, body = ask(f"{demo_server}/openapi?f=json")
    assert status == 200
    assert headers["Content-Type"].startswith("application/vnd.oai.openapi+json;version=3.0")
    validate(json.loads(body))


def test_every_declared_class_has_the_form_of_an_identifier(demo_server):
    classes = get(f"{demo_server}/conformance")["conformsTo"]
    assert len(classes) == len(set(classes))
    assert all(one.startswith(("http://www.opengis.net/spec/", "https://www.opengis.net/spec/")) for one in classes)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_collection_describes_itself(demo_server, collections, collection):
    # A.2.4: id, links to items, extent, crs; the collection alone says the same as in the list.
    one = get(f"{demo_server}/collections/{collection}")
    assert one["id"] == collection
    rels = {link["rel"] for link in one["links"]}
    assert {"items", "self", "enclosure"} <= rels
    assert CRS84 in one["crs"]
    assert one["storageCrs"] in one["crs"]
    assert [link for link in one["links"] if link["rel"].endswith("/schema")]
    assert [link for link in one["links"] if link["rel"].endswith("/queryables")]
    assert collections[collection]["title"] == one["title"]
    if "extent" in one:
        west, south, east, north = one["extent"]["spatial"]["bbox"][0]
        assert west <= east
        assert south <= north


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_page_has_what_the_standard_wants(demo_server, collection):
    # A.2.7: timeStamp, numberReturned, numberMatched, links with the media types of the formats.
    page = get(items(demo_server, collection), limit=5)
    assert page["type"] == "FeatureCollection"
    assert page["numberReturned"] == len(page["features"]) <= 5
    assert page["numberMatched"] >= page["numberReturned"]
    assert datetime.fromisoformat(page["timeStamp"]).tzinfo is not None
    rels = [link["rel"] for link in page["links"]]
    assert rels.count("self") == 1
    assert ("next" in rels) == (page["numberMatched"] > 5)
    assert {link["type"] for link in page["links"]} >= {"application/geo+json", "text/html", "application/flatgeobuf"}


@pytest.mark.parametrize("collection", ["buildings", "bim-models", "water-lines"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unknownParameter", "1"), ("limit", "0"), ("limit", "-1"), ("limit", "x"), ("bbox", "1,2,3"), ("bbox", "a,b,c,d"),
        ("offset", "-1"),
        ("datetime", "2020-13-01"), ("datetime", "2021-01-01T00:00:00Z/2020-01-01T00:00:00Z"), ("crs", uri(9999)), ("bbox-crs", uri(9999)),
        ("filter-lang", "sql"), ("cursor", "AAAA"), ("count", "many"), ("q", ""), ("f", "shapefile"),
    ],
)  # fmt: skip
def test_what_is_not_defined_or_not_valid_is_refused(demo_server, collection, name, value):
    # Requirements /req/core/query-param-unknown and query-param-invalid.
    assert status_of(items(demo_server, collection), **{name: value}) == 400


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_pages_put_together_are_the_collection(demo_server, collection):
    url, seen = f"{items(demo_server, collection)}?limit=97&skipGeometry=true", []
    for _ in range(60):
        page = get(url)
        seen += [feature["id"] for feature in page["features"]]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
        if url is None:
            break
    assert len(seen) == len(set(seen))
    assert url is not None or len(seen) == page["numberMatched"]


def coordinates(feature):
    return shapely.get_coordinates(shapely.from_geojson(json.dumps(feature["geometry"])))


@pytest.mark.parametrize("epsg", EPSG)
@pytest.mark.parametrize("collection", ["divisions", "buildings", "addresses", "bim-models", "water-lines", "water-points"])
def test_coordinates_in_another_crs_are_those_of_proj(demo_server, collection, epsg):
    # Part 2, A.1-A.4: Content-Crs, and coordinates transformed with the authority's axis order.
    plain = [one for one in get(items(demo_server, collection), limit=3)["features"] if one["geometry"]]
    status, headers, body = ask(f"{items(demo_server, collection)}?limit=3&crs={uri(epsg)}")
    assert status == 200
    assert headers["Content-Crs"] == f"<{uri(epsg)}>"
    moved = [one for one in json.loads(body)["features"] if one["geometry"]]
    operation = pyproj.Transformer.from_crs("EPSG:4490", f"EPSG:{epsg}")  # noqa: TID251 - the reference
    for one, other in zip(plain, moved, strict=True):
        lonlat = coordinates(one)
        first, second = operation.transform(lonlat[:, 1], lonlat[:, 0])
        found = coordinates(other)
        tolerance = 0.002 if epsg in (3857, 4547) else 2e-8
        assert abs(found[:, 0] - first).max() < tolerance
        assert abs(found[:, 1] - second).max() < tolerance


@pytest.mark.parametrize("epsg", EPSG)
@pytest.mark.parametrize("collection", ["buildings", "addresses", "water-lines"])
def test_a_box_selects_the_same_features_in_every_crs(demo_server, collection, epsg):
    west, south, east, north = 114.390, 30.503, 114.3975, 30.510
    expected = get(items(demo_server, collection), bbox=f"{west},{south},{east},{north}", limit=1000)
    operation = pyproj.Transformer.from_crs("EPSG:4490", f"EPSG:{epsg}")  # noqa: TID251 - the reference
    corners = [operation.transform(lat, lon) for lat in (south, north) for lon in (west, east)]
    low, high = [min(axis) for axis in zip(*corners, strict=True)], [max(axis) for axis in zip(*corners, strict=True)]
    found = get(items(demo_server, collection), bbox=",".join(map(repr, [*low, *high])), **{"bbox-crs": uri(epsg)}, limit=1000)
    ids = [{one["id"] for one in page["features"]} for page in (expected, found)]
    assert ids[0]
    # A projected box is a little larger than the geographic one it is drawn around.
    assert ids[0] <= ids[1]
    assert len(ids[1]) <= len(ids[0]) * 1.1 + 2


def test_words_are_searched_in_codes_names_and_addresses(demo_server):
    every = get(items(demo_server, "buildings"), limit=1000)["features"]
    expected = {one["id"] for one in every if "珞喻路" in (one["properties"]["address"] or "")}
    assert expected
    assert {one["id"] for one in get(items(demo_server, "buildings"), q="珞喻路", limit=1000)["features"]} == expected
    code = every[0]["id"]
    assert [one["id"] for one in get(items(demo_server, "buildings"), q=code)["features"]] == [code]
    assert get(items(demo_server, "buildings"), q=f"{code} nowhere")["numberMatched"] == 0
    assert get(items(demo_server, "buildings"), q="%")["numberMatched"] == 0


def test_the_past_can_be_asked_for(demo_server):
    assert get(items(demo_server, "buildings"), datetime="2001-01-01T00:00:00Z")["numberMatched"] == 0
    now = get(items(demo_server, "buildings"), limit=1)["numberMatched"]
    for text in ("2001-01-01T00:00:00Z/..", "../..", "../2999-01-01T00:00:00Z"):
        if text != "../..":
            assert get(items(demo_server, "buildings"), datetime=text, limit=1)["numberMatched"] == now


def test_a_cursor_of_somebody_else_is_refused(demo_server):
    page = get(items(demo_server, "buildings"), limit=1)
    cursor = next(link["href"] for link in page["links"] if link["rel"] == "next").partition("cursor=")[2]
    assert status_of(items(demo_server, "addresses"), cursor=cursor) == 400
    assert status_of(items(demo_server, "buildings"), cursor=cursor, sortby="height_m") == 400
    flipped = cursor[:-3] + ("A" if cursor[-3] != "A" else "B") + cursor[-2:]
    assert status_of(items(demo_server, "buildings"), cursor=flipped) == 400


def test_a_feature_leads_to_what_hangs_on_it(demo_server):
    code = get(items(demo_server, "addresses"), limit=1, filter="building_code IS NOT NULL")["features"][0]["properties"]["building_code"]
    links = get(f"{items(demo_server, 'buildings')}/{code}")["links"]
    for link in links:
        if link["rel"] in ("related", "version-history", "collection"):
            assert ask(link["href"])[0] == 200, link
    addresses = next(link["href"] for link in links if "/addresses/items" in link["href"])
    assert get(addresses)["numberMatched"] > 0


def test_a_known_state_is_answered_by_304(demo_server):
    code = get(items(demo_server, "buildings"), limit=1)["features"][0]["id"]
    _, headers, _ = ask(f"{items(demo_server, 'buildings')}/{code}")
    assert ask(f"{items(demo_server, 'buildings')}/{code}", headers={"If-None-Match": headers["ETag"]})[0] == 304
