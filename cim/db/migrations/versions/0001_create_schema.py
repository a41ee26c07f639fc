"""Create the register, BIM, network, catalogue and tile tables."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Create extensions, functions, tables and triggers."""
    connection = op.get_bind()
    for extension in ("postgis", "postgis_sfcgal", "pgrouting", "pg_trgm", "btree_gist"):
        connection.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {extension} CASCADE")
    functions, triggers = (_SQL / "0001_functions.sql").read_text(encoding="utf-8").split("DO $$", 1)
    connection.exec_driver_sql(functions.replace("%", "%%"))
    connection.exec_driver_sql((_SQL / "0001_schema.sql").read_text(encoding="utf-8").replace("%", "%%"))
    connection.exec_driver_sql(("DO $$" + triggers).replace("%", "%%"))
