"""Survey columns → rows of the store: topology, elevations, positions, lengths, hashes. Vectorised; what is refused goes to the log."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from cim.crs import parse_crs, transform_xy
from cim.errors import GeometryError
from cim.raster.surface import Surface
from ingest.census.hashing import as_hex, row_hashes
from ingest.network.cjj61 import duplicates
from ingest.network.georef import Georeference
from ingest.network.survey import Floats, Mask, Survey, numbers_of, refuse_rows
from ingest.rejects import RejectLog

_GRAVITY = {"rainwater", "sewage"}
_MARGIN_DEG = 0.01
_WARNED = 100_000
"""Most rows kept for the report by rule."""
Box = tuple[float, float, float, float]
Ends = NDArray[np.int64]


@dataclass(frozen=True)
class Place:
    """Where the city is and how its ground lies.

    Parameters
    ----------
    extent
        West, south, east, north [deg].
    plane
        Projected CRS [m].
    county
        County of the parts, 6 digits.
    terrain
        Elevation rasters, the preferred one first.
    georeference
        Applied to the coordinates of the source before its CRS.
    """

    extent: Box
    plane: str
    county: str
    terrain: list[Path]
    georeference: Georeference | None = None


@dataclass(frozen=True)
class Built:
    """Rows of the store.

    Parameters
    ----------
    nodes, edges
        Columns of the tables but ids and codes; ``key``, ``start`` and ``end`` are numbers of the source.
    start, end
        Position of the node at each end, shape (m,).
    """

    nodes: pa.Table
    edges: pa.Table
    start: NDArray[np.int64]
    end: NDArray[np.int64]


def build(survey: Survey, place: Place, log: RejectLog) -> Built:
    """Build the rows of a survey.

    Parameters
    ----------
    survey
        As read.
    place
        The city.
    log
        Takes what is refused and what is noted.

    Raises
    ------
    GeometryError
        Half of the points or more lie outside the city.
    """
    points, x, y, lon, lat = _points(survey, place, log)
    plane_x, plane_y = _plane(survey, place, x, y, lon, lat)
    lines, start, end = _lines(survey, points, log)
    depth, ground, elevation, z = _elevations(survey, points, lines, start, end, lon, lat, place, log)
    nodes = _node_rows(survey, points, lon, lat, depth, ground, elevation, z, place)
    edges = _edge_rows(survey, lines, (start, end), (lon, lat, z), (plane_x, plane_y), (ground, depth), place, log)
    return Built(nodes, edges, start, end)


def _points(survey: Survey, place: Place, log: RejectLog) -> tuple[pa.Table, Floats, Floats, Floats, Floats]:
    points = survey.points
    bad = duplicates(points.column("key").combine_chunks())
    refuse_rows(log, points, bad, "N01", "the point number is empty or occurs twice", "点号为空或重复", _place_of(points))
    points = points.filter(pa.array(~bad))
    x, y = numbers_of(points, "x"), numbers_of(points, "y")
    if place.georeference is not None:
        x, y = place.georeference.apply(x, y)
    lost = ~(np.isfinite(x) & np.isfinite(y))
    refuse_rows(log, points, lost, "N10", "the point has no position, expected two finite numbers", "点位坐标缺失或无效", _place_of(points))
    points, x, y = points.filter(pa.array(~lost)), x[~lost], y[~lost]
    lon, lat = transform_xy(survey.crs, "EPSG:4490", x, y)
    inside = _inside(lon, lat, place.extent)
    if parse_crs(survey.crs).is_geographic and len(x) and inside.mean() < 0.5 and _inside(lat, lon, place.extent).mean() > 0.5:
        log.note("N11 latitude before longitude; swapped")
        survey.notes["axes"] = "latitude, longitude in the source; swapped"
        x, y = y, x
        lon, lat = lat, lon
        inside = _inside(lon, lat, place.extent)
        survey.lines = _swap_lines(survey.lines)
    if len(x) and (not np.isfinite(lon).any() or inside.mean() < 0.5):
        raise GeometryError(
            survey.source,
            f"{int((~inside).sum())} of {len(x)} points lie outside the city (first: x {x[0]:.1f}, y {y[0]:.1f} in {survey.crs})",
            hint="check axis and crs of the profile, or --crs; local coordinates need --georef",
        )
    refuse_rows(log, points, ~inside, "N10", "the point lies outside the city", "点位不在本市范围内", _place_of(points))
    return points.filter(pa.array(inside)), x[inside], y[inside], lon[inside], lat[inside]


def _swap_lines(lines: pa.Table) -> pa.Table:
    wkb = lines.column("wkb").to_pylist()
    swapped = [None if one is None else shapely.to_wkb(shapely.transform(shapely.from_wkb(one), lambda c: c[:, ::-1])) for one in wkb]
    return lines.set_column(lines.column_names.index("wkb"), "wkb", pa.array(swapped, pa.binary()))


def _inside(lon: Floats, lat: Floats, box: Box) -> Mask:
    west, south, east, north = box
    return np.asarray(
        (lon >= west - _MARGIN_DEG) & (lon <= east + _MARGIN_DEG) & (lat >= south - _MARGIN_DEG) & (lat <= north + _MARGIN_DEG)
    )


def _place_of(table: pa.Table) -> Any:  # noqa: ANN401 - a function of the row
    column = table.column("place")
    return lambda row: column[row].as_py() or f"record {row + 1}"


def _plane(survey: Survey, place: Place, x: Floats, y: Floats, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return positions in metres: those of the source where its CRS is in metres."""
    crs = parse_crs(survey.crs)
    if crs.is_projected and all(axis.unit_conversion_factor == 1 for axis in crs.axis_info[:2]):
        return x, y
    return transform_xy("EPSG:4490", place.plane, lon, lat)


def _lines(survey: Survey, points: pa.Table, log: RejectLog) -> tuple[pa.Table, NDArray[np.int64], NDArray[np.int64]]:
    lines = survey.lines
    bad = duplicates(lines.column("key").combine_chunks())
    refuse_rows(log, lines, bad, "N01", "the line number is empty or occurs twice", "线号为空或重复", _place_of(lines))
    lines = lines.filter(pa.array(~bad))
    keys = points.column("key").combine_chunks()
    found: list[NDArray[np.int64]] = []
    for name in ("start", "end"):
        at = pc.index_in(lines.column(name).combine_chunks(), value_set=keys)
        missing = np.asarray(pc.is_null(at))
        names = lines.column(name).take(pa.array(np.flatnonzero(missing))).to_pylist()
        told = [f"end point {one!r} is not among the points, or was refused" for one in names]
        refuse_rows(log, lines, missing, "N04", told, "端点不存在或已被拒绝", _place_of(lines))
        lines = lines.filter(pa.array(~missing))
        found = [one[~missing] for one in found] + [np.asarray(pc.fill_null(at, 0), np.int64)[~missing]]
    start, end = found
    same = start == end
    refuse_rows(log, lines, same, "N06", "the line starts and ends in the same point", "起点与终点相同", _place_of(lines))
    return lines.filter(pa.array(~same)), start[~same], end[~same]


def _elevations(
    survey: Survey,
    points: pa.Table,
    lines: pa.Table,
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    lon: Floats,
    lat: Floats,
    place: Place,
    log: RejectLog,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return depth, ground, elevation of the points (NaN = unknown) and the z to draw them at [m]."""
    depth, ground = numbers_of(points, "depth_m"), numbers_of(points, "ground_elevation_m")
    elevation = numbers_of(points, "elevation_m")
    want = np.isnan(ground)
    if place.terrain and want.any():
        ground[want] = Surface(place.terrain).elevations(lon[want], lat[want])
    deepest = np.full(len(depth), -np.inf)
    for ends, name in ((start, "start_depth_m"), (end, "end_depth_m")):
        np.maximum.at(deepest, ends, np.nan_to_num(numbers_of(lines, name), nan=-np.inf))
    depth = np.where(np.isnan(depth) & np.isfinite(deepest), deepest, depth)
    depth = np.where(np.isnan(depth) & ~np.isnan(elevation) & ~np.isnan(ground), ground - elevation, depth)
    surveyed = ~np.isnan(numbers_of(points, "ground_elevation_m"))
    depth = np.where(np.isnan(depth) & surveyed & np.isnan(elevation), 0.0, depth)
    elevation = np.where(np.isnan(elevation), ground - depth, elevation)
    lowest = np.full(len(depth), np.inf)
    for ends, name in ((start, "start_elevation_m"), (end, "end_elevation_m")):
        np.minimum.at(lowest, ends, np.nan_to_num(numbers_of(lines, name), nan=np.inf))
    elevation = np.where(np.isnan(elevation) & np.isfinite(lowest), lowest, elevation)
    _note(survey, points, np.isnan(elevation), "N12 elevation unknown", log)
    z = np.where(np.isnan(elevation), np.nan_to_num(ground, nan=0.0), elevation)
    return depth, ground, elevation, z


def _nulls(values: Floats) -> Any:  # noqa: ANN401 - pyarrow ships no types
    return pa.array(values, pa.float64(), from_pandas=True)


def _node_rows(
    survey: Survey, points: pa.Table, lon: Floats, lat: Floats, depth: Floats, ground: Floats, elevation: Floats, z: Floats, place: Place
) -> pa.Table:
    columns = {name: points.column(name).combine_chunks() for name in (
        "key", "feature", "appendage", "type_code", "owner", "state", "condition", "maintainer")}  # fmt: skip
    columns |= {
        "status": pc.fill_null(points.column("status").combine_chunks(), "in_use"),
        "attributes": pc.fill_null(points.column("attributes").combine_chunks(), "{}"),
        "ground_elevation_m": _nulls(ground), "elevation_m": _nulls(elevation), "depth_m": _nulls(depth), "geom": _point_wkb(lon, lat, z),
    }  # fmt: skip
    table = pa.table(columns)
    return table.append_column("content_hash", _hash(table, survey, place))


def _hash(table: pa.Table, survey: Survey, place: Place) -> Any:  # noqa: ANN401 - as above
    names = [name for name in table.column_names if name not in ("place",)]
    return as_hex(row_hashes([table.column(name) for name in names], table.num_rows, f"network-2 {survey.kind} {place.county}"))


def _point_wkb(lon: Floats, lat: Floats, z: Floats) -> Any:  # noqa: ANN401 - as above
    # Well-known binary of PostGIS, little-endian: point with z = 0x80000001.
    raw = np.empty(len(lon), np.dtype([("order", "u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8"), ("z", "<f8")]))
    raw["order"], raw["type"], raw["x"], raw["y"], raw["z"] = 1, 0x80000001, lon, lat, z
    return _fixed(raw.tobytes(), len(lon), raw.dtype.itemsize)


def _fixed(raw: bytes, n: int, width: int) -> Any:  # noqa: ANN401 - as above
    offsets = pa.py_buffer((np.arange(n + 1, dtype=np.int32) * width).tobytes())
    return pa.Array.from_buffers(pa.binary(), n, [None, offsets, pa.py_buffer(raw)])


def _line_wkb(a: tuple[Floats, Floats, Floats], b: tuple[Floats, Floats, Floats]) -> Any:  # noqa: ANN401 - as above
    raw = np.empty(len(a[0]), np.dtype([("order", "u1"), ("type", "<u4"), ("n", "<u4"), ("xyz", "<f8", 6)]))
    raw["order"], raw["type"], raw["n"] = 1, 0x80000002, 2
    raw["xyz"] = np.stack([*a, *b], axis=1)
    return _fixed(raw.tobytes(), len(raw), raw.dtype.itemsize)


def _edge_rows(
    survey: Survey,
    lines: pa.Table,
    ends: tuple[NDArray[np.int64], NDArray[np.int64]],
    at: tuple[Floats, Floats, Floats],
    plane: tuple[Floats, Floats],
    levels: tuple[Floats, Floats],
    place: Place,
    log: RejectLog,
) -> pa.Table:
    start, end = ends
    lon, lat, z = at
    ground, _ = levels
    depths = [numbers_of(lines, name) for name in ("start_depth_m", "end_depth_m")]
    told = [numbers_of(lines, name) for name in ("start_elevation_m", "end_elevation_m")]
    z_ends = []
    for side, node in enumerate((start, end)):
        level = np.where(np.isnan(told[side]), ground[node] - depths[side], told[side])
        z_ends.append(np.where(np.isnan(level), z[node], level))
        depths[side] = np.where(np.isnan(depths[side]), ground[node] - z_ends[side], depths[side])
    flat = np.hypot(plane[0][end] - plane[0][start], plane[1][end] - plane[1][start])
    geom = _line_wkb((lon[start], lat[start], z_ends[0]), (lon[end], lat[end], z_ends[1]))
    geom, flat = _bent(survey, lines, (start, end), (lon, lat), z_ends, geom, flat, place)
    length = np.sqrt(flat**2 + (z_ends[1] - z_ends[0]) ** 2)
    flow = np.nan_to_num(numbers_of(lines, "flow_direction"), nan=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(length > 0, (z_ends[0] - z_ends[1]) / length * np.where(flow == 0, 1, flow), np.nan)
    _warn(survey, lines, depths, flow, slope, length, log)
    columns = {name: lines.column(name).combine_chunks() for name in (
        "key", "start", "end", "feature", "type_code", "material", "embedding", "pressure", "voltage", "owner", "state", "condition",
        "maintainer", "roughness_kind")}  # fmt: skip
    columns |= {name: lines.column(name).combine_chunks() for name in ("diameter_mm", "width_mm", "height_mm", "roughness")}
    columns |= {
        "status": pc.fill_null(lines.column("status").combine_chunks(), "in_use"),
        "attributes": pc.fill_null(lines.column("attributes").combine_chunks(), "{}"),
        "start_depth_m": _nulls(depths[0]), "end_depth_m": _nulls(depths[1]), "length_m": _nulls(length), "slope": _nulls(slope),
        "flow_direction": pa.array(flow, pa.int16()), "geom": geom,
        "n_cables": _small(numbers_of(lines, "n_cables")), "year_laid": _small(numbers_of(lines, "year_laid")),
    }  # fmt: skip
    table = pa.table(columns)
    return table.append_column("content_hash", _hash(table, survey, place))


def _small(values: Floats) -> Any:  # noqa: ANN401 - as above
    good = np.isfinite(values) & (np.abs(values) < 32767)
    return pa.array(np.where(good, values, 0).astype(np.int16), pa.int16(), mask=~good)


def _bent(
    survey: Survey,
    lines: pa.Table,
    ends: tuple[Any, Any],
    at: tuple[Floats, Floats],
    z_ends: list[Floats],
    geom: Any,  # noqa: ANN401 - pyarrow ships no types
    flat: Floats,
    place: Place,
) -> tuple[Any, Floats]:
    """Put the vertices of bent lines in, z by the way along them; their ends are those of their points."""
    wkb = lines.column("wkb").combine_chunks()
    rows = np.flatnonzero(np.asarray(wkb.is_valid()))
    if not len(rows):
        return geom, flat
    shapes = shapely.from_wkb(wkb.take(pa.array(rows)).to_pylist())
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    x, y = xy[:, 0], xy[:, 1]
    if place.georeference is not None:
        x, y = place.georeference.apply(x, y)
    lon, lat = transform_xy(survey.crs, "EPSG:4490", np.ascontiguousarray(x), np.ascontiguousarray(y))
    first, last = np.searchsorted(owner, np.arange(len(rows))), np.searchsorted(owner, np.arange(len(rows)), side="right") - 1
    for edge, node in ((first, ends[0][rows]), (last, ends[1][rows])):
        lon[edge], lat[edge] = at[0][node], at[1][node]
    px, py = transform_xy("EPSG:4490", place.plane, lon, lat)
    step = np.hypot(np.diff(px, prepend=px[:1]), np.diff(py, prepend=py[:1]))
    step[first] = 0
    along = np.cumsum(step)
    along -= along[first][owner]
    total = along[last]
    share = np.divide(along, total[owner], out=np.zeros_like(along), where=total[owner] > 0)
    z = z_ends[0][rows][owner] * (1 - share) + z_ends[1][rows][owner] * share
    made = shapely.to_wkb(shapely.linestrings(np.stack([lon, lat, z], axis=1), indices=owner), flavor="extended", output_dimension=3)
    every = np.array(geom.to_pylist(), dtype=object)
    every[rows] = made
    flat = flat.copy()
    flat[rows] = total
    return pa.array(every.tolist(), pa.binary()), flat


def _warn(survey: Survey, lines: pa.Table, depths: list[Floats], flow: Floats, slope: Floats, length: Floats, log: RejectLog) -> None:
    deep = np.zeros(lines.num_rows, np.bool_)
    for values in depths:
        deep |= (values < -0.005) | (values > 15)
    diameter = numbers_of(lines, "diameter_mm")
    told = _told_length(lines)
    counts = {
        "N07 depth outside 0-15 m": deep,
        "N08 diameter outside DN15-DN4000": (diameter < 15) | (diameter > 4000),
        "N09 gravity line rises downstream": (slope * length < -0.005) & (flow != 0) & (survey.kind in _GRAVITY),
        "N13 the length told differs from the geometry": np.abs(told - length) > np.maximum(0.1 * length, 1.0),
    }
    for rule, rows in counts.items():
        _note(survey, lines, rows, rule, log)


def _note(survey: Survey, table: pa.Table, rows: Mask, rule: str, log: RejectLog) -> None:
    """Count a warning, and keep the rows for the report."""
    at = np.flatnonzero(rows)
    if len(at):
        log.warnings[rule] += len(at)
        survey.warned.append((rule, table.take(pa.array(at[:_WARNED]))))


def _told_length(lines: pa.Table) -> Floats:
    text = pc.extract_regex(pc.fill_null(lines.column("attributes").combine_chunks(), "{}"), r'"length_m":(?P<v>[0-9.eE+-]+)')
    return np.asarray(pc.struct_field(text, "v").cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
