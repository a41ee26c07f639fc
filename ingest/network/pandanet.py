"""pandapipes and pandapower files (JSON) → survey. Only the tables are read: no class named in the file is made."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from cim.crs import transform_xy
from cim.errors import MissingCrsError, SourceSyntaxError, UnsupportedFormatError
from ingest.network.models import ModelBuilder, Place
from ingest.network.survey import Survey
from ingest.source import require_file

Tables = dict[str, dict[Any, dict[str, Any]]]


def read_pandas_net(path: Path) -> tuple[str, Tables, str, bytes]:
    """Return the flavour (pandapipes, pandapower), its tables by index, the fluid and the bytes.

    Raises
    ------
    SourceSyntaxError
        Not JSON, or no network.
    """
    require_file(path)
    raw = path.read_bytes()
    try:
        document = json.loads(raw)
        module = str(document.get("_module", ""))
        content = document["_object"]
        content = json.loads(content) if isinstance(content, str) else content
    except (ValueError, KeyError, AttributeError) as error:
        raise SourceSyntaxError(path, "found no pandapipes or pandapower network", hint="write it with to_json") from error
    tables: Tables = {}
    for name, value in content.items():
        if isinstance(value, dict) and value.get("_class") == "DataFrame":
            frame = json.loads(value["_object"]) if isinstance(value["_object"], str) else value["_object"]
            rows = zip(frame["index"], frame["data"], strict=True)
            tables[name] = {i: dict(zip(frame["columns"], row, strict=True)) for i, row in rows}
    fluid = str(content.get("fluid", {}).get("_object", "")) if isinstance(content.get("fluid"), dict) else ""
    return module.partition(".")[0], tables, json.loads(fluid).get("name", "") if fluid.startswith("{") else "", raw


def map_pandas_net(path: Path, crs: str | None, *, kind: str | None) -> Survey:
    """Map a network.

    Parameters
    ----------
    path
        The file.
    crs
        CRS of its plane coordinates; pandapower keeps longitude and latitude.
    kind
        Kind; None = gas for gases, power for electricity, heat where consumers of heat are in it.

    Raises
    ------
    SourceSyntaxError
        Not such a file, or it does not say what flows.
    UnsupportedFormatError
        Neither of the two.
    """
    flavour, tables, fluid, raw = read_pandas_net(path)
    if flavour == "pandapower":
        made = _map_power(path, tables, kind or "power")
    elif flavour == "pandapipes":
        made = _map_pipes(path, tables, crs, kind or _kind_of(path, tables, fluid))
    else:
        raise UnsupportedFormatError(path, f"found a network of {flavour or 'nothing known'}, expected pandapipes or pandapower")
    counts = {name: len(rows) for name, rows in tables.items() if rows and not name.startswith(("res_", "_"))}
    return made.survey(model=(flavour, raw), notes={"format": flavour, "tables": counts} | ({"fluid": fluid} if fluid else {}))


def _kind_of(path: Path, tables: Tables, fluid: str) -> str:
    if tables.get("heat_consumer") or tables.get("heat_exchanger"):
        return "heat"
    if "gas" in fluid or fluid in ("hydrogen", "methane"):
        return "gas"
    raise SourceSyntaxError(path, f"found fluid {fluid!r}, which may be supply or heating", hint="pass --kind water or --kind heat")


def _geo(value: Any) -> list[Place] | None:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if not isinstance(value, dict) or not value.get("coordinates"):
        return None
    found = value["coordinates"]
    return [(float(p[0]), float(p[1])) for p in (found if isinstance(found[0], list) else [found])]


def _name(table: str, index: object, row: dict[str, Any]) -> str:
    return f"{table}/{index}" + (f"/{row['name']}" if row.get("name") else "")


def _status(row: dict[str, Any]) -> str:
    return "in_use" if row.get("in_service", True) else "abandoned"


def _into(crs: str, at: Place) -> Place:
    x, y = transform_xy("EPSG:4326", crs, np.array([at[0]]), np.array([at[1]]))
    return float(x[0]), float(y[0])


def _is_swapped(tables: Tables, at_plane: dict[Any, Place], crs: str) -> bool:
    """Tell whether the column ``geo`` holds latitude before longitude: compared with the plane position of the same junction."""
    for index, row in tables.get("junction", {}).items():
        geo = _geo(row.get("geo"))
        if geo and index in at_plane:
            lon, lat = transform_xy(crs, "EPSG:4326", np.array([at_plane[index][0]]), np.array([at_plane[index][1]]))
            return bool(abs(geo[0][0] - lat[0]) + abs(geo[0][1] - lon[0]) < abs(geo[0][0] - lon[0]) + abs(geo[0][1] - lat[0]))
    return False


def _map_pipes(path: Path, tables: Tables, crs: str | None, kind: str) -> ModelBuilder:
    plane = tables.get("junction_geodata", {})
    if plane and crs is None:
        raise MissingCrsError(path, "junction_geodata names no coordinate reference system", hint="pass --crs EPSG:<number>")
    made = ModelBuilder(kind, crs or "EPSG:4326", "centre", path)
    loads: dict[Any, list[dict[str, Any]]] = {}
    for row in tables.get("sink", {}).values():
        loads.setdefault(row["junction"], []).append(row)
    feeds = {row["junction"] for row in tables.get("ext_grid", {}).values()}
    feeds |= {row["flow_junction"] for name in ("circ_pump_pressure", "circ_pump_mass") for row in tables.get(name, {}).values()}
    keys = {index: _name("junction", index, row) for index, row in tables.get("junction", {}).items()}
    at_plane = {index: (float(row["x"]), float(row["y"])) for index, row in plane.items() if row["x"] is not None and row["y"] is not None}
    swapped = crs is not None and _is_swapped(tables, at_plane, crs)
    for index, row in tables.get("junction", {}).items():
        at = at_plane.get(index)
        geo = _geo(row.get("geo"))
        if at is None and geo:
            at = geo[0][::-1] if swapped else geo[0]
            at = at if crs is None or not at_plane else _into(crs, at)
        sinks = loads.get(index, [])
        mass = sum(float(s.get("mdot_kg_per_s") or 0) * float(s.get("scaling") or 1) for s in sinks)
        made.point(
            keys[index], at, f"{path.name}, junction {index}", elevation_m=row.get("height_m"), type_code=row.get("type"),
            appendage="SOURCE" if index in feeds else "CUSTOMER" if sinks else None, status=_status(row),
            attributes={"nominal_pressure_bar": row.get("pn_bar"), "customers": len(sinks) or None, "mass_flow_kg_s": mass or None,
                        "zone": row.get("zone"), "level": row.get("level")},
        )  # fmt: skip
    _pipe_edges(path, tables, made, keys)
    return made


def _pipe_edges(path: Path, tables: Tables, made: ModelBuilder, keys: dict[Any, str]) -> None:
    shapes = tables.get("pipe_geodata", {})
    for index, row in tables.get("pipe", {}).items():
        coords = [(float(p[0]), float(p[1])) for p in shapes[index]["coords"]] if index in shapes else []
        made.line(
            _name("pipe", index, row), keys.get(row["from_junction"], "?"), keys.get(row["to_junction"], "?"), f"{path.name}, pipe {index}",
            through=coords[1:-1] or None, feature="PIPE",
            diameter_mm=float(row.get("diameter_m") or 0) * 1000 or row.get("inner_diameter_mm"),
            roughness=row.get("k_mm"), roughness_kind="mm", material=row.get("stanet_std_type") or row.get("std_type"), status=_status(row),
            attributes={"length_m": float(row["length_km"]) * 1000, "level": row.get("level")},
        )  # fmt: skip
    ends = ("from_junction", "to_junction")
    for table, feature, (a, b) in (
        ("valve", "VALVE", ends), ("pump", "PUMP", ends), ("compressor", "COMPRESSOR", ends), ("press_control", "REGULATOR", ends),
        ("flow_control", "REGULATOR", ends), ("heat_consumer", "CONSUMER", ends), ("heat_exchanger", "CONSUMER", ends),
        ("circ_pump_pressure", "PUMP", ("return_junction", "flow_junction")),
        ("circ_pump_mass", "PUMP", ("return_junction", "flow_junction")),
    ):  # fmt: skip
        for index, row in tables.get(table, {}).items():
            state = None if table != "valve" else "open" if row.get("opened", True) else "closed"
            one_way = feature in ("PUMP", "COMPRESSOR", "CONSUMER")
            made.line(
                _name(table, index, row), keys.get(row[a], "?"), keys.get(row[b], "?"), f"{path.name}, {table} {index}", feature=feature,
                state=state, diameter_mm=float(row["diameter_m"]) * 1000 if row.get("diameter_m") else None,
                flow_direction=1.0 if one_way else 0.0, attributes={"heat_w": row.get("qext_w")},
            )  # fmt: skip


def _map_power(path: Path, tables: Tables, kind: str) -> ModelBuilder:
    made = ModelBuilder(kind, "EPSG:4326", "crown", path)
    loads: dict[Any, list[dict[str, Any]]] = {}
    for row in tables.get("load", {}).values():
        loads.setdefault(row["bus"], []).append(row)
    feeds = {row["bus"] for row in tables.get("ext_grid", {}).values()}
    low = {row["lv_bus"] for row in tables.get("trafo", {}).values()}
    keys = {index: _name("bus", index, row) for index, row in tables.get("bus", {}).items()}
    for index, row in tables.get("bus", {}).items():
        mine = loads.get(index, [])
        geo = _geo(row.get("geo"))
        made.point(
            keys[index], geo[0] if geo else None, f"{path.name}, bus {index}", type_code=row.get("type"),
            appendage="SOURCE" if index in feeds else "SUBSTATION" if index in low else "CUSTOMER" if mine else None,
            status=_status(row),
            attributes={"voltage_kv": row.get("vn_kv"), "customers": len(mine) or None, "zone": row.get("zone"),
                        "load_kw": round(sum(float(one.get("p_mw") or 0) * 1000 for one in mine), 6) or None},
        )  # fmt: skip
    open_at = {(row["et"], row["element"]) for row in tables.get("switch", {}).values() if not row.get("closed", True)}
    switched = {(row["et"], row["element"]) for row in tables.get("switch", {}).values()}
    for index, row in tables.get("line", {}).items():
        coords = _geo(row.get("geo")) or []
        state = "open" if ("l", index) in open_at else "closed" if ("l", index) in switched else None
        made.line(
            _name("line", index, row), keys.get(row["from_bus"], "?"), keys.get(row["to_bus"], "?"), f"{path.name}, line {index}",
            through=coords[1:-1] or None, feature="OVERHEAD_LINE" if row.get("type") == "ol" else "CABLE", material=row.get("std_type"),
            embedding="OVERHEAD" if row.get("type") == "ol" else None, n_cables=row.get("parallel"), state=state,
            status=_status(row),
            attributes={"length_m": float(row["length_km"]) * 1000, "max_current_ka": row.get("max_i_ka")},
        )  # fmt: skip
    for index, row in tables.get("trafo", {}).items():
        state = "open" if ("t", index) in open_at else "closed" if ("t", index) in switched else None
        made.line(
            _name("trafo", index, row), keys.get(row["hv_bus"], "?"), keys.get(row["lv_bus"], "?"), f"{path.name}, trafo {index}",
            feature="TRANSFORMER", state=state, attributes={"rated_kva": float(row["sn_mva"]) * 1000, "type": row.get("std_type")},
        )  # fmt: skip
    for index, row in tables.get("switch", {}).items():
        if row["et"] == "b":
            made.line(
                _name("switch", index, row), keys.get(row["bus"], "?"), keys.get(row["element"], "?"), f"{path.name}, switch {index}",
                feature="SWITCH", state="closed" if row.get("closed", True) else "open",
            )  # fmt: skip
    return made
