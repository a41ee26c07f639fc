"""What has been broken elsewhere: the classes of GeoServer's critical vulnerabilities, malformed requests, the whole API by its OpenAPI.

CVE numbers name the class of the fault, see the advisories of GeoServer.
"""

import json
import re
import socket
from urllib.parse import quote, urlsplit

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from cim.db import engine
from tests.support.send import send

ITEMS = "/collections/buildings/items"
SQL = [
    "' OR '1'='1",
    "'; DROP TABLE building; --",
    '" OR 1=1 --',
    "1) OR (1=1",
    "x' UNION SELECT secret_sha256 FROM access_token --",
    "'||(SELECT version())||'",
    "$$; SELECT 1; $$",
    'code"; --',
]
CODE_INJECTION = [
    "exec(java.lang.Runtime.getRuntime(),'touch /tmp/x')",
    "${jndi:ldap://127.0.0.1:1/a}",
    "{{7*7}}",
    "__import__('os').system('id')",
    "code[1]/text()",
    "#{7*7}",
]
ADDRESSES = ["http://127.0.0.1:{port}/x", "file:///etc/passwd", "gopher://127.0.0.1:{port}/", "//127.0.0.1:{port}/"]
TRAVERSALS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "buildings/../../postgres.secret",
    "buildings%00.json",
    "..%5c..%5cpostgres.secret",
    "buildings/.%2e/.%2e/postgres.secret.json",
]


def refused(answer):
    assert 400 <= answer.status < 500, (answer.status, answer.body[:300])
    text = answer.body.decode(errors="replace")
    for leak in ("Traceback", "psycopg", "asyncpg", "site-packages", "postgresql://"):
        assert leak not in text, leak


@pytest.fixture(scope="module")
def tables_before(demo_city):
    def count():
        with engine.connect(demo_city[0]) as connection:
            return connection.execute("SELECT (SELECT count(*) FROM building), (SELECT count(*) FROM pg_class)").fetchone()

    before = count()
    yield before
    assert count()[0] == before[0]


@pytest.mark.parametrize("text", SQL)
def test_sql_in_values_is_a_value_and_elsewhere_refused(demo_server, tables_before, text):  # CVE-2023-25157, CVE-2023-25158
    sent = quote(text, safe="")
    answer = send(f"{demo_server}{ITEMS}?name={sent}")
    assert (answer.status, answer.json()["features"]) == (200, [])
    for query in (
        f"{sent}=1",
        f"sortby={sent}",
        f"properties={sent}",
        f"bbox={sent}",
        f"limit={sent}",
        f"datetime={sent}",
        f"crs={sent}",
        f"cursor={sent}",
    ):
        refused(send(f"{demo_server}{ITEMS}?{query}"))
    for path in (f"{ITEMS}/{sent}", f"/collections/{sent}", f"/processes/{sent}", f"/jobs/{sent}", f"/records/{sent}", f"/styles/{sent}"):
        refused(send(f"{demo_server}{path}"))
    like = send(f"{demo_server}{ITEMS}?filter={quote(f'name LIKE {json.dumps(text)}')}")
    assert like.status < 500


@pytest.mark.parametrize("text", CODE_INJECTION)
def test_property_names_and_expressions_are_never_evaluated(demo_server, text):  # CVE-2024-36401, JNDI, Jiffle
    sent = quote(text, safe="")
    for query in (f"sortby={sent}", f"properties={sent}", f"{sent}=1", f"filter={sent}%20%3D%201"):
        refused(send(f"{demo_server}{ITEMS}?{query}"))
    name = send(f"{demo_server}{ITEMS}?name={sent}")
    assert name.json()["features"] == []
    assert send(f"{demo_server}/collections", X_Request_ID=text, User_Agent=text.encode("ascii", "ignore").decode()).status == 200


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_address_of_a_client_is_fetched(demo_server, address):  # CVE-2023-41339, CVE-2021-40822
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        url = address.format(port=listener.getsockname()[1])
        sent = quote(url, safe="")
        for query in (f"crs={sent}", f"bbox=1,2,3,4&bbox-crs={sent}", f"filter-crs={sent}&filter=1%3D1", f"schema={sent}"):
            refused(send(f"{demo_server}{ITEMS}?{query}"))
        for body in (
            {"inputs": {"message": {"href": url}}},
            {"inputs": {}, "subscriber": {"successUri": url}},
            {"inputs": {"object": {"href": url}}},
        ):
            refused(send(f"{demo_server}/processes/echo/execution", "POST", json.dumps(body).encode(), Content_Type="application/json"))
        with pytest.raises(TimeoutError):
            listener.accept()


def test_xml_bodies_are_not_parsed(demo_server):  # CVE-2025-58360: XXE; billion laughs
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY e SYSTEM "file:///etc/passwd">]><x>&b;&e;</x>'
    for path in ("/processes/echo/execution", ITEMS, "/jobs"):
        answer = send(f"{demo_server}{path}", "POST", bomb, Content_Type="application/xml")
        refused(answer)
        assert b"root:" not in answer.body


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out_of_its_folder(demo_server, path):
    for root in ("/3dtiles/", "/static/", "/viewer/", "/styles/", "/collections/buildings/export/", "/jobs/x/results/", "/tileMatrixSets/"):
        answer = send(f"{demo_server}{root}{path}")
        assert answer.status in {301, 307, 400, 401, 403, 404, 503}, (root, answer.status)
        assert b"root:" not in answer.body


def test_a_made_up_host_or_forwarded_header_does_not_reach_links_as_markup(demo_server):
    for host in ('"><script>alert(1)</script>', "evil.example/path", "a b", "x@y"):
        answer = send(f"{demo_server}/?f=html", Host=host)
        assert b"<script>alert" not in answer.body
        assert answer.status < 500


def test_answers_hold_data_as_text_and_never_as_markup(demo_server):
    answer = send(f"{demo_server}{ITEMS}?f=html&limit=1")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    refusal = send(f"{demo_server}{ITEMS}?<script>alert(1)</script>=1")
    assert refusal.headers["Content-Type"] == "application/problem+json"
    assert refusal.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    ],
)
def test_broken_http_ends_the_connection_and_not_the_server(demo_server, raw):
    parts = urlsplit(demo_server)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as client:
        client.sendall(raw)
        client.shutdown(socket.SHUT_WR)
        try:
            answer = client.recv(65536)
        except ConnectionResetError:
            answer = b""
    assert b" 500 " not in answer.split(b"\r\n")[0]
    assert send(f"{demo_server}/healthz").status == 200


@pytest.fixture(scope="module")
def document(demo_server):
    return send(f"{demo_server}/openapi?f=json").json()


def test_the_openapi_document_is_valid_and_refers_to_nothing_outside(document):
    assert list(OpenAPIV30SpecValidator(document).iter_errors()) == []
    assert "schemas.opengis.net" not in json.dumps(document["paths"])


def test_every_route_is_in_the_openapi_document(document, demo_city):
    from ogc_api.app import create_app

    def shape(path):
        return re.sub(r"\{[^}]*\}", "{}", path)

    described = {shape(path) for path in document["paths"]}
    described |= {shape(re.sub(r"^/collections/[^/{]+", "/collections/{}", path)) for path in document["paths"]}
    routes = {shape(route.path) for route in create_app(demo_city[0]).routes if hasattr(route, "methods")}
    pages = {"/viewer", "/3dtiles/{}"}  # a page, and files whose paths tilesets name
    assert {path for path in routes if path not in described | pages and not path.endswith("/") and path != ""} == set()


def test_operation_ids_are_unique_so_that_client_generators_work(document):
    names = [
        one["operationId"]
        for methods in document["paths"].values()
        for one in methods.values()
        if isinstance(one, dict) and "operationId" in one
    ]
    assert len(names) == len(set(names))
