"""Writes files so that the same content gives the same bytes: fixed dates, fixed order, fixed line ends."""

import csv
import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely

from sample_city.area import STORE_CRS, SURVEY_DATE


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with line feeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Write a UTF-8 table without byte order mark; a column that a row does not have stays empty."""
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, columns, restval="", lineterminator="\n", extrasaction="raise")
    table.writeheader()
    table.writerows(rows)
    write_text(path, buffer.getvalue())


def _columns(rows: Sequence[Mapping[str, Any]], fields: Mapping[str, type]) -> tuple[list[Any], list[Any]]:
    """Return value arrays and null masks; text takes None, numbers need the mask."""
    values: list[Any] = []
    masks: list[Any] = []
    for name, kind in fields.items():
        column = [row.get(name) for row in rows]
        null = np.array([value is None for value in column])
        if kind is str:
            values.append(np.array(column, dtype=object))
        else:
            values.append(np.array([0 if value is None else value for value in column], dtype=kind))
        masks.append(null)
    return values, masks


def write_layer(path: Path, layer: str, rows: Sequence[Mapping[str, Any]], fields: Mapping[str, type], *, geometry_type: str) -> None:
    """Append one layer in EPSG:4490 (lon/lat) to a GeoPackage; the geometry stands under ``geometry`` in each row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values, masks = _columns(rows, fields)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{SURVEY_DATE}T00:00:00.000Z"})
    pyogrio.raw.write(
        path,
        shapely.to_wkb([row["geometry"] for row in rows]),
        values,
        list(fields),
        field_mask=masks,
        layer=layer,
        driver="GPKG",
        geometry_type=geometry_type,
        crs=STORE_CRS,
        append=path.exists(),
    )


def write_shapefile_zip(path: Path, rows: Sequence[Mapping[str, Any]], fields: Mapping[str, type]) -> None:
    """Write a zipped shapefile: polygons in EPSG:4490, DBF in GB18030 with .cpg.

    A geometry of None becomes a null shape. Field names are limited to 10 characters by the format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    values, masks = _columns(rows, fields)
    blobs = np.array([None if row["geometry"] is None else shapely.to_wkb(row["geometry"]) for row in rows], dtype=object)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{path.stem}.shp"
        pyogrio.raw.write(
            target,
            blobs,
            values,
            list(fields),
            field_mask=masks,
            driver="ESRI Shapefile",
            geometry_type="Polygon",
            crs=STORE_CRS,
            encoding="GB18030",
            layer_options={"DBF_DATE_LAST_UPDATE": SURVEY_DATE, "RESIZE": "YES"},
        )
        write_zip(path, sorted(Path(folder).iterdir()))


def write_zip(path: Path, members: Sequence[Path]) -> None:
    """Zip files with a fixed time stamp and fixed permissions."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for member in members:
            entry = zipfile.ZipInfo(member.name, date_time=(2026, 6, 15, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, member.read_bytes())
