"""Footprints of a batch: repair, place, area, division; all rows at once."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from cim.codes.beidou import grid_sort_keys
from cim.crs import transform_xy
from cim.db.divisions import DivisionAreas
from cim.geometry.outlines import plain_outlines
from ingest.census.datum import positions_to_cgcs2000, to_cgcs2000
from ingest.census.mapping import Batch

CHINA = (73.0, 3.0, 136.0, 54.0)
_MARGIN_DEG = 0.01
_MIN_AREA_M2 = 1.0
_SLIVER_M = 0.25
_GAP_M = 50.0
_POLYGON, _MULTIPOLYGON = 3, 6
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PlaceContext:
    """What placing needs to know; can be sent to another process.

    Parameters
    ----------
    crs
        CRS of the source.
    projected_crs
        The city's projected CRS, for areas and distances [m].
    extent
        West, south, east, north of the divisions [deg]; None = anywhere in China.
    areas
        Villages and communities with a boundary.
    known
        Codes of all villages and communities.
    datum
        cgcs2000, gcj02 or bd09: what the coordinates are in.
    """

    crs: str
    projected_crs: str
    extent: tuple[float, float, float, float] | None
    areas: DivisionAreas
    known: frozenset[str]
    datum: str = "cgcs2000"


@dataclass
class Placed:
    """Where the rows of a batch are.

    Parameters
    ----------
    wkb
        MultiPolygons in well-known binary, EPSG:4490 lon/lat [deg], shape (n,); null where refused.
    area_m2
        Footprint area [m2], shape (n,).
    division
        Village or community, shape (n,), null where refused.
    grid
        Order inside a division, see `cim.codes.beidou.grid_sort_keys`, shape (n,).
    box
        West, south, east, north [deg], shape (n, 4).
    repaired
        Rows whose outline was repaired, and by how much its area changed [m2].
    """

    wkb: pa.Array
    area_m2: Floats
    division: pa.Array
    grid: NDArray[np.int64]
    box: Floats
    repaired: dict[int, float] = field(default_factory=dict)


@dataclass
class _Measured:
    """Outlines under way: measures of all rows, objects only of those that are not plain polygons.

    Parameters
    ----------
    box, area, length, inside
        Bounds [deg], area [m2], perimeter [m], a point inside [deg]; NaN where refused.
    rest
        Rows that are not plain.
    planar, geometry
        Their shapes in the city's projected CRS and in EPSG:4490, shape (n,), None elsewhere.
    """

    box: Floats
    area: Floats
    length: Floats
    inside: Floats
    rest: NDArray[np.bool_]
    planar: NDArray[Any]
    geometry: NDArray[Any]


def place_batch(batch: Batch, wkb: pa.Array, context: PlaceContext) -> Placed:
    """Give every accepted row its footprint, area and division; refused ones are noted in the batch.

    Parameters
    ----------
    batch
        As mapped and checked.
    wkb
        Well-known binary in the source CRS, x/y order, shape (n,).
    context
        Where the city is.
    """
    outlines = plain_outlines(wkb)
    lonlat, planar = _both_crs(outlines.xy, context)
    area, length = outlines.area_and_length(planar)
    nothing = np.full(batch.n, None, dtype=object)
    measured = _Measured(
        outlines.bounds(lonlat), area, length, outlines.inner_points(lonlat), ~outlines.plain, nothing, nothing.copy()
    )  # fmt: skip
    repaired = _measure_rest(batch, wkb, context, measured) if measured.rest.any() else {}
    _check_extent(batch, measured.box, context.extent)
    batch.refuse(
        measured.area < _MIN_AREA_M2,
        "G01",
        lambda row: f"the outline covers {measured.area[row]:.3f} m2, expected at least {_MIN_AREA_M2:g} m2",
        lambda row: f"轮廓面积 {measured.area[row]:.3f} 平方米,过小",
    )
    _check_shape(batch, measured, repaired)
    division, grid = _locate(batch, measured.inside, context)
    written = outlines.wkb(lonlat)
    if measured.rest.any():
        written = pc.if_else(pa.array(measured.rest), to_wkb(measured.geometry), written)
    kept = {row: change for row, change in repaired.items() if batch.ok[row]}
    return Placed(written, measured.area, division, grid, measured.box, kept)


def _both_crs(xy: Floats, context: PlaceContext) -> tuple[Floats, Floats]:
    """Return positions of the source in EPSG:4490 and in the city's projected CRS, shape (m, 2) each."""
    if len(xy) == 0:
        return xy, xy
    lonlat = xy if context.crs == "EPSG:4490" else np.column_stack(transform_xy(context.crs, "EPSG:4490", xy[:, 0], xy[:, 1]))
    lonlat = positions_to_cgcs2000(lonlat, context.datum)
    if context.crs == context.projected_crs and context.datum == "cgcs2000":
        return lonlat, xy
    return lonlat, np.column_stack(transform_xy("EPSG:4490", context.projected_crs, lonlat[:, 0], lonlat[:, 1]))


def _measure_rest(batch: Batch, wkb: pa.Array, context: PlaceContext, measured: _Measured) -> dict[int, float]:
    """Measure the outlines that are not plain polygons, repaired where they must be; return the changes of their areas [m2]."""
    source = np.full(batch.n, None, dtype=object)
    rows = np.flatnonzero(measured.rest)
    source[rows] = shapely.from_wkb(wkb.take(pa.array(rows)).to_numpy(zero_copy_only=False), on_invalid="ignore")
    geometry, repaired = _polygons(batch, source, measured.rest)
    at = np.flatnonzero(batch.ok & measured.rest)
    measured.planar[at] = geometry[at]
    geometry[at] = to_cgcs2000(transformed(geometry[at], context.crs, "EPSG:4490"), context.datum)
    measured.geometry[at] = geometry[at]
    if context.crs != context.projected_crs or context.datum != "cgcs2000":
        measured.planar[at] = transformed(geometry[at], "EPSG:4490", context.projected_crs)
    measured.box[at] = shapely.bounds(geometry[at])
    measured.area[at], measured.length[at] = shapely.area(measured.planar[at]), shapely.length(measured.planar[at])
    measured.inside[at] = shapely.get_coordinates(shapely.point_on_surface(geometry[at]))
    return repaired


def _polygons(batch: Batch, source: NDArray[Any], looked: NDArray[np.bool_]) -> tuple[NDArray[Any], dict[int, float]]:
    """Return valid MultiPolygons in the source CRS and the rows that were repaired with the change of their area."""
    kind = shapely.get_type_id(source)
    empty = looked & ((kind < 0) | shapely.is_empty(source))
    batch.refuse(empty, "G01", lambda _: "the geometry is empty", lambda _: "几何为空")
    surface = ~looked | np.isin(kind, (_POLYGON, _MULTIPOLYGON))
    batch.refuse(
        ~surface,
        "G01",
        lambda row: f"found {source[row].geom_type}, expected a polygon",
        lambda row: f"几何类型为 {source[row].geom_type},应为面",
    )
    geometry = np.full(batch.n, None, dtype=object)
    at = np.flatnonzero(batch.ok & looked)
    geometry[at] = shapely.force_2d(source[at]) if shapely.has_z(source[at]).any() else source[at]
    xy, owner = shapely.get_coordinates(geometry[at], return_index=True)
    broken = np.zeros(batch.n, np.bool_)
    broken[at[owner[~np.isfinite(xy).all(axis=1)]]] = True
    batch.refuse(broken, "G01", lambda _: "a coordinate is not a number", lambda _: "坐标不是有效数字")
    at = np.flatnonzero(batch.ok & looked)
    invalid = at[~shapely.is_valid(geometry[at])]
    reasons = dict(zip(invalid.tolist(), shapely.is_valid_reason(geometry[invalid]), strict=True))
    before = shapely.area(geometry[invalid])
    geometry[invalid] = shapely.make_valid(geometry[invalid], method="structure", keep_collapsed=False)
    after = shapely.area(geometry[invalid])
    lost = np.zeros(batch.n, np.bool_)
    lost[invalid] = shapely.is_empty(geometry[invalid]) | ~np.isin(shapely.get_type_id(geometry[invalid]), (_POLYGON, _MULTIPOLYGON))
    batch.refuse(
        lost, "G01", lambda row: f"cannot be repaired to a polygon: {reasons[row]}", lambda row: f"几何无法修复为面: {reasons[row]}"
    )
    flat = np.zeros(batch.n, np.bool_)
    flat[at] = shapely.area(geometry[at]) <= 0
    batch.refuse(flat, "G01", lambda _: "the outline has no area", lambda _: "轮廓无面积")
    single = np.flatnonzero(batch.ok & (shapely.get_type_id(geometry) == _POLYGON))
    if len(single):
        geometry[single] = shapely.multipolygons(geometry[single], indices=np.arange(len(single)))
    changes = {int(row): float(b - a) for row, a, b in zip(invalid, before, after, strict=True)}
    return geometry, changes


def transformed(geometry: NDArray[Any], source: str, target: str) -> NDArray[Any]:
    """Return geometries in another CRS, x/y order, shape (n,)."""
    if source == target or len(geometry) == 0:
        return geometry
    return np.asarray(shapely.transform(geometry, lambda xy: np.column_stack(transform_xy(source, target, xy[:, 0], xy[:, 1]))))


def _check_extent(batch: Batch, box: Floats, extent: tuple[float, float, float, float] | None) -> None:
    city = CHINA if extent is None else (
        extent[0] - _MARGIN_DEG, extent[1] - _MARGIN_DEG, extent[2] + _MARGIN_DEG, extent[3] + _MARGIN_DEG
    )  # fmt: skip
    west, south, east, north = box.T
    with np.errstate(invalid="ignore"):
        inside = np.isfinite(west) & (west <= city[2]) & (east >= city[0]) & (south <= city[3]) & (north >= city[1])
        swapped = (west <= city[3]) & (east >= city[1]) & (south <= city[2]) & (north >= city[0])

    def message(row: int) -> str:
        text = f"lies at {west[row]:.4f} {south[row]:.4f}, expected {city[0]:.2f} to {city[2]:.2f} E, {city[1]:.2f} to {city[3]:.2f} N"
        return text + ("; longitude and latitude look swapped" if swapped[row] else "")

    batch.refuse(~inside, "G02", message, lambda row: "坐标不在本市范围内" + (",经纬度可能颠倒" if swapped[row] else ""))


def _check_shape(batch: Batch, measured: _Measured, repaired: dict[int, float]) -> None:
    """Warn about unusual footprints: size, slivers, far parts, floor area."""
    area, planar = measured.area, measured.planar
    with np.errstate(divide="ignore", invalid="ignore"):
        batch.warn((area < 4) | (area > 50_000) | (2 * area / measured.length < _SLIVER_M), "G03")
        above, below = batch.numbers("storeys_above"), batch.numbers("storeys_below")
        storeys = np.nan_to_num(above) + np.nan_to_num(below)
        floor = batch.numbers("floor_area_m2")
        low, high = 0.4 * area * np.where(np.nan_to_num(above) > 0, above, 1), 1.3 * area * storeys
        batch.warn((floor > 0) & (storeys > 0) & ((floor < low) | (floor > high)), "A06")
    fixed = np.zeros(batch.n, np.bool_)
    fixed[[row for row in repaired if batch.ok[row]]] = True
    batch.warn(fixed, "G01")
    far = np.zeros(batch.n, np.bool_)
    for row in np.flatnonzero(batch.ok & measured.rest & (shapely.get_num_geometries(planar) > 1)):
        far[row] = _has_gap(shapely.get_parts(planar[row]))
    batch.warn(far, "G06")


def _has_gap(parts: NDArray[Any]) -> bool:
    """Tell whether the parts fall into groups more than 50 m apart."""
    together, rest = parts[:1], parts[1:]
    while len(rest):
        near = shapely.dwithin(rest[:, None], together[None, :], _GAP_M).any(axis=1)
        if not near.any():
            return True
        together, rest = np.concatenate([together, rest[near]]), rest[~near]
    return False


def _locate(batch: Batch, inside: Floats, context: PlaceContext) -> tuple[pa.Array, NDArray[np.int64]]:
    """Assign villages: by a point inside first, else as declared (G07)."""
    at = np.flatnonzero(batch.ok)
    grid = np.zeros(batch.n, np.int64)
    grid[at] = grid_sort_keys(inside[at, 0], inside[at, 1])
    index = np.full(batch.n, -1, np.int64)
    index[at] = context.areas.index_at(shapely.points(inside[at]))
    division = pa.array(context.areas.codes, pa.string()).take(pa.array(index, mask=index < 0))
    declared = batch.text["division_code"] if "division_code" in batch.text else pa.nulls(batch.n, pa.string())
    outside = batch.ok & (index < 0)
    if outside.any():
        known = pc.is_in(declared, value_set=pa.array(sorted(context.known), pa.string()))
        division = pc.if_else(pa.array(outside), pc.if_else(known, declared, None), division)
    batch.warn(batch.ok & np.asarray(pc.fill_null(pc.not_equal(division, declared), False)), "G07")
    batch.refuse(
        outside & ~np.asarray(division.is_valid()),
        "G07",
        lambda row: f"no division contains it and the declared one ({declared[row].as_py()}) is unknown",
        lambda row: f"找不到所在的村(居)委会(申报为 {declared[row].as_py()})",
    )
    return division, grid


def to_wkb(geometry: NDArray[Any]) -> pa.Array:
    """Return well-known binary, shape (n,); the store's typed column gives it its SRID."""
    return pa.array(shapely.to_wkb(geometry), pa.binary())
