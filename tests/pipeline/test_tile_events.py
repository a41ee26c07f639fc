"""Edits and events of a small city: what is rewritten, what leaves, what is read once."""

from pathlib import Path

import pytest

from cim.db import engine, outbox, tilesets
from cim.db.changes import open_change_set
from tests.support.small_city import GEOID, MODEL, add_building, build, code, edit, edit_node, features, files, fill
from tiles.build import rebuild_changed
from tiles.layers import networks
from tiles.validate import check_content, validate_layer


@pytest.fixture
def city(settings):
    return fill(settings)


def test_an_edit_rewrites_one_tile_and_removes_its_old_content(city):
    built = build(city)
    rebuild_changed(city)
    before = files(city)
    edit(city, 7, height_m=99.0)
    assert rebuild_changed(city) == ["buildings"]
    after = files(city)
    changed = {name for name in set(before) | set(after) if before.get(name) != after.get(name)}
    assert built["buildings"]["tiles"] > 2
    # The tile of the building and the far views above it, each old and new; the document.
    leaf = next(name for name in changed if name in after and building_in(after[name][1], code(7)))
    key = Path(leaf).name.split("-")[0]
    keys = {Path(name).name.split("-")[0].replace("root", "") for name in changed if "/content/" in name}
    assert all(key.startswith(above) for above in keys)
    # The layer has become higher, so the box of the city too.
    assert {name for name in changed if "/content/" not in name} == {"buildings/tileset.json", "tileset.json"}
    assert len(keys) * 2 == len(changed) - 2 < built["buildings"]["tiles"]
    vertices, _ = features(city, "buildings")
    assert vertices[code(7)][:, 2].max() == pytest.approx(25.0 + GEOID + 99.0, abs=0.01)
    assert validate_layer(city, "buildings").faults == []


def building_in(content, name):
    return content[:4] == b"glTF" and name in check_content(content)[0]


def test_events_are_read_once(city):
    build(city)
    rebuild_changed(city)
    assert rebuild_changed(city) == []
    with engine.connect(city) as connection:
        assert not outbox.has_unread(connection, "tiles")


def test_events_that_are_committed_late_are_not_lost(city):
    build(city)
    rebuild_changed(city)
    with engine.connect(city) as slow:
        by = open_change_set(slow, author="test", operation="ingest", reason="a long one")
        add_building(slow, by, 70)
        edit_node(city)
        assert rebuild_changed(city) == ["networks/sewage"]
        slow.commit()
    assert "buildings" in rebuild_changed(city)
    assert code(70) in features(city, "buildings")[0]
    assert rebuild_changed(city) == []


def test_a_demolished_building_leaves_the_tiles_and_the_last_one_takes_the_layer_along(city):
    build(city)
    edit(city, 3, status="demolished")
    rebuild_changed(city)
    assert code(3) not in features(city, "buildings")[0]
    with engine.connect(city) as connection:
        by = open_change_set(connection, author="test", operation="demolish", reason="test")
        connection.execute("UPDATE building SET status = 'demolished', version = version + 1, change_set_id = %s", [by])
    assert build(city)["buildings"]["removed"] is True
    assert not [name for name in files(city) if name.startswith("buildings/")]
    with engine.connect(city) as connection:
        assert "buildings" not in [row.layer for row in tilesets.fetch_tilesets(connection)]


def test_a_removed_model_takes_its_layer_along(city):
    build(city)
    with engine.connect(city) as connection:
        connection.execute("DELETE FROM bim_mesh")
        connection.execute("DELETE FROM bim_model")
    assert build(city)[f"bim/{MODEL}"]["removed"] is True
    assert not [name for name in files(city) if name.startswith("bim/")]


def test_a_build_removes_what_a_killed_one_left(city):
    build(city)
    stray = Path(city.tiles_url) / "buildings/content/.x.glb.1.part"
    stray.write_bytes(b"half")
    assert any(".part: no tile refers to it" in fault for fault in validate_layer(city, "buildings").faults)
    build(city)
    assert not stray.exists()


def test_a_missing_content_is_written_again(city):
    build(city)
    lost = next((Path(city.tiles_url) / "buildings/content").iterdir())
    lost.unlink()
    assert build(city)["buildings"]["written"] == 1
    assert lost.exists()


def test_an_edited_pipe_is_measured_alone_and_gives_the_files_of_a_build_from_scratch(city, monkeypatch):
    with engine.connect(city) as connection:
        by = open_change_set(connection, author="test", operation="ingest", reason="test")
        # Far enough apart for a tile each.
        connection.execute(
            """INSERT INTO network_edge (kind, code, county_code, start_node, end_node, diameter_mm, depth_reference, geom, source_dataset,
                                         change_set_id)
               SELECT 'sewage', 'FAR' || i, '420111', 'WS0', 'WS1', 300, 'crown',
                      ST_SetSRID(ST_MakeLine(ST_MakePoint(114.5 + i * 0.05, 30.6, 20), ST_MakePoint(114.501 + i * 0.05, 30.6, 21)), 4490),
                      'net', %s FROM generate_series(0, 5) i""",
            [by],
        )
    build(city)
    rebuild_changed(city)
    measured = []
    monkeypatch.setattr(networks, "_reach", lambda *told: measured.append(len(told[1])) or plain_reach(*told))
    with engine.connect(city) as connection:
        by = open_change_set(connection, author="test", operation="edit", reason="test")
        connection.execute("UPDATE network_edge SET diameter_mm = 900, change_set_id = %s, version = version + 1 WHERE code = 'FAR3'", [by])
    assert rebuild_changed(city) == ["networks/sewage"]
    assert measured == [1]
    updated = {name: content for name, (_, content) in files(city).items()}
    build(city, "--force")
    assert {name: content for name, (_, content) in files(city).items()} == updated
    assert validate_layer(city, "networks/sewage").faults == []


plain_reach = networks._reach
