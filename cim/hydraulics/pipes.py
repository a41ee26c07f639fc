"""Gas and heat networks by pandapipes, in a worker process."""

import json
from collections.abc import Sequence
from typing import Any

from cim.hydraulics.child import ask
from cim.hydraulics.epanet import EngineError

_LEFT_OUT = ("controller", "group", "loadcase")


def run(content: bytes, *, closed: Sequence[str] = (), timeout_s: float = 600.0) -> dict[str, Any]:
    """Solve a network as received, without and with some parts shut.

    Parameters
    ----------
    content
        pandapipes file (JSON).
    closed
        Source keys of pipes and valves that are shut: ``pipe/7``, ``valve/0/name``.
    timeout_s
        Longest time [s].

    Returns
    -------
    dict
        engine; before and after: pressure_bar and temperature_k by index of the junction, flow_kg_s and velocity_m_s by ``pipe/index``.
        Junctions that nothing feeds are absent.

    Raises
    ------
    EngineError
        No solution, a part the worker does not know, or the extra is not installed.
    """
    document = json.loads(content)
    inner = document["_object"]
    inner = json.loads(inner) if isinstance(inner, str) else inner
    tables: dict[str, dict[str, Any]] = {}
    for name, value in inner.items():
        plain = isinstance(value, dict) and value.get("_class") == "DataFrame"
        if not plain or name.startswith(("res_", "_")) or name.endswith("geodata") or name in _LEFT_OUT:
            continue
        frame = json.loads(value["_object"]) if isinstance(value["_object"], str) else value["_object"]
        if name == "junction" or (frame["data"] and "junction" in " ".join(map(str, frame["columns"]))):
            tables[name] = {
                str(i): dict(zip(frame["columns"], row, strict=True)) for i, row in zip(frame["index"], frame["data"], strict=True)
            }
    fluid = inner.get("fluid", {}).get("_object", "")
    fluid = json.loads(fluid) if isinstance(fluid, str) and fluid else fluid
    if not tables.get("junction"):
        raise EngineError("pandapipes: the file has no junctions")
    return ask(
        "cim.hydraulics.pipes_worker",
        {"tables": tables, "fluid": (fluid or {}).get("name", ""), "closed": list(closed)},
        timeout_s=timeout_s,
    )
