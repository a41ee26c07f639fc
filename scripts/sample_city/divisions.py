"""Division table (real codes) and synthetic boundaries (a partition of the sample area)."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from sample_city.area import COUNTY, E0, N0, sample_box, to_degrees
from sample_city.sources import Division
from sample_city.writers import write_csv, write_layer

COUNTIES: Final = ("420111", "420115")
TOWNS: Final = ("420111002", "420111006", "420111080")

SEEDS: Final[dict[str, tuple[float, float]]] = {
    "420111006011": (420.0, 480.0),  # 工程大社区
    "420111006013": (790.0, 290.0),  # 关西社区
    "420111006014": (240.0, 1000.0),  # 吴家湾社区
    "420111006012": (740.0, 960.0),  # 鲁广社区
    "420111002007": (270.0, 1520.0),  # 邮科院社区
    "420111002011": (760.0, 1480.0),  # 紫菘社区
    "420111002023": (1210.0, 1330.0),  # 鲁磨路社区
    "420111002015": (1620.0, 1150.0),  # 关山口社区
    "420111002046": (1800.0, 1560.0),  # 华中科技大学社区
    "420111080009": (1180.0, 700.0),  # 光谷社区
    "420111080002": (1190.0, 230.0),  # 曙光居民委员会
    "420111080008": (1560.0, 720.0),  # 新世界社区
    "420111080007": (2080.0, 960.0),  # 关山社区
    "420111080013": (1990.0, 380.0),  # 当代社区
}
"""Village code to seed point, metres east and north of the corner of the sample area."""


def build_villages() -> dict[str, Any]:
    """Partition the sample area into one cell per seed.

    Returns
    -------
    dict
        Village code to polygon in EPSG:4490 (lon/lat). Neighbours share their vertices exactly, so cells tile their parents.
    """
    codes = sorted(SEEDS)
    seeds = [shapely.Point(E0 + SEEDS[code][0], N0 + SEEDS[code][1]) for code in codes]
    frame = sample_box()
    edges = shapely.voronoi_polygons(shapely.MultiPoint(seeds), extend_to=frame, only_edges=True)
    # Cells made from one noded line work share vertices; clipping cell by cell would not guarantee that.
    work = shapely.union_all([shapely.intersection(edges, frame), frame.boundary])
    work = shapely.transform(work, lambda xy: np.round(xy, 3))
    cells = list(shapely.polygonize([shapely.node(work)]).geoms)
    return {code: to_degrees(next(c for c in cells if c.contains(seed))) for code, seed in zip(codes, seeds, strict=True)}


def build_boundaries(divisions: list[Division]) -> list[dict[str, Any]]:
    """Return boundary rows: villages, and their towns and county as unions of them."""
    villages = build_villages()
    levels: dict[str, list[Any]] = {code: [shape] for code, shape in villages.items()}
    for code, shape in villages.items():
        levels.setdefault(code[:9].ljust(12, "0"), []).append(shape)
        levels.setdefault(COUNTY.ljust(12, "0"), []).append(shape)
    rows = []
    for division in divisions:
        if division.code in levels:
            shape = shapely.normalize(shapely.MultiPolygon(_parts(shapely.coverage_union_all(levels[division.code]))))
            rows.append(
                {
                    "code": division.code,
                    "name": division.name,
                    "level": division.level,
                    "parent_code": division.parent,
                    "synthetic": 1,
                    "geometry": shape,
                }
            )
    return rows


def _parts(shape: BaseGeometry) -> list[Any]:
    return list(shapely.get_parts(shape))


def village_of(villages: dict[str, Any], lonlat: BaseGeometry) -> str:
    """Return the code of the village that holds a point guaranteed inside the footprint."""
    inside = shapely.point_on_surface(lonlat)
    return min(villages, key=lambda code: (shapely.distance(villages[code], inside), code))


def write_divisions(out: Path, divisions: list[Division]) -> None:
    """Write the table and the boundaries. The urban-rural class is empty: the source does not give it."""
    rows = [{"code": d.code, "name": d.name, "level": d.level, "parent_code": d.parent} for d in divisions]
    write_csv(out / "divisions.csv", ("code", "name", "level", "parent_code", "urban_rural_class"), rows)
    write_layer(
        out / "boundaries.gpkg",
        "divisions",
        build_boundaries(divisions),
        {"code": str, "name": str, "level": str, "parent_code": str, "synthetic": np.int32},
        geometry_type="MultiPolygon",
    )
