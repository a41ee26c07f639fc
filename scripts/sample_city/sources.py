"""Reads the real input: OSM layers, division codes, company addresses. Everything leaves this module typed."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely

from sample_city.area import to_metres

OSM_FILE = Path("footprints") / "wuhan_guanggu_osm.gpkg"


@dataclass(frozen=True)
class Building:
    """One OSM building footprint.

    `lonlat` is the geometry as delivered (lon/lat degrees), `plan` the same in EPSG:4547 metres.
    """

    osm_id: int
    name: str
    house_number: str
    kind: str
    landuse: str
    height_m: float | None
    lonlat: Any
    plan: Any


@dataclass(frozen=True)
class Road:
    """One OSM way of the roads layer; geometry as for `Building`."""

    osm_id: int
    name: str
    name_en: str
    group: str
    highway: str
    oneway: bool
    bridge: bool
    tunnel: bool
    lonlat: Any
    plan: Any


@dataclass(frozen=True)
class Division:
    """One administrative division with its 12-digit code."""

    code: str
    name: str
    level: str
    parent: str


def read_layer(path: Path, layer: str) -> tuple[dict[str, list[Any]], list[Any]]:
    """Read one layer as columns of plain values (None for null) and geometries."""
    meta, _, blobs, columns = pyogrio.raw.read(path, layer=layer)
    plain = {name: [_plain(value) for value in column] for name, column in zip(meta["fields"], columns, strict=True)}
    return plain, list(shapely.from_wkb(blobs))


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value


def read_buildings(data: Path) -> list[Building]:
    """Read the footprints in order of OSM id; a height of 0 counts as not surveyed."""
    c, shapes = read_layer(data / OSM_FILE, "buildings")
    rows = [
        Building(
            osm_id=int(c["osm_id"][i]),
            name=c["name"][i] or "",
            house_number=c["addr_housenumber"][i] or "",
            kind=c["kind_detail"][i] or "",
            landuse=c["landuse_kind"][i] or "",
            height_m=c["height"][i] or None,
            lonlat=shape,
            plan=to_metres(shape),
        )
        for i, shape in enumerate(shapes)
    ]
    return sorted(rows, key=lambda b: b.osm_id)


def read_roads(data: Path) -> list[Road]:
    """Read all ways of the roads layer (roads, paths, rails) in order of OSM id."""
    c, shapes = read_layer(data / OSM_FILE, "roads")
    rows = [
        Road(
            osm_id=int(c["osm_id"][i]),
            name=c["name"][i] or "",
            name_en=c["name_en"][i] or "",
            group=c["kind"][i],
            highway=c["kind_detail"][i],
            oneway=c["oneway"][i] == "yes",
            bridge=bool(c["is_bridge"][i]),
            tunnel=bool(c["is_tunnel"][i]),
            lonlat=shape,
            plan=to_metres(shape),
        )
        for i, shape in enumerate(shapes)
    ]
    return sorted(rows, key=lambda r: r.osm_id)


def read_water(data: Path) -> list[tuple[int, str, Any]]:
    """Read the water polygons as (OSM id, name, lon/lat geometry)."""
    c, shapes = read_layer(data / OSM_FILE, "water")
    return [(int(c["osm_id"][i]), c["name"][i] or "", shape) for i, shape in enumerate(shapes) if shape.geom_type == "Polygon"]


def read_divisions(data: Path, counties: tuple[str, ...], towns: tuple[str, ...]) -> list[Division]:
    """Read Hubei, Wuhan, all its districts, the towns of `counties` and the villages of `towns` (codes of 6 and 9 digits)."""
    admin = data / "admin"
    found = [Division("420000000000", _name(admin / "cn_provinces.csv", "42"), "province", "")]
    found.append(Division("420100000000", _name(admin / "cn_cities.csv", "4201"), "city", "420000000000"))
    found += [
        Division(row["code"].ljust(12, "0"), row["name"], "county", "420100000000")
        for row in _rows(admin / "cn_areas.csv")
        if row["cityCode"] == "4201"
    ]
    found += [
        Division(row["code"].ljust(12, "0"), row["name"], "town", row["areaCode"].ljust(12, "0"))
        for row in _rows(admin / "cn_streets.csv")
        if row["areaCode"] in counties
    ]
    found += [
        Division(row["code"], row["name"], "village", row["streetCode"].ljust(12, "0"))
        for row in _rows(admin / "cn_villages_42_hubei.csv")
        if row["streetCode"] in towns
    ]
    order = ["province", "city", "county", "town", "village"]
    return sorted(found, key=lambda d: (order.index(d.level), d.code))


def read_company_addresses(data: Path) -> list[str]:
    """Read the Wuhan rows of the company address sample, as they stand in the file."""
    rows = _rows(data / "addresses" / "cn_company_addresses.csv")
    return [row["原始地址"] for row in rows if "武汉" in row["原始地址"]]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def _name(path: Path, code: str) -> str:
    return next(row["name"] for row in _rows(path) if row["code"] == code)
