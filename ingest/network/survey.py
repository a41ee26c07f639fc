"""What every reader of networks hands over: the points and lines of one kind, as columns."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ingest.rejects import RejectLog

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
DepthReference = Literal["crown", "invert", "centre"]

POINT_TEXT = ("key", "feature", "appendage", "type_code", "owner", "status", "state", "condition", "maintainer", "attributes")
POINT_NUMBERS = ("x", "y", "ground_elevation_m", "elevation_m", "depth_m")
LINE_TEXT = (
    "key", "start", "end", "feature", "type_code", "material", "embedding", "pressure", "voltage", "owner", "status", "state", "condition",
    "maintainer", "roughness_kind", "attributes",
)  # fmt: skip
LINE_NUMBERS = (
    "diameter_mm", "width_mm", "height_mm", "start_depth_m", "end_depth_m", "start_elevation_m", "end_elevation_m", "flow_direction",
    "n_cables", "year_laid", "roughness",
)  # fmt: skip


@dataclass
class Survey:
    """The points and lines of one kind of network out of one source.

    Parameters
    ----------
    kind
        water, rainwater, …
    points
        Columns `POINT_TEXT` and `POINT_NUMBERS` (null = not told) and ``place``; x, y in ``crs``.
    lines
        Columns `LINE_TEXT` and `LINE_NUMBERS`, ``wkb`` (null = straight between its points) and ``place``.
    crs
        CRS of x, y and the vertices, x/y order.
    depth_reference
        What elevations and depths of lines run to.
    n_read
        Records of the source that belong to this kind, refused ones included.
    source
        File, for messages.
    model
        Format and bytes of a hydraulic model, kept for its engine.
    is_northing_first
        The tables hold the northing in X.
    warned
        Rule and rows (of ``points`` or ``lines``) of what is accepted with a warning; filled while the rows are built.
    notes
        What the report says besides the counts.
    """

    kind: str
    points: pa.Table
    lines: pa.Table
    crs: str
    depth_reference: DepthReference
    n_read: int
    source: Path
    model: tuple[str, bytes] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    is_northing_first: bool = False
    warned: list[tuple[str, pa.Table]] = field(default_factory=list)


def _table(columns: dict[str, Any], text: tuple[str, ...], numbers: tuple[str, ...], more: dict[str, Any]) -> pa.Table:
    n = len(next(iter(columns.values()))) if columns else 0
    made = {}
    for name in text:
        value = columns.get(name)
        made[name] = pa.nulls(n, pa.string()) if value is None else as_text(value)
    for name in numbers:
        value = columns.get(name)
        made[name] = pa.nulls(n, pa.float64()) if value is None else as_numbers(value)
    for name, kind in more.items():
        value = columns.get(name)
        made[name] = (
            pa.nulls(n, kind) if value is None else value if isinstance(value, pa.Array | pa.ChunkedArray) else pa.array(value, kind)
        )
    return pa.table(made)


def point_table(columns: dict[str, Any]) -> pa.Table:
    """Return the points of a survey from columns (arrays, lists or Arrow); what is not given is null."""
    return _table(columns, POINT_TEXT, POINT_NUMBERS, {"place": pa.string()})


def line_table(columns: dict[str, Any]) -> pa.Table:
    """Return the lines of a survey from columns; what is not given is null."""
    return _table(columns, LINE_TEXT, LINE_NUMBERS, {"wkb": pa.binary(), "place": pa.string()})


def as_text(value: Any) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Return a text column; empty text is null."""
    if isinstance(value, pa.ChunkedArray):
        value = value.combine_chunks()
    array = value if isinstance(value, pa.Array) else pa.array(value, pa.string(), from_pandas=True)
    if not pa.types.is_string(array.type):
        array = array.cast(pa.string())
    return pc.if_else(pc.equal(array, ""), None, array)


def as_numbers(value: Any) -> Any:  # noqa: ANN401 - as above
    """Return a column of numbers; NaN is null."""
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return (value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value).cast(pa.float64())
    return pa.array(np.asarray(value, np.float64), pa.float64(), from_pandas=True)


def numbers_of(table: pa.Table, name: str) -> Floats:
    """Return a column of numbers as an array, NaN where null."""
    column = table.column(name)
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.array(array.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def parse_numbers(column: Any) -> tuple[Floats, Mask]:  # noqa: ANN401 - as above
    """Return a text (or numeric) column as numbers, NaN where it is empty, and where it holds something else than a finite number."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        values = np.array(array.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
        return values, np.isinf(values)
    text = pc.utf8_trim_whitespace(array)
    good = pc.fill_null(pc.match_substring_regex(text, _NUMBER), fill_value=False)
    empty = pc.fill_null(pc.equal(text, ""), fill_value=True)
    values = pc.if_else(good, text, None).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.array(values, np.float64), ~np.asarray(good) & ~np.asarray(empty)


def json_objects(columns: dict[str, Any], n: int) -> Any:  # noqa: ANN401 - as above
    """Return one JSON object per row from columns; empty and null cells are left out."""
    pieces = []
    for name, column in columns.items():
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if pa.types.is_temporal(array.type) or pa.types.is_decimal(array.type):
            array = array.cast(pa.string())
        if not (pa.types.is_primitive(array.type) or pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
            continue
        cells = array.dictionary_encode()
        key = orjson.dumps(name).decode()
        words = ["" if value in (None, "") else f"{key}:{_json(value)}," for value in cells.dictionary.to_pylist()]
        pieces.append(pc.fill_null(pa.array(words, pa.string()).take(cells.indices), ""))
    if not pieces:
        return pa.array(["{}"] * n, pa.string())
    joined = pc.utf8_rtrim(pc.binary_join_element_wise(*pieces, "") if len(pieces) > 1 else pieces[0], ",")
    return pc.binary_join_element_wise("{", joined, "}", "")


def _json(value: object) -> str:
    return orjson.dumps(None if isinstance(value, float) and not np.isfinite(value) else value).decode()


def map_words(column: Any, words: dict[str, str], log_name: str) -> tuple[Any, Mask, list[str]]:  # noqa: ANN401 - as above
    """Return a column put through a vocabulary, where it holds a word that is not in it, and the messages of those rows.

    An empty vocabulary lets every word through; an empty cell becomes what the vocabulary says of ``""``, else null.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    text = pc.fill_null(array.cast(pa.string()), "").dictionary_encode()
    found, strange = [], []
    for word in text.dictionary.to_pylist():
        known = words.get(word, None if word == "" else word if not words else None)
        found.append(known)
        strange.append(bool(words) and word != "" and word not in words)
    mapped = pa.array(found, pa.string()).take(text.indices)
    bad = np.asarray(pa.array(strange, pa.bool_()).take(text.indices))
    messages = [f"{log_name}: found {text[int(i)].as_py()!r}, expected one of {', '.join(words)}" for i in np.flatnonzero(bad)]
    return mapped, bad, messages


def refuse_rows(log: RejectLog, table: pa.Table, bad: Mask, rule: str, message: str | list[str], message_zh: str, place: Any) -> None:  # noqa: ANN401 - names or a function of the row
    """Refuse rows of a table; ``place`` is a column or a function from row number to words."""
    rows = np.flatnonzero(bad)
    records = table.take(pa.array(rows)).to_pylist() if len(rows) else []
    for i, row in enumerate(rows):
        words = message if isinstance(message, str) else message[i]
        where = place(int(row)) if callable(place) else place[int(row)]
        record = {name: value for name, value in records[i].items() if not isinstance(value, bytes) and value is not None}
        log.refuse(where, rule, words, message_zh, record)
