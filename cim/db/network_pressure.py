"""EPANET on a stored model with the present state of its parts, answered in codes; kept open between questions where asked to."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cim.db import networks
from cim.db.engine import Connection
from cim.db.network_export import current_model
from cim.db.network_simulation import keys_of
from cim.errors import InvalidParameterError, NotFoundError
from cim.hydraulics.epanet import Snapshot
from cim.hydraulics.warm import WarmModel, WarmModels

Values = Literal["all", "changed"]
LEAST_PRESSURE_CHANGE_M, LEAST_FLOW_CHANGE_L_S = 0.1, 0.1
"""What counts as changed."""


class PressureModel:
    """A stored EPANET model, open in a process of its own, with the codes of its parts.

    Parameters
    ----------
    connection
        The store.
    kind
        Kind of network.
    dataset
        Dataset of the model; None = the newest.

    Raises
    ------
    NotFoundError
        There is no model.
    InvalidParameterError
        The model is for another engine.
    EngineError
        The engine refuses it.
    """

    def __init__(self, connection: Connection, kind: str, dataset: str | None) -> None:
        self.kind = kind
        self.name, _, content, _ = current_model(connection, kind, dataset, "epanet")
        points, lines = keys_of(connection, kind, self.name)
        self._node_of, self._link_of = ({code: key for key, code in found.items()} for found in (points, lines))
        self._engine = WarmModel(content)
        self._points: NDArray[np.object_] = np.array([points.get(key) for key in self._engine.nodes], object)
        self._lines: NDArray[np.object_] = np.array([lines.get(key) for key in self._engine.links], object)

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._engine.is_alive

    def close(self) -> None:
        """End its process."""
        self._engine.close()

    def what_if(self, closed: Sequence[str], bursts_l_s: Mapping[str, float], least_m: float, values: Values = "all") -> dict[str, Any]:
        """Compare the first moment with and without a disturbance.

        Parameters
        ----------
        closed
            Codes of lines that are shut and pumps that fail.
        bursts_l_s
            Code of a point → water lost there [l/s].
        least_m
            Pressure below which a point is short of water [m].
        values
            all: pressure and flow of every part; changed: only of those whose pressure changed by 0.1 m or flow by 0.1 l/s, or more.

        Returns
        -------
        dict
            Model, number of parts, pressures [m] and flows [l/s] by code, points short of water now and before.

        Raises
        ------
        NotFoundError
            A code is not in the model.
        EngineError
            No solution.
        """
        for code, known in [*((c, self._link_of) for c in closed), *((c, self._node_of) for c in bursts_l_s)]:
            if code not in known:
                raise NotFoundError(
                    f"{code}: not in the model {self.name}",
                    hint=f"take a code of {self.kind}-lines or {self.kind}-points with this dataset",
                )
        before = self._engine.before
        after = before
        if closed or bursts_l_s:
            bursts = {self._node_of[code]: litres for code, litres in bursts_l_s.items()}
            after = self._engine.solve(closed=[self._link_of[code] for code in closed], bursts_l_s=bursts)
        return {**self._compared(before, after, least_m, values), "closed": list(closed), "bursts_l_s": dict(bursts_l_s)}

    def _compared(self, before: Snapshot, after: Snapshot, least_m: float, values: Values) -> dict[str, Any]:
        consuming = before.demand_l_s > 1e-9
        short, was_short = (consuming & (state.pressure_m < least_m) for state in (after, before))
        pressure_moved = np.abs(after.pressure_m - before.pressure_m) >= LEAST_PRESSURE_CHANGE_M
        flow_moved = np.abs(after.flow_l_s - before.flow_l_s) >= LEAST_FLOW_CHANGE_L_S
        known_points, known_lines = (codes != None for codes in (self._points, self._lines))  # noqa: E711 - element by element
        shown_points = known_points & (pressure_moved | (values == "all"))
        shown_lines = known_lines & (flow_moved | (values == "all"))

        def codes(mask: Any) -> list[str]:  # noqa: ANN401 - a mask
            return [str(code) for code in self._points[mask & known_points]]

        def by_code(all_codes: Any, mask: Any, numbers: Any, digits: int) -> dict[str, float]:  # noqa: ANN401 - arrays
            return dict(zip(all_codes[mask].tolist(), np.round(numbers[mask], digits).tolist(), strict=True))

        return {
            "model": self.name, "engine": "EPANET", "points": len(after.nodes), "lines": len(after.links), "least_pressure_m": least_m,
            "short_of_water": codes(short & ~was_short), "short_before": codes(was_short),
            "demand_l_s": round(float(before.demand_l_s[consuming].sum()), 3), "pressures_changed": int(pressure_moved.sum()),
            "flows_changed": int(flow_moved.sum()), "pressure_m": by_code(self._points, shown_points, after.pressure_m, 3),
            "flow_l_s": by_code(self._lines, shown_lines, after.flow_l_s, 4), "warnings": after.warnings,
        }  # fmt: skip


def simulate_pressure(
    connection: Connection, kind: str, dataset: str | None, *, closed: Sequence[str], bursts_l_s: Mapping[str, float], least_m: float
) -> dict[str, Any]:
    """Open a model, ask one question, close it; arguments, answer and errors as `PressureModel`."""
    form, name = networks.find_model(connection, kind, dataset)[:0:-1]
    if form != "epanet":
        raise InvalidParameterError("--dataset", name, "a dataset that came from an EPANET model")
    model = PressureModel(connection, kind, name)
    try:
        return model.what_if(closed, bursts_l_s, least_m)
    finally:
        model.close()


class PressureModels:
    """The EPANET models of a store, opened at the first question and opened anew after the network or the model changed."""

    def __init__(self, at_most: int = 4) -> None:
        self._warm: WarmModels[PressureModel] = WarmModels(at_most)

    def what_if(
        self, connection: Connection, kind: str, dataset: str | None, last_event: int, *, closed: Sequence[str],
        bursts_l_s: Mapping[str, float], least_m: float, values: Values,
    ) -> dict[str, Any]:  # fmt: skip
        """Ask a model; answer and errors as `PressureModel.what_if`.

        Parameters
        ----------
        connection
            The store.
        kind, dataset
            The model.
        last_event
            Newest change of the network, as `cim.db.network_graph.NetworkView` has it; another one opens the model anew.
        closed, bursts_l_s, least_m, values
            The question.
        """
        dataset_id, name, _ = networks.find_model(connection, kind, dataset)
        return self._warm.ask(
            f"{kind}/{name}", (dataset_id, last_event), lambda: PressureModel(connection, kind, name),
            lambda model: model.what_if(closed, bursts_l_s, least_m, values),
        )  # fmt: skip

    def close(self) -> None:
        """Close all."""
        self._warm.close()
