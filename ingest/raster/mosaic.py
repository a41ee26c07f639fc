"""Several sheets as one raster: one grid, one CRS, elevations in metres, checked cell by cell."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.warp import calculate_default_transform
from rasterio.windows import Window

from cim.errors import GeometryError, SourceSyntaxError
from cim.raster.cog import stripes
from ingest.pipeline import Step
from ingest.raster.source import UNITS, Sheet

LOWEST_M, HIGHEST_M = -500.0, 9000.0
NODATA = -9999.0


@dataclass(frozen=True)
class Grid:
    """The grid that is written.

    Parameters
    ----------
    crs, transform, width, height
        North up.
    is_resampled
        Some sheet has another CRS, is rotated, or its cells lie between those of the others.
    """

    crs: str
    transform: rasterio.Affine
    width: int
    height: int
    is_resampled: bool

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in the CRS."""
        t = self.transform
        return t.c, t.f + t.e * self.height, t.c + t.a * self.width, t.f


@dataclass
class Cells:
    """What the cells hold.

    Parameters
    ----------
    low, high
        Lowest and highest value [m]; infinite while none was seen.
    n_valid, n_all
        Cells with data, and all.
    """

    low: float = math.inf
    high: float = -math.inf
    n_valid: int = 0
    n_all: int = 0

    def add(self, heights: NDArray[Any]) -> None:
        """Take a window [m], NaN where there is no data."""
        self.n_all += heights.size
        n = int(np.count_nonzero(~np.isnan(heights)))
        if n:
            self.n_valid += n
            self.low, self.high = min(self.low, float(np.nanmin(heights))), max(self.high, float(np.nanmax(heights)))


def common_grid(sheets: Sequence[Sheet]) -> Grid:
    """Return the grid that holds all sheets: CRS and finest cells of the sheets; the first sheet's where it is straight."""
    first = sheets[0]
    crs = first.crs
    boxes, sizes = [], []
    for sheet in sheets:
        if sheet.crs == crs and sheet.is_straight:
            boxes.append(sheet.bounds)
            sizes.append((sheet.transform.a, -sheet.transform.e))
        else:
            corners = (sheet.width, sheet.height)
            with rasterio.open(sheet.location) as source:
                t, width, height = (
                    calculate_default_transform(sheet.crs, crs, *corners, *source.bounds) if sheet.is_straight else _turned(sheet, crs)
                )
            boxes.append((t.c, t.f + t.e * height, t.c + t.a * width, t.f))
            sizes.append((t.a, -t.e))
    step_x, step_y = min(size[0] for size in sizes), min(size[1] for size in sizes)
    aligned = all(sheet.is_on_grid_of(first) for sheet in sheets)
    west, north = min(box[0] for box in boxes), max(box[3] for box in boxes)
    if aligned:
        # Cells of the first sheet, continued.
        west = first.transform.c + round((west - first.transform.c) / step_x) * step_x
        north = first.transform.f + round((north - first.transform.f) / step_y) * step_y
    east, south = max(box[2] for box in boxes), min(box[1] for box in boxes)
    width, height = max(1, math.ceil((east - west) / step_x - 1e-3)), max(1, math.ceil((north - south) / step_y - 1e-3))
    return Grid(crs, rasterio.Affine(step_x, 0, west, 0, -step_y, north), width, height, not aligned)


def _turned(sheet: Sheet, crs: str) -> tuple[rasterio.Affine, int, int]:
    with rasterio.open(sheet.location) as source, WarpedVRT(source, src_crs=sheet.crs, crs=crs) as straight:
        return straight.transform, straight.width, straight.height


@contextlib.contextmanager
def opened(sheet: Sheet, grid: Grid, *, nodata: float | None, resampling: Resampling) -> Iterator[tuple[Any, int, int]]:
    """Open a sheet on the cells of a grid; yield the source with its first column and row."""
    with rasterio.open(sheet.location, num_threads="ALL_CPUS") as source:
        if sheet.crs == grid.crs and sheet.is_straight and sheet.is_on_grid_of(_as_sheet(sheet, grid)):
            t = grid.transform
            yield source, round((sheet.transform.c - t.c) / t.a), round((sheet.transform.f - t.f) / t.e)
            return
        known = nodata if nodata is not None else sheet.nodata
        with WarpedVRT(
            source, src_crs=sheet.crs, crs=grid.crs, transform=grid.transform, width=grid.width, height=grid.height, resampling=resampling,
            src_nodata=known, nodata=known, add_alpha=known is None and source.count in (1, 3) and source.dtypes[0] == "uint8",
        ) as warped:  # fmt: skip
            yield warped, 0, 0


def _as_sheet(sheet: Sheet, grid: Grid) -> Sheet:
    return replace(sheet, crs=grid.crs, transform=grid.transform, width=grid.width, height=grid.height, is_straight=True)


def read_heights(sheet: Sheet, source: Any, window: Window, *, nodata: float | None, factor: float) -> NDArray[np.float32]:  # noqa: ANN401
    """Return a window of elevations [m], NaN where there is no data.

    Raises
    ------
    SourceSyntaxError
        The file is cut off or damaged there.
    """
    try:
        found: NDArray[np.float32] = source.read(1, window=window, out_dtype="float32")
        known = nodata if nodata is not None else source.nodata
        if known is not None:
            found[found == np.float32(known)] = np.nan
        else:
            found[source.read_masks(1, window=window) == 0] = np.nan
    except RasterioError as error:
        raise SourceSyntaxError(
            sheet.path, f"cut off or damaged: {(str(error).splitlines() or ['unreadable'])[0]}", where=f"row {int(window.row_off) + 1}",
            hint="copy the file again",
        ) from error  # fmt: skip
    found[~np.isfinite(found)] = np.nan
    if factor != 1.0:
        found *= np.float32(factor)
    return found


def check_range(path: Path, cells: Cells, unit: str) -> None:
    """Refuse elevations that are none.

    Raises
    ------
    GeometryError
        No cell has data, or a value is outside -500 to 9000 m.
    """
    if not cells.n_valid:
        raise GeometryError(path, "every cell is nodata", hint="check the nodata value of the file, or pass --nodata VALUE")
    if cells.low < LOWEST_M or cells.high > HIGHEST_M:
        wrong = cells.low if cells.low < LOWEST_M else cells.high
        raise GeometryError(
            path, f"elevations {cells.low:g} to {cells.high:g} m, expected {LOWEST_M:g} to {HIGHEST_M:g} m",
            hint=f"if {wrong / UNITS[unit]:g} means no data, pass --nodata {wrong / UNITS[unit]:g}; else check --unit",
        )  # fmt: skip


def measure(sheet: Sheet, *, nodata: float | None, factor: float, step: Step) -> Cells:
    """Read every cell of one sheet once."""
    cells = Cells()
    with rasterio.open(sheet.location, num_threads="ALL_CPUS") as source:
        for window in stripes(source.width, source.height, source.block_shapes[0][0]):
            cells.add(read_heights(sheet, source, window, nodata=nodata, factor=factor))
            step(int(window.height))
    return cells


def write_heights(
    sheets: Sequence[Sheet], grid: Grid, target: Path, *, nodata: float | None, factor: float, shift_m: float, step: Step
) -> Cells:  # fmt: skip
    """Write the mosaic as tiled GeoTIFF in metres, float32, nodata -9999; where sheets overlap the first one counts."""
    profile = {
        "driver": "GTiff", "width": grid.width, "height": grid.height, "count": 1, "dtype": "float32", "crs": grid.crs,
        "transform": grid.transform, "nodata": NODATA, "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "ZSTD",
        "zstd_level": 1, "bigtiff": "IF_SAFER", "num_threads": "ALL_CPUS",
    }  # fmt: skip
    cells = Cells()
    with contextlib.ExitStack() as stack, rasterio.open(target, "w", **profile) as out:
        sources = [(sheet, *stack.enter_context(opened(sheet, grid, nodata=nodata, resampling=Resampling.bilinear))) for sheet in sheets]
        for window in stripes(grid.width, grid.height, 512):
            heights = np.full((int(window.height), grid.width), np.nan, np.float32)
            for sheet, source, column, row in sources:
                _lay(heights, window, sheet, source, (column, row), nodata=nodata, factor=factor)
            heights += np.float32(shift_m)
            cells.add(heights)
            out.write(np.where(np.isnan(heights), np.float32(NODATA), heights), 1, window=window)
            step(int(window.height))
    return cells


def _lay(
    heights: NDArray[np.float32], window: Window, sheet: Sheet, source: Any, at: tuple[int, int], *, nodata: float | None, factor: float  # noqa: ANN401
) -> None:  # fmt: skip
    first, last = max(int(window.row_off), at[1]), min(int(window.row_off + window.height), at[1] + source.height)
    if first >= last:
        return
    rows = slice(first - int(window.row_off), last - int(window.row_off))
    columns = slice(at[0], at[0] + source.width)
    part = read_heights(sheet, source, Window(0, first - at[1], source.width, last - first), nodata=nodata, factor=factor)
    there = heights[rows, columns]
    there[:] = np.where(np.isnan(there), part, there)
