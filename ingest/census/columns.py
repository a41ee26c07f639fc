"""Arrow columns of a survey as text, numbers and dictionary values: whole columns at a time, cell faults as masks."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ingest.census.hashing import row_hashes

_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
_TRUE = {"1", "true", "yes", "是", "有", "y"}
_FALSE = {"0", "false", "no", "否", "无", "n", "2"}
Mask = NDArray[np.bool_]


def text_of(array: pa.Array) -> pa.Array:
    """Return a column as trimmed text; empty cells, NaN and null become null, whole floats lose their ``.0``."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        array, kind = array.dictionary_decode(), array.type.value_type
    if pa.types.is_floating(kind):
        finite = pc.is_finite(array)
        whole = pc.and_kleene(finite, pc.and_kleene(pc.equal(pc.floor(array), array), pc.less(pc.abs(array), 1e15)))
        integers = pc.cast(pc.if_else(whole, array, None), pa.int64()).cast(pa.string())
        return pc.coalesce(integers, pc.if_else(pc.is_nan(array), None, array).cast(pa.string()))
    if pa.types.is_timestamp(kind):
        return pc.strftime(array, format="%Y-%m-%dT%H:%M:%S").cast(pa.string())
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return array.cast(pa.string())
    text = array.cast(pa.string())
    if _scan(text, _is_trimmed):
        return text
    # ASCII trimming is several times cheaper, and only a few columns have wide blanks.
    if pc.any(pc.match_substring(text, "\0")).as_py():
        text = pc.replace_substring(text, "\0", "")  # no text of the store can hold it
    text = pc.ascii_trim_whitespace(text)
    if pc.any(pc.match_substring_regex(text, r"^\p{Z}|\p{Z}$")).as_py():
        text = pc.utf8_trim_whitespace(text)
    empty = pc.equal(pc.binary_length(text), 0)
    return pc.if_else(empty, None, text) if pc.any(empty).as_py() else text


Scan = Callable[[NDArray[np.uint8], NDArray[np.int32], Mask], bool]


def _scan(text: pa.Array, scan: Scan) -> bool:
    """Run a compiled scan over the cells of a text column."""
    if len(text) == 0:
        return True
    _, offsets, data = text.buffers()
    at = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    valid = np.ones(len(text), np.bool_) if text.null_count == 0 else np.asarray(text.is_valid())
    return scan(np.frombuffer(data if data is not None and data.size else b"\0", np.uint8), at, valid)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba ships no types
def _is_trimmed(data: NDArray[np.uint8], offsets: NDArray[np.int32], valid: Mask) -> bool:
    """Tell whether no cell is empty, holds NUL, or begins or ends with what may be a blank."""
    for row in range(valid.shape[0]):
        if not valid[row]:
            continue
        at, end = offsets[row], offsets[row + 1]
        if at == end:
            return False
        for k in range(at, end):
            if data[k] == 0:
                return False
        first, last = data[at], data[end - 1]
        # UTF-8 of the separators of Unicode (\p{Z}): C2 A0, E1 9A 80, E2 80 xx, E2 81 9F, E3 80 80.
        if first <= 32 or last <= 32 or first == 0xC2 or first == 0xE1 or first == 0xE2:
            return False
        if first == 0xE3 and data[at + 1] == 0x80 and data[at + 2] == 0x80:
            return False
        if last >= 0x80 and end - at > 1 and data[end - 2] == 0xC2:
            return False
        if last >= 0x80 and end - at > 2:
            third = data[end - 3]
            if third == 0xE1 or third == 0xE2 or (third == 0xE3 and data[end - 2] == 0x80 and last == 0x80):
                return False
    return True


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _needs_no_escape(data: NDArray[np.uint8], offsets: NDArray[np.int32], valid: Mask) -> bool:
    """Tell whether no cell holds a character that JSON escapes."""
    for row in range(valid.shape[0]):
        if valid[row]:
            for k in range(offsets[row], offsets[row + 1]):
                if data[k] < 32 or data[k] == 34 or data[k] == 92:
                    return False
    return True


def is_filled(array: pa.Array) -> Mask:
    """Return which cells hold a value."""
    return np.asarray(array.is_valid())


def numbers_of(array: pa.Array, text: pa.Array) -> tuple[NDArray[np.float64], Mask]:
    """Return a column as float64 (NaN = empty) and the mask of cells that are no finite number.

    Parameters
    ----------
    array
        As read.
    text
        The same by `text_of`.
    """
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        wrong = np.isinf(values)
        return np.where(wrong, np.nan, values), wrong
    # Each word once: years, storeys and the like repeat.
    encoded = text.dictionary_encode()
    words = encoded.dictionary
    good = pc.match_substring_regex(words, _NUMBER)
    numbers = np.append(np.asarray(pc.if_else(good, words, None).cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64), np.nan)
    broken = np.append(~np.asarray(good, np.bool_) | np.isinf(numbers[:-1]), False)
    numbers[broken] = np.nan
    at = np.asarray(pc.fill_null(encoded.indices, len(words)))
    return numbers[at], broken[at]


@dataclass(frozen=True)
class Coded:
    """A dictionary column: position in ``values`` per row, -1 = empty.

    Parameters
    ----------
    index
        Shape (n,).
    values
        What the positions stand for.
    """

    index: NDArray[np.int32]
    values: list[Any]

    def is_in(self, *wanted: Any) -> Mask:  # noqa: ANN401 - any profile value
        """Return the rows that have one of these values."""
        return np.isin(self.index, [i for i, value in enumerate(self.values) if value in wanted])

    def take(self, lookup: dict[Any, float]) -> NDArray[np.float64]:
        """Return a number per row by its value, NaN where there is none."""
        table = np.array([*(lookup.get(value, np.nan) for value in self.values), np.nan])
        return np.asarray(table[self.index])

    def text(self) -> pa.Array:
        """Return the values as text."""
        words = pa.array([None if value is None else str(value) for value in self.values], pa.string())
        return words.take(pa.array(self.index, mask=self.index < 0))


def enum_of(text: pa.Array, values: dict[str, Any]) -> tuple[Coded, Mask]:
    """Return the profile's value per cell and the mask of cells that are not in its dictionary."""
    encoded = text.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    known: list[Any] = []
    position = np.full(len(words) + 1, -1, dtype=np.int32)
    for i, word in enumerate(words):
        if word in values:
            value = values[word]
            if value not in known:
                known.append(value)
            position[i] = known.index(value)
    codes = np.asarray(pc.fill_null(encoded.indices, len(words)))
    index = position[codes]
    return Coded(index, known), (index < 0) & is_filled(text)


def boolean_of(text: pa.Array, values: dict[str, Any]) -> tuple[Coded, Mask]:
    """Return true or false per cell: by the profile's dictionary, else by the usual words."""
    known = values or {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
    return enum_of(pc.utf8_lower(text), {key.lower(): bool(value) for key, value in known.items()})


def multi_of(text: pa.Array, values: dict[str, Any]) -> tuple[Coded, Mask]:
    """Return a sorted list of profile values per cell (separated by comma, semicolon or 、) and the mask of unknown ones."""
    encoded = text.dictionary_encode()
    lists, wrong = {}, set()
    for word in encoded.dictionary.to_pylist():
        parts = [part.strip() for part in word.replace(";", ",").replace("、", ",").replace("，", ",").split(",") if part.strip()]
        if all(part in values for part in parts):
            lists[word] = ",".join(sorted({str(values[part]) for part in parts}))
        else:
            wrong.add(word)
    coded, faulty = enum_of(text, lists)
    return coded, faulty


def json_objects(fields: dict[str, pa.Array], n: int) -> pa.Array:
    """Return one JSON object per row from text columns; null cells are left out.

    Parameters
    ----------
    fields
        Key to text, shape (n,) each. A key that starts with ``#`` holds JSON already.
    n
        Rows.
    """
    if not fields:
        return pa.array(["{}"] * n)
    # Most kept fields are enumerations: equal combinations of cells are written once.
    _, first, place = np.unique(row_hashes(list(fields.values()), n, "")[:, 0], return_index=True, return_inverse=True)
    if len(first) <= n // 4:
        few = {name: text.take(pa.array(first)) for name, text in fields.items()}
        rows = pa.array(place)
        # Equal hashes of different cells are possible in principle.
        if all(few[name].take(rows).equals(text) for name, text in fields.items()):
            return _objects(few).take(rows)
    return _objects(fields)


def _objects(fields: dict[str, pa.Array]) -> pa.Array:
    parts = []
    for name, text in fields.items():
        key = json.dumps(name.removeprefix("#"), ensure_ascii=False)
        parts.append(pc.binary_join_element_wise(f"{key}:", text if name.startswith("#") else quoted(text), ""))
    body = pc.binary_join_element_wise(*parts, ",", null_handling="skip")
    return pc.binary_join_element_wise("{", body, "}", "")


def quoted(text: pa.Array) -> pa.Array:
    """Return text as JSON strings."""
    plain = text.cast(pa.string())
    if not _scan(plain, _needs_no_escape):
        encoded = text.dictionary_encode()
        words = pa.array([json.dumps(word, ensure_ascii=False) for word in encoded.dictionary.to_pylist()], pa.string())
        return words.take(encoded.indices)
    return pc.binary_join_element_wise('"', text, '"', "")
