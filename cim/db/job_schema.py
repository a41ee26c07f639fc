"""The tables of the job queue (procrastinate), in the store itself: no broker."""

import sqlalchemy
from procrastinate.schema import SchemaManager


def apply_job_schema(connection: sqlalchemy.Connection) -> None:
    """Create the queue's tables where they are missing."""
    found = connection.exec_driver_sql("SELECT to_regclass('public.procrastinate_jobs')").scalar()
    if found is None:
        connection.exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
