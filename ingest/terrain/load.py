"""``cim ingest terrain``: raster → Cloud-Optimised GeoTIFF, dataset row, ground elevations of the buildings."""

import math
from pathlib import Path
from typing import Any
from uuid import UUID

import rasterio
import rasterio.shutil
import shapely
from rasterio.errors import RasterioError, RasterioIOError

from cim.crs import STORE_SRID, parse_crs, transform_box
from cim.db import profiles
from cim.db import terrain as rows
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.errors import GeometryError, MissingCrsError, SourceSyntaxError
from cim.settings import Settings
from ingest import pipeline
from ingest.rejects import RejectLog
from ingest.source import require_file, sha256_of
from ingest.terrain.sample import ground_from


def _check(path: Path) -> dict[str, Any]:
    try:
        with rasterio.open(path) as source:
            if source.crs is None:
                raise MissingCrsError(
                    path, "found no coordinate reference system, expected one", hint="gdal_edit.py -a_srs EPSG:<number> FILE"
                )
            crs = parse_crs(source.crs.to_wkt())
            t = source.transform
            if t.b or t.d or t.a <= 0 or t.e >= 0 or not math.isclose(t.a, -t.e, rel_tol=1e-6):
                raise GeometryError(
                    path,
                    f"found a rotated or non-square grid {tuple(t)[:6]}, expected north up and square cells",
                    hint="gdalwarp the file first",
                )
            if not crs.is_projected:
                raise GeometryError(
                    path, f"found {source.crs}, expected a projected CRS in metres", hint="gdalwarp -t_srs EPSG:<projected> FILE OUT"
                )
            if source.count != 1:
                raise GeometryError(path, f"found {source.count} bands, expected one band of elevations [m]")
            heights = source.read(1, masked=True)
            if heights.count() == 0:
                raise GeometryError(path, "every cell is nodata", hint="check the nodata value of the file")
            low, high = float(heights.min()), float(heights.max())
            if not (math.isfinite(low) and -500 <= low <= high <= 9000):
                raise GeometryError(path, f"elevations {low} to {high}, expected -500 to 9000 m", hint="check unit and nodata value")
            bounds = tuple(source.bounds)
            size = {"width_px": source.width, "height_px": source.height, "data_type": source.dtypes[0], "nodata": source.nodata}
            name = source.crs.to_string()
    except (RasterioIOError, RasterioError) as error:
        raise SourceSyntaxError(path, f"not a raster or damaged: {str(error).splitlines()[0]}", hint="give a GeoTIFF") from error
    west, south, east, north = transform_box(name, "EPSG:4490", bounds)
    footprint = shapely.to_wkb(shapely.set_srid(shapely.box(west, south, east, north), STORE_SRID), hex=True, include_srid=True)
    return {"crs": name, "resolution_m": t.a, "min_m": low, "max_m": high, "footprint": footprint, **size}


def _store(path: Path, sha256: str, settings: Settings) -> str:
    """Write the Cloud-Optimised GeoTIFF under its hash: complete or not at all."""
    settings.rasters_dir.mkdir(parents=True, exist_ok=True)
    target = settings.rasters_dir / f"{sha256}.tif"
    if not target.exists():
        part = target.with_suffix(".part.tif")
        rasterio.shutil.copy(path, part, driver="COG", compress="DEFLATE", overviews="AUTO")
        part.replace(target)
    return target.name


def ingest_terrain(
    settings: Settings, path: Path, *, vertical_datum: str, name: str | None, synthetic: bool, dry_run: bool
) -> pipeline.Outcome:
    """Store an elevation raster and write the ground elevation of every building under it.

    Parameters
    ----------
    settings
        Names store and raster folder.
    path
        GeoTIFF or any raster GDAL reads; projected CRS, one band, metres.
    vertical_datum
        Vertical CRS of the elevations, e.g. EPSG:5737; never assumed.
    name
        Dataset name, default: stem of the file.
    synthetic
        The raster is generated.
    dry_run
        Check only.

    Raises
    ------
    SourceError
        The raster cannot be used; nothing is written.
    """
    require_file(path)
    if not parse_crs(vertical_datum).is_vertical:
        raise GeometryError(path, f"--vertical-datum {vertical_datum} is no vertical CRS", hint="for example EPSG:5737 (1985 height)")
    facts = _check(path)
    sha256 = sha256_of(path)
    source = sha256_of(path, given=(vertical_datum,))
    info = DatasetInfo("terrain", name or path.stem, path.name, source, crs=facts["crs"], is_synthetic=synthetic)
    earlier = pipeline.already_loaded(settings, info)
    if earlier is not None:
        return earlier

    def load(connection: Connection, dataset_id: UUID, change_set: UUID, _: RejectLog) -> tuple[Counts, dict[str, Any]]:
        city = profiles.fetch_profile(connection)
        if not parse_crs(vertical_datum).equals(parse_crs(city.vertical_datum)):
            raise GeometryError(
                path,
                f"--vertical-datum {vertical_datum}, but the city keeps its elevations in {city.vertical_datum}",
                hint=f"convert the raster to {city.vertical_datum}",
            )
        file = path.name if dry_run else _store(path, sha256, settings)
        rows.save_terrain(connection, dataset_id, {**facts, "name": info.name, "file": file, "vertical_datum": vertical_datum})
        codes, footprints = rows.fetch_footprints(connection)
        changed = 0
        if codes:
            values = ground_from([path], list(shapely.from_wkb(footprints)))
            changed = rows.update_ground(connection, codes, values, change_set)
        return Counts(1, 1, 0, 0), {"buildings_with_new_ground": changed, "min_m": facts["min_m"], "max_m": facts["max_m"]}

    return pipeline.run(settings, info, load, reason=f"terrain from {info.source}", dry_run=dry_run)
