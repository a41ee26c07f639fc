"""City models: ingest of CityJSON buildings with roofs (read, place, triangulate, check, match, load), and their way out again.

Every house is a gabled solid of LoD 2.2 with semantic surfaces, seeded; a tenth of the footprints is in the register. The peer, cjio,
reads the same file only: no place, no triangles, no check, no store.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import shapely
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cim.crs import transform_xy
from cim.db import engine, profiles
from cim.db.changes import open_change_set
from cim.db.cluster import Cluster
from cim.db.migrate import migrate
from cim.profile import read_profile
from cim.settings import DatabaseSettings, Settings

ROOT = Path(__file__).resolve().parent.parent
_PITCH_M = 20.0
_SEMANTICS = [{"type": "GroundSurface"}, {"type": "WallSurface"}, {"type": "RoofSurface"}]
# Corners: 0-3 ground, 4-7 eaves, 8-9 ridge above the middle of the short sides.
_SURFACES = [
    [[3, 2, 1, 0]], [[0, 1, 5, 4]], [[1, 2, 6, 9, 5]], [[2, 3, 7, 6]], [[3, 0, 4, 8, 7]], [[4, 5, 9, 8]], [[6, 7, 8, 9]],
]  # fmt: skip
_KINDS = [0, 1, 1, 1, 1, 2, 2]


def houses(n: int) -> np.ndarray:
    """Return the corners of gabled houses [m], EPSG:4547 and elevation, shape (n, 10, 3)."""
    rng = np.random.default_rng(1)
    side = int(np.ceil(np.sqrt(n)))
    at = np.arange(n)
    west, south = 500_000 + at % side * _PITCH_M, 3_370_000 + at // side * _PITCH_M
    length, width = rng.uniform(8, 16, n), rng.uniform(6, 12, n)
    base, eaves, ridge = rng.uniform(20, 30, n), rng.uniform(4, 12, n), rng.uniform(1.5, 4, n)
    x = np.column_stack([west, west + length, west + length, west] * 2 + [west, west + length])
    y = np.column_stack([south, south, south + width, south + width] * 2 + [south + width / 2] * 2)
    z = np.column_stack([base] * 4 + [base + eaves] * 4 + [base + eaves + ridge] * 2)
    return np.round(np.stack([x, y, z], axis=2), 3)


def write_model(path: Path, corners: np.ndarray) -> None:
    """Write houses as one CityJSON 2.0 object."""
    origin = [500_000.0, 3_370_000.0, 0.0]
    cells = np.rint((corners - origin) * 1000).astype(np.int64)
    with path.open("w", encoding="utf-8") as out:
        transform = {"scale": [0.001] * 3, "translate": origin}
        head = {"referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/4547"}
        out.write(f'{{"type":"CityJSON","version":"2.0","transform":{json.dumps(transform)},"metadata":{json.dumps(head)},')
        out.write('"CityObjects":{')
        for number in range(len(corners)):
            first = 10 * number
            boundaries = [[[[first + one for one in ring] for ring in surface] for surface in _SURFACES]]
            semantics = {"surfaces": _SEMANTICS, "values": [_KINDS]}
            solid = {"type": "Solid", "lod": "2.2", "boundaries": boundaries, "semantics": semantics}
            made = {"type": "Building", "attributes": {"measuredHeight": 9.5, "id": number}, "geometry": [solid]}
            out.write(f'{"," if number else ""}"H{number}":{json.dumps(made)}')
        out.write('},"vertices":' + json.dumps(cells.reshape(-1, 3).tolist()) + "}")


def register(settings: Settings, corners: np.ndarray) -> None:
    """Write every tenth footprint into the register."""
    few = corners[::10, :4, :2]
    lon, lat = transform_xy("EPSG:4547", "EPSG:4490", few[:, :, 0].ravel(), few[:, :, 1].ravel())
    rings = np.column_stack([lon, lat]).reshape(-1, 4, 2)
    wkb = shapely.to_wkb(shapely.set_srid(shapely.multipolygons(shapely.polygons(rings)[:, None]), 4490), hex=True, include_srid=True)
    with engine.connect(settings) as connection:
        by = open_change_set(connection, author="benchmark", operation="ingest", reason="benchmark")
        columns = "code, code_scheme, county_code, division_code, geom, change_set_id"
        with connection.cursor() as cursor, cursor.copy(f"COPY building ({columns}) FROM STDIN") as copy:
            for number, shape in enumerate(wkb.tolist()):
                copy.write_row([f"B{number}", "CIM-BC27-v1", "420111", "420111001001", shape, by])


def stored(n: int, folder: Path) -> list[dict[str, Any]]:
    """Measure ingest and export in a private cluster, the peer before and after."""
    cluster = Cluster(folder / "cluster", durable=True)
    cluster.start()
    try:
        with psycopg.connect(cluster.conninfo("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        parts = psycopg.conninfo.conninfo_to_dict(cluster.conninfo("bench"))
        url = f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/bench"
        settings = Settings(data_dir=folder / "data", database=DatabaseSettings(url=url))
        migrate(settings)
        with engine.connect(settings) as connection:
            profiles.save_profile(connection, read_profile(ROOT / "sample_data" / "city.yaml"))
        corners = houses(n)
        model, out = folder / "houses.city.json", folder / "out.city.json"
        write_model(model, corners)
        register(settings, corners)
        env = {**os.environ, "CIM_DATA_DIR": str(settings.data_dir), "CIM_DATABASE__URL": url}
        first = peer(model, n)
        ingest, made = cim(env, "ingest", "citymodel", str(model), "--vertical-datum", "EPSG:5737", "--json")
        assert (made[0]["accepted"], made[0]["matched_buildings"], made[0]["invalid_geometries"]) == (n, len(corners[::10]), 0), made
        export, told = cim(env, "export", "city-objects", str(out), "--json")
        assert told["rows"] == n, told
        theirs = (first + peer(out, n)) / 2
    finally:
        cluster.stop()
    return [
        row("ingest of LoD2 buildings", n / ingest, "1/s", peer="cjio, reading only", peer_value=n / theirs, gate=5_000.0),
        row("export of LoD2 buildings", n / export, "1/s", gate=5_000.0),
    ]


def cim(env: dict[str, str], *argv: str) -> tuple[float, Any]:
    """Run a command; return seconds and its JSON document."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "cim", *argv], env=env, check=True, capture_output=True, cwd=ROOT)
    return time.monotonic() - began, json.loads(done.stdout)


def peer(path: Path, n: int) -> float:
    """Return seconds that cjio takes to read a file into its objects."""
    script = f"from cjio import cityjson; m = cityjson.CityJSON(open({str(path)!r}))"
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", f"{script}; assert len(m.j['CityObjects']) == {n}"], check=True, capture_output=True)
    return time.monotonic() - began


def row(
    name: str, value: float, unit: str, *, peer: str = "", peer_value: float | None = None, gate: float | None = None
) -> dict[str, Any]:
    """Return one line of the table; the gate is for the value."""
    ratio = value / peer_value if peer_value else None
    return {"name": name, "value": float(value), "unit": unit, "peer": peer, "peer_value": peer_value, "ratio": ratio, "gate": gate,
            "target": None}  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=100_000, help="buildings")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cim-bench-") as folder:
        Path(folder).chmod(0o755)
        rows = stored(arguments.size, Path(folder))
    for one in rows:
        one["size"] = arguments.size
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    table = Table(title=f"City models, {arguments.size:,} buildings")
    names = ("name", "value", "unit", "peer", "peer_value", "ratio", "gate", "target")
    for name in names:
        table.add_column(name)
    for one in rows:
        table.add_row(*["" if one[n] is None else f"{one[n]:.4g}" if isinstance(one[n], float) else str(one[n]) for n in names])
    Console().print(table)


if __name__ == "__main__":
    main()
