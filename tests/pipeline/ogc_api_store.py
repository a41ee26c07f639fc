"""A small hand-made city for the HTTP tests, and a running server over it."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from psycopg.types.json import Jsonb

from cim.db.engine import Connection, connect
from cim.db.profiles import save_profile
from cim.ids import new_id
from cim.profile import CityProfile, Names
from cim.settings import Settings
from ogc_api.app import create_app
from ogc_api.cli import listen

COUNTY = "420111"
PROFILE = CityProfile(
    name=Names(en="Sample City", zh="样例城"),
    division_codes=["4201"],
    projected_crs="EPSG:4547",
    geoid_separation_m=-12.0,
    notices=[Names(en="Buildings © OpenStreetMap contributors", zh="建筑 © OpenStreetMap 贡献者")],
)
BUILDINGS = [
    # code, west, south [deg, EPSG:4490], use, storeys, height [m], name
    ("420111001001202600001", 114.40, 30.50, "office", 18, 54.0, "Tower <A> & B"),
    ("420111001001202600002", 114.41, 30.51, "residential", 6, 18.0, None),
    ("420111001001202600003", 114.42, 30.52, "office", 3, None, "西楼"),
]
SIDE = 0.001
"""Side of a footprint [deg]."""


def change_set(connection: Connection) -> str:
    identifier = new_id()
    connection.execute(
        "INSERT INTO change_set (id, author, operation, reason) VALUES (%s, 'test', 'ingest', 'test')",
        [identifier],
    )
    return str(identifier)


def add_dataset(connection: Connection, kind: str, name: str, *, is_synthetic: bool = False) -> None:
    connection.execute(
        """INSERT INTO dataset (kind, name, version, source, sha256, licence, provider, is_synthetic, n_read, n_accepted, n_unchanged, n_rejected)
           VALUES (%s, %s, 1, 'f', '0', 'ODbL-1.0', 'OpenStreetMap contributors', %s, 0, 0, 0, 0)""",
        [kind, name, is_synthetic],
    )


def add_buildings(connection: Connection) -> None:
    written_by = change_set(connection)
    for code, west, south, use, storeys, height, name in BUILDINGS:
        connection.execute(
            """INSERT INTO building (code, code_scheme, county_code, division_code, name, use, storeys_above, height_m, geom, change_set_id,
                                     source_dataset, valid_from)
               VALUES (%(code)s, 'CIM-BC27-v1', %(county)s, '420111001001', %(name)s, %(use)s, %(storeys)s, %(height)s,
                       ST_Multi(ST_MakeEnvelope(%(west)s, %(south)s, %(west)s + %(side)s, %(south)s + %(side)s, 4490)), %(written_by)s,
                       'guanggu', '2024-01-01T00:00:00Z')""",
            {
                "code": code,
                "county": COUNTY,
                "name": name,
                "use": use,
                "storeys": storeys,
                "height": height,
                "west": west,
                "south": south,
                "side": SIDE,
                "written_by": written_by,
            },
        )


def add_water_points(connection: Connection) -> None:
    written_by = change_set(connection)
    for number, z in ((1, 20.5), (2, 25.5)):
        connection.execute(
            """INSERT INTO network_node (kind, code, county_code, survey_no, geom, change_set_id, source_dataset)
               VALUES ('water', %s, %s, %s, ST_SetSRID(ST_MakePoint(114.4, 30.5, %s), 4490), %s, 'water')""",
            [f"W{number}", COUNTY, str(number), z, written_by],
        )


def add_model(connection: Connection) -> None:
    add_dataset(connection, "bim", "school")
    row = connection.execute("SELECT id FROM dataset WHERE kind = 'bim'").fetchone()
    assert row is not None
    connection.execute(
        """INSERT INTO bim_model (code, name, dataset_id, ifc_schema, sha256, file_size_bytes, n_elements, georef_method, georef_note,
                                  projected_crs, placement, source_dataset)
           VALUES ('BIM-2026-000001', 'School', %s, 'IFC4', '00', 1, 1, 'option', 'test', 'EPSG:4547',
                   ARRAY[1,0,0,0, 0,1,0,0, 0,0,1,0, 0,0,0,1]::float8[], 'school')""",
        [row[0]],
    )
    connection.execute(
        """INSERT INTO bim_element (code, model_code, global_id, ifc_class, geom_status, properties)
           VALUES ('BIM-2026-000001/0$_aZ', 'BIM-2026-000001', '0$_aZ', 'IfcWall', 'empty', %s)""",
        [Jsonb({"Pset_WallCommon": {"LoadBearing": True}})],
    )


def add_tileset(connection: Connection, tiles: Path) -> None:
    layer = tiles / "buildings"
    (layer / "0").mkdir(parents=True)
    (layer / "tileset.json").write_text('{"asset":{"version":"1.1"}}' + " " * 2000)
    (layer / "0" / "1.glb").write_bytes(b"glTF-bytes")
    (tiles / "secret.txt").write_text("secret")
    connection.execute(
        """INSERT INTO tileset (layer, kind, collection, style_version, title, n_features, n_tiles, bytes, uri, geom, is_synthetic)
           VALUES ('buildings', 'buildings', 'buildings', '1', '{"en": "Buildings", "zh": "建筑物"}', 3, 1, 10, 'buildings/tileset.json',
                   ST_MakeEnvelope(114.4, 30.5, 114.421, 30.521, 4490), false)"""
    )


def fill(settings: Settings) -> None:
    with connect(settings) as connection:
        save_profile(connection, PROFILE)
        add_dataset(connection, "census", "guanggu")
        add_buildings(connection)
        add_model(connection)
        add_tileset(connection, Path(settings.tiles_url))


@contextlib.contextmanager
def running(settings: Settings, **options: Path) -> Iterator[str]:
    """Serve on a free port; the value is the address."""
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(settings, **options), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
