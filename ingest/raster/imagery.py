"""``cim ingest imagery``: orthophotos → Cloud-Optimised GeoTIFF and dataset row."""

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from cim.db import rasters as rows
from cim.db.datasets import Counts
from cim.db.engine import Connection
from cim.errors import GeometryError, SourceSyntaxError
from cim.raster.cog import CogOptions, stripes, write_cog
from cim.settings import Settings
from ingest import pipeline
from ingest.raster import mosaic
from ingest.raster.named import named
from ingest.raster.source import Sheet, footprint_of, read_sheet
from ingest.rejects import RejectLog

_TYPES = ("uint8", "uint16", "int16")
_MOST_BANDS = 16


@dataclass(frozen=True)
class ImageryOptions:
    """What the command line says about imagery.

    Parameters
    ----------
    crs
        Where the files name none.
    compress
        deflate (lossless), jpeg or webp.
    acquired_on
        Day of the flight.
    name, synthetic, licence, provider
        Of the dataset.
    """

    crs: str | None = None
    compress: str = "deflate"
    acquired_on: date | None = None
    name: str | None = None
    synthetic: bool = False
    licence: str | None = None
    provider: str | None = None


def ingest_imagery(settings: Settings, files: Sequence[Path], options: ImageryOptions, *, dry_run: bool) -> pipeline.Outcome:
    """Store orthophotos or satellite images as one raster.

    Parameters
    ----------
    settings
        Names store and raster folder.
    files
        Sheets of one image; where they overlap the first one counts.
    options
        See `ImageryOptions`.
    dry_run
        Check only.

    Raises
    ------
    SourceError
        The rasters cannot be used; nothing is written.
    """
    sheets = [read_sheet(path, crs=options.crs) for path in files]
    first = sheets[0]
    for sheet in sheets:
        if sheet.data_type not in _TYPES or sheet.n_bands > _MOST_BANDS:
            raise GeometryError(
                sheet.path, f"found {sheet.n_bands} bands of {sheet.data_type}, expected 1 to {_MOST_BANDS} of {', '.join(_TYPES)}",
                hint="a raster of elevations is loaded by cim ingest terrain",
            )  # fmt: skip
        if (sheet.n_bands, sheet.data_type) != (first.n_bands, first.data_type):
            raise GeometryError(
                sheet.path, f"found {sheet.n_bands} bands of {sheet.data_type}, the first file has {first.n_bands} of {first.data_type}",
                hint="load them as images of their own",
            )  # fmt: skip
    if options.compress != "deflate" and (first.data_type != "uint8" or first.n_bands not in (1, 3, 4)):
        raise GeometryError(first.path, f"--compress {options.compress} needs 8-bit bands", hint="leave --compress out")
    grid = mosaic.common_grid(sheets)
    given = (options.compress,)
    info, target = named(settings, "imagery", files, grid.crs, given, options)
    earlier = pipeline.already_loaded(settings, info)
    if earlier is not None:
        if not target.exists() and not dry_run:
            _store(sheets, grid, target, options, dry_run=False)
        return earlier

    def load(connection: Connection, dataset_id: UUID, _: UUID, log: RejectLog) -> tuple[Counts, dict[str, Any]]:
        _store(sheets, grid, target, options, dry_run=dry_run)
        if grid.is_resampled:
            log.note("T02 resampled to one grid")
        facts = {
            "kind": "imagery", "name": info.name, "file": target.name, "crs": grid.crs, "resolution_m": first.cell_m,
            "width_px": grid.width, "height_px": grid.height, "n_bands": first.n_bands, "data_type": first.data_type,
            "nodata": first.nodata, "n_sources": len(sheets), "acquired_on": options.acquired_on,
            "footprint": footprint_of(grid.crs, grid.bounds),
        }  # fmt: skip
        rows.save_raster(connection, dataset_id, facts)
        return Counts(len(sheets), len(sheets), 0, 0), {"bands": first.n_bands, "data_type": first.data_type}

    return pipeline.run(settings, info, load, reason=f"imagery from {info.source}", dry_run=dry_run)


def _store(sheets: Sequence[Sheet], grid: mosaic.Grid, target: Path, options: ImageryOptions, *, dry_run: bool) -> None:
    packing = CogOptions("CUBIC", options.compress.upper())
    with pipeline.stages() as stages, tempfile.TemporaryDirectory(prefix="cim-raster-") as scratch:
        step = stages.stage("cells", "栅格", grid.height)
        source: Path | str = sheets[0].location
        if len(sheets) > 1 or grid.is_resampled or options.crs is not None:
            source = Path(scratch) / "mosaic.tif"
            _write(sheets, grid, source, step)
        else:
            _read_all(sheets[0], step)
        if not dry_run and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            stages.stage("pyramid", "金字塔")
            write_cog(source, target, packing)


def _read_all(sheet: Sheet, step: pipeline.Step) -> None:
    """Read every cell once: a file that is cut off is found before anything is written."""
    with rasterio.open(sheet.location, num_threads="ALL_CPUS") as source:
        for window in stripes(source.width * source.count, source.height, source.block_shapes[0][0]):
            _bands(sheet, source, Window(0, window.row_off, source.width, window.height))
            step(int(window.height))


def _bands(sheet: Sheet, source: Any, window: Window) -> Any:  # noqa: ANN401 - rasterio's class is untyped
    try:
        return source.read(window=window), source.dataset_mask(window=window)
    except RasterioError as error:
        raise SourceSyntaxError(
            sheet.path, f"cut off or damaged: {(str(error).splitlines() or ['unreadable'])[0]}", where=f"row {int(window.row_off) + 1}",
            hint="copy the file again",
        ) from error  # fmt: skip


def _write(sheets: Sequence[Sheet], grid: mosaic.Grid, target: Path, step: pipeline.Step) -> None:
    first = sheets[0]
    with rasterio.open(first.location) as source:
        colours = source.colorinterp
    profile = {
        "driver": "GTiff", "width": grid.width, "height": grid.height, "count": first.n_bands, "dtype": first.data_type, "crs": grid.crs,
        "transform": grid.transform, "nodata": first.nodata, "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "ZSTD",
        "zstd_level": 1, "bigtiff": "IF_SAFER", "num_threads": "ALL_CPUS",
    }  # fmt: skip
    with contextlib.ExitStack() as stack, rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(target, "w", **profile) as out:
        out.colorinterp = colours
        sources = [(s, *stack.enter_context(mosaic.opened(s, grid, nodata=None, resampling=Resampling.cubic))) for s in sheets]
        for window in stripes(grid.width * first.n_bands, grid.height, 512):
            n_rows = int(window.height)
            bands = np.full((first.n_bands, n_rows, grid.width), first.nodata or 0, first.data_type)
            seen = np.zeros((n_rows, grid.width), bool)
            for sheet, source, column, row in sources:
                top, end = max(int(window.row_off), row), min(int(window.row_off) + n_rows, row + source.height)
                if top >= end:
                    continue
                found, mask = _bands(sheet, source, Window(0, top - row, source.width, end - top))
                rows_, columns = slice(top - int(window.row_off), end - int(window.row_off)), slice(column, column + source.width)
                new = (mask > 0) & ~seen[rows_, columns]
                bands[:, rows_, columns][:, new] = found[: first.n_bands][:, new]
                seen[rows_, columns] |= new
            whole = Window(0, int(window.row_off), grid.width, n_rows)
            out.write(bands, window=whole)
            if first.nodata is None:
                out.write_mask((seen * 255).astype("uint8"), window=whole)
            step(n_rows)
