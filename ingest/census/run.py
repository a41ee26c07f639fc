"""A census load under way: what its stages share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from cim.db.datasets import DatasetInfo
from cim.db.engine import Connection
from ingest.census.profile import CensusProfile
from ingest.layer import SurveyLayer
from ingest.pipeline import Stages
from ingest.rejects import RejectLog
from ingest.spool import Spool


@dataclass
class CensusRun:
    """One run.

    Parameters
    ----------
    connection
        Inside the transaction of the run.
    layer, profile
        What is loaded, and how it is read.
    info, dataset_id, change_set
        The dataset version and its change set.
    log
        Refused records and warnings.
    raw
        Records as read, personal fields taken out.
    stages
        Progress.
    report
        What is told besides the counts.
    """

    connection: Connection
    layer: SurveyLayer
    profile: CensusProfile
    info: DatasetInfo
    dataset_id: UUID
    change_set: UUID
    log: RejectLog
    raw: Spool
    stages: Stages
    report: dict[str, Any] = field(default_factory=dict)

    def place(self, row: int) -> str:
        """Return where a record stands, for people."""
        return f"{self.layer.layer}, row {row + 1}"

    def refuse(self, faults: Sequence[tuple[int, str, str, str]]) -> None:
        """Refuse records: row, rule, message, Chinese message."""
        if not faults:
            return
        records = self.raw.take([row for row, *_ in faults]).to_pylist()
        for (row, rule, message, message_zh), record in zip(faults, records, strict=True):
            public = {name: value for name, value in record.items() if not name.startswith("__")}
            self.log.refuse(self.place(row), rule, message, message_zh, public, row=row)
