"""Dirty input: cut-off shapefiles, tables without records, cells that hold something else. Bad records never stop a run."""

import zipfile

import numpy as np
import pyogrio
import pytest
import shapely

from tests.pipeline.test_ingest import (
    AREA,
    GOOD,
    SQUARE,
    A,
    B,
    city,  # noqa: F401 - fixture
    ingest,
    line,
    network,
    rows,
    write_layer,
)
from tests.support.cli import run_cim

WRITTEN = "SELECT (SELECT count(*) FROM building), (SELECT count(*) FROM dataset WHERE kind <> 'divisions'), (SELECT count(*) FROM reject)"


def shapefile(tmp_path, n=50):
    records = [{**GOOD, "fwbh": str(i)} for i in range(n)]
    write_layer(tmp_path / "s.shp", records, [shapely.affinity.translate(SQUARE, i * 0.0003) for i in range(n)], encoding="GB18030")
    return tmp_path / "s.shp"


@pytest.mark.parametrize("part", [".shp", ".dbf", ".shx"])
@pytest.mark.parametrize("kept", [0.01, 0.3, 0.99])
def test_a_shapefile_that_is_cut_off_is_refused_and_nothing_is_written(city, tmp_path, part, kept):  # noqa: F811 - fixture
    path = shapefile(tmp_path).with_suffix(part)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * kept)])
    result = ingest(city, tmp_path, "s.shp")
    assert result.code == 1
    assert result.json()["error"]["code"] == "source.syntax"
    assert rows(city, WRITTEN) == [(0, 0, 0)]


def test_a_shapefile_that_was_cut_off_before_it_was_zipped_is_refused(city, tmp_path):  # noqa: F811 - fixture
    path = shapefile(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for suffix in (".shp", ".shx", ".dbf", ".prj", ".cpg"):
            archive.write(path.with_suffix(suffix), f"s{suffix}")
    error = ingest(city, tmp_path, "s.zip").json()["error"]
    assert error["code"] == "source.syntax"
    assert f"found {len(raw) // 2} bytes, its header says {len(raw)}" in error["message"]
    assert rows(city, WRITTEN) == [(0, 0, 0)]


def test_a_character_cut_in_half_at_the_end_of_a_field_is_left_out(city, tmp_path):  # noqa: F811 - fixture
    # A DBF field is cut at a byte count: five of the six bytes of 教学楼 are two characters and half of the third.
    path = shapefile(tmp_path, 1).with_suffix(".dbf")
    name = GOOD["jzmc"].encode("gb18030")
    path.write_bytes(path.read_bytes().replace(name, name[:-1] + b" "))
    assert ingest(city, tmp_path, "s.shp").code == 0
    assert rows(city, "SELECT name FROM building") == [("教学",)]


@pytest.mark.parametrize("option", [(), ("--encoding", "GB18030"), ("--encoding", "UTF-8"), ("--encoding", "klingon")])
def test_text_that_is_not_in_the_encoding_is_refused_by_place(city, tmp_path, option):  # noqa: F811 - fixture
    # 0xFF begins no character of GB18030 (GB 18030-2022, 4.3) and none of UTF-8 (RFC 3629, 3).
    path = shapefile(tmp_path, 3)
    path.with_suffix(".cpg").unlink()
    table = path.with_suffix(".dbf")
    raw, name = table.read_bytes(), GOOD["jzmc"].encode("gb18030")
    last = raw.rindex(name)
    table.write_bytes(raw[:last] + b"\xff" + raw[last + 1 :])
    error = ingest(city, tmp_path, "s.shp", *option).json()["error"]
    assert error["code"] == "source.encoding"
    expected = {"klingon": "unknown encoding", "UTF-8": "row 1, field jzmc, byte 1"}.get(
        option[-1] if option else "", "row 3, field jzmc, byte 1"
    )
    assert expected in error["message"]
    assert rows(city, WRITTEN) == [(0, 0, 0)]


def test_a_layer_without_records_is_refused(city, tmp_path):  # noqa: F811 - fixture
    write_layer(tmp_path / "full.gpkg", [GOOD], [SQUARE])
    meta, _, _, values = pyogrio.raw.read(tmp_path / "full.gpkg")
    none = [value[:0] for value in values]
    pyogrio.raw.write(tmp_path / "c.gpkg", np.array([], dtype=object), none, list(meta["fields"]), geometry_type="Polygon", crs="EPSG:4490")
    error = ingest(city, tmp_path).json()["error"]
    assert error["code"] == "source.syntax"
    assert "found no records" in error["message"]


def test_tables_without_records_are_refused(city, tmp_path, sample_data):  # noqa: F811 - fixture
    (tmp_path / "a.csv").write_text("地址编码,原始地址,经度,纬度,坐标系\n", encoding="utf-8")
    (tmp_path / "d.csv").write_text("code,name,level\n", encoding="utf-8")
    points = network(tmp_path, sample_data, [A, B], [line("1", A, B)])
    header = (tmp_path / "JSPOINT.csv").read_text(encoding="utf-8").splitlines()[0]
    (tmp_path / "JSPOINT.csv").write_text(header + "\n", encoding="utf-8")
    for argv in (["ingest", "addresses", tmp_path / "a.csv"], ["ingest", "divisions", tmp_path / "d.csv"], points[:-1]):
        result = run_cim(city, *argv)
        assert result.code == 1
        assert "found no records, expected at least one" in result.err
    assert rows(city, WRITTEN) == [(0, 0, 0)]


@pytest.mark.parametrize(
    ("change", "rule"),
    [*(({"CABNUM": cell}, "N02") for cell in ("x", "1.5", "-1", "1e9")), ({"USTATUS": "没听说过"}, "N03")],
)
def test_a_line_with_a_cell_that_means_nothing_is_refused_alone(city, tmp_path, sample_data, change, rule):  # noqa: F811 - fixture
    good = {**line("1", A, B), "CABNUM": "3"}
    result = run_cim(city, *network(tmp_path, sample_data, [A, B], [good, {**good, "LNO": "2", **change}])).json()[0]
    assert result["rejected_by_rule"] == {rule: 1}
    assert rows(city, "SELECT source_key, n_cables, status FROM network_edge") == [("1", 3, "in_use")]


@pytest.mark.parametrize(("flag", "is_synthetic"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_a_division_says_whether_it_is_generated(settings, tmp_path, flag, is_synthetic):
    write_layer(tmp_path / "d.gpkg", [{"code": AREA, "name": "社区", "level": "village", "synthetic": flag}], [SQUARE])
    assert run_cim(settings, "ingest", "divisions", tmp_path / "d.gpkg", "--json").json()[0]["accepted"] == 1
    assert rows(settings, "SELECT is_synthetic FROM division") == [(is_synthetic,)]


def test_a_division_whose_flag_is_no_flag_is_refused_alone(settings, tmp_path):
    records = [{"code": f"42011100601{n}", "name": "社区", "level": "village", "synthetic": flag} for n, flag in enumerate(("1", "maybe"))]
    write_layer(tmp_path / "d.gpkg", records, [SQUARE, shapely.affinity.translate(SQUARE, 0.001)])
    result = run_cim(settings, "ingest", "divisions", tmp_path / "d.gpkg", "--json").json()[0]
    assert (result["accepted"], result["rejected_by_rule"]) == (1, {"D03": 1})
