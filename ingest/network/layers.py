"""Plain GIS layers with a profile → surveys: points and lines of any field names, topology by numbers or by snapping."""

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import shapely
from pydantic import BaseModel, ConfigDict, Field
from pyogrio.errors import DataLayerError, DataSourceError

from cim.crs import parse_crs, transform_xy
from cim.errors import CimError, GeometryError, MappingError, MissingCrsError, SourceSyntaxError
from cim.geometry.snap import snap_ends
from ingest.network.profile import Kind
from ingest.network.survey import (
    LINE_NUMBERS,
    LINE_TEXT,
    POINT_NUMBERS,
    POINT_TEXT,
    Floats,
    Mask,
    Survey,
    json_objects,
    line_table,
    map_words,
    parse_numbers,
    point_table,
    refuse_rows,
)
from ingest.profiles import read_model
from ingest.rejects import RejectLog
from ingest.source import first_line, locate, require_file
from ingest.table import decode

_FACTORS = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4, "ft": 304.8}
Read = tuple[pa.Table, Any, str | None]


class FieldRule(BaseModel):
    """Where a value comes from.

    Parameters
    ----------
    source
        Field of the layer.
    values
        Vocabulary; empty = as it is.
    other
        What becomes of words that are not in it: refuse, keep, null.
    unit
        Of a length or size: mm, cm, m, in, ft.
    constant
        The same for every record, instead of ``source``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str | None = None
    values: dict[str, str | None] = Field(default_factory=dict)
    other: Literal["refuse", "keep", "null"] = "refuse"
    unit: Literal["mm", "cm", "m", "in", "ft"] | None = None
    constant: str | None = None


class Join(BaseModel):
    """A table of the same file whose fields are added: ``on`` of the layer equals ``key`` of the table."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    layer: str
    on: str
    key: str


class LayerTable(BaseModel):
    """One layer.

    Parameters
    ----------
    layer
        Layer name, or file name without suffix; None = the only layer of the right geometry.
    key
        Field of the record number; None = the position in the file.
    start, end
        Fields of the point numbers at the ends of a line; None = by snapping.
    x, y
        Columns of the coordinates, for tables.
    joins
        Tables to add.
    fields
        Canonical column → rule.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    layer: str | None = None
    key: str | None = None
    start: str | None = None
    end: str | None = None
    x: str | None = None
    y: str | None = None
    joins: list[Join] = Field(default_factory=list)
    fields: dict[str, FieldRule] = Field(default_factory=dict)


class LayersProfile(BaseModel):
    """How layers become networks."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    profile: str
    format: Literal["layers"]
    kind: Kind | None = None
    kinds: FieldRule | None = Field(default=None, description="field that tells the kind of each record")
    depth_reference: Literal["crown", "invert", "centre"] = "centre"
    crs: str | None = None
    snap_m: float = Field(default=0.5, ge=0, le=100)
    county_code: str | None = Field(default=None, pattern=r"^\d{6}$")
    points: LayerTable | None = None
    lines: LayerTable | None = None


def read_layers_profile(path: Path) -> LayersProfile:
    """Read and check a profile.

    Raises
    ------
    MappingError
        Names the faulty place.
    """
    profile = read_model(path, LayersProfile)
    try:
        if profile.crs is not None:
            parse_crs(profile.crs)
    except CimError as error:
        raise MappingError(path, error.message, where="crs") from error
    if (profile.kind is None) == (profile.kinds is None):
        raise MappingError(path, "expected either kind or kinds", where="kind")
    for name, table, known in (
        ("points", profile.points, (*POINT_TEXT, *POINT_NUMBERS)),
        ("lines", profile.lines, (*LINE_TEXT, *LINE_NUMBERS)),
    ):
        strange = sorted(set(table.fields if table else ()) - set(known))
        if strange:
            raise MappingError(path, f"found {strange[0]!r}, expected one of {', '.join(known)}", where=f"{name}.fields")
    if profile.points is None and profile.lines is None:
        raise MappingError(path, "expected points, lines or both", where="points")
    return profile


def map_layers(paths: list[Path], profile: LayersProfile, log: RejectLog, *, crs: str | None, plane: str) -> list[Survey]:
    """Map the layers of some files.

    Parameters
    ----------
    paths
        Files.
    profile
        Field names and vocabularies.
    log
        Takes what is refused.
    crs
        CRS where neither file nor profile names one.
    plane
        Projected CRS in which line ends are snapped.

    Raises
    ------
    SourceError
        A file, a layer or a field is missing; the layer has polygons only; no CRS.
    """
    given = crs or profile.crs
    points = _Layer.find(paths, profile.points, profile, log, given, want="Point") if profile.points else None
    lines = _Layer.find(paths, profile.lines, profile, log, given, want="LineString") if profile.lines else None
    used = next(layer for layer in (points, lines) if layer is not None)
    if points and lines and not parse_crs(points.crs).equals(parse_crs(lines.crs), ignore_axis_order=True):
        raise MissingCrsError(lines.path, f"lines are in {lines.crs}, points in {points.crs}", hint="give both in one CRS")
    kinds = sorted({k for layer in (points, lines) if layer for k in layer.kind[layer.good].tolist()})
    surveys = []
    for kind in kinds:
        read = sum(int((layer.kind == kind).sum()) for layer in (points, lines) if layer)
        surveys.append(_survey(kind, points, lines, profile, used, plane, read))
    return surveys


def _survey(
    kind: str, points: "_Layer | None", lines: "_Layer | None", profile: LayersProfile, used: "_Layer", plane: str, n_read: int
) -> Survey:
    point = points.of(kind) if points else point_table({"key": []})
    line = lines.of(kind) if lines else line_table({"key": []})
    made = 0
    if line.num_rows:
        point, line, made = _connect(point, line, used.crs, profile.snap_m, plane)
    notes = {"format": "layers", "profile": profile.profile, "nodes_made": made}
    return Survey(kind, point, line, used.crs, profile.depth_reference, n_read + made, used.path, None, notes)


def _connect(points: pa.Table, lines: pa.Table, crs: str, snap_m: float, plane: str) -> tuple[pa.Table, pa.Table, int]:
    """Give every line a start and an end: as told, else the point or line end within the tolerance, else a new node."""
    shapes = shapely.from_wkb(lines.column("wkb").to_pylist())
    ends = np.stack([shapely.get_coordinates(shapely.get_point(shapes, i)) for i in (0, -1)], axis=1).reshape(-1, 2)
    x, y = transform_xy(crs, plane, np.ascontiguousarray(ends[:, 0]), np.ascontiguousarray(ends[:, 1]))
    px, py = transform_xy(crs, plane, points.column("x").to_numpy(), points.column("y").to_numpy())
    known = np.nan_to_num(np.stack([px, py], axis=1), nan=1e12, posinf=1e12, neginf=1e12)
    node = snap_ends(known, np.nan_to_num(np.stack([x, y], axis=1), nan=2e12, posinf=2e12, neginf=2e12), snap_m)
    names = np.array(points.column("key").to_pylist(), dtype=object)
    fresh = node >= len(names)
    label = np.empty(len(node), dtype=object)
    label[~fresh] = names[node[~fresh]] if len(names) else None
    at = node[fresh] - len(names)
    label[fresh] = [f"end/{a:.7g}/{b:.7g}" if abs(a) <= 180 and abs(b) <= 180 else f"end/{a:.2f}/{b:.2f}" for a, b in ends[at]]
    told = []
    for name, found in (("start", label[0::2]), ("end", label[1::2])):
        own = lines.column(name).to_pylist()
        told.append([mine if mine is not None else str(snapped) for mine, snapped in zip(own, found, strict=True)])
    # Nodes that lines name or need and no layer holds stand at the first line end of that name.
    known_names, rows = set(names.tolist()), dict[str, int]()
    for i, name in enumerate(np.stack([told[0], told[1]], axis=1).ravel().tolist()):
        if name not in known_names:
            rows.setdefault(name, i)
    first = np.array(list(rows.values()), np.int64)
    new = point_table(
        {"key": list(rows), "x": ends[first, 0], "y": ends[first, 1], "place": [f"end of a line: {name}" for name in rows]}
    )  # fmt: skip
    lines = lines.set_column(lines.column_names.index("start"), "start", pa.array(told[0], pa.string()))
    lines = lines.set_column(lines.column_names.index("end"), "end", pa.array(told[1], pa.string()))
    return pa.concat_tables([points, new.cast(points.schema)]), lines, len(rows)


class _Layer:
    """A layer read, its fields mapped."""

    def __init__(self, path: Path, layer: str, read: Read, table: LayerTable, profile: LayersProfile, log: RejectLog, crs: str) -> None:
        self.path, self.layer, self.crs, self._log = path, layer, crs, log
        self._raw, shapes, _ = read
        self.good = np.ones(self._raw.num_rows, np.bool_)
        self._is_line = table is profile.lines
        self._shapes = shapes
        self._check_shapes()
        self.kind = self._kinds(profile)
        self._columns = self._map(table, profile)

    @classmethod
    def find(cls, paths: list[Path], table: LayerTable, profile: LayersProfile, log: RejectLog, crs: str | None, *, want: str) -> "_Layer":
        """Open the layer a profile means.

        Raises
        ------
        SourceError
            There is none, or it cannot be used.
        """
        seen = []
        for path in paths:
            for name, kind in layers_of(path):
                seen.append(f"{path.name}: {name} ({kind or 'table'})")
                if table.layer not in (None, name, path.stem):
                    continue
                if kind and want not in kind and kind not in ("Unknown", "GeometryCollection") and table.layer is None:
                    continue
                if kind is None and table.x is None:
                    continue
                read = read_layer(path, name, table)
                found = read[2] or crs
                if found is None:
                    raise MissingCrsError(
                        path, "found no coordinate reference system, expected one", where=name, hint="pass --crs EPSG:<number>"
                    )
                return cls(path, name, read, table, profile, log, found)
        if all("olygon" in one for one in seen):
            raise GeometryError(
                paths[0], f"found polygons only ({'; '.join(seen)}), expected points or lines", hint="give the network layer"
            )
        raise MappingError(
            paths[0], f"found {'; '.join(seen) or 'no layer'}, expected {table.layer or want + ' records'}", hint="correct the profile"
        )

    def _place(self, row: int) -> str:
        return f"{self.path.name}, {self.layer}, record {row + 1}"

    def _refuse(self, bad: Mask, rule: str, message: str | list[str], message_zh: str) -> None:
        fresh = bad & self.good
        if isinstance(message, list):
            message = [words for words, wanted in zip(message, fresh[np.flatnonzero(bad)], strict=True) if wanted]
        refuse_rows(self._log, self._raw, fresh, rule, message, message_zh, self._place)
        self.good &= ~bad

    def _check_shapes(self) -> None:
        wanted = (1, 5) if self._is_line else (0, 4)
        kind = shapely.get_type_id(self._shapes)
        wrong = ~np.isin(kind, wanted) & (kind >= 0)
        # A layer of mixed geometry holds points and lines: each table takes its own.
        mixed = wrong & np.isin(kind, (0, 1, 4, 5))
        self.good &= ~mixed
        self._other = mixed
        single = np.isin(kind, (4, 5))
        if single.any():
            merged = shapely.line_merge(self._shapes[single]) if self._is_line else shapely.get_geometry(self._shapes[single], 0)
            self._shapes[single] = merged
            still = np.zeros(len(kind), np.bool_)
            still[single] = shapely.get_type_id(merged) != wanted[0]
            self._refuse(still, "N10", "several separate parts, expected one", "图形由多个不相连部分组成")
        empty = (kind < 0) | shapely.is_empty(self._shapes)
        self._refuse(empty & ~mixed, "N10", "no geometry, expected one", "缺少图形")
        self._refuse(wrong & ~mixed, "N10", "found another geometry, expected points or lines", "图形类型不符")

    def _column(self, name: str) -> Any:  # noqa: ANN401 - pyarrow ships no types
        if name not in self._raw.column_names:
            found = ", ".join(self._raw.column_names)
            raise MappingError(self.path, f"found fields {found}, missing {name}", where=self.layer, hint="correct the profile")
        column = self._raw.column(name)
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

    def _words(self, rule: FieldRule, told: str) -> Any:  # noqa: ANN401 - as above
        if rule.constant is not None:
            return pa.array([rule.constant] * self._raw.num_rows, pa.string())
        text = pc.utf8_trim_whitespace(pc.fill_null(self._column(rule.source or "").cast(pa.string()), ""))
        words = dict(rule.values)
        if words and rule.other != "refuse":
            for word in pc.unique(text).to_pylist():
                words.setdefault(word, word if rule.other == "keep" and word else None)
        mapped, bad, messages = map_words(text, words, told)  # type: ignore[arg-type]  # null = leave empty
        self._refuse(bad & ~self._other, "N03", [m for m, own in zip(messages, ~self._other[bad], strict=True) if own], "不在词表中")
        return mapped

    def _kinds(self, profile: LayersProfile) -> Any:  # noqa: ANN401 - as above
        n = self._raw.num_rows
        if profile.kinds is None:
            return np.where(self._other, "", str(profile.kind))
        found = np.array(self._words(profile.kinds, profile.kinds.source or "kind").to_pylist(), dtype=object)
        missing = np.array([value is None for value in found], np.bool_)
        self._refuse(missing & ~self._other, "N03", "the field of the kind is empty or left out", "管线种类缺失")
        first = next((k for k in profile.kinds.values.values() if k), "water")
        made = np.array([first if value is None else value for value in found] if n else [], dtype=object)
        return np.where(self._other, "", made)

    def _map(self, table: LayerTable, profile: LayersProfile) -> dict[str, Any]:
        made: dict[str, Any] = {}
        used = {table.key, table.start, table.end, table.x, table.y, profile.kinds.source if profile.kinds else None}
        for name, rule in table.fields.items():
            used.add(rule.source)
            if name in LINE_NUMBERS or name in POINT_NUMBERS:
                made[name] = self._measure(name, rule)
            else:
                made[name] = self._words(rule, name)
        n = self._raw.num_rows
        prefix = "" if table.key else f"{self.layer}/"
        made["key"] = self._column(table.key).cast(pa.string()) if table.key else [f"{prefix}{i + 1}" for i in range(n)]
        for name, source in (("start", table.start), ("end", table.end)):
            if source and self._is_line:
                made[name] = self._column(source).cast(pa.string())
        rest = {name: self._raw.column(name) for name in self._raw.column_names if name not in used}
        made["attributes"] = json_objects(rest, n)
        made["place"] = [self._place(i) for i in range(n)]
        return made

    def _measure(self, name: str, rule: FieldRule) -> Floats:
        if rule.constant is not None:
            return np.full(self._raw.num_rows, float(rule.constant))
        if rule.values:
            values, bad = parse_numbers(self._words(rule, name))
        else:
            values, bad = parse_numbers(self._column(rule.source or ""))
        if rule.other == "null":
            values[bad] = np.nan
        else:
            cells = self._column(rule.source or "")
            words = [f"{name}: found {cells[int(i)].as_py()!r}, expected a number" for i in np.flatnonzero(bad & ~self._other)]
            self._refuse(bad & ~self._other, "N02", words, "数值无效")
        if rule.unit:
            values = values * (_FACTORS[rule.unit] if name.endswith("_mm") else _FACTORS[rule.unit] / 1000)
        return values

    def of(self, kind: str) -> pa.Table:
        """Return the good records of a kind as survey columns."""
        mask = self.good & (self.kind == kind)
        columns = dict(self._columns)
        if self._is_line:
            columns["wkb"] = pa.array(shapely.to_wkb(shapely.force_2d(self._shapes)), pa.binary())
            z = np.stack([shapely.get_z(shapely.get_point(self._shapes, i)) for i in (0, -1)])
            for i, name in enumerate(("start_elevation_m", "end_elevation_m")):
                columns.setdefault(name, np.where(shapely.has_z(self._shapes), z[i], np.nan))
            return line_table(columns).filter(pa.array(mask))
        columns["x"], columns["y"] = shapely.get_x(self._shapes), shapely.get_y(self._shapes)
        if shapely.has_z(self._shapes).any() and "elevation_m" not in columns:
            columns["elevation_m"] = shapely.get_z(self._shapes)
        return point_table(columns).filter(pa.array(mask))


def layers_of(path: Path) -> list[tuple[str, str | None]]:
    """Return names and geometry types of the layers of a file; None = a table.

    Raises
    ------
    SourceSyntaxError
        The file is damaged or nothing GDAL reads.
    """
    require_file(path)
    try:
        location, _ = locate(path)
        return [(str(name), None if kind is None else str(kind)) for name, kind in pyogrio.list_layers(location)]
    except (DataSourceError, DataLayerError) as error:
        raise SourceSyntaxError(
            path, f"no layer file, or damaged: {first_line(error)}", hint="export the network as GeoPackage, Shapefile or GeoJSON"
        ) from error


def read_layer(path: Path, layer: str, table: LayerTable) -> Read:
    """Read a layer with its joins: table, shapes, CRS of the file.

    Raises
    ------
    SourceSyntaxError
        Damaged, empty, or without coordinates.
    """
    location, _ = locate(path)
    try:
        if path.suffix.lower() == ".csv":
            decode(path, path.read_bytes(), None)
        with warnings.catch_warnings():
            # GDAL tells of repeated feature ids; record numbers are ours.
            warnings.simplefilter("ignore", RuntimeWarning)
            meta, _, wkb, values = pyogrio.raw.read(location, layer=layer)
    except (DataSourceError, DataLayerError, UnicodeDecodeError) as error:
        raise SourceSyntaxError(path, f"damaged: {first_line(error)}", where=layer, hint="export or copy the file again") from error
    columns = {str(name): pa.array(value, from_pandas=True) for name, value in zip(meta["fields"], values, strict=True)}
    found = pa.table(columns)
    if found.num_rows == 0 and not columns:
        raise SourceSyntaxError(path, "found no records, expected at least one", where=layer)
    for join in table.joins:
        found = _join(path, location, found, join)
    if table.x and table.y:
        x, bad_x = parse_numbers(found.column(table.x))
        y, bad_y = parse_numbers(found.column(table.y))
        shapes = np.full(found.num_rows, None, dtype=object)
        fine = ~(bad_x | bad_y | np.isnan(x) | np.isnan(y))
        shapes[fine] = shapely.points(x[fine], y[fine])
        return found, shapes, None
    if wkb is None:
        raise SourceSyntaxError(path, "the layer has no geometry column", where=layer, hint="name the columns x and y in the profile")
    return found, np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), dtype=object), meta["crs"]


def _join(path: Path, location: str, table: pa.Table, join: Join) -> pa.Table:
    try:
        meta, _, _, values = pyogrio.raw.read(location, layer=join.layer, read_geometry=False)
    except (DataSourceError, DataLayerError) as error:
        raise SourceSyntaxError(path, f"no table {join.layer!r}: {first_line(error)}", hint="correct joins in the profile") from error
    other = {str(name): pa.array(value, from_pandas=True) for name, value in zip(meta["fields"], values, strict=True)}
    for name, names in ((join.on, table.column_names), (join.key, list(other))):
        if name not in names:
            raise MappingError(path, f"found fields {', '.join(names)}, missing {name}", where=f"joins: {join.layer}")
    at = pc.index_in(table.column(join.on).combine_chunks().cast(pa.string()), value_set=other[join.key].cast(pa.string()))
    for name, column in other.items():
        if name != join.key:
            table = table.append_column(name if name not in table.column_names else f"{join.layer}.{name}", column.take(at))
    return table
