"""SWMM models: another rain put into the file, the run in a worker process, results in SI.

Source: Storm Water Management Model User's Manual 5.2, appendix D.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from cim.hydraulics.child import ask

FOOT_M = 0.3048
_US = ("CFS", "GPM", "MGD")
_SERIES = "CIM_STORM"


def _sections(text: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines():
        if line.strip().startswith("["):
            found.append((line.strip().strip("[]").upper(), [line]))
        else:
            found[-1][1].append(line)
    return found


def _data(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    for i, line in enumerate(lines):
        words = line.partition(";")[0].split()
        if words and not words[0].startswith("["):
            yield i, words


def is_us(text: str) -> bool:
    """Tell whether a file is in US units; without FLOW_UNITS it is."""
    found = re.search(r"(?im)^\s*FLOW_UNITS\s+(\w+)", text)
    return found is None or found.group(1).upper() in _US


def with_rain(text: str, intensity_mm_h: Sequence[float], step_min: float, *, after_min: float = 60.0) -> str:
    """Return a model on which a given rain falls, from the start of the simulation, over every subcatchment.

    Parameters
    ----------
    text
        The .inp file.
    intensity_mm_h
        Intensity in each step [mm/h].
    step_min
        Step [min].
    after_min
        How long is simulated after the rain [min].
    """
    factor = 1 / 25.4 if is_us(text) else 1.0
    total = len(intensity_mm_h) * step_min + after_min
    interval = f"{int(step_min) // 60}:{int(step_min) % 60:02d}"
    out, seen = [], set[str]()
    for name, lines in _sections(text):
        seen.add(name)
        if name == "RAINGAGES":
            # A gauge may read a file that is not here; all gauges get the one series.
            lines = [lines[0], *(f"{words[0]} INTENSITY {interval} 1.0 TIMESERIES {_SERIES}" for _, words in _data(lines)), ""]
        elif name == "TIMESERIES":
            lines = [*lines, *_series(intensity_mm_h, step_min, factor), ""]
        elif name == "OPTIONS":
            given = ("START_DATE", "START_TIME", "END_DATE", "END_TIME", "REPORT_START_DATE", "REPORT_START_TIME", "WET_STEP")
            kept = [line for line in lines if not line.split() or line.split()[0].upper() not in given]
            days, minutes = divmod(int(total), 1440)
            lines = [
                *kept, "START_DATE 01/01/2000", "START_TIME 00:00:00", "REPORT_START_DATE 01/01/2000", "REPORT_START_TIME 00:00:00",
                f"END_DATE 01/{1 + days:02d}/2000", f"END_TIME {minutes // 60:02d}:{minutes % 60:02d}:00",
                f"WET_STEP 00:{min(int(step_min), 5):02d}:00", "",
            ]  # fmt: skip
        out += lines
    if "TIMESERIES" not in seen:
        out += ["[TIMESERIES]", *_series(intensity_mm_h, step_min, factor), ""]
    return "\n".join(out) + "\n"


def _series(intensity_mm_h: Sequence[float], step_min: float, factor: float) -> list[str]:
    rows = [(i * step_min, value * factor) for i, value in enumerate(intensity_mm_h)] + [(len(intensity_mm_h) * step_min, 0.0)]
    return [f"{_SERIES} {int(at) // 60}:{int(at) % 60:02d} {value:.6f}" for at, value in rows]


def run(text: str, *, stopped: Sequence[str] = (), timeout_s: float = 600.0) -> dict[str, Any]:
    """Run a model in a worker process.

    Parameters
    ----------
    text
        The .inp file.
    stopped
        Pumps, orifices, weirs and outlets that are shut all the time.
    timeout_s
        Longest time [s].

    Returns
    -------
    dict
        nodes: id → flooded_m3, flooded_h, max_depth_m; links: id → peak_flow_l_s, peak_velocity_m_s, surcharged_h; engine.

    Raises
    ------
    EngineError
        The engine refuses the model, or the extra is not installed.
    """
    return ask("cim.hydraulics.swmm_worker", {"inp": text, "stopped": list(stopped)}, timeout_s=timeout_s)
