"""CSV for spreadsheets: UTF-8 with byte order mark, geometry as well-known text."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import shapely

from cim.crs import parse_crs
from cim.exchange.arrow import GEOMETRY, record_batch, schema_of
from cim.exchange.model import Job, Rows

_DIGITS_DEG, _DIGITS_M = 9, 4


def write_csv(path: Path, job: Job, batches: Iterable[Rows]) -> None:
    """Write a CSV file: a header, one line per row, the geometry in the last column.

    The header has the attribute names, or the names for people where the job names a language. Empty cells are missing values.
    """
    schema = schema_of(job)
    names = [column.name for column in job.collection.columns] if job.language is None else job.collection.aliases(job.language)
    digits = _DIGITS_DEG if parse_crs(f"EPSG:{job.srid}").is_geographic else _DIGITS_M
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow([*names, "wkt"])
    options = arrow_csv.WriteOptions(include_header=False, quoting_style="needed")
    with path.open("wb") as handle:
        handle.write(header.getvalue().encode("utf-8-sig"))
        for rows in batches:
            arrow_csv.write_csv(_as_text(record_batch(schema, rows), digits), handle, options)


def _as_text(batch: Any, digits: int) -> Any:  # noqa: ANN401 - pyarrow.RecordBatch, pyarrow.Table
    columns = {}
    for field in batch.schema:
        values = batch.column(field.name)
        if pa.types.is_timestamp(field.type):
            # ISO 8601 by hand: strftime of Arrow wants a time zone database, which slim containers do not have.
            stamps = pc.cast(pc.cast(values, pa.timestamp("us")), pa.string())
            values = pc.binary_join_element_wise(pc.replace_substring(stamps, " ", "T"), "Z", "")
        elif field.name == GEOMETRY:
            shapes = shapely.from_wkb(np.array(values.to_pylist(), dtype=object))
            values = pa.array(shapely.to_wkt(shapes, rounding_precision=digits), type=pa.string())
        columns[field.name] = values
    return pa.table(columns)
