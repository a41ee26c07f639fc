"""Terrain: ground of footprints, points, COG conversion, terrain tiles, map tiles; against sample(), gdal_translate, plain rio-tiler.

Results are compared before they are timed: heights with sample() at centres of cells, the converted raster with that of gdal_translate.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import morecantile
import numpy as np
import psycopg
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.transform import from_origin
from rich.console import Console
from rich.table import Table
from rio_tiler.io import Reader

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.data import census_city
from cim.crs import transform_box, transform_xy
from cim.db import engine, profiles
from cim.db.cluster import Cluster
from cim.db.migrate import migrate
from cim.geometry.footprint import footprints_from_wkb
from cim.profile import CityProfile, Names
from cim.raster.cog import write_cog
from cim.raster.pictures import Look, picture
from cim.raster.surface import Surface
from cim.settings import Settings

STEP_M = 5.0
NODATA = -9999.0
SAMPLED = 20_000
POINTS = 2_000_000
ROUNDS = 3
TILES = 200
Floats = NDArray[np.float64]


def row(name: str, value: float, unit: str, *, peer: str = "", peer_value: float | None = None, ratio: float | None = None,
        gate: float | None = None) -> dict[str, Any]:  # fmt: skip
    """Return one line of the table."""
    return {"name": name, "value": round(value, 3), "unit": unit, "peer": peer, "peer_value": peer_value and round(peer_value, 3),
            "ratio": ratio and round(ratio, 2), "gate": gate and round(gate, 3), "target": None}  # fmt: skip


def heights(x: Floats, y: Floats) -> Floats:
    """Hills of 35 m with a rough surface."""
    rough = np.sin(x * 0.37) * np.cos(y * 0.29)
    return np.asarray(50 + 20 * np.sin(x / 700) + 15 * np.cos(y / 500) + rough, np.float32)


def make_dem(path: Path, west: float, north: float, columns: int, rows: int) -> None:
    """Write a plain tiled GeoTIFF in EPSG:4547 by stripes."""
    profile = {
        "driver": "GTiff", "width": columns, "height": rows, "count": 1, "dtype": "float32", "nodata": NODATA, "crs": "EPSG:4547",
        "transform": from_origin(west, north, STEP_M, STEP_M), "tiled": True, "blockxsize": 512, "blockysize": 512, "bigtiff": "IF_SAFER",
    }  # fmt: skip
    x = west + (np.arange(columns) + 0.5) * STEP_M
    with rasterio.open(path, "w", **profile) as out:
        for top in range(0, rows, 512):
            n = min(512, rows - top)
            y = north - (np.arange(top, top + n) + 0.5) * STEP_M
            out.write(heights(x[None, :], y[:, None]), 1, window=rasterio.windows.Window(0, top, columns, n))


def best(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the shortest time of some runs [s]."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def ground_rows(folder: Path, n: int) -> list[dict[str, Any]]:
    """Ground of footprints and elevations of points."""
    _, shapes = census_city(n)
    west, south, east, north = transform_box("EPSG:4490", "EPSG:4547", tuple(shapely.total_bounds(shapes)))
    plain, dem = folder / "plain.tif", folder / "dem.tif"
    make_dem(plain, west - 200, north + 200, int((east - west + 400) / STEP_M), int((north - south + 400) / STEP_M))
    write_cog(plain, dem)
    wkb = [bytes(one) for one in shapely.to_wkb(shapes, byte_order=1)]
    surface = Surface([dem])
    with rasterio.open(dem) as source:
        random = np.random.default_rng(3)
        columns, lines = random.integers(2, source.width - 2, SAMPLED), random.integers(2, source.height - 2, SAMPLED)
        x, y = source.transform.c + (columns + 0.5) * STEP_M, source.transform.f - (lines + 0.5) * STEP_M
        lon, lat = transform_xy("EPSG:4547", "EPSG:4490", x, y)
        known = np.array([value[0] for value in source.sample(np.column_stack((x, y)))])
        assert np.abs(surface.elevations(lon, lat) - known).max() < 0.02, "heights differ from sample()"
        one_by_one = best(lambda: list(source.sample(np.column_stack((x, y)))))
    surface.under(footprints_from_wkb(wkb[:1000]))
    ours = best(lambda: surface.under(footprints_from_wkb(wkb)))
    rate = SAMPLED / one_by_one
    made = [
        row(f"ground of {n} footprints: lowest, mean, highest", ours, "s", peer="sample(), a point each", peer_value=n / rate,
            ratio=ours / (n / rate), gate=5.0 * n / 1_000_000),
    ]  # fmt: skip
    spread = np.random.default_rng(4)
    px, py = spread.uniform(west, east, POINTS), spread.uniform(south, north, POINTS)
    plon, plat = transform_xy("EPSG:4547", "EPSG:4490", px, py)
    per_s = POINTS / best(lambda: surface.elevations(plon, plat))
    made.append(row("points, bilinear", per_s, "1/s", peer="sample(), nearest", peer_value=rate, ratio=per_s / rate, gate=2e6))
    return made


def cog_row(folder: Path) -> dict[str, Any]:
    """Conversion against gdal_translate, A B A B."""
    source, ours, theirs = folder / "side.tif", folder / "ours.tif", folder / "theirs.tif"
    command = ["gdal_translate", "-q", "-of", "COG", "-co", "COMPRESS=DEFLATE", "-co", "PREDICTOR=YES", "-co", "NUM_THREADS=ALL_CPUS",
               "-co", "OVERVIEW_RESAMPLING=AVERAGE", "-co", "BIGTIFF=IF_SAFER", str(source), str(theirs)]  # fmt: skip
    own, peer = [], []
    for _ in range(ROUNDS):
        own.append(best(lambda: write_cog(source, ours), 1))
        peer.append(best(lambda: subprocess.run(command, check=True), 1))
    with rasterio.open(ours) as a, rasterio.open(theirs) as b:
        window = rasterio.windows.Window(1000, 1000, 2000, 2000)
        assert np.array_equal(a.read(1, window=window), b.read(1, window=window)), "cells differ from gdal_translate"
    return row("COG conversion", min(own), "s", peer="gdal_translate -of COG", peer_value=min(peer), ratio=min(peer) / min(own), gate=0.8)


def terrain_rows(folder: Path, side: int) -> list[dict[str, Any]]:
    """Terrain tiles of a square raster, in a process of its own; its memory by the kernel."""
    cluster = Cluster(folder / "cluster", durable=True)
    cluster.start()
    try:
        with psycopg.connect(cluster.conninfo("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        parts = psycopg.conninfo.conninfo_to_dict(cluster.conninfo("bench"))
        url = f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/bench"
        settings = Settings(data_dir=folder / "data", database={"url": url})
        migrate(settings)
        with engine.connect(settings) as connection:
            city = {"name": Names(en="City", zh="城"), "division_codes": ["420111"], "projected_crs": "EPSG:4547"}
            profiles.save_profile(connection, CityProfile(**city, geoid_separation_m=-13.0, notices=[]))
        environment = {**os.environ, "CIM_DATA_DIR": str(folder / "data"), "CIM_DATABASE__URL": url}
        cim = [sys.executable, "-m", "cim"]
        ingest = [*cim, "ingest", "terrain", str(folder / "side.tif"), "--vertical-datum", "EPSG:5737", "--unit", "m"]
        subprocess.run(ingest, check=True, env=environment, capture_output=True)
        started = time.perf_counter()
        child = subprocess.Popen([*cim, "tiles", "build", "terrain"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peak_kb = 0
        # Of the process itself: what the kernel reports when it ends has the size of this one before the program was started.
        while child.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                status = Path(f"/proc/{child.pid}/status").read_text()
                peak_kb = max(peak_kb, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
            time.sleep(0.1)
        took = time.perf_counter() - started
        assert child.returncode == 0, "cim tiles build terrain failed"
    finally:
        cluster.stop()
    share = (side / 10_000) ** 2
    return [
        row(f"terrain tiles of {side} x {side} cells", took, "s", gate=180.0 * share),
        row("its peak memory", peak_kb / 1e6, "GB", gate=2.0),
    ]


def map_rows(folder: Path) -> list[dict[str, Any]]:
    """Map tiles of shaded relief, each another one, against rio-tiler that opens the file for each."""
    path = folder / "ours.tif"
    with rasterio.open(path) as source:
        west, south, east, north = transform_box(source.crs.to_string(), "EPSG:4326", tuple(source.bounds))
    tms = morecantile.tms.get("WebMercatorQuad")
    random = np.random.default_rng(6)
    places = [
        tms.tile(lon, lat, int(level))
        for lon, lat, level in zip(
            random.uniform(west, east, TILES), random.uniform(south, north, TILES), random.integers(11, 17, TILES), strict=True
        )
    ]
    look = Look("hillshade", 0.0, 90.0)

    def own(one: morecantile.Tile) -> None:
        bounds = tms.xy_bounds(one)
        cell = (bounds.top - bounds.bottom) / 256 / np.cosh((bounds.top + bounds.bottom) / 2 / 6_378_137)
        picture(path, tuple(bounds), "EPSG:3857", (256, 256), look, "png", (cell, cell))

    own(places[0])

    def peer(one: morecantile.Tile) -> None:
        with Reader(str(path)) as reader:
            picture = reader.tile(one.x, one.y, one.z)
            picture.rescale(in_range=((0, 90),))
            picture.render(img_format="PNG")

    ours = [1000 * best(partial(own, one), 1) for one in places]
    theirs = [1000 * best(partial(peer, one), 1) for one in places]
    p95, other = float(np.percentile(ours, 95)), float(np.percentile(theirs, 95))
    return [row("map tile, shaded relief, made anew, p95", p95, "ms", peer="rio-tiler, opened each time, grey by height",
                peer_value=other, ratio=p95 / other, gate=40.0)]  # fmt: skip


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=100_000, help="footprints; 1000000 is the size of the gate")
    parser.add_argument("--side", type=int, default=4_000, help="columns and rows of the raster; 10000 is the size of the gate")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cim-bench-terrain-"))
    folder.chmod(0o755)
    try:
        make_dem(folder / "side.tif", 540_000.0, 3_420_000.0, arguments.side, arguments.side)
        rows = [*ground_rows(folder, arguments.size), cog_row(folder), *map_rows(folder), *terrain_rows(folder, arguments.side)]
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
