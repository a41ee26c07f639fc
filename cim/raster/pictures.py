"""Pictures of rasters: imagery as it is, elevations as shaded relief, colours by height or by slope; tiles and free boxes, by rio-tiler."""

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.fill import fillnodata

from cim.analysis.terrain import hillshade, slope_and_aspect
from cim.profile import Names
from cim.raster.opened import opened

if TYPE_CHECKING:
    from rio_tiler.models import ImageData

Box = tuple[float, float, float, float]
_METRES_PER_DEGREE = 111_319.49
_KEPT = threading.local()
_MOST_READERS = 64
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


def tile_picture(path: Path, grid: str, place: tuple[int, int, int], look: Look, kind: str) -> bytes:
    """Return a tile of 256 x 256 pixels, empty where the raster does not reach.

    Parameters
    ----------
    grid
        WebMercatorQuad or WorldCRS84Quad.
    place
        Level, row, column.
    kind
        Key of `FORMATS`.

    Raises
    ------
    RasterError
        The file is missing or damaged.
    """
    import morecantile
    from rio_tiler.errors import TileOutsideBounds

    level, row, column = place
    tms = morecantile.tms.get(grid)
    buffer = _NEIGHBOURS if look.style in {"hillshade", "relief", "slope"} else 0
    try:
        found = _reader(path, grid).tile(column, row, level, tilesize=256, buffer=buffer, **_sampling(look, path))
    except TileOutsideBounds:
        return b""
    if not found.mask.any():
        return b""
    box = tms.xy_bounds(morecantile.Tile(column, row, level))
    size_y = (box.top - box.bottom) / 256
    middle = (box.top + box.bottom) / 2
    cell = size_y * _METRES_PER_DEGREE if grid != "WebMercatorQuad" else size_y / np.cosh(middle / 6378137.0)
    east = cell * np.cos(np.radians(middle)) if grid != "WebMercatorQuad" else cell
    return _drawn(found, look, (float(east), float(cell)), kind, buffer)


def box_picture(path: Path, box: Box, crs: str, size: tuple[int, int], look: Look, kind: str, cell_m: tuple[float, float]) -> bytes:
    """Return a picture of a box.

    Parameters
    ----------
    box, crs
        West, south, east, north in the CRS, which the picture has too.
    size
        Width and height [pixel].
    cell_m
        Width and height of a pixel on the ground [m].
    """
    from rasterio.crs import CRS

    chosen = CRS.from_user_input(crs)
    found = _reader(path, "WebMercatorQuad").part(
        box, dst_crs=chosen, bounds_crs=chosen, width=size[0], height=size[1], max_size=None, **_sampling(look, path)
    )
    return _drawn(found, look, cell_m, kind, 0)


def _reader(path: Path, grid: str) -> Any:  # noqa: ANN401 - rio-tiler's class carries untyped members
    import morecantile
    from rio_tiler.io import Reader

    source = opened(path)
    readers: dict[tuple[Path, str], Any] | None = getattr(_KEPT, "readers", None)
    if readers is None:
        readers = _KEPT.readers = {}
    # Made once per open dataset: finding bounds and levels costs more than a tile.
    kept = readers.get((path, grid))
    if kept is None or kept.dataset is not source:
        while len(readers) > _MOST_READERS:
            readers.pop(next(iter(readers)))
        kept = readers[path, grid] = Reader(input=str(path), dataset=source, tms=morecantile.tms.get(grid))
    return kept


def _sampling(look: Look, path: Path) -> dict[str, Any]:
    made: dict[str, Any] = {"resampling_method": "bilinear", "reproject_method": "bilinear"}
    if look.style == "natural":
        count = int(opened(path).count)
        made["indexes"] = (1, 2, 3) if count >= 3 else (1,)
    return made


def _drawn(found: "ImageData", look: Look, cell_m: tuple[float, float], kind: str, buffer: int) -> bytes:
    from rio_tiler.models import ImageData

    if look.style == "natural":
        shown, mask = _stretched(found, look), found.mask
    else:
        heights = np.where(found.mask > 0, found.array.data[0].astype(np.float64), np.nan)
        shown, mask = _relief(heights, look, cell_m), found.mask
    if buffer:
        inner = slice(buffer, -buffer)
        shown, mask = shown[:, inner, inner], mask[inner, inner]
    masked: Any = np.ma  # ships no types
    made = ImageData(masked.array(shown, mask=np.broadcast_to(mask == 0, shown.shape)))
    options: dict[str, Any] = {"quality": 85} if kind in {"webp", "jpeg"} else {"zlevel": 6}
    return bytes(made.render(add_mask=kind != "jpeg", img_format=FORMATS[kind][0], **options))


def _stretched(found: "ImageData", look: Look) -> NDArray[np.uint8]:
    if found.array.dtype == np.uint8:
        return np.asarray(found.array.data)
    span = max(look.high_m - look.low_m, 1e-9)
    return np.asarray(np.clip((found.array.data.astype(np.float32) - look.low_m) / span * 255, 0, 255).astype(np.uint8))


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
