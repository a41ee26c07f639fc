"""read → check → map → load: one dataset version per run, one transaction as seen by readers."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from rich.progress import Progress

from cim.cli_support import progress
from cim.db import changes, datasets, engine, migrate
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.settings import Settings
from ingest.rejects import RejectLog

_log = structlog.get_logger("ingest")
AUTHOR = "cim ingest"


@dataclass(frozen=True)
class Outcome:
    """Result of a run.

    Parameters
    ----------
    info
        What was loaded.
    counts
        Records; read = accepted + unchanged + rejected.
    report
        Rejects and warnings by rule, and what the format adds.
    unchanged_source
        The same file with the same parameters had been loaded before: nothing was read further, nothing was written.
    """

    info: DatasetInfo
    counts: Counts
    report: dict[str, Any]
    unchanged_source: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome for ``--json``."""
        return {
            "kind": self.info.kind,
            "name": self.info.name,
            "read": self.counts.read,
            "accepted": self.counts.accepted,
            "unchanged": self.counts.unchanged,
            "rejected": self.counts.rejected,
            "unchanged_source": self.unchanged_source,
            **self.report,
        }


Step = Callable[[int], None]
"""Called with the number of records done."""
Load = Callable[[Connection, UUID, UUID, RejectLog], tuple[Counts, dict[str, Any]]]


class Stages:
    """The stages of a run on the progress display.

    Parameters
    ----------
    display
        Drawn on standard error, silent where nobody looks.
    """

    def __init__(self, display: Progress) -> None:
        self._display = display

    def stage(self, name: str, name_zh: str, total: int | None = None) -> Step:
        """Start a stage; return what counts its records."""
        task = self._display.add_task(f"{name} {name_zh}", total=total)

        def step(n: int) -> None:
            self._display.advance(task, n)

        return step


@contextlib.contextmanager
def stages() -> Iterator[Stages]:
    """Show the stages of a run while it lasts."""
    with progress() as display:
        yield Stages(display)


def already_loaded(settings: Settings, info: DatasetInfo) -> Outcome | None:
    """Return the outcome of an earlier run when the newest version of this dataset came from the same bytes."""
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        last = datasets.last_version(connection, info.kind, info.name)
    if last is None or last[1] != info.sha256:
        return None
    counts = last[2]
    same = Counts(counts.read, 0, counts.read - counts.rejected, counts.rejected)
    return Outcome(info, same, {}, unchanged_source=True)


def run(settings: Settings, info: DatasetInfo, load: Load, *, reason: str, dry_run: bool = False, log: RejectLog | None = None) -> Outcome:
    """Load a dataset in one transaction.

    Parameters
    ----------
    settings
        Names the store.
    info
        The dataset.
    load
        Called with connection, dataset id, change set id and reject log inside the transaction; returns counts and a report.
    reason
        For the change set.
    dry_run
        Do everything, then roll back.
    log
        Takes the refused records; None = one of its own.

    Raises
    ------
    StoreError
        The database refused; nothing is written then.
    """
    log = log or RejectLog()
    with engine.connect(settings) as connection:
        dataset_id = datasets.reserve_dataset(connection, info)
        change_set = changes.open_change_set(connection, author=AUTHOR, operation="ingest", reason=reason, dataset_id=dataset_id)
        counts, extra = load(connection, dataset_id, change_set, log)
        report = {**log.report(), **extra}
        datasets.finish_dataset(connection, dataset_id, counts, log.rejects, report)
        if dry_run:
            connection.rollback()
    _log.info("loaded", kind=info.kind, name=info.name, dry_run=dry_run, **vars(counts))
    return Outcome(info, counts, report)
