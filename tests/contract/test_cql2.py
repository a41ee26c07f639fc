"""Filters in CQL2 (OGC 21-065r2) over HTTP against a Python evaluation of the same expression on the same features."""

import json
import math
import urllib.parse
from datetime import UTC, datetime

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.http import ask, get, status_of

NUMBERS = ("height_m", "storeys_above", "storeys_below", "year_built", "footprint_area_m2", "floor_area_m2", "ground_elevation_m")
TEXTS = ("use", "structure", "status", "code", "address", "name", "division_code")


@pytest.fixture(scope="module")
def items(demo_server):
    return f"{demo_server}/collections/buildings/items"


@pytest.fixture(scope="module")
def features(items):
    return get(items, limit=1000)["features"]


def matched(items, text, language="cql2-text", **more):
    page = get(items, **{"filter": text, "filter-lang": language, "limit": 1000, **more})
    assert page["numberMatched"] == page["numberReturned"]
    return {feature["id"] for feature in page["features"]}


def chosen(features, keep):
    return {feature["id"] for feature in features if keep(feature["properties"])}


def moment(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def nobody(_):
    return False


# The expressions of the standard's clauses 6 and 7, over the queryables of this collection; expected by Python.
CASES = [
    ("height_m > 30", lambda p: p["height_m"] > 30),
    ("use = 'office' AND height_m >= 20", lambda p: p["use"] == "office" and p["height_m"] >= 20),
    ("NOT (use = 'office' OR use = 'residential')", lambda p: p["use"] is not None and p["use"] not in ("office", "residential")),
    ("height_m BETWEEN 10 AND 20", lambda p: 10 <= p["height_m"] <= 20),
    ("height_m NOT BETWEEN 10 AND 20", lambda p: not 10 <= p["height_m"] <= 20),
    ("use IN ('office', 'education')", lambda p: p["use"] in ("office", "education")),
    ("address LIKE '%珞喻路%'", lambda p: "珞喻路" in (p["address"] or "")),
    ("code LIKE '42011100_0%'", lambda p: p["code"].startswith("42011100") and p["code"][9] == "0"),
    ("name IS NULL", lambda p: p["name"] is None),
    ("name IS NOT NULL", lambda p: p["name"] is not None),
    ("CASEI(structure) = CASEI('rc')", lambda p: (p["structure"] or "").lower() == "rc"),
    ("CASEI(structure) LIKE CASEI('r%')", lambda p: (p["structure"] or "").lower().startswith("r")),
    ("ACCENTI(structure) = ACCENTI('RÇ')", lambda p: p["structure"] == "RC"),
    ("storeys_above * 3 + 0.5 < height_m", lambda p: p["storeys_above"] * 3 + 0.5 < p["height_m"]),
    ("height_m / storeys_above > 3", lambda p: p["storeys_above"] and p["height_m"] / p["storeys_above"] > 3),
    ("year_built % 10 = 5", lambda p: p["year_built"] is not None and p["year_built"] % 10 == 5),
    ("year_built div 10 = 200", lambda p: p["year_built"] is not None and p["year_built"] // 10 == 200),
    ("storeys_above ^ 2 >= 400", lambda p: p["storeys_above"] ** 2 >= 400),
    ("storeys_above > storeys_below", lambda p: p["storeys_below"] is not None and p["storeys_above"] > p["storeys_below"]),
    ("floor_area_m2 <> footprint_area_m2", lambda p: p["floor_area_m2"] is not None and p["floor_area_m2"] != p["footprint_area_m2"]),
    ("valid_from > DATE('2020-01-01')", lambda p: moment(p["valid_from"]) > datetime(2020, 1, 1, tzinfo=UTC)),
    ("T_BEFORE(valid_from, TIMESTAMP('2020-01-01T00:00:00Z'))", lambda p: moment(p["valid_from"]) < datetime(2020, 1, 1, tzinfo=UTC)),
    ("T_DURING(valid_from, INTERVAL('2020-01-01', '..'))", lambda p: moment(p["valid_from"]) > datetime(2020, 1, 1, tzinfo=UTC)),
    ("T_INTERSECTS(INTERVAL(valid_from, '..'), INTERVAL('..', '2020-01-01'))", nobody),
    ("A_CONTAINS(('a', 'b', use), ('a', 'office'))", lambda p: p["use"] == "office"),
    ("A_OVERLAPS((use, structure), ('office', 'STL'))", lambda p: p["use"] == "office" or p["structure"] == "STL"),
    ("length(use) = 6", lambda p: p["use"] is not None and len(p["use"]) == 6),
    ("upper(use) = 'OFFICE'", lambda p: p["use"] == "office"),
    ("abs(height_m - 30) < 5", lambda p: abs(p["height_m"] - 30) < 5),
    ("height_m = -5", nobody),
    ("true", bool),
    ("use = 'it''s'", nobody),
]


@pytest.mark.parametrize(("text", "keep"), CASES, ids=[text for text, _ in CASES])
def test_an_expression_selects_what_python_selects(items, features, text, keep):
    assert matched(items, text) == chosen(features, keep)


def shape(feature):
    return shapely.from_geojson(json.dumps(feature["geometry"]))


SPATIAL = {
    "S_INTERSECTS": shapely.intersects, "S_DISJOINT": shapely.disjoint, "S_WITHIN": shapely.within, "S_CONTAINS": shapely.contains,
    "S_TOUCHES": shapely.touches, "S_OVERLAPS": shapely.overlaps, "S_CROSSES": shapely.crosses, "S_EQUALS": shapely.equals,
}  # fmt: skip


@pytest.mark.parametrize("name", SPATIAL)
def test_spatial_functions_select_what_shapely_selects(items, features, name):
    ring = "POLYGON((114.385 30.503,114.3975 30.503,114.3975 30.5105,114.39 30.5125,114.385 30.503))"
    area = shapely.from_wkt(ring)
    expected = {feature["id"] for feature in features if SPATIAL[name](shape(feature), area)}
    assert matched(items, f"{name}(geometry, {ring})") == expected
    assert name not in ("S_INTERSECTS", "S_WITHIN", "S_OVERLAPS", "S_DISJOINT") or 0 < len(expected) < len(features)


def test_a_box_and_a_geometry_in_another_crs_select_the_same(items, features):
    area = shapely.box(114.385, 30.503, 114.3975, 30.5125)
    expected = {feature["id"] for feature in features if shapely.intersects(shape(feature), area)}
    assert matched(items, "S_INTERSECTS(geometry, BBOX(114.385, 30.503, 114.3975, 30.5125))") == expected
    lat_first = "S_INTERSECTS(geometry, POLYGON((30.503 114.385,30.503 114.3975,30.5125 114.3975,30.5125 114.385,30.503 114.385)))"
    assert matched(items, lat_first, **{"filter-crs": "http://www.opengis.net/def/crs/EPSG/0/4490"}) == expected


def number(node, properties):
    """Value of a numeric node as PostgreSQL's double precision has it; None is NULL."""
    if "property" in node:
        return properties[node["property"]]
    left, right = (number(one, properties) if isinstance(one, dict) else one for one in node["args"])
    if left is None or right is None:
        return None
    if node["op"] == "/":
        return None if right == 0 else left / right
    return {"+": lambda: left + right, "-": lambda: left - right, "*": lambda: left * right}[node["op"]]()


def truth(node, properties):
    """SQL's three-valued logic: True, False or None for unknown."""
    op, args = node["op"], node["args"]
    if op in ("and", "or"):
        values = [truth(one, properties) for one in args]
        decisive = op == "or"
        return decisive if decisive in values else None if None in values else not decisive
    if op == "not":
        value = truth(args[0], properties)
        return None if value is None else not value
    if op == "isNull":
        return properties[args[0]["property"]] is None
    if op == "in":
        value = properties[args[0]["property"]]
        return None if value is None else value in args[1]
    if op == "between":
        value = number(args[0], properties)
        return None if value is None else args[1] <= value <= args[2]
    left, right = args
    left = number(left, properties) if "property" not in left or left["property"] in NUMBERS else properties[left["property"]]
    if left is None:
        return None
    if isinstance(right, str):
        return left == right if op == "=" else left != right
    return {"=": left == right, "<>": left != right, "<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[op]


numbers = st.one_of(st.integers(-50, 3000), st.floats(-100, 5000, allow_nan=False).map(lambda x: round(x, 3)))
terms = st.recursive(
    st.sampled_from(NUMBERS).map(lambda name: {"property": name}),
    lambda inner: st.builds(
        lambda op, a, b: {"op": op, "args": [a, b]}, st.sampled_from(["+", "-", "*", "/"]), inner, st.one_of(inner, numbers)
    ),
    max_leaves=3,
)
leaves = st.one_of(
    st.builds(lambda op, a, b: {"op": op, "args": [a, b]}, st.sampled_from(["=", "<>", "<", ">", "<=", ">="]), terms, numbers),
    st.builds(
        lambda op, name, value: {"op": op, "args": [{"property": name}, value]},
        st.sampled_from(["=", "<>"]), st.sampled_from(TEXTS), st.sampled_from(["office", "RC", "existing", "", "珞喻路", "a'b\\%_\""]),
    ),
    st.sampled_from(TEXTS).map(lambda name: {"op": "isNull", "args": [{"property": name}]}),
    st.builds(lambda a, b, c: {"op": "between", "args": [a, min(b, c), max(b, c)]}, terms, numbers, numbers),
    st.builds(
        lambda name, values: {"op": "in", "args": [{"property": name}, values]},
        st.sampled_from(["use", "structure"]), st.lists(st.sampled_from(["office", "RC", "hotel", "STL", "x"]), min_size=1, max_size=3),
    ),
)  # fmt: skip
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda op, args: {"op": op, "args": args}, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
        inner.map(lambda one: {"op": "not", "args": [one]}),
    ),
    max_leaves=6,
)


def near(node, properties):
    """Whether a comparison of computed numbers is too close to a border for two implementations of doubles to agree on."""
    if node["op"] in ("and", "or", "not"):
        return any(near(one, properties) for one in node["args"])
    if node["op"] in ("isNull", "in") or isinstance(node["args"][1], str) or "property" in node["args"][0]:
        return False
    value = number(node["args"][0], properties)
    return value is not None and any(math.isclose(value, border, rel_tol=1e-9, abs_tol=1e-9) for border in node["args"][1:])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(node=expressions)
def test_any_expression_selects_what_python_selects(items, features, node):
    expected = chosen(features, lambda p: truth(node, p) is True)
    unsure = chosen(features, lambda p: near(node, p))
    assert matched(items, json.dumps(node), "cql2-json") - unsure == expected - unsure


@pytest.mark.parametrize(
    "text",
    [
        "height_m >", "height_m > 'tall'", "nothing = 1", "use = 3", "use LIKE height_m", "height_m BETWEEN 1", "foo(height_m) = 1",
        "S_INTERSECTS(geometry, 3)", "S_INTERSECTS(geometry, POLYGON((0 0,1 1,0 1,1 0,0 0)))", "T_AFTER(height_m, DATE('2020-01-01'))",
        "valid_from > TIMESTAMP('2020-01-01')", "valid_from > DATE('yesterday')", "height_m", "(" * 300 + "true" + ")" * 300,
        "NOT " * 3000 + "true", "geometry = geometry", "use = 'a' AND", "S_INTERSECTS(geometry, POINT(500 500))",
        "height_m > 1e400", "T_DURING(valid_from, INTERVAL('2021-01-01', '2020-01-01'))", "use IN ()", "code LIKE 'a\\'",
    ],
)  # fmt: skip
def test_a_bad_expression_is_a_400_that_says_what_was_expected(items, text):
    url = items + "?" + urllib.parse.urlencode({"filter": text})
    status, _, body = ask(url)
    assert status == 400, (text, status, body[:200])
    assert "expected" in json.loads(body)["description"]


INJECTIONS = [
    "' OR '1'='1", "'; DROP TABLE building; --", "1); SELECT pg_sleep(5); --", "\\'; SELECT 1; --", "%27%20OR%201=1",
    "$1", "%(where0)s",
    "${7*7}",
    "' UNION SELECT version() --", "\x00", "\u2019 OR 1=1", "'||(SELECT 1)||'", "/**/", "pg_read_file('/etc/passwd')", "{{7*7}}", "%s%s%n",
]  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS)
def test_text_of_clients_is_a_value_and_never_a_statement(items, features, text):
    everything = len(features)
    literal = text.replace("'", "''")
    for parameters in (
        {"filter": f"name = '{literal}'"}, {"filter": text}, {"filter": f'"{text}" = 1'}, {"filter": f"{text}(height_m) = 1"},
        {"filter": json.dumps({"op": text, "args": [{"property": "name"}, "a"]}), "filter-lang": "cql2-json"},
        {"filter": json.dumps({"op": "=", "args": [{"property": text}, "a"]}), "filter-lang": "cql2-json"},
        {"filter": json.dumps({"op": "=", "args": [{"property": "name"}, text]}), "filter-lang": "cql2-json"},
        {"q": text}, {"use": text}, {"name": text}, {"sortby": text}, {"properties": text}, {"cursor": text}, {"bbox": text},
        {"datetime": text}, {"crs": text}, {"filter-crs": text, "filter": "true"}, {text: "1"}, {"f": text}, {"limit": text},
    ):  # fmt: skip
        status, _, body = ask(items + "?" + urllib.parse.urlencode({"skipGeometry": "true", **parameters}))
        assert status in (200, 400), (parameters, status, body[:200])
        if status == 200:
            assert json.loads(body)["numberMatched"] == 0, parameters
        else:
            assert b"SELECT id" not in body
            assert b"Traceback" not in body
    assert get(items, limit=1)["numberMatched"] == everything


def test_the_functions_that_may_be_called_are_listed(demo_server, items):
    listed = {one["name"]: one for one in get(f"{demo_server}/functions")["functions"]}
    assert {"lower", "area_m2", "s_dwithin"} <= set(listed)
    assert status_of(items, filter="area_m2(geometry) > 500", limit=1) == 200
    near_point = matched(items, "s_dwithin(geometry, POINT(114.394837725 30.508037375), 200)")
    assert 0 < len(near_point) < 237
