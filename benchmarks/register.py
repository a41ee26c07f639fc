"""The register: a building survey from GeoPackage to coded, indexed rows, against ogr2ogr with COPY and the same indexes.

ogr2ogr only copies the fields and builds the indexes; ours maps, checks 27 rules, locates, codes, keeps history and outbox. Both run in
turn on the same private cluster, each as a process of its own; the number of rows and the sum of heights are compared before times count.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psycopg
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.data import CENSUS_PROFILE, census_city, village_table, write_gpkg
from cim.db import engine, profiles
from cim.db.cluster import Cluster
from cim.db.migrate import migrate
from cim.profile import read_profile
from cim.settings import DatabaseSettings, Settings

# As installed for service: bytecode is kept, and geopandas and pandas, tools of the tests, are not there for pyogrio to load.
START = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("geopandas", "pandas"):
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
from cim.cli import main
main()
"""
ROOT = Path(__file__).resolve().parent.parent
INDEXES = (
    "CREATE UNIQUE INDEX ON peer (fwbh)", "CREATE UNIQUE INDEX ON peer (district, fid)", "CREATE INDEX ON peer (district, fwbh)",
    "CREATE INDEX ON peer (village, fwbh)", "CREATE INDEX ON peer USING gist (geom)", "CREATE INDEX ON peer USING gin (jzmc gin_trgm_ops)",
    "ANALYZE peer",
)  # fmt: skip


def process(argv: list[str], env: dict[str, str]) -> tuple[float, float, str]:
    """Run a process; return seconds, peak memory [MB] and what it printed."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as faults:
        child = subprocess.Popen(argv, env=env, stdout=out, stderr=faults)
        peak = 0.0
        # Not ru_maxrss: it counts the memory of this process, from which the child was forked, too.
        while child.poll() is None:
            with contextlib.suppress(OSError, StopIteration):
                status = Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
                peak = max(peak, float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024)
            time.sleep(0.02)
        seconds = time.monotonic() - started
        out.seek(0)
        faults.seek(0)
        text, said = out.read().decode(), faults.read().decode()
    if child.returncode:
        raise SystemExit(f"{argv[:4]} failed: {said[-2000:]}")
    return seconds, peak, text


class Bench:
    """A private cluster with an empty city."""

    def __init__(self, folder: Path, n: int) -> None:
        self.folder, self.n = folder, n
        self.cluster = Cluster(folder / "cluster", durable=True)
        self.cluster.start()
        self.profile = folder / "profile.yaml"
        self.profile.write_text(CENSUS_PROFILE, encoding="utf-8")
        table, shapes = village_table(n)
        write_gpkg(folder / "villages.gpkg", table, shapes)

    def store(self, name: str) -> Settings:
        """Return a migrated store with the villages."""
        with psycopg.connect(self.cluster.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
        settings = Settings(data_dir=self.folder / name, database=DatabaseSettings(url=self.url(name)))
        migrate(settings)
        with engine.connect(settings) as connection:
            profiles.save_profile(connection, read_profile(ROOT / "sample_data" / "city.yaml"))
        self.cim(settings, "ingest", "divisions", str(self.folder / "villages.gpkg"))
        return settings

    def url(self, name: str) -> str:
        """Return the address of a database."""
        parts = psycopg.conninfo.conninfo_to_dict(self.cluster.conninfo(name))
        return f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/{name}"

    def cim(self, settings: Settings, *argv: str) -> tuple[float, float, str]:
        """Run the command line."""
        url = settings.database.url
        env = {**os.environ, "CIM_DATA_DIR": str(settings.data_dir), "CIM_DATABASE__URL": url.get_secret_value() if url else ""}
        env |= {"PYTHONPYCACHEPREFIX": str(self.folder / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
        return process([sys.executable, "-c", START, *argv], env)

    def ingest(self, settings: Settings, file: Path) -> tuple[float, float, dict[str, object]]:
        """Load a survey; return seconds, peak memory [MB] and the report."""
        given = ["--profile", str(self.profile), "--name", "bench", "--json"]
        seconds, memory, text = self.cim(settings, "ingest", "census", str(file), *given)
        return seconds, memory, json.loads(text)[0]

    def peer(self, file: Path) -> float:
        """Load the same file with ogr2ogr and build the indexes; return seconds."""
        with psycopg.connect(self.cluster.conninfo("postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS peer WITH (FORCE)")
            connection.execute("CREATE DATABASE peer")
        with psycopg.connect(self.cluster.conninfo("peer"), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION postgis")
            connection.execute("CREATE EXTENSION pg_trgm")
        parts = psycopg.conninfo.conninfo_to_dict(self.cluster.conninfo("peer"))
        target = f"PG:host={parts['host']} port={parts['port']} dbname=peer user={parts['user']} password={parts['password']}"
        argv = ["ogr2ogr", "-f", "PostgreSQL", target, str(file), "-nln", "peer", "-lco", "GEOMETRY_NAME=geom", "-lco", "FID=fid",
                "-lco", "LAUNDER=NO", "-lco", "SPATIAL_INDEX=NONE", "-nlt", "MULTIPOLYGON", "--config", "PG_USE_COPY", "YES"]  # fmt: skip
        seconds, _, _ = process(argv, dict(os.environ))
        started = time.monotonic()
        with psycopg.connect(self.cluster.conninfo("peer"), autocommit=True) as connection:
            for statement in INDEXES:
                connection.execute(statement.replace("jzmc", '"jzmc"').encode())
            found = connection.execute("SELECT count(*), sum(gd) FROM peer").fetchone()
        self.expected = (int(found[0]), float(found[1])) if found else (0, 0.0)
        return seconds + time.monotonic() - started

    def check(self, settings: Settings) -> None:
        """Refuse to time what is not equal."""
        with engine.connect(settings) as connection:
            row = connection.execute("SELECT count(*), sum(height_m), count(DISTINCT code) FROM building").fetchone()
        assert row is not None
        assert (row[0], row[2]) == (self.expected[0], self.expected[0]), (row, self.expected)
        assert abs(row[1] - self.expected[1]) < 1e-6 * self.expected[1], (row, self.expected)


def history_cost(settings: Settings, n: int) -> tuple[float, float]:
    """Return seconds of a bulk update of n buildings with and without history triggers."""
    times = []
    for mode in ("origin", "replica"):
        with engine.connect(settings) as connection:
            connection.execute(f"SET session_replication_role = {mode}")
            row = connection.execute("SELECT id FROM change_set LIMIT 1").fetchone()
            started = time.monotonic()
            connection.execute(
                """UPDATE building SET year_built = 2001, version = version + 1, valid_from = now(), recorded_at = now(), change_set_id = %s
                   WHERE id IN (SELECT id FROM building ORDER BY id LIMIT %s)""",
                [row[0] if row else None, n],
            )
            times.append(time.monotonic() - started)
            connection.rollback()
    return times[0], times[1]


def run(n: int, folder: Path) -> list[dict[str, object]]:
    """Return the rows of the table for n buildings."""
    bench = Bench(folder, n)
    try:
        first, again, third, some = (folder / f"{name}.gpkg" for name in ("city", "again", "third", "changed"))
        write_gpkg(first, *census_city(n))
        table, shapes = census_city(n)
        for file, name in ((again, "unused"), (third, "unused_too")):
            write_gpkg(file, table.append_column(name, [np.zeros(n, np.int8).tolist()]), shapes)
        write_gpkg(some, *census_city(n, changed=0.01))
        peers, loads = [], []
        for turn in ("one", "two"):
            peers.append(bench.peer(first))
            settings = bench.store(turn)
            loads.append(bench.ingest(settings, first))
            bench.check(settings)
        seconds, memory, report = min(loads, key=lambda load: load[0])
        same, same_memory, unchanged = bench.ingest(settings, again)
        assert unchanged["unchanged"] == n, unchanged
        short, _, _ = bench.ingest(settings, again)
        # There and back: 1 % of the records differ both times.
        part, _, changed = bench.ingest(settings, some)
        once_more, _, back = bench.ingest(settings, again)
        assert changed["changed"] == back["changed"] > 0, (changed, back)
        twice, _, unchanged = bench.ingest(settings, third)
        assert unchanged["unchanged"] == n, unchanged
        same, part = min(same, twice), min(part, once_more)
        with_history, without = history_cost(settings, min(n, 100_000))
        peer = min(peers)
        return [
            row("load", seconds, peer, 2.5, 1.5, n, memory=memory, report=report),
            row("same records, file written anew", same, peer, 1.0, 0.5, n, memory=same_memory),
            row("same file", short, peer, 1.0, 0.5, n),
            row("1 % changed, against unchanged", part, same, 1.2, 1.2, n, changed=changed["changed"]),
            row("bulk update of 100,000 with history, against without", with_history, without, 2.0, 2.0, n),
        ]
    finally:
        bench.cluster.stop()


def row(name: str, value: float, peer: float, gate: float, target: float, n: int, **more: object) -> dict[str, object]:
    """Return one row of the table."""
    return {"name": name, "n": n, "value": value, "unit": "s", "peer": "ogr2ogr", "peer_value": peer, "ratio": value / peer, "gate": gate,
            "target": target, **more}  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs="+", default=[100_000], help="buildings; several sizes show the growth")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows: list[dict[str, object]] = []
    for n in given.size:
        with tempfile.TemporaryDirectory(prefix="cim-bench-") as name:
            Path(name).chmod(0o755)
            rows += run(n, Path(name))
    if given.json:
        sys.stdout.write(json.dumps(rows, indent=1, default=str) + "\n")
        return
    drawn = Table(title="Register")
    for column in ("what", "buildings", "seconds", "peer s", "ratio", "gate", "target", "peak MB"):
        drawn.add_column(column, justify="left" if column == "what" else "right")
    for r in rows:
        drawn.add_row(
            str(r["name"]), f"{r['n']:,}", f"{r['value']:.2f}", f"{r['peer_value']:.2f}", f"{r['ratio']:.2f}", f"{r['gate']}",
            f"{r['target']}", f"{r['memory']:.0f}" if "memory" in r else "",
        )  # fmt: skip
    Console().print(drawn)


if __name__ == "__main__":
    main()
