"""Hydraulics of a stored model, answered in codes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cim.db import networks
from cim.db.engine import Connection
from cim.errors import InvalidParameterError, NotFoundError
from cim.hydraulics.epanet import EpanetModel


def _keys(connection: Connection, kind: str, dataset: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return code by source key of the points and lines of a dataset."""
    nodes = connection.execute("SELECT source_key, code FROM network_node WHERE kind = %s AND source_dataset = %s", [kind, dataset])
    points = {str(row[0]): str(row[1]) for row in nodes.fetchall()}
    edges = connection.execute("SELECT source_key, code FROM network_edge WHERE kind = %s AND source_dataset = %s", [kind, dataset])
    return points, {str(row[0]): str(row[1]) for row in edges.fetchall()}


def simulate_pressure(
    connection: Connection, kind: str, dataset: str | None, *, closed: Sequence[str], bursts_l_s: Mapping[str, float], least_m: float
) -> dict[str, Any]:
    """Solve a model with and without a disturbance.

    Parameters
    ----------
    connection
        The store.
    kind
        Kind of network.
    dataset
        Dataset of the model; None = the newest.
    closed
        Codes of lines that are shut.
    bursts_l_s
        Code of a point → water lost there [l/s].
    least_m
        Pressure below which a point is short of water [m].

    Returns
    -------
    dict
        Model, number of parts, pressures [m] and flows [l/s] by code, points short of water now and before.

    Raises
    ------
    NotFoundError
        There is no model, or a code is not in it.
    InvalidParameterError
        The model is for another engine.
    """
    name, form, content = networks.fetch_model(connection, kind, dataset)
    if form != "epanet":
        raise InvalidParameterError("--dataset", name, "a dataset that came from an EPANET model")
    points, lines = _keys(connection, kind, name)
    node_of, link_of = ({code: key for key, code in found.items()} for found in (points, lines))
    for code, known in [*((c, link_of) for c in closed), *((c, node_of) for c in bursts_l_s)]:
        if code not in known:
            raise NotFoundError(f"{code}: not in the model {name}", hint=f"take a code of {kind}-lines or {kind}-points with this dataset")
    with EpanetModel(content) as model:
        before = model.solve()
        after = model.solve(closed=[link_of[c] for c in closed], bursts_l_s={node_of[c]: v for c, v in bursts_l_s.items()})
    consuming = before.demand_l_s > 1e-9
    short, was_short = (consuming & (state.pressure_m < least_m) for state in (after, before))

    def codes(mask: Any) -> list[str]:  # noqa: ANN401 - positions
        return [points[after.nodes[int(i)]] for i in np.flatnonzero(mask) if after.nodes[int(i)] in points]

    return {
        "model": name, "engine": "EPANET", "points": len(after.nodes), "lines": len(after.links), "closed": list(closed),
        "bursts_l_s": dict(bursts_l_s), "least_pressure_m": least_m, "short_of_water": codes(short & ~was_short),
        "short_before": codes(was_short), "demand_l_s": round(float(before.demand_l_s[consuming].sum()), 3),
        "pressure_m": {points[k]: round(float(v), 3) for k, v in zip(after.nodes, after.pressure_m, strict=True) if k in points},
        "flow_l_s": {lines[k]: round(float(v), 4) for k, v in zip(after.links, after.flow_l_s, strict=True) if k in lines},
        "warnings": after.warnings,
    }  # fmt: skip
