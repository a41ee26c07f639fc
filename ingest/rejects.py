"""Collecting refused records and warnings of a run."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.db.datasets import Reject


def plain(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with JSON-serialisable values; NaN becomes None."""
    out: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        out[name] = value if isinstance(value, str | int | float | bool | type(None)) else str(value)
    return out


class RejectLog:
    """Refused records and warnings of one run."""

    def __init__(self) -> None:
        self.rejects: list[Reject] = []
        self.warnings: Counter[str] = Counter()
        self.warned: dict[str, list[NDArray[np.int64]]] = {}
        self.rows: list[int | None] = []

    def refuse(self, place: str, rule: str, message: str, message_zh: str, record: dict[str, Any], *, row: int | None = None) -> None:
        """Refuse a record; ``row`` is its number in the source, 0-based, where the source can give it out again."""
        self.rejects.append(Reject(place, rule, message, message_zh, plain(record)))
        self.rows.append(row)

    def note(self, rule: str) -> None:
        """Count a warning; the record is accepted."""
        self.warnings[rule] += 1

    def flag(self, rule: str, rows: Sequence[int] | NDArray[np.int64]) -> None:
        """Note a warning for accepted records by their numbers in the source, 0-based, shape (n,)."""
        if len(rows):
            self.warnings[rule] += len(rows)
            self.warned.setdefault(rule, []).append(np.asarray(rows, np.int64))

    def report(self) -> dict[str, Any]:
        """Return counts per rule for the dataset's report."""
        return {
            "rejected_by_rule": dict(sorted(Counter(reject.rule for reject in self.rejects).items())),
            "warnings_by_rule": dict(sorted(self.warnings.items())),
        }
