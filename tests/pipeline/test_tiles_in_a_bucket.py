"""The tile store in an S3-compatible bucket: built, changed, validated and served as from a folder."""

import socket

import pytest
import s3fs
from moto.server import ThreadedMotoServer

from cim.db import engine, profiles, superseded, tilesets
from cim.errors import TileError, TileStoreUnavailableError
from ogc_api.tiles3d import TileStore as ServedStore
from tests.support.cli import run_cim
from tests.support.many_buildings import PROFILE, N, add, box, change, code
from tiles.build import build_layers, rebuild_changed
from tiles.store import TileStore
from tiles.validate import validate_layer


@pytest.fixture(scope="module")
def moto():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def bucket(moto):
    host, port = moto.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ENDPOINT_URL", f"http://{host}:{port}"), ("AWS_ACCESS_KEY_ID", "not-for-eyes"), ("AWS_SECRET_ACCESS_KEY", "not-for-logs"),
            ("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_MAX_ATTEMPTS", "1"),
        ):  # fmt: skip
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("city")
        yield "s3://city/tiles"


@pytest.fixture(scope="module")
def city(module_settings, bucket):
    settings = module_settings.model_copy(update={"tile_store": bucket})
    with engine.connect(settings) as connection:
        profiles.save_profile(connection, PROFILE)
        add(connection, [(N + i, box(114.4 + i % 40 * 0.0002, 30.5 + i // 40 * 0.0002)) for i in range(1_600)])
    build_layers(settings, ["buildings"])
    rebuild_changed(settings)
    return settings


def test_a_city_in_a_bucket_is_complete_and_an_edit_replaces_its_tiles(city):
    store = TileStore(city.tiles_url)
    before = store.names("buildings")
    assert "buildings/tileset.json" in before
    assert validate_layer(city, "buildings", sample=50).faults == []
    change(city, "UPDATE building SET height_m = 61, change_set_id = %(by)s, version = version + 1 WHERE code = %(code)s", code=code(N + 7))
    assert rebuild_changed(city) == ["buildings"]
    report = validate_layer(city, "buildings", sample=50)
    assert (report.faults, report.features) == ([], 1_600)
    # No grace in tests: what was superseded is gone, nothing else is.
    after = store.names("buildings")
    assert 0 < len(before - after) == len(after - before) < len(before)
    with engine.connect(city) as connection:
        assert superseded.fetch_names(connection, "buildings") == set()
        tiles = tilesets.fetch_input_hashes(connection, "buildings")
    assert {f"buildings/{tile.uri}" for tile in tiles.values() if tile.uri} <= after


def test_the_server_reads_the_bucket_and_tells_versions_apart(city):
    served = ServedStore(city.tiles_url)
    body, tag = served.read("buildings/tileset.json")
    assert body.startswith(b'{"asset":{"version":"1.1"')
    assert served.tag("buildings/tileset.json") == tag
    change(city, "UPDATE building SET height_m = 62, change_set_id = %(by)s, version = version + 1 WHERE code = %(code)s", code=code(N + 8))
    rebuild_changed(city)
    assert served.read("buildings/tileset.json")[1] != tag


def test_an_outage_in_the_middle_of_a_build_is_named_and_leaves_the_published_city(city, bucket, moto, monkeypatch):
    before = {name: TileStore(city.tiles_url).read(name) for name in TileStore(city.tiles_url).names("buildings")}
    with engine.connect(city) as connection:
        rows = tilesets.fetch_input_hashes(connection, "buildings")
    change(city, "UPDATE building SET height_m = 63, change_set_id = %(by)s, version = version + 1")
    written = []

    def write(self, name, content):
        if len(written) == 3:
            moto.stop()
        written.append(name)
        plain_write(self, name, content)

    plain_write = TileStore.write
    try:
        with monkeypatch.context() as patch:
            patch.setattr(TileStore, "write", write)
            with pytest.raises(TileStoreUnavailableError) as caught:
                build_layers(city, ["buildings"])
        assert len(written) > 3
        told = caught.value
        assert told.message.startswith("tile store s3://city/tiles: found no answer for buildings/")
        assert all(secret not in f"{told.message} {told.hint}" for secret in ("not-for-eyes", "not-for-logs"))
        assert "CIM_TILE_STORE" in told.hint
        # The command says the same and asks to be run again.
        result = run_cim(city, "tiles", "build", "buildings")
        assert result.code == 75
        assert "s3://city/tiles" in result.err
        assert "not-for-" not in result.err
        with pytest.raises(TileStoreUnavailableError):
            ServedStore(city.tiles_url).read("buildings/tileset.json")
    finally:
        moto.start()
    store = TileStore(city.tiles_url)
    assert {name: store.read(name) for name in before} == before
    with engine.connect(city) as connection:
        assert tilesets.fetch_input_hashes(connection, "buildings") == rows
    # The next build is whole and clears away what the broken one left.
    build_layers(city, ["buildings"])
    rebuild_changed(city)
    assert validate_layer(city, "buildings", sample=50).faults == []


def test_a_file_that_is_not_in_the_bucket_is_named(city):
    with pytest.raises(TileError, match=r"buildings/gone.glb is missing"):
        TileStore(city.tiles_url).read("buildings/gone.glb")
