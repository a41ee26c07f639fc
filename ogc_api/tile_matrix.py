"""Tile matrix sets (OGC 17-083r4): the quadtrees in which vector tiles are cut, and the box of each tile."""

import math
from dataclasses import dataclass
from typing import Any

from cim.db.published import Box
from cim.errors import NotFoundError

LEVELS = 21
_EARTH = 20037508.3427892
_METRES_PER_DEGREE = 111319.49079327358
_PIXEL_M = 0.00028
_TILE = 256


@dataclass(frozen=True)
class TileMatrixSet:
    """A quadtree of tiles, row 0 at the north.

    Parameters
    ----------
    srid
        EPSG code in which tiles are cut; 4326 leaves the stored numbers as they are.
    span
        Edge of a tile of level 0, in units of the CRS.
    west, north
        Corner of the whole, easting or longitude first.
    width
        Tiles of level 0 side by side.
    axes
        Names of the axes in the order of the CRS.
    """

    id: str
    title: str
    uri: str | None
    crs: str
    srid: int
    span: float
    west: float
    north: float
    width: int
    axes: tuple[str, str]
    scale_set: str | None

    def box(self, level: int, row: int, column: int) -> Box:
        """Return the box of a tile in the CRS of the set, easting or longitude first."""
        span = self.span / 2**level
        west, north = self.west + column * span, self.north - row * span
        return west, north - span, west + span, north

    def store_box(self, level: int, row: int, column: int, buffer: float) -> Box:
        """Return the box of a tile with a margin: west, south, east, north [deg], EPSG:4490.

        Parameters
        ----------
        buffer
            Margin as a part of the tile's edge.
        """
        west, south, east, north = self.box(level, row, column)
        margin = (east - west) * buffer
        west, south, east, north = west - margin, south - margin, east + margin, north + margin
        if self.srid != 3857:
            return max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0)
        return (
            max(west / _EARTH * 180.0, -180.0), _latitude(south), min(east / _EARTH * 180.0, 180.0), _latitude(north),
        )  # fmt: skip

    def check(self, level: int, row: int, column: int) -> None:
        """Refuse a tile that does not exist.

        Raises
        ------
        NotFoundError
            Level, row or column is outside of the set.
        """
        rows, columns = 2**level, self.width * 2**level
        if not (0 <= level < LEVELS and 0 <= row < rows and 0 <= column < columns):
            raise NotFoundError(f"tile {level}/{row}/{column}: not in {self.id} (levels 0 to {LEVELS - 1})")

    def limits(self, bbox: Box) -> list[dict[str, Any]]:
        """Return the rows and columns that a box (west, south, east, north [deg]) meets, per level."""
        west, south, east, north = bbox
        if self.srid == 3857:
            west, east = west / 180.0 * _EARTH, east / 180.0 * _EARTH
            south, north = _northing(south), _northing(north)
        made = []
        for level in range(LEVELS):
            span, rows, columns = self.span / 2**level, 2**level, self.width * 2**level
            made.append(
                {
                    "tileMatrix": str(level),
                    "minTileRow": _clamp((self.north - north) / span, rows), "maxTileRow": _clamp((self.north - south) / span, rows),
                    "minTileCol": _clamp((west - self.west) / span, columns), "maxTileCol": _clamp((east - self.west) / span, columns),
                }
            )  # fmt: skip
        return made

    def document(self) -> dict[str, Any]:
        """Return the definition as JSON (OGC 17-083r4, annex D)."""
        metres = 1.0 if self.srid == 3857 else _METRES_PER_DEGREE
        origin = [self.west, self.north] if self.axes[0] not in {"Lat"} else [self.north, self.west]
        matrices = []
        for level in range(LEVELS):
            cell = self.span / _TILE / 2**level
            matrices.append(
                {
                    "id": str(level), "scaleDenominator": cell * metres / _PIXEL_M, "cellSize": cell, "cornerOfOrigin": "topLeft",
                    "pointOfOrigin": origin, "tileWidth": _TILE, "tileHeight": _TILE, "matrixWidth": self.width * 2**level,
                    "matrixHeight": 2**level,
                }
            )  # fmt: skip
        made = {"id": self.id, "title": self.title, "crs": self.crs, "orderedAxes": list(self.axes), "tileMatrices": matrices}
        if self.uri:
            made["uri"] = self.uri
        if self.scale_set:
            made["wellKnownScaleSet"] = self.scale_set
        return made


def _clamp(place: float, n: int) -> int:
    return min(max(math.floor(place), 0), n - 1)


def _latitude(northing: float) -> float:
    return math.degrees(2 * math.atan(math.exp(northing / _EARTH * math.pi)) - math.pi / 2)


def _northing(latitude: float) -> float:
    bounded = max(min(latitude, 85.0511287798), -85.0511287798)
    return math.log(math.tan(math.pi / 4 + math.radians(bounded) / 2)) / math.pi * _EARTH


_DEF = "http://www.opengis.net/def"
MATRIX_SETS: dict[str, TileMatrixSet] = {
    one.id: one
    for one in (
        TileMatrixSet(
            "WebMercatorQuad", "Google Maps Compatible for the World", f"{_DEF}/tilematrixset/OGC/1.0/WebMercatorQuad",
            f"{_DEF}/crs/EPSG/0/3857", 3857, 2 * _EARTH, -_EARTH, _EARTH, 1, ("E", "N"), f"{_DEF}/wkss/OGC/1.0/GoogleMapsCompatible",
        ),
        TileMatrixSet(
            "WorldCRS84Quad", "CRS84 for the World", f"{_DEF}/tilematrixset/OGC/1.0/WorldCRS84Quad", f"{_DEF}/crs/OGC/1.3/CRS84",
            4326, 180.0, -180.0, 90.0, 2, ("Lon", "Lat"), f"{_DEF}/wkss/OGC/1.0/GoogleCRS84Quad",
        ),
        TileMatrixSet(
            "CGCS2000Quad", "CGCS2000 for the World / 国家大地坐标系经纬度格网", None, f"{_DEF}/crs/EPSG/0/4490",
            4326, 180.0, -180.0, 90.0, 2, ("Lat", "Lon"), None,
        ),
    )
}  # fmt: skip
"""Tile matrix sets by id; WebMercatorQuad and WorldCRS84Quad as registered (OGC 17-083r4, annex E)."""


MAP_GRIDS = ("WebMercatorQuad", "WorldCRS84Quad")
"""Tile matrix sets in which maps of rasters are cut."""


def matrix_set(name: str) -> TileMatrixSet:
    """Return a tile matrix set.

    Raises
    ------
    NotFoundError
        There is none of this id; names those there are.
    """
    found = MATRIX_SETS.get(name)
    if found is None:
        raise NotFoundError(f"tile matrix set {name[:60]!r}: expected one of {', '.join(MATRIX_SETS)}")
    return found
