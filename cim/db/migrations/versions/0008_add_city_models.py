"""Add city objects with their representations and planning control; widen rasters; keep mean and highest ground of buildings."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Create tables, columns and triggers."""
    op.get_bind().exec_driver_sql((_SQL / "0008_city_models.sql").read_text(encoding="utf-8").replace("%", "%%"))
