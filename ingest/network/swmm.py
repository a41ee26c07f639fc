"""SWMM input files → survey: nodes, conduits with their sections, subcatchments at their outlets, rain gauges.

Source: Storm Water Management Model User's Manual 5.2, appendix D.
"""

from collections import defaultdict
from typing import Any

from cim.errors import SourceSyntaxError
from ingest.network.epanet import FLOW_LPS, FOOT_M
from ingest.network.inp import InpFile, Row, positions, vertices
from ingest.network.models import ModelBuilder
from ingest.network.survey import Survey

_US = ("CFS", "GPM", "MGD")
_ACRE_HA = 0.404685642
_LINKS = (("CONDUITS", "CONDUIT", 5), ("PUMPS", "PUMP", 3), ("ORIFICES", "ORIFICE", 5), ("WEIRS", "WEIR", 5), ("OUTLETS", "OUTLET", 4))
_NODES = (("JUNCTIONS", "MANHOLE", 2), ("OUTFALLS", "OUTFALL", 2), ("STORAGE", "STORAGE", 3), ("DIVIDERS", "DIVIDER", 2))


def map_swmm(file: InpFile, crs: str, *, kind: str) -> Survey:
    """Map a model.

    Parameters
    ----------
    file
        Sections.
    crs
        CRS of its coordinates.
    kind
        rainwater or sewage.

    Raises
    ------
    SourceSyntaxError
        A broken line, unknown units, no nodes.
    """
    made = ModelBuilder(kind, crs, "invert", file.path)
    options = file.options()
    units = options.get("FLOW_UNITS", "CFS")
    if units not in FLOW_LPS:
        raise SourceSyntaxError(file.path, f"[OPTIONS] FLOW_UNITS: found {units!r}, expected one of CFS, GPM, MGD, CMS, LPS, MLD")
    metre = FOOT_M if units in _US else 1.0
    catchments = _catchments(file, _ACRE_HA if units in _US else 1.0)
    inverts = _nodes(file, made, metre, catchments)
    _links(file, made, metre, inverts, by_depth=options.get("LINK_OFFSETS", "DEPTH") == "DEPTH")
    if not made.points:
        raise SourceSyntaxError(file.path, "found no [JUNCTIONS], [OUTFALLS] or [STORAGE]")
    gauges = [row.cells[0] for row in file.rows("RAINGAGES", 1)]
    lost = sorted(set(catchments) - set(inverts))
    notes = {"units": units, "format": "SWMM", "subcatchments": sum(map(len, catchments.values())), "rain_gauges": gauges}
    return made.survey(model=("swmm", file.raw), notes={**notes, "outlets_that_are_no_nodes": lost} if lost else notes)


def _catchments(file: InpFile, hectare: float) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    outlet = {row.cells[0]: row.cells[2] for row in file.rows("SUBCATCHMENTS", 5)}
    for row in file.rows("SUBCATCHMENTS", 5):
        name, gauge, to = row.cells[:3]
        seen = {name}
        # A subcatchment may drain onto another one.
        while to in outlet and to not in seen:
            seen.add(to)
            to = outlet[to]
        area, paved = (file.number("SUBCATCHMENTS", row, i, name=name) for i in (3, 4))
        found[to].append({"name": name, "gauge": gauge, "area_ha": round(area * hectare, 5), "impervious_percent": paved})
    return found


def _nodes(file: InpFile, made: ModelBuilder, metre: float, catchments: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    at, inverts = positions(file), {}
    for section, appendage, least in _NODES:
        for row in file.rows(section, least):
            key = row.cells[0]
            inverts[key] = invert = file.number(section, row, 1, name=key) * metre
            deep = file.number(section, row, 2, name=key, default=0.0) * metre if section in ("JUNCTIONS", "STORAGE") else 0.0
            made.point(
                key, at.get(key), f"{file.path.name}, line {row.line} [{section}]", elevation_m=invert, depth_m=deep or None,
                ground_elevation_m=invert + deep if deep else None, appendage=appendage, type_code=section.rstrip("S"),
                attributes={"subcatchments": catchments.get(key), "outfall": row.cells[2] if section == "OUTFALLS" and len(row.cells) > 2
                            else None},
            )  # fmt: skip
    return inverts


def _section(row: Row | None, file: InpFile, metre: float) -> dict[str, Any]:
    """Return size columns of a cross-section."""
    if row is None:
        return {}
    shape = row.cells[1].upper()
    if shape in ("IRREGULAR", "STREET", "CUSTOM"):
        return {"attributes": {"shape": shape, "section": row.cells[2]}}
    sizes = [file.number("XSECTIONS", row, i, name=row.cells[0], default=0.0) * metre * 1000 for i in (2, 3)]
    barrels = int(file.number("XSECTIONS", row, 6, name=row.cells[0], default=1.0))
    known: dict[str, Any] = {"attributes": {"shape": shape, "barrels": barrels if barrels != 1 else None}}
    if shape in ("CIRCULAR", "FORCE_MAIN", "FILLED_CIRCULAR"):
        return known | {"diameter_mm": round(sizes[0], 4)}
    return known | {"height_mm": round(sizes[0], 4), "width_mm": round(sizes[1] or sizes[0], 4)}


def _links(file: InpFile, made: ModelBuilder, metre: float, inverts: dict[str, float], *, by_depth: bool) -> None:
    shapes = {row.cells[0]: row for row in file.rows("XSECTIONS", 3)}
    rows = [(section, feature, row) for section, feature, least in _LINKS for row in file.rows(section, least)]
    through = vertices(file, [row.cells[0] for _, _, row in rows])
    for section, feature, row in rows:
        key, start, end = row.cells[:3]
        values: dict[str, Any] = _section(shapes.get(key), file, metre)
        more = values.pop("attributes", {})
        if section == "CONDUITS":
            length, roughness = (file.number(section, row, i, name=key) for i in (3, 4))
            more["length_m"] = round(length * metre, 4)
            values |= {"roughness": roughness, "roughness_kind": "manning"}
            for i, (name, node) in enumerate((("start_elevation_m", start), ("end_elevation_m", end)), 5):
                told = row.cells[i] if i < len(row.cells) else "0"
                offset = 0.0 if told == "*" else file.number(section, row, i, name=key, default=0.0) * metre
                if node in inverts:
                    values[name] = inverts[node] + offset if by_depth or told == "*" else offset
        made.line(
            key,
            start,
            end,
            f"{file.path.name}, line {row.line} [{section}]",
            through=through.get(key),
            feature=feature,
            flow_direction=1.0,
            attributes=more,
            **values,
        )
