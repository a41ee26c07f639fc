"""Streaming a survey layer as Arrow batches: vector files, GeoParquet, file geodatabases, tables joined to outlines.

Every reader yields record batches of the source's fields plus the column `GEOMETRY` (WKB, source CRS, x/y order, null where the record
has none). Nothing but the batch under way is in memory.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from cim.crs import parse_crs
from cim.errors import EncodingError, MissingCrsError, SourceSyntaxError, UnsupportedFormatError
from ingest.source import VECTOR_SUFFIXES, first_line, locate, only_layer, require_file, shapefile_encoding
from ingest.table import decode

GEOMETRY = "__wkb"
BATCH = 20_000
TABLE_SUFFIXES = (".csv", ".xlsx")
LAYER_SUFFIXES = (*VECTOR_SUFFIXES, ".parquet", ".gdb")


@dataclass(frozen=True)
class SurveyLayer:
    """A layer that can be streamed, as often as wanted.

    Parameters
    ----------
    path
        File or, for a file geodatabase, folder.
    layer
        Layer name.
    crs
        CRS as text for `cim.crs.parse_crs`.
    encoding
        Encoding the text is read in.
    fields
        Names of the attribute fields.
    geometry_type
        As the source declares it, ``Unknown`` where it does not.
    location
        What GDAL opens; empty for formats that GDAL does not read.
    attributes
        Attribute table that is joined to the outlines of ``location`` by ``join``.
    join
        Field of the table and field of the outlines.
    """

    path: Path
    layer: str
    crs: str
    encoding: str
    fields: list[str]
    geometry_type: str
    location: str = ""
    attributes: pa.Table | None = None
    join: tuple[str, str] = ("", "")
    shapefile: bool = False
    unused_outlines: list[int] = field(default_factory=list)

    def batches(self, size: int = BATCH) -> Iterator[pa.RecordBatch]:
        """Yield batches in the order of the source.

        Raises
        ------
        SourceSyntaxError
            The file is damaged further on.
        EncodingError
            A text cannot be decoded.
        """
        if self.attributes is not None:
            yield from self._joined(size)
        elif self.path.suffix.lower() == ".parquet":
            yield from _parquet_batches(self.path, size)
        else:
            yield from self._gdal_batches(size)

    def _gdal_batches(self, size: int) -> Iterator[pa.RecordBatch]:
        encoding = self.encoding if self.shapefile else None
        try:
            with pyogrio.raw.open_arrow(self.location, layer=self.layer, encoding=encoding, batch_size=size, use_pyarrow=True) as opened:
                meta, reader = opened
                name = meta["geometry_name"] or "wkb_geometry"
                for batch in reader:
                    if batch.num_rows:
                        yield _with_geometry(batch, name, set(self.fields))
        except (DataSourceError, DataLayerError, pa.ArrowException, OSError) as error:
            raise SourceSyntaxError(
                self.path,
                f"damaged or not what its suffix says: {first_line(error)}",
                where=self.layer,
                hint="export or copy the file again",
            ) from error
        except UnicodeDecodeError as error:
            raise EncodingError(
                self.path, f"text is not {self.encoding}: byte {error.start}", where=self.layer, hint="pass --encoding GB18030 or UTF-8"
            ) from error

    def _joined(self, size: int) -> Iterator[pa.RecordBatch]:
        table = self.attributes
        if table is None:
            return
        own, other = self.join
        outlines = open_layer(self.path, crs=self.crs, layer=self.layer)
        keys, shapes = [], []
        for batch in outlines.batches():
            keys.append(_key_text(batch.column(other)))
            shapes.append(batch.column(GEOMETRY))
        value_set, wkb = pa.chunked_array(keys).combine_chunks(), pa.chunked_array(shapes).combine_chunks()
        found = pc.index_in(_key_text(table.column(own).combine_chunks()), value_set=value_set)
        self.unused_outlines.append(len(value_set) - len(pc.unique(found.drop_null())))
        joined = table.append_column(GEOMETRY, wkb.take(found))
        yield from joined.to_batches(max_chunksize=size)


def open_layer(
    path: Path,
    *,
    crs: str | None = None,
    encoding: str | None = None,
    layer: str | None = None,
    geometry: Path | None = None,
    join: str | None = None,
) -> SurveyLayer:
    """Open a survey layer and check all that can be known before the records are read.

    Parameters
    ----------
    path
        Shapefile (.shp or .zip), GeoPackage, GeoJSON, FlatGeobuf, GeoParquet, file geodatabase (.gdb), or a table (.csv, .xlsx) when
        ``geometry`` is given.
    crs
        CRS where the file names none; refused when it names another one.
    encoding
        Overrides what the file says of its text.
    layer
        Layer of a file with several.
    geometry
        Layer with the outlines of a table.
    join
        ``FIELD`` or ``FIELD=FIELD``: field of the table and of the outlines that belong together.

    Raises
    ------
    SourceSyntaxError
        Missing, empty, incomplete or damaged file, several layers and none named.
    UnsupportedFormatError
        Unknown format.
    MissingCrsError
        No CRS in the file and none given, or another one.
    EncodingError
        Text that is not in the declared encoding, or in none of UTF-8 and GB18030.
    """
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return _open_joined(path, crs=crs, encoding=encoding, layer=layer, geometry=geometry, join=join)
    if geometry is not None:
        raise UnsupportedFormatError(
            geometry, f"{path.name} has outlines of its own", hint="drop --geometry, or give a .csv or .xlsx table"
        )
    if suffix not in LAYER_SUFFIXES:
        known = ", ".join((*LAYER_SUFFIXES, *TABLE_SUFFIXES))
        raise UnsupportedFormatError(
            path, f"found {path.suffix or 'no suffix'}, expected one of {known}", hint="export the layer in one of these"
        )
    if suffix == ".gdb":
        if not path.is_dir():
            raise SourceSyntaxError(path, "no such file geodatabase, expected a folder", hint="check the path")
    else:
        require_file(path)
    if suffix == ".parquet":
        return _open_parquet(path, crs)
    location, is_shapefile = locate(path)
    used = shapefile_encoding(path, location, encoding) if is_shapefile else "utf-8"
    try:
        name = layer or only_layer(path, location)
        info = pyogrio.read_info(location, layer=name, encoding=used if is_shapefile else None, force_feature_count=True)
    except (DataSourceError, DataLayerError) as error:
        raise SourceSyntaxError(
            path, f"damaged or not what its suffix says: {first_line(error)}", hint="export or copy the file again"
        ) from error
    except UnicodeDecodeError as error:
        raise EncodingError(path, f"text is not {used}: byte {error.start}", hint="pass --encoding GB18030 or UTF-8") from error
    except LookupError as error:
        raise EncodingError(path, f"unknown encoding {used!r}", hint="pass --encoding GB18030 or UTF-8") from error
    if info["geometry_type"] is None:
        raise SourceSyntaxError(path, "the layer has no geometry column", where=name)
    if info["features"] == 0:
        raise SourceSyntaxError(path, "found no records, expected at least one", where=name, hint="export the layer again")
    settled = _settle_crs(path, name, info["crs"], crs)
    fields = [str(field) for field in info["fields"]]
    return SurveyLayer(path, name, settled, used, fields, str(info["geometry_type"]), location, shapefile=is_shapefile)


def _settle_crs(path: Path, layer: str, found: str | None, given: str | None) -> str:
    if found is None and given is None:
        raise MissingCrsError(path, "found no coordinate reference system, expected one", where=layer, hint="pass --crs EPSG:<number>")
    if found is not None and given is not None and not parse_crs(found).equals(parse_crs(given), ignore_axis_order=True):
        raise MissingCrsError(path, f"the file says {found}, --crs says {given}", where=layer, hint="drop --crs or correct the file")
    settled = str(found or given)
    parse_crs(settled)
    return settled


def _with_geometry(batch: pa.RecordBatch, name: str, fields: set[str]) -> pa.RecordBatch:
    arrays = [column for field_, column in zip(batch.schema.names, batch.columns, strict=True) if field_ in fields]
    names = [field_ for field_ in batch.schema.names if field_ in fields]
    wkb = batch.column(name)
    if isinstance(wkb, pa.ExtensionArray):
        wkb = wkb.storage
    return pa.record_batch([*arrays, wkb.cast(pa.binary())], names=[*names, GEOMETRY])


def _key_text(array: pa.Array) -> pa.Array:
    text = array if pa.types.is_string(array.type) or pa.types.is_large_string(array.type) else array.cast(pa.string())
    return pc.utf8_trim_whitespace(text.cast(pa.string()))


def _geo_metadata(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise SourceSyntaxError(path, f"damaged or no Parquet file: {first_line(error)}", hint="export or copy the file again") from error
    raw = (schema.metadata or {}).get(b"geo")
    if raw is None:
        raise SourceSyntaxError(path, "found no `geo` metadata, expected a GeoParquet file", hint="write it with GeoPandas or GDAL")
    geo = json.loads(raw)
    column = geo["primary_column"]
    return column, geo["columns"][column]


def _open_parquet(path: Path, crs: str | None) -> SurveyLayer:
    column, about = _geo_metadata(path)
    if about.get("encoding", "WKB") != "WKB":
        raise UnsupportedFormatError(path, f"geometry encoding {about['encoding']}, expected WKB", hint="write the file with encoding WKB")
    # GeoParquet 1.1, "crs": a missing key means OGC:CRS84, null means unknown.
    declared = about.get("crs", "OGC:CRS84")
    if isinstance(declared, dict):
        declared = json.dumps(declared)
        authority = parse_crs(declared).to_authority(min_confidence=70)
        declared = ":".join(authority) if authority else declared
    file = pq.ParquetFile(path)
    if file.metadata.num_rows == 0:
        raise SourceSyntaxError(path, "found no records, expected at least one", where=path.stem, hint="export the layer again")
    fields = [name for name in file.schema_arrow.names if name != column and not pa.types.is_nested(file.schema_arrow.field(name).type)]
    kinds = about.get("geometry_types") or ["Unknown"]
    return SurveyLayer(path, path.stem, _settle_crs(path, path.stem, declared, crs), "utf-8", fields, "/".join(kinds))


def _parquet_batches(path: Path, size: int) -> Iterator[pa.RecordBatch]:
    column, _ = _geo_metadata(path)
    file = pq.ParquetFile(path)
    try:
        for batch in file.iter_batches(batch_size=size):
            names = [n for n in batch.schema.names if n != column and not pa.types.is_nested(batch.schema.field(n).type)]
            yield _with_geometry(batch, column, set(names))
    except (pa.ArrowException, OSError) as error:
        raise SourceSyntaxError(path, f"damaged: {first_line(error)}", hint="export or copy the file again") from error


def _open_joined(
    path: Path, *, crs: str | None, encoding: str | None, layer: str | None, geometry: Path | None, join: str | None
) -> SurveyLayer:
    if geometry is None or not join:
        raise SourceSyntaxError(
            path, "a table has no outlines", hint="pass --geometry LAYER and --join FIELD (or FIELD=FIELD of table and layer)"
        )
    own, _, other = join.partition("=")
    other = other or own
    outlines = open_layer(geometry, crs=crs, layer=layer)
    table, used = read_table(path, encoding=encoding)
    for name, names, where in ((own, table.column_names, path), (other, outlines.fields, geometry)):
        if name not in names:
            raise SourceSyntaxError(where, f"found fields {', '.join(names)}, missing {name}", where="join", hint="correct --join")
    return SurveyLayer(
        geometry, outlines.layer, outlines.crs, used, table.column_names, outlines.geometry_type, outlines.location, table, (own, other)
    )


def read_table(path: Path, *, encoding: str | None = None) -> tuple[pa.Table, str]:
    """Read an attribute table, all fields as text.

    Parameters
    ----------
    path
        .csv (UTF-8 or GB18030, found from the bytes) or .xlsx (first sheet).
    encoding
        Overrides the detection of a .csv.

    Raises
    ------
    SourceSyntaxError
        Missing, empty, damaged, or rows of different lengths.
    EncodingError
        Neither UTF-8 nor GB18030.
    """
    require_file(path)
    if path.suffix.lower() == ".csv":
        from pyarrow import csv

        text, used = decode(path, path.read_bytes(), encoding)
        names = text.partition("\n")[0].strip().split(",")
        try:
            table = csv.read_csv(
                pa.BufferReader(text.encode()),
                convert_options=csv.ConvertOptions(column_types={name.strip('"'): pa.string() for name in names}, strings_can_be_null=True),
            )
        except pa.ArrowInvalid as error:
            raise SourceSyntaxError(path, first_line(error), hint="export the table again") from error
    else:
        try:
            meta, batch = pyogrio.raw.read_arrow(path, read_geometry=False, HEADERS="FORCE", FIELD_TYPES="STRING")
        except (DataSourceError, DataLayerError) as error:
            raise SourceSyntaxError(path, f"damaged or no workbook: {first_line(error)}", hint="save the workbook again") from error
        table, used = batch.select([str(name) for name in meta["fields"]]), "utf-8"
    if table.num_rows == 0:
        raise SourceSyntaxError(path, "found no records, expected at least one", where="line 2", hint="export the table again")
    return pa.table({name: table.column(name).cast(pa.string()) for name in table.column_names}), used
