"""GeoPackage and FlatGeobuf by GDAL."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyogrio

from cim.exchange import geopackage
from cim.exchange.arrow import GEOMETRY, BatchStream, schema_of
from cim.exchange.model import ExchangeError, Job, Rows

_SHAPES = {"MULTIPOLYGON": "MultiPolygon", "POINT": "Point", "LINESTRING": "LineString"}


def write_geopackage(path: Path, job: Job, batches: Iterable[Rows]) -> None:
    """Write a GeoPackage 1.4 with one layer, its R-tree, names for people and enumerations (schema extension).

    Raises
    ------
    ExchangeError
        GDAL refused.
    """
    _write(path, "GPKG", job, batches, {"FID": "fid", "IDENTIFIER": job.title, "DESCRIPTION": job.description})
    if job.language is not None:
        geopackage.describe(path, job.collection, job.language)


def write_flatgeobuf(path: Path, job: Job, batches: Iterable[Rows], *, with_description: bool = True) -> None:
    """Write a FlatGeobuf with its packed R-tree and names for people as column titles.

    The index takes no feature without geometry: where there is one, the file has no index.

    Raises
    ------
    ExchangeError
        GDAL refused.
    """
    options = {"SPATIAL_INDEX": "YES" if job.all_placed else "NO", "TITLE": job.title}
    if with_description:
        options["DESCRIPTION"] = job.description
    _write(path, "FlatGeobuf", job, batches, options | {"TEMPORARY_DIR": str(path.parent)})


def _write(path: Path, driver: str, job: Job, batches: Iterable[Rows], options: dict[str, str]) -> None:
    schema = schema_of(job)
    if driver == "GPKG":
        # From field metadata GDAL would make the tables of the schema extension itself, without titles and enumerations.
        schema = pa.schema([field.with_metadata(None) for field in schema])
    geometry = schema.field(GEOMETRY).with_metadata({"ARROW:extension:name": "geoarrow.wkb"})
    stream = BatchStream(schema.set(schema.get_field_index(GEOMETRY), geometry), batches)
    shape = _SHAPES[job.collection.geometry] + (" Z" if job.collection.has_z else "")
    try:
        with stream.guard():
            pyogrio.write_arrow(
                stream.reader, path, layer=job.collection.id, driver=driver, geometry_name=GEOMETRY, geometry_type=shape,
                crs=f"EPSG:{job.srid}", layer_options=options,
            )  # fmt: skip
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise ExchangeError(f"{path.name}: GDAL cannot write it: {error}", hint="see the free space of the disk") from error
