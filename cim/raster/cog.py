"""Cloud-Optimised GeoTIFF, complete or not there: written beside the target, fsync, rename."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import rasterio.shutil
from rasterio.windows import Window

from cim.exchange.whole_file import whole_file

STRIPE_CELLS = 16_000_000
"""Cells read at once."""


@dataclass(frozen=True)
class CogOptions:
    """How a raster is packed.

    Parameters
    ----------
    resampling
        Of the overviews: average for elevations, cubic for pictures.
    compress
        DEFLATE (lossless), or WEBP or JPEG for pictures.
    """

    resampling: str = "AVERAGE"
    compress: str = "DEFLATE"


def write_cog(source: Path | str, target: Path, options: CogOptions | None = None) -> None:
    """Write a raster of GDAL as Cloud-Optimised GeoTIFF with overviews.

    Parameters
    ----------
    source
        Anything GDAL reads.
    target
        File; what is there is replaced.

    Raises
    ------
    StorageFullError
        The disk is full.
    """
    options = options or CogOptions()
    lossless = {"predictor": "YES"} if options.compress in ("DEFLATE", "ZSTD", "LZW") else {"quality": 90}
    with whole_file(target) as part:
        rasterio.shutil.copy(
            source, part, driver="COG", compress=options.compress, overviews="AUTO", overview_resampling=options.resampling,
            num_threads="ALL_CPUS", bigtiff="IF_SAFER", **lossless,
        )  # fmt: skip


def stripes(width: int, height: int, block_height: int) -> Iterator[Window]:
    """Yield windows of whole rows that cover a raster, as high as memory and the blocks of the file suggest."""
    step = max(1, STRIPE_CELLS // max(width, 1))
    step = max(block_height, step // block_height * block_height)
    for row in range(0, height, step):
        yield Window(0, row, width, min(step, height - row))
