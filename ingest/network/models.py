"""Collecting the nodes and links of a model record by record into a survey."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely

from ingest.network.survey import DepthReference, Survey, line_table, point_table

Place = tuple[float, float]


@dataclass
class ModelBuilder:
    """Nodes and links as they are read.

    Parameters
    ----------
    kind, crs, depth_reference, path
        As in `Survey`.
    """

    kind: str
    crs: str
    depth_reference: DepthReference
    path: Path
    points: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def point(self, key: str, at: Place | None, place: str, *, attributes: dict[str, Any] | None = None, **values: object) -> None:
        """Add a point; ``at`` None = the source has no position for it."""
        x, y = at or (float("nan"), float("nan"))
        self.points.append({"key": key, "x": x, "y": y, "place": place, "attributes": _json(attributes), **values})

    def line(
        self, key: str, start: str, end: str, place: str, *, through: list[Place] | None = None, attributes: dict[str, Any] | None = None,
        **values: object,
    ) -> None:  # fmt: skip
        """Add a line; ``through`` are its inner vertices."""
        row = {"key": key, "start": start, "end": end, "place": place, "attributes": _json(attributes), "through": through}
        self.lines.append(row | values)

    def survey(self, *, model: tuple[str, bytes] | None = None, notes: dict[str, Any] | None = None) -> Survey:
        """Return what was collected."""
        where = {row["key"]: (row["x"], row["y"]) for row in self.points}
        for row in self.lines:
            inner = row.pop("through")
            row["wkb"] = _wkb(where.get(row["start"]), inner, where.get(row["end"])) if inner else None
        points = point_table(_columns(self.points)) if self.points else point_table({"key": []})
        lines = line_table(_columns(self.lines)) if self.lines else line_table({"key": []})
        n_read = len(self.points) + len(self.lines)
        return Survey(self.kind, points, lines, self.crs, self.depth_reference, n_read, self.path, model, notes or {})


def _wkb(start: Place | None, inner: list[Place], end: Place | None) -> bytes | None:
    if start is None or end is None:
        return None
    places = np.array([start, *inner, end], np.float64)
    return bytes(shapely.to_wkb(shapely.linestrings(places))) if np.isfinite(places).all() else None


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _json(attributes: dict[str, Any] | None) -> str:
    kept = {name: value for name, value in (attributes or {}).items() if value is not None and value == value}
    return orjson.dumps(kept, option=orjson.OPT_SERIALIZE_NUMPY).decode()
