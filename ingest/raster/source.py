"""Opening raster files: format, completeness, grid, CRS, unit, vertical datum. Nothing is written before all of it is known."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
import shapely
from lxml import etree
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from cim.crs import STORE_SRID, CrsError, parse_crs, transform_box
from cim.errors import GeometryError, MissingCrsError, SourceError, SourceSyntaxError, UnsupportedFormatError
from ingest.source import require_file

DRIVERS = ("GTiff", "COG", "AAIGrid", "VRT", "SRTMHGT", "PNG", "JPEG", "JP2OpenJPEG", "HFA", "EHdr")
_LARGEST_BYTES = 4 << 30
_MOST_EXPANSION = 2000
_METRES_PER_DEGREE = 111_320.0
UNITS = {"m": 1.0, "ft": 0.3048, "us-ft": 1200 / 3937}
"""Metres per unit (EPSG 9001, 9002, 9003)."""
_UNIT_NAMES = {
    "m": "m", "metre": "m", "meter": "m", "metres": "m", "meters": "m", "ft": "ft", "foot": "ft", "feet": "ft", "international foot": "ft",
    "us survey foot": "us-ft", "us_survey_foot": "us-ft", "ftus": "us-ft", "us-ft": "us-ft", "foot_us": "us-ft",
}  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """A raster file as it says itself.

    Parameters
    ----------
    path
        File as given.
    location
        What GDAL opens.
    crs
        Horizontal CRS.
    vertical
        Vertical CRS the file names, empty where it names none.
    unit
        Unit of the elevations the file names, empty where it names none.
    transform
        Affine of the cells.
    width, height, n_bands, data_type, nodata
        As stored.
    is_straight
        North up.
    """

    path: Path
    location: str
    crs: str
    vertical: str
    unit: str
    transform: rasterio.Affine
    width: int
    height: int
    n_bands: int
    data_type: str
    nodata: float | None
    is_straight: bool

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the cells in the CRS."""
        corners = [self.transform @ corner for corner in ((0, 0), (self.width, 0), (0, self.height), (self.width, self.height))]
        x, y = zip(*corners, strict=True)
        return min(x), min(y), max(x), max(y)

    @property
    def cell_m(self) -> float:
        """Cell size [m], of a geographic grid along the meridian."""
        size = math.hypot(self.transform.b, self.transform.e)
        crs = parse_crs(self.crs)
        return float(size * (_METRES_PER_DEGREE if crs.is_geographic else crs.axis_info[0].unit_conversion_factor))

    def is_on_grid_of(self, other: "Sheet") -> bool:
        """Tell whether the cells fall onto those of another sheet."""
        a, b = self.transform, other.transform
        same = math.isclose(a.a, b.a, rel_tol=1e-6) and math.isclose(a.e, b.e, rel_tol=1e-6)
        if not (self.crs == other.crs and self.is_straight and other.is_straight and same):
            return False
        shift = ((a.c - b.c) / b.a, (a.f - b.f) / b.e)
        return all(abs(part - round(part)) < 1e-3 for part in shift)


def read_sheet(path: Path, *, crs: str | None) -> Sheet:
    """Read what a raster file says of itself.

    Parameters
    ----------
    path
        GeoTIFF, ASCII grid, VRT, SRTM .hgt (also in .zip), …
    crs
        CRS, where the file names none.

    Raises
    ------
    SourceError
        It is no raster, cut off, has no place on the earth, or unpacks to far more than it is.
    """
    require_file(path)
    location = _location(path)
    if path.suffix.lower() == ".vrt":
        _check_vrt(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(location) as source:
                if source.driver not in DRIVERS:
                    raise UnsupportedFormatError(
                        path, f"found a raster of {source.driver}, expected {', '.join(DRIVERS)}", hint="gdal_translate it to a GeoTIFF"
                    )
                return _sheet(path, location, source, crs)
    except RasterioError as error:
        raise SourceSyntaxError(
            path, f"not a raster or damaged: {_first_line(error)}", hint="give a GeoTIFF, ASCII grid, VRT or .hgt; copy the file again"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _location(path: Path) -> str:
    if path.suffix.lower() != ".zip":
        return str(path.resolve())
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith((".hgt", ".tif", ".tiff", ".asc"))]
    except zipfile.BadZipFile as error:
        raise SourceSyntaxError(path, "found no zip archive", hint="copy the file again") from error
    if len(names) != 1:
        raise UnsupportedFormatError(path, f"found {len(names)} rasters in the archive, expected one", hint="unpack it and give the files")
    return f"/vsizip/{path.resolve()}/{names[0]}"


def _check_vrt(path: Path) -> None:
    """Refuse a VRT that reads from anywhere but its own folder, or runs code."""
    try:
        root = etree.parse(path, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)).getroot()
    except (etree.XMLSyntaxError, OSError) as error:
        raise SourceSyntaxError(path, f"not a VRT: {_first_line(error)}", hint="give the output of gdalbuildvrt") from error
    folder = path.resolve().parent
    for tag in ("PixelFunctionCode", "PixelFunctionLanguage", "GDALWarpOptions"):
        if root.find(f".//{tag}") is not None:
            raise UnsupportedFormatError(path, f"found a VRT with <{tag}>, expected a plain mosaic", hint="gdal_translate it to a GeoTIFF")
    for node in root.iter("SourceFilename", "SourceDataset"):
        name = (node.text or "").strip()
        inside = not name.startswith(("/vsi", "http", "<")) and (folder / name).resolve().is_relative_to(folder)
        if not inside:
            raise UnsupportedFormatError(
                path, f"found source {name[:80]!r} outside the folder of the VRT", hint="put the files beside the VRT"
            )
        if not (folder / name).exists():
            raise SourceSyntaxError(path, f"names {name[:80]!r}, which is not there", hint="copy the missing file")


def _sheet(path: Path, location: str, source: Any, given: str | None) -> Sheet:  # noqa: ANN401 - rasterio's class is untyped
    if source.crs is None and source.gcps[0]:
        raise GeometryError(
            path, f"found {len(source.gcps[0])} ground control points and no grid, expected a georeferenced raster",
            hint="gdalwarp -t_srs EPSG:<number> FILE OUT.tif",
        )  # fmt: skip
    if source.crs is None and given is None:
        raise MissingCrsError(path, "found no coordinate reference system, expected one", hint="pass --crs EPSG:<number>")
    if source.transform.is_identity:
        raise GeometryError(path, "found no georeference (cells start at 0, 0 and are 1 wide)", hint="give the world file or a GeoTIFF")
    expanded = sum(source.width * source.height * np.dtype(kind).itemsize for kind in source.dtypes)
    size = path.stat().st_size
    if path.suffix.lower() != ".vrt" and expanded > max(_LARGEST_BYTES, _MOST_EXPANSION * size):
        raise GeometryError(
            path, f"unpacks from {size} to {expanded} bytes, expected at most {_MOST_EXPANSION} times the size of the file",
            hint="cut the raster to the area that has data",
        )  # fmt: skip
    full = parse_crs(source.crs.to_wkt() if source.crs is not None else str(given))
    horizontal, vertical = _split(full)
    tags = {key.upper(): value for key, value in source.tags().items()}
    named = (source.units[0] or tags.get("UNIT") or _axis_unit(vertical)).strip().lower()
    t = source.transform
    return Sheet(
        path, location, _name(horizontal), _name(vertical) if vertical is not None else tags.get("VERTICAL_DATUM", ""),
        _UNIT_NAMES.get(named, named), t, source.width, source.height, source.count, source.dtypes[0], source.nodata,
        not t.b and not t.d and t.a > 0 and t.e < 0,
    )  # fmt: skip


def _split(crs: pyproj.CRS) -> tuple[pyproj.CRS, pyproj.CRS | None]:
    if crs.is_compound:
        return crs.sub_crs_list[0], crs.sub_crs_list[1]
    return crs, None


def _name(crs: pyproj.CRS) -> str:
    found = crs.to_authority(min_confidence=70)
    return f"{found[0]}:{found[1]}" if found else str(crs.to_wkt())


def _axis_unit(vertical: pyproj.CRS | None) -> str:
    return str(vertical.axis_info[0].unit_name) if vertical is not None and vertical.axis_info else ""


def one_of(path: Path, option: str, given: str | None, found: Sequence[str], *, what: str, example: str) -> str:
    """Return the value that the option or the files give.

    Raises
    ------
    SourceError
        Nobody gives one, or the files contradict each other.
    """
    named = sorted({one for one in found if one})
    if given is not None:
        return given
    if len(named) > 1:
        raise SourceError(path, f"the files give several {what}: {', '.join(named)}", hint=f"load them one by one, or pass {option}")
    if not named:
        raise SourceError(path, f"found no {what}, expected one; it is never assumed", hint=f"pass {option} {example}")
    return named[0]


def footprint_of(crs: str, bounds: tuple[float, float, float, float]) -> str:
    """Return the box of a raster as hexadecimal EWKB, EPSG:4490.

    Raises
    ------
    CrsError
        The box does not lie where the CRS is made for.
    """
    west, south, east, north = transform_box(crs, f"EPSG:{STORE_SRID}", bounds)
    if not all(map(math.isfinite, (west, south, east, north))) or east <= west or north <= south:
        raise CrsError(f"the raster lies outside the area of {crs}", hint="check the CRS of the file")
    box = shapely.set_srid(shapely.box(west, south, east, north), STORE_SRID)
    return str(shapely.to_wkb(box, hex=True, include_srid=True))
