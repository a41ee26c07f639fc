"""Every source of a census gives the same register: formats, joined tables, encodings, real layers, another machine."""

import csv
import shutil
import subprocess

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely
import yaml

from cim.db import engine
from cim.personal import Cipher
from cim.settings import SecretStr
from tests.pipeline.test_ingest import GOOD, PROFILE, SQUARE, city, ingest, rows, write_layer  # noqa: F401 - city is a fixture
from tests.support.cli import run_cim

STATE = "SELECT source_key, name, storeys_above, height_m, structure, year_built, ST_AsText(geom, 9) FROM building ORDER BY source_key"
RECORDS = [{**GOOD, "fwbh": str(n), "jzmc": f"教学楼{n}", "cs": n + 1} for n in range(5)]
SHAPES = [shapely.affinity.translate(SQUARE, 0.0005 * n) for n in range(5)]


def loaded(city, tmp_path, name, *more):  # noqa: F811 - the fixture
    result = ingest(city, tmp_path, name, *more)
    assert result.code == 0, result.err
    return result.json()[0], rows(city, STATE)


@pytest.fixture
def expected(city, tmp_path):  # noqa: F811
    write_layer(tmp_path / "c.gpkg", RECORDS, SHAPES)
    _, state = loaded(city, tmp_path, "c.gpkg", "--name", "s")
    assert len(state) == 5
    return state


def same_again(city, tmp_path, name, expected, *more):  # noqa: F811
    """The same records from another file are the same buildings: nothing new, nothing refused."""
    done, state = loaded(city, tmp_path, name, "--name", "s", *more)
    assert (done["read"], done["rejected"], done["new"]) == (5, 0, 0)
    assert [row[:6] for row in state] == [row[:6] for row in expected]


@pytest.mark.parametrize("suffix", ["geojson", "fgb", "shp"])
def test_vector_formats_are_equal(city, tmp_path, expected, suffix):  # noqa: F811
    write_layer(tmp_path / f"c.{suffix}", RECORDS, SHAPES, encoding="UTF-8" if suffix == "shp" else None)
    same_again(city, tmp_path, f"c.{suffix}", expected)


def test_geoparquet_is_equal(city, tmp_path, expected):  # noqa: F811
    import geopandas

    geopandas.GeoDataFrame(RECORDS, geometry=SHAPES, crs="EPSG:4490").to_parquet(tmp_path / "c.parquet")
    same_again(city, tmp_path, "c.parquet", expected)


def test_a_file_geodatabase_is_read_layer_by_layer(city, tmp_path, expected):  # noqa: F811
    columns = {name: pa.array([r[name] for r in RECORDS]) for name in RECORDS[0]}
    columns |= {name: columns[name].cast(pa.int32()) for name in ("cs", "nd")}
    table = pa.table(columns | {"geometry": pa.array(shapely.to_wkb(np.array(SHAPES, dtype=object)), pa.binary())})
    for layer in ("houses", "other"):
        pyogrio.write_arrow(
            table, tmp_path / "c.gdb", layer=layer, driver="OpenFileGDB", geometry_name="geometry", geometry_type="MultiPolygon",
            crs="EPSG:4490", append=layer == "other",
        )  # fmt: skip
    refused = ingest(city, tmp_path, "c.gdb", "--name", "s")
    assert (refused.code, "pass --layer NAME" in refused.err) == (1, True)
    same_again(city, tmp_path, "c.gdb", expected, "--layer", "houses")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_is_joined_to_its_outlines(city, tmp_path, expected, encoding):  # noqa: F811
    write_layer(tmp_path / "o.gpkg", [{"nr": str(n)} for n in range(6)], [*SHAPES, shapely.affinity.translate(SQUARE, 0.005)])
    with (tmp_path / "t.csv").open("w", encoding=encoding, newline="") as handle:
        writer = csv.DictWriter(handle, list(GOOD))
        writer.writeheader()
        writer.writerows(RECORDS)
    done, _ = loaded(city, tmp_path, "t.csv", "--name", "s", "--geometry", tmp_path / "o.gpkg", "--join", "fwbh=nr")
    assert (done["read"], done["rejected"], done["new"], done["outlines_without_record"]) == (5, 0, 0, 1)


def test_a_workbook_is_joined_and_a_record_without_outline_is_refused(city, tmp_path):  # noqa: F811
    write_layer(tmp_path / "o.gpkg", [{"nr": str(n)} for n in range(4)], SHAPES[:4])
    with (tmp_path / "t.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(GOOD))
        writer.writeheader()
        writer.writerows(RECORDS)
    if shutil.which("ogr2ogr") is None:
        pytest.skip("gdal-bin is not on this machine")
    subprocess.run(["ogr2ogr", "-f", "XLSX", tmp_path / "t.xlsx", tmp_path / "t.csv"], check=True, capture_output=True)
    done, state = loaded(city, tmp_path, "t.xlsx", "--geometry", tmp_path / "o.gpkg", "--join", "fwbh=nr")
    assert (done["accepted"], done["rejected_by_rule"]) == (4, {"G01": 1})
    assert state[0][1] == "教学楼0"


@pytest.mark.parametrize(("more", "fault"), [((), "a table has no outlines"), (("--geometry", "o.gpkg", "--join", "nope"), "missing nope")])
def test_a_table_without_its_outlines_says_what_is_missing(city, tmp_path, more, fault):  # noqa: F811
    write_layer(tmp_path / "o.gpkg", [{"nr": "1"}], [SQUARE])
    (tmp_path / "t.csv").write_text("district,fwbh,cs\n420111,1,3\n", encoding="utf-8")
    argv = [tmp_path / part if str(part).endswith("gpkg") else part for part in more]
    result = ingest(city, tmp_path, "t.csv", *argv)
    assert (result.code, fault in result.err) == (1, True)


def open_city(settings, sample_data, projected):
    """A city without boundaries around a real layer, somewhere in the world."""
    profile = yaml.safe_load((sample_data / "city.yaml").read_text(encoding="utf-8"))
    return profile | {"projected_crs": projected}


def test_the_same_korean_footprints_in_four_formats_make_the_same_buildings(settings, sample_data, tmp_path, real_data):
    # 177 records each (data set of mago-3d-tiler, MPL-2.0).
    folder = real_data / "footprints" / "same_in_4_formats"
    city_file = tmp_path / "city.yaml"
    city_file.write_text(yaml.safe_dump(open_city(settings, sample_data, "EPSG:5179"), allow_unicode=True), encoding="utf-8")
    assert run_cim(settings, "db", "profile", city_file).code == 0
    write_layer(tmp_path / "d.gpkg", [{"code": "420111006011", "name": "x", "level": "village"}], [shapely.box(127, 37, 128, 38)])
    assert run_cim(settings, "ingest", "divisions", tmp_path / "d.gpkg").code == 0
    profile = {
        **PROFILE,
        "natural_key": ["height"],
        "fields": {"height_m": {"source": "height", "type": "number", "unit": "m"}},
        "drop_personal": [],
    }
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(profile, allow_unicode=True), encoding="utf-8")
    counts = []
    for file in ("footprint.gpkg", "footprint.shp", "footprint.parquet", "footprint-with-height.geojson"):
        result = run_cim(
            settings, "ingest", "census", folder / file, "--profile", tmp_path / "p.yaml", "--json", "--dry-run", "--datum", "cgcs2000",
            *(["--crs", "EPSG:4326"] if file.endswith("x") else []),
        )  # fmt: skip
        assert result.code == 0, result.err
        done = result.json()[0]
        assert done["read"] == 177
        counts.append((done["accepted"], done["rejected_by_rule"].get("A03")))
    assert len(set(counts)) == 1, counts


@pytest.mark.parametrize(
    ("file", "layer", "box", "projected", "read"),
    [
        ("wuhan_guanggu_osm.gpkg", "buildings", (114.3, 30.4, 114.5, 30.6), "EPSG:4547", 237),
        ("shanghai_lujiazui_osm.gpkg", "buildings", (121.3, 31.1, 121.7, 31.4), "EPSG:4549", 1450),
        ("nyc_osm.gpkg.zip", "buildings", (-74.3, 40.4, -73.6, 41.0), "EPSG:32618", 113089),
    ],
)
def test_real_layers_load_with_counts_that_add_up(settings, sample_data, tmp_path, real_data, file, layer, box, projected, read):
    source = real_data / "footprints" / file
    if file.endswith(".zip"):
        subprocess.run(["unzip", "-qo", source, "-d", tmp_path], check=True) if shutil.which("unzip") else shutil.unpack_archive(
            source, tmp_path
        )
        source = next(tmp_path.rglob("*.gpkg"))
    city_file = tmp_path / "city.yaml"
    city_file.write_text(yaml.safe_dump(open_city(settings, sample_data, projected), allow_unicode=True), encoding="utf-8")
    assert run_cim(settings, "db", "profile", city_file).code == 0
    write_layer(tmp_path / "d.gpkg", [{"code": "420111006011", "name": "x", "level": "village"}], [shapely.box(*box)])
    assert run_cim(settings, "ingest", "divisions", tmp_path / "d.gpkg").code == 0
    argv = ["ingest", "census", source, "--layer", layer, "--profile", "osm-footprints", "--datum", "cgcs2000", "--name", "osm", "--json"]
    result = run_cim(settings, *argv)
    assert result.code == 0, result.err
    done = result.json()[0]
    assert done["read"] == read == done["accepted"] + done["rejected"]
    assert rows(settings, "SELECT count(*), count(DISTINCT code) FROM building") == [(done["accepted"], done["accepted"])]
    again = run_cim(settings, *argv, "--report", tmp_path / "report").json()[0]
    assert (again["accepted"], again["unchanged"], again["rejected"]) == (0, done["accepted"], done["rejected"])
    meta = pyogrio.read_info(tmp_path / "report" / "rejects.gpkg") if done["rejected"] else {"features": 0}
    assert meta["features"] == done["rejected"]


def test_two_dask_workers_give_the_same_register(city, tmp_path, store):  # noqa: F811
    random = np.random.default_rng(3)
    records = [
        {**GOOD, "fwbh": str(n), "cs": int(random.integers(1, 30)), "jglx": str(random.choice(["1", "5", "9"]))} for n in range(3000)
    ]
    shapes = [shapely.affinity.translate(SQUARE, 0.0002 * (n % 45), 0.0003 * (n // 45) - 0.009) for n in range(3000)]
    write_layer(tmp_path / "c.gpkg", records, shapes)
    state = "SELECT source_key, code, division_code, storeys_above, footprint_area_m2, ST_AsBinary(geom) FROM building ORDER BY code"
    first = ingest(city, tmp_path, "c.gpkg").json()[0]
    here = rows(city, state)
    with engine.connect(city) as connection:
        connection.execute("SET session_replication_role = replica")  # a test's privilege: the tables refuse it otherwise
        connection.execute("TRUNCATE building, building_history, external_code, dataset, code_counter CASCADE")
    second = ingest(city, tmp_path, "c.gpkg", "--scheduler", "local:2").json()[0]
    assert second == first
    assert rows(city, state) == here


def test_personal_fields_are_kept_only_encrypted_and_only_when_the_profile_says_so(city, tmp_path):  # noqa: F811
    # 11010519491231002X is the example number of GB 11643.
    record = {**GOOD, "sfz": "11010519491231002X"}
    profile = {**PROFILE, "drop_personal": [], "keep_encrypted": ["hzxm", "sfz"], "id_card": "sfz"}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(profile, allow_unicode=True), encoding="utf-8")
    write_layer(tmp_path / "c.gpkg", [record, {**record, "fwbh": "2", "sfz": "110105194912310021"}], SHAPES[:2])
    refused = ingest(city, tmp_path)
    assert (refused.code, "CIM_PERSONAL_KEY" in refused.err) == (1, True)
    key = "0123456789abcdeffedcba9876543210"
    keyed = city.model_copy(update={"personal_key": SecretStr(key)})
    done = ingest(keyed, tmp_path).json()[0]
    assert (done["accepted"], done["personal_encrypted"], done["warnings_by_rule"]["P01"]) == (2, {"hzxm": 2, "sfz": 2}, 1)
    kept = rows(city, "SELECT field, ciphertext FROM personal_data ORDER BY id")
    assert [field for field, _ in kept] == ["hzxm", "sfz", "hzxm"]
    cipher = Cipher(bytes.fromhex(key))
    assert [cipher.decrypt(text) for _, text in kept] == ["张三", "11010519491231002X", "张三"]
    with engine.connect(city) as connection:
        tables = [r[0] for r in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()]
        for name in tables:
            text = connection.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {name} t").fetchone()[0]
            assert "张三" not in text, name
            assert "11010519491231002X" not in text, name
