"""CJJ 61 point and line tables of one kind of network, and the rules that fill them."""

import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sample_city.roadgraph import XY
from sample_city.terrain import Terrain
from sample_city.writers import write_csv

POINT_COLUMNS: Final = (
    "PRJ_NO", "MAP_NO", "EXP_NO", "X", "Y", "HIGH", "CODE", "FEATURE", "SUBSID", "SURFBLDG", "WELLDEEP", "BELONG", "MDATE", "NOTE",
)  # fmt: skip
LINE_COLUMNS: Final = (
    "PRJ_NO", "S_EXP", "S_X", "S_Y", "S_DEEP", "E_EXP", "E_X", "E_Y", "E_DEEP", "TYPE", "CODE", "MATERIAL", "PSIZE", "VOLTAGE",
    "PRESSURE", "CABNUM", "FLOWDIR", "EMBED", "MDATE", "BELONG", "NOTE", "LNO", "S_HIGH", "E_HIGH", "USTATUS",
)  # fmt: skip
WELLS: Final = {"检查井", "阀门井", "水表井", "人孔", "手孔"}
BEND_DEG: Final = 3.0
"""A main that turns by more than this has a bend [deg]."""


@dataclass
class Point:
    """A surveyed point; `depth_m` is the depth of the pipe at it (crown or invert, by kind)."""

    xy: XY
    high_m: float
    depth_m: float
    subsid: str = ""
    feature: str = ""
    surface: str = ""
    date: str = ""


@dataclass(frozen=True)
class Line:
    """A pipe or cable between two points, `flow` from start to end where the kind has a flow.

    `end_depth_m` is given where a pipe enters a manhole above its floor; otherwise its ends lie as deep as its points.
    """

    start: int
    end: int
    size: str
    material: str
    embed: str
    date: str
    pressure: str = ""
    voltage: str = ""
    cables: str = ""
    flow: str = ""
    end_depth_m: float | None = None


@dataclass
class Survey:
    """The two tables of one kind while they are being filled."""

    code: str
    owner: str
    terrain: Terrain
    points: list[Point] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def add_point(self, xy: XY, depth_m: float, *, subsid: str = "", feature: str = "", surface: str = "") -> int:
        """Add a point on the ground at (easting, northing); returns its index."""
        self.points.append(Point(xy, self.terrain.at(*xy), round(depth_m, 2), subsid, feature, surface))
        return len(self.points) - 1

    def add_line(self, line: Line) -> None:
        """Add a line between two points that exist."""
        self.lines.append(line)
        for index in (line.start, line.end):
            self.points[index].date = self.points[index].date or line.date

    def is_free(self, xy: XY, distance_m: float = 0.5) -> bool:
        """Tell whether no point lies within the distance."""
        return all(math.dist(xy, point.xy) > distance_m for point in self.points)

    def invert_m(self, index: int) -> float:
        """Return the elevation of the pipe at a point [m]."""
        point = self.points[index]
        return round(point.high_m - point.depth_m, 2)

    def write(self, folder: Path) -> None:
        """Write ``<code>POINT.csv`` and ``<code>LINE.csv``."""
        write_csv(folder / f"{self.code}POINT.csv", POINT_COLUMNS, self._point_rows())
        write_csv(folder / f"{self.code}LINE.csv", LINE_COLUMNS, self._line_rows())

    def _name(self, index: int) -> str:
        return f"{self.code}{index + 1:05d}"

    def _point_rows(self) -> list[dict[str, object]]:
        at: dict[int, list[Line]] = defaultdict(list)
        for line in self.lines:
            at[line.start].append(line)
            at[line.end].append(line)
        rows: list[dict[str, object]] = []
        for index, point in enumerate(self.points):
            well = f"{point.depth_m + 0.3:.2f}" if point.subsid in WELLS else ""
            rows.append(
                {
                    "PRJ_NO": "GG2026",
                    "MAP_NO": str(index + 1),
                    "EXP_NO": self._name(index),
                    "X": f"{point.xy[1]:.3f}",
                    "Y": f"{point.xy[0]:.3f}",
                    "HIGH": f"{point.high_m:.2f}",
                    "CODE": self.code,
                    "FEATURE": point.feature or self._feature(index, at[index]),
                    "SUBSID": point.subsid,
                    "SURFBLDG": point.surface,
                    "WELLDEEP": well,
                    "BELONG": self.owner,
                    "MDATE": point.date,
                    "NOTE": "合成",
                }
            )
        return rows

    def _feature(self, index: int, lines: list[Line]) -> str:
        """Name the feature from the number of lines at the point, so that the two never disagree."""
        if len(lines) == 1:
            return "终止点" if lines[0].end == index else "起始点"
        if len(lines) == 2:
            if self._deflection_deg(index, lines) > BEND_DEG:
                return "弯头"
            if lines[0].size != lines[1].size:
                return "变径"
            return "" if self.points[index].subsid else "直线点"
        return {3: "三通", 4: "四通"}.get(len(lines), "多通")

    def _deflection_deg(self, index: int, lines: list[Line]) -> float:
        here = self.points[index].xy
        others = [self.points[line.end if line.start == index else line.start].xy for line in lines]
        a, b = (math.atan2(y - here[1], x - here[0]) for x, y in others)
        return abs(180.0 - abs(math.degrees(a - b)) % 360.0)

    def _line_rows(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for number, line in enumerate(self.lines, start=1):
            start, end, flow = line.start, line.end, line.flow
            start_m, end_m = self.points[start].depth_m, self.points[end].depth_m
            end_m = end_m if line.end_depth_m is None else line.end_depth_m
            if flow and number % 9 == 0:
                # Surveyors measure against the flow too; readers have to obey FLOWDIR.
                start, end, start_m, end_m, flow = end, start, end_m, start_m, "-"
            s, e = self.points[start], self.points[end]
            rows.append(
                {
                    "PRJ_NO": "GG2026",
                    "S_EXP": self._name(start),
                    "S_X": f"{s.xy[1]:.3f}",
                    "S_Y": f"{s.xy[0]:.3f}",
                    "S_DEEP": f"{start_m:.2f}",
                    "E_EXP": self._name(end),
                    "E_X": f"{e.xy[1]:.3f}",
                    "E_Y": f"{e.xy[0]:.3f}",
                    "E_DEEP": f"{end_m:.2f}",
                    "TYPE": self.code,
                    "CODE": self.code,
                    "MATERIAL": line.material,
                    "PSIZE": line.size,
                    "VOLTAGE": line.voltage,
                    "PRESSURE": line.pressure,
                    "CABNUM": line.cables,
                    "FLOWDIR": flow,
                    "EMBED": line.embed,
                    "MDATE": line.date,
                    "BELONG": self.owner,
                    "NOTE": "合成",
                    "LNO": f"{self.code}L{number:05d}",
                    "S_HIGH": f"{s.high_m - start_m:.2f}",
                    "E_HIGH": f"{e.high_m - end_m:.2f}",
                    "USTATUS": "在用",
                }
            )
        return rows
