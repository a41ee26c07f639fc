"""Hostile and broken files: each ends in a named verdict, this process goes on and stays small."""

import re
import resource
from concurrent.futures import ThreadPoolExecutor

import pytest

from cim.db import engine
from ingest.ifc import scan
from ingest.ifc.check import check_file
from ingest.ifc.options import UploadOptions
from tests.support.cli import run_cim
from tests.support.ifc_files import HELD, REFUSED, USELESS, model_text, proxy, write_model


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Return the verdict of every file, and by how much this process grew on the way [MB]."""
    makers = {name: made[0] for name, made in (*REFUSED.items(), *USELESS.items())} | HELD
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def check(name):
        return name, check_file(makers[name](tmp_path_factory.mktemp(name)), UploadOptions(), [])

    with ThreadPoolExecutor(2) as pool:
        found = dict(pool.map(check, makers))
    return found, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def test_there_are_more_than_thirty_of_them():
    assert len(REFUSED) + len(USELESS) + len(HELD) > 50


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_file_is_refused_with_the_reason_and_the_next_step(verdicts, name):
    result = verdicts[0][name]
    assert result["verdict"] == "refused"
    error = result["error"]
    assert error["code"] in ("source.syntax", "source.unsupported_format")
    assert re.search(REFUSED[name][1], f"{error['message']} {error['hint']}")
    assert error["hint"] or name == "empty"


@pytest.mark.parametrize("name", USELESS)
def test_a_useless_file_does_not_pass(verdicts, name):
    result = verdicts[0][name]
    assert result["verdict"] == "failed"
    assert USELESS[name][1] in {one["rule"] for one in result["findings"] if one["severity"] == "error"}


@pytest.mark.parametrize("name", HELD)
def test_a_hostile_file_is_read_as_far_as_it_makes_sense(verdicts, name):
    result = verdicts[0][name]
    assert result["verdict"] in ("passed", "failed")
    assert result["classes"]["IfcWall"] >= 1


def test_this_process_stays_small(verdicts):
    # The files hold up to 20 MB of text and unpack to 50 MB; none of that is read here.
    assert verdicts[1] < 150


def test_repeated_global_ids_are_reported(verdicts):
    found = next(one for one in verdicts[0]["repeated_global_ids"]["findings"] if one["rule"] == "global_id.duplicate")
    assert (found["severity"], found["objects"]) == ("error", ["0000000000000000000002"])


def test_a_long_text_is_cut(verdicts, tmp_path):
    from ingest.ifc.properties import text

    assert len(text("x" * 20_000_000)) == 10_000


def test_a_path_in_an_archive_is_never_used(verdicts, tmp_path_factory):
    assert not list(tmp_path_factory.getbasetemp().parent.rglob("escaped.ifc"))


def test_a_statement_without_an_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "BLOCK", 1000)
    monkeypatch.setattr(scan, "MAX_STATEMENT", 5000)
    path = tmp_path / "a.ifc"
    path.write_text(model_text().replace("ENDSEC;\nEND", "#50=IFCLABEL(" + "1," * 4000 + "\nENDSEC;\nEND"))
    with pytest.raises(scan.Fault, match="a statement of more than"):
        scan.check_text(path)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64, 1000])
def test_the_size_of_the_blocks_does_not_matter(tmp_path, monkeypatch, block):
    # Strings, doubled quotes and comments across every border; nothing inside of them counts.
    body = "#30=IFCLABEL('it''s #99 /* here */ ;');/* #98=IFCX('a'); ' */#31=IFCLABEL('''');#32 = IFCX(#30,#31);"
    path = write_model(tmp_path, body)
    monkeypatch.setattr(scan, "BLOCK", block)
    assert scan.check_text(path).n_instances == 17 + 3


def test_hostile_elements_cost_themselves_only(settings, tmp_path, sample_data):
    assert run_cim(settings, "db", "profile", sample_data / "city.yaml").code == 0
    body = (
        "#20=IFCBOOLEANRESULT(.UNION.,#20,#20);\n" + proxy(21, "#20") + "\n#30=IFCLOCALPLACEMENT(#30,#2);\n"
        + proxy(31, "#15", kind="SweptSolid", placement=30)
        + "\n#19=IFCWALL('0000000000000000000002',$,'twin',$,$,#10,#17,$,$);"
    )  # fmt: skip
    report = run_cim(settings, "bim", "upload", write_model(tmp_path, body), "--json").json()
    with engine.connect(settings) as connection:
        found = connection.execute("SELECT code, occurrence, name, geom_status FROM bim_element ORDER BY code").fetchall()
    code = report["code"]
    assert [row[:3] for row in found if row[2] in ("墙", "twin")] == [
        (f"{code}/0000000000000000000002", 1, "墙"), (f"{code}/0000000000000000000002~2", 2, "twin"),
    ]  # fmt: skip
    assert {row[3] for row in found if row[2] in ("墙", "twin")} == {"meshed"}
    # The boolean of itself has no shape that anybody could show; a box is as good as a failure, said as such.
    assert next(row[3] for row in found if row[0].endswith("00021")) in ("failed", "box")
