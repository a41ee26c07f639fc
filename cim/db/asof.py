"""The state of the register at any past moment.

In SQL every versioned table has a function ``<table>_as_of(moment)``; here it is a SQLAlchemy selectable with the table's columns. A state
is what had been committed under transactions that began before the moment: a load that began earlier and is still running shows up, with
its own start, once it commits.
"""

from datetime import UTC, datetime

from sqlalchemy import Table, column, func
from sqlalchemy.sql.selectable import TableValuedAlias

from cim.clock import utc_now
from cim.db.tables.history import VERSIONED
from cim.errors import InvalidParameterError


def as_of(table: Table, moment: datetime) -> TableValuedAlias:
    """Return the rows of a versioned table as they stood at a moment.

    Parameters
    ----------
    table
        One of `cim.db.tables.history.VERSIONED`.
    moment
        With time zone.

    Returns
    -------
    TableValuedAlias
        Selectable with the columns of the table (``.c``).

    Raises
    ------
    InvalidParameterError
        The table has no history, or the moment has no time zone or lies in the future.

    Examples
    --------
    >>> from cim.db.tables.register import building
    >>> str(as_of(building, datetime(2026, 5, 1, tzinfo=UTC)).c.code)
    'building_as_of.code'
    """
    if table not in VERSIONED:
        raise InvalidParameterError("table", table.name, f"one of {', '.join(one.name for one in VERSIONED)}")
    if moment.tzinfo is None:
        raise InvalidParameterError("moment", moment.isoformat(), "a time with a time zone", hint="add Z or +08:00")
    if moment.astimezone(UTC) > utc_now():
        raise InvalidParameterError("moment", moment.isoformat(), f"a moment until now ({utc_now().isoformat(timespec='seconds')})")
    made = getattr(func, f"{table.name}_as_of")(moment).table_valued(*(column(c.name, c.type) for c in table.columns))
    aliased: TableValuedAlias = made.alias(f"{table.name}_as_of")
    return aliased
