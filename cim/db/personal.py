"""Encrypted personal data: written at ingest, read by nobody but an authorised officer with the key."""

import json
from collections.abc import Iterable
from uuid import UUID

from cim.db.engine import Connection


def save(connection: Connection, dataset_id: UUID, cells: Iterable[tuple[str, str | None]]) -> int:
    """Store ciphertexts: building code and a JSON object of field → ciphertext, or None."""
    n = 0
    with connection.cursor() as cursor:
        for code, text in cells:
            for field, ciphertext in json.loads(text or "{}").items():
                cursor.execute(
                    """INSERT INTO personal_data (building_code, field, ciphertext, dataset_id) VALUES (%s, %s, %s, %s)
                       ON CONFLICT (building_code, field) DO UPDATE
                       SET ciphertext = excluded.ciphertext, dataset_id = excluded.dataset_id, recorded_at = now()""",
                    [code, field, ciphertext, dataset_id],
                )
                n += 1
    return n


def fetch(connection: Connection, code: str) -> dict[str, str]:
    """Return the ciphertexts of a building by field."""
    return dict(connection.execute("SELECT field, ciphertext FROM personal_data WHERE building_code = %s", [code]).fetchall())
