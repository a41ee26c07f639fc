"""Extend networks: equipment, roughness, service links, outages, source models."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql" / "networks.sql"


def upgrade() -> None:
    """Create columns, tables and functions."""
    op.get_bind().exec_driver_sql(_SQL.read_text(encoding="utf-8").replace("%", "%%"))
