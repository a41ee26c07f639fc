"""Keep every shape of BIM elements once; what is there is turned into shapes around their middle."""

import hashlib
from pathlib import Path

import numpy as np
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"
_STEP_M = 2.0**-17
_BATCH = 500


def _run(name: str) -> None:
    op.get_bind().exec_driver_sql((_SQL / name).read_text(encoding="utf-8").replace("%", "%%"))


def upgrade() -> None:
    """Create the tables, move the meshes, drop the old columns."""
    _run("0010_bim_shapes.sql")
    connection = op.get_bind()
    while rows := connection.exec_driver_sql(
        "SELECT element_code, vertices, faces, face_materials, colours FROM bim_mesh WHERE shape_hash IS NULL LIMIT %s", (_BATCH,)
    ).fetchall():
        for code, *parts in rows:
            vertices = np.frombuffer(bytes(parts[0]), "<f8").reshape(-1, 3)
            low, high = (vertices.min(axis=0), vertices.max(axis=0)) if len(vertices) else (np.zeros(3), np.zeros(3))
            middle = np.rint((low + high) / 2 / _STEP_M) * _STEP_M
            step = max(_STEP_M, float((high - low).max()) / 2e9)
            kept = [np.rint((vertices - middle) / step).astype("<i4").tobytes(), *(bytes(part) for part in parts[1:])]
            digest = hashlib.sha256(repr(step).encode() + b"".join(kept)).hexdigest()[:32]
            connection.exec_driver_sql(
                """INSERT INTO bim_shape (hash, step_m, points, faces, face_materials, colours) VALUES (%s, %s, %s, %s, %s, %s)
                   ON CONFLICT DO NOTHING""",
                (digest, step, *kept),
            )
            matrix = np.column_stack((np.eye(3), middle)).ravel().tolist()
            connection.exec_driver_sql("UPDATE bim_mesh SET shape_hash = %s, matrix = %s WHERE element_code = %s", (digest, matrix, code))
    _run("0010_bim_mesh.sql")
