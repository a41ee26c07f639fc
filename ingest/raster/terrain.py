"""``cim ingest terrain``: rasters → Cloud-Optimised GeoTIFF, dataset row, ground elevations of the buildings."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from cim.crs import parse_crs
from cim.db import profiles
from cim.db import rasters as rows
from cim.db.datasets import Counts
from cim.db.engine import Connection
from cim.db.rasters import stored_rasters
from cim.errors import GeometryError, SourceError
from cim.raster.cog import write_cog
from cim.settings import Settings
from ingest import pipeline
from ingest.raster import mosaic
from ingest.raster.ground import Changed, update_ground
from ingest.raster.named import named
from ingest.raster.source import UNITS, Sheet, footprint_of, one_of, read_sheet
from ingest.rejects import RejectLog

_MOSTLY_EMPTY = 0.1


@dataclass(frozen=True)
class TerrainOptions:
    """What the command line says about elevation rasters.

    Parameters
    ----------
    vertical_datum
        Vertical CRS of the elevations, where the files name none.
    unit
        m, ft or us-ft, where the files name none.
    crs
        Horizontal CRS, where the files name none.
    nodata
        Value without data, where the files name none or a wrong one.
    shift_m
        Added to the elevations: brings another vertical datum to the city's [m].
    name, synthetic, licence, provider
        Of the dataset.
    """

    vertical_datum: str | None = None
    unit: str | None = None
    crs: str | None = None
    nodata: float | None = None
    shift_m: float = 0.0
    name: str | None = None
    synthetic: bool = False
    licence: str | None = None
    provider: str | None = None


def ingest_terrain(settings: Settings, files: Sequence[Path], options: TerrainOptions, *, dry_run: bool) -> pipeline.Outcome:
    """Store elevation rasters as one and write the ground of every building under them.

    Parameters
    ----------
    settings
        Names store and raster folder.
    files
        Sheets of one terrain; where they overlap the first one counts.
    options
        See `TerrainOptions`; unit and vertical datum are never assumed.
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
        if sheet.n_bands != 1:
            raise GeometryError(sheet.path, f"found {sheet.n_bands} bands, expected one band of elevations", hint="cim ingest imagery FILE")
    unit = one_of(first.path, "--unit", options.unit, [s.unit for s in sheets], what="unit of the elevations", example="m")
    if unit not in UNITS:
        raise SourceError(first.path, f"found unit {unit!r} of the elevations, expected m, ft or us-ft", hint="pass --unit m, ft or us-ft")
    datum = one_of(
        first.path, "--vertical-datum", options.vertical_datum, [s.vertical for s in sheets], what="vertical datum", example="EPSG:5737"
    )
    if not parse_crs(datum).is_vertical:
        raise GeometryError(first.path, f"--vertical-datum {datum} is no vertical CRS", hint="for example EPSG:5737 (1985 height)")
    grid = mosaic.common_grid(sheets)
    given = (datum, unit, str(options.nodata), str(options.shift_m))
    info, target = named(settings, "terrain", files, grid.crs, given, options)
    earlier = pipeline.already_loaded(settings, info)
    if earlier is not None:
        if not target.exists() and not dry_run:
            _store(sheets, grid, target, unit, options)
        return earlier

    def load(connection: Connection, dataset_id: UUID, change_set: UUID, log: RejectLog) -> tuple[Counts, dict[str, Any]]:
        city = profiles.fetch_profile(connection)
        if not options.shift_m and not parse_crs(datum).equals(parse_crs(city.vertical_datum)):
            raise GeometryError(
                first.path, f"--vertical-datum {datum}, but the city keeps its elevations in {city.vertical_datum}",
                hint=f"pass --shift METRES (added to reach {city.vertical_datum}), or convert the raster",
            )  # fmt: skip
        others = list(stored_rasters(connection, settings, but=info.name))
        before = [settings.rasters_dir / file for _, file in rows.fetch_files(connection, "terrain")]
        cells = _store(sheets, grid, target, unit, options, dry_run=dry_run)
        share = cells.n_valid / cells.n_all
        if share < _MOSTLY_EMPTY:
            log.note("T01 most cells have no data")
        if grid.is_resampled:
            log.note("T02 resampled to one grid")
        facts: dict[str, Any] = {
            "kind": "terrain", "name": info.name, "file": target.name, "crs": grid.crs, "vertical_datum": city.vertical_datum,
            "source_unit": unit, "resolution_m": first.cell_m, "width_px": grid.width, "height_px": grid.height, "n_bands": 1,
            "data_type": "float32" if _needs_writing(sheets, grid, unit, options) else first.data_type,
            "nodata": mosaic.NODATA if _needs_writing(sheets, grid, unit, options) else first.nodata, "valid_share": share,
            "min_m": cells.low, "max_m": cells.high, "n_sources": len(sheets), "footprint": footprint_of(grid.crs, grid.bounds),
        }  # fmt: skip
        rows.save_raster(connection, dataset_id, facts)
        changed = Changed() if dry_run else update_ground(connection, before, [target, *others], facts["footprint"], change_set)
        report = {
            "buildings_with_new_ground": changed.buildings, "network_points_with_new_ground": changed.network_points,
            "models_with_new_ground": changed.models, "min_m": cells.low, "max_m": cells.high, "valid_share": share,
        }  # fmt: skip
        return Counts(len(sheets), len(sheets), 0, 0), report

    return pipeline.run(settings, info, load, reason=f"terrain from {info.source}", dry_run=dry_run)


def _needs_writing(sheets: Sequence[Sheet], grid: mosaic.Grid, unit: str, options: TerrainOptions) -> bool:
    one = sheets[0]
    plain = len(sheets) == 1 and not grid.is_resampled and unit == "m" and not options.shift_m and options.nodata is None
    # A raster whose missing cells are a mask or NaN, or that names no CRS, is written anew: readers get one way.
    return not (plain and one.nodata is not None and np.isfinite(one.nodata) and options.crs is None)


def _store(
    sheets: Sequence[Sheet], grid: mosaic.Grid, target: Path, unit: str, options: TerrainOptions, *, dry_run: bool = False
) -> mosaic.Cells:  # fmt: skip
    """Write the Cloud-Optimised GeoTIFF under its hash, complete or not at all; return what its cells hold."""
    path, factor = sheets[0].path, UNITS[unit]
    with pipeline.stages() as stages, tempfile.TemporaryDirectory(prefix="cim-raster-") as scratch:
        step = stages.stage("cells", "栅格", grid.height)
        if not _needs_writing(sheets, grid, unit, options):
            cells = mosaic.measure(sheets[0], nodata=None, factor=1.0, step=step)
            source: Path | str = sheets[0].location
        else:
            source = Path(scratch) / "mosaic.tif"
            cells = mosaic.write_heights(sheets, grid, source, nodata=options.nodata, factor=factor, shift_m=options.shift_m, step=step)
        mosaic.check_range(path, cells, unit)
        if not dry_run and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            stages.stage("pyramid", "金字塔")
            write_cog(source, target)
    return cells
