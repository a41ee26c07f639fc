"""Models over the network: tus 1.0 on the wire, resumed after a killed server, the same report as locally, limits, rights."""

import base64
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from cim.db import engine
from ingest.ifc import remote
from ingest.source import sha256_of
from tests.support.cli import run_cim
from tests.support.send import send
from tests.support.server import environment, free_port, running_server

TUS = {"Tus_Resumable": "1.0.0"}
OFFSET = "application/offset+octet-stream"
MODEL = "ifc/drainage.ifc"


def token_of(settings, role, *options):
    result = run_cim(settings, "token", "create", "--name", f"{role} {time.monotonic_ns()}", "--role", role, *options, "--json")
    assert result.code == 0, result.err
    return result.json()["token"]


@pytest.fixture(scope="module")
def city(module_settings, sample_data):
    assert run_cim(module_settings, "db", "profile", sample_data / "city.yaml").code == 0
    return module_settings


@pytest.fixture(scope="module")
def engineer(city):
    return token_of(city, "engineer")


@pytest.fixture(scope="module")
def server(city):
    with running_server(city, CIM_SERVER__UPLOAD_LIMIT_BYTES="3000000", CIM_SERVER__UPLOAD_QUOTA_BYTES="7000000") as url:
        yield url


@pytest.fixture(scope="module")
def worker(city):
    child = subprocess.Popen([sys.executable, "-m", "cim", "worker"], env=environment(city), stdout=subprocess.DEVNULL)
    yield
    child.terminate()
    child.wait(timeout=30)


def pairs(**texts):
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in texts.items())


def begin(url, token, size, name="model.ifc", **more):
    return send(
        f"{url}/bim/uploads", "POST", token=token, **TUS, Upload_Length=str(size), Upload_Metadata=pairs(filename=name, **more)
    )  # fmt: skip


def path_of(answer):
    assert answer.status == 201, answer.body
    return "/bim/uploads/" + answer.headers["location"].rpartition("/")[2]


def patch(url, token, body, offset, **more):
    return send(url, "PATCH", body, token=token, **TUS, Upload_Offset=str(offset), Content_Type=OFFSET, **more)


def test_the_command_prints_the_same_report_for_a_server_as_for_the_local_store(city, settings, server, worker, engineer, sample_data):
    path = sample_data / MODEL
    over = run_cim(settings, "bim", "upload", path, "--note", "moved", "--server", server, "--token", engineer, "--json")
    assert over.code == 0, over.err
    report = over.json()
    assert run_cim(settings, "db", "migrate").code == 0
    assert run_cim(settings, "db", "profile", sample_data / "city.yaml").code == 0
    here = run_cim(settings, "bim", "upload", path, "--note", "moved", "--json").json()
    assert report == here
    with engine.connect(city) as connection:
        kept = connection.execute("SELECT sha256, note, name FROM bim_model WHERE code = %s", [report["code"]]).fetchone()
    assert kept == (sha256_of(path), "moved", path.stem)
    again = send(f"{server}/bim/models/{report['code']}/report", token=engineer).json()
    assert (again["code"], again["elements"], again["georeference"]) == (report["code"], report["elements"], report["georeference"])
    status = run_cim(settings, "bim", "status", report["code"], "--server", server, "--token", engineer, "--json").json()
    assert status == again


def test_a_refused_model_fails_with_the_words_of_a_local_upload(settings, server, worker, engineer, tmp_path):
    path = tmp_path / "cut.ifc"
    path.write_text("ISO-10303-21;\nHEADER;\nFILE_SCHEMA(('IFC4'));\nENDSEC;\nDATA;\n#1=IFCWALL();\n")
    there = run_cim(settings, "bim", "upload", path, "--server", server, "--token", engineer, "--json")
    here = run_cim(settings, "bim", "check", path, "--json").json()["files"][0]["error"]
    assert (there.code, there.json()["error"]["code"]) == (1, "source.syntax")
    words = there.json()["error"]
    assert words["message"] == here["message"].replace(str(path), "cut.ifc")
    assert words["hint"] == here["hint"]


def start(settings, port):
    argv = [sys.executable, "-m", "cim", "serve", "--port", str(port)]
    child = subprocess.Popen(argv, env=environment(settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2)
            return child
        time.sleep(0.1)
    raise RuntimeError("the server did not start")


def test_an_upload_goes_on_after_its_server_was_killed_and_started_again(city, engineer, sample_data, monkeypatch):
    monkeypatch.setattr(remote, "CHUNK", 400_000)
    path = sample_data / "ifc/fzk_haus.ifc"
    port = free_port()
    running = [start(city, port)]
    sent, killed_at, lost = [], [], []

    def watch(done, of):
        sent.append(done)
        if done > of / 2 and not killed_at:
            killed_at.append(done)
            os.kill(running[0].pid, signal.SIGKILL)
            running[0].wait()
            running.append(start(city, port))

    try:
        target = remote.Server(f"http://127.0.0.1:{port}", engineer, say=lost.append)
        upload = remote.send_model(target, path, {"stage": "completion", "dry_run": True}, watch)
        again = remote.follow(target, upload, lambda _: None, wait=False)
    finally:
        running[-1].kill()
        running[-1].wait()
    assert again["received"] == again["size"] == path.stat().st_size
    assert again["state"] in {"accepted", "running", "successful"}
    # It went on from what had arrived, not from the start.
    resumed = [sent[i + 1] for i in range(len(sent) - 1) if sent[i + 1] < sent[i]]
    assert len(resumed) == 1
    assert 0 < resumed[0] <= killed_at[0]
    kept = city.data_dir / "uploads" / upload / "data" / "fzk_haus.ifc"
    assert hashlib.sha256(kept.read_bytes()).digest() == hashlib.sha256(path.read_bytes()).digest()


def test_the_same_command_goes_on_with_an_upload_that_was_interrupted(server, engineer, sample_data):
    path = sample_data / MODEL
    raw = path.read_bytes()
    where = path_of(begin(server, engineer, len(raw), path.name, sha256=hashlib.sha256(raw).hexdigest(), dry_run="true"))
    assert patch(f"{server}{where}", engineer, raw[:5000], 0).headers["upload-offset"] == "5000"
    sent = []
    upload = remote.send_model(remote.Server(server, engineer), path, {"dry_run": True}, lambda done, _: sent.append(done))
    assert (where.rpartition("/")[2], sent[0]) == (upload, 5000)


def test_tus_core_creation_and_termination_are_as_the_protocol_says(server, engineer):
    # https://tus.io/protocols/resumable-upload, version 1.0.0.
    offered = send(f"{server}/bim/uploads", "OPTIONS")
    assert (offered.status, offered.headers["tus-version"], offered.headers["tus-max-size"]) == (204, "1.0.0", "3000000")
    assert {"creation", "termination", "checksum", "expiration"} <= set(offered.headers["tus-extension"].split(","))
    where = server + path_of(begin(server, engineer, 2000))
    head = send(where, "HEAD", token=engineer, **TUS)
    assert (head.status, head.headers["upload-offset"], head.headers["upload-length"]) == (200, "0", "2000")
    assert head.headers["cache-control"] == "no-store"
    body = b"ISO-10303-21;" + b" " * 987
    assert patch(where, engineer, body, 0).status == 204
    assert patch(where, engineer, body, 0).status == 409  # offset differs
    assert send(where, "PATCH", body, token=engineer, Upload_Offset="1000", Content_Type=OFFSET).status == 412  # no Tus-Resumable
    assert send(where, "PATCH", body, token=engineer, **TUS, Upload_Offset="1000", Content_Type="text/plain").status == 415
    assert patch(where, engineer, b"x" * 1001, 1000).status == 413  # more than announced
    wrong = base64.b64encode(hashlib.sha1(b"something else").digest()).decode()  # noqa: S324 - the algorithm the protocol demands
    assert patch(where, engineer, b"x" * 10, 1000, Upload_Checksum=f"sha1 {wrong}").status == 460
    assert send(where, "HEAD", token=engineer, **TUS).headers["upload-offset"] == "1000"
    right = base64.b64encode(hashlib.sha1(b"x" * 10).digest()).decode()  # noqa: S324 - the algorithm the protocol demands
    over = send(
        where, "POST", b"x" * 10, token=engineer, **TUS, Upload_Offset="1000", Content_Type=OFFSET, X_HTTP_Method_Override="PATCH",
        Upload_Checksum=f"sha1 {right}",
    )  # fmt: skip
    assert (over.status, over.headers["upload-offset"]) == (204, "1010")
    assert send(where, "DELETE", token=engineer, **TUS).status == 204
    assert send(where, "HEAD", token=engineer, **TUS).status == 404


def test_size_type_and_quota_are_limited(server, city):
    token = token_of(city, "engineer")
    assert begin(server, token, 3_000_001).status == 413
    assert begin(server, token, 0).status == 400
    assert begin(server, token, 100, "virus.exe").status == 415
    escaped = begin(server, token, 100, "../../etc/x.ifc")
    kept = city.data_dir / "uploads" / path_of(escaped).rpartition("/")[2] / "data"
    assert [one.name for one in kept.iterdir()] == ["x.ifc"]
    first = [begin(server, token, 2_900_000, f"{number}.ifc").status for number in range(3)]
    assert first == [201, 201, 413]
    where = server + path_of(escaped)
    refused = patch(where, token, b"MZ" + b"\0" * 98, 0)
    assert (refused.status, b"expected ISO-10303-21" in refused.body) == (415, True)
    told = send(where, token=token).json()
    assert (told["state"], told["error"]["code"]) == ("failed", "request.invalid_body")


def test_a_file_that_is_not_what_was_announced_is_not_loaded(server, engineer):
    body = b"ISO-10303-21;" + b" " * 500
    where = server + path_of(begin(server, engineer, len(body), sha256="0" * 64))
    assert patch(where, engineer, body, 0).status == 204
    told = send(where, token=engineer).json()
    assert (told["state"], "send it again" in told["error"]["message"], told["job"]) == ("failed", True, None)


def test_only_a_token_that_may_load_models_uploads_and_nobody_sees_the_uploads_of_others(server, city, engineer):
    assert send(f"{server}/bim/uploads", "POST", **TUS, Upload_Length="10", Upload_Metadata=pairs(filename="a.ifc")).status == 401
    for role in ("viewer", "editor"):
        assert begin(server, token_of(city, role), 10).status == 403
    where = server + path_of(begin(server, engineer, 10))
    other = token_of(city, "engineer", "--subject", "somebody else")
    assert send(where, "HEAD", token=other, **TUS).status == 404
    assert send(where, token=token_of(city, "admin")).status == 200


def form(path, **fields):
    boundary = "cim-test-boundary"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items()
    ]  # fmt: skip
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\nContent-Type: application/x-step\r\n\r\n'
    )
    body = b"".join([*parts, head.encode(), path.read_bytes(), f"\r\n--{boundary}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={boundary}"


def ended(url, token):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = send(url, token=token).json()
        if state["state"] not in {"accepted", "running"}:
            return state
        time.sleep(0.2)
    raise AssertionError("the job did not end")


def test_a_model_is_posted_as_a_form_and_as_bare_bytes(server, worker, engineer, sample_data):
    path = sample_data / MODEL
    body, kind = form(path, dry_run="true", name="Drains")
    posted = send(f"{server}/bim/models", "POST", body, token=engineer, Content_Type=kind)
    assert posted.status == 202, posted.body
    where = f"{server}/bim/uploads/{posted.json()['id']}"
    assert posted.headers["location"].endswith(posted.json()["id"])
    state = ended(where, engineer)
    assert (state["state"], state["error"]) == ("successful", None)
    bare = send(
        f"{server}/bim/models?filename=drains.ifc&dry_run=true",
        "POST",
        path.read_bytes(),
        token=engineer,
        Content_Type="application/x-step",
    )
    assert bare.status == 202
    assert ended(f"{server}/bim/uploads/{bare.json()['id']}", engineer)["state"] == "successful"
    assert send(f"{server}/bim/models", "POST", b"{}", token=engineer, Content_Type="application/json").status == 415
    unknown = send(f"{server}/bim/models?colour=red", "POST", b"x", token=engineer, Content_Type="application/x-step")
    assert unknown.status == 400
    off = send(f"{server}/bim/models?filename=a.ifc&origin=1,2", "POST", b"x", token=engineer, Content_Type="application/x-step")
    assert (off.status, b"easting,northing,height" in off.body) == (400, True)


def test_openapi_describes_uploads(server):
    document = json.loads(urllib.request.urlopen(f"{server}/openapi?f=json").read())  # noqa: S310 - our own server
    whole = document["paths"]["/bim/models"]["post"]
    assert "multipart/form-data" in whole["requestBody"]["content"]
    assert whole["security"] == [{"token": []}]
    assert set(document["paths"]["/bim/uploads/{uploadId}"]) == {"get", "head", "patch", "delete"}
    assert "get" in document["paths"]["/bim/models/{modelId}/report"]


def test_a_server_that_is_away_ends_the_command_with_try_again(settings, sample_data, monkeypatch):
    monkeypatch.setattr(remote.Server.__init__, "__kwdefaults__", {"patience_s": 0.2, "say": lambda _: None})
    gone = run_cim(settings, "bim", "upload", sample_data / MODEL, "--server", f"http://127.0.0.1:{free_port()}", "--token", "cim_x")
    assert gone.code == 75
    assert "it goes on where it stopped" in gone.err
    assert run_cim(settings, "bim", "upload", sample_data / MODEL, "--server", "http://127.0.0.1:1").code == 1
    assert "no server" in run_cim(settings, "bim", "upload", sample_data / MODEL, "--token", "x").err
