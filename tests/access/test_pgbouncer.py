"""The server behind PgBouncer in transaction mode, where two server connections serve everybody and no row crosses tokens; IPv6."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest

from cim.settings import DatabaseSettings
from tests.access.test_tokens import make_token
from tests.support.send import send
from tests.support.server import free_port, running_server

CONNECTIONS = 2


@pytest.fixture(scope="module")
def pooled(demo_city, tmp_path_factory):
    """Settings that lead through PgBouncer to the sample city."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        assert not os.environ.get("CI"), "bootstrap installs pgbouncer where CI is set"
        pytest.skip("no pgbouncer on this machine (Debian package pgbouncer)")
    settings = demo_city[0]
    at = urlsplit(settings.database.url.get_secret_value())
    name, port = at.path.lstrip("/"), free_port()
    folder = tmp_path_factory.mktemp("pgbouncer")
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"""[databases]
{name} = host={at.hostname} port={at.port} dbname={name} user={at.username} password={at.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {CONNECTIONS}
max_client_conn = 100
""",
        encoding="utf-8",
    )
    # It refuses root, and hands the configuration to the account it is told.
    for path in (folder, *folder.parents):
        if path.name.startswith("pytest-") or path == folder:
            path.chmod(0o755)
    with (folder / "log").open("w+", encoding="utf-8") as log:
        child = subprocess.Popen([program, "-u", "nobody", str(config)], stdout=log, stderr=log)
        try:
            address = f"postgresql://{at.username}@127.0.0.1:{port}/{name}"
            deadline = time.monotonic() + 20
            while True:
                with contextlib.suppress(psycopg.OperationalError), psycopg.connect(address, connect_timeout=2):
                    break
                log.seek(0)
                assert child.poll() is None, log.read()
                assert time.monotonic() < deadline, log.read()
                time.sleep(0.1)
            yield settings.model_copy(update={"database": DatabaseSettings(url=address, pgbouncer=True)})
        finally:
            child.terminate()
            child.wait(timeout=10)


@pytest.fixture(scope="module")
def url(pooled):
    with running_server(pooled, CIM_DATABASE__PGBOUNCER="true", CIM_ACCESS__ANONYMOUS="none") as base:
        yield base


def test_rows_of_one_division_never_reach_a_token_of_another(url, demo_city):
    reader = make_token(demo_city[0], "bouncer all")
    features = send(f"{url}/collections/buildings/items?limit=5000&properties=code", token=reader).json()["features"]
    villages = sorted({feature["id"][:12] for feature in features})
    assert len(villages) >= 3
    expected = {village: sum(feature["id"].startswith(village) for feature in features) for village in villages}
    tokens = {village: make_token(demo_city[0], f"bouncer {village}", "--division", village) for village in villages}
    whole = len(features)

    def look(turn):
        if turn % 4 == 3:
            return None, send(f"{url}/collections/buildings/items?limit=5000&properties=code", token=reader).json()
        village = villages[turn % len(villages)]
        return village, send(f"{url}/collections/buildings/items?limit=5000&properties=code", token=tokens[village]).json()

    with ThreadPoolExecutor(8) as threads:
        for village, answer in threads.map(look, range(80)):
            codes = [feature["id"] for feature in answer["features"]]
            assert len(codes) == (whole if village is None else expected[village])
            assert village is None or all(code.startswith(village) for code in codes)


def test_writes_tiles_history_and_jobs_go_through_it(url, demo_city):
    token = make_token(demo_city[0], "bouncer operator", "--role", "operator")
    item = send(f"{url}/collections/buildings/items?limit=1", token=token).json()["features"][0]
    address = f"{url}/collections/buildings/items/{item['id']}"
    etag = send(address, token=token).headers["ETag"]
    body = json.dumps({"properties": {"name": "经连接池"}}).encode()
    headers = {"Content_Type": "application/merge-patch+json", "If_Match": etag}
    assert send(address, "PATCH", body, token=token, **headers).status in (200, 204)
    assert send(address, "PATCH", body, token=token, **headers).status == 412
    assert send(address, token=token).json()["properties"]["name"] == "经连接池"
    assert send(f"{address}/history", token=token).json()["numberReturned"] >= 2
    assert send(f"{url}/collections/buildings/tiles/WebMercatorQuad/0/0/0", token=token).status in (200, 204)
    asked = json.dumps({"inputs": {"codes": [item["id"]]}}).encode()
    started = send(
        f"{url}/processes/code-check/execution", "POST", asked, token=token, Content_Type="application/json", Prefer="respond-async"
    )
    assert started.status == 201, started.body


def test_the_server_does_with_the_connections_it_is_given(url, demo_city):
    with psycopg.connect(demo_city[0].database.url.get_secret_value()) as connection:
        assert send(f"{url}/readyz").status == 200
        left = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> '' AND state LIKE 'idle in%'"
        ).fetchone()[0]
    assert left == 0


def test_one_server_answers_on_both_protocols(demo_city):
    with running_server(demo_city[0], "--host", "::", CIM_ACCESS__ANONYMOUS="all") as base:
        port = urlsplit(base).port
        links = [send(f"http://{host}:{port}/collections/buildings").json()["links"] for host in ("127.0.0.1", "[::1]")]
    assert all(link["href"].startswith(f"http://[::1]:{port}/") for link in links[1] if link["rel"] in ("self", "items"))
