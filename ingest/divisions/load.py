"""``cim ingest divisions``."""

from pathlib import Path
from typing import Any
from uuid import UUID

from cim.db import divisions
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.settings import Settings
from ingest import pipeline
from ingest.divisions.mapping import read_records, to_row
from ingest.rejects import RejectLog
from ingest.source import require_file, sha256_of
from ingest.table import require_records


def ingest_divisions(settings: Settings, paths: list[Path], *, name: str | None, dry_run: bool) -> pipeline.Outcome:
    """Load code tables and boundaries; a boundary is joined to its code.

    Parameters
    ----------
    settings
        Names the store.
    paths
        CSV and vector layers with code, name, level and optionally urban_rural_class, synthetic, effective_from, effective_to, successor.
    name
        Dataset name, default: stem of the first file.
    dry_run
        Check only.

    Raises
    ------
    SourceError
        A file cannot be used; nothing is written.
    """
    for path in paths:
        require_file(path)
    info = DatasetInfo("divisions", name or paths[0].stem, ", ".join(path.name for path in paths), sha256_of(*paths), crs="EPSG:4490")
    earlier = pipeline.already_loaded(settings, info)
    if earlier is not None:
        return earlier
    log = RejectLog()
    records, n_read = read_records(paths, log)
    require_records(paths[0], list(records) or log.rejects)

    def load(connection: Connection, _: UUID, change_set: UUID, into: RejectLog) -> tuple[Counts, dict[str, Any]]:
        into.rejects, into.warnings = log.rejects, log.warnings
        before = divisions.fetch_hashes(connection)
        rows = [to_row(record, info.name) for record in records.values()]
        divisions.load_divisions(connection, rows, change_set)
        moved = divisions.relocate_buildings(connection, change_set)
        network_parts = divisions.relocate_networks(connection, change_set)
        # A boundary joined to a code that stands in the table too is one division out of two records read.
        accepted = sum(r.n_records for r, row in zip(records.values(), rows, strict=True) if before.get(r.code, "") != row[-1])
        counts = Counts(n_read, accepted, n_read - len(log.rejects) - accepted, len(log.rejects))
        return counts, {
            "divisions": len(records),
            "withdrawn": sum(r.is_retired for r in records.values()),
            "buildings_relocated": moved,
            "network_parts_relocated": network_parts,
            "with_boundary": sum(r.geom is not None for r in records.values()),
            "missing_from_source": divisions.count_missing(connection, info.name, list(records)),
        }

    return pipeline.run(settings, info, load, reason=f"divisions from {info.source}", dry_run=dry_run)
