"""Footprints of census records: repair, place, area, division."""

from typing import Any

import numpy as np
import shapely

from cim.crs import STORE_SRID, transform_xy
from cim.db.divisions import DivisionAreas
from ingest.census.mapping import BuildingRecord, check_area
from ingest.rejects import RejectLog
from ingest.source import VectorTable

CHINA = (73.0, 3.0, 136.0, 54.0)
_MARGIN_DEG = 0.01
_MIN_AREA_M2 = 1.0


def _polygon(geom: Any) -> tuple[Any, str]:  # noqa: ANN401 - shapely geometry
    """Return a valid MultiPolygon and an empty fault, or None and the fault."""
    if geom is None or shapely.is_empty(geom):
        return None, "the geometry is empty"
    if geom.geom_type not in ("Polygon", "MultiPolygon"):
        return None, f"found {geom.geom_type}, expected a polygon"
    geom = shapely.force_2d(geom)
    if not np.isfinite(shapely.get_coordinates(geom)).all():
        return None, "a coordinate is not a number"
    if not shapely.is_valid(geom):
        reason = shapely.is_valid_reason(geom)
        geom = shapely.make_valid(geom, method="structure", keep_collapsed=False)
        if geom.is_empty or geom.geom_type not in ("Polygon", "MultiPolygon"):
            return None, f"cannot be repaired to a polygon: {reason}"
    if shapely.area(geom) <= 0:
        return None, "the outline has no area"
    return (geom if geom.geom_type == "MultiPolygon" else shapely.multipolygons([geom])), ""


def place_records(
    buildings: list[BuildingRecord],
    table: VectorTable,
    place: str,
    extent: tuple[float, float, float, float] | None,
    projected_crs: str,
    log: RejectLog,
) -> list[BuildingRecord]:
    """Give every record its footprint in EPSG:4490 and its area [m2]; refused ones go to the log.

    Parameters
    ----------
    buildings
        Mapped records.
    table
        The layer they came from.
    place
        Name of the source for rejects.
    extent
        West, south, east, north of the divisions [deg]; None = anywhere in China.
    projected_crs
        CRS for areas.
    log
        Rejects and warnings.
    """
    box = (extent[0] - _MARGIN_DEG, extent[1] - _MARGIN_DEG, extent[2] + _MARGIN_DEG, extent[3] + _MARGIN_DEG) if extent else CHINA
    kept = []
    for building in buildings:
        geom, fault = _polygon(table.geometry[building.row])
        if not fault and not shapely.is_valid(table.geometry[building.row]):
            building.warnings.append("G01")
        rule, fault_zh = "G01", "几何无效或为空"
        if not fault:
            geom = shapely.transform(geom, lambda xy: np.column_stack(transform_xy(table.crs, "EPSG:4490", xy[:, 0], xy[:, 1])))
            west, south, east, north = shapely.bounds(geom)
            if not (np.isfinite(west) and west <= box[2] and east >= box[0] and south <= box[3] and north >= box[1]):
                rule, fault_zh = "G02", "坐标不在本市范围内"
                swapped = west <= box[3] and east >= box[1] and south <= box[2] and north >= box[0]
                fault = f"lies at {west:.4f} {south:.4f}, expected {box[0]:.2f} to {box[2]:.2f} E, {box[1]:.2f} to {box[3]:.2f} N"
                fault += "; longitude and latitude look swapped" if swapped else ""
        if fault:
            record = {name: values[building.row] for name, values in table.columns.items()}
            log.refuse(f"{place}, row {building.row + 1}", rule, fault, fault_zh, record)
            continue
        planar = shapely.transform(geom, lambda xy: np.column_stack(transform_xy("EPSG:4490", projected_crs, xy[:, 0], xy[:, 1])))
        if shapely.area(planar) < _MIN_AREA_M2:
            record = {name: values[building.row] for name, values in table.columns.items()}
            message = f"the outline covers {shapely.area(planar):.3f} m2, expected at least {_MIN_AREA_M2:g} m2"
            log.refuse(f"{place}, row {building.row + 1}", "G01", message, "轮廓面积过小", record)
            continue
        building.geom, building.footprint_area_m2 = geom, float(shapely.area(planar))
        check_area(building)
        for rule in building.warnings:
            log.note(rule)
        kept.append(building)
    return kept


def assign_divisions(
    buildings: list[BuildingRecord], table: VectorTable, place: str, areas: DivisionAreas, known: set[str], log: RejectLog
) -> tuple[list[BuildingRecord], list[str]]:
    """Return the records that have a village or community, and its 12-digit code: by place first, else as declared (G07)."""
    if not buildings:
        return [], []
    points = shapely.point_on_surface(np.array([building.geom for building in buildings], dtype=object))
    kept, codes = [], []
    for building, code in zip(buildings, areas.codes_at(points), strict=True):
        declared = building.declared_division
        if code is None:
            code = declared if declared in known else None
        elif declared is not None and declared != code:
            log.note("G07")
        if code is None:
            record = {name: values[building.row] for name, values in table.columns.items()}
            message = f"no division contains it and the declared one ({declared}) is unknown"
            log.refuse(f"{place}, row {building.row + 1}", "G07", message, "找不到所在的村(居)委会", record)
            continue
        kept.append(building)
        codes.append(code)
    return kept, codes


def to_hex(geom: Any) -> str:  # noqa: ANN401 - shapely geometry
    """Return hexadecimal EWKB in the store CRS."""
    return str(shapely.to_wkb(shapely.set_srid(geom, STORE_SRID), hex=True, include_srid=True))
