"""EPANET through its toolkit: a project is opened once and solved again after every change (EPANET 2.3 toolkit)."""

import contextlib
import ctypes
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.errors import CimError, NotFoundError, ToolMissingError

Floats = NDArray[np.float64]


class EngineError(CimError):
    """A hydraulic engine refused a model, or did not converge."""

    code = "engine"


@dataclass(frozen=True)
class Snapshot:
    """Hydraulics at one moment, in SI whatever the file's units.

    Parameters
    ----------
    nodes, links
        Ids of the model.
    pressure_m, head_m, demand_l_s
        Per node.
    flow_l_s, velocity_m_s
        Per link, positive from its start to its end.
    warnings
        What the engine said.
    """

    nodes: list[str]
    links: list[str]
    pressure_m: Floats
    head_m: Floats
    demand_l_s: Floats
    flow_l_s: Floats
    velocity_m_s: Floats
    warnings: list[str]


class EpanetModel:
    """An open EPANET project.

    Parameters
    ----------
    content
        The .inp file.

    Raises
    ------
    ToolMissingError
        The extra is not installed.
    EngineError
        The engine refuses the file.
    """

    def __init__(self, content: bytes) -> None:
        try:
            from epanet import toolkit
        except ImportError as error:
            raise ToolMissingError("EPANET is not installed", hint="pip install 'cim-platform[hydraulics]'") from error
        self._en: Any = toolkit
        self._folder = tempfile.TemporaryDirectory(prefix="cim-epanet-")
        folder = Path(self._folder.name)
        (folder / "model.inp").write_bytes(content)
        self._project = toolkit.createproject()
        try:
            with self._refusals("the model is refused"):
                toolkit.open(self._project, str(folder / "model.inp"), str(folder / "model.rpt"), str(folder / "model.out"))
                toolkit.setflowunits(self._project, toolkit.LPS)
                toolkit.openH(self._project)
        except CimError:
            toolkit.deleteproject(self._project)
            self._folder.cleanup()
            raise
        count = toolkit.getcount
        self.nodes = [str(toolkit.getnodeid(self._project, i + 1)) for i in range(count(self._project, toolkit.NODECOUNT))]
        self.links = [str(toolkit.getlinkid(self._project, i + 1)) for i in range(count(self._project, toolkit.LINKCOUNT))]
        self._link_at = {name: i + 1 for i, name in enumerate(self.links)}
        self._node_at = {name: i + 1 for i, name in enumerate(self.nodes)}

    @contextlib.contextmanager
    def _refusals(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the toolkit raises plain exceptions
            if type(error) is not Exception:
                raise
            raise EngineError(f"EPANET: {what}: {str(error).strip()}", hint="cim network check --kind water") from error

    def solve(self, *, closed: Sequence[str] = (), bursts_l_s: dict[str, float] | None = None) -> Snapshot:
        """Solve the first moment with some links closed and some water lost; the project is as before afterwards.

        Parameters
        ----------
        closed
            Links that are shut: pipes, pumps, valves.
        bursts_l_s
            Node → water lost there besides its demand [l/s].

        Raises
        ------
        NotFoundError
            An id is not in the model.
        EngineError
            No solution.
        """
        en, project = self._en, self._project
        before: list[tuple[int, float]] = []
        lost: list[tuple[int, float]] = []
        silenced: list[int] = []
        try:
            # A control or rule of the model would open again what is shut on purpose.
            silenced += self._silence({self._at(self._link_at, name) for name in closed})
            for name in closed:
                at = self._at(self._link_at, name)
                before.append((at, en.getlinkvalue(project, at, en.INITSTATUS)))
                en.setlinkvalue(project, at, en.INITSTATUS, 0)
            for name, litres in (bursts_l_s or {}).items():
                at = self._at(self._node_at, name)
                lost.append((at, en.getnodevalue(project, at, en.BASEDEMAND)))
                en.setnodevalue(project, at, en.BASEDEMAND, lost[-1][1] + litres)
            return self._run()
        finally:
            for at in silenced:
                en.setcontrolenabled(project, at, 1)
            for at, value in before:
                en.setlinkvalue(project, at, en.INITSTATUS, value)
            for at, value in lost:
                en.setnodevalue(project, at, en.BASEDEMAND, value)

    def _silence(self, links: set[int]) -> list[int]:
        """Disable the simple controls of some links; return which."""
        en, project = self._en, self._project
        found = []
        for at in range(1, en.getcount(project, en.CONTROLCOUNT) + 1):
            if int(en.getcontrol(project, at)[1]) in links:
                en.setcontrolenabled(project, at, 0)
                found.append(at)
        return found

    def _at(self, places: dict[str, int], name: str) -> int:
        if name not in places:
            raise NotFoundError(f"{name}: not in the hydraulic model", hint="the model and the network must come from one dataset")
        return places[name]

    def _run(self) -> Snapshot:
        import warnings

        en, project = self._en, self._project
        with self._refusals("no solution"), warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            en.initH(project, en.INITFLOW)
            en.runH(project)

        def values(read: Any, what: int, count: int) -> Floats:  # noqa: ANN401 - a function of the toolkit
            array = en.doubleArray(count)
            read(project, what, array.cast())
            return np.ctypeslib.as_array((ctypes.c_double * count).from_address(int(array.cast()))).copy()

        def node(what: int) -> Floats:
            return values(en.getnodevalues, what, len(self.nodes))

        def link(what: int) -> Floats:
            return values(en.getlinkvalues, what, len(self.links))

        return Snapshot(
            self.nodes, self.links, node(en.PRESSURE), node(en.HEAD), node(en.DEMAND), link(en.FLOW), link(en.VELOCITY),
            [str(one.message) for one in said],
        )  # fmt: skip

    def close(self) -> None:
        """End the project."""
        self._en.closeH(self._project)
        self._en.close(self._project)
        self._en.deleteproject(self._project)
        self._folder.cleanup()

    def __enter__(self) -> "EpanetModel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
