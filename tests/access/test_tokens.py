"""Tokens, roles, limits, headers: who may do what over real HTTP."""

import json
import time
from datetime import UTC, datetime

import pytest

from cim.db import engine
from tests.support.cli import run_cim
from tests.support.send import send
from tests.support.server import running_server

PROBLEM = "application/problem+json"


def make_token(settings, name, *options):
    result = run_cim(settings, "token", "create", "--name", name, *options, "--json")
    assert result.code == 0, result.err
    return result.json()["token"]


@pytest.fixture(scope="module")
def closed(demo_city, tmp_path_factory):
    """A server that answers nobody without a token, with its log as JSON."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    with running_server(
        demo_city[0],
        log=log,
        CIM_ACCESS__ANONYMOUS="none",
        CIM_SERVER__LOG_JSON="true",
        CIM_SERVER__CORS_ORIGINS="https://map.example.org",
        CIM_SERVER__BODY_LIMIT_BYTES="4096",
    ) as url:
        yield url, log


def test_a_token_is_shown_once_and_kept_as_a_hash(demo_city):
    token = make_token(demo_city[0], "shown once", "--role", "viewer")
    assert len(token) == len("cim_") + 43  # 256 bits in base64url
    with engine.connect(demo_city[0]) as connection:
        stored = connection.execute("SELECT row_to_json(t)::text FROM access_token t WHERE name = 'shown once'").fetchone()[0]
    assert token not in stored
    listed = run_cim(demo_city[0], "token", "list", "--json")
    assert token not in listed.out
    assert "sha256" not in listed.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--role", "king"], "viewer, editor"),
        (["--role", "viewer", "--scope", "edit"], "--scope"),
        (["--collection", "nonsense"], "--collection"),
        (["--division", "42011"], "--division"),
        (["--division", "999999"], "division 999999"),
        (["--expires", "yesterday"], "--expires"),
        (["--expires", "2001-01-01"], "--expires"),
        (["--expires", "9999d"], "five years"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused_with_what_is_expected(demo_city, options, words):
    result = run_cim(demo_city[0], "token", "create", "--name", "nonsense", *options)
    assert result.code == 1
    assert words in result.err
    assert "nonsense" not in run_cim(demo_city[0], "token", "list", "--all", "--json").out


def test_dry_runs_of_tokens_change_nothing(demo_city):
    assert run_cim(demo_city[0], "token", "create", "--name", "dry", "--dry-run", "--json").json()["dry_run"] is True
    make_token(demo_city[0], "kept")
    assert run_cim(demo_city[0], "token", "revoke", "kept", "--dry-run").code == 0
    listed = {row["name"]: row["state"] for row in run_cim(demo_city[0], "token", "list", "--all", "--json").json()}
    assert "dry" not in listed
    assert listed["kept"] == "in force"


def test_without_a_token_a_closed_server_answers_401_and_with_one_200(closed, demo_city):
    url = closed[0]
    refused = send(f"{url}/collections")
    assert (refused.status, refused.headers["Content-Type"]) == (401, PROBLEM)
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert refused.json()["status"] == 401
    token = make_token(demo_city[0], "reader")
    assert send(f"{url}/collections", token=token).status == 200
    assert send(f"{url}/healthz").status == 200


def test_files_of_whole_collections_need_the_permission_where_reading_is_not_open(closed, demo_city, demo_server):
    viewer, editor = make_token(demo_city[0], "looks"), make_token(demo_city[0], "takes", "--role", "editor")
    narrow = make_token(demo_city[0], "takes little", "--role", "editor", "--scope", "read", "--collection", "units")
    for suffix in ("geojson", "gpkg", "csv"):
        path = f"/collections/units/export/units.{suffix}"
        assert [send(f"{closed[0]}{path}", token=token).status for token in (viewer, narrow, editor)] == [403, 403, 200]
        assert send(f"{closed[0]}{path}").status == 401
        assert send(f"{demo_server}{path}").status == 200
    assert send(f"{closed[0]}/collections/units/items?limit=1", token=viewer).status == 200


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer cim_" + "A" * 43, "Bearer " + "é" * 5, "Bearer " + "a" * 20000]
)
def test_a_bad_authorization_header_is_401_even_where_reading_is_open(demo_server, header):
    answer = send(f"{demo_server}/collections", Authorization=header.encode("latin-1").decode("latin-1"))
    assert (answer.status, answer.headers["Content-Type"]) == (401, PROBLEM)


def test_a_revoked_and_an_expired_token_are_refused(closed, demo_city):
    url, settings = closed[0], demo_city[0]
    token = make_token(settings, "short")
    assert send(f"{url}/conformance", token=token).status == 200
    assert run_cim(settings, "token", "revoke", "short").code == 0
    deadline = time.monotonic() + 7
    while send(f"{url}/conformance", token=token).status == 200:
        assert time.monotonic() < deadline, "a revoked token was taken for more than five seconds"
        time.sleep(0.5)
    expired = make_token(settings, "expired")
    with engine.connect(settings) as connection:
        connection.execute("UPDATE access_token SET expires_at = %s WHERE name = 'expired'", [datetime(2026, 1, 1, tzinfo=UTC)])
    assert send(f"{url}/conformance", token=expired).status == 401


def test_a_token_sees_the_collections_it_is_granted_and_no_others(closed, demo_city):
    url = closed[0]
    token = make_token(demo_city[0], "two collections", "--collection", "buildings", "--collection", "divisions")
    listed = send(f"{url}/collections", token=token).json()["collections"]
    assert {one["id"] for one in listed} == {"buildings", "3d-buildings", "divisions"}
    for part in ("", "/", "/schema", "/queryables", "/items", "/items?f=csv"):
        assert send(f"{url}/collections/buildings{part}", token=token).status == 200
        refused = send(f"{url}/collections/addresses{part}", token=token)
        assert (refused.status, refused.headers["Content-Type"]) == (403, PROBLEM)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/collections/buildings/items", "/collections/buildings/items/x", "/bim/models", "/jobs/x", "/", "/nowhere"]
)
def test_no_write_passes_without_a_name(demo_server, method, path):
    answer = send(f"{demo_server}{path}", method, b"{}", Content_Type="application/json")
    assert answer.status == 401
    assert answer.headers["Content-Type"] == PROBLEM


def test_bodies_and_addresses_have_a_limit(closed, demo_city):
    url, token = closed[0], make_token(demo_city[0], "big", "--role", "editor")
    assert send(f"{url}/collections/buildings/items", "POST", b"x" * 5000, token=token).status == 413
    assert send(f"{url}/collections?{'x' * 17000}=1", token=token).status == 414
    assert send(f"{url}/{'x' * 3000}", token=token).status == 414


def test_only_named_origins_may_read_answers(closed, demo_city):
    url, token = closed[0], make_token(demo_city[0], "origin")
    good = send(f"{url}/conformance", token=token, Origin="https://map.example.org")
    assert good.headers["Access-Control-Allow-Origin"] == "https://map.example.org"
    assert "Origin" in good.headers["Vary"]
    assert send(f"{url}/conformance", token=token, Origin="https://evil.example").headers["Access-Control-Allow-Origin"] is None
    ask = {"Access_Control_Request_Method": "PUT", "Origin": "https://evil.example"}
    assert send(f"{url}/conformance", "OPTIONS", **ask).status == 403
    assert send(f"{url}/conformance", "OPTIONS", **{**ask, "Origin": "https://map.example.org"}).status == 204


def test_every_answer_has_security_headers_and_a_request_id(closed):
    answer = send(f"{closed[0]}/collections", X_Request_ID="abc-1")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-ID"] == "abc-1"
    assert send(f"{closed[0]}/collections", X_Request_ID="a b<script>").headers["X-Request-ID"] != "a b<script>"


def test_refusals_and_writes_are_logged_as_json_with_the_request_id_and_audited(closed, demo_city):
    url, log = closed
    token = make_token(demo_city[0], "audited", "--role", "editor", "--subject", "li.na")
    send(f"{url}/collections", X_Request_ID="refused-1")
    send(f"{url}/collections/buildings/items/none", "DELETE", token=token, X_Request_ID="write-1")
    deadline = time.monotonic() + 10
    found = []
    while not found and time.monotonic() < deadline:
        time.sleep(0.2)
        found = [row for row in run_cim(demo_city[0], "audit", "--subject", "li.na", "--json").json() if row["request_id"] == "write-1"]
    assert (found[0]["action"], found[0]["target"], found[0]["role"]) == ("delete", "/collections/buildings/items/none", "editor")
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    refused = next(line for line in lines if line.get("request_id") == "refused-1")
    assert (refused["status"], refused["path"]) == (401, "/collections")
    assert token not in log.read_text()


def test_a_client_that_asks_too_often_is_told_when_to_come_again(demo_city):
    with running_server(demo_city[0], CIM_SERVER__RATE_LIMIT_PER_S="5", CIM_SERVER__RATE_BURST="10") as url:
        answers = [send(f"{url}/conformance") for _ in range(30)]
        limited = [one for one in answers if one.status == 429]
        # The start of the server may have used some of the ten.
        assert 15 <= len(limited) <= 25
        assert int(limited[0].headers["Retry-After"]) >= 1
        assert limited[0].headers["Content-Type"] == PROBLEM
        time.sleep(1.5)
        assert send(f"{url}/conformance").status == 200


def test_several_processes_share_a_port_and_their_metrics(demo_city):
    with running_server(demo_city[0], "--workers", "2") as url:
        before = [send(f"{url}/conformance").status for _ in range(40)]
        assert before == [200] * 40
        text = send(f"{url}/metrics").body.decode()
    counted = [line for line in text.splitlines() if line.startswith("cim_http_requests_total") and 'route="/conformance"' in line]
    assert sum(float(line.rpartition(" ")[2]) for line in counted) == 40
