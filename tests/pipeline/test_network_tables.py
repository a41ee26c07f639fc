"""CJJ 61 tables in the containers cities send: the same survey in another format changes nothing in the store."""

import csv
import subprocess
from pathlib import Path

import pytest

from cim.db import engine, profiles
from cim.profile import read_profile
from tests.support.cli import run_cim

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "sample_data" / "networks"
KIND = "LD"


@pytest.fixture(scope="module")
def city(module_settings, tmp_path_factory):
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, read_profile(ROOT / "sample_data" / "city.yaml"))
    loaded = run_cim(module_settings, *argv([SOURCE / f"{KIND}{part}.csv" for part in ("POINT", "LINE")]))
    assert loaded.code == 0, loaded.err
    assert loaded.json()[0]["accepted"] == rows("POINT") + rows("LINE")
    return module_settings


def rows(part):
    with (SOURCE / f"{KIND}{part}.csv").open(encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def argv(files):
    return ["ingest", "network", *files, "--profile", SOURCE / "profile.yaml", "--name", "tables", "--json"]


def ogr2ogr(target, part, driver, *more):
    source = SOURCE / f"{KIND}{part}.csv"
    subprocess.run(
        ["ogr2ogr", "-f", driver, target, source, "-nln", f"{KIND}{part}", "-oo", "AUTODETECT_TYPE=NO", *more],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip


def as_xlsx(folder):
    for part in ("POINT", "LINE"):
        ogr2ogr(folder / f"{KIND}{part}.xlsx", part, "XLSX")
    return [folder / f"{KIND}{part}.xlsx" for part in ("POINT", "LINE")]


def as_dbf(folder):
    for part in ("POINT", "LINE"):
        ogr2ogr(folder / f"{KIND}{part}.dbf", part, "ESRI Shapefile", "-lco", "ENCODING=UTF-8")
    return [folder / f"{KIND}{part}.dbf" for part in ("POINT", "LINE")]


def as_shapefile(folder):
    """With geometry: points at (Y, X), for X is the northing."""
    for part, shape in (
        ("POINT", "MakePoint(CAST(Y AS real), CAST(X AS real))"),
        ("LINE", "MakeLine(MakePoint(CAST(S_Y AS real), CAST(S_X AS real)), MakePoint(CAST(E_Y AS real), CAST(E_X AS real)))"),
    ):
        more = ("-dialect", "SQLite", "-sql", f"SELECT *, {shape} FROM {KIND}{part}", "-a_srs", "EPSG:4547", "-lco", "ENCODING=UTF-8")
        ogr2ogr(folder / f"{KIND}{part}.shp", part, "ESRI Shapefile", *more)
    return [folder / f"{KIND}{part}.shp" for part in ("POINT", "LINE")]


def as_geopackage(folder):
    """Both tables as layers of one file."""
    ogr2ogr(folder / "survey.gpkg", "POINT", "GPKG")
    ogr2ogr(folder / "survey.gpkg", "LINE", "GPKG", "-update")
    return [folder / "survey.gpkg"]


@pytest.mark.parametrize("write", [as_xlsx, as_dbf, as_shapefile, as_geopackage])
def test_the_same_survey_in_another_container_changes_nothing(city, tmp_path, write):
    result = run_cim(city, *argv(write(tmp_path)))
    assert result.code == 0, result.err + result.out
    outcome = result.json()[0]
    assert outcome["read"] == rows("POINT") + rows("LINE")
    assert (outcome["rejected"], outcome["accepted"], outcome["unchanged"]) == (0, 0, outcome["read"]), outcome
