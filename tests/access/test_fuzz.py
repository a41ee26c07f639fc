"""Whatever is sent, the server does not fail: a thousand malformed requests, generated ones for every operation of the document."""

import contextlib
import random
import re
from collections import Counter
from datetime import timedelta
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from cim.clock import utc_now
from cim.db import engine, tokens
from tests.support.send import send

N_MALFORMED = 1000
ODD = [
    "", " ", "-1", "0x10", "1e999", "NaN", "inf", "null", "[]", "{}", "'", '"', "%", "%%", "%s", "\\", "\x00", "\x1f", "\ufeff", "\ud7ff",
    "１２", "9" * 40, "a" * 3000, "1,2", "1,2,3", "1,2,3,4,5", "1,2,3,4,5,6,7", "4,3,2,1,", "nan,0,1,1", "2024-13-01", "../..",
    "2024-02-30T00:00:00Z", "2024-01-02/2024-01-01", "1/2/3", "<script>", "javascript:alert(1)", "http://127.0.0.1:1/", "EPSG:4326",
    "true;false", "code=", "(((", "1 = ", "code = ", "S_INTERSECTS(geometry)", "casei(", "T_AFTER(valid_from, 'x')",
    "height_m BETWEEN 1", '{"op":"and","args":[{}]}', '{"op":1}', "code LIKE 1", "1=1=1", "AND", "not", "éé", "地址", "🏢",
]  # fmt: skip
"""Values no parameter below may take."""
CHECKED = (
    "limit", "offset", "bbox", "bbox-crs", "crs", "datetime", "filter", "filter-crs", "filter-lang", "properties", "sortby", "cursor",
    "count", "skipGeometry", "f", "height_m", "storeys_above", "year_built", "use", "no_such_parameter",
)  # fmt: skip
FINE = {("height_m", "9" * 40), ("height_m", "-1")}
"""Odd, but numbers."""
_SAME = r"/collections/(?!buildings|water-lines|bim-elements|\{)"
"""Paths of collections that have no code of their own."""
_OFFSETS = "application/offset+octet-stream"
"""Parts of uploads, which the generator cannot write."""
COLLECTIONS = ("buildings", "divisions", "units", "addresses", "water-lines", "sewage-points")
JSON = {"Content_Type": "application/json"}


def malformed(draw: random.Random) -> tuple[str, str, bytes | None, dict[str, str], set[int]]:
    """Method, path, body, headers and the statuses that are right."""
    collection, odd = draw.choice(COLLECTIONS), draw.choice(ODD)
    sent = quote(odd, safe="")
    items = f"/collections/{collection}/items"
    bodies = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'"x"',
        b"1e999",
        b'{"type":"Feature"}',
        b"[" * 5000,
        b'{"inputs":{"a":' + b"9" * 5000 + b"}}",
    ]
    kind = draw.randrange(8)
    if kind < 3:
        return "GET", f"/collections/buildings/items?{draw.choice(CHECKED)}={sent}", None, {}, {400, 414}
    if kind == 3:
        return "GET", f"{items}?limit=1&limit=2&{sent or 'x'}={sent}", None, {}, {400, 414}
    if kind == 4:
        root = draw.choice(
            ["/collections/", f"{items}/", "/processes/", "/jobs/", "/records/", "/tileMatrixSets/", "/styles/", "/3dtiles/"]
        )
        return "GET", f"{root}x{sent}", None, {}, {400, 404, 414}
    if kind == 5:
        numbers = "/".join(quote(draw.choice([*ODD, "-1", "1.5", "99", "WebMercatorQuad"]), safe="") or "x" for _ in range(4))
        return "GET", f"/collections/{collection}/tiles/{numbers}", None, {}, {400, 404, 414}
    if kind == 6:
        path = draw.choice(["/processes/echo/execution", "/processes/geocode/execution", "/processes/building-statistics/execution"])
        return "POST", path, draw.choice(bodies), JSON, {400, 413, 415, 422}
    method = draw.choice(["POST", "PUT", "PATCH", "DELETE"])
    path = items if method == "POST" else f"{items}/{sent or 'x'}"
    return method, path, draw.choice(bodies), JSON, {401, 404, 405, 414}


def test_a_thousand_malformed_requests_are_refused_as_the_clients_fault(demo_server):
    draw = random.Random(11)  # noqa: S311 - the same requests in every run
    found: Counter[int] = Counter()
    for _ in range(N_MALFORMED):
        method, path, body, headers, right = malformed(draw)
        name, _, value = path.partition("?")[2].partition("=")
        answer = send(f"{demo_server}{path}", method, body, **headers)
        found[answer.status] += 1
        if (name, value) in FINE:
            continue
        assert answer.status in right, (method, path[:300], body, answer.status, answer.body[:300])
    assert send(f"{demo_server}/healthz").status == 200
    assert {400, 401, 404} <= set(found), found


@pytest.fixture(scope="module")
def secret(demo_city):
    with engine.connect(demo_city[0]) as connection:
        until = utc_now() + timedelta(hours=1)
        return tokens.create(
            connection, tokens.NewToken("fuzz", "fuzz", "admin", until, permissions=("read", "run", "admin")), created_by="test"
        )[1]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
def test_generated_requests_of_every_operation_get_an_answer_of_the_document(demo_server, secret, mode):
    schema = schemathesis.openapi.from_url(f"{demo_server}/openapi?f=json")
    asked: Counter[str] = Counter()
    failed: list[str] = []
    for made in schema.get_all_operations():
        operation = made.ok()
        if re.match(_SAME, operation.path) or _OFFSETS in str(operation.definition.raw):
            continue

        @examples(
            max_examples=1, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def run(case):
            answer = case.call(base_url=demo_server, headers={"Authorization": f"Bearer {secret}"}, timeout=60)
            asked[case.operation.label] += 1
            if answer.status_code >= 500 and answer.status_code != 501:
                failed.append(f"{answer.status_code} {case.as_curl_command()[:500]}")
            elif re.search(r"Traceback|asyncpg|psycopg|site-packages", answer.text[:20000]):
                failed.append(f"leak: {case.as_curl_command()[:500]}")

        # An operation whose parameters take anything has no invalid request.
        with contextlib.suppress(Unsatisfiable):
            run()
    assert failed == []
    assert len(asked) > 40, asked
