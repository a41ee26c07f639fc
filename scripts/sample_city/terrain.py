"""Synthetic terrain: a smooth surface, its raster, and ground elevations sampled from that raster."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.transform import from_origin

from sample_city.area import DEPTH_M, E0, N0, PROJECTED_CRS, VERTICAL_DATUM, WIDTH_M

CELL_M: Final = 5.0
MARGIN_M: Final = 300.0
NODATA: Final = -9999.0
LAKE_LEVEL_M: Final = 21.0
BANK_M: Final = 40.0
"""Width of the strip in which the ground falls to the lake [m]."""

HILLS: Final = ((2_450.0, 1_950.0, 13.0, 520.0), (1_250.0, 1_900.0, 5.0, 380.0), (2_300.0, 150.0, 3.0, 300.0))
"""Hills as easting and northing from the area corner, height and radius (standard deviation) [m]."""

Floats = NDArray[np.float64]


def _surface(x: Floats, y: Floats) -> Floats:
    """Return the height of the bare surface; x, y in metres from the corner of the sample area."""
    z = 22.4 + 5.0 * x / WIDTH_M + 5.5 * y / DEPTH_M
    for east, north, height, radius in HILLS:
        z = z + height * np.exp(-((x - east) ** 2 + (y - north) ** 2) / (2 * radius**2))
    ripple: Floats = 0.25 * np.sin(x / 310.0 + 0.4) * np.cos(y / 270.0)
    return np.clip(z + ripple, 20.0, 45.0)


class Terrain:
    """The elevation raster of the sample area; cell centres carry the values.

    Parameters
    ----------
    lakes
        Water polygons in EPSG:4547 [m]; the ground inside lies at the lake level.
    """

    def __init__(self, lakes: list[Any]) -> None:
        self.west = E0 - MARGIN_M
        self.north = N0 + DEPTH_M + MARGIN_M
        self.columns = round((WIDTH_M + 2 * MARGIN_M) / CELL_M)
        self.rows = round((DEPTH_M + 2 * MARGIN_M) / CELL_M)
        east = self.west + CELL_M * (np.arange(self.columns) + 0.5)
        north = self.north - CELL_M * (np.arange(self.rows) + 0.5)
        grid_e, grid_n = np.meshgrid(east, north)
        z = _surface(grid_e - E0, grid_n - N0)
        for lake in lakes:
            distance = shapely.distance(lake, shapely.points(grid_e, grid_n))
            share = np.clip(distance / BANK_M, 0.0, 1.0)
            smooth = share * share * (3 - 2 * share)
            z = LAKE_LEVEL_M + (z - LAKE_LEVEL_M) * smooth
        self.values = np.round(z, 2).astype(np.float32)

    def at(self, easting: float, northing: float) -> float:
        """Return the ground elevation [m, EPSG:5737], bilinear between cell centres, rounded to 1 cm."""
        column = (easting - self.west) / CELL_M - 0.5
        row = (self.north - northing) / CELL_M - 0.5
        i, j = int(np.floor(row)), int(np.floor(column))
        if not (0 <= i < self.rows - 1 and 0 <= j < self.columns - 1):
            raise ValueError(f"position {easting:.1f}, {northing:.1f} lies outside the terrain raster")
        u, v = row - i, column - j
        z = self.values[i : i + 2, j : j + 2].astype(np.float64)
        upper = z[0, 0] * (1 - v) + z[0, 1] * v
        lower = z[1, 0] * (1 - v) + z[1, 1] * v
        return round(float(upper * (1 - u) + lower * u), 2)

    def write(self, path: Path) -> None:
        """Write the raster as a deflated GeoTIFF (float32, EPSG:4547)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        profile = {
            "driver": "GTiff",
            "dtype": "float32",
            "count": 1,
            "height": self.rows,
            "width": self.columns,
            "crs": PROJECTED_CRS,
            "transform": from_origin(self.west, self.north, CELL_M, CELL_M),
            "nodata": NODATA,
            "compress": "deflate",
            "predictor": 3,
            "zlevel": 9,
            "tiled": True,
        }
        with rasterio.open(path, "w", **profile) as raster:
            raster.write(self.values, 1)
            raster.set_band_description(1, "synthetic ground elevation [m]")
            raster.update_tags(
                SYNTHETIC="YES", VERTICAL_DATUM=VERTICAL_DATUM, UNIT="metre", TITLE="Synthetic terrain, not survey data 合成地形"
            )
