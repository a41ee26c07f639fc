"""The report of an ingest run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cim.db.datasets import Reject
from ingest.pipeline import Outcome


@dataclass(frozen=True)
class RejectedFeatures:
    """Refused records as read."""

    columns: pa.Table
    wkb: pa.Array
    crs: str
    geometry_type: str
    rules: list[str]
    messages: list[str]
    messages_zh: list[str]
    places: list[str]


def write_report(
    folder: Path, outcome: Outcome, rejects: Sequence[Reject], features: RejectedFeatures | None, *, language: str
) -> list[Path]:
    """Write the report."""
    raise NotImplementedError
