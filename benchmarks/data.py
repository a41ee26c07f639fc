"""Seeded data shared by the benchmarks."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio
import shapely
from numpy.typing import NDArray

SEED = 7


def footprints(n: int) -> NDArray[np.object_]:
    """Return n footprints, 70 % rectangles and 30 % L shapes, on a grid around 114.4 E 30.5 N, EPSG:4490 [deg]."""
    random = np.random.default_rng(SEED)
    side = int(np.ceil(np.sqrt(n)))
    x = 114.4 + (np.arange(n) % side) * 0.0004
    y = 30.5 + (np.arange(n) // side) * 0.0004
    w, d = random.uniform(0.0001, 0.0003, n), random.uniform(0.0001, 0.0003, n)
    made = np.empty(n, dtype=object)
    for i in range(n):
        if i % 10 < 7:
            made[i] = shapely.box(x[i], y[i], x[i] + w[i], y[i] + d[i])
        else:
            mx, my = x[i] + w[i] / 2, y[i] + d[i] / 2
            ring = [(x[i], y[i]), (x[i] + w[i], y[i]), (x[i] + w[i], my), (mx, my), (mx, y[i] + d[i]), (x[i], y[i] + d[i])]
            made[i] = shapely.Polygon(ring)
    return made


def heights_m(n: int) -> NDArray[np.float64]:
    """Return n building heights [m]."""
    return np.random.default_rng(SEED + 1).gamma(3.0, 6.0, n) + 3.0


VILLAGES = 15
"""Villages along each side of the generated city."""


def census_city(n: int, *, changed: float = 0.0) -> tuple[pa.Table, NDArray[np.object_]]:
    """Return a building survey of n records with 20 fields and its footprints, EPSG:4490 [deg].

    Parameters
    ----------
    n
        Records, on a grid of about 38 x 44 m cells, each block of buildings turned by an angle of its own.
    changed
        Share of records whose height differs from the survey without changes.
    """
    random = np.random.default_rng(SEED)
    side = int(np.ceil(np.sqrt(n)))
    i, j = np.arange(n) % side, np.arange(n) // side
    x, y = 114.4 + (i + 0.5) * 0.0004, 30.5 + (j + 0.5) * 0.0004
    half_w, half_d = random.uniform(4.0, 11.0, n), random.uniform(4.0, 11.0, n)
    turn = (np.sin(i // 20 * 12.9898 + j // 20 * 78.233) * 43758.5453 % 1.0) * np.pi / 2
    corners = np.array([(-1, -1), (1, -1), (1, 0), (0.2, 0), (0.2, 1), (-1, 1), (-1, -1)], np.float64)
    box = np.array([(-1, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, -1)], np.float64)
    shape = np.where((np.arange(n) % 10 < 7)[:, None, None], box, corners) * np.stack([half_w, half_d], axis=1)[:, None, :]
    east = shape[..., 0] * np.cos(turn)[:, None] - shape[..., 1] * np.sin(turn)[:, None]
    north = shape[..., 0] * np.sin(turn)[:, None] + shape[..., 1] * np.cos(turn)[:, None]
    ring = np.stack([x[:, None] + east / 95_900.0, y[:, None] + north / 110_900.0], axis=2)
    village = i * VILLAGES // side * 20 + j * VILLAGES // side + 1
    storeys = random.integers(1, 31, n)
    height = np.round(storeys * random.uniform(2.8, 3.6, n), 1)
    redo = np.random.default_rng(SEED + 2).random(n) < changed
    height = np.where(redo, height + 0.5, height)
    year = random.integers(1950, 2025, n)
    number = np.arange(n)
    text = {
        "district": np.full(n, "420111"),
        "village": np.char.add("420111", np.char.zfill((village + 1000).astype(str), 6)),
        "fwbh": np.char.zfill(number.astype(str), 10),
        "fwlb": random.choice(["1", "2", "3", "4"], n),
        "jzmc": np.where(number % 4 == 0, np.char.add("示例小区", (number // 4).astype(str)), ""),
        "address": np.char.add(np.char.add("示例路", (j + 1).astype(str)), "号"),
        "jglxQg": random.choice(["5", "6"], n),
        "jzytQg": random.choice(["1", "2", "3", "9"], n),
        "build_time": year.astype(str),
        "sfkzjg": np.full(n, "0"), "sfszcg": np.full(n, "0"), "ywlfbxqx": random.choice(["0", "1"], n),
        "jzfsQg": random.choice(["1", "2", "3"], n), "house_type": np.full(n, "1"), "xcdcqk": np.full(n, "1"),
        "dcsj": np.full(n, "2021-06-01"), "status": np.full(n, "2"),
    }  # fmt: skip
    columns = {
        name: pa.array(np.where(values == "", None, values) if name == "jzmc" else values, pa.string()) for name, values in text.items()
    }
    columns |= {"dscs": pa.array(storeys, pa.int32()), "gd": pa.array(height), "dcmj": pa.array(np.round(storeys * half_w * half_d * 3, 1))}
    return pa.table(columns), np.asarray(shapely.polygons(ring))


CENSUS_PROFILE = """profile: benchmark
title: {en: Benchmark, zh: 基准测试}
natural_key: [district, fwbh]
fields:
  name: {source: jzmc, type: text}
  address: {source: address, type: text}
  division_code: {source: village, type: text}
  class_code: {source: fwlb, type: enum, values: {'1': urban_dwelling, '2': urban_non_dwelling, '3': rural_single_dwelling, '4': other}}
  height_m: {source: gd, type: number, unit: m, required: true}
  storeys_above: {source: dscs, type: integer, required: true}
  use: {source: jzytQg, type: enum, required: true, values: {'1': residential, '2': commercial, '3': office, '9': industrial}}
  structure: {source: jglxQg, type: enum, required: true, values: {'5': RC, '6': STL}}
  year_built: {source: build_time, type: integer}
  floor_area_m2: {source: dcmj, type: number, unit: m2}
keep: [sfkzjg, sfszcg, ywlfbxqx, jzfsQg, house_type, xcdcqk, dcsj, status]
"""


def village_table(n: int) -> tuple[pa.Table, NDArray[np.object_]]:
    """Return the villages of `census_city`, with boundaries."""
    side = int(np.ceil(np.sqrt(n))) * 0.0004 / VILLAGES
    codes, names, shapes = [], [], []
    for i in range(VILLAGES):
        for j in range(VILLAGES):
            codes.append(f"420111{i * 20 + j + 1001:06d}")
            names.append(f"示例村{i}-{j}")
            west, south = 114.4 + i * side, 30.5 + j * side
            shapes.append(shapely.segmentize(shapely.box(west, south, west + side, south + side), side / 100))
    return pa.table({"code": codes, "name": names, "level": ["village"] * len(codes)}), np.array(shapes, dtype=object)


def write_gpkg(path: Path, table: pa.Table, shapes: NDArray[np.object_]) -> None:
    """Write features to a GeoPackage in EPSG:4490."""
    wkb = pa.array(shapely.to_wkb(shapes), pa.binary())
    pyogrio.write_arrow(
        table.append_column("geometry", wkb), path, layer="buildings", driver="GPKG", geometry_name="geometry", geometry_type="Polygon",
        crs="EPSG:4490",
    )  # fmt: skip


FILL_BUILDINGS = """
WITH c AS (INSERT INTO change_set (id, author, operation, reason) VALUES (cim_uuid7(), 'bench', 'ingest', 'benchmark') RETURNING id)
INSERT INTO building (code, code_scheme, county_code, division_code, name, address, height_m, storeys_above, storeys_below, use, structure,
                      year_built, footprint_area_m2, floor_area_m2, geom, change_set_id)
SELECT village || '2026' || lpad(n::text, 8, '0') || '01X', 'CIM-BC27-v1', '420111',
       village, CASE WHEN n %% 4 = 0 THEN '示例小区' || n / 4 END,
       '示例路' || j || '号', 3 + n %% 97, 1 + n %% 30, n %% 3, (ARRAY['residential', 'office', 'commercial', 'industrial'])[1 + n %% 4],
       (ARRAY['RC', 'STL'])[1 + n %% 2], 1950 + n %% 75, 80 + n %% 900, 900 + n %% 9000,
       ST_Multi(ST_Rotate(ST_GeomFromText(format(
           'POLYGON((%%s %%s, %%s %%s, %%s %%s, %%s %%s, %%s %%s, %%s %%s, %%s %%s, %%s %%s, %%s %%s))',
           x - w, y - d, x, y - d, x + w, y - d, x + w, y, x + w, y + d, x, y + d, x - w, y + d, x - w, y, x - w, y - d), 4490),
           n %% 31 / 10.0, ST_SetSRID(ST_MakePoint(x, y), 4490))), c.id
FROM c, generate_series(0, %(n)s - 1) AS n, LATERAL (SELECT n %% %(side)s AS i, n / %(side)s AS j) AS cell,
     LATERAL (SELECT '420111' || lpad((i / 80 %% 20 * 1000 + j / 80 + 1001)::text, 6, '0') AS village) AS v,
     LATERAL (SELECT 114.4 + i * 0.0004 AS x, 30.5 + j * 0.0004 AS y, 0.00004 + n %% 7 * 0.00001 AS w, 0.00004 + n %% 11 * 0.00001 AS d)
         AS place
"""
"""Inserts ``n`` buildings with ``side`` along each side straight into a store, outlines of eight corners, EPSG:4490."""
