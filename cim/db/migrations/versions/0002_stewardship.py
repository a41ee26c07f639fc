"""Add the review list, authority of sources, building safety, personal data, gaps of codes and as-of functions."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Create tables, columns and functions."""
    connection = op.get_bind()
    for name in ("0002_stewardship.sql", "0002_functions.sql"):
        connection.exec_driver_sql((_SQL / name).read_text(encoding="utf-8").replace("%", "%%"))
