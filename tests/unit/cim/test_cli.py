"""The command root: exit codes, help, bad usage."""

import subprocess
import sys

import pytest

from cim.settings import DatabaseSettings, Settings
from tests.support.cli import run_cim

OFFLINE = Settings(database=DatabaseSettings(url="postgresql://cim:x@127.0.0.1:1/cim"))


def test_the_version_is_printed():
    done = subprocess.run([sys.executable, "-m", "cim", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cim 0.")


def test_every_command_says_in_its_own_words_what_it_does():
    from cim.cli import _SUMMARY, commands

    assert set(_SUMMARY) == set(commands())
    assert len(set(_SUMMARY.values())) == len(_SUMMARY)


@pytest.mark.parametrize("argv", [("db", "nonsense"), ("nonsense",), ("codes", "check"), ("db", "backup")])
def test_wrong_usage_exits_2(argv):
    assert run_cim(OFFLINE, *argv).code == 2


def test_a_fault_is_one_error_line_with_a_hint_and_json_on_request():
    result = run_cim(OFFLINE, "db", "restore", "missing.cimbak", "--json")
    assert result.code == 1
    assert result.err.startswith("Error: [source.syntax] missing.cimbak: no such file\nHint: give an archive")
    assert result.json()["error"]["code"] == "source.syntax"


def test_codes_are_checked_and_explained_without_a_store():
    assert run_cim(OFFLINE, "codes", "check", "330109001001202100000100015", "--json").json()[0]["valid"] is True
    wrong = run_cim(OFFLINE, "codes", "check", "330109001001202100000100014", "--json")
    assert (wrong.code, wrong.json()[0]["valid"]) == (1, False)
    segments = run_cim(OFFLINE, "codes", "explain", "330109001001202100000100015", "--json").json()["segments"]
    assert [s["value"] for s in segments] == ["330109001001", "2021", "000001", "00", "01", "5"]
    assert "JGJT246-23" in [s["id"] for s in run_cim(OFFLINE, "codes", "scheme", "list", "--json").json()]


def test_a_list_of_codes_in_another_encoding_is_refused_with_its_place(tmp_path):
    file = tmp_path / "codes.txt"
    file.write_bytes("编码".encode("gb18030"))
    result = run_cim(OFFLINE, "codes", "check", "--file", file)
    assert result.code == 1
    assert "codes.txt: not UTF-8 at byte 0" in result.err


def test_doctor_reports_an_unreachable_store_and_goes_on():
    result = run_cim(OFFLINE, "doctor", "--json")
    states = {line["name"]: line for line in result.json()}
    assert result.code == 1
    assert states["store"]["state"] == "error"
    assert states["PROJ"]["state"] == "ok"
    assert states["IFC kernel"]["state"] == "ok"


def test_a_busy_port_is_refused_before_anything_starts():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        result = run_cim(OFFLINE, "up", "--port", port)
    assert result.code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in result.err
    assert "--port" in result.err


def test_the_sample_city_is_named_when_it_is_not_there(tmp_path):
    result = run_cim(OFFLINE, "demo", "--sample-data", tmp_path, "--no-serve")
    assert result.code == 1
    assert f"no city.yaml in {tmp_path}" in result.err
