"""Alembic migrations: forward only, one purpose per revision."""
