"""Reports of BIM models: what the upload said about them."""

from typing import Any

from cim.db.engine import Connection


def fetch_report(connection: Connection, code: str) -> dict[str, Any] | None:
    """Return the report of a model, None where no model has this code."""
    row = connection.execute(
        """SELECT m.code, m.name, m.building_code, m.link_method, m.link_score, m.stage, m.sha256, d.report
           FROM bim_model m JOIN dataset d ON d.id = m.dataset_id WHERE m.code = %s""",
        [code],
    ).fetchone()
    if row is None:
        return None
    names = ("code", "name", "building_code", "link_method", "link_score", "stage", "sha256")
    return {**dict(zip(names, row[:7], strict=True)), **(row[7] or {})}
