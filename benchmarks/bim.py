"""BIM: from an IFC file to storeys, elements and tiles, against bare ifcopenshell on the same file and against py3dtiles.

The file is the Duplex of the sample data, repeated: as it is (every shape occurs in every copy), and with every copy a little larger than
the one before (no shape occurs twice). The peer is one process that opens the file and iterates over its geometry, nothing else. Runs
alternate; the number of products and their extent are compared before times count.
"""

import argparse
import hashlib
import json
import re
import string
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psycopg
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cim.db import engine, profiles  # noqa: E402 - the path above
from cim.db.cluster import Cluster  # noqa: E402 - the path above
from cim.db.migrate import migrate  # noqa: E402 - the path above
from cim.profile import read_profile  # noqa: E402 - the path above
from cim.settings import DatabaseSettings, Settings  # noqa: E402 - the path above

DUPLEX = ROOT / "sample_data" / "ifc" / "duplex.ifc"
_LINE = re.compile(r"^#(\d+)\s*=\s*([A-Z0-9]+)\((.*)\);\s*$", re.MULTILINE)
_SHARED = ("IFCPROJECT", "IFCGEOMETRICREPRESENTATIONCONTEXT", "IFCGEOMETRICREPRESENTATIONSUBCONTEXT", "IFCUNITASSIGNMENT")
_GUID = re.compile(r"^'([0-9A-Za-z_$]{22})'")
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase + "_$"

BARE = """
import sys, json, time
import numpy as np, ifcopenshell, ifcopenshell.geom
started = time.monotonic()
model = ifcopenshell.open(sys.argv[1])
opened = time.monotonic() - started
wanted = [e for e in model.by_type("IfcProduct") if e.Representation and (e.is_a("IfcElement") or e.is_a("IfcSpace"))
          and not e.is_a("IfcFeatureElement")]
iterator = ifcopenshell.geom.iterator(ifcopenshell.geom.settings(), model, 1, include=wanted,
                                      geometry_library="hybrid-cgal-simple-opencascade")
n, low, high = 0, np.full(3, np.inf), np.full(3, -np.inf)
if iterator.initialize():
    while True:
        shape = iterator.get()
        v = np.frombuffer(shape.geometry.verts_buffer, "<f8").reshape(-1, 3)
        if not len(v):
            if not iterator.next():
                break
            continue
        n += 1
        m = np.frombuffer(shape.transformation_buffer, "d").reshape((4, 4), order="F")
        v = v @ m[:3, :3].T + m[:3, 3]
        low, high = np.minimum(low, v.min(axis=0)), np.maximum(high, v.max(axis=0))
        if not iterator.next():
            break
print(json.dumps({"n": n, "open_s": opened, "low": low.tolist(), "high": high.tolist()}))
"""
MESH = """
import sys, json, tempfile
from pathlib import Path
import numpy as np
from ingest.ifc.meshing import Mesher
path, ids = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
with tempfile.TemporaryDirectory() as scratch, Mesher(path, path, path.stat().st_size, Path(scratch), workers=int(sys.argv[3])) as mesher:
    found = mesher.run_shared(ids, lambda done, of: None)
low, high = np.full(3, np.inf), np.full(3, -np.inf)
for mesh in found.found.values():
    v = mesh.vertices
    low, high = np.minimum(low, v.min(axis=0)), np.maximum(high, v.max(axis=0))
print(json.dumps({"n": len(found.found), "made": found.made, "low": low.tolist(), "high": high.tolist()}))
"""
WHOLE = """
import sys, json
from pathlib import Path
from cim.settings import load_settings
from ingest.ifc.load import UploadOptions, upload_model
from tiles.build import build_layers
settings = load_settings()
report = upload_model(settings, Path(sys.argv[1]), UploadOptions(name=sys.argv[2]), dry_run=False, progress=lambda done, of: None)
built = build_layers(settings, ["bim/" + report["code"]])
print(json.dumps({"elements": report["elements"], "meshed": report["meshed"], "now": report.get("meshed_now"), "tiles": built[0].tiles}))
"""
PY3DTILES = """
import sys, json
from pathlib import Path
from pyproj import CRS
from py3dtiles.convert import convert
convert(Path(sys.argv[1]), Path(sys.argv[2]), overwrite=True, jobs=2, crs_in=CRS("EPSG:4547"), crs_out=CRS("EPSG:4978"), verbose=-1)
print(json.dumps({}))
"""


def model(copies: int, *, distinct: bool, changed: float = 0.0) -> str:
    """Return the text of the Duplex, repeated.

    Parameters
    ----------
    copies
        How often.
    distinct
        Every copy is larger than the one before by 0.2 %.
    changed
        Part of the extruded solids that are a centimetre deeper.
    """
    text = DUPLEX.read_text(encoding="utf-8")
    start, end = text.index("DATA;") + 5, text.rindex("ENDSEC;")
    lines = [(int(a), b, c) for a, b, c in _LINE.findall(text[start:end])]
    shared = {number for number, kind, _ in lines if kind in _SHARED}
    top = max(number for number, _, _ in lines)
    made = []
    for copy in range(copies):
        offset = copy * (top + 1)
        for number, kind, body in lines:
            if copy and number in shared:
                continue
            moved = re.sub(r"#(\d+)", lambda m, o=offset: m[0] if int(m[1]) in shared else f"#{int(m[1]) + o}", body) if copy else body
            if copy and (guid := _GUID.match(moved)):
                moved = f"'{_guid(guid[1], copy)}'" + moved[24:]
            if distinct and copy and kind == "IFCCARTESIANPOINT":
                moved = re.sub(r"-?\d+\.\d*(?:E-?\d+)?", lambda m, c=copy: repr(float(m[0]) * (1 + 0.002 * c)), moved)
            if changed and kind == "IFCEXTRUDEDAREASOLID" and (number * 2_654_435_761 + copy) % 1000 < changed * 1000:
                head, _, depth = moved.rpartition(",")
                moved = f"{head},{float(depth) + 0.01!r}"
            made.append(f"#{number if number in shared else number + offset}={kind}({moved});")
    return text[:start] + "\n" + "\n".join(made) + "\n" + text[end:]


def _guid(guid: str, copy: int) -> str:
    value = int.from_bytes(hashlib.sha256(f"{guid}{copy}".encode()).digest()[:16], "big")
    digits = []
    for _ in range(22):
        value, digit = divmod(value, 64)
        digits.append(_DIGITS[digit])
    return _DIGITS[value % 4] + "".join(digits[:21])


class Memory:
    """Proportional set size of a process and everything below, its peak [MB]."""

    def __init__(self, pid: int) -> None:
        self.peak, self._pid, self._on = 0.0, pid, True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while self._on:
            self.peak = max(self.peak, sum(map(_pss, _family(self._pid))))
            time.sleep(0.1)

    def stop(self) -> float:
        """Return the peak."""
        self._on = False
        self._thread.join()
        return self.peak


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children") if Path(f"/proc/{one}").exists() else ():
            with suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


def _pss(pid: int) -> float:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith("Pss:"))) / 1024
    return 0.0


def run(code: str, *argv: object, env: dict[str, str] | None = None) -> tuple[float, float, dict[str, Any]]:
    """Run a piece of Python as a process of its own; return seconds, peak memory [MB] and what it printed."""
    import os

    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as faults:
        child = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, argv)], stdout=out, stderr=faults, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        )  # fmt: skip
        memory = Memory(child.pid)
        child.wait()
        seconds, peak = time.monotonic() - started, memory.stop()
        out.seek(0)
        faults.seek(0)
        if child.returncode:
            raise SystemExit(f"failed: {faults.read()[-3000:]}")
        return seconds, peak, json.loads(out.read().strip().splitlines()[-1])


class Bench:
    """A private cluster, and the files.

    Parameters
    ----------
    folder
        For everything.
    copies
        Of the Duplex.
    rounds
        Runs of each.
    """

    def __init__(self, folder: Path, copies: int, rounds: int) -> None:
        self.folder, self.copies, self.rounds = folder, copies, rounds
        self.rows: list[dict[str, Any]] = []
        self.files = {}
        for name, text in {
            "repeated": model(copies, distinct=False),
            "distinct": model(copies, distinct=True),
            "changed": model(copies, distinct=True, changed=0.05),
        }.items():
            self.files[name] = folder / f"{name}.ifc"
            self.files[name].write_text(text, encoding="utf-8")
        self.cluster = Cluster(folder / "cluster", durable=True)
        self.cluster.start()

    def row(self, name: str, value: float, unit: str, **more: float | str) -> None:
        """Add a row."""
        keys = ("peer", "peer_value", "ratio", "gate", "target")
        self.rows.append({"name": name, "value": round(value, 3), "unit": unit, **{key: more.get(key) for key in keys}})

    def store(self, name: str) -> tuple[Settings, dict[str, str]]:
        """Return an empty city and the environment that names it."""
        with psycopg.connect(self.cluster.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
        parts = psycopg.conninfo.conninfo_to_dict(self.cluster.conninfo(name))
        url = f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/{name}"
        settings = Settings(data_dir=self.folder / name, database=DatabaseSettings(url=url))
        migrate(settings)
        with engine.connect(settings) as connection:
            profiles.save_profile(connection, read_profile(ROOT / "sample_data" / "city.yaml"))
        return settings, {"CIM_DATA_DIR": str(settings.data_dir), "CIM_DATABASE__URL": url}

    def bare(self, name: str) -> tuple[float, dict[str, Any]]:
        """Open and iterate, nothing else."""
        seconds, _, found = run(BARE, self.files[name])
        return seconds, found

    def meshing(self, name: str, *, gate: float, target: float) -> None:
        """Products per second: process start, opening and meshing on both sides."""
        import ifcopenshell

        opened: Any = ifcopenshell.open(str(self.files[name]))
        ids = [e.id() for kind in ("IfcElement", "IfcSpace") for e in opened.by_type(kind) if not e.is_a("IfcFeatureElement")]
        listing = self.folder / "ids.json"
        listing.write_text(json.dumps(ids))
        peer, ours = [], []
        for _ in range(self.rounds):
            seconds, said = self.bare(name)
            peer.append(said["n"] / seconds)
            seconds, _, found = run(MESH, self.files[name], listing, 2)
            ours.append(found["n"] / seconds)
            assert found["n"] == said["n"], (found["n"], said["n"])
            assert np.allclose([found["low"], found["high"]], [said["low"], said["high"]], atol=1e-4)
        self.row(
            f"products meshed, 2 processes, {name} shapes", median(ours), "1/s", peer="ifcopenshell iterator, 1 process",
            peer_value=round(median(peer), 1), ratio=round(median(ours) / median(peer), 2), gate=gate, target=target,
        )  # fmt: skip

    def properties(self) -> None:
        """Property rows per second: read in one pass and copied into the store, without opening the file."""
        settings, env = self.store("properties")
        seconds, _, found = run(PROPERTIES, self.files["distinct"], env=env)
        del settings, seconds
        self.row("property rows into PostGIS", found["rows"] / found["seconds"], "1/s", gate=80_000, target=150_000)

    def whole(self) -> None:
        """Upload with tiles against bare opening and iterating; the same name again with 5 % of the solids changed."""
        firsts, seconds_again, peers, peaks = [], [], [], []
        size = self.files["distinct"].stat().st_size / 1e6
        for number in range(self.rounds):
            peers.append(self.bare("distinct")[0])
            _, env = self.store(f"whole_{number}")
            first, peak, found = run(WHOLE, self.files["distinct"], "tower", env=env)
            again, _, changed = run(WHOLE, self.files["changed"], "tower", env=env)
            assert changed["meshed"] == found["meshed"]
            firsts.append(first)
            seconds_again.append(again)
            peaks.append(peak)
        ratio = median(firsts) / median(peers)
        self.row(
            f"upload and tiles, {size:.0f} MB", median(firsts), "s", peer="ifcopenshell open and iterate",
            peer_value=round(median(peers), 2), ratio=round(ratio, 2), gate=1.5, target=1.0,
        )  # fmt: skip
        self.row(
            "upload again, 5 % of the solids changed", median(seconds_again), "s", peer="first upload", peer_value=round(median(firsts), 2),
            ratio=round(median(seconds_again) / median(firsts), 2), gate=0.4, target=0.2,
        )  # fmt: skip
        allowed = 12 * size + 500
        self.row(
            "peak memory of all processes", max(peaks), "MB", peer="12 x file + 500 MB", peer_value=round(allowed),
            ratio=round(max(peaks) / allowed, 2), gate=1.0,
        )  # fmt: skip

    def middle(self) -> tuple[float, float]:
        """Return where the middle of the Duplex belongs: its box along the conversion in the file, by PROJ [deg]."""
        import pyproj

        said = run(BARE, DUPLEX)[2]
        text = DUPLEX.read_text(encoding="utf-8")
        east, north, cos, sin = (
            float(re.search(rf"'{name}',\$,IFC\w+\(([-\d.]+)\)", text)[1])  # type: ignore[index]
            for name in ("Eastings", "Northings", "XAxisAbscissa", "XAxisOrdinate")
        )
        corners = np.array([[x, y] for x in (said["low"][0], said["high"][0]) for y in (said["low"][1], said["high"][1])])
        placed = corners @ np.array([[cos, sin], [-sin, cos]]) + (east, north)
        lon, lat = pyproj.Transformer.from_crs("EPSG:4547", "EPSG:4490", always_xy=True).transform(*((placed.min(0) + placed.max(0)) / 2))  # noqa: TID251 - the reference
        return lon, lat

    def tilers(self) -> None:
        """The Duplex as it is: time to tiles, and what is in them, beside py3dtiles."""
        from benchmarks.support.ifc_tiles import facts

        _, env = self.store("tilers")
        ours, _, _ = run(WHOLE, DUPLEX, "duplex", env=env)
        out = self.folder / "py3dtiles"
        theirs, _, _ = run(PY3DTILES, DUPLEX, out)
        self.row(
            "Duplex to tiles (ours also into the store)",
            ours,
            "s",
            peer="py3dtiles",
            peer_value=round(theirs, 2),
            ratio=round(ours / theirs, 2),
        )
        middle = self.middle()
        mine, other = facts(self.folder / "tilers" / "tiles", middle), facts(out, middle)
        for name, unit in (("vertices with normals", "%"), ("elements with GlobalId", ""), ("meshes to draw", ""), ("off place", "m")):
            self.row(f"Duplex: {name}", mine[name], unit, peer="py3dtiles", peer_value=other[name])


PROPERTIES = """
import sys, json, time
import ifcopenshell
from cim.db import engine
from cim.settings import load_settings
from ingest.ifc.properties import PropertyReader
from ingest.ifc.property_rows import PropertySets
from ingest.ifc.relations import Relations
from ingest.ifc.units import Units
model = ifcopenshell.open(sys.argv[1])
started = time.monotonic()
links, reader = Relations(model), PropertyReader(Units(model))
numbers = {}
for item in model.by_type("IfcObject"):
    kind = links.type.get(item.id())
    definitions = [*(getattr(kind, "HasPropertySets", None) or ()), *links.definitions.get(item.id(), ())]
    numbers[item.id()] = [reader.read(one) for one in definitions if not one.is_a("IfcPropertySetTemplate")]
known = PropertySets(reader.sets)
held = {number: known.of(found) for number, found in numbers.items()}
rows = sum(len(values) for one in held.values() for values in one.sets.values())
with engine.connect(load_settings()) as connection:
    connection.execute("CREATE TEMP TABLE target (id bigint, properties jsonb)")
    with connection.cursor() as cursor, cursor.copy("COPY target FROM STDIN") as copy:
        for number, one in held.items():
            copy.write_row((number, one.text))
    seconds = time.monotonic() - started
    assert connection.execute("SELECT count(*) FROM target, jsonb_each(properties) s, jsonb_each(s.value)").fetchone()[0] == rows
print(json.dumps({"rows": rows, "seconds": seconds}))
"""


def show(rows: list[dict[str, Any]]) -> None:
    """Print a table."""
    table = Table(title="BIM")
    for name in ("name", "value", "unit", "peer", "peer_value", "ratio", "gate", "target"):
        table.add_column(name)
    for row in rows:
        table.add_row(*["" if row[c.header] is None else str(row[c.header]) for c in table.columns])  # type: ignore[index]
    Console(width=180).print(table)


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=10, help="copies of the Duplex (2.4 MB each)")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each, in turn")
    parser.add_argument("--only", default="", help="meshing, properties, whole or tilers")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cim-bench-bim-") as folder:
        bench = Bench(Path(folder), given.size, given.rounds)
        try:
            if given.only in ("", "meshing"):
                bench.meshing("distinct", gate=1.4, target=1.4)
                bench.meshing("repeated", gate=1.4, target=3.0)
            if given.only in ("", "properties"):
                bench.properties()
            if given.only in ("", "whole"):
                bench.whole()
            if given.only in ("", "tilers"):
                bench.tilers()
        finally:
            bench.cluster.stop()
    if given.json:
        print(json.dumps(bench.rows))
    else:
        show(bench.rows)


if __name__ == "__main__":
    main()
