"""Give network parts the village or community they lie in."""

from pathlib import Path

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Create the columns and fill them."""
    op.get_bind().exec_driver_sql((_SQL / "0014_network_divisions.sql").read_text(encoding="utf-8").replace("%", "%%"))
