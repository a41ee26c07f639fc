"""3D Tiles: a city out of PostGIS, one edited building, tiles on request; py3dtiles' export on the same buildings in the same run.

py3dtiles gets its buildings extruded and in memory, and writes neither normals that fit nor feature ids; ours reads PostGIS, extrudes,
places in EPSG:4978, and writes codes and six properties. The surfaces of both are compared before times count. Published rates of others
are named in the rows that have no peer to run: pg2b3dm needs .NET.
"""

import argparse
import contextlib
import io
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import shapely
from py3dtiles.export import wkbs_to_tileset
from py3dtiles.tilers.b3dm.wkb_utils import TriangleSoup
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.data import census_city
from benchmarks.support.first_view import first_view
from cim.db import engine, outbox, profiles, tile_reads, tilesets
from cim.db.arrow_copy import copy_in
from cim.db.arrow_read import ArrowReader
from cim.db.changes import open_change_set
from cim.db.cluster import Cluster
from cim.db.migrate import migrate
from cim.geoid import Geoid
from cim.profile import CityProfile, Names
from cim.settings import Settings
from tiles import grid
from tiles.build import READER, build_layers, rebuild_changed
from tiles.city import plan_cells
from tiles.glb_read import Glb
from tiles.layers.buildings import Heights, encode_cell

PEER_SIZE = 1_000
ROUNDS = 3
EDITS = 15
PG2B3DM = 3_827
"""Buildings per second of the fastest published run of pg2b3dm (46 million, IGN France), read in its README on 2026-11-20."""
GEOID_M = -13.0


def fill(settings: Settings, n: int) -> None:
    """Fill a store with n buildings, past the register's checks: only their shapes and attributes matter here."""
    table, shapes = census_city(n)
    random = np.random.default_rng(5)
    wkb = shapely.to_wkb(shapely.set_srid(_multi(shapes), 4490), include_srid=True)
    with engine.connect(settings) as connection:
        profiles.save_profile(
            connection,
            CityProfile(
                name=Names(en="City", zh="城"), division_codes=["420111"], projected_crs="EPSG:4547", geoid_separation_m=GEOID_M, notices=[]
            ),
        )
        by = connection.execute("INSERT INTO change_set (author, operation, reason) VALUES ('b', 'ingest', 'b') RETURNING id").fetchone()[0]
        connection.execute("SET LOCAL session_replication_role = replica")
        one = {"code_scheme": "CIM-BC27-v1", "county_code": "420111", "division_code": "420111001001", "source_dataset": "census"}
        columns: dict[str, Any] = {
            "code": pa.array([f"4201110010012026{i:011d}" for i in range(n)]), "height_m": table.column("gd"),
            "height_source": pa.array(["surveyed"] * n), "ground_elevation_m": pa.array(random.uniform(20.0, 30.0, n)),
            "storeys_above": table.column("dscs"), "use": pa.array(random.choice(["residential", "commercial", "office", "industrial"], n)),
            "structure": pa.array(random.choice(["RC", "MAS"], n)), "year_built": pa.array(random.integers(1950, 2025, n)),
            "geom": pa.array(wkb), "change_set_id": pa.array([by.bytes] * n, pa.binary()), **{k: pa.array([v] * n) for k, v in one.items()},
        }  # fmt: skip
        kinds = dict.fromkeys(columns, "text") | {
            "height_m": "float8", "ground_elevation_m": "float8", "storeys_above": "int2", "year_built": "int2", "geom": "geometry",
            "change_set_id": "uuid",
        }  # fmt: skip
        copy_in(connection, "building", [pa.table(columns)], kinds)
    with engine.connect(settings, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE building")


def _multi(shapes: np.ndarray) -> np.ndarray:
    return np.array([shapely.MultiPolygon([shape]) for shape in shapes], dtype=object)


class Memory(threading.Thread):
    """Peak resident memory of this process while it runs [MB]."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self._ended = 0.0, threading.Event()

    def run(self) -> None:
        """Look every 20 ms."""
        while not self._ended.wait(0.02):
            text = Path("/proc/self/status").read_text(encoding="ascii")
            self.peak = max(self.peak, float(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS"))) / 1024)

    def stop(self) -> float:
        """Return the peak."""
        self._ended.set()
        self.join()
        return self.peak


def solids(settings: Settings, n: int) -> tuple[list[bytes], list[str], Callable[[], float]]:
    """Return n buildings as py3dtiles wants them: walls and roof as MultiPolygon Z in metres, and their surface from our own tiles."""
    with ArrowReader(settings) as reader:
        counts, _ = tile_reads.fetch_building_cells(reader, grid.BASE_LEVEL, tile_reads.STANDING)
        # The plan covers the earth: most of its cells are empty.
        read = (
            (key, tile_reads.fetch_building_table(reader, grid.bounds(key), tile_reads.STANDING))
            for key in plan_cells(counts, at_most=2_500) if len(key) > 8
        )  # fmt: skip
        key, rows = next((key, rows) for key, rows in read if rows.num_rows >= n)
    made = encode_cell(rows, key, Heights(Geoid(GEOID_M), 25.0), compress=True)
    names = {code for one in made for code in Glb(one.glb or b"").column(0, "code")}
    found = [(row["code"], row["height_m"], row["geom"]) for row in rows.to_pylist() if row["code"] in names][:n]
    chosen = {code for code, _, _ in found}
    wkbs = []
    for _, height, wkb in found:
        outline = shapely.get_coordinates(shapely.orient_polygons(shapely.from_wkb(wkb)).geoms[0])
        xy = (outline - (114.4, 30.5)) * (95_900.0, 110_900.0)
        low, high = np.column_stack((xy, np.zeros(len(xy)))), np.column_stack((xy, np.full(len(xy), height + 1.0)))
        walls = [np.array([low[i], low[i + 1], high[i + 1], high[i], low[i]]) for i in range(len(xy) - 1)]
        wkbs.append(
            shapely.to_wkb(
                shapely.MultiPolygon([*map(shapely.Polygon, walls), shapely.Polygon(high)]), output_dimension=3, byte_order=1, flavor="iso"
            )
        )

    def own_surface() -> float:
        total = 0.0
        for one in made:
            glb = Glb(one.glb or b"")
            mine = np.array([code in chosen for code in glb.column(0, "code")])
            for part in glb.parts():
                total += _surface(part.vertices[part.triangles][mine[part.features[part.triangles[:, 0]]]])
        return total

    return wkbs, [code for code, _, _ in found], own_surface


def _surface(corners: np.ndarray) -> float:
    return float(np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2)


def peer(wkbs: list[bytes], codes: list[str], folder: Path) -> float:
    """Write buildings by py3dtiles; return seconds."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        wkbs_to_tileset(list(wkbs), list(codes), np.eye(4, dtype=np.float32).flatten("F"), folder)
    return time.perf_counter() - started


def peer_surface(wkbs: list[bytes]) -> float:
    """Return the surface of py3dtiles' triangles [m2]; not out of its files, whose buildings share the first one's indices."""
    return sum(_surface(np.array(TriangleSoup.from_wkb_multipolygon(wkb).triangles[0], dtype=np.float64)) for wkb in wkbs)


def full_builds(settings: Settings, n: int, alternate: Callable[[], float]) -> tuple[float, float, float, list[float], float]:
    """Build everything several times, the peer in between; return best and median buildings/s, per cpu-s, the peer's seconds, peak MB."""
    build_layers(settings, ["buildings"], force=True)
    rates, per_cpu, others = [], [], []
    memory = Memory()
    memory.start()
    for _ in range(ROUNDS):
        cpu, started = time.process_time(), time.perf_counter()
        result = build_layers(settings, ["buildings"], force=True)[0]
        seconds = time.perf_counter() - started
        assert (result.features, result.bad) == (n, [])
        rates.append(n / seconds)
        per_cpu.append(n / (time.process_time() - cpu))
        others.append(alternate())
    return max(rates), float(np.median(rates)), float(np.median(per_cpu)), others, memory.stop()


def edits(settings: Settings) -> list[float]:
    """Edit buildings one by one; return the seconds from the committed edit to the replaced tiles."""
    rebuild_changed(settings)
    with engine.connect(settings) as connection:
        outbox.mark_read(connection, READER, outbox.newest_event(connection))
        codes = [row[0] for row in connection.execute("SELECT code FROM building ORDER BY md5(code) LIMIT %s", [EDITS]).fetchall()]
    seconds = []
    for code in codes:
        with engine.connect(settings) as connection:
            by = open_change_set(connection, author="b", operation="edit", reason="b")
            connection.execute(
                "UPDATE building SET height_m = height_m + 1, change_set_id = %s, version = version + 1 WHERE code = %s", [by, code]
            )
        started = time.perf_counter()
        assert rebuild_changed(settings) == ["buildings"]
        seconds.append(time.perf_counter() - started)
    return seconds[3:]


def live_tiles(settings: Settings) -> list[float]:
    """Read and encode leaves one by one as a request does; return seconds."""
    with engine.connect(settings) as connection:
        leaves = [row for row in tilesets.fetch_input_hashes(connection, "buildings").values() if not row.is_far]
    picked = np.random.default_rng(3).permutation(len(leaves))[:60]
    seconds = []
    with ArrowReader(settings) as reader:
        for number in picked:
            started = time.perf_counter()
            rows = tile_reads.fetch_building_table(reader, grid.bounds(leaves[number].key), tile_reads.STANDING)
            encode_cell(rows, leaves[number].key, Heights(Geoid(GEOID_M), 25.0), compress=True, whole=True)
            seconds.append(time.perf_counter() - started)
    return seconds[5:]


def measure(folder: Path, n: int) -> list[dict[str, Any]]:
    """Return the rows of the table."""
    cluster = Cluster(folder / "cluster", durable=True)
    cluster.start()
    try:
        with psycopg.connect(cluster.conninfo("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        settings = Settings(data_dir=folder, database={"url": _url(cluster)})
        migrate(settings)
        fill(settings, n)
        wkbs, codes, own_surface = solids(settings, PEER_SIZE)
        ours, theirs = own_surface(), peer_surface(wkbs)
        assert abs(ours - theirs) < 2e-3 * theirs, f"surface {ours} against {theirs}"
        best, rate, per_cpu, others, peak = full_builds(settings, n, lambda: peer(wkbs, codes, folder / "peer"))
        size = sum(path.stat().st_size for path in (Path(settings.tiles_url) / "buildings").rglob("*") if path.is_file())
        seen = first_view(Path(settings.tiles_url) / "buildings")
        changed, live = edits(settings), live_tiles(settings)
    finally:
        cluster.stop()
    slow = PEER_SIZE / float(np.median(others))
    row = _row
    return [
        row("tiles.build", round(rate), "buildings/s", "pg2b3dm, published", PG2B3DM, round(rate / PG2B3DM, 1), 60_000, 150_000),
        row("tiles.build.best", round(best), "buildings/s", "", None, None, 60_000, 150_000),
        row("tiles.build.per_cpu", round(per_cpu), "buildings/cpu-s, without PostgreSQL", "", None, None, None, None),
        row("tiles.build.peer", round(rate), "buildings/s", "py3dtiles export", round(slow), round(rate / slow), "100 x", "300 x"),
        row(
            "tiles.bytes",
            round(size / n),
            "byte/building, all files",
            "pg2b3dm, published, raw",
            2_000,
            round(2_000 * n / size, 1),
            350,
            270,
        ),
        row("tiles.edit", round(float(np.median(changed)) * 1000, 1), "ms, median", "", None, None, 200, 50),
        row("tiles.live", round(float(np.percentile(live, 95)) * 1000, 1), "ms, 95th percentile", "", None, None, 150, 50),
        row("tiles.memory", round(peak), f"MB, peak at {n:,}", "", None, None, 4_096, 2_048),
        *(
            []
            if seen is None
            else [
                row("tiles.first_view.bytes", round(seen[0] / 1e6, 2), "MB, Chromium 1280 x 720", "", None, None, 8, 4),
                row("tiles.first_view.requests", seen[1], "requests", "", None, None, 60, 30),
            ]
        ),
    ]


def _url(cluster: Cluster) -> str:
    parts = psycopg.conninfo.conninfo_to_dict(cluster.conninfo("bench"))
    return f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/bench"


def _row(*values: float | str | None) -> dict[str, Any]:
    return dict(zip(("name", "value", "unit", "peer", "peer_value", "ratio", "gate", "target"), values, strict=True))


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=100_000, help="buildings; 1000000 and 5000000 are the sizes of the gates")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cim-bench-tiles-"))
    folder.chmod(0o755)
    try:
        rows = measure(folder, arguments.size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        print("\n".join(map(json.dumps, rows)))
        return
    drawn = Table(*rows[0])
    for one in rows:
        drawn.add_row(*("" if value is None else str(value) for value in one.values()))
    Console(width=150).print(drawn)


if __name__ == "__main__":
    main()
