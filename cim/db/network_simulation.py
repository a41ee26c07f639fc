"""SWMM and pandapipes on stored models, answered in codes; EPANET is in `cim.db.network_pressure`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cim.db import networks
from cim.db.engine import Connection
from cim.errors import InvalidParameterError, NotFoundError
from cim.hydraulics import pipes, swmm


def keys_of(connection: Connection, kind: str, dataset: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return code by source key of the points and lines of a dataset."""
    nodes = connection.execute("SELECT source_key, code FROM network_node WHERE kind = %s AND source_dataset = %s", [kind, dataset])
    points = {str(row[0]): str(row[1]) for row in nodes.fetchall()}
    edges = connection.execute("SELECT source_key, code FROM network_edge WHERE kind = %s AND source_dataset = %s", [kind, dataset])
    return points, {str(row[0]): str(row[1]) for row in edges.fetchall()}


def simulate_drainage(
    connection: Connection, kind: str, dataset: str | None, *, rain_mm_h: Sequence[float], step_min: float, stopped: Sequence[str]
) -> dict[str, Any]:
    """Let a rain fall on a stored SWMM model.

    Parameters
    ----------
    connection
        The store.
    kind
        rainwater or sewage.
    dataset
        Dataset of the model; None = the newest.
    rain_mm_h
        Intensity in each step [mm/h]; empty = the model as it is.
    step_min
        Step of the rain [min].
    stopped
        Codes of pumps and other regulators that are out of order.

    Returns
    -------
    dict
        Model, flooded points by code with volume [m³] and time [h], greatest depth [m], peak flow [l/s] and time of surcharge [h] by code.

    Raises
    ------
    NotFoundError
        There is no model, or a code is not in it.
    InvalidParameterError
        The model is for another engine.
    EngineError
        The engine refuses the model.
    """
    name, form, content = networks.fetch_model(connection, kind, dataset)
    if form != "swmm":
        raise InvalidParameterError("--dataset", name, "a dataset that came from a SWMM model")
    points, lines = keys_of(connection, kind, name)
    link_of = {code: key for key, code in lines.items()}
    for code in stopped:
        if code not in link_of:
            raise NotFoundError(f"{code}: not in the model {name}", hint=f"take a code of {kind}-lines with this dataset")
    text = content.decode("utf-8-sig", errors="replace")
    found = swmm.run(swmm.with_rain(text, rain_mm_h, step_min) if len(rain_mm_h) else text, stopped=[link_of[code] for code in stopped])
    nodes = {points[key]: value for key, value in found["nodes"].items() if key in points}
    flooded = {
        code: {"volume_m3": round(value["flooded_m3"], 3), "hours": round(value["flooded_h"], 3)}
        for code, value in sorted(nodes.items(), key=lambda item: -item[1]["flooded_m3"])
        if value["flooded_m3"] > 1e-3
    }
    edges = {lines[key]: value for key, value in found["links"].items() if key in lines}
    return {
        "model": name, "engine": found["engine"], "points": len(found["nodes"]), "lines": len(found["links"]), "stopped": list(stopped),
        "rain_mm": round(float(np.sum(rain_mm_h)) * step_min / 60, 3), "peak_rain_mm_h": round(float(max(rain_mm_h, default=0.0)), 3),
        "flooded": flooded, "flooded_m3": round(sum(one["volume_m3"] for one in flooded.values()), 3),
        "max_depth_m": {code: round(value["max_depth_m"], 3) for code, value in nodes.items()},
        "peak_flow_l_s": {code: round(value["peak_flow_l_s"], 3) for code, value in edges.items()},
        "surcharged_h": {code: round(value["surcharged_h"], 3) for code, value in edges.items() if value["surcharged_h"] > 0},
    }  # fmt: skip


def simulate_pipes(connection: Connection, kind: str, dataset: str | None, *, closed: Sequence[str]) -> dict[str, Any]:
    """Solve a stored pandapipes network (gas, heat) without and with some lines shut.

    Parameters
    ----------
    connection
        The store.
    kind
        gas, heat or water.
    dataset
        Dataset of the model; None = the newest.
    closed
        Codes of pipes and valves that are shut.

    Returns
    -------
    dict
        Model, pressure [bar above ambient] and temperature [K] by code of the point, flow [kg/s] by code of the line, points that lost
        their supply.

    Raises
    ------
    NotFoundError
        There is no model, or a code is not in it.
    EngineError
        No solution.
    """
    name, _, content = networks.fetch_model(connection, kind, dataset)
    points, lines = keys_of(connection, kind, name)
    key_of = {code: key for key, code in lines.items()}
    for code in closed:
        if code not in key_of:
            raise NotFoundError(f"{code}: not in the model {name}", hint=f"take a code of {kind}-lines with this dataset")
    found = pipes.run(content, closed=[key_of[code] for code in closed])
    junction = {key.split("/")[1]: code for key, code in points.items() if key.startswith("junction/")}
    line = {"/".join(key.split("/")[:2]): code for key, code in lines.items()}
    before, after = found["before"], found["after"]
    lost = sorted(code for at, code in junction.items() if at in before["pressure_bar"] and at not in after["pressure_bar"])
    return {
        "model": name, "engine": found["engine"], "points": len(before["pressure_bar"]), "lines": len(before["flow_kg_s"]),
        "closed": list(closed), "without_supply": lost,
        "pressure_bar": {junction[at]: round(value, 6) for at, value in after["pressure_bar"].items() if at in junction},
        "temperature_k": {junction[at]: round(value, 3) for at, value in after["temperature_k"].items() if at in junction},
        "flow_kg_s": {line[at]: round(value, 6) for at, value in after["flow_kg_s"].items() if at in line},
    }  # fmt: skip
