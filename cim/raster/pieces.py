"""Pieces of a raster: which cells meet a box, reading them as they are, coarser, or in another CRS; as GeoTIFF."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import calculate_default_transform
from rasterio.windows import Window

from cim.raster.opened import opened
from cim.raster.surface import RasterError

Box = tuple[float, float, float, float]
_MASKED: Any = np.ma
"""numpy.ma ships no types."""


@dataclass(frozen=True)
class Frame:
    """Cells in a CRS, north up.

    Parameters
    ----------
    crs
        EPSG:n or WKT.
    west, north
        Outer corner of the first cell, easting or longitude first.
    step_x, step_y
        Cell size in units of the CRS, both positive.
    width, height
        Columns and rows.
    """

    crs: str
    west: float
    north: float
    step_x: float
    step_y: float
    width: int
    height: int

    @property
    def box(self) -> Box:
        """West, south, east, north in the CRS."""
        return self.west, self.north - self.height * self.step_y, self.west + self.width * self.step_x, self.north

    @property
    def transform(self) -> rasterio.Affine:
        """Affine of the cells."""
        return rasterio.Affine(self.step_x, 0.0, self.west, 0.0, -self.step_y, self.north)

    @property
    def x(self) -> NDArray[np.float64]:
        """Centres of the columns, shape (width,)."""
        return np.asarray(self.west + (np.arange(self.width) + 0.5) * self.step_x, np.float64)

    @property
    def y(self) -> NDArray[np.float64]:
        """Centres of the rows from north, shape (height,)."""
        return np.asarray(self.north - (np.arange(self.height) + 0.5) * self.step_y, np.float64)

    def window(self, box: Box | None) -> tuple[int, int, int, int]:
        """Return first column, first row, columns and rows of the cells that a box (in the CRS) meets; 0 columns where it meets none."""
        if box is None:
            return 0, 0, self.width, self.height
        west, south, east, north = box
        # A border that lies on one of the cells, but for rounding, takes no further cell.
        first = max(math.floor((west - self.west) / self.step_x + 1e-6), 0)
        end = min(math.ceil((east - self.west) / self.step_x - 1e-6), self.width)
        top = max(math.floor((self.north - north) / self.step_y + 1e-6), 0)
        bottom = min(math.ceil((self.north - south) / self.step_y - 1e-6), self.height)
        if end == first and west <= east:  # a box without width lies in one column
            end = min(first + 1, self.width)
        if bottom == top and south <= north:
            bottom = min(top + 1, self.height)
        if end <= first or bottom <= top:
            return 0, 0, 0, 0
        return first, top, end - first, bottom - top

    def cut(self, window: tuple[int, int, int, int]) -> "Frame":
        """Return the frame of a window."""
        column, row, width, height = window
        return replace(
            self, west=self.west + column * self.step_x, north=self.north - row * self.step_y, width=width, height=height
        )  # fmt: skip

    def scaled(self, width: int, height: int) -> "Frame":
        """Return the same box with another number of cells."""
        return replace(
            self, step_x=self.step_x * self.width / width, step_y=self.step_y * self.height / height, width=width, height=height
        )  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """Cells that were read.

    Parameters
    ----------
    frame
        Where they are.
    values
        Shape (bands, rows, columns); True in the mask where there is no data.
    nodata
        Value of cells without data in the file, None where it has a mask or none.
    """

    frame: Frame
    values: "np.ma.MaskedArray[Any, Any]"
    nodata: float | None

    def only(self, inside: NDArray[np.bool_]) -> "Piece":
        """Return the piece without data outside of some cells, shape (rows, columns)."""
        values = _MASKED.array(self.values.data, mask=_MASKED.getmaskarray(self.values) | ~inside, copy=False)
        return replace(self, values=values)


def frame_of(path: Path, crs: str | None = None) -> Frame:
    """Return the cells of a stored raster, or those it has in another CRS.

    Raises
    ------
    RasterError
        The file is missing or damaged.
    """
    source = opened(path)
    if crs is None:
        t = source.transform
        return Frame(source.crs.to_string(), t.c, t.f, t.a, -t.e, source.width, source.height)
    t, width, height = calculate_default_transform(source.crs, crs, source.width, source.height, *source.bounds)
    return Frame(crs, t.c, t.f, t.a, -t.e, int(width), int(height))


def read_piece(path: Path, frame: Frame, window: tuple[int, int, int, int], bands: Sequence[int], size: tuple[int, int] | None) -> Piece:
    """Read cells: nothing outside of the window is touched, coarser ones come from the overviews.

    Parameters
    ----------
    frame
        Made by `frame_of`.
    window
        First column, first row, columns, rows in it.
    bands
        Numbers from 1.
    size
        Columns and rows of the answer; None = as many as the window has.

    Raises
    ------
    RasterError
        The file is damaged.
    """
    source = opened(path)
    column, row, width, height = window
    cut = frame.cut(window)
    shape = (len(bands), height, width)
    if size is not None and size != (width, height):
        cut, shape = cut.scaled(*size), (len(bands), size[1], size[0])
    try:
        if frame.crs == source.crs.to_string():
            part = Window(column, row, width, height)
            values = source.read(list(bands), window=part, out_shape=shape, masked=True, resampling=Resampling.average)
        else:
            has_mask = source.nodata is not None or ColorInterp.alpha in source.colorinterp
            with WarpedVRT(source, crs=frame.crs, transform=cut.transform, width=cut.width, height=cut.height,
                           resampling=Resampling.bilinear, add_alpha=not has_mask) as warped:  # fmt: skip
                values = warped.read(list(bands), masked=True)
    except (RasterioError, OSError) as error:
        raise RasterError(
            f"{path}: a raster of the store cannot be read: {(str(error).splitlines() or ['unreadable'])[0]}",
            hint="restore the raster folder from a backup, or load the source again",
        ) from error
    return Piece(cut, _MASKED.masked_invalid(values, copy=False) if values.dtype.kind == "f" else values, source.nodata)


def geotiff(piece: Piece, names: Sequence[str], unit: str | None) -> bytes:
    """Return cells as GeoTIFF with their nodata value, or a mask where the raster has no such value.

    Parameters
    ----------
    names
        Of the bands.
    unit
        Of the values.
    """
    frame, values = piece.frame, piece.values
    masked = _MASKED.getmaskarray(values)
    profile = {
        "driver": "GTiff", "width": frame.width, "height": frame.height, "count": len(values), "dtype": values.dtype.name,
        "crs": frame.crs, "transform": frame.transform, "nodata": piece.nodata, "compress": "DEFLATE",
    }  # fmt: skip
    if min(frame.width, frame.height) > 512:
        profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.write(values.filled(piece.nodata if piece.nodata is not None else 0))
            if piece.nodata is None and masked.any():
                target.write_mask(np.uint8(255) * ~masked.any(axis=0))
            target.descriptions = tuple(names)
            if unit is not None:
                target.units = tuple(unit for _ in names)
        return bytes(memory.read())
