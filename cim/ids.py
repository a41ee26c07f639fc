"""Internal ids: UUID version 7 (RFC 9562, section 5.7), time-ordered so that B-tree inserts stay local."""

import os
import time
from uuid import UUID


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
