"""``cim export``: killed, failed and refused exports leave the files as they were."""

import subprocess
import sys

import pytest

from cim.commands import export as command
from cim.crs import CrsError
from cim.errors import ConfigError, InvalidParameterError, NotFoundError, UnknownCollectionError
from cim.exchange.model import ExchangeError
from tests.support.exports import SHAPES, export
from tests.support.server import environment

_SLOW = """
import sys, time
from pathlib import Path
from cim.commands import export as command
from cim.settings import load_settings
command.BATCH_ROWS = 2
real = command.reads.read_batches
def slow(*args, **kwargs):
    for number, rows in enumerate(real(*args, **kwargs)):
        if number == 1:
            print("half", flush=True)
            time.sleep(120)
        yield rows
command.reads.read_batches = slow
query = command.reads.ExportQuery(command.reads.export_collections()["buildings"])
command.run_export(load_settings(), query, Path(sys.argv[1]))
"""


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet", ".fgb", ".csv", ".city.json"])
def test_a_killed_export_leaves_no_target_and_the_next_one_tidies_up(register, tmp_path, suffix):
    file = tmp_path / f"k{suffix}"
    child = subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(file)], env=environment(register), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout.readline() == "half\n", child.stderr.read()
        # A running export's folder is not swept by another one of the same name.
        export(register, "buildings", file)
        assert any(path.name.endswith(".part") for path in tmp_path.iterdir())
        file.unlink()
        child.kill()
    assert child.returncode == -9
    assert not file.exists()
    assert export(register, "buildings", file)["rows"] == len(SHAPES)
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_while_reading_leaves_what_was_there(register, tmp_path, monkeypatch):
    file = tmp_path / "b.gpkg"
    export(register, "buildings", file)
    before = file.read_bytes()

    def broken(connection, query, *, size):
        connection.execute("SELECT 1 / 0")
        yield []

    monkeypatch.setattr(command.reads, "read_batches", broken)
    with pytest.raises(Exception, match="division by zero"):
        export(register, "buildings", file, "--overwrite")
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_an_existing_file_is_kept_without_overwrite(demo_city, tmp_path):
    file = tmp_path / "b.csv"
    file.write_text("mine")
    with pytest.raises(InvalidParameterError, match="does not exist yet") as caught:
        export(demo_city[0], "buildings", file)
    assert "--overwrite" in caught.value.hint
    assert file.read_text() == "mine"
    export(demo_city[0], "buildings", file, "--overwrite")
    assert file.read_bytes().startswith(b"\xef\xbb\xbfcode")


@pytest.mark.parametrize(
    ("argv", "error", "says"),
    [
        (["houses", "x.gpkg"], UnknownCollectionError, "'houses'.*buildings"),
        (["buildings", "x.shp"], InvalidParameterError, r"x\.shp.*\.gpkg, \.parquet"),
        (["addresses", "x.city.json"], InvalidParameterError, "CityJSON carries buildings, city-objects only"),
        (["buildings", "x.gpkg", "--division", "999999"], NotFoundError, "division 999999"),
        (["buildings", "x.gpkg", "--division", "42011"], InvalidParameterError, "'42011'.*6 .county."),
        (["buildings", "x.gpkg", "--division", "洪山区"], InvalidParameterError, "--division"),
        (["buildings", "x.gpkg", "--date", "2999-01-01"], InvalidParameterError, "up to now"),
        (["buildings", "x.gpkg", "--date", "1 May"], InvalidParameterError, "'1 May'.*2026-05-01"),
        (["buildings", "x.gpkg", "--date", "2026-05-01T08:00:00"], InvalidParameterError, "time zone"),
        (["buildings", "x.gpkg", "--status", "ruined"], InvalidParameterError, "'ruined'.*existing"),
        (["buildings", "x.gpkg", "--crs", "EPSG:5737"], InvalidParameterError, "EPSG:5737"),
        (["buildings", "x.gpkg", "--crs", "EPSG:4978"], InvalidParameterError, "two-dimensional"),
        (["buildings", "x.gpkg", "--crs", "EPSG:27700"], InvalidParameterError, "EPSG:27700.*114"),
        (["buildings", "x.gpkg", "--crs", "nonsense"], CrsError, "nonsense"),
        (["buildings", "x.city.json", "--crs", "EPSG:4490"], InvalidParameterError, "projected CRS in metres"),
        (["buildings", "no/such/folder/x.gpkg"], ExchangeError, "cannot be written"),
        (["water-lines", "x.gpkg", "--division", "420111003"], NotFoundError, "420111003: no boundary"),
    ],
)
def test_every_refusal_names_what_was_found_and_expected(register, tmp_path, monkeypatch, argv, error, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=says):
        export(register, *argv)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_division_points_to_the_command_that_loads_it(register, tmp_path):
    with pytest.raises(NotFoundError) as caught:
        export(register, "buildings", tmp_path / "x.gpkg", "--division", "330109")
    assert "cim ingest divisions" in caught.value.hint


def test_cityjson_needs_a_city_profile_and_the_others_do_not(settings, tmp_path):
    with pytest.raises(ConfigError, match="city profile"):
        export(settings, "buildings", tmp_path / "x.city.json")
    assert export(settings, "buildings", tmp_path / "x.gpkg")["rows"] == 0
