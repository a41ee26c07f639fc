"""BIM upload: counts from the file's text, place from PROJ, refusals by name, crashes contained."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import ifcopenshell
import numpy as np
import pytest
import shapely

from cim.crs import transform_xy
from cim.db import engine
from tests.support.cli import run_cim
from tests.support.ifc_files import write_model
from tests.support.server import environment


@pytest.fixture
def city(settings, sample_data):
    assert run_cim(settings, "db", "profile", sample_data / "city.yaml").code == 0
    return settings


def rows(settings, query):
    with engine.connect(settings) as connection:
        return connection.execute(query).fetchall()


def count_in_text(path, *names):
    """Count entity instances in the text, independently of any IFC library."""
    found = Counter(match.upper() for match in re.findall(r"^#\d+\s*=\s*(IFC\w+)\(", path.read_text(errors="replace"), re.MULTILINE))
    return sum(found[name.upper()] for name in names)


def test_an_uploaded_house_has_the_counts_of_its_text_and_stands_where_its_conversion_says(city, sample_data):
    path = sample_data / "ifc/fzk_haus.ifc"
    report = run_cim(city, "bim", "upload", path, "--name", "House", "--note", "moved", "--json").json()
    expected = count_in_text(
        path, "IfcWallStandardCase", "IfcWindow", "IfcDoor", "IfcSlab", "IfcMember", "IfcBeam", "IfcRailing", "IfcStair"
    )
    assert report["elements"] == expected
    assert rows(city, "SELECT count(*) FROM bim_storey") == [(count_in_text(path, "IfcBuildingStorey"),)]
    assert rows(city, "SELECT count(*) FROM bim_space") == [(count_in_text(path, "IfcSpace"),)]
    conversion = re.search(r"IFCMAPCONVERSION\([^,]*,[^,]*,([^,]*),([^,]*),([^,]*),", path.read_text(errors="replace"))
    east, north, height = (float(value) for value in conversion.groups())
    lon, lat = transform_xy("EPSG:4547", "EPSG:4490", np.array([east]), np.array([north]))
    outline, base, placement, note = rows(city, "SELECT ST_AsText(geom), base_elevation_m, placement, note FROM bim_model")[0]
    assert shapely.from_wkt(outline).buffer(1e-5).covers(shapely.Point(lon[0], lat[0]))
    assert (placement[3], placement[7], placement[11]) == (east, north, height)
    assert abs(base - height) < 3
    assert note == "moved"
    assert rows(city, "SELECT DISTINCT geom_status FROM bim_element") == [("meshed",)]


def test_the_same_file_again_is_unchanged_and_gets_no_new_code(city, sample_data):
    path = sample_data / "ifc/drainage.ifc"
    first = run_cim(city, "bim", "upload", path, "--json").json()
    before = rows(city, "SELECT count(*) FROM change_event")
    again = run_cim(city, "bim", "upload", path, "--json").json()
    assert (again["unchanged"], again["code"]) == (True, first["code"])
    assert rows(city, "SELECT count(*) FROM change_event") == before


def test_properties_of_a_window_are_those_in_the_file(city, sample_data):
    run_cim(city, "bim", "upload", sample_data / "ifc/fzk_haus.ifc")
    model = ifcopenshell.open(str(sample_data / "ifc/fzk_haus.ifc"))
    window = model.by_type("IfcWindow")[0]
    relation = next(
        r for r in window.IsDefinedBy if r.is_a("IfcRelDefinesByProperties") and r.RelatingPropertyDefinition.is_a("IfcPropertySet")
    )
    definition = relation.RelatingPropertyDefinition
    single = next(p for p in definition.HasProperties if p.is_a("IfcPropertySingleValue") and p.NominalValue)
    stored = rows(city, f"SELECT properties FROM bim_element WHERE global_id = '{window.GlobalId}'")[0][0]
    assert stored[definition.Name][single.Name] == single.NominalValue.wrappedValue


def test_a_removed_model_is_gone_with_its_parts_and_file_and_its_code_is_not_reused(city, sample_data):
    path = sample_data / "ifc/drainage.ifc"
    code = run_cim(city, "bim", "upload", path, "--json").json()["code"]
    assert run_cim(city, "bim", "remove", code, "--dry-run").code == 0
    assert rows(city, "SELECT count(*) FROM bim_element") != [(0,)]
    assert run_cim(city, "bim", "remove", code).code == 0
    assert rows(city, "SELECT (SELECT count(*) FROM bim_element), (SELECT count(*) FROM bim_mesh)") == [(0, 0)]
    assert not list(city.models_dir.glob("*.ifc"))
    assert run_cim(city, "bim", "upload", path, "--json").json()["code"] != code
    assert run_cim(city, "bim", "remove", code).code == 1


def test_the_operator_overrides_the_place(city, sample_data):
    options = ["--crs", "EPSG:4547", "--origin", "537000,3376000,20", "--rotation", "90"]
    report = run_cim(city, "bim", "upload", sample_data / "ifc/drainage.ifc", *options, "--json").json()
    assert report["georeference_method"] == "option"
    # A quarter turn counter-clockwise: model x runs north.
    assert rows(city, "SELECT placement FROM bim_model")[0][0][:8] == pytest.approx([0, -1, 0, 537000, 1, 0, 0, 3376000], abs=1e-12)


def test_a_model_without_a_place_is_laid_onto_the_footprint_of_a_coded_building(demo_city, real_data):
    city, _ = demo_city
    # The house without a conversion; in the sample city the same house stands on this building by its conversion.
    code = rows(city, "SELECT building_code FROM bim_model WHERE georef_note LIKE '%rotated 1.77%'")[0][0]
    report = run_cim(city, "bim", "upload", real_data / "ifc/AC20-FZK-Haus.ifc", "--fit-to", code, "--dry-run", "--json").json()
    assert (report["georeference_method"], report["link_method"], report["building_code"]) == ("fit", "fit", code)
    overlap = float(re.search(r"IoU ([\d.]+), residual", report["georeference"]).group(1))
    assert overlap > 0.5
    assert any("residual" in line for line in report["georeference_evidence"])
    assert rows(city, "SELECT count(*) FROM bim_model") == [(3,)]


def test_a_model_is_not_fitted_to_a_building_that_is_not_there_or_has_another_size(demo_city, tmp_path):
    city, _ = demo_city
    code = rows(city, "SELECT code FROM building ORDER BY footprint_area_m2 DESC LIMIT 1")[0][0]
    refused = run_cim(city, "bim", "upload", minimal(tmp_path), "--fit-to", code)
    assert (refused.code, "expected at least 0.3" in refused.err) == (1, True)
    assert "no such building" in run_cim(city, "bim", "upload", minimal(tmp_path), "--fit-to", "X").err
    both = run_cim(city, "bim", "upload", minimal(tmp_path), "--fit-to", code, "--crs", "EPSG:4547")
    assert "leave them out" in both.err


def test_a_weak_place_on_no_coded_building_is_not_believed(city, tmp_path):
    path = minimal(tmp_path, "#30=IFCSITE('0000000000000000000009',$,$,$,$,$,$,$,.ELEMENT.,(30,30,0),(114,23,0),0.,$,$);")
    path.write_text(re.sub(r"#8=IFCMAPCONVERSION.*\n", "", path.read_text()))
    report = run_cim(city, "bim", "upload", path, "--json").json()
    assert report["status"] == "quarantined"
    assert "lies on no coded building" in report["unplaced"]
    assert "--fit-to" in report["fix"]


def test_an_unknown_building_code_is_refused_before_the_model_is_read(city, sample_data):
    result = run_cim(city, "bim", "upload", sample_data / "ifc/drainage.ifc", "--building-code", "330109001001202100000100015")
    assert result.code == 1
    assert "the register has no such building" in result.err


def minimal(tmp_path, body="", **more):
    return write_model(tmp_path, body, **more)


def test_a_box_has_its_size_place_and_chinese_name(city, tmp_path):
    report = run_cim(city, "bim", "upload", minimal(tmp_path), "--json").json()
    assert report["elements"] == 1
    name, base, top, status = rows(city, "SELECT name, base_m, top_m, geom_status FROM bim_element")[0]
    assert (name, base, top, status) == ("墙", 0.0, 3.0, "meshed")
    # 4 m x 2 m on the ground; the projection's scale at 0.4 deg from the central meridian is 1.00001.
    assert rows(city, "SELECT ST_Area(geom::geography) FROM bim_element")[0][0] == pytest.approx(8.0, rel=1e-3)


def test_a_model_in_millimetres_is_placed_and_sized_in_metres(city, tmp_path):
    path = minimal(tmp_path, unit="#5=IFCSIUNIT(*,.LENGTHUNIT.,.MILLI.,.METRE.);")
    text = path.read_text().replace("537000.,3376000.,20.,1.,0.,1.", "537000.,3376000.,20.,1.,0.,0.001").replace("4.,2.);", "4000.,2000.);")
    path.write_text(
        text.replace("#14,3.)", "#14,3000.)")
        .replace("#7=IFCPROJECTEDCRS('EPSG:4547',$,$,$,$,$,$)", "#7=IFCPROJECTEDCRS('EPSG:4547',$,$,$,$,$,#9)")
        .replace("#10=", "#9=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.);\n#10=")
    )
    assert run_cim(city, "bim", "upload", path).code == 0
    assert rows(city, "SELECT top_m FROM bim_element") == [(pytest.approx(3.0),)]
    assert rows(city, "SELECT placement[4], placement[8], placement[1] FROM bim_model")[0] == (537000, 3376000, pytest.approx(1.0))


# A boolean that refers to itself recurses without end inside the geometry kernel.
HOSTILE = """#20=IFCBOOLEANRESULT(.UNION.,#20,#20);
#21=IFCSHAPEREPRESENTATION(#3,'Body','CSG',(#20));
#22=IFCPRODUCTDEFINITIONSHAPE($,$,(#21));
#23=IFCBUILDINGELEMENTPROXY('0000000000000000000003',$,'bomb',$,$,#10,#22,$,$);"""


def test_an_element_that_kills_the_kernel_is_marked_and_the_rest_is_loaded(city, tmp_path):
    report = run_cim(city, "bim", "upload", minimal(tmp_path, HOSTILE), "--json").json()
    assert list(report["geometry_failed"]) == ["23"]
    assert dict(rows(city, "SELECT coalesce(name, ''), geom_status FROM bim_element")) == {"墙": "meshed", "bomb": "failed"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.replace("IFC4'", "IFC4X3_RC4'"), "schema IFC4X3_RC4 cannot be read"),
        (lambda t: t.replace("#5=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.)", "#5=IFCSIUNIT(*,.AREAUNIT.,$,.SQUARE_METRE.)"), "no LENGTHUNIT"),
        (lambda t: t.replace("(#16)", "(#99)"), "refers to #99"),
        (lambda t: t.replace("END-ISO-10303-21;", ""), "cut off"),
    ],
)
def test_an_unusable_model_is_refused_and_nothing_is_written(city, tmp_path, change, words):
    path = minimal(tmp_path)
    path.write_text(change(path.read_text()))
    result = run_cim(city, "bim", "upload", path)
    assert result.code == 1
    assert words in result.err
    assert "Hint: " in result.err
    assert rows(city, "SELECT (SELECT count(*) FROM bim_model), (SELECT count(*) FROM dataset)") == [(0, 0)]
    assert not city.models_dir.exists() or not list(city.models_dir.iterdir())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.replace("#8=IFCMAPCONVERSION(#3,#7,537000.,3376000.,20.,1.,0.,1.);", ""), "no usable georeference"),
        (lambda t: t.replace("EPSG:4547", "Local grid"), "names the CRS 'Local grid'"),
        (lambda t: t.replace("EPSG:4547", "EPSG:4490"), "no projected CRS"),
        (lambda t: t.replace("537000.,3376000.", "0.,0."), "all zero"),
    ],
)
def test_a_model_without_a_place_is_kept_without_one_and_says_why(city, tmp_path, change, words):
    path = minimal(tmp_path)
    path.write_text(change(path.read_text()))
    result = run_cim(city, "bim", "upload", path, "--json")
    report = result.json()
    assert (result.code, report["status"], report["elements"]) == (0, "quarantined", 1)
    assert words in report["unplaced"]
    assert f"cim bim place {report['code']} --fit-to" in result.err
    model = rows(city, "SELECT status, placement, geom, georef_method, fix_hint FROM bim_model")[0]
    assert model[:4] == ("quarantined", None, None, None)
    assert model[4].startswith("cim bim place")
    assert rows(city, "SELECT name, top_m, geom, base_elevation_m FROM bim_element") == [("墙", 3.0, None, None)]


def test_kill_9_during_an_upload_leaves_nothing_and_the_rerun_completes(city, sample_data):
    path = sample_data / "ifc/duplex.ifc"
    child = subprocess.Popen(
        [sys.executable, "-m", "cim", "bim", "upload", str(path)],
        env=environment(city),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(1.2)
    assert child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert rows(city, "SELECT (SELECT count(*) FROM bim_model), (SELECT count(*) FROM bim_element)") == [(0, 0)]
    assert run_cim(city, "bim", "upload", path).code == 0
    assert rows(city, "SELECT count(*) FROM bim_model") == [(1,)]


def test_check_needs_no_store_and_explains_the_place(sample_data):
    from cim.settings import DatabaseSettings, Settings

    offline = Settings(database=DatabaseSettings(url="postgresql://cim:x@127.0.0.1:1/cim"))
    report = run_cim(offline, "bim", "check", sample_data / "ifc/duplex.ifc", "--json").json()["files"][0]
    assert report["georeference_method"] == "ePSet_MapConversion"
    assert "EPSG:4547" in report["georeference"]


UNREADABLE = [
    "infra/DrainageSystem-1-2.ifc",
    "infra/MCON-2.ifc",
    "Vogel_Gesamt.ifc",
    "linear-placement.ifc",
    "SixSpaces.ifcxml",
    "openroads_pavement_test2.ifc",
]
BROKEN = [
    "EmptyTest.ifc", "errorfile.ifc", "lfs_pointer_instead_of_ifc.ifc", "step_fail_duplicate_id.ifc",
    "step_fail_multiple_duplicate_ids.ifc", "step_fail_no_header.ifc", "step_fail_utf8_with_bom.ifc", "step_fail_reverse_string.ifc",
    "step_fail_utf_encoding.ifc",
]  # fmt: skip


@pytest.mark.parametrize("name", [*UNREADABLE, *(f"broken/{name}" for name in BROKEN)])
def test_real_unreadable_and_broken_files_are_refused_by_name(real_data, name):
    from cim.settings import Settings

    result = run_cim(Settings(), "bim", "check", real_data / "ifc" / name, "--json")
    assert result.code == 1
    error = result.json()["files"][0]["error"]
    assert error["code"].startswith("source.")
    assert name.rpartition("/")[2] in error["message"]


@pytest.mark.parametrize(
    ("name", "elements"),
    [
        # Element counts: IfcProduct of the collection's README less spaces, storeys, site, building and openings, by class.
        ("TallBuilding.ifc", {"IfcWallStandardCase": 24, "IfcWindow": 21, "IfcDoor": 5, "IfcSlab": 5}),
        ("Office_A_20110811.ifc", {"IfcWallStandardCase": 487, "IfcDoor": 102, "IfcCovering": 83, "IfcWindow": 69}),
        ("geometrygym_great_court_roof.ifc", {"IfcBeam": 5178}),
    ],
)
def test_real_models_without_a_place_are_read_and_say_so(real_data, name, elements):
    from cim.settings import Settings

    report = run_cim(Settings(), "bim", "check", real_data / "ifc" / name, "--no-profile", "--json").json()["files"][0]
    assert {cls: report["classes"].get(cls) for cls in elements} == elements
    assert report["georeference"] is None
    assert any("no usable georeference" in warning for warning in report["warnings"])
