"""Made rasters for tests: planes, holes, colours."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin

PROFILE = """
name: {en: Town, zh: 测试城}
level: city
division_codes: ["420111"]
projected_crs: EPSG:4547
geoid_separation_m: -13.0
"""
DATUM = ("--vertical-datum", "EPSG:5737")
WEST, NORTH = 537_000.0, 3_376_000.0


def write(path: Path, bands: Any, *, step: float = 5.0, nodata: float | None = -9999.0, west: float = WEST, north: float = NORTH) -> Path:
    """Write bands of shape (n, rows, columns) in EPSG:4547."""
    profile = {
        "driver": "GTiff", "width": bands.shape[2], "height": bands.shape[1], "count": bands.shape[0], "dtype": bands.dtype.name,
        "nodata": nodata, "crs": "EPSG:4547", "transform": from_origin(west, north, step, step),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        target.write(bands)
    return path


def plane(rows: int, columns: int, *, step: float = 5.0, east: float = 0.1, north: float = 0.05) -> Any:
    """Heights [m] of a plane that rises eastward and northward by so much per metre; 20 m in the south-west corner."""
    x = (np.arange(columns) + 0.5) * step
    y = (rows - np.arange(rows) - 0.5) * step
    return (20 + x[None, :] * east + y[:, None] * north).astype(np.float32)


def location_value(path: Path, x: float, y: float, *more: str) -> list[float]:
    """Values of all bands at a place, by the program gdallocationinfo."""
    made = subprocess.run(["gdallocationinfo", "-valonly", *more, str(path), str(x), str(y)], capture_output=True, text=True, check=True)
    return [float(line) for line in made.stdout.split()]
