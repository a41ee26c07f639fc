"""CJJ 61 records → nodes and edges. Elevations are of the pipe's depth reference (crown or invert)."""

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from ingest.network.profile import KindTables, NetworkProfile
from ingest.rejects import RejectLog

POINT_COLUMNS = ("EXP_NO", "X", "Y", "HIGH", "FEATURE", "SUBSID")
LINE_COLUMNS = ("LNO", "S_EXP", "S_X", "S_Y", "S_DEEP", "E_EXP", "E_X", "E_Y", "E_DEEP", "MATERIAL", "PSIZE", "FLOWDIR")
_SIZE = re.compile(r"(?:DN)?(?P<d>\d+(?:\.\d+)?)|(?P<w>\d+(?:\.\d+)?)\s*[X×*]\s*(?P<h>\d+(?:\.\d+)?)", re.IGNORECASE)
_GRAVITY = {"rainwater", "sewage"}
_STATUSES = ("planned", "in_use", "abandoned")
_MAX_CABLES = 10_000
END_TOLERANCE_M = 0.5


def content_hash(values: object) -> str:
    """Return the hash that tells a changed record from an unchanged one."""
    return hashlib.sha256(json.dumps(values, ensure_ascii=False, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class Node:
    """A survey point: easting, northing [m], ground and pipe elevation [m]."""

    no: str
    x: float
    y: float
    ground: float
    row: dict[str, str]
    feature: str | None
    appendage: str | None
    depths: list[float] = field(default_factory=list)

    @property
    def depth(self) -> float:
        """Depth of the node [m]: of the well where surveyed, else of its deepest line end, else 0."""
        well = number(self.row.get("WELLDEEP"))
        return well if well is not None else max(self.depths, default=0.0)


@dataclass
class Edge:
    """A survey line between two points; depths [m] at its ends, sizes [mm]."""

    no: str
    start: str
    end: str
    start_depth: float
    end_depth: float
    diameter: float | None
    width: float | None
    height: float | None
    material: str | None
    embedding: str | None
    flow: int
    n_cables: int | None
    status: str
    row: dict[str, str]


def number(text: str | None) -> float | None:
    """Return a finite number, None for an empty cell.

    Raises
    ------
    ValueError
        The cell holds something else.
    """
    if text is None or not text.strip():
        return None
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"found {text!r}, expected a number")
    return value


def _count(row: dict[str, str], name: str) -> int | None:
    value = number(row.get(name))
    if value is None:
        return None
    if value != int(value) or not 0 <= value <= _MAX_CABLES:
        raise ValueError(f"{name}: found {row[name]!r}, expected a whole number from 0 to {_MAX_CABLES}")
    return int(value)


def _need(row: dict[str, str], name: str) -> float:
    value = number(row[name])
    if value is None:
        raise ValueError(f"{name} is empty, expected a number")
    return value


def _word(profile: NetworkProfile, table: Any, fieldname: str, text: str) -> str | None:  # noqa: ANN401 - literal of the profile
    words = profile.words(table, fieldname)
    if not text:
        return None
    if words and text not in words:
        raise KeyError(f"{fieldname}: found {text!r}, expected one of {', '.join(words)}")
    return words.get(text, text)


def _status(profile: NetworkProfile, text: str) -> str:
    status = _word(profile, "lines", "use_state", text) or "in_use"
    if status not in _STATUSES:
        raise KeyError(f"use_state: {text!r} maps to {status!r}, expected one of {', '.join(_STATUSES)}")
    return status


def read_size(text: str) -> tuple[float | None, float | None, float | None]:
    """Return diameter, width, height [mm] of ``DN300`` or ``800X600``.

    Raises
    ------
    ValueError
        Another form.

    Examples
    --------
    >>> read_size("DN300"), read_size("800X600")
    ((300.0, None, None), (None, 800.0, 600.0))
    """
    if not text:
        return None, None, None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"PSIZE: found {text!r}, expected DN300 or 800X600")
    if match["d"]:
        return float(match["d"]), None, None
    return None, float(match["w"]), float(match["h"])


def map_nodes(rows: list[dict[str, str]], place: str, profile: NetworkProfile, log: RejectLog) -> dict[str, Node]:
    """Map survey points by number; refused ones go to the log."""
    nodes: dict[str, Node] = {}
    swap = profile.axis == "northing-easting"
    for n, row in enumerate(rows, 2):
        where = f"{place}, line {n}"
        try:
            x, y, ground = _need(row, "X"), _need(row, "Y"), _need(row, "HIGH")
            number(row.get("WELLDEEP"))
            feature = _word(profile, "points", "feature", row["FEATURE"])
            appendage = _word(profile, "points", "appendage", row["SUBSID"])
        except ValueError as error:
            log.refuse(where, "N02", str(error), "数值无效", row)
            continue
        except KeyError as error:
            log.refuse(where, "N03", str(error.args[0]), "不在词表中", row)
            continue
        if not row["EXP_NO"] or row["EXP_NO"] in nodes:
            log.refuse(where, "N01", f"point number {row['EXP_NO']!r} is empty or occurs twice", "管线点号为空或重复", row)
            continue
        nodes[row["EXP_NO"]] = Node(row["EXP_NO"], y if swap else x, x if swap else y, ground, row, feature, appendage)
    return nodes


def map_edges(
    rows: list[dict[str, str]], place: str, tables: KindTables, profile: NetworkProfile, nodes: dict[str, Node], log: RejectLog
) -> list[Edge]:
    """Map survey lines; a line must end in points of the survey, within 0.5 m of where it says they are."""
    edges: list[Edge] = []
    seen: set[str] = set()
    swap = profile.axis == "northing-easting"
    for n, row in enumerate(rows, 2):
        where = f"{place}, line {n}"
        try:
            ends = [(row[f"{s}_EXP"], _need(row, f"{s}_X"), _need(row, f"{s}_Y"), _need(row, f"{s}_DEEP")) for s in "SE"]
            diameter, width, height = read_size(row["PSIZE"])
            material = _word(profile, "lines", "material", row["MATERIAL"])
            embedding = _word(profile, "lines", "embedding", row.get("EMBED", ""))
            flow_word = _word(profile, "lines", "flow_direction", row["FLOWDIR"])
            n_cables = _count(row, "CABNUM")
            status = _status(profile, row.get("USTATUS", ""))
        except ValueError as error:
            log.refuse(where, "N02", str(error), "数值无效", row)
            continue
        except KeyError as error:
            log.refuse(where, "N03", str(error.args[0]), "不在词表中", row)
            continue
        fault = _line_fault(row, ends, nodes, seen, swap=swap)
        if fault:
            log.refuse(where, *fault, row)
            continue
        seen.add(row["LNO"])
        flow = {"start-to-end": 1, "end-to-start": -1}.get(flow_word or "", 0)
        edge = Edge(
            row["LNO"],
            ends[0][0],
            ends[1][0],
            ends[0][3],
            ends[1][3],
            diameter,
            width,
            height,
            material,
            embedding,
            flow,
            n_cables,
            status,
            row,
        )
        _warn(edge, tables, nodes, log)
        for name, depth in ((edge.start, edge.start_depth), (edge.end, edge.end_depth)):
            nodes[name].depths.append(depth)
        edges.append(edge)
    return edges


def _line_fault(
    row: dict[str, str], ends: list[tuple[str, float, float, float]], nodes: dict[str, Node], seen: set[str], *, swap: bool
) -> tuple[str, str, str] | None:
    if not row["LNO"] or row["LNO"] in seen:
        return "N01", f"line number {row['LNO']!r} is empty or occurs twice", "线段编号为空或重复"
    for name, x, y, _ in ends:
        node = nodes.get(name)
        if node is None:
            return "N04", f"end point {name!r} is not in the point table", f"端点 {name!r} 不在点表中"
        east, north = (y, x) if swap else (x, y)
        off = math.hypot(east - node.x, north - node.y)
        if off > END_TOLERANCE_M:
            return (
                "N05",
                f"end point {name!r} is {off:.2f} m from its point, expected at most {END_TOLERANCE_M} m",
                f"端点 {name!r} 与点表坐标相差 {off:.2f} 米",
            )
    if ends[0][0] == ends[1][0]:
        return "N06", f"starts and ends in point {ends[0][0]!r}", "起点与终点相同"
    return None


def _warn(edge: Edge, tables: KindTables, nodes: dict[str, Node], log: RejectLog) -> None:
    if not (0 <= edge.start_depth <= 15 and 0 <= edge.end_depth <= 15):
        log.note("N07 depth outside 0-15 m")
    if edge.diameter is not None and not 15 <= edge.diameter <= 4000:
        log.note("N08 diameter outside DN15-DN4000")
    if tables.kind in _GRAVITY and edge.flow:
        fall = (nodes[edge.start].ground - edge.start_depth - nodes[edge.end].ground + edge.end_depth) * edge.flow
        if fall < -0.005:
            log.note("N09 gravity line rises downstream")
