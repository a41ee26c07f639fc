"""Worker that solves one pandapipes network: ``python -m cim.hydraulics.pipes_worker``, JSON in and out.

Only tables of numbers are read; no class named in a file is made.
"""

import math
import sys
import warnings
from typing import Any

import orjson

from cim.hydraulics.child import reply

_FLUIDS = ("hgas", "lgas", "hydrogen", "methane", "water", "biomethane_pure", "biomethane_treated", "air")
# Table → arguments of its create function that may be set; junctions come first.
_TABLES: dict[str, tuple[str, ...]] = {
    "junction": ("pn_bar", "tfluid_k", "height_m", "name", "in_service"),
    "pipe": ("from_junction", "to_junction", "length_km", "diameter_m", "k_mm", "loss_coefficient", "sections", "text_k", "in_service"),
    "valve": ("from_junction", "to_junction", "diameter_m", "opened", "loss_coefficient"),
    "ext_grid": ("junction", "p_bar", "t_k", "in_service", "type"),
    "sink": ("junction", "mdot_kg_per_s", "scaling", "in_service"),
    "source": ("junction", "mdot_kg_per_s", "scaling", "in_service"),
    "heat_consumer": ("from_junction", "to_junction", "qext_w", "controlled_mdot_kg_per_s", "deltat_k", "treturn_k", "in_service"),
    "circ_pump_pressure": ("return_junction", "flow_junction", "p_flow_bar", "plift_bar", "t_flow_k", "type", "in_service"),
    "circ_pump_mass": ("return_junction", "flow_junction", "p_flow_bar", "mdot_flow_kg_per_s", "t_flow_k", "type", "in_service"),
}
_CREATE = {"pipe": "create_pipe_from_parameters", "circ_pump_pressure": "create_circ_pump_const_pressure",
           "circ_pump_mass": "create_circ_pump_const_mass_flow"}  # fmt: skip


def _net(tables: dict[str, dict[str, dict[str, Any]]], fluid: str) -> Any:  # noqa: ANN401 - pandapipes ships no types
    import pandapipes

    strange = sorted(name for name, rows in tables.items() if rows and name not in _TABLES)
    if strange:
        raise ValueError(f"cannot be solved yet: tables {', '.join(strange)}")
    if fluid not in _FLUIDS:
        raise ValueError(f"fluid {fluid!r} is not known, expected one of {', '.join(_FLUIDS)}")
    net = pandapipes.create_empty_network(fluid=fluid)
    for table, names in _TABLES.items():
        create = getattr(pandapipes, _CREATE.get(table, f"create_{table}"))
        for index, row in tables.get(table, {}).items():
            values = {name: row[name] for name in names if row.get(name) is not None and row[name] == row[name]}
            create(net, index=int(index), **values)
    return net


def _solve(net: Any, *, thermal: bool) -> dict[str, Any]:  # noqa: ANN401 - as above
    import pandapipes

    if thermal:
        try:
            pandapipes.pipeflow(net, mode="sequential", iter=100, use_numba=False)
        except Exception:  # noqa: BLE001 - without a thermal solution the pressures alone are still an answer
            pandapipes.pipeflow(net, mode="hydraulics", iter=100, use_numba=False)
    else:
        pandapipes.pipeflow(net, mode="hydraulics", iter=100, use_numba=False)

    def column(table: str, name: str) -> dict[str, float]:
        if table not in net or name not in net[table]:
            return {}
        return {str(i): float(v) for i, v in net[table][name].items() if math.isfinite(v)}

    return {
        "pressure_bar": column("res_junction", "p_bar"), "temperature_k": column("res_junction", "t_k") if thermal else {},
        "flow_kg_s": {f"pipe/{i}": v for i, v in column("res_pipe", "mdot_from_kg_per_s").items()},
        "velocity_m_s": {f"pipe/{i}": v for i, v in column("res_pipe", "v_mean_m_per_s").items()},
    }  # fmt: skip


def run(question: dict[str, Any]) -> dict[str, Any]:
    """Solve without and with some parts shut."""
    warnings.simplefilter("ignore")
    thermal = bool(question["tables"].get("heat_consumer"))
    net = _net(question["tables"], question["fluid"])
    before = _solve(net, thermal=thermal)
    for name in question["closed"]:
        table, index = name.split("/")[:2]
        net[table].loc[int(index), "opened" if table == "valve" else "in_service"] = False
    return {"before": before, "after": _solve(net, thermal=thermal) if question["closed"] else before}


def main() -> None:
    """Answer one question."""
    question = orjson.loads(sys.stdin.buffer.read())
    try:
        import pandapipes
    except ImportError:
        reply({"error": "pandapipes is not installed", "hint": "pip install 'cim-platform[hydraulics]'"})
        return
    try:
        reply({**run(question), "engine": f"pandapipes {pandapipes.__version__}"})
    except Exception as error:  # noqa: BLE001 - the engine's own exceptions have no common root; the parent gets the words
        reply({"error": f"pandapipes: {str(error).strip() or type(error).__name__}"})


if __name__ == "__main__":
    main()
