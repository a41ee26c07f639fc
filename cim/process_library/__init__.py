"""Processes of the platform itself: addresses, codes, statistics, plans, exports."""

from collections.abc import Iterable

from cim.process_library import addresses, codes, export, planning, statistics
from cim.process_library.echo import ECHO
from cim.processes import Process


def offered() -> Iterable[Process]:
    """Return the processes of this package."""
    return (ECHO, addresses.GEOCODE, addresses.REVERSE, codes.CHECK, statistics.STATISTICS, export.EXPORT, planning.CHECK)
