"""COPY between Arrow tables and the store: rows are packed and read by compiled code, no value passes through Python.

Rows go in by PostgreSQL's binary format (PostgreSQL manual, COPY, "Binary Format"): the server takes half the time of CSV for the same
rows. They come out as CSV, which Arrow reads.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import sql
from psycopg.copy import QueuedLibpqWriter
from pyarrow import csv

from cim.db.engine import Connection

Kind = Literal["text", "float8", "int2", "int4", "jsonb", "uuid", "geometry"]
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_NUMBERS = {"float8": ">f8", "int2": ">i2", "int4": ">i4"}
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba ships no types
def _pack(data: Bytes, start: Ints, size: Ints, version: Bytes, out: Bytes, row_start: Ints) -> None:
    n_columns, n = start.shape
    for row in range(n):
        at = row_start[row]
        out[at], out[at + 1] = n_columns >> 8, n_columns & 255
        at += 2
        for column in range(n_columns):
            length = size[column, row]
            if length < 0:
                out[at], out[at + 1], out[at + 2], out[at + 3] = 255, 255, 255, 255
                at += 4
                continue
            written = length + version[column]
            out[at], out[at + 1] = (written >> 24) & 255, (written >> 16) & 255
            out[at + 2], out[at + 3] = (written >> 8) & 255, written & 255
            at += 4
            if version[column]:
                out[at] = 1
                at += 1
            source = start[column, row]
            for k in range(length):
                out[at + k] = data[source + k]
            at += length


def _cells(array: pa.Array, kind: Kind) -> tuple[Bytes, Ints, Ints]:
    """Return the bytes of a column as the server receives them, and start and length of each cell (-1 = NULL)."""
    n = len(array)
    if kind in _NUMBERS:
        filled = array.fill_null(0) if array.null_count else array
        raw = np.ascontiguousarray(filled.to_numpy(zero_copy_only=False).astype(_NUMBERS[kind])).view(np.uint8)
        width = np.dtype(_NUMBERS[kind]).itemsize
        start, size = np.arange(n, dtype=np.int64) * width, np.full(n, width, np.int64)
    else:
        wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
        _, offsets, data = array.buffers()
        at = np.frombuffer(offsets, np.int64 if wide else np.int32)[array.offset : array.offset + n + 1].astype(np.int64)
        raw = np.frombuffer(data, np.uint8)[at[0] : at[-1]] if data is not None else np.empty(0, np.uint8)
        start, size = at[:-1] - at[0], np.diff(at)
    if array.null_count:
        size = np.where(np.asarray(array.is_valid()), size, -1)
    return raw, start, size


def binary_rows(table: pa.Table, kinds: Mapping[str, Kind]) -> Bytes:
    """Return the rows of a table in the binary format of COPY, without header and trailer.

    Parameters
    ----------
    table
        Columns by name: text, numbers, ``uuid`` as 16 bytes, ``geometry`` as well-known binary.
    kinds
        Column name → type in the store, in the order to write.
    """
    pieces, starts, sizes, base = [], [], [], 0
    for name, kind in kinds.items():
        column = table.column(name)
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        raw, start, size = _cells(array, kind)
        pieces.append(raw)
        starts.append(start + base)
        sizes.append(size)
        base += len(raw)
    size, version = np.stack(sizes), np.array([kind == "jsonb" for kind in kinds.values()], np.uint8)
    width = 2 + np.where(size < 0, 4, size + 4 + version[:, None]).sum(axis=0)
    row_start = np.concatenate([[0], np.cumsum(width)]).astype(np.int64)
    out = np.empty(row_start[-1], np.uint8)
    _pack(np.concatenate(pieces), np.stack(starts), size, version, out, row_start)
    return out


def copy_in(connection: Connection, table: str, tables: Iterable[pa.Table], kinds: Mapping[str, Kind]) -> int:
    """Copy Arrow tables into a table of the store.

    Parameters
    ----------
    connection
        Inside a transaction.
    table
        Target.
    tables
        See `binary_rows`; null = NULL.
    kinds
        Column name → type in the store, in the order to write.

    Returns
    -------
    int
        Rows.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, kinds))
    )
    n = 0
    with connection.cursor() as cursor, cursor.copy(statement, writer=QueuedLibpqWriter(cursor)) as copy:
        copy.write(_HEADER)
        for part in tables:
            if part.num_rows:
                copy.write(binary_rows(part, kinds).tobytes())
                n += part.num_rows
        copy.write(_TRAILER)
    return n


def copy_out(connection: Connection, query: sql.Composable, schema: pa.Schema) -> pa.Table:
    """Return the result of a query as an Arrow table.

    Parameters
    ----------
    connection
        The store.
    query
        SELECT with literals composed by `psycopg.sql`; COPY takes no parameters.
    schema
        Names and types of the columns; unquoted empty = null.
    """
    chunks: list[bytes] = []
    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(query)) as copy:
        chunks.extend(bytes(block) for block in copy)
    if not chunks:
        return schema.empty_table()
    return csv.read_csv(
        pa.BufferReader(b"".join(chunks)),
        read_options=csv.ReadOptions(column_names=schema.names),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=schema, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""], true_values=["t"],
            false_values=["f"],
        ),
    )  # fmt: skip


def constant(value: str, n: int) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Return a text column that holds one value n times."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([value])).dictionary_decode()


def fixed_text(rows: NDArray[np.uint8]) -> Any:  # noqa: ANN401 - as above
    """Return ASCII rows of one width, shape (n, width), as a text column."""
    n, width = rows.shape
    offsets = np.arange(n + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets.tobytes()), pa.py_buffer(np.ascontiguousarray(rows).tobytes()))
