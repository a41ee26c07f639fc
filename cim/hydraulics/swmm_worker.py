"""Worker that runs one SWMM model: ``python -m cim.hydraulics.swmm_worker``, JSON in and out."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import orjson

from cim.hydraulics.child import reply

_FOOT_M = 0.3048
# Litres per second of each flow unit.
_FLOW = {"CFS": 28.316846592, "GPM": 0.0630901964, "MGD": 43.8126364, "CMS": 1000.0, "LPS": 1.0, "MLD": 11.5740741}


def run(text: str, stopped: list[str]) -> dict[str, Any]:
    """Run a model; returns what `cim.hydraulics.swmm.run` says."""
    from pyswmm import Links, Nodes, Simulation

    with tempfile.TemporaryDirectory(prefix="cim-swmm-") as folder:
        path = Path(folder) / "model.inp"
        path.write_text(text, encoding="utf-8")
        with Simulation(str(path)) as simulation:
            metre, flow = (_FOOT_M if simulation.system_units == "US" else 1.0), _FLOW[simulation.flow_units]
            nodes, links = list(Nodes(simulation)), list(Links(simulation))
            shut = [link for link in links if link.linkid in set(stopped)]
            lost = sorted(set(stopped) - {link.linkid for link in links})
            if lost:
                return {"error": f"no such links: {', '.join(lost)}"}
            for _ in simulation:
                for link in shut:
                    link.target_setting = 0
            found = {}
            for node in nodes:
                told = node.statistics
                found[node.nodeid] = {
                    "flooded_m3": told["flooding_volume"] * metre**3, "flooded_h": told["flooding_duration"],
                    "max_depth_m": told["max_depth"] * metre,
                }  # fmt: skip
            lines = {}
            for link in links:
                told = link.conduit_statistics if link.is_conduit() else {}
                lines[link.linkid] = {
                    "peak_flow_l_s": told.get("peak_flow", 0.0) * flow, "peak_velocity_m_s": told.get("peak_velocity", 0.0) * metre,
                    "surcharged_h": told.get("time_surcharged", 0.0),
                }  # fmt: skip
            return {"nodes": found, "links": lines, "engine": f"SWMM {simulation.engine_version}"}


def main() -> None:
    """Answer one question."""
    question = orjson.loads(sys.stdin.buffer.read())
    try:
        import pyswmm  # noqa: F401 - is it there
    except ImportError:
        reply({"error": "SWMM is not installed", "hint": "pip install 'cim-platform[hydraulics]'"})
        return
    try:
        reply(run(question["inp"], question["stopped"]))
    except Exception as error:  # noqa: BLE001 - the engine's own exceptions have no common root; the parent gets the words
        reply({"error": f"SWMM: {str(error).strip() or type(error).__name__}"})


if __name__ == "__main__":
    main()
