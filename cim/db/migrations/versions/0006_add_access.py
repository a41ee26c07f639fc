"""Add tokens, audit events and process jobs."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Create the tables."""
    op.get_bind().exec_driver_sql((_SQL / "0006_access.sql").read_text(encoding="utf-8").replace("%", "%%"))
