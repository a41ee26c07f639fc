"""Content hashes of records: 128 bits per row over Arrow buffers, so that an unchanged record is known before it is mapped."""

import hashlib

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cim.db.arrow_copy import fixed_text

U64 = NDArray[np.uint64]
_LANES = 2


# FNV-1a (Fowler, Noll, Vo, 1991) over eight bytes at a time, finished by the mixer of MurmurHash3: change detection, no security.
@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba ships no types
def _mix_rows(data: NDArray[np.uint8], offsets: NDArray[np.int64], valid: NDArray[np.bool_], state: U64) -> None:
    prime = np.uint64(0x100000001B3)
    first, second = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
    for row in range(valid.shape[0]):
        for lane in range(state.shape[1]):
            h = state[row, lane]
            if valid[row]:
                at, end = offsets[row], offsets[row + 1]
                h = (h ^ np.uint64(end - at + 1)) * prime
                while at + 8 <= end:
                    word = np.uint64(0)
                    for k in range(8):
                        word |= np.uint64(data[at + k]) << np.uint64(8 * k)
                    h = (h ^ word) * (first if lane else second)
                    h ^= h >> np.uint64(29)
                    at += 8
                while at < end:
                    h = (h ^ np.uint64(data[at])) * prime
                    at += 1
            h = (h ^ (h >> np.uint64(33))) * first
            h = (h ^ (h >> np.uint64(33))) * second
            state[row, lane] = h ^ (h >> np.uint64(33))


def _buffers(array: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return bytes and offsets of a column, whatever its type."""
    kind, n = array.type, len(array)
    if pa.types.is_dictionary(kind):
        return _buffers(array.dictionary_decode())
    if pa.types.is_boolean(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind):
        return _buffers(array.cast(pa.string()))
    if pa.types.is_primitive(kind):
        width = kind.bit_width // 8
        # Null cells hold anything: they are told by the mask.
        raw = np.frombuffer(array.buffers()[1], dtype=np.uint8)[array.offset * width : (array.offset + n) * width]
        return raw, np.arange(n + 1, dtype=np.int64) * width
    if not (pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)):
        return _buffers(array.cast(pa.string()))
    wide = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    _, offsets, data = array.buffers()
    positions = np.frombuffer(offsets, dtype=np.int64 if wide else np.int32)[array.offset : array.offset + n + 1].astype(np.int64)
    return (np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)), positions


def row_hashes(columns: list[pa.Array], n: int, seed: str) -> U64:
    """Return a 128-bit hash per row.

    Parameters
    ----------
    columns
        Cells that make up the content, in a fixed order, shape (n,) each.
    n
        Rows.
    seed
        Everything else that the result depends on (profile, mapping version): another seed, other hashes.

    Returns
    -------
    ndarray
        Shape (n, 2), uint64.
    """
    start = np.frombuffer(hashlib.sha256(seed.encode()).digest()[: 8 * _LANES], dtype=np.uint64)
    state = np.tile(start, (n, 1))
    for column in columns:
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        data, offsets = _buffers(array)
        valid = np.ones(n, np.bool_) if array.null_count == 0 else np.asarray(array.is_valid())
        _mix_rows(data, offsets, valid, state)
    return state


def as_hex(hashes: U64) -> pa.Array:
    """Return hashes as text of 32 hexadecimal digits."""
    n = hashes.shape[0]
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    raw = np.ascontiguousarray(hashes).view(np.uint8).reshape(n, 16)
    out = np.empty((n, 32), np.uint8)
    out[:, 0::2], out[:, 1::2] = digits[raw >> 4], digits[raw & 15]
    return fixed_text(out)


def key_hashes(keys: pa.Array) -> U64:
    """Return a 64-bit hash per natural key, 0 where it is null."""
    hashes = row_hashes([keys], len(keys), "key")[:, 0]
    return np.where(np.asarray(keys.is_valid()), hashes | np.uint64(1), np.uint64(0))


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _after_slash(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    n = offsets.shape[0] - 1
    first, size = np.empty(n, np.int64), np.empty(n, np.int64)
    for row in range(n):
        at = offsets[row + 1]
        while at > offsets[row] and data[at - 1] != 47:
            at -= 1
        first[row], size[row] = at, offsets[row + 1] - at
    return first, size


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _cut(data: NDArray[np.uint8], first: NDArray[np.int64], start: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
    for row in range(first.shape[0]):
        for k in range(start[row + 1] - start[row]):
            out[start[row] + k] = data[first[row] + k]


def last_part(keys: pa.Array) -> pa.Array:
    """Return what follows the last slash of each natural key, shape (n,); no key is null."""
    data, offsets = _buffers(keys)
    first, size = _after_slash(data, offsets)
    start = np.concatenate([[0], np.cumsum(size)])
    out = np.empty(start[-1], np.uint8)
    _cut(data, first, start, out)
    return pa.Array.from_buffers(pa.large_string(), len(keys), [None, pa.py_buffer(start), pa.py_buffer(out)])
