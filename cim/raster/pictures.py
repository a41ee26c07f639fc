"""Pictures of rasters: imagery as it is, elevations as shaded relief, colours by height or by slope; packed by rio-tiler."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.fill import fillnodata
from rasterio.windows import Window

from cim.analysis.terrain import hillshade, slope_and_aspect
from cim.crs import transform_xy
from cim.geometry.ground import bilinear, interpolate
from cim.profile import Names
from cim.raster.opened import opened
from cim.raster.pieces import frame_of
from cim.raster.surface import RasterError

Box = tuple[float, float, float, float]
_NODES = 65
_NEIGHBOURS = 2
"""Cells around a tile that its relief looks at."""

STYLES: dict[str, dict[str, Names]] = {
    "terrain": {
        "hillshade": Names(en="Shaded relief", zh="山体阴影"),
        "elevation": Names(en="Colours by elevation", zh="高程分层设色"),
        "relief": Names(en="Colours by elevation with shaded relief", zh="分层设色地貌晕渲"),
        "slope": Names(en="Slope, white = level, dark = 45 degrees and more", zh="坡度(白色为平地,深色为 45 度以上)"),
    },
    "imagery": {"natural": Names(en="As taken", zh="原色")},
}
"""Styles by kind of raster, the default first."""

# Green lowland to white summits (hypsometric tints).
_RAMP = np.array([[0, 97, 71], [96, 150, 77], [197, 200, 120], [222, 178, 110], [160, 110, 70], [120, 80, 60], [250, 250, 250]], np.float64)
FORMATS = {"png": ("PNG", "image/png"), "webp": ("WEBP", "image/webp"), "jpeg": ("JPEG", "image/jpeg")}
"""Format → name for GDAL and media type."""


@dataclass(frozen=True)
class Look:
    """How a raster is drawn.

    Parameters
    ----------
    style
        Key of `STYLES` of its kind.
    low_m, high_m
        Elevations of the first and the last colour [m].
    """

    style: str
    low_m: float = 0.0
    high_m: float = 1.0


def picture(
    path: Path, box: Box, crs: str, size: tuple[int, int], look: Look, kind: str, cell_m: tuple[float, float]
) -> bytes:  # fmt: skip
    """Return a picture of a box, empty where the raster does not reach.

    Parameters
    ----------
    box, crs
        West, south, east, north in the CRS, which the picture has too.
    size
        Width and height [pixel].
    look
        Style and range of the colours.
    kind
        Key of `FORMATS`.
    cell_m
        Width and height of a pixel on the ground [m].

    Raises
    ------
    RasterError
        The file is missing or damaged.
    """
    source = opened(path)
    bands = [1, 2, 3] if look.style == "natural" and source.count >= 3 else [1]
    buffer = _NEIGHBOURS if look.style in {"hillshade", "relief", "slope"} else 0
    found = _sampled(path, box, crs, size, bands, buffer)
    if found is None:
        return b""
    mask: NDArray[np.bool_] = np.asarray(np.isnan(found).any(axis=0))
    shown = _stretched(found, look) if look.style == "natural" else _relief(found[0].astype(np.float64), look, cell_m)
    if buffer:
        inner = slice(buffer, -buffer)
        shown, mask = shown[:, inner, inner], mask[inner, inner]
    return b"" if mask.all() else _encoded(shown, mask, kind)


def _sampled(
    path: Path, box: Box, crs: str, size: tuple[int, int], bands: list[int], buffer: int
) -> NDArray[np.float32] | None:  # fmt: skip
    """Return the values at the centres of pixels, bilinear, shape (bands, rows, columns) with ``buffer`` more on each side; NaN = none."""
    frame, source = frame_of(path), opened(path)
    step_x, step_y = (box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1]
    columns, rows = size[0] + 2 * buffer, size[1] + 2 * buffer
    west, south = box[0] - buffer * step_x, box[1] - buffer * step_y
    span = (columns * step_x / (_NODES - 1), rows * step_y / (_NODES - 1))
    # Exact at nodes, interpolated between: making the transformation anew for every tile, as a warp of GDAL does, costs more than all else.
    grid_x, grid_y = np.meshgrid(west + np.arange(_NODES) * span[0], south + np.arange(_NODES) * span[1])
    x, y = transform_xy(crs, frame.crs, grid_x.ravel(), grid_y.ravel())
    column, row = (x - frame.west) / frame.step_x, (frame.north - y) / frame.step_y
    if not (np.isfinite(column).all() and np.isfinite(row).all()):
        return None
    # Cells per pixel: coarser cells come from the overviews.
    factor = max(1.0, float(np.ptp(column)) / columns, float(np.ptp(row)) / rows)
    first = np.maximum([math.floor(column.min() - 2 * factor), math.floor(row.min() - 2 * factor)], 0)
    end = np.minimum([math.ceil(column.max() + 2 * factor), math.ceil(row.max() + 2 * factor)], [frame.width, frame.height])
    if (end <= first).any():
        return None
    cells = end - first
    shape = (max(1, math.ceil(cells[1] / factor)), max(1, math.ceil(cells[0] / factor)))
    window = Window(int(first[0]), int(first[1]), int(cells[0]), int(cells[1]))
    try:
        known = source.read(bands, window=window, out_shape=(len(bands), *shape), masked=True, resampling=Resampling.average)
    except (RasterioError, OSError) as error:
        raise RasterError(f"{path}: a raster of the store is damaged: {(str(error).splitlines() or ['unreadable'])[0]}") from error
    at_x = np.tile(west + (np.arange(columns) + 0.5) * step_x, rows)
    at_y = np.repeat(south + (rows - np.arange(rows) - 0.5) * step_y, columns)
    nodes = (column.reshape(_NODES, _NODES), row.reshape(_NODES, _NODES))
    c, r = interpolate(nodes, (west, south), span, at_x, at_y)
    c, r = (c - first[0]) * (shape[1] / cells[0]) - 0.5, (r - first[1]) * (shape[0] / cells[1]) - 0.5
    out = np.empty((len(bands), rows, columns), np.float32)
    for n, band in enumerate(known):
        out[n] = bilinear(band.astype(np.float32).filled(np.nan), c, r).reshape(rows, columns)
    return out


def _encoded(shown: NDArray[np.uint8], mask: NDArray[np.bool_], kind: str) -> bytes:
    from rio_tiler.models import ImageData

    masked: Any = np.ma  # ships no types
    made = ImageData(masked.array(shown, mask=np.broadcast_to(mask, shown.shape)))
    options: dict[str, Any] = {"quality": 85} if kind in {"webp", "jpeg"} else {"zlevel": 6}
    return bytes(made.render(add_mask=kind != "jpeg", img_format=FORMATS[kind][0], **options))


def _stretched(found: NDArray[np.float32], look: Look) -> NDArray[np.uint8]:
    span = max(look.high_m - look.low_m, 1e-9)
    return np.asarray(np.clip(np.rint((np.nan_to_num(found) - look.low_m) / span * 255), 0, 255).astype(np.uint8))


def _relief(heights: NDArray[np.float64], look: Look, cell_m: tuple[float, float]) -> NDArray[np.uint8]:
    filled = heights
    if np.isnan(heights).any():
        # Beside missing cells the ground goes on as it is; they are masked in the picture.
        known = ~np.isnan(heights)
        filled = np.where(known, heights, 0.0)
        filled = np.asarray(fillnodata(filled.astype(np.float32), known.astype(np.uint8), max_search_distance=4.0), np.float64)
    if cell_m[0] != cell_m[1]:
        filled = _squared(filled, cell_m)
    if look.style == "slope":
        steep, _ = slope_and_aspect(filled, cell_m[1])
        return _grey(255 - np.clip(steep / 45, 0, 1) * 215, heights.shape)
    if look.style == "hillshade":
        return _grey(hillshade(filled, cell_m[1]) * 255, heights.shape)
    share = np.clip((np.nan_to_num(heights, nan=look.low_m) - look.low_m) / max(look.high_m - look.low_m, 1e-9), 0, 1)
    at = np.linspace(0, 1, len(_RAMP))
    colours = np.stack([np.interp(share, at, _RAMP[:, n]) for n in range(3)])
    if look.style == "relief":
        shade = hillshade(filled, cell_m[1])
        # Level ground (0.707 for a light at 45 degrees) keeps its colour.
        colours = colours * np.clip(0.35 + 0.65 * _sized(shade, heights.shape) / 0.7071, 0, 1.15)
    return np.asarray(np.clip(np.rint(colours), 0, 255).astype(np.uint8))


def _squared(heights: NDArray[np.float64], cell_m: tuple[float, float]) -> NDArray[np.float64]:
    """Resample columns so that cells are as wide as they are high; `_sized` undoes it."""
    n = max(3, round(heights.shape[1] * cell_m[0] / cell_m[1]))
    at = (np.arange(n) + 0.5) / n * heights.shape[1] - 0.5
    left = np.clip(np.floor(at).astype(int), 0, heights.shape[1] - 2)
    part = np.clip(at - left, 0, 1)
    return np.asarray(heights[:, left] * (1 - part) + heights[:, left + 1] * part)


def _sized(values: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    if values.shape[1] == shape[1]:
        return values
    at = np.clip(((np.arange(shape[1]) + 0.5) / shape[1] * values.shape[1]).astype(int), 0, values.shape[1] - 1)
    return np.asarray(values[:, at])


def _grey(values: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(_sized(values, shape)), 0, 255).astype(np.uint8)[None].repeat(3, axis=0))


@lru_cache(maxsize=256)
def stretch(path: Path) -> tuple[float, float]:
    """Return the values that become black and white in imagery of more than 8 bits: its 2nd and 98th hundredth, by an overview."""
    source = opened(path)
    shrink = max(1, max(source.width, source.height) // 512)
    bands = [1, 2, 3] if source.count >= 3 else [1]
    shape = (len(bands), max(1, source.height // shrink), max(1, source.width // shrink))
    known = source.read(bands, out_shape=shape, masked=True).compressed()
    if not known.size:
        return 0.0, 255.0
    low, high = np.percentile(known, (2, 98))
    return float(low), float(high)
