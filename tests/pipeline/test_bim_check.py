"""``cim bim check``: verdicts, IDS, and what it writes for people and for other tools; no store anywhere."""

import zipfile
from xml.etree import ElementTree

import pytest
from ifctester import ids
from ifctester.facet import Entity, Property

from cim.settings import DatabaseSettings, Settings
from tests.support.cli import run_cim
from tests.support.ifc_files import model_text, unplaced_text, write_model

OFFLINE = Settings(database=DatabaseSettings(url="postgresql://cim:x@127.0.0.1:1/cim"))


def check(*argv):
    result = run_cim(OFFLINE, "bim", "check", *argv, "--json")
    return result.code, result.json()


def rules(result, *severities):
    return {one["rule"] for one in result["findings"] if one["severity"] in severities}


@pytest.fixture
def fire_rating(tmp_path):
    """Return an IDS file of one's own: walls need a fire rating."""
    made = ids.Ids(title="Fire 防火")
    rule = ids.Specification(name="Walls have a fire rating 墙有耐火等级", minOccurs=1, maxOccurs="unbounded")
    rule.applicability.append(Entity(name="IFCWALL"))
    rule.requirements.append(Property(propertySet="Pset_WallCommon", baseName="FireRating", dataType="IFCLABEL"))
    made.specifications.append(rule)
    path = tmp_path / "fire.ids"
    path.write_text(made.to_string(), encoding="utf-8")
    return path


def test_several_files_are_checked_and_one_refused_does_not_stop_the_others(tmp_path):
    good = write_model(tmp_path, name="good.ifc")
    bad = tmp_path / "bad.ifc"
    bad.write_text("<html>")
    code, report = check(bad, good, "--no-profile")
    assert code == 1
    assert [(one["file"], one["verdict"]) for one in report["files"]] == [("bad.ifc", "refused"), ("good.ifc", "passed")]
    assert check(good, "--no-profile")[0] == 0


def test_what_is_missing_is_said_in_both_languages(tmp_path):
    path = tmp_path / "a.ifc"
    building = "#40=IFCBUILDING('0000000000000000000040',$,$,$,$,$,$,$,.ELEMENT.,$,$,$);\n"
    storey = "#41=IFCBUILDINGSTOREY('0000000000000000000041',$,$,$,$,$,$,$,.ELEMENT.,$);\n"
    shapeless = "#42=IFCWALL('0000000000000000000042',$,'w',$,$,$,$,$,$);"
    path.write_text(unplaced_text(building + storey + shapeless), encoding="ascii")
    code, report = check(path, "--no-profile")
    result = report["files"][0]
    assert code == 1
    assert rules(result, "error") == {"georeference"}
    assert rules(result, "warning") == {
        "spatial.loose", "spaces.none", "storeys.elevation", "storeys.unnamed", "elements.no_storey", "elements.no_geometry",
    }  # fmt: skip
    loose = next(one for one in result["findings"] if one["rule"] == "elements.no_storey")
    assert (loose["count"], loose["en"]) == (2, "2 of 2 elements are on no storey")
    assert all(one["zh"] for one in result["findings"])
    shapeless_found = next(one for one in result["findings"] if one["rule"] == "elements.no_geometry")
    assert shapeless_found["objects"] == ["0000000000000000000042"]


def test_the_operator_may_say_the_place_and_an_impossible_one_is_refused(tmp_path):
    path = tmp_path / "a.ifc"
    path.write_text(unplaced_text(), encoding="ascii")
    code, report = check(path, "--no-profile", "--crs", "EPSG:4547", "--origin", "537000,3376000,20")
    assert (code, report["files"][0]["georeference_method"]) == (0, "option")
    code, report = check(path, "--no-profile", "--crs", "EPSG:4547", "--origin", "1,2,3")
    assert (code, report["files"][0]["verdict"]) == (1, "refused")


def test_the_delivery_profile_is_checked_by_default(tmp_path):
    path = tmp_path / "a.ifc"
    path.write_text(model_text().replace("'\\X2\\5899\\X0\\'", "$"), encoding="ascii")
    code, report = check(path)
    profile = report["files"][0]["ids"][0]
    assert (code, profile["profile"], profile["passed"]) == (1, "cim-delivery.ids", False)
    failed = [one for one in profile["specifications"] if not one["passed"]]
    assert [one["name"] for one in failed] == ["Walls have a name 墙有名称"]
    assert failed[0]["failures"][0]["global_id"] == "0000000000000000000002"


def test_a_profile_of_ones_own_decides_too(tmp_path, fire_rating):
    path = write_model(tmp_path)
    code, report = check(path, "--no-profile", "--ids", fire_rating)
    assert code == 1
    assert report["files"][0]["ids"][0]["specifications"][0]["n_failures"] == 1
    rated = (
        "#30=IFCPROPERTYSET('0000000000000000000030',$,'Pset_WallCommon',$,(#31));\n"
        "#31=IFCPROPERTYSINGLEVALUE('FireRating',$,IFCLABEL('F90'),$);\n"
        "#32=IFCRELDEFINESBYPROPERTIES('0000000000000000000032',$,$,$,(#18),#30);"
    )
    assert check(write_model(tmp_path, rated, name="b.ifc"), "--no-profile", "--ids", fire_rating)[0] == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<ids/>", "is no valid IDS"),
        ("not xml", "is no valid IDS"),
        ('<!DOCTYPE ids [<!ENTITY x SYSTEM "file:///etc/passwd">]><ids>&x;</ids>', "declares entities"),
    ],
)
def test_a_profile_that_is_none_is_refused_by_name(tmp_path, content, words):
    profile = tmp_path / "own.ids"
    profile.write_text(content)
    code, report = check(write_model(tmp_path), "--ids", profile)
    assert code == 1
    assert words in report["files"][0]["error"]["message"]
    assert "own.ids" in report["files"][0]["error"]["message"]


def test_a_profile_that_is_not_there_is_named(tmp_path):
    assert "no such file" in check(write_model(tmp_path), "--ids", tmp_path / "x.ids")[1]["files"][0]["error"]["message"]


def test_the_page_escapes_what_the_model_says_and_the_issues_select_their_objects(tmp_path, fire_rating):
    path = tmp_path / "<b>.ifc"
    twin = "#19=IFCWALL('0000000000000000000002',$,'twin',$,$,#10,#17,$,$);"
    path.write_text(model_text(twin).replace("'P'", "'<script>alert(1)</script>'"), encoding="ascii")
    page, issues = tmp_path / "r.html", tmp_path / "r.bcf"
    result = run_cim(OFFLINE, "bim", "check", path, "--ids", fire_rating, "--html", page, "--bcf", issues)
    assert result.code == 1
    assert "failed 不通过" in result.out
    text = page.read_text(encoding="utf-8")
    assert "<b>.ifc" not in text
    assert "&lt;b&gt;.ifc" in text
    assert "<script" not in text
    assert "个 GlobalId 重复" in text
    with zipfile.ZipFile(issues) as archive:
        assert ElementTree.fromstring(archive.read("bcf.version")).get("VersionId") == "2.1"  # noqa: S314 - our own file
        topics = {}
        for name in archive.namelist():
            if name.endswith("markup.bcf"):
                title = ElementTree.fromstring(archive.read(name)).findtext("Topic/Title")  # noqa: S314 - our own file
                view = ElementTree.fromstring(archive.read(name.replace("markup.bcf", "viewpoint.bcfv")))  # noqa: S314 - our own file
                topics[title] = [part.get("IfcGuid") for part in view.findall("Components/Selection/Component")]
    assert topics["1 GlobalIds occur more than once"] == ["0000000000000000000002"]
    assert topics["Walls have a fire rating 墙有耐火等级"] == ["0000000000000000000002"] * 2


def test_the_shipped_profile_is_the_one_its_script_writes():
    from scripts.make_delivery_profile import OUT, profile

    assert OUT.read_text(encoding="utf-8") == profile().to_string() + "\n"
