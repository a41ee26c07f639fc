"""Planning control: layers of plans into the store, what they say about buildings, and what the API makes of them."""

import json

import numpy as np
import pyogrio
import pytest
import shapely

from cim.crs import transform_xy
from cim.db import engine
from tests.support.cli import run_cim

PROFILE = """
name: {en: Town, zh: 测试城}
level: city
division_codes: ["420111"]
projected_crs: EPSG:4547
geoid_separation_m: -13.0
"""
E0, N0 = 537_000.0, 3_376_000.0
FIELDS = (
    "id",
    "control",
    "name",
    "land_use",
    "height_limit_m",
    "far_max",
    "far_min",
    "coverage_max",
    "setback_m",
    "plan_status",
    "approved_on",
)


def lonlat(shape):
    return shapely.transform(shape, lambda xy: np.column_stack(transform_xy("EPSG:4547", "EPSG:4490", xy[:, 0].copy(), xy[:, 1].copy())))


def box(west, south, east, north):
    return shapely.box(E0 + west, N0 + south, E0 + east, N0 + north)


def zone(key, control, shape, **facts):
    return {"id": key, "control": control, **facts, "geometry": shape}


def write(path, rows, *, crs="EPSG:4547", fields=FIELDS):
    """Write zones as a GeoPackage; every field is text, as plans deliver them."""
    values = [np.array([None if row.get(name) is None else str(row[name]) for row in rows], dtype=object) for name in fields]
    pyogrio.raw.write(
        path, shapely.to_wkb([row["geometry"] for row in rows]), values, list(fields), layer="zones", driver="GPKG",
        geometry_type="Unknown", crs=crs,
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def town(module_settings, tmp_path_factory):
    profile = tmp_path_factory.mktemp("profile") / "city.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    assert run_cim(module_settings, "db", "profile", profile).code == 0
    with engine.connect(module_settings) as connection:
        connection.execute(
            "INSERT INTO change_set (id, author, operation, reason) VALUES ('018f0000-0000-7000-8000-000000000001', 't', 'ingest', 't')"
        )
        county = shapely.to_wkb(shapely.multipolygons([lonlat(box(-2000, -2000, 2000, 2000))]))
        connection.execute(
            """INSERT INTO division (code, name, level, geom, change_set_id)
               VALUES ('420111', '洪山区', 3, ST_GeomFromWKB(%s, 4490), '018f0000-0000-7000-8000-000000000001')""",
            [county],
        )
        # Two buildings in one plot of 100 m x 100 m: 20 m x 30 m, 24 m high, 4,800 m2; and 10 m x 10 m.
        for code, use, height, ground, floors, shape in (
            ("B1", "residential", 24.0, 30.0, 4800.0, box(10, 10, 30, 40)),
            ("B2", "industrial", 9.0, None, 300.0, box(92, 50, 102, 60)),
            ("B3", None, None, 30.0, None, box(500, 500, 510, 510)),
        ):
            connection.execute(
                """INSERT INTO building (code, code_scheme, county_code, division_code, use, height_m, ground_elevation_m, floor_area_m2,
                                         geom, change_set_id)
                   VALUES (%s, 'CIM-BC27-v1', '420111', '420111001001', %s, %s, %s, %s, ST_Multi(ST_GeomFromWKB(%s, 4490)),
                           '018f0000-0000-7000-8000-000000000001')""",
                [code, use, height, ground, floors, shapely.to_wkb(lonlat(shape))],
            )
    return module_settings


def load(town, path, *more):
    result = run_cim(town, "ingest", "planning", path, *more, "--json")
    assert result.code == 0, result.err
    return result.json()[0]


def rows(town, text, *values):
    with engine.connect(town) as connection:
        return connection.execute(text, values).fetchall()


PLOT = box(0, 0, 100, 100)


def test_values_arrive_in_si_and_a_second_version_changes_only_what_changed(town, tmp_path):
    names = ("地块编号", "用地代码", "容积率上限", "建筑密度", "绿地率", "建筑限高", "规划状态", "批准日期", "备注")
    plan = [
        {"地块编号": f"A-{n}", "用地代码": "R2", "容积率上限": 2.5, "建筑密度": 35, "绿地率": 30, "建筑限高": 54, "规划状态": "已批",
         "批准日期": "2026年03月01日", "备注": "x", "geometry": box(1000 + n * 50, 0, 1040 + n * 50, 40)}
        for n in range(4)
    ]  # fmt: skip
    path = write(tmp_path / "plan.gpkg", plan, fields=names)
    made = load(town, path, "--profile", "regulatory-plan")
    assert (made["read"], made["accepted"], made["rejected"], made["zones_by_control"]) == (4, 4, 0, {"plot": 4})
    found = rows(
        town,
        """SELECT control, land_use, far_max, coverage_max, green_ratio_min, height_limit_m, plan_status, approved_on::text, attributes,
                  county_code, code, ST_Area(ST_Transform(geom, 4547)) FROM planning_control WHERE source_key = 'A-0'""",
    )[0]
    assert found[:10] == ("plot", "R2", 2.5, 0.35, 0.3, 54.0, "approved", "2026-03-01", {"备注": "x"}, "420111")
    assert found[10].startswith("PC420111")
    assert found[11] == pytest.approx(1600, rel=1e-5)
    assert load(town, path, "--profile", "regulatory-plan")["unchanged_source"]
    before = dict(rows(town, "SELECT source_key, code FROM planning_control WHERE source_dataset = 'plan'"))
    plan[1]["建筑限高"] = 80
    path.unlink()
    again = load(town, write(path, plan[:3], fields=names), "--profile", "regulatory-plan")
    assert (again["accepted"], again["unchanged"], again["retired"]) == (1, 2, 1)
    states = {row[0]: row[1:] for row in rows(town, "SELECT source_key, status, version, height_limit_m FROM planning_control "
                                                    "WHERE source_dataset = 'plan'")}  # fmt: skip
    assert states == {
        "A-0": ("existing", 1, 54.0), "A-1": ("existing", 2, 80.0), "A-2": ("existing", 1, 54.0), "A-3": ("retired", 2, 54.0),
    }  # fmt: skip
    assert dict(rows(town, "SELECT source_key, code FROM planning_control WHERE source_dataset = 'plan'")) == before
    assert rows(town, "SELECT height_limit_m FROM planning_control_history WHERE code = %s", before["A-1"]) == [(54.0,)]
    changes = run_cim(town, "changes", "list", "--json")
    assert "planning control from plan.gpkg" in changes.out


def test_each_rule_refuses_or_warns_and_names_the_record(town, tmp_path):
    bow = shapely.Polygon([(E0, N0), (E0 + 10, N0 + 10), (E0 + 10, N0), (E0, N0 + 10)])
    spike = shapely.Polygon(
        [(E0, N0 + 300), (E0 + 50, N0 + 300), (E0 + 50, N0 + 350), (E0 + 60, N0 + 350), (E0 + 50, N0 + 350), (E0, N0 + 350)]
    )
    plan = [
        zone("ok", "plot", box(200, 0, 240, 40), land_use="R2", far_max=2.0),
        zone("ok", "plot", box(200, 50, 240, 90), land_use="R2"),
        zone(None, "plot", box(200, 100, 240, 140)),
        zone("line", "road-red-line", shapely.LineString([(E0, N0), (E0 + 10, N0)])),
        zone("bow", "plot", bow, land_use="R2"),
        zone("spike", "plot", spike, land_use="R2"),
        zone("far", "plot", box(250, 0, 290, 40), far_max="2.5以下"),
        zone("cover", "plot", box(250, 50, 290, 90), coverage_max=35),
        zone("order", "plot", box(250, 100, 290, 140), far_max=1.0, far_min=2.0),
        zone("kind", "Zoning", box(250, 150, 290, 190)),
        zone("away", "plot", box(90_000, 0, 90_040, 40), land_use="R2"),
        zone("tiny", "plot", box(300, 0, 300.5, 0.5), land_use="R2"),
        zone("empty", "height_limit", box(300, 50, 340, 90)),
        zone("odd", "land_use", box(350, 50, 390, 90), land_use="住宅"),
        zone("twin", "land_use", box(360, 50, 380, 90), land_use="A33"),
        zone("day", "plot", box(400, 0, 440, 40), land_use="R2", approved_on="spring"),
    ]
    report = tmp_path / "report"
    made = load(town, write(tmp_path / "bad.gpkg", plan), "--report", report)
    assert made["read"] == len(plan) == made["accepted"] + made["rejected"]
    refused = {(place, rule) for place, rule in rows(town, "SELECT r.place, r.rule FROM reject r JOIN dataset d ON d.id = r.dataset_id "
                                                           "WHERE d.name = 'bad'")}  # fmt: skip
    assert refused == {
        (f"zones, row {row}", rule)
        for row, rule in (
            (2, "Z02"), (3, "Z02"), (4, "Z01"), (5, "Z01"), (7, "Z03"), (8, "Z03"), (9, "Z04"), (10, "Z03"), (11, "Z05"), (12, "Z01"),
            (16, "Z03"),
        )
    }  # fmt: skip
    assert made["warnings_by_rule"] == {"Z01": 1, "Z06": 1, "Z07": 1, "Z08": 2}
    document = json.loads((report / "report.json").read_text(encoding="utf-8"))
    told = {one["rule"]: (one["en"], one["zh"]) for one in document["rules"]}
    assert "least floor area ratio" in told["Z04"][0]
    assert "容积率" in told["Z04"][1]
    assert "Z05" in (report / "report.html").read_text(encoding="utf-8")


def test_a_zone_whose_record_is_refused_this_time_stays(town, tmp_path):
    plan = [zone("s", "height-limit", box(-500, -500, -400, -400), height_limit_m=30)]
    load(town, write(tmp_path / "stays.gpkg", plan))
    plan[0]["height_limit_m"] = "thirty"
    (tmp_path / "stays.gpkg").unlink()
    made = load(town, write(tmp_path / "stays.gpkg", plan))
    assert (made["rejected"], made["retired"]) == (1, 0)
    assert rows(town, "SELECT status, height_limit_m FROM planning_control WHERE source_dataset = 'stays'") == [("existing", 30.0)]


def test_a_check_finds_what_is_broken_by_hand_computed_values(town, tmp_path):
    load(
        town,
        write(
            tmp_path / "rules.gpkg",
            [
                zone(
                    "plot",
                    "plot",
                    PLOT,
                    land_use="R2",
                    far_max=0.5,
                    coverage_max=0.10,
                    height_limit_m=20,
                    setback_m=8,
                    plan_status="approved",
                ),
                zone("road", "red-line", box(98, 0, 120, 100)),
                zone("old", "protection", box(5, 5, 12, 12)),
                zone("draft", "height-limit", box(-50, -50, 200, 200), height_limit_m=100, plan_status="draft"),
                zone("gone", "height-limit", box(-50, -50, 200, 200), height_limit_m=3, plan_status="withdrawn"),
            ],
        ),
    )
    result = run_cim(town, "planning", "check", "B1", "--json")
    assert result.code == 0, result.err
    found = {(one["rule"], one["zone_name"] or one["control"]): one for one in result.json()["findings"]}
    by_rule = {one["rule"]: one for one in result.json()["findings"] if one["control"] == "plot"}
    # 24 m stand against 20 m; (4,800 + 300) m2 of floor over 10,000 m2 against 0.5; 600 m2 + 80 m2 (the part of B2 inside) against 10 %;
    # the nearest edge is 10 m away.
    assert (by_rule["height"]["verdict"], by_rule["height"]["found"]) == ("broken", 24.0)
    assert (by_rule["floor_area_ratio"]["verdict"], by_rule["floor_area_ratio"]["found"]) == ("broken", pytest.approx(0.51, abs=1e-3))
    assert (by_rule["coverage"]["verdict"], by_rule["coverage"]["found"]) == ("kept", pytest.approx(0.068, abs=1e-3))
    assert (by_rule["land_use"]["verdict"], by_rule["setback"]["verdict"]) == ("kept", "kept")
    assert by_rule["setback"]["found"] == pytest.approx(10, abs=0.02)
    assert found["consent", "protection_area"]["verdict"] == "applies"
    assert found["consent", "protection_area"]["found"] == pytest.approx(4, abs=0.02)
    assert found["height", "height_limit"]["plan_status"] == "draft"
    assert {one["limit"] for one in result.json()["findings"]}.isdisjoint({3.0})
    assert result.json()["verdicts"] == {"broken": 2, "applies": 1, "unknown": 0, "kept": 4}

    second = {one["rule"]: one for one in run_cim(town, "planning", "check", "B2", "--json").json()["findings"]}
    # 4 m of 10 m stand in the red line; industry is no purpose of R2; the building crosses the edge of the plot.
    assert (second["control_line"]["verdict"], second["control_line"]["found"]) == ("broken", pytest.approx(40, abs=0.1))
    assert (second["land_use"]["verdict"], second["setback"]["verdict"]) == ("broken", "broken")
    assert run_cim(town, "planning", "check", "B3", "--json").json()["findings"] == []
    missing = run_cim(town, "planning", "check", "NONE")
    assert (missing.code, "not in the register" in missing.err) == (1, True)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--kind", "zoning"), "--kind"),
        (("--profile", "no-such"), "no such profile"),
        (("--profile", "regulatory-plan"), "missing fields 地块编号; found id"),
    ],
)
def test_what_cannot_be_mapped_is_refused_before_anything_is_written(town, tmp_path, argv, words):
    before = rows(town, "SELECT count(*) FROM dataset")
    result = run_cim(town, "ingest", "planning", write(tmp_path / "p.gpkg", [zone("a", "plot", PLOT)]), *argv)
    assert result.code in (1, 2)
    assert words in result.err
    assert rows(town, "SELECT count(*) FROM dataset") == before


def test_a_dry_run_writes_nothing(town, tmp_path):
    before = rows(town, "SELECT count(*) FROM planning_control")
    made = load(town, write(tmp_path / "dry.gpkg", [zone("a", "far", box(-900, 0, -800, 100), far_max=2)]), "--dry-run")
    assert made["accepted"] == 1
    assert rows(town, "SELECT count(*) FROM planning_control") == before
