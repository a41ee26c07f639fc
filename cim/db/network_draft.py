"""A surveyed water network read for a new EPANET model: what is in use, what feeds it, who is connected."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cim.analysis.network.components import components
from cim.analysis.network.graph import build_graph
from cim.errors import InvalidParameterError, NotFoundError
from cim.exchange.epanet_new import Assumptions, Drafted, draft_epanet
from cim.model.network import CUSTOMERS, SOURCES

Row = Mapping[str, Any]


def draft(
    nodes: Sequence[Row], edges: Sequence[Row], assumptions: Assumptions | None, *, kind: str, dataset: str | None
) -> tuple[Drafted, dict[str, Any]]:
    """Write a model of the parts in use.

    Parameters
    ----------
    nodes, edges
        Rows of the store; nodes with x, y [m, projected].
    assumptions
        What the survey does not say.
    kind, dataset
        For messages.

    Returns
    -------
    tuple
        The model; counts and assumptions for the report.

    Raises
    ------
    InvalidParameterError
        The kind is not water, no demand is told, or a head is told for what is no source.
    NotFoundError
        No line is in use.
    IncompleteNetworkError
        As `draft_epanet`.
    """
    if kind != "water":
        raise InvalidParameterError("--format", "epanet", f"water for a network that never was a model; {kind} has none in the store")
    if assumptions is None:
        raise InvalidParameterError("--demand", "nothing", "litres per customer and day: this network was surveyed, it never was a model")
    known = {str(row["code"]) for row in nodes if row["status"] == "in_use"}
    lines = [row for row in edges if row["status"] == "in_use" and row["start_node"] in known and row["end_node"] in known]
    if not lines:
        raise NotFoundError(f"no {kind} line{f' of dataset {dataset}' if dataset else ''} in use", hint="cim network summary")
    used = {row[end] for row in lines for end in ("start_node", "end_node")}
    points = [row for row in nodes if row["code"] in used]
    sources = frozenset(str(row["code"]) for row in points if {row["appendage"], row["feature"]} & SOURCES)
    strangers = sorted(set(assumptions.heads_m) - sources)
    if strangers:
        raise InvalidParameterError(
            "--head", strangers[0], f"a source of this network: {', '.join(sorted(sources)[:10]) or 'there is none'}"
        )
    customers = {str(row["code"]): _customers(row) for row in points if {row["appendage"], row["feature"]} & CUSTOMERS}
    title = f"{kind} network{f' {dataset}' if dataset else ''}, drafted from survey data"
    made = draft_epanet(points, lines, sources, customers, _unfed(points, lines, sources), assumptions, title=title)
    report = {
        "drafted": True, "points": len(points), "lines": len(lines), "sources": len(sources), "customers": sum(customers.values()),
        "demand_l_s": round(made.demand_l_s, 4), "points_left_out": len(known) - len(used), "assumed": made.assumed,
    }  # fmt: skip
    return made, report


def _customers(row: Row) -> int:
    told = str((row["attributes"] or {}).get("customers", ""))
    return int(told) if told.isdecimal() else 1


def _unfed(points: Sequence[Row], lines: Sequence[Row], sources: frozenset[str]) -> list[str]:
    at = {row["code"]: i for i, row in enumerate(points)}
    ends = np.array([[at[row["start_node"]], at[row["end_node"]]] for row in lines])
    _, label = components(build_graph(len(points), ends[:, 0], ends[:, 1]))
    fed = {int(label[at[code]]) for code in sources}
    return [str(row["code"]) for row, part in zip(points, label, strict=True) if int(part) not in fed] if fed else []
