"""The time: always UTC, always aware."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current instant in UTC."""
    return datetime.now(UTC)
