"""Rows as Arrow record batches: typed columns with their names for people, geometry as well-known binary."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from cim.exchange.model import ColumnType, Job, Rows

GEOMETRY = "geom"

_TYPES: dict[ColumnType, Any] = {
    "string": pa.string(), "int16": pa.int16(), "int32": pa.int32(), "float64": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"), "json": pa.string(),
}  # fmt: skip


def schema_of(job: Job) -> Any:  # noqa: ANN401 - pyarrow.Schema has no type information
    """Return the Arrow schema: the collection's columns, then the geometry.

    The metadata of a field has ``title`` (name for people), ``title:en``, ``title:zh`` and ``description`` with the unit;
    GDAL reads the name for people from its own key.
    """
    aliases = job.collection.aliases(job.language) if job.language else None
    fields = []
    for at, column in enumerate(job.collection.columns):
        metadata = {"description": column.note} if column.note else {}
        if aliases is not None:
            metadata |= {"title": aliases[at], "title:en": column.title.en, "title:zh": column.title.zh}
            metadata["GDAL:OGR:alternative_name"] = aliases[at]
        fields.append(pa.field(column.name, _TYPES[column.type], nullable=True, metadata=metadata or None))
    fields.append(pa.field(GEOMETRY, pa.binary(), nullable=True))
    return pa.schema(fields)


def record_batch(schema: Any, rows: Rows) -> Any:  # noqa: ANN401 - pyarrow.Schema, pyarrow.RecordBatch
    """Return rows as one record batch."""
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, type=field.type, from_pandas=False) for column, field in zip(columns, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


class BatchStream:
    """Record batches of an iterator as an Arrow stream that keeps the error which broke it.

    Native readers of the stream turn a Python error into one of their own; `guard` raises the first one.

    Parameters
    ----------
    schema
        Arrow schema of all batches.
    batches
        Rows, batch by batch.
    """

    def __init__(self, schema: Any, batches: Iterable[Rows]) -> None:  # noqa: ANN401 - pyarrow.Schema
        self._error: BaseException | None = None
        self._schema = schema
        self._batches = batches
        self.reader = pa.RecordBatchReader.from_batches(schema, self._made())

    def _made(self) -> Iterator[Any]:
        try:
            for rows in self._batches:
                yield record_batch(self._schema, rows)
        except BaseException as error:
            self._error = error
            raise

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Raise the error of the batches, where there was one, instead of the reader's."""
        try:
            yield
        except Exception as error:
            if self._error is not None:
                raise self._error from error
            raise
