"""Survey batches → register columns: the mapping profile applied to whole columns."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ingest.census.columns import Coded, Mask, boolean_of, enum_of, is_filled, json_objects, multi_of, numbers_of, text_of
from ingest.census.profile import ATTRIBUTES, CensusProfile, FieldMapping

METRES_PER_STOREY = 3.0
VERSION = "2"
"""Goes into content hashes: raised when the same record would be mapped to other values."""
Words = Callable[[int], str]


@dataclass
class Batch:
    """A batch under way: columns by register name, and what was found wrong.

    Parameters
    ----------
    n
        Rows.
    text, number, coded
        Columns by register field, as the profile's type has it; numbers are NaN where empty.
    attributes
        JSON object per row.
    ok
        Rows that break no rule of severity E so far.
    faults
        Row, rule, message, Chinese message; the first one of each row.
    warnings
        Rule → rows.
    """

    n: int
    text: dict[str, pa.Array] = field(default_factory=dict)
    number: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    coded: dict[str, Coded] = field(default_factory=dict)
    attributes: pa.Array = None
    ok: Mask = field(default_factory=lambda: np.empty(0, np.bool_))
    faults: list[tuple[int, str, str, str]] = field(default_factory=list)
    warnings: dict[str, Mask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ok = np.ones(self.n, np.bool_)

    def refuse(self, rows: Mask, rule: str, message: Words, message_zh: Words) -> None:
        """Refuse the rows of a mask that are not refused already."""
        for row in np.flatnonzero(rows & self.ok):
            self.faults.append((int(row), rule, message(int(row)), message_zh(int(row))))
        self.ok = self.ok & ~rows

    def warn(self, rows: Mask, rule: str) -> None:
        """Note a warning for rows."""
        self.warnings[rule] = self.warnings.get(rule, np.zeros(self.n, np.bool_)) | rows

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a numeric column, NaN where the profile has none."""
        found = self.number.get(name)
        return np.full(self.n, np.nan) if found is None else found

    def flags(self, name: str) -> tuple[Mask, Mask]:
        """Return the rows where a boolean is true and where it is false."""
        found = self.coded.get(name)
        nothing = np.zeros(self.n, np.bool_)
        return (nothing, nothing) if found is None else (found.is_in(True), found.is_in(False))

    def has(self, name: str) -> bool:
        """Return whether the profile maps a field."""
        return name in self.text or name in self.number or name in self.coded

    def filled(self, name: str) -> Mask:
        """Return the rows where a field holds a value."""
        if name in self.text:
            return is_filled(self.text[name])
        if name in self.number:
            return ~np.isnan(self.number[name])
        return self.coded[name].index >= 0 if name in self.coded else np.zeros(self.n, np.bool_)


def key_text(batch: pa.RecordBatch, profile: CensusProfile) -> pa.Array:
    """Return the natural key of every record, parts joined by a slash; null where it is incomplete."""
    parts = [text_of(batch.column(name)) for name in profile.natural_key]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "/")


def map_batch(raw: pa.RecordBatch, profile: CensusProfile) -> Batch:
    """Map one batch; cells that cannot be mapped refuse their record (A01, A02).

    Parameters
    ----------
    raw
        Batch of `ingest.layer`, personal fields taken out.
    profile
        Names the fields.
    """
    batch = Batch(raw.num_rows)
    texts: dict[str, pa.Array] = {}

    def text(name: str) -> pa.Array:
        if name not in texts:
            texts[name] = text_of(raw.column(name)) if name in raw.schema.names else pa.nulls(raw.num_rows, pa.string())
        return texts[name]

    incomplete = ~is_filled(key_text(raw, profile))
    key = "/".join(profile.natural_key)
    batch.refuse(incomplete, "A01", lambda _: f"natural key {key} is incomplete", lambda _: f"自然键 {key} 不完整")
    for name, mapping in profile.fields.items():
        _map_field(batch, raw, name, mapping, text)
    _derive_height(batch)
    _keep_attributes(batch, raw, profile, text)
    return batch


def _map_field(batch: Batch, raw: pa.RecordBatch, name: str, mapping: FieldMapping, text: Callable[[str], pa.Array]) -> None:
    cells, array = text(mapping.source), raw.column(mapping.source) if mapping.source in raw.schema.names else None
    origin: Words = lambda _: mapping.source  # noqa: E731 - replaced below where a fallback fills cells
    if mapping.fallback is not None:
        own = is_filled(cells)
        cells, array = pc.coalesce(cells, text(mapping.fallback)), None
        origin = lambda row: mapping.source if own[row] else str(mapping.fallback)  # noqa: E731 - see above
    if mapping.required:
        batch.refuse(
            ~is_filled(cells),
            "A01",
            lambda row: f"{origin(row)} ({name}) is empty, expected a value",
            lambda row: f"必填字段 {origin(row)} 为空",
        )

    def wrong(rows: Mask, expected: str, expected_zh: str) -> None:
        batch.refuse(
            rows,
            "A02",
            lambda row: f"{origin(row)} = {cells[row].as_py()!r}, expected {expected}",
            lambda row: f"{origin(row)} 的值 {cells[row].as_py()!r} {expected_zh}",
        )

    if mapping.type == "text":
        batch.text[name] = cells
    elif mapping.type in ("integer", "number"):
        values, bad = numbers_of(cells if array is None else array, cells)
        wrong(bad, "a number", "不是数字")
        if mapping.type == "integer":
            broken = ~np.isnan(values) & (values != np.floor(values))
            wrong(broken, "a whole number", "不是整数")
            values = np.where(broken, np.nan, values)
        batch.number[name] = values
    else:
        reader = {"enum": enum_of, "boolean": boolean_of, "multi": multi_of}[mapping.type]
        batch.coded[name], bad = reader(cells, mapping.values)
        words = ", ".join(mapping.values) or "1, 0"
        wrong(bad, f"one of {words}", "不在字典中")


def _derive_height(batch: Batch) -> None:
    """Say where a height came from; storeys stand in for a missing one."""
    height, storeys = batch.numbers("height_m"), batch.numbers("storeys_above")
    missing = np.isnan(height) & (storeys > 0)
    source = np.where(missing, 1, np.where(np.isnan(height), -1, 0)).astype(np.int32)
    batch.coded["height_source"] = Coded(source, ["surveyed", "storeys"])
    batch.number["height_m"] = np.where(missing, storeys * METRES_PER_STOREY, height)


def _keep_attributes(batch: Batch, raw: pa.RecordBatch, profile: CensusProfile, text: Callable[[str], pa.Array]) -> None:
    kept: dict[str, pa.Array] = {name: text(name) for name in profile.keep if name in raw.schema.names}
    for name in ATTRIBUTES:
        if name in batch.text:
            kept[name] = batch.text[name]
        elif name in batch.number:
            whole = profile.fields[name].type == "integer"
            values = pa.array(batch.number[name], from_pandas=True)
            kept[f"#{name}"] = (values.cast(pa.int64()) if whole else values).cast(pa.string())
        elif name in batch.coded:
            coded = batch.coded[name]
            as_words = Coded(coded.index, [json.dumps(value, ensure_ascii=False) for value in coded.values])
            kept[f"#{name}"] = as_words.text()
    if "era" in batch.coded:
        era = batch.coded["era"]
        kept["#year_built_range"] = Coded(era.index, [json.dumps(value) for value in era.values]).text()
    batch.attributes = json_objects(kept, batch.n)


def field_value(batch: Batch, name: str, row: int) -> Any:  # noqa: ANN401 - text, number or profile value
    """Return one mapped cell, for messages."""
    if name in batch.text:
        return batch.text[name][row].as_py()
    if name in batch.number:
        value = batch.number[name][row]
        return None if np.isnan(value) else int(value) if value == int(value) else float(value)
    coded = batch.coded.get(name)
    return None if coded is None or coded.index[row] < 0 else coded.values[coded.index[row]]
