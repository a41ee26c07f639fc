"""OpenStreetMap extracts (.pbf, GeoPackage made from one) → roads, lamps, hydrants, manholes, pipelines.

Source: OSM wiki, keys highway, bridge, tunnel, man_made, emergency, substance. Positions are WGS 84, served as CGCS2000 (null
transformation).
"""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from cim.errors import SourceSyntaxError
from ingest.network.survey import Survey, line_table, point_table
from ingest.source import first_line, require_file

_TAG = re.compile(r'"((?:[^"\\]|\\.)*)"=>"((?:[^"\\]|\\.)*)"')
_SUBSTANCES = {
    "water": "water", "drinking_water": "water", "gas": "gas", "natural_gas": "gas", "sewage": "sewage", "waste_water": "sewage",
    "wastewater": "sewage", "heat": "heat", "hot_water": "heat", "rainwater": "rainwater", "storm_water": "rainwater",
}  # fmt: skip
_MANHOLES = {
    "drain": ("rainwater", "GULLY"), "sewer": ("sewage", "MANHOLE"), "water": ("water", "VALVE_WELL"), "telecom": ("telecom", "MANHOLE"),
    "gas": ("gas", "VALVE_WELL"), "power": ("power", "MANHOLE"), "electric": ("power", "MANHOLE"), "heating": ("heat", "VALVE_WELL"),
}  # fmt: skip
_NO_ROAD = {"proposed", "construction", "razed", "abandoned", "platform", "elevator", "corridor"}
_CRS = "EPSG:4326"


def is_osm(path: Path) -> bool:
    """Tell whether a file is an OSM extract: by suffix, or by the columns of its layers."""
    if path.name.lower().endswith((".osm.pbf", ".pbf", ".osm")):
        return True
    if path.suffix.lower() != ".gpkg":
        return False
    try:
        layers = {str(name) for name, _ in pyogrio.list_layers(path)}
        return "lines" in layers and "other_tags" in [str(f) for f in pyogrio.read_info(path, layer="lines")["fields"]]
    except (DataSourceError, DataLayerError):
        return False


def _read(path: Path, layer: str) -> tuple[dict[str, list[Any]], Any]:
    try:
        meta, _, wkb, values = pyogrio.raw.read(path, layer=layer)
    except (DataSourceError, DataLayerError) as error:
        raise SourceSyntaxError(path, f"damaged or no OSM extract: {first_line(error)}", hint="cut the extract again") from error
    columns = {str(name): value.tolist() for name, value in zip(meta["fields"], values, strict=True)}
    return columns, np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), dtype=object)


def _tags(columns: dict[str, list[Any]], row: int) -> dict[str, str]:
    found = {
        name: str(values[row]) for name, values in columns.items() if values[row] is not None and name not in ("other_tags", "z_order")
    }
    found.update(_TAG.findall(columns["other_tags"][row] or ""))
    return found


def map_osm(path: Path) -> list[Survey]:
    """Map an extract.

    Raises
    ------
    SourceSyntaxError
        Damaged, or without the layers of GDAL's OSM driver.
    """
    require_file(path)
    lines, shapes = _read(path, "lines")
    points, places = _read(path, "points")
    by_kind: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in range(len(places)):
        tags = _tags(points, row)
        for kind, value in _point(tags):
            at = {"key": f"node/{tags['osm_id']}", "x": places[row].x, "y": places[row].y, "place": f"{path.name}, node {tags['osm_id']}"}
            by_kind.setdefault(kind, {"points": [], "lines": []})["points"].append(at | value)
    ways: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for row in range(len(shapes)):
        tags = _tags(lines, row)
        for kind, value in _line(tags):
            ways.setdefault(kind, []).append((row, value | {"way": tags["osm_id"]}))
    for kind, found in ways.items():
        made = by_kind.setdefault(kind, {"points": [], "lines": []})
        _split(path, shapes, found, made)
    surveys = []
    for kind, made in sorted(by_kind.items()):
        columns = [
            {n: [r.get(n) for r in rows] for n in dict.fromkeys(k for r in rows for k in r)} for rows in (made["points"], made["lines"])
        ]
        surveys.append(Survey(
            kind, point_table(columns[0] or {"key": []}), line_table(columns[1] or {"key": []}), _CRS, "centre",
            len(made["points"]) + len(made["lines"]), path, None, {"format": "OpenStreetMap", "licence": "ODbL 1.0"},
        ))  # fmt: skip
    if not surveys:
        raise SourceSyntaxError(path, "found no road, lamp, hydrant, manhole or pipeline", hint="take a larger extract")
    return surveys


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _point(tags: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    if tags.get("highway") == "street_lamp":
        return [("lighting", {"appendage": "LAMP"})]
    if tags.get("emergency") == "fire_hydrant" or tags.get("amenity") == "fire_hydrant":
        return [("water", {"appendage": "HYDRANT", "type_code": tags.get("fire_hydrant:type")})]
    if "manhole" in tags or tags.get("man_made") == "manhole":
        kind, appendage = _MANHOLES.get(tags.get("manhole", ""), ("sewage", "MANHOLE"))
        return [(kind, {"appendage": appendage})] if tags.get("manhole") in _MANHOLES else []
    if tags.get("highway") == "traffic_signals":
        return [("road", {"appendage": "TRAFFIC_SIGNAL"})]
    if tags.get("power") in ("transformer", "substation", "pole", "tower"):
        word = {"transformer": "TRANSFORMER", "substation": "SUBSTATION", "pole": "POLE", "tower": "TOWER"}[tags["power"]]
        return [("power", {"appendage": word})]
    return []


def _line(tags: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    name = {"name": tags.get("name"), "class": tags.get("highway")}
    attributes = {k: v for k, v in name.items() if v}
    if "highway" in tags and tags["highway"] not in _NO_ROAD:
        feature = "BRIDGE" if tags.get("bridge", "no") != "no" else "TUNNEL" if tags.get("tunnel", "no") not in ("no",) else "ROAD"
        one_way = {"yes": 1.0, "true": 1.0, "1": 1.0, "-1": -1.0}.get(tags.get("oneway", ""), 0.0)
        return [("road", {"feature": feature, "flow_direction": one_way, "type_code": tags["highway"], "attributes": attributes})]
    if tags.get("man_made") == "pipeline" and tags.get("substance") in _SUBSTANCES:
        return [(_SUBSTANCES[tags["substance"]], {"feature": "PIPE", "attributes": attributes})]
    if tags.get("power") in ("line", "minor_line", "cable"):
        cable = tags["power"] == "cable"
        return [("power", {"feature": "CABLE" if cable else "OVERHEAD_LINE", "voltage": tags.get("voltage"),
                           "embedding": None if cable else "OVERHEAD", "attributes": attributes})]  # fmt: skip
    return []


def _split(path: Path, shapes: Any, ways: list[tuple[int, dict[str, Any]]], made: dict[str, list[dict[str, Any]]]) -> None:  # noqa: ANN401 - shapely
    """Cut ways where they share an OSM node: OSM gives shared nodes the same coordinates to the last digit."""
    from orjson import dumps

    chosen = shapes[[row for row, _ in ways]]
    xy, owner = shapely.get_coordinates(chosen, return_index=True)
    unique, at, counts = np.unique(xy, axis=0, return_inverse=True, return_counts=True)
    at = at.ravel()
    edge = np.ones(len(at), np.bool_)
    edge[1:-1] = (owner[1:-1] != owner[:-2]) | (owner[1:-1] != owner[2:])
    cut = edge | (counts[at] > 1)
    known: dict[int, str] = {}
    index = {(p["x"], p["y"]): p["key"] for p in made["points"]}
    first = np.searchsorted(owner, np.arange(len(chosen)))
    last = np.searchsorted(owner, np.arange(len(chosen)), side="right")
    for i, (_, value) in enumerate(ways):
        way = value["way"]
        stops = first[i] + np.flatnonzero(cut[first[i] : last[i]])
        for n, (a, b) in enumerate(pairwise(stops)):
            ends = []
            for k in (a, b):
                v = int(at[k])
                if v not in known:
                    x, y = float(unique[v, 0]), float(unique[v, 1])
                    known[v] = index.get((x, y)) or f"at/{x:.7f}/{y:.7f}"
                    if known[v].startswith("at/"):
                        made["points"].append({"key": known[v], "x": x, "y": y, "place": f"{path.name}, way {way}"})
                ends.append(known[v])
            row = {k: v for k, v in value.items() if k not in ("way", "attributes")}
            made["lines"].append(
                row | {"key": f"way/{way}/{n + 1}", "start": ends[0], "end": ends[1], "place": f"{path.name}, way {way}",
                       "wkb": shapely.to_wkb(shapely.linestrings(xy[a : b + 1])) if b - a > 1 else None,
                       "attributes": dumps(value["attributes"]).decode()}
            )  # fmt: skip
