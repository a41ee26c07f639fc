"""EPANET input files → survey. Units come from the file; curves, patterns and controls stay in the model that is kept for the engine.

Source: EPANET 2.2 User Manual, appendix C.
"""

from pathlib import Path
from typing import Any

from cim.errors import SourceSyntaxError
from ingest.network.inp import InpFile, positions, vertices
from ingest.network.models import ModelBuilder
from ingest.network.survey import Survey

FOOT_M, INCH_MM = 0.3048, 25.4
_US = ("CFS", "GPM", "MGD", "IMGD", "AFD")
_SI = ("LPS", "LPM", "MLD", "CMH", "CMD", "CMS")
# Factors to litres per second.
FLOW_LPS = {
    "CFS": 28.316846592, "GPM": 0.0630901964, "MGD": 43.8126364, "IMGD": 52.6168042, "AFD": 14.2764102, "LPS": 1.0, "LPM": 1 / 60,
    "MLD": 11.5740741, "CMH": 1 / 3.6, "CMD": 1 / 86.4, "CMS": 1000.0,
}  # fmt: skip
_ROUGHNESS = {"H-W": "hazen-williams", "D-W": "mm", "C-M": "manning"}


def map_epanet(file: InpFile, crs: str, *, kind: str = "water") -> Survey:
    """Map a model.

    Parameters
    ----------
    file
        Sections.
    crs
        CRS of its coordinates.
    kind
        Kind of the network.

    Raises
    ------
    SourceSyntaxError
        A broken line, unknown units, no nodes.
    """
    made = ModelBuilder(kind, crs, "centre", file.path)
    options = file.options()
    units = options.get("UNITS", "GPM")
    if units not in FLOW_LPS:
        raise SourceSyntaxError(file.path, f"[OPTIONS] UNITS: found {units!r}, expected one of {', '.join((*_US, *_SI))}")
    metre, milli = (FOOT_M, INCH_MM) if units in _US else (1.0, 1.0)
    headloss = options.get("HEADLOSS", "H-W")
    _nodes(file, made, metre, FLOW_LPS[units])
    _links(file, made, metre, milli, headloss)
    if not made.points:
        raise SourceSyntaxError(file.path, "found no [JUNCTIONS], [RESERVOIRS] or [TANKS]")
    return made.survey(model=("epanet", file.raw), notes={"units": units, "headloss": headloss, "format": "EPANET"})


def _nodes(file: InpFile, made: ModelBuilder, metre: float, litre: float) -> None:
    at = positions(file)

    def place(section: str, line: int) -> str:
        return f"{file.path.name}, line {line} [{section}]"

    for row in file.rows("JUNCTIONS", 1):
        demand = file.number("JUNCTIONS", row, 2, name=row.cells[0], default=0.0) * litre
        made.point(
            row.cells[0], at.get(row.cells[0]), place("JUNCTIONS", row.line),
            elevation_m=file.number("JUNCTIONS", row, 1, name=row.cells[0], default=0.0) * metre, type_code="JUNCTION",
            attributes={"demand_l_s": round(demand, 6) or None, "pattern": row.cells[3] if len(row.cells) > 3 else None},
        )  # fmt: skip
    for row in file.rows("RESERVOIRS", 2):
        head = file.number("RESERVOIRS", row, 1, name=row.cells[0]) * metre
        made.point(
            row.cells[0], at.get(row.cells[0]), place("RESERVOIRS", row.line), elevation_m=head, appendage="SOURCE", type_code="RESERVOIR",
            attributes={"head_m": round(head, 4)},
        )  # fmt: skip
    for row in file.rows("TANKS", 6):
        value = {name: file.number("TANKS", row, i, name=row.cells[0]) * metre for i, name in enumerate(
            ("elevation_m", "initial_level_m", "min_level_m", "max_level_m", "tank_diameter_m"), 1)}  # fmt: skip
        elevation = value.pop("elevation_m")
        made.point(
            row.cells[0], at.get(row.cells[0]), place("TANKS", row.line), elevation_m=elevation, appendage="TOWER", type_code="TANK",
            attributes={name: round(v, 4) for name, v in value.items()},
        )  # fmt: skip


def _links(file: InpFile, made: ModelBuilder, metre: float, milli: float, headloss: str) -> None:
    status = {row.cells[0]: row.cells[1].upper() for row in file.rows("STATUS", 2)}
    rows = {name: list(file.rows(name, least)) for name, least in (("PIPES", 6), ("PUMPS", 4), ("VALVES", 6))}
    through = vertices(file, [row.cells[0] for section in rows.values() for row in section])

    def common(section: str, key: str, line: int) -> dict[str, Any]:
        return {"place": f"{file.path.name}, line {line} [{section}]", "through": through.get(key)}

    for row in rows["PIPES"]:
        key, start, end = row.cells[:3]
        length, diameter, roughness = (file.number("PIPES", row, i, name=key) for i in (3, 4, 5))
        word = status.get(key, row.cells[7].upper() if len(row.cells) > 7 else "OPEN")
        if headloss == "D-W":
            # Millifeet or millimetres.
            roughness *= metre
        made.line(
            key, start, end, **common("PIPES", key, row.line), feature="PIPE", diameter_mm=diameter * milli, roughness=roughness,
            roughness_kind=_ROUGHNESS.get(headloss), flow_direction=1.0 if word == "CV" else 0.0,
            state="closed" if word == "CLOSED" else None,
            attributes={"length_m": round(length * metre, 4), "minor_loss": _minor(row.cells), "check_valve": word == "CV" or None},
        )  # fmt: skip
    for row in rows["PUMPS"]:
        key, start, end = row.cells[:3]
        made.line(
            key, start, end, **common("PUMPS", key, row.line), feature="PUMP", flow_direction=1.0,
            state="closed" if status.get(key) == "CLOSED" else None, attributes={"pump": " ".join(row.cells[3:])},
        )  # fmt: skip
    for row in rows["VALVES"]:
        key, start, end = row.cells[:3]
        one_way = row.cells[4].upper() in ("PRV", "PSV", "PBV", "FCV")
        made.line(
            key, start, end, **common("VALVES", key, row.line), feature="VALVE", type_code=row.cells[4].upper(),
            diameter_mm=file.number("VALVES", row, 3, name=key) * milli, flow_direction=1.0 if one_way else 0.0,
            state="closed" if status.get(key) == "CLOSED" else "open", attributes={"setting": row.cells[5]},
        )  # fmt: skip


def _minor(cells: tuple[str, ...]) -> float | None:
    try:
        return float(cells[6]) or None if len(cells) > 6 else None
    except ValueError:
        return None


def is_epanet(path: Path) -> bool:
    """Tell from its name whether a file may be a model."""
    return path.suffix.lower() == ".inp"
