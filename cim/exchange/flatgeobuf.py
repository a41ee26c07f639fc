"""FlatGeobuf without an index, straight from the rows as the store sends them: no object per value, no file in between.

The head of the file comes from GDAL, so names, types and CRS are those of every other export; the features behind it are written here
(FlatGeobuf 3.0, https://flatgeobuf.org; layout of tables and vectors: FlatBuffers, "Internals").
"""

import struct
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cim.exchange.model import ColumnType, ExchangeError, ExportColumn, Job, Language
from cim.profile import Names

_MAGIC_BYTES = 8
_SLOT_OF_COUNT = 8
"""Place of ``features_count`` among the fields of the head."""
_HEADS_KEPT = 256
_FORMS: dict[ColumnType, int] = {
    "string": 0, "json": 0, "int16": 6, "int32": 1, "float64": 2, "boolean": 3, "date": 4, "timestamp": 5,
}  # fmt: skip
"""How `cim.exchange.binary_rows` reads a column and writes it."""


def head(job: Job, n_features: int | None) -> bytes:
    """Return what stands before the first feature.

    Parameters
    ----------
    n_features
        Features that follow, None where nobody knows yet.

    Raises
    ------
    ExchangeError
        GDAL refused.
    """
    collection = job.collection
    facts = (collection.id, collection.geometry, collection.has_z, collection.columns, collection.title)
    made, at = _template(*facts, job.srid, job.language)
    return made[:at] + struct.pack("<Q", n_features or 0) + made[at + 8 :]


def features(columns: Sequence[ExportColumn], rows: Sequence[bytes]) -> bytes:
    """Return features, one behind the other.

    Parameters
    ----------
    columns
        Attributes, in the order of the rows.
    rows
        Each a composite value in PostgreSQL's binary form (``record_send``): the columns, then the geometry as EWKB or null.

    Raises
    ------
    ExchangeError
        A geometry that is not a point, a line, a polygon or several polygons.
    """
    if not rows:
        return b""
    # Compiled code is loaded by the first file, not by every server.
    from cim.exchange import binary_rows

    found = np.frombuffer(b"".join(rows), np.uint8)
    forms = np.array([_FORMS[one.type] for one in columns], np.int64)
    made = np.empty(binary_rows.most_bytes(len(found), len(rows), len(forms)), np.uint8)
    n = binary_rows.write(found, len(rows), forms, made)
    if n < 0:
        raise ExchangeError(f"row {-n}: found a geometry that FlatGeobuf is not written for, expected points, lines or polygons")
    return made[:n].tobytes()


@lru_cache(maxsize=_HEADS_KEPT)
def _template(
    identifier: str, geometry: str, has_z: bool, columns: tuple[ExportColumn, ...], title: Names, srid: int, language: Language | None
) -> tuple[bytes, int]:
    """Return the head of a file of GDAL and where the number of features stands in it."""
    from datetime import UTC, datetime

    from cim.exchange import vector
    from cim.exchange.model import ExportCollection

    nowhere = Names(en="-", zh="-")
    collection = ExportCollection(identifier, "", None, geometry, has_z, columns, title, nowhere)
    job = Job(collection, srid, language, False, (0.0, 0.0), nowhere, "", datetime(1970, 1, 1, tzinfo=UTC))
    empty: tuple[Any, ...] = (None,) * (len(columns) + 1)
    with tempfile.TemporaryDirectory(prefix="cim-export-") as folder:
        path = Path(folder) / f"{identifier}.fgb"
        # One feature, because the head of an empty file has no place for their number.
        vector.write_flatgeobuf(path, job, [[empty]], with_description=False)
        made = path.read_bytes()
    (size,) = struct.unpack_from("<I", made, _MAGIC_BYTES)
    start = _MAGIC_BYTES + 4
    table = start + int(struct.unpack_from("<I", made, start)[0])
    fields = table - int(struct.unpack_from("<i", made, table)[0])
    at = table + int(struct.unpack_from("<H", made, fields + 4 + 2 * _SLOT_OF_COUNT)[0])
    if struct.unpack_from("<Q", made, at)[0] != 1:
        raise ExchangeError(f"{identifier}: the head of a FlatGeobuf of GDAL has no number of features", hint="report this")
    return made[: start + size], at
