"""The server over real HTTP and the sample city: OGC API Features Parts 1 and 2, schemas, 3D Tiles, operations."""

import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pyproj
import pytest
import shapely

from cim.db import engine
from tests.support.server import environment

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


def ask(url, accept="application/json"):
    request = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def get(url):
    status, _, body = ask(url)
    assert status == 200, (url, status, body[:300])
    return json.loads(body)


def first(feature):
    return shapely.get_coordinates(shapely.from_geojson(json.dumps(feature["geometry"])))[0]


@pytest.fixture
def items(demo_server):
    return f"{demo_server}/collections/buildings/items"


def test_the_landing_page_leads_to_everything(demo_server):
    rels = {link["rel"] for link in get(f"{demo_server}/")["links"]}
    assert {"self", "service-desc", "conformance", "data"} <= rels
    classes = get(f"{demo_server}/conformance")["conformsTo"]
    for wanted in ("features-1/1.0/conf/core", "features-1/1.0/conf/geojson", "features-2/1.0/conf/crs"):
        assert any(wanted in uri for uri in classes), wanted
    # QGIS pushes filters down only where all of these are declared.
    for wanted in (
        "features-3/1.0/conf/filter",
        "features-3/1.0/conf/features-filter",
        "cql2/1.0/conf/cql2-text",
        "cql2/1.0/conf/basic-cql2",
    ):
        assert any(uri.endswith(wanted) for uri in classes), wanted


def test_the_openapi_document_tells_clients_the_page_size(demo_server):
    limit = get(f"{demo_server}/openapi?f=json")["components"]["parameters"]["limit"]["schema"]
    assert (limit["default"], limit["maximum"]) == (100, 10_000)


def test_every_collection_has_titles_in_two_languages_an_extent_and_a_schema(demo_server):
    for collection in get(f"{demo_server}/collections")["collections"]:
        if collection["itemType"] != "feature":
            continue
        assert collection["title"]
        assert CRS84 in collection["crs"]
        chinese = get(f"{demo_server}/collections/{collection['id']}?lang=zh")
        assert any("一" <= char <= "鿿" for char in chinese["title"]), collection["id"]
        schema = get(f"{demo_server}/collections/{collection['id']}/schema")
        assert schema["properties"]["code"]
        assert schema["properties"]["geometry"]["format"].startswith("geometry-")


def test_units_and_enumerations_are_in_the_schema(demo_server):
    properties = get(f"{demo_server}/collections/buildings/schema")["properties"]
    assert properties["height_m"]["x-ogc-unit"] == "m"
    assert properties["footprint_area_m2"]["x-ogc-unit"] in ("m2", "m²")
    assert {"residential", "office", "education"} <= set(properties["use"]["enum"])


def test_features_come_as_geojson_with_the_code_as_id(items):
    status, headers, body = ask(items)
    page = json.loads(body)
    assert status == 200
    assert headers["Content-Type"].startswith("application/geo+json")
    assert (page["numberReturned"], len(page["features"])) == (100, 100)
    assert page["numberMatched"] >= 237
    one = page["features"][0]
    assert one["id"] == one["properties"]["code"]
    assert get(f"{items}/{one['id']}")["geometry"] == one["geometry"]


def test_paging_by_the_next_link_visits_every_feature_once(items):
    seen, url = [], f"{items}?limit=50"
    while url:
        page = get(url)
        seen += [feature["id"] for feature in page["features"]]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert len(seen) == len(set(seen)) == page["numberMatched"]


@pytest.mark.parametrize(
    ("uri", "epsg", "authority_order"),
    [
        ("http://www.opengis.net/def/crs/EPSG/0/4490", 4490, True),
        ("http://www.opengis.net/def/crs/EPSG/0/4326", 4326, True),
        ("http://www.opengis.net/def/crs/EPSG/0/3857", 3857, True),
        ("http://www.opengis.net/def/crs/EPSG/0/4547", 4547, True),
    ],
)
def test_other_crs_have_the_coordinates_and_the_axis_order_of_proj(items, uri, epsg, authority_order):
    plain = get(f"{items}?limit=1")["features"][0]
    status, headers, body = ask(f"{items}/{plain['id']}?crs={uri}")
    assert status == 200
    assert uri in headers["Content-Crs"]
    lon, lat = first(plain)
    # PROJ with the authority's axes on the target side: 4490 and 4326 latitude first, 4547 northing first, 3857 easting first.
    operation = pyproj.Transformer.from_crs("EPSG:4490", f"EPSG:{epsg}")  # noqa: TID251 - the reference
    assert first(json.loads(body)) == pytest.approx(operation.transform(lat, lon), rel=1e-9, abs=0.002 if epsg in (3857, 4547) else 2e-8)


def test_a_box_selects_what_it_meets_in_every_spelling(items):
    everything = get(f"{items}?limit=1000")["features"]
    west, south, east, north = 114.39, 30.503, 114.397, 30.508
    box = shapely.box(west, south, east, north)
    expected = sum(shapely.intersects(shapely.from_geojson(json.dumps(f["geometry"])), box) for f in everything)
    assert 0 < expected < len(everything)
    assert get(f"{items}?bbox={west},{south},{east},{north}&limit=1")["numberMatched"] == expected
    assert get(f"{items}?bbox={west},{south},-100,{east},{north},900&limit=1")["numberMatched"] == expected
    lat_first = f"{south},{west},{north},{east}&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/4490"
    assert get(f"{items}?bbox={lat_first}&limit=1")["numberMatched"] == expected
    assert get(f"{items}?bbox=170,-90,-170,90")["numberMatched"] == 0
    assert get(f"{items}?bbox=100,-90,-170,90&limit=1")["numberMatched"] == len(everything)


def test_properties_filter_select_and_sort(items):
    everything = get(f"{items}?limit=1000")["features"]
    offices = [f for f in everything if f["properties"]["use"] == "office"]
    assert get(f"{items}?use=office&limit=1")["numberMatched"] == len(offices) > 0
    chosen = get(f"{items}?properties=name,height_m&sortby=-height_m&limit=5&skipGeometry=true")["features"]
    heights = sorted((f["properties"]["height_m"] for f in everything), reverse=True)
    assert [f["properties"]["height_m"] for f in chosen] == heights[:5]
    assert all(f["geometry"] is None and set(f["properties"]) <= {"name", "height_m", "code"} for f in chosen)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "limit"), ("limit=abc", "limit"), ("bbox=1,2,3", "bbox"), ("bbox=a,b,c,d", "bbox"), ("foo=bar", "foo"),
        ("crs=http://www.opengis.net/def/crs/EPSG/0/9999", "crs"), ("sortby=nothing", "nothing"), ("storeys_above=many", "storeys_above"),
        ("datetime=yesterday", "datetime"), ("cursor=!!", "cursor"), ("properties=nothing", "nothing"), ("bbox=200,0,201,1", "bbox"),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_a_400_that_names_it(items, query, words):
    status, _, body = ask(f"{items}?{query}")
    document = json.loads(body)
    assert status == 400
    assert words in document["description"]


@pytest.mark.parametrize(
    "path", ["/collections/nothing", "/collections/nothing/items", "/collections/buildings/items/nothing", "/3dtiles/nothing/tileset.json"]
)
def test_what_is_not_there_is_a_404(demo_server, path):
    status, _, body = ask(f"{demo_server}{path}")
    assert status == 404
    assert json.loads(body)["description"]


def test_no_name_of_a_client_reaches_the_store_as_text(items):
    for attack in ("use=office'%20OR%20'1'='1", "sortby=code;drop%20table%20building", "properties=code%22%20FROM%20building--"):
        status, _, body = ask(f"{items}?{attack}")
        if status == 200:
            assert json.loads(body)["numberMatched"] == 0
        else:
            assert status == 400
            assert b"SELECT" not in body
    assert get(f"{items}?limit=1")["numberMatched"] >= 237


def test_tile_files_outside_the_store_cannot_be_read(demo_server):
    host, port = demo_server.removeprefix("http://").split(":")
    for path in ("/3dtiles/../../postgres.secret", "/3dtiles/%2e%2e/%2e%2e/etc/passwd", "/3dtiles/buildings/..%2f..%2fmodels"):
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = raw.recv(65536)
        assert b" 404 " in answer.split(b"\r\n")[0] or b" 400 " in answer.split(b"\r\n")[0], path


def test_tiles_may_be_used_by_pages_of_other_servers(demo_server):
    status, headers, body = ask(f"{demo_server}/3dtiles/buildings/tileset.json")
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "*"
    uri = json.loads(body)["root"]["children"][0]
    while "content" not in uri:
        uri = uri["children"][0]
    status, headers, body = ask(f"{demo_server}/3dtiles/buildings/{uri['content']['uri']}")
    assert (status, headers["Content-Type"], body[:4]) == (200, "model/gltf-binary", b"glTF")


def test_html_pages_ask_no_other_server(demo_server):
    for path in ("/", "/collections", "/collections/buildings", "/collections/buildings/items", "/conformance"):
        status, headers, body = ask(f"{demo_server}{path}", "text/html")
        assert status == 200
        assert headers["Content-Type"].startswith("text/html")
        tags = re.findall(r"<(?:script|link|img|iframe)[^>]*>", body.decode())
        loaded = [tag for tag in tags if "src=" in tag or 'rel="stylesheet"' in tag or 'rel="icon"' in tag]
        targets = [url for tag in loaded for url in re.findall(r'(?:src|href)="([^"]+)"', tag)]
        assert [url for url in targets if re.match(r"(https?:)?//", url) and not url.startswith(demo_server)] == [], path


def test_markup_in_data_is_text_in_pages_and_untouched_in_json(demo_city, demo_server):
    settings, _ = demo_city
    with engine.connect(settings) as connection:
        code, name = connection.execute("SELECT code, name FROM building WHERE name IS NOT NULL ORDER BY code LIMIT 1").fetchone()

    def rename(text):
        with engine.connect(settings) as connection:
            connection.execute("UPDATE building SET name = %s WHERE code = %s", [text, code])

    rename("<b>1</b> & 2")
    try:
        assert get(f"{demo_server}/collections/buildings/items/{code}")["properties"]["name"] == "<b>1</b> & 2"
        _, _, page = ask(f"{demo_server}/collections/buildings/items/{code}", "text/html")
        assert b"<b>1</b> & 2" not in page
        assert b"&lt;b&gt;1&lt;/b&gt;" in page
    finally:
        rename(name)


def test_health_readiness_and_metrics_answer(demo_server):
    assert ask(f"{demo_server}/healthz")[0] == 200
    assert ask(f"{demo_server}/readyz")[0] == 200
    status, headers, body = ask(f"{demo_server}/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert b"# TYPE" in body


def test_a_box_query_uses_the_spatial_index(module_settings):
    with engine.connect(module_settings) as connection:
        connection.execute(
            """WITH c AS (INSERT INTO change_set (id, author, operation, reason) VALUES (cim_uuid7(), 't', 'ingest', 't') RETURNING id)
               INSERT INTO building (code, code_scheme, county_code, division_code, geom, change_set_id)
               SELECT 'B' || n, 'x', '420111', '420111001001',
                      ST_Multi(ST_MakeEnvelope(x, y, x + 0.002, y + 0.002, 4490)), c.id
               FROM c, generate_series(1, 20000) AS n, LATERAL (SELECT 114 + (n % 200) / 200.0 AS x, 30 + n / 40000.0 AS y) AS place"""
        )
        connection.execute("ANALYZE building")
        plan = connection.execute(
            "EXPLAIN SELECT code FROM building WHERE geom && ST_MakeEnvelope(114.39, 30.20, 114.40, 30.21, 4490) ORDER BY id LIMIT 100"
        ).fetchall()
    assert "building_geom_gist" in "\n".join(row[0] for row in plan)


def test_a_busy_port_and_a_missing_store_are_said_in_words(demo_city):
    settings, _ = demo_city
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        argv = [sys.executable, "-m", "cim", "serve", "--port", str(port)]
        done = subprocess.run(argv, env=environment(settings), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "Hint:" in done.stderr
    offline = {**environment(settings), "CIM_DATABASE__URL": "postgresql://cim:s3cret@127.0.0.1:1/cim"}
    done = subprocess.run(
        [sys.executable, "-m", "cim", "serve", "--port", "0"], env=offline, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 75
    assert "does not answer" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout


def test_coordinates_keep_a_centimetre(items):
    feature = get(f"{items}?limit=1")["features"][0]
    text = json.dumps(feature["geometry"])
    digits = max(
        len(number.split(".")[1]) for number in text.replace("[", " ").replace("]", " ").replace(",", " ").split() if "." in number
    )
    # 7 decimals of a degree are 1.1 cm.
    assert 7 <= digits <= 9
    assert np.isfinite(first(feature)).all()
