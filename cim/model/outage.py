"""Shutdowns of network parts: their states and which state may follow which."""

from cim.errors import ConflictError

NEXT = {
    "planned": ("in_progress", "cancelled", "conflict"),
    "conflict": ("planned", "in_progress", "cancelled"),
    "in_progress": ("finished",),
    "finished": (),
    "cancelled": (),
}
"""State → states that may follow. A planned shutdown that touches another one is in conflict until one of them moves or is cancelled."""
CAUSES = ("planned", "accidental")
ACTIVE = ("planned", "in_progress")
"""States in which a shutdown may get into the way of another one."""


def require_step(number: str, state: str, following: str) -> None:
    """Check that a state may follow another.

    Raises
    ------
    ConflictError
        It may not; names what may.

    Examples
    --------
    >>> require_step("OUT-2026-000001", "planned", "in_progress")
    """
    if following not in NEXT[state]:
        allowed = ", ".join(NEXT[state]) or "nothing: it is closed"
        raise ConflictError(f"{number} is {state}: found {following}, expected {allowed}", hint=f"cim network outage show {number}")
