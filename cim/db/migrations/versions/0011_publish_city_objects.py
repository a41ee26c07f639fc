"""Count city objects and planning zones for their collections; find the parts of a city object by index."""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Create index and triggers; count what is there."""
    op.get_bind().exec_driver_sql((_SQL / "0011_city_objects.sql").read_text(encoding="utf-8").replace("%", "%%"))
