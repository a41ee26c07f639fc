"""Internal ids: UUID version 7 (RFC 9562, section 5.7), time-ordered so that B-tree inserts stay local."""

import os
import time
from uuid import UUID

import numpy as np
from numpy.typing import NDArray


def new_id() -> UUID:
    """Return a fresh UUIDv7.

    Notes
    -----
    48 bits of Unix milliseconds, version, 74 random bits (RFC 9562, section 5.7).
    """
    milliseconds = time.time_ns() // 1_000_000
    random_bits = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= ((random_bits >> 62) & 0xFFF) << 64
    value |= 0b10 << 62
    value |= random_bits & ((1 << 62) - 1)
    return UUID(int=value)


def new_ids(n: int) -> NDArray[np.uint8]:
    """Return fresh UUIDv7 in ascending order, as bytes.

    Parameters
    ----------
    n
        How many.

    Returns
    -------
    ndarray
        Shape (n, 16), uint8.

    Notes
    -----
    Ascending inside a call by a counter in the leading random bits (RFC 9562, section 6.2, method 1), so that a bulk load fills
    B-tree pages from left to right.
    """
    raw = np.frombuffer(os.urandom(16 * n), np.uint8).reshape(n, 16).copy()
    stamp = (time.time_ns() // 1_000_000) & ((1 << 48) - 1)
    raw[:, :6] = np.frombuffer(stamp.to_bytes(6, "big"), np.uint8)
    counter = np.arange(n, dtype=np.uint64) + np.uint64(int.from_bytes(os.urandom(2), "big"))
    raw[:, 6] = 0x70 | ((counter >> np.uint64(26)) & np.uint64(0x0F)).astype(np.uint8)
    raw[:, 7] = ((counter >> np.uint64(18)) & np.uint64(0xFF)).astype(np.uint8)
    raw[:, 8] = 0x80 | ((counter >> np.uint64(12)) & np.uint64(0x3F)).astype(np.uint8)
    raw[:, 9] = ((counter >> np.uint64(4)) & np.uint64(0xFF)).astype(np.uint8)
    raw[:, 10] = ((counter << np.uint64(4)) & np.uint64(0xF0)).astype(np.uint8) | (raw[:, 10] & np.uint8(0x0F))
    return raw
