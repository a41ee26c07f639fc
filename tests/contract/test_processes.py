"""OGC API - Processes 1.0 over real HTTP: the abstract tests of core, json, job-list, dismiss, callback; jobs outlive every process.

Names in brackets are those of the abstract test suite (OGC 18-062r2, annex A).
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import shapely

from cim.db import engine
from tests.support.cli import run_cim
from tests.support.send import send
from tests.support.server import environment, running_server

JSON = {"Content_Type": "application/json"}
EXCEPTION = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"


def execute(base, process, inputs, *, token=None, prefer=None, **more):
    headers = {**JSON, **({"Prefer": prefer} if prefer else {})}
    return send(f"{base}/processes/{process}/execution", "POST", json.dumps({"inputs": inputs, **more}).encode(), token=token, **headers)


def work(settings):
    assert run_cim(settings, "worker", "--once").code == 0


@pytest.fixture(scope="module")
def operator(demo_city):
    result = run_cim(demo_city[0], "token", "create", "--name", f"operator {time.monotonic()}", "--role", "operator", "--json")
    return result.json()["token"]


def test_processes_are_listed_and_each_describes_itself(demo_server):  # [core/process-list-success, process-description-success]
    listed = send(f"{demo_server}/processes").json()
    assert {"rel", "href"} <= set(listed["links"][0])
    names = {one["id"] for one in listed["processes"]}
    assert {"echo", "geocode", "reverse-geocode", "code-check", "building-statistics"} <= names
    # Anonymous may not export or build.
    assert names.isdisjoint({"export", "tiles-build"})
    for name in names:
        one = send(f"{demo_server}/processes/{name}").json()
        assert {"id", "version", "title", "inputs", "outputs", "jobControlOptions", "outputTransmission", "links"} <= set(one)
        assert any(link["rel"] == "http://www.opengis.net/def/rel/ogc/1.0/execute" for link in one["links"])
        assert all("schema" in given for given in [*one["inputs"].values(), *one["outputs"].values()])
        chinese = send(f"{demo_server}/processes/{name}?lang=zh").json()["title"]
        assert any("一" <= char <= "鿿" for char in chinese), name


def test_an_unknown_process_has_the_exception_of_the_standard(demo_server):  # [core/process-exception-no-such-process]
    for answer in (send(f"{demo_server}/processes/none"), execute(demo_server, "none", {})):
        assert (answer.status, answer.json()["type"]) == (404, f"{EXCEPTION}/no-such-process")


def test_the_example_of_every_process_runs(demo_server):
    for one in send(f"{demo_server}/processes").json()["processes"]:
        example = send(f"{demo_server}/processes/{one['id']}").json()["example"]
        answer = execute(demo_server, one["id"], example["inputs"])
        assert answer.status == 200, (one["id"], answer.body[:300])


def test_echo_returns_its_inputs_as_document_and_raw(demo_server):  # [core/process-execute-sync-*]
    inputs = {"message": "a <b> & 汉", "number": 1.5, "list": [1, 2], "object": {"x": {"y": 1}}}
    document = execute(demo_server, "echo", inputs)
    assert (document.status, document.json()) == (200, inputs)
    raw = execute(demo_server, "echo", inputs, outputs={"message": {}}, response="raw")
    assert (raw.status, raw.body.decode()) == (200, inputs["message"])
    qualified = execute(demo_server, "echo", {"object": {"value": {"a": 1}}}, outputs={"object": {}})
    assert qualified.json() == {"object": {"a": 1}}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"1", b"null", b'"x"', b'{"inputs": []}', b'{"inputs": {"nothing": 1}}', b'{"inputs": {"number": "1"}}',
        b'{"inputs": {"object": {"href": "http://127.0.0.1:1/x"}}}', b'{"inputs": {}, "outputs": {"nothing": {}}}',
        b'{"inputs": {}, "response": "xml"}', b'{"inputs": {}, "subscriber": {"successUri": "http://127.0.0.1:22/"}}',
        b'{"inputs": {}, "subscriber": 1}', b'{"inputs": {"list": ["a"]}}', b'{"surprise": 1}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_a_bad_request_is_400_and_says_what_is_expected(demo_server, body):
    answer = send(f"{demo_server}/processes/echo/execution", "POST", body, **JSON)
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json"), answer.body[:200]
    assert "expected" in answer.json()["detail"]


def test_statistics_equal_a_count_by_hand(demo_server):
    url, buildings = f"{demo_server}/collections/buildings/items?limit=10000&status=existing", []
    buildings = send(url).json()["features"]
    west, south, east, north = shapely.total_bounds([shapely.from_geojson(json.dumps(one["geometry"])) for one in buildings])
    box = shapely.box(west, south, (west + east) / 2, (south + north) / 2)
    expected, area = defaultdict(int), defaultdict(float)
    for one in buildings:
        # Whichever point inside is chosen decides only where the outline crosses the edge: those are left out of the comparison below.
        shape = shapely.from_geojson(json.dumps(one["geometry"]))
        if shapely.within(shape, box):
            expected[one["properties"]["use"]] += 1
            area[one["properties"]["use"]] += one["properties"]["footprint_area_m2"]
    crossing = sum(shapely.crosses(shapely.from_geojson(json.dumps(one["geometry"])).boundary, box.boundary) for one in buildings)
    inputs = {"polygon": json.loads(shapely.to_geojson(box)), "status": ["existing"], "group_by": ["use"]}
    made = execute(demo_server, "building-statistics", inputs).json()
    assert sum(expected.values()) > 10
    assert sum(expected.values()) <= made["total"]["n"] <= sum(expected.values()) + crossing
    counted = {row["use"]: row for row in made["groups"]}
    for use, number in expected.items():
        assert number <= counted[use]["n"] <= number + crossing
        if counted[use]["n"] == number:
            assert counted[use]["footprint_area_m2"] == pytest.approx(area[use])
    assert sum(row["n"] for row in made["groups"]) == made["total"]["n"]


def test_statistics_of_a_division_equal_the_filter_on_items(demo_server):
    division = send(f"{demo_server}/collections/buildings/items?limit=1").json()["features"][0]["properties"]["division_code"]
    matched = send(f"{demo_server}/collections/buildings/items?limit=1&division_code={division}&status=existing").json()["numberMatched"]
    inputs = {"divisions": [division], "status": ["existing"], "group_by": []}
    made = execute(demo_server, "building-statistics", inputs).json()
    assert made["total"]["n"] == matched
    assert made["groups"] == []


@pytest.mark.parametrize(
    "polygon",
    [
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [999, 0], [999, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": [["a"]]},
        {"type": "Point", "coordinates": [0, 0]},
    ],
)
def test_a_polygon_that_is_none_is_refused(demo_server, polygon):
    assert execute(demo_server, "building-statistics", {"polygon": polygon}).status == 400


def test_codes_are_checked_with_the_original_of_a_wrong_one(demo_server):
    code = send(f"{demo_server}/collections/buildings/items?limit=1").json()["features"][0]["id"]
    wrong = code[:20] + str((int(code[20]) + 1) % 10) + code[21:]
    rows = execute(demo_server, "code-check", {"codes": [code, wrong]}).json()["codes"]
    assert (rows[0]["valid"], rows[0]["known_in"]) == (True, "building")
    assert rows[1]["valid"] is False
    assert code in rows[1]["likely"]


def test_a_job_runs_in_the_worker_and_its_results_stay(demo_city, demo_server, operator):  # [job-creation-*, job-list, job-results-*]
    started = execute(demo_server, "export", {"collection": "buildings", "format": "csv"}, token=operator)
    assert started.status == 201
    location = started.headers["Location"]
    assert started.json()["status"] == "accepted"
    early = send(f"{location}/results", token=operator)
    assert (early.status, early.json()["type"]) == (404, f"{EXCEPTION}/result-not-ready")
    work(demo_city[0])
    status = send(location, token=operator).json()
    assert (status["status"], status["progress"], status["processID"], status["type"]) == ("successful", 100, "export", "process")
    results = send(f"{location}/results", token=operator).json()
    file = send(results["file"]["href"], token=operator)
    assert file.headers["Content-Type"].startswith("text/csv")
    total = send(f"{demo_server}/collections/buildings/items?limit=1").json()["numberMatched"]
    assert len(file.body.splitlines()) == total + 1 == results["report"]["rows"] + 1
    listed = send(f"{demo_server}/jobs?processID=export", token=operator).json()
    assert status["jobID"] in {job["jobID"] for job in listed["jobs"]}
    # Another process of the server, as after a restart.
    with running_server(demo_city[0]) as again:
        assert send(f"{again}/jobs/{status['jobID']}/results", token=operator).json()["report"] == results["report"]


def test_jobs_of_others_are_not_seen(demo_server, operator):
    job = execute(demo_server, "echo", {"message": "mine"}, token=operator, prefer="respond-async").json()["jobID"]
    for path in (f"/jobs/{job}", f"/jobs/{job}/results"):
        assert (send(f"{demo_server}{path}").status, send(f"{demo_server}{path}", token=operator).status != 403) == (404, True)
    assert send(f"{demo_server}/jobs/{job}", "DELETE").status == 401
    assert job not in {one["jobID"] for one in send(f"{demo_server}/jobs?limit=1000").json()["jobs"]}


def test_an_unknown_job_has_the_exception_of_the_standard(demo_server):  # [core/job-exception-no-such-job]
    for name in ("none", "00000000-0000-7000-8000-000000000000", "..%2f..%2fetc", "'; DROP TABLE process_job; --"):
        for part in ("", "/results"):
            answer = send(f"{demo_server}/jobs/{name.replace(' ', '%20')}{part}")
            assert answer.status == 404


def test_a_waiting_job_is_dismissed_and_never_runs(demo_city, demo_server, operator):  # [dismiss/job-dismiss-success]
    location = execute(demo_server, "echo", {"message": "x"}, token=operator, prefer="respond-async").headers["Location"]
    gone = send(location, "DELETE", token=operator)
    assert (gone.status, gone.json()["status"]) == (200, "dismissed")
    work(demo_city[0])
    assert send(location, token=operator).json()["status"] == "dismissed"
    assert send(f"{location}/results", token=operator).status == 410


def test_a_failed_job_says_why_and_its_results_carry_the_status(demo_city, demo_server, operator):  # [core/job-results-failed]
    inputs = {"collection": "buildings", "division": "999999"}
    location = execute(demo_server, "export", inputs, token=operator).headers["Location"]
    work(demo_city[0])
    status = send(location, token=operator).json()
    assert status["status"] == "failed"
    assert "999999" in status["message"]
    assert send(f"{location}/results", token=operator).status in {400, 404, 500}


def test_a_job_whose_worker_was_killed_is_run_again(demo_city, demo_server, operator):
    settings = demo_city[0]
    location = execute(demo_server, "echo", {"message": "again"}, token=operator, prefer="respond-async").headers["Location"]
    job = location.rpartition("/")[2]
    # The state a worker leaves behind that is killed in the middle: taken up, in the queue as being done, its heartbeat old.
    with engine.connect(settings) as connection:
        connection.execute("UPDATE process_job SET state = 'running', attempts = 1, progress = 40 WHERE id = %s", [job])
        worker = connection.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '10 minutes') RETURNING id"
        ).fetchone()[0]
        connection.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE args->>'job_id' = %s", [worker, job])
    work(settings)
    status = send(location, token=operator).json()
    assert (status["status"], status["progress"]) == ("successful", 100)


def test_a_long_job_is_ended_by_its_dismissal(demo_city, demo_server, operator, tmp_path):
    settings = demo_city[0]
    child = subprocess.Popen(
        [sys.executable, "-m", "cim", "worker"], env=environment(settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with engine.connect(settings) as blocking:
            # The export waits for this lock as it would for a long statement.
            blocking.execute("LOCK TABLE address IN ACCESS EXCLUSIVE MODE")
            location = execute(demo_server, "export", {"collection": "addresses", "format": "csv"}, token=operator).headers["Location"]
            deadline = time.monotonic() + 60
            while send(location, token=operator).json()["status"] != "running":
                assert time.monotonic() < deadline
                time.sleep(0.2)
            time.sleep(0.5)
            assert send(location, "DELETE", token=operator).json()["status"] == "dismissed"
            job = location.rpartition("/")[2]
            while blocking.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [f"cim-job-{job}"]).fetchone()[0]:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        assert send(location, token=operator).json()["status"] == "dismissed"
    finally:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=20)
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()


def test_a_subscriber_at_an_allowed_host_is_told_and_no_other(demo_city, operator):  # [callback/job-callback]
    told = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    host = f"127.0.0.1:{server.server_port}"
    settings = demo_city[0].model_copy(update={"access": demo_city[0].access.model_copy(update={"callback_hosts": host})})
    try:
        with running_server(demo_city[0], CIM_ACCESS__CALLBACK_HOSTS=host) as base:
            good = {"successUri": f"http://{host}/done", "failedUri": f"http://{host}/failed"}
            started = execute(base, "echo", {"message": "told"}, token=operator, prefer="respond-async", subscriber=good)
            assert started.status == 201
            for url in (
                "http://169.254.169.254/latest",
                f"http://{host}@evil.example/",
                "file:///etc/passwd",
                f"http://x.{host}/",
                "gopher://x",
            ):
                assert execute(base, "echo", {}, token=operator, subscriber={"successUri": url}).status == 400
            work(settings)
        assert told == [("/done", {"message": {"value": "told"}})]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
