"""Compiled: rows in PostgreSQL's binary form to features of FlatGeobuf.

A row is the number of its values, then each value as type, length (−1 for null) and bytes, numbers in network order (PostgreSQL,
"Composite types", ``record_send``); the last one is the geometry as little-endian EWKB. A feature is a FlatBuffers table behind its
size; vectors of doubles begin at multiples of 8 from there, as the official writers place them.
"""

import numba
import numpy as np
from numpy.typing import NDArray

_UNKNOWN = -1
_EPOCH_DAYS = 10_957
"""Days from 1970-01-01, the origin of the calendar below, to 2000-01-01, the origin of PostgreSQL."""
_DAY_US = 86_400_000_000


def most_bytes(n_bytes: int, n_rows: int, n_columns: int) -> int:
    """Return a size that features never exceed: texts and coordinates shrink, times and small polygons grow."""
    return 2 * n_bytes + n_rows * (256 + 32 * n_columns)


def write(rows: NDArray[np.uint8], n_rows: int, forms: NDArray[np.int64], out: NDArray[np.uint8]) -> int:
    """Write features.

    Parameters
    ----------
    rows
        Rows, one behind the other.
    forms
        Of each column: 0 text, 1 integer of 4 bytes, 2 double, 3 boolean, 4 date, 5 moment, 6 integer of 2 bytes.
    out
        At least `most_bytes`.

    Returns
    -------
    int
        Bytes written; −n where row n (from 1) has a geometry of another kind.
    """
    return int(_write(rows, n_rows, forms, out))


@numba.njit(cache=True, nogil=True)
def _network_int(data, at):  # type: ignore[no-untyped-def]  # compiled
    value = (np.int64(data[at]) << 24) | (np.int64(data[at + 1]) << 16) | (np.int64(data[at + 2]) << 8) | np.int64(data[at + 3])
    return value - ((value >> 31) << 32)


@numba.njit(cache=True, nogil=True)
def _little_int(data, at):  # type: ignore[no-untyped-def]  # compiled
    return (np.int64(data[at + 3]) << 24) | (np.int64(data[at + 2]) << 16) | (np.int64(data[at + 1]) << 8) | np.int64(data[at])


@numba.njit(cache=True, nogil=True)
def _put(out, at, value, n_bytes):  # type: ignore[no-untyped-def]  # compiled
    to, rest = np.uintp(at), np.uint64(value)
    for k in range(np.uintp(n_bytes)):
        out[to + k] = rest & np.uint64(0xFF)
        rest >>= np.uint64(8)


@numba.njit(cache=True, nogil=True)
def _copy(data, start, out, at, n_bytes):  # type: ignore[no-untyped-def]  # compiled
    # Without a sign: places that may be counted from the end would be looked at byte by byte.
    to, source = np.uintp(at), np.uintp(start)
    for k in range(np.uintp(n_bytes)):
        out[to + k] = data[source + k]


@numba.njit(cache=True, nogil=True)
def _digits(out, at, value, n):  # type: ignore[no-untyped-def]  # compiled
    for k in range(n):
        out[at + n - 1 - k] = 48 + value % 10
        value //= 10


@numba.njit(cache=True, nogil=True)
def _day(out, at, days):  # type: ignore[no-untyped-def]  # compiled
    """Write a day since 1970-01-01 as year-month-day (H. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days)."""
    shifted = days + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year = year + era * 400 + (1 if month <= 2 else 0)
    _digits(out, at, year, 4)
    out[at + 4] = 45
    _digits(out, at + 5, month, 2)
    out[at + 7] = 45
    _digits(out, at + 8, day, 2)
    return year


@numba.njit(cache=True, nogil=True)
def _moment(out, at, days, of_day_us, in_utc):  # type: ignore[no-untyped-def]  # compiled
    """Write a moment as text behind its length; return the end, or ``at`` for a year that has not four digits."""
    year = _day(out, at + 4, days)
    if year < 1 or year > 9999:
        return at
    end = at + 14
    seconds = of_day_us // 1_000_000
    out[end] = 84
    _digits(out, end + 1, seconds // 3600, 2)
    out[end + 3] = 58
    _digits(out, end + 4, seconds // 60 % 60, 2)
    out[end + 6] = 58
    _digits(out, end + 7, seconds % 60, 2)
    end += 9
    fraction = of_day_us % 1_000_000
    if fraction:
        out[end] = 46
        _digits(out, end + 1, fraction, 6)
        end += 7
    if in_utc:
        out[end] = 90
        end += 1
    _put(out, at, end - at - 4, 4)
    return end


@numba.njit(cache=True, nogil=True)
def _value(data, at, length, form, out, end):  # type: ignore[no-untyped-def]  # compiled
    """Write a value behind its column's number; return the end, ``end`` itself for one that cannot be told."""
    if form == 0:
        _put(out, end, length, 4)
        _copy(data, at, out, end + 4, length)
        return end + 4 + length
    number = np.int64(0)
    for k in range(length):
        number = (number << 8) | np.int64(data[at + k])
    if form == 3:
        out[end] = number
        return end + 1
    if form == 2:
        _put(out, end, number, 8)
        return end + 8
    if length < 8:
        number = number - ((number >> (8 * length - 1)) << (8 * length))
    if form == 1 or form == 6:
        width = 4 if form == 1 else 2
        _put(out, end, number, width)
        return end + width
    if form == 4:
        return _moment(out, end, number + _EPOCH_DAYS, 0, False)
    days = number // _DAY_US
    return _moment(out, end, days + _EPOCH_DAYS, number - days * _DAY_US, True)


@numba.njit(cache=True, nogil=True)
def _coordinates(data, at, n, stride, out, end, start, table):  # type: ignore[no-untyped-def]  # compiled
    """Write the coordinates of n points and say so in the geometry's table; return the end."""
    for part in range(2 if stride >= 24 else 1):
        width = 8 if part else 16
        while (end + 4 - start) % 8:
            out[end] = 0
            end += 1
        field = table + (12 if part else 8)
        _put(out, field, end - field, 4)
        _put(out, end, n * width // 8, 4)
        end += 4
        for k in range(n):
            _copy(data, at + k * stride + (16 if part else 0), out, end, width)
            end += width
    return end


@numba.njit(cache=True, nogil=True)
def _table(out, end, start, kind):  # type: ignore[no-untyped-def]  # compiled
    """Write an empty table of a geometry; return its place. Its fields: +4 ends, +8 xy, +12 z, +16 parts, +20 type."""
    while (end - start) % 4:
        out[end] = 0
        end += 1
    places = (20, 24, 4, 8, 12, 0, 0, 0, 20, 16)
    for k in range(10):
        _put(out, end + 2 * k, places[k], 2)
    table = end + 20
    for k in range(24):
        out[table + k] = 0
    _put(out, table, 20, 4)
    out[table + 20] = kind
    return table


@numba.njit(cache=True, nogil=True)
def _hide(out, table, has_ends, has_xy, has_z, has_parts):  # type: ignore[no-untyped-def]  # compiled
    """Take fields that are not there out of the directory of a geometry's table."""
    fields = table - 20
    if not has_ends:
        _put(out, fields + 4, 0, 2)
    if not has_xy:
        _put(out, fields + 6, 0, 2)
    if not has_z:
        _put(out, fields + 8, 0, 2)
    if not has_parts:
        _put(out, fields + 18, 0, 2)


@numba.njit(cache=True, nogil=True)
def _polygon(data, at, stride, out, table, start):  # type: ignore[no-untyped-def]  # compiled
    """Write the rings at ``at`` (their number comes first) into a table; return the end of the output and of the input."""
    n_rings = _little_int(data, at)
    end = table + 24
    if n_rings > 1:
        _put(out, table + 4, end - table - 4, 4)
        _put(out, end, n_rings, 4)
        end += 4
    total, place = np.int64(0), at + 4
    for _ in range(n_rings):
        n = _little_int(data, place)
        total += n
        if n_rings > 1:
            _put(out, end, total, 4)
            end += 4
        place += 4 + n * stride
    for part in range(2 if stride >= 24 else 1):
        width = 8 if part else 16
        while (end + 4 - start) % 8:
            out[end] = 0
            end += 1
        field = table + (12 if part else 8)
        _put(out, field, end - field, 4)
        _put(out, end, total * width // 8, 4)
        end += 4
        place = at + 4
        for _ in range(n_rings):
            n = _little_int(data, place)
            for k in range(n):
                _copy(data, place + 4 + k * stride + (16 if part else 0), out, end, width)
                end += width
            place += 4 + n * stride
    _hide(out, table, n_rings > 1, True, stride >= 24, False)
    return end, place


@numba.njit(cache=True, nogil=True)
def _head(data, at):  # type: ignore[no-untyped-def]  # compiled
    """Return the kind of a geometry, bytes per point and where it goes on."""
    if data[at] != 1:
        return np.int64(_UNKNOWN), np.int64(16), at
    word = _little_int(data, at + 1)
    stride = np.int64(16 + (8 if word & 0x80000000 else 0) + (8 if word & 0x40000000 else 0))
    # Points with a measure but no height would be read for points with one.
    kind = np.int64(_UNKNOWN) if (word & 0x40000000) and not (word & 0x80000000) else word & 0xFF
    return kind, stride, at + 5 + (4 if word & 0x20000000 else 0)


@numba.njit(cache=True, nogil=True)
def _geometry(data, at, out, end, start):  # type: ignore[no-untyped-def]  # compiled
    """Write a geometry; return its table and the end: table 0 for an empty one, −1 for a kind that is not written."""
    kind, stride, place = _head(data, at)
    if kind != 1 and kind != 2 and kind != 3 and kind != 6:
        return np.int64(_UNKNOWN), end
    # An empty point is one of numbers that are none.
    if (kind == 1 and (data[place + 7] & 0x7F) == 0x7F and data[place + 6] >= 0xF8) or (kind != 1 and _little_int(data, place) == 0):
        return np.int64(0), end
    table = _table(out, end, start, kind)
    if kind == 3:
        end, place = _polygon(data, place, stride, out, table, start)
        return table, end
    if kind == 6:
        n = _little_int(data, place)
        place += 4
        vector = table + 24
        _put(out, table + 16, vector - table - 16, 4)
        end = vector + 4 + 4 * n
        field = vector
        for _ in range(n):
            _, inner, place = _head(data, place)
            if _little_int(data, place) == 0:
                place += 4
                continue
            part = _table(out, end, start, 3)
            field += 4
            _put(out, field, part - field, 4)
            end, place = _polygon(data, place, inner, out, part, start)
        _put(out, vector, (field - vector) // 4, 4)
        _hide(out, table, False, False, False, True)
        return table, end
    n = np.int64(1)
    if kind == 2:
        n = _little_int(data, place)
        place += 4
    end = _coordinates(data, place, n, stride, out, table + 24, start, table)
    _hide(out, table, False, True, stride >= 24, False)
    return table, end


@numba.njit(cache=True, nogil=True)
def _write(data, n_rows, forms, out):  # type: ignore[no-untyped-def]  # compiled
    at, end = np.int64(0), np.int64(0)
    for row in range(n_rows):
        start = end
        # The root at +4, the directory of the feature's table at +8, the table at +16: geometry at +20, attributes at +24.
        _put(out, start + 4, 12, 4)
        _put(out, start + 8, 8, 2)
        _put(out, start + 10, 12, 2)
        _put(out, start + 12, 4, 2)
        _put(out, start + 14, 8, 2)
        _put(out, start + 16, 8, 4)
        _put(out, start + 20, 0, 4)
        _put(out, start + 24, 4, 4)
        end = start + 32
        at += 4
        for column in range(forms.shape[0]):
            length = _network_int(data, at + 4)
            at += 8
            if length >= 0:
                written = _value(data, at, length, forms[column], out, end + 2)
                if written > end + 2 or forms[column] == 0:
                    _put(out, end, column, 2)
                    end = written
                at += length
        _put(out, start + 28, end - start - 32, 4)
        length = _network_int(data, at + 4)
        at += 8
        table = np.int64(0)
        if length >= 0:
            table, end = _geometry(data, at, out, end, start)
            if table < 0:
                return -np.int64(row + 1)
            at += length
        if table > 0:
            _put(out, start + 20, table - start - 20, 4)
        else:
            _put(out, start + 12, 0, 2)
        while (end - start) % 8:
            out[end] = 0
            end += 1
        _put(out, start, end - start - 4, 4)
    return end
