"""Census shapefile: real OSM footprints under the field names of the national building survey, attributes synthetic."""

from typing import Any, Final

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from sample_city.area import COUNTY, SURVEY_DATE, seeded
from sample_city.divisions import village_of
from sample_city.sources import Building
from sample_city.uses import Facts, build_facts

USE_CODES: Final = {
    "residential": "1", "commercial": "2", "office": "3", "education": "4", "medical": "5", "culture": "6", "sports": "7",
    "hotel": "8", "industrial": "9", "storage": "10", "transport": "11", "infrastructure": "12", "religious": "13",
    "agricultural": "14", "mixed": "15", "other": "99",
}  # fmt: skip
STRUCTURE_CODES: Final = {
    "MAS": "1", "ETH": "2", "MIX": "3", "CAV": "4", "RC": "5", "STL": "6", "TMB": "7", "SRC": "8", "OTH": "99",
}  # fmt: skip
CLASS_CODES: Final = {
    "urban_dwelling": "1", "urban_non_dwelling": "2", "rural_single_dwelling": "3", "rural_collective_dwelling": "4",
    "rural_auxiliary": "5", "rural_non_dwelling": "6",
}  # fmt: skip
GRADE_CODES: Final = {"A": "1", "B": "2", "C": "3", "D": "4"}
STATUS_CODES: Final = {"existing": "0", "demolished": "1", "under_construction": "2", "planned": "3"}
ERA_YEARS: Final[dict[str, tuple[int | None, int | None]]] = {
    "1": (None, 1980), "2": (1981, 1990), "3": (1991, 2000), "4": (2001, 2010), "5": (2011, 2015), "6": (2016, None),
}  # fmt: skip

FIELDS: Final[dict[str, type]] = {
    "bh": str, "province": str, "city": str, "district": str, "town": str, "village": str, "fwbh": str, "fwlb": str,
    "house_type": str, "xcdcqk": str, "bxdcyy": str, "address": str, "fwlx": str, "cs": np.int32, "dcmj": np.float64,
    "gd": np.float64, "build_time": str, "jzndQg": str, "jglxQg": str, "jzfsQg": str, "jzytQg": str, "sfkzjg": str,
    "jgsj": np.int32, "sfszcg": str, "gzsj": np.int32, "ywlfbxqx": str, "dscs": np.int32, "dxcs": np.int32, "jzmc": str,
    "sfjgaqjd": str, "aqjdnf": np.int32, "aqjdjl": str, "jdsfaq": str, "sfzxgkj": str, "gkjsj": np.int32, "bz": str,
    "dcr": str, "dcsj": str, "status": str, "osm_id": np.int64,
}  # fmt: skip
"""DBF columns in the order of the survey layer. Householder, identity card and telephone are left out: personal data."""

Row = dict[str, Any]


def build_census(buildings: list[Building], villages: dict[str, Any], addresses: dict[int, str]) -> list[Row]:
    """Return one row per footprint, in order of OSM id.

    Parameters
    ----------
    villages
        Village code to polygon in EPSG:4490.
    addresses
        Address text by OSM id.
    """
    counts: dict[str, int] = {}
    rows = []
    for building in buildings:
        village = village_of(villages, building.lonlat)
        counts[village] = counts.get(village, 0) + 1
        rows.append(_row(building, build_facts(building), village, counts[village], addresses.get(building.osm_id, "")))
    return rows


def _era(year: int) -> str:
    return next(code for code, (low, high) in ERA_YEARS.items() if (low or 0) <= year <= (high or 9999))


def _row(building: Building, facts: Facts, village: str, number: int, address: str) -> Row:
    source = seeded("survey", building.osm_id)
    dwelling = facts.use == "residential"
    retrofit = facts.year < 2000 and source.random() < 0.2
    renovated = facts.year < 2008 and source.random() < 0.25
    return {
        "bh": f"GG{building.osm_id % 10**10:010d}",
        "province": "420000000000",
        "city": "420100000000",
        "district": COUNTY.ljust(12, "0"),
        "town": village[:9].ljust(12, "0"),
        "village": village,
        "fwbh": f"{village}{number:04d}",
        "fwlb": CLASS_CODES["urban_dwelling" if dwelling else "urban_non_dwelling"],
        "house_type": "1" if dwelling else "2",
        "xcdcqk": "1",
        "bxdcyy": STATUS_CODES["under_construction" if facts.under_construction else "existing"],
        "address": address,
        "fwlx": "2" if dwelling else None,
        "cs": facts.storeys_above,
        # One row in ten has the storeys only in the older column, as merged survey layers do.
        "dscs": None if source.random() < 0.1 else facts.storeys_above,
        "dxcs": facts.storeys_below,
        "dcmj": facts.floor_area_m2,
        "gd": facts.height_m,
        "build_time": str(facts.year),
        "jzndQg": _era(facts.year),
        "jglxQg": STRUCTURE_CODES[facts.structure],
        "jzfsQg": "3",
        "jzytQg": USE_CODES[facts.use],
        "sfkzjg": str(int(retrofit)),
        "jgsj": source.randint(2009, 2025) if retrofit else None,
        "sfszcg": str(int(renovated)),
        "gzsj": source.randint(2010, 2025) if renovated else None,
        "ywlfbxqx": str(int(facts.year < 1995 and source.random() < 0.12)),
        "jzmc": building.name or None,
        **_appraisal(facts, source.random(), source.randint(2018, 2025)),
        "sfzxgkj": "0",
        "bz": "合成示例数据 synthetic: " + ",".join(facts.synthetic),
        "dcr": "合成",
        "dcsj": SURVEY_DATE,
        "status": "2",
        "osm_id": building.osm_id,
        "geometry": building.lonlat,
    }


def _appraisal(facts: Facts, draw: float, year: int) -> Row:
    """Return the safety appraisal: year, grade and result exist only where one was made."""
    if facts.under_construction or facts.year > 2012 or draw > 0.6:
        return {"sfjgaqjd": "0"}
    grade = "A" if draw < 0.4 else "B" if draw < 0.53 else "C" if draw < 0.58 or facts.year > 1995 else "D"
    safe = "1" if grade in "AB" else "0"
    return {"sfjgaqjd": "1", "aqjdnf": max(year, facts.year), "aqjdjl": GRADE_CODES[grade], "jdsfaq": safe}


def build_bad_census(good: list[Row]) -> list[Row]:
    """Return records that have to be rejected; the remark of each names its fault.

    One fault per record: missing required value, unknown enumeration value, no storeys, year in the future, outline that
    crosses itself, no outline, place outside the city, building number used twice. The last but one record is a good one, as
    in the main file: it is the first holder of the number that the last record repeats.
    """
    base = [dict(row) for row in good if row["geometry"].geom_type == "Polygon" and row["bxdcyy"] == "0"][:10]
    for i, row in enumerate(base):
        row.update(fwbh=f"{row['village']}9{i:03d}", bh=f"GGBAD{i:05d}", dscs=row["cs"])
    base[0].update(gd=None, bz="缺陷 fault: missing required field gd (height)")
    base[1].update(jglxQg="42", bz="缺陷 fault: unknown enumeration value jglxQg=42")
    base[2].update(cs=0, dscs=0, bz="缺陷 fault: floors 0")
    base[3].update(build_time="2031", jzndQg="6", bz="缺陷 fault: year of completion in the future (2031)")
    base[4].update(geometry=_bow_tie(base[4]["geometry"]), bz="缺陷 fault: bow-tie outline without area")
    base[5].update(geometry=None, bz="缺陷 fault: empty geometry")
    shifted = shapely.transform(base[6]["geometry"], lambda xy: xy + np.array([-10.0, 5.0]))
    base[6].update(geometry=shifted, bz="缺陷 fault: coordinates outside the city")
    original = next(row for row in good if row["osm_id"] == base[7]["osm_id"])
    base[8].update(fwbh=original["fwbh"], bz="缺陷 fault: duplicate fwbh")
    return [*base[:7], original, base[8]]


def _bow_tie(shape: BaseGeometry) -> BaseGeometry:
    """Return an outline that runs to and fro on one line, so that no repair can make a polygon of it."""
    west, south, east, north = shape.bounds
    middle = ((west + east) / 2, (south + north) / 2)
    return shapely.Polygon([(west, south), (east, north), middle, (west, south)])
