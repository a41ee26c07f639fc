"""Add quarantine, versions, groups, SI units and geometry states to BIM models."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Change the tables."""
    op.get_bind().exec_driver_sql((_SQL / "0007_bim.sql").read_text(encoding="utf-8").replace("%", "%%"))
