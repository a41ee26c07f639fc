"""OGC API: requests per second of `cim serve` against stock pygeoapi, tipg and bare asyncpg, on the same store in the same run.

Peers need an environment of their own: python -m venv DIR; DIR/bin/pip install tipg pygeoapi==0.24.0 geoalchemy2 psycopg2-binary
uvicorn uvloop httptools; then --peers DIR/bin/python. Without it, only the floor is measured.
"""

import argparse
import contextlib
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
from data import FILL_BUILDINGS

from cim.clock import utc_now
from cim.db import engine, tokens
from cim.db.changes import open_change_set
from cim.db.cluster import Cluster
from cim.db.migrate import migrate
from cim.settings import DatabaseSettings, Settings

HERE = Path(__file__).resolve().parent / "support"
SEED = 7
_NEEDLE = b'"type":"Feature",'
ITEMS = "/collections/buildings/items"


class Server:
    """A server process of the benchmark."""

    def __init__(self, name: str, argv: list[str], env: dict[str, str], port: int, probe: str, folder: Path) -> None:
        self.name, self.port = name, port
        self.log = (folder / f"{name}.log").open("wb")
        self.child = subprocess.Popen(argv, env={**os.environ, **env}, stdout=self.log, stderr=self.log, cwd=folder)
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{probe}", timeout=30).read()
                return
            except OSError as error:
                if self.child.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise SystemExit(f"{name} did not start ({error}): {(folder / f'{name}.log').read_text()[-2000:]}") from error
                time.sleep(0.2)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=300) as answer:
            return answer.read()

    def rate(self, paths: list[str], connections: int, seconds: float, token: str = "") -> float:
        """Return answers per second; ends the run where one is not 200."""
        asked = {"host": "127.0.0.1", "port": self.port, "paths": paths, "connections": connections, "seconds": seconds, "token": token}
        done = subprocess.run([sys.executable, HERE / "http_load.py"], input=json.dumps(asked), capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        if found["failed"]:
            raise SystemExit(f"{self.name} {paths[0]}: {found['failed']}")
        return float(found["per_s"])

    def memory_mb(self) -> float:
        text = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    def stop(self) -> None:
        self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
        self.log.close()


@contextlib.contextmanager
def store(n: int, folder: Path) -> Iterator[tuple[str, Settings]]:
    cluster = Cluster(folder, durable=False)
    cluster.start()
    try:
        parts = psycopg.conninfo.conninfo_to_dict(cluster.conninfo("postgres"))
        with psycopg.connect(cluster.conninfo("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench TEMPLATE template0")
        dsn = f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/bench"
        settings = Settings(data_dir=folder / "data", database=DatabaseSettings(url=dsn))
        migrate(settings)
        with psycopg.connect(dsn, autocommit=True) as connection, connection.transaction():
            connection.execute("ALTER TABLE building DISABLE TRIGGER building_event_insert")
            connection.execute(FILL_BUILDINGS.encode(), {"n": n, "side": math.ceil(math.sqrt(n))})
            connection.execute("ALTER TABLE building ENABLE TRIGGER building_event_insert")
        with psycopg.connect(dsn, autocommit=True) as connection:
            # Peers cannot serve EPSG:4490 in the right axis order: they get a table with the same numbers in EPSG:4326.
            connection.execute("CREATE SCHEMA peer")
            connection.execute(
                """CREATE TABLE peer.building AS SELECT id, code, name, address, division_code, height_m, ground_elevation_m, storeys_above,
                   storeys_below, use, structure, year_built, footprint_area_m2, floor_area_m2, safety_grade, status, source_dataset,
                   version, valid_from, geom::geometry(MultiPolygon, 4490) AS geom FROM building"""
            )
            connection.execute("ALTER TABLE peer.building ALTER geom TYPE geometry(MultiPolygon, 4326) USING ST_SetSRID(geom, 4326)")
            connection.execute("ALTER TABLE peer.building ADD PRIMARY KEY (code)")
            connection.execute("CREATE INDEX ON peer.building USING gist (geom)")
            connection.execute("VACUUM ANALYZE")
        yield dsn, settings
    finally:
        cluster.stop()


PYGEOAPI = """
server: {{bind: {{host: 127.0.0.1, port: {port}}},
  url: "http://127.0.0.1:{port}", mimetype: application/json,
  encoding: utf-8, languages: [en],
  limits: {{default_items: 10, max_items: 10000}}, map: {{url: "", attribution: ""}}}}
logging: {{level: ERROR}}
metadata: {{identification: {{title: b, description: b, keywords: [b], keywords_type: theme, terms_of_service: b, url: "http://b"}},
  license: {{name: b, url: "http://b"}}, provider: {{name: b, url: "http://b"}}, contact: {{name: b}}}}
resources:
  buildings:
    type: collection
    title: b
    description: b
    keywords: [b]
    links: []
    extents: {{spatial: {{bbox: [-180, -90, 180, 90], crs: "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}}}}
    providers:
      - {{type: feature, name: PostgreSQL, id_field: code, table: building, geom_field: geom,
         data: {{host: "{host}", port: {db_port}, dbname: bench, user: "{user}", password: "{password}", search_path: [peer, public]}}}}
"""


@contextlib.contextmanager
def servers(dsn: str, settings: Settings, folder: Path, peers: str | None) -> Iterator[dict[str, Server]]:
    made: dict[str, Server] = {}
    uvicorn = ["-m", "uvicorn", "--log-level", "warning", "--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    env = {"CIM_DATA_DIR": str(settings.data_dir), "CIM_DATABASE__URL": dsn, "CIM_SERVER__TILE_CACHE_MB": "0"}
    try:
        argv = [sys.executable, "-m", "cim", "serve", "--port"]
        made["cim"] = Server("cim", [*argv, "8201"], env, 8201, f"{ITEMS}?limit=1", folder)
        made["cached"] = Server("cached", [*argv, "8202"], {**env, "CIM_SERVER__TILE_CACHE_MB": "128"}, 8202, "/healthz", folder)
        floor = [sys.executable, *uvicorn, "--app-dir", str(HERE), "--port", "8203", "floor_app:app"]
        made["floor"] = Server("floor", floor, {"BENCH_DSN": dsn}, 8203, "/items?limit=1", folder)
        if peers:
            tipg = {"DATABASE_URL": dsn, "TIPG_DB_SCHEMAS": '["peer"]', "TIPG_MAX_FEATURES_PER_QUERY": "10000"}
            made["tipg"] = Server(
                "tipg", [peers, *uvicorn, "--port", "8204", "tipg.main:app"], tipg, 8204, "/collections/peer.building/items?limit=1", folder
            )
            parts = psycopg.conninfo.conninfo_to_dict(dsn)
            config = folder / "pygeoapi.yml"
            config.write_text(
                PYGEOAPI.format(port=8205, host=parts["host"], db_port=parts["port"], user=parts["user"], password=parts["password"])
            )
            env = {"PYGEOAPI_CONFIG": str(config), "PYGEOAPI_OPENAPI": str(folder / "openapi.yml")}
            generate = [Path(peers).parent / "pygeoapi", "openapi", "generate", config, "--output-file", env["PYGEOAPI_OPENAPI"]]
            subprocess.run(generate, env={**os.environ, **env}, check=True, stdout=subprocess.DEVNULL)
            stock = [peers, *uvicorn, "--port", "8205", "pygeoapi.starlette_app:APP"]
            made["pygeoapi"] = Server("pygeoapi", stock, env, 8205, f"{ITEMS}?limit=1&f=json", folder)
        yield made
    finally:
        for one in made.values():
            one.stop()


class Bench:
    """Measures and compares."""

    def __init__(self, made: dict[str, Server], n: int, seconds: float, rounds: int) -> None:
        self.made, self.n, self.seconds, self.rounds = made, n, seconds, rounds
        self.rows: list[dict[str, object]] = []

    def compare(
        self, name: str, paths: dict[str, list[str]], gates: dict[str, tuple[float | None, float | None]], ours: str = "cim"
    ) -> None:
        """Measure the same request at several servers in turns and note a row per peer."""
        present = {server: path for server, path in paths.items() if server in self.made}
        rates: dict[str, list[float]] = {server: [] for server in present}
        for server, path in present.items():
            self.made[server].rate(path, 4, min(1.0, self.seconds))
        for _ in range(self.rounds):
            for server, path in present.items():
                rates[server].append(self.made[server].rate(path, 4, self.seconds))
        mine = statistics.median(rates[ours])
        for server in present:
            if server == ours:
                continue
            gate, target = gates.get(server, (None, None))
            # Each round beside its neighbour: what the machine does to both falls out.
            ratio = statistics.median(a / b for a, b in zip(rates[ours], rates[server], strict=True))
            self.row(name, mine, "1/s", server, statistics.median(rates[server]), ratio, gate, target)

    def row(
        self, name: str, value: float, unit: str, peer: str, peer_value: float, ratio: float, gate: float | None, target: float | None
    ) -> None:
        row = {
            "name": name, "value": round(value, 3), "unit": unit, "peer": peer, "peer_value": round(peer_value, 3),
            "ratio": round(ratio, 3), "gate": gate, "target": target, "n": self.n,
        }  # fmt: skip
        self.rows.append(row)
        verdict = "" if gate is None else " ok" if ratio >= gate else " BELOW THE GATE"
        print(
            f"{name:34} {value:12,.1f} {unit:8} {peer:16} {peer_value:12,.1f}  ratio {ratio:8.2f} gate {gate} target {target}{verdict}",
            flush=True,
        )


def features(server: Server, path: str) -> set[str]:
    """Return the codes of a page."""
    return {one["properties"]["code"] for one in json.loads(server.get(path))["features"]}


def check_equal(made: dict[str, Server], boxes: list[str]) -> None:
    """Refuse to time servers that answer differently."""
    for box in boxes[:3]:
        mine = features(made["cim"], f"{ITEMS}?limit=1000&bbox={box}")
        assert mine, f"box {box} is empty: nothing would be measured"
        assert mine == features(made["floor"], f"/items?limit=1000&bbox={box}")
        if "tipg" in made:
            assert mine == features(made["tipg"], f"/collections/peer.building/items?limit=1000&bbox={box}&f=geojson")
            assert mine == features(made["pygeoapi"], f"{ITEMS}?limit=1000&bbox={box}&f=json")


def run(bench: Bench, n: int, settings: Settings) -> None:
    made, side = bench.made, math.ceil(math.sqrt(n))
    draw = random.Random(SEED)
    spots = [(114.4 + draw.random() * side * 0.00036, 30.5 + draw.random() * side * 0.00036) for _ in range(40)]
    boxes = [f"{x:.5f},{y:.5f},{x + 0.0104:.5f},{y + 0.009:.5f}" for x, y in spots]
    check_equal(made, boxes)
    tipg, floor_better = "/collections/peer.building/items", {"floor": (None, 0.9)}
    for limit, gate in ((10, 30.0), (1000, 15.0)):
        bench.compare(
            f"items limit={limit}",
            {
                "cim": [f"{ITEMS}?limit={limit}"], "floor": [f"/items?limit={limit}"], "tipg": [f"{tipg}?limit={limit}&f=geojson"],
                "pygeoapi": [f"{ITEMS}?limit={limit}&f=json"],
            },
            {**floor_better, "tipg": (gate, None), "pygeoapi": (gate, None)},
        )  # fmt: skip
    bench.compare(
        "bbox 1 km limit=1000",
        {
            "cim": [f"{ITEMS}?limit=1000&bbox={box}" for box in boxes], "floor": [f"/items?limit=1000&bbox={box}" for box in boxes],
            "tipg": [f"{tipg}?limit=1000&f=geojson&bbox={box}" for box in boxes],
            "pygeoapi": [f"{ITEMS}?limit=1000&f=json&bbox={box}" for box in boxes],
        },
        {**floor_better, "tipg": (5.0, None), "pygeoapi": (5.0, None)},
    )  # fmt: skip
    codes = [one["id"] for one in json.loads(made["cim"].get(f"{ITEMS}?limit=40&offset={n // 2}"))["features"]]
    bench.compare(
        "one item by code",
        {
            "cim": [f"{ITEMS}/{code}" for code in codes], "floor": [f"/items/{code}" for code in codes],
            "pygeoapi": [f"{ITEMS}/{code}?f=json" for code in codes],
        },
        {**floor_better, "pygeoapi": (8.0, None)},
    )  # fmt: skip
    few = [f"{x:.5f},{y:.5f},{x + 0.0017:.5f},{y + 0.0017:.5f}" for x, y in spots]
    row_filters(
        bench, settings,
        {
            "limit=10": [f"{ITEMS}?limit=10"], "box of about 27": [f"{ITEMS}?limit=1000&bbox={box}" for box in few],
            "box of 1 km": [f"{ITEMS}?limit=1000&bbox={box}" for box in boxes], "one item": [f"{ITEMS}/{code}" for code in codes],
        },
    )  # fmt: skip
    deep_page(bench, n)
    wanted = json.loads(made["cim"].get(f"{ITEMS}?limit=1&offset={n // 2}"))["features"][0]["properties"]["division_code"]
    expression = quote(f"division_code = '{wanted}' AND height_m > 60")
    mine = features(made["cim"], f"{ITEMS}?limit=100&filter={expression}")
    assert mine == features(made["floor"], f"/items?limit=100&division={wanted}&above=60")
    assert mine
    bench.compare(
        "CQL2 filter with index",
        {"cim": [f"{ITEMS}?limit=100&count=none&filter={expression}"], "floor": [f"/items?limit=100&division={wanted}&above=60"]},
        {"floor": (1 / 1.2, 0.9)},
    )
    tiles(bench, spots)
    streams(bench, n)


def row_filters(bench: Bench, settings: Settings, asked: dict[str, list[str]]) -> None:
    """Measure tokens that see the rows of a division against one that sees all; the rows of the answers are the same."""
    with engine.connect(settings) as connection:
        by = open_change_set(connection, author="benchmark", operation="ingest", reason="benchmark")
        connection.execute(
            """INSERT INTO division (code, name, level, change_set_id)
               SELECT DISTINCT left(division_code, size), 'of the benchmark', size / 3 + 1, %s::uuid
               FROM building, unnest(ARRAY[6, 9]) AS sizes (size)""",
            [by],
        )
        towns = [code for (code,) in connection.execute("SELECT code FROM division WHERE length(code) = 9 ORDER BY 1").fetchall()]
        until = utc_now() + timedelta(days=1)
        made = {
            name: tokens.create(connection, tokens.NewToken(name, "benchmark", "viewer", until, divisions=seen), created_by="benchmark")[1]
            for name, seen in (("all", None), ("county", ("420111",)), ("towns", tuple(towns)))
        }
    server = bench.made["cim"]
    for name, paths in asked.items():
        for seen in ("county", "towns"):
            both: tuple[list[float], list[float]] = [], []
            for token in (made["all"], made[seen]):
                server.rate(paths, 4, min(1.0, bench.seconds), token)
            for _ in range(bench.rounds):
                for token, rates in zip((made["all"], made[seen]), both, strict=True):
                    rates.append(server.rate(paths, 4, bench.seconds, token))
            ratio = statistics.median(b / a for a, b in zip(*both, strict=True))
            bench.row(
                f"{name}, rows of the {seen}", statistics.median(both[1]), "1/s", "all rows", statistics.median(both[0]), ratio, 0.9, None
            )


def deep_page(bench: Bench, n: int) -> None:
    deep = json.loads(bench.made["cim"].get(f"{ITEMS}?limit=100&offset={int(n * 0.9)}"))
    following = next(link["href"] for link in deep["links"] if link["rel"] == "next").partition("8201")[2]
    first = [bench.made["cim"].rate([f"{ITEMS}?limit=100"], 4, bench.seconds)]
    last = []
    for _ in range(bench.rounds):
        last.append(bench.made["cim"].rate([following], 4, bench.seconds))
        first.append(bench.made["cim"].rate([f"{ITEMS}?limit=100"], 4, bench.seconds))
    ratio = statistics.median(a / ((b + c) / 2) for a, b, c in zip(last, first[:-1], first[1:], strict=True))
    bench.row(
        f"page at {int(n * 0.9):,} by cursor", statistics.median(last), "1/s", "first page", statistics.median(first), ratio, 0.8, None
    )


def tiles(bench: Bench, spots: list[tuple[float, float]]) -> None:
    for level in (14, 16):
        numbers = {
            (int((x + 180) / 360 * 2**level), int((1 - math.asinh(math.tan(math.radians(y))) / math.pi) / 2 * 2**level)) for x, y in spots
        }
        mine = [f"/collections/buildings/tiles/WebMercatorQuad/{level}/{y}/{x}" for x, y in sorted(numbers)]
        bare = [f"/tiles/{level}/{x}/{y}" for x, y in sorted(numbers)]
        sizes = [len(bench.made["cim"].get(mine[0])), len(bench.made["floor"].get(bare[0]))]
        assert abs(sizes[0] - sizes[1]) <= 0.02 * sizes[1], f"tiles differ: {sizes}"
        bench.compare(f"tile z{level} uncached", {"cim": mine, "floor": bare}, {"floor": (0.8, 0.95)})
    for path in mine:
        bench.made["cached"].get(path)
    rates = [bench.made["cached"].rate(mine, 8, bench.seconds) for _ in range(bench.rounds)]
    bench.row("tile z16 cached", statistics.median(rates), "1/s", "gate", 5000, statistics.median(rates) / 5000, 1.0, None)


def streams(bench: Bench, n: int) -> None:
    server = bench.made["cim"]
    before = server.memory_mb()
    started = time.perf_counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/collections/buildings/export/buildings.geojson", timeout=600) as answer:
        answer.read(1)
        first_s = time.perf_counter() - started
        found, highest, kept = 0, before, b""
        while part := answer.read(1 << 20):
            part = kept + part
            found += part.count(_NEEDLE)
            # What could be the beginning of one that goes on in the next part.
            kept = part[-len(_NEEDLE) + 1 :]
            highest = max(highest, server.memory_mb())
    took = time.perf_counter() - started
    assert found == n, found
    bench.row("stream: features", n / took, "1/s", "gate", 60_000, n / took / 60_000, 1.0, 100 / 60)
    bench.row("stream: first byte", first_s * 1000, "ms", "gate", 150, 150 / (first_s * 1000), 1.0, 1.5)
    bench.row("stream: growth of memory", highest - before, "MB", "gate", 64, 64 / max(highest - before, 1.0), 1.0, None)
    pages = {"cim": [f"{ITEMS}?limit=10000&f=fgb&count=none"], "cached": [f"{ITEMS}?limit=10000&count=none"]}
    bench.compare("FlatGeobuf against GeoJSON", pages, {"cached": (2.0, None)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=200_000, help="buildings")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement [s]")
    parser.add_argument("--rounds", type=int, default=3, help="turns of the servers per request")
    parser.add_argument("--peers", help="python of an environment with tipg and pygeoapi")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON at the end")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cim-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with store(given.size, folder) as (dsn, settings), servers(dsn, settings, folder, given.peers) as made:
            bench = Bench(made, given.size, given.seconds, given.rounds)
            run(bench, given.size, settings)
    if given.json:
        print(json.dumps(bench.rows, indent=1))


if __name__ == "__main__":
    main()
