"""Datasets and rejects: what was loaded, from where, with which counts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from cim.db.engine import Connection
from cim.errors import StoreError
from cim.ids import new_id


@dataclass(frozen=True)
class Counts:
    """Counts of one run; ``read = accepted + unchanged + rejected`` always.

    Parameters
    ----------
    read, accepted, unchanged, rejected
        Records.
    """

    read: int
    accepted: int
    unchanged: int
    rejected: int

    def __post_init__(self) -> None:
        if self.read != self.accepted + self.unchanged + self.rejected:
            raise StoreError(
                f"counts do not add up: read {self.read}, accepted {self.accepted}, unchanged {self.unchanged}, rejected {self.rejected}"
            )


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a source before its records are read.

    Parameters
    ----------
    kind
        divisions, census, addresses, network, terrain, bim.
    name
        Stable over versions.
    source
        File name(s) without folders.
    sha256
        Of the source, hexadecimal.
    crs, encoding, licence, provider
        As read or given; None = does not apply.
    is_synthetic
        Generated data.
    """

    kind: str
    name: str
    source: str
    sha256: str
    crs: str | None = None
    encoding: str | None = None
    licence: str | None = None
    provider: str | None = None
    is_synthetic: bool = False


@dataclass(frozen=True)
class Reject:
    """A refused record.

    Parameters
    ----------
    place
        Where in the source: layer, row.
    rule
        Id of the rule, e.g. G01 or A02.
    message, message_zh
        Found and expected, in English and Chinese.
    record
        As read; JSON-serialisable.
    """

    place: str
    rule: str
    message: str
    message_zh: str
    record: dict[str, Any] = field(default_factory=dict)


def reserve_dataset(connection: Connection, info: DatasetInfo) -> UUID:
    """Insert the dataset row with zero counts, next version of (kind, name), in the running transaction.

    A concurrent run of the same (kind, name) waits until this transaction ends.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"dataset:{info.kind}:{info.name}"])
    dataset_id = new_id()
    connection.execute(
        """INSERT INTO dataset (id, kind, name, version, source, sha256, crs, encoding, licence, provider, is_synthetic,
                                n_read, n_accepted, n_unchanged, n_rejected)
           SELECT %(id)s, %(kind)s, %(name)s, coalesce(max(version), 0) + 1, %(source)s, %(sha256)s, %(crs)s, %(encoding)s,
                  %(licence)s, %(provider)s, %(is_synthetic)s, 0, 0, 0, 0
           FROM dataset WHERE kind = %(kind)s AND name = %(name)s""",
        {"id": dataset_id, **vars(info)},
    )
    return dataset_id


def finish_dataset(connection: Connection, dataset_id: UUID, counts: Counts, rejects: Iterable[Reject], report: dict[str, Any]) -> None:
    """Write the counts, the report and the rejects of a run, in the running transaction."""
    connection.execute(
        """UPDATE dataset SET n_read = %s, n_accepted = %s, n_unchanged = %s, n_rejected = %s, report = %s WHERE id = %s""",
        [counts.read, counts.accepted, counts.unchanged, counts.rejected, Jsonb(report), dataset_id],
    )
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY reject (dataset_id, place, rule, message, message_zh, record) FROM STDIN") as copy,
    ):
        for reject in rejects:
            copy.write_row([dataset_id, reject.place, reject.rule, reject.message, reject.message_zh, Jsonb(reject.record)])


def last_version(connection: Connection, kind: str, name: str) -> tuple[UUID, str, Counts] | None:
    """Return id, sha256 and counts of the newest version of a dataset that was not taken back, None where there is none."""
    row = connection.execute(
        """SELECT id, sha256, n_read, n_accepted, n_unchanged, n_rejected FROM dataset d
           WHERE kind = %s AND name = %s AND NOT EXISTS (
               SELECT 1 FROM change_set c JOIN change_set u ON u.undoes = c.id
               WHERE c.dataset_id = d.id AND NOT EXISTS (SELECT 1 FROM change_set v WHERE v.undoes = u.id))
           ORDER BY version DESC LIMIT 1""",
        [kind, name],
    ).fetchone()
    return None if row is None else (row[0], row[1], Counts(*row[2:]))


def fetch_summary(connection: Connection) -> Sequence[dict[str, Any]]:
    """Return the newest version of every dataset with its counts, for reports."""
    with connection.cursor() as cursor:
        rows = cursor.execute(
            """SELECT DISTINCT ON (kind, name) kind, name, version, source, crs, is_synthetic, n_read, n_accepted, n_unchanged,
                      n_rejected, loaded_at FROM dataset ORDER BY kind, name, version DESC"""
        ).fetchall()
        names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in rows]
