"""A surveyed water network as a new EPANET model; what the survey does not say is an assumption that is stated, or a refusal.

Source of the format: EPANET 2.2 User Manual, appendix C.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cim.errors import IncompleteNetworkError

Row = Mapping[str, Any]
HAZEN_WILLIAMS = {
    "DCI": 135, "GCI": 135, "STL": 145, "GALV": 120, "PE": 145, "HDPE": 145, "PVC": 145, "UPVC": 145, "GRP": 145, "RC": 130, "PCCP": 130,
}  # fmt: skip
"""Material → C of new pipe: the middle of the range of EPANET 2.2 User Manual, table 3.2 (cast iron 130-140, steel and plastic 140-150,
galvanized iron 120, concrete 120-140)."""
_NAMED = 5


@dataclass(frozen=True)
class Assumptions:
    """What the survey does not say.

    Parameters
    ----------
    litres_per_day
        Mean demand of one customer [l/d].
    heads_m
        Code of a source → its head above the city's vertical datum [m].
    roughness
        Hazen-Williams C of lines of unknown material; None = such lines are refused.
    """

    litres_per_day: float
    heads_m: Mapping[str, float] = field(default_factory=dict)
    roughness: float | None = None


@dataclass(frozen=True)
class Drafted:
    """A model.

    Parameters
    ----------
    text
        The .inp file; ids are the codes.
    assumed
        What was assumed, in words.
    demand_l_s
        Sum of the demands [l/s].
    """

    text: str
    assumed: list[str]
    demand_l_s: float


def _some(codes: Sequence[str]) -> str:
    return ", ".join(codes[:_NAMED]) + (f" and {len(codes) - _NAMED} more" if len(codes) > _NAMED else "")


def _refuse(missing: Mapping[str, Sequence[str]], hints: Mapping[str, str]) -> None:
    told = [f"{len(codes)} {what} ({_some(codes)})" for what, codes in missing.items() if codes]
    if told:
        first = next(what for what, codes in missing.items() if codes)
        raise IncompleteNetworkError(f"the survey is not enough for a model: {'; '.join(told)}", hint=hints[first])


def draft_epanet(
    nodes: Sequence[Row], edges: Sequence[Row], sources: frozenset[str], customers: Mapping[str, int], unfed: Sequence[str],
    assumptions: Assumptions, *, title: str,
) -> Drafted:  # fmt: skip
    """Write a model.

    Parameters
    ----------
    nodes
        Rows with code, x, y [m, projected], elevation_m, ground_elevation_m, state.
    edges
        Rows with code, start_node, end_node, feature, length_m, diameter_mm, material, roughness, roughness_kind, state.
    sources
        Codes of the nodes that feed the network.
    customers
        Code of a node → number of customers.
    unfed
        Codes of nodes that no line joins to a source.
    assumptions
        What the survey does not say.
    title
        First line of the file.

    Raises
    ------
    IncompleteNetworkError
        Elevations, lengths, diameters, materials, heads or connections are missing, or a pump has no curve; names each.
    """
    level = {row["code"]: row["elevation_m"] if row["elevation_m"] is not None else row["ground_elevation_m"] for row in nodes}
    c_of = {row["code"]: _roughness(row, assumptions.roughness) for row in edges}
    pumps = sorted(row["code"] for row in edges if row["feature"] == "PUMP")
    missing = {
        "sources: none is in the network": [] if sources else ["a point with appendage SOURCE, RESERVOIR, TOWER, …"],
        "sources without a head": sorted(sources - set(assumptions.heads_m)),
        "points without a line to a source": sorted(unfed),
        "points without elevation": sorted(code for code, value in level.items() if value is None and code not in sources),
        "lines without length": sorted(row["code"] for row in edges if not row["length_m"]),
        "lines without diameter": sorted(row["code"] for row in edges if not row["diameter_mm"] and row["feature"] != "PUMP"),
        "lines of unknown material": sorted(code for code, value in c_of.items() if value is None),
        "pumps, whose curves a survey does not hold": pumps,
    }
    _refuse(missing, {
        "sources: none is in the network": "name the source in the survey, or set its appendage",
        "sources without a head": "--head CODE=METRES for each",
        "points without a line to a source": "cim network check --kind water, rule T06; or --dataset",
        "points without elevation": "complete the survey, or cim ingest terrain",
        "lines without length": "cim network check --kind water, rule T05",
        "lines without diameter": "complete the survey",
        "lines of unknown material": "complete the survey, or --roughness C",
        "pumps, whose curves a survey does not hold": "ingest the hydraulic model of the network instead",
    })  # fmt: skip
    demand = {code: n * assumptions.litres_per_day / 86_400 for code, n in customers.items() if code in level and code not in sources}
    shut = _shut(nodes, edges)
    assumed = [
        f"demand: {assumptions.litres_per_day:g} l/d for each of {sum(customers.values())} customers, all day alike",
        "roughness: as surveyed, else Hazen-Williams C of new pipe by material (EPANET 2.2 User Manual, table 3.2)"
        + (f", {assumptions.roughness:g} where the material is unknown" if assumptions.roughness is not None else ""),
        "level of a point: of the pipe, else of the ground",
        *(f"head of {code}: {assumptions.heads_m[code]:g} m" for code in sorted(sources)),
        "a closed valve at a point: all of its lines but one are closed",
    ]
    lines = ["[TITLE]", title, *assumed, "", "[JUNCTIONS]"]
    lines += [f"{row['code']}\t{level[row['code']]:.3f}\t{demand.get(row['code'], 0.0):.6f}" for row in nodes if row["code"] not in sources]
    lines += ["", "[RESERVOIRS]", *(f"{code}\t{assumptions.heads_m[code]:.3f}" for code in sorted(sources)), "", "[PIPES]"]
    lines += [
        f"{row['code']}\t{row['start_node']}\t{row['end_node']}\t{row['length_m']:.3f}\t{row['diameter_mm']:.1f}\t{c_of[row['code']]:.1f}\t0\t"
        f"{'CLOSED' if row['code'] in shut else 'OPEN'}"
        for row in edges
    ]
    lines += ["", "[COORDINATES]", *(f"{row['code']}\t{row['x']:.3f}\t{row['y']:.3f}" for row in nodes)]
    lines += [
        "",
        "[OPTIONS]",
        "UNITS\tLPS",
        "HEADLOSS\tH-W",
        "TRIALS\t200",
        "ACCURACY\t0.0001",
        "",
        "[TIMES]",
        "DURATION\t0",
        "",
        "[END]",
        "",
    ]
    return Drafted("\n".join(lines), assumed, sum(demand.values()))


def _roughness(row: Row, default: float | None) -> float | None:
    if row["roughness"] is not None and row["roughness_kind"] == "hazen-williams":
        return float(row["roughness"])
    known = HAZEN_WILLIAMS.get(str(row["material"] or "").upper())
    return float(known) if known is not None else default


def _shut(nodes: Sequence[Row], edges: Sequence[Row]) -> set[str]:
    shut = {str(row["code"]) for row in edges if row["state"] == "closed"}
    at: dict[str, list[str]] = {str(row["code"]): [] for row in nodes if row["state"] == "closed"}
    for row in edges:
        for end in (row["start_node"], row["end_node"]):
            if end in at:
                at[end].append(str(row["code"]))
    for codes in at.values():
        shut.update(sorted(codes)[1:])
    return shut
