"""Alembic environment: one transaction, under an advisory lock so that two starts do not migrate at once."""

from alembic import context
from sqlalchemy import text

from cim.db.tables import METADATA

_LOCK_KEY = 4_490_2701


def run() -> None:
    """Run the migrations on the connection handed over by `cim.db.migrate`."""
    connection = context.config.attributes["connection"]
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
    context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True)
    context.run_migrations()


run()
