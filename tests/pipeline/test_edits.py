"""Writes over HTTP (OGC API - Features, part 4): every one a change set with its event, nothing lost, nothing half-written."""

import asyncio
import json
from datetime import timedelta

import httpx
import psycopg
import pyproj
import pytest
import shapely

from cim.clock import utc_now
from cim.db import engine, tokens
from ogc_api.app import create_app

# pygeoapi's own models, loaded by the first request.
pytestmark = pytest.mark.filterwarnings("ignore:Support for class-based:DeprecationWarning")

GEOJSON = {"Content-Type": "application/geo+json"}
PATCH = {"Content-Type": "application/merge-patch+json"}
EDITOR, VIEWER, NOBODY, INSIDE, OUTSIDE = "zhang", "li", "", "wang", "zhao"
"""Subjects of the tokens: two of all rows, one of the county of the sample city, one of a town that has none of the new buildings."""
PLACE = (114.3952, 30.5082)
ITEMS = "/collections/buildings/items"


@pytest.fixture(scope="module")
def city(store, demo_city, tmp_path_factory):
    """A copy of the sample city that may be edited."""
    original = psycopg.conninfo.conninfo_to_dict(demo_city[0].database.url.get_secret_value())["dbname"]
    with psycopg.connect(store.cluster.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", [original]
        )
    name = store.create(original)
    yield store.settings(name, tmp_path_factory.mktemp("edits"))
    store.drop(name)


@pytest.fixture(scope="module")
def secrets(city):
    """Tokens by subject."""
    until = utc_now() + timedelta(days=1)
    with engine.connect(city) as connection:
        here = connection.execute(
            "SELECT code FROM division WHERE level = 5 AND ST_Contains(geom, ST_SetSRID(ST_MakePoint(%s, %s), 4490))", PLACE
        )
        village = here.fetchone()[0]
        towns = connection.execute(
            "SELECT code FROM division WHERE level = 4 AND NOT starts_with(%s, code) ORDER BY code", [village]
        ).fetchall()
        wanted = [(EDITOR, "editor", None), (VIEWER, "viewer", None), (INSIDE, "editor", (village[:6],)), (OUTSIDE, "editor", towns[0])]
        return {
            who: tokens.create(connection, tokens.NewToken(who, who, role, until, divisions=divisions), created_by="test")[1]
            for who, role, divisions in wanted
        }


@pytest.fixture(scope="module")
def call(city, secrets):
    app = create_app(city)
    loop = asyncio.new_event_loop()
    lifespan = app.router.lifespan_context(app)
    loop.run_until_complete(lifespan.__aenter__())

    def ask(method, path, *, who=EDITOR, body=None, headers=None):
        async def run():
            transport = httpx.ASGITransport(app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
                sent = {**(headers or {}), **({"Authorization": f"Bearer {secrets[who]}"} if who else {})}
                return await client.request(method, path, content=content, headers=sent)

        return loop.run_until_complete(run())

    yield ask
    loop.run_until_complete(lifespan.__aexit__(None, None, None))
    loop.close()


@pytest.fixture
def rows(city):
    def run(statement, parameters=None):
        with engine.connect(city) as connection:
            return connection.execute(statement, parameters).fetchall()

    return run


def feature(x=114.3951, y=30.5081, **properties):
    ring = [[x, y], [x + 0.0003, y], [x + 0.0003, y + 0.0002], [x, y + 0.0002], [x, y]]
    values = {"name": "新楼", "height_m": 12.5, "storeys_above": 4, "use": "office", **properties}
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": values}


def created(call, **properties):
    answer = call("POST", ITEMS, body=feature(**properties), headers=GEOJSON)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"].removeprefix("http://test"), answer.headers["etag"]


def test_a_new_building_gets_a_code_a_change_set_and_an_event(call, rows):
    answer = call("POST", ITEMS, body=feature(), headers={**GEOJSON, "Cim-Reason": "%E8%A1%A5%E6%B5%8B"})
    assert answer.status_code == 201
    code = answer.json()["id"]
    assert answer.headers["location"] == f"http://test{ITEMS}/{code}"
    found = call("GET", f"{ITEMS}/{code}")
    assert found.headers["etag"] == answer.headers["etag"]
    properties = found.json()["properties"]
    assert (properties["name"], properties["height_m"], properties["use"], properties["version"]) == ("新楼", 12.5, "office", 1)
    # PROJ: the footprint on the ellipsoid of EPSG:4490; the register keeps it in the city's projected CRS.
    geod = pyproj.Geod(ellps="GRS80")
    area = abs(geod.geometry_area_perimeter(shapely.from_geojson(json.dumps(found.json()["geometry"])))[0])
    assert properties["footprint_area_m2"] == pytest.approx(area, rel=1e-3)
    assert properties["division_code"].startswith("420111")
    made = rows(
        """SELECT c.author, c.operation, c.reason, e.action, e.collection FROM building b JOIN change_set c ON c.id = b.change_set_id
           JOIN change_event e ON e.change_set_id = c.id WHERE b.code = %s""",
        [code],
    )
    assert made == [("zhang", "edit", "补测", "create", "buildings")]


def test_the_total_follows_every_write(call, rows):
    before = call("GET", f"{ITEMS}?limit=1").json()["numberMatched"]
    created(call)
    assert call("GET", f"{ITEMS}?limit=1").json()["numberMatched"] == before + 1 == rows("SELECT count(*) FROM building")[0][0]


def test_a_patch_changes_what_it_names_and_keeps_the_old_state(call, rows):
    path, tag = created(call)
    answer = call("PATCH", path, body={"properties": {"height_m": 15.0, "name": None}}, headers={**PATCH, "If-Match": tag})
    assert answer.status_code == 204
    after = call("GET", path)
    assert after.headers["etag"] == answer.headers["etag"] != tag
    properties = after.json()["properties"]
    assert (properties["height_m"], properties["name"], properties["use"], properties["version"]) == (15.0, None, "office", 2)
    states = call("GET", f"{path}/history").json()["features"]
    assert [(one["properties"]["version"], one["properties"]["height_m"]) for one in states] == [(1, 12.5), (2, 15.0)]
    assert states[0]["properties"]["valid_to"] == states[1]["properties"]["valid_from"]
    moment = states[0]["properties"]["valid_from"].replace("+00:00", "Z")
    then = call("GET", f"{path}?datetime={moment}").json()["properties"]
    assert then["height_m"] == 12.5


def test_a_feature_that_was_read_can_be_sent_back_unchanged(call, rows):
    path, _ = created(call)
    sent = call("GET", path)
    assert call("PUT", path, body=sent.content, headers=GEOJSON).status_code == 204
    assert call("GET", path).json()["properties"]["version"] == 1


@pytest.mark.parametrize("epsg", [4490, 4326, 3857, 4547])
def test_a_body_in_another_crs_lands_in_its_place(call, epsg):
    path, _ = created(call)
    uri = f"http://www.opengis.net/def/crs/EPSG/0/{epsg}"
    sent = call("GET", f"{path}?crs={uri}").json()
    assert call("PUT", path, body=sent, headers={**GEOJSON, "Content-Crs": f"<{uri}>"}).status_code == 204
    # Nothing has moved: within the millimetres of coordinates written with 4 or 9 decimals.
    before, after = (shapely.from_geojson(json.dumps(call("GET", path).json()["geometry"])) for _ in range(2))
    assert shapely.hausdorff_distance(before, after) < 1e-8
    expected = shapely.box(114.3951, 30.5081, 114.3954, 30.5083)
    assert shapely.hausdorff_distance(after, expected) < 2e-8


def test_a_moved_outline_brings_its_area_along(call):
    path, _ = created(call)
    area = call("GET", path).json()["properties"]["footprint_area_m2"]
    wider = feature()["geometry"]
    wider["coordinates"][0][1][0] = wider["coordinates"][0][2][0] = 114.3951 + 0.0006
    assert call("PATCH", path, body={"geometry": wider}, headers=PATCH).status_code == 204
    assert call("GET", path).json()["properties"]["footprint_area_m2"] == pytest.approx(2 * area, rel=1e-3)


def test_a_deleted_building_is_demolished_and_its_code_stays(call, rows):
    path, _ = created(call)
    code = path.rsplit("/", 1)[1]
    assert call("DELETE", path).status_code == 204
    assert call("GET", path).json()["properties"]["status"] == "demolished"
    assert call("DELETE", path).status_code == 404
    assert rows("SELECT operation FROM building_lineage WHERE child_code = %s", [code]) == [("demolish",)]


def test_the_second_of_two_writers_is_told(call, rows):
    path, tag = created(call)
    assert call("PATCH", path, body={"properties": {"storeys_above": 5}}, headers={**PATCH, "If-Match": tag}).status_code == 204
    late = call("PATCH", path, body={"properties": {"storeys_above": 6}}, headers={**PATCH, "If-Match": tag})
    assert late.status_code == 412
    assert "version 2" in late.json()["description"]
    assert call("DELETE", path, headers={"If-Match": tag}).status_code == 412
    assert call("GET", path).json()["properties"]["storeys_above"] == 5


BAD = [
    ({"properties": {"height_m": "tall"}}, "height_m"), ({"properties": {"use": "castle"}}, "use"),
    ({"properties": {"height_m": 0}}, "0 is less than or equal to the minimum of 0"),
    ({"properties": {"height_m": 1500}}, "1500 is greater than or equal to the maximum of 1500"),
    ({"properties": {"nothing": 1}}, "nothing"),
    ({"properties": {"storeys_above": 999}}, "storeys_above"), ({"properties": {"code": "X"}}, "code"),
    ({"properties": {"version": 9}}, "version"), ({"properties": {"status": None}}, "status"), ({"geometry": None}, "geometry"),
    ({"geometry": {"type": "Point", "coordinates": [114, 30]}}, "Polygon"), ({"id": "another"}, "id"), ([], "whole"),
    ({"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]]}}, "Self-intersection"),
    ({"geometry": {"type": "Polygon", "coordinates": [[[500, 0], [501, 0], [501, 1], [500, 0]]]}}, "area of use"),
    ({"geometry": {"type": "Polygon", "coordinates": "x"}}, "geometry"), ({"properties": {"name": "a\x00b"}}, "name"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "word"), BAD, ids=[word for _, word in BAD])
def test_a_bad_body_is_refused_with_its_place_and_changes_nothing(call, rows, body, word):
    path, _ = created(call)
    before = rows("SELECT count(*), max(version) FROM building")
    sets = rows("SELECT count(*) FROM change_set")
    answer = call("PATCH", path, body=body, headers=PATCH)
    assert answer.status_code == 422, answer.text
    assert word in answer.json()["description"]
    assert rows("SELECT count(*), max(version) FROM building") == before
    assert rows("SELECT count(*) FROM change_set") == sets


def test_bounds_of_numbers_are_said_by_schema_and_openapi(call):
    # JSON Schema 2020-12, validation 6.2.3 and 6.2.5; OpenAPI 3.0 has the keywords of an older draft, where they are flags.
    found = call("GET", "/collections/buildings/schema").json()["properties"]
    assert (found["height_m"]["exclusiveMinimum"], found["height_m"]["exclusiveMaximum"]) == (0, 1500)
    assert (found["storeys_above"]["minimum"], found["storeys_above"]["maximum"]) == (0, 300)
    item = call("GET", "/openapi?f=json").json()["paths"][f"{ITEMS}/{{featureId}}"]["patch"]
    [body] = {json.dumps(one["schema"]) for one in item["requestBody"]["content"].values()}
    told = json.loads(body)["properties"]["properties"]["properties"]["height_m"]
    assert {"minimum": 0, "exclusiveMinimum": True, "maximum": 1500, "exclusiveMaximum": True}.items() <= told.items()


def test_other_faults_have_their_own_status(call):
    path, _ = created(call)
    assert call("POST", ITEMS, body=b"{", headers=GEOJSON).status_code == 422
    assert call("POST", ITEMS, body=feature(), headers={"Content-Type": "text/xml"}).status_code == 415
    assert call("POST", ITEMS, body=feature(), headers={"Content-Type": "application/geo+json; charset=utf-8"}).status_code == 201
    assert call("POST", ITEMS, body=feature(), headers={**GEOJSON, "Content-Crs": "<http://nowhere>"}).status_code == 400
    assert call("POST", ITEMS, body=feature(x=10.0, y=50.0), headers=GEOJSON).status_code == 422
    assert call("PUT", f"{ITEMS}/nothing", body=feature(), headers=GEOJSON).status_code == 404
    assert call("POST", "/collections/divisions/items", body=feature(), headers=GEOJSON).status_code == 405
    assert call("POST", "/collections/nothing/items", body=feature(), headers=GEOJSON).status_code == 404
    assert call("PUT", path, body=feature(), headers=GEOJSON).status_code == 204


def test_nobody_writes_without_being_allowed_to(call, rows):
    path, _ = created(call)
    before = rows("SELECT count(*), sum(version) FROM building")
    for who, status in ((NOBODY, 401), (VIEWER, 403)):
        assert call("POST", ITEMS, who=who, body=feature(), headers=GEOJSON).status_code == status
        for method in ("PUT", "PATCH", "DELETE"):
            assert call(method, path, who=who, body=feature(), headers=GEOJSON).status_code == status
        assert "POST" not in call("OPTIONS", ITEMS, who=who).headers["allow"]
    assert "POST" in call("OPTIONS", ITEMS).headers["allow"]
    assert "PATCH" in call("OPTIONS", path).headers["allow"]
    assert rows("SELECT count(*), sum(version) FROM building") == before


def test_an_editor_of_one_county_writes_in_it_and_nowhere_else(call, rows):
    path, _ = created(call)
    assert call("PATCH", path, who=INSIDE, body={"properties": {"storeys_above": 7}}, headers=PATCH).status_code == 204
    assert call("PATCH", path, who=OUTSIDE, body={"properties": {"storeys_above": 8}}, headers=PATCH).status_code == 404
    assert call("GET", path, who=OUTSIDE).status_code == 404
    assert call("POST", ITEMS, who=OUTSIDE, body=feature(), headers=GEOJSON).status_code in (403, 422)
    assert call("GET", path).json()["properties"]["storeys_above"] == 7


def test_a_pipe_is_edited_and_taken_out_of_service(call, rows):
    line = call("GET", "/collections/water-lines/items?limit=1").json()["features"][0]
    path = f"/collections/water-lines/items/{line['id']}"
    assert call("PATCH", path, body={"properties": {"material": "PE", "year_laid": 2020}}, headers=PATCH).status_code == 204
    assert call("GET", path).json()["properties"]["material"] == "PE"
    assert call("DELETE", path).status_code == 204
    assert call("GET", path).json()["properties"]["status"] == "abandoned"
    assert rows("SELECT count(*) FROM network_edge_history WHERE code = %s", [line["id"]]) == [(2,)]


def test_a_new_address_gets_a_code_its_village_and_can_be_found(call, rows):
    body = {
        "type": "Feature", "geometry": {"type": "Point", "coordinates": [114.39525, 30.50815]},
        "properties": {"full_text": " 新建路  18号 ", "building_code": created(call)[0].rpartition("/")[2]},
    }  # fmt: skip
    answer = call("POST", "/collections/addresses/items", body=body, headers=GEOJSON)
    assert answer.status_code == 201, answer.text
    path = answer.headers["location"].removeprefix("http://test")
    found = call("GET", path).json()
    code, properties = found["id"], found["properties"]
    assert code.startswith("AD420")
    assert len(code) == len("AD420111-2026000001")
    assert (properties["full_text"], properties["road"], properties["house_number"]) == ("新建路 18号", "新建路", "18号")
    assert properties["division_code"].startswith(code[2:8])
    assert properties["match_method"] == "edit"
    assert call("GET", "/collections/addresses/items?q=新建路 18号").json()["numberMatched"] == 1
    assert rows("SELECT count(*) FROM change_event WHERE collection = 'addresses' AND code = %s", [code])[0][0] >= 1
    wrong = [
        {**body, "properties": {}},
        {**body, "properties": {"full_text": "x", "building_code": "nothing"}},
        {**body, "geometry": {"type": "Point", "coordinates": [10.0, 50.0]}},
        {**body, "geometry": None},
        {**body, "properties": {"full_text": 7}},
    ]
    assert [call("POST", "/collections/addresses/items", body=one, headers=GEOJSON).status_code for one in wrong] == [422] * 5
    assert call("DELETE", path).status_code == 204


def test_a_network_grows_by_two_points_and_a_line(call, rows):
    codes = []
    for x, height in ((114.3952, 20.0), (114.3955, 19.0)):
        properties = {"elevation_m": height, "feature": "MANHOLE", "type_code": "WS"}
        body = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [x, 30.5082]}, "properties": properties}
        answer = call("POST", "/collections/sewage-points/items", body=body, headers=GEOJSON)
        assert answer.status_code == 201, answer.text
        codes.append(answer.json()["id"])
    line = {"type": "Feature", "geometry": None, "properties": {"start_node": codes[0], "end_node": codes[1], "diameter_mm": 300.0}}
    answer = call("POST", "/collections/sewage-lines/items", body=line, headers=GEOJSON)
    assert answer.status_code == 201, answer.text
    path = answer.headers["location"].removeprefix("http://test")
    properties = call("GET", path).json()["properties"]
    # All of it lies in the village that covers it, as the addresses of the place do.
    village = rows("SELECT code FROM division WHERE level = 5 AND ST_Covers(geom, ST_SetSRID(ST_MakePoint(114.39535, 30.5082), 4490))")
    assert [(properties["division_code"],)] == village
    assert call("GET", f"/collections/sewage-points/items/{codes[0]}").json()["properties"]["division_code"] == village[0][0]
    # The ends are 28.82 m apart in the plane (pyproj, geodesic on CGCS2000) and 1 m in height.
    plane = pyproj.Geod(ellps="GRS80").inv(114.3952, 30.5082, 114.3955, 30.5082)[2]
    assert properties["length_m"] == pytest.approx((plane**2 + 1) ** 0.5, abs=0.02)
    assert properties["slope"] == pytest.approx(1 / properties["length_m"], abs=1e-4)
    assert properties["depth_reference"] == "crown"
    bent = {**line, "geometry": {"type": "LineString", "coordinates": [[114.3952, 30.5082], [114.3953, 30.5083], [114.3955, 30.5082]]}}
    assert call("POST", "/collections/sewage-lines/items", body=bent, headers=GEOJSON).status_code == 201
    away = {**line, "geometry": {"type": "LineString", "coordinates": [[114.3952, 30.5082], [114.3965, 30.5082]]}}
    for one in (away, {**line, "properties": {"start_node": codes[0]}}, {**line, "properties": {"start_node": codes[0], "end_node": "x"}}):
        assert call("POST", "/collections/sewage-lines/items", body=one, headers=GEOJSON).status_code == 422
    # A point of another kind is no end; who may only look makes nothing.
    assert call("POST", "/collections/water-lines/items", body=line, headers=GEOJSON).status_code == 422
    assert call("POST", "/collections/sewage-lines/items", who=VIEWER, body=line, headers=GEOJSON).status_code == 403
    assert call("PATCH", path, body={"properties": {"start_node": codes[1]}}, headers=PATCH).status_code == 422
