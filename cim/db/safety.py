"""Building safety: appraisals, hazards and their steps, inspections. Records are added and closed, never deleted."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from cim.clock import utc_now
from cim.db.engine import Connection
from cim.db.succession import fetch_building
from cim.db.tables.stewardship import HAZARD_STATES
from cim.errors import ConflictError, InvalidParameterError, NotFoundError
from cim.ids import new_id
from cim.model.building import GRADES

KINDS = ("structure", "facade", "fire", "gas", "electric", "illegal_alteration", "foundation", "other")
LEVELS = ("low", "medium", "high")
RESULTS = ("no_finding", "finding", "not_accessible")
_NEXT = {"found": ("measures",), "measures": ("eliminated",), "eliminated": ("rechecked", "measures"), "rechecked": ()}
"""State → states that may follow; a failed re-check goes back to measures."""


def _checked(connection: Connection, code: str) -> dict[str, Any]:
    building = fetch_building(connection, code)
    if building["status"] in ("demolished", "retired"):
        raise ConflictError(f"building {code}: found status {building['status']}, expected a standing one", hint=f"cim safety show {code}")
    return building


def _not_in_future(name: str, day: date) -> None:
    # Days are written by the local calendar; it runs up to 14 hours ahead of UTC.
    today = (utc_now() + timedelta(hours=14)).date()
    if day > today:
        raise InvalidParameterError(name, day.isoformat(), f"a day until today ({today.isoformat()})")


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InvalidParameterError(name, value, f"one of {', '.join(known)}")


def appraise(
    connection: Connection,
    code: str,
    change_set: UUID,
    *,
    grade: str,
    appraised_on: date,
    appraiser: str,
    report_no: str | None = None,
    valid_until: date | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """Record an appraisal; the newest one (by its day) sets the building's safety grade.

    Parameters
    ----------
    connection
        Inside a transaction.
    code
        A standing building.
    change_set
        Written with the record and the building.
    grade
        A safe, B locally affected, C local danger, D whole building dangerous.
    appraised_on, valid_until
        Days.
    appraiser, report_no, note
        Body, its report, remarks.

    Returns
    -------
    dict
        id, and the building's grade before and after.
    """
    building = _checked(connection, code)
    _one_of("grade", grade, GRADES)
    _not_in_future("on", appraised_on)
    if valid_until is not None and valid_until < appraised_on:
        raise InvalidParameterError("valid-until", valid_until.isoformat(), f"a day from {appraised_on.isoformat()} on")
    appraisal = new_id()
    newest = connection.execute("SELECT max(appraised_on) FROM safety_appraisal WHERE building_code = %s", [code]).fetchone()
    connection.execute(
        """INSERT INTO safety_appraisal (id, building_code, grade, appraised_on, valid_until, appraiser, report_no, note, change_set_id)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [appraisal, code, grade, appraised_on, valid_until, appraiser, report_no, note, change_set],
    )
    before = building["safety_grade"]
    is_newest = newest is None or newest[0] is None or appraised_on >= newest[0]
    # An equal grade is written too where another source gave it: from now on the appraisal stands against later surveys.
    if is_newest and (before != grade or (building["attribute_sources"] or {}).get("safety_grade") != "appraisal"):
        connection.execute(
            """UPDATE building SET safety_grade = %s, attribute_sources = attribute_sources || '{"safety_grade": "appraisal"}',
                      version = version + 1, valid_from = greatest(now(), valid_from + interval '1 microsecond'), recorded_at = now(),
                      change_set_id = %s WHERE code = %s""",
            [grade, change_set, code],
        )
    return {"id": appraisal, "building_code": code, "before": before, "after": grade if is_newest else before}


def add_hazard(
    connection: Connection,
    code: str,
    change_set: UUID,
    *,
    kind: str,
    level: str,
    description: str,
    found_by: str,
    found_on: date,
    photos: Sequence[str] = (),
) -> UUID:
    """Record a hazard, state found; return its id."""
    _checked(connection, code)
    _one_of("kind", kind, KINDS)
    _one_of("level", level, LEVELS)
    _not_in_future("on", found_on)
    hazard = new_id()
    connection.execute(
        """INSERT INTO safety_hazard (id, building_code, kind, level, description, found_by, found_on, photos, change_set_id)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [hazard, code, kind, level, description, found_by, found_on, Jsonb(list(photos)), change_set],
    )
    _add_step(connection, hazard, "found", found_on, found_by, None, change_set)
    return hazard


def advance_hazard(
    connection: Connection, hazard: UUID, change_set: UUID, *, state: str, done_on: date, done_by: str, note: str | None = None
) -> str:
    """Bring a hazard to its next state; return the state before.

    Raises
    ------
    NotFoundError
        There is no such hazard.
    ConflictError
        The state cannot follow the present one, or the day lies before the last step.
    """
    row = connection.execute(
        """SELECT h.state, (SELECT max(done_on) FROM safety_hazard_step s WHERE s.hazard_id = h.id) FROM safety_hazard h
           WHERE h.id = %s FOR UPDATE""",
        [hazard],
    ).fetchone()
    if row is None:
        raise NotFoundError(f"hazard {hazard}: not in the archive", hint="cim safety hazard list")
    _not_in_future("on", done_on)
    before, last = str(row[0]), row[1]
    if state not in _NEXT[before]:
        allowed = ", ".join(_NEXT[before]) or "none: it is closed, record a new hazard"
        raise ConflictError(f"hazard {hazard}: {before} cannot become {state}, expected {allowed}")
    if done_on < last:
        raise ConflictError(f"hazard {hazard}: {done_on.isoformat()} lies before its last step ({last.isoformat()})")
    connection.execute("UPDATE safety_hazard SET state = %s WHERE id = %s", [state, hazard])
    _add_step(connection, hazard, state, done_on, done_by, note, change_set)
    return before


def _add_step(connection: Connection, hazard: UUID, state: str, on: date, by: str, note: str | None, change_set: UUID) -> None:
    connection.execute(
        "INSERT INTO safety_hazard_step (hazard_id, state, done_on, done_by, note, change_set_id) VALUES (%s, %s, %s, %s, %s, %s)",
        [hazard, state, on, by, note, change_set],
    )


def inspect(
    connection: Connection,
    code: str,
    change_set: UUID,
    *,
    inspected_on: date,
    inspector: str,
    result: str,
    note: str | None = None,
    hazard: UUID | None = None,
) -> UUID:
    """Record an inspection; return its id."""
    _checked(connection, code)
    _one_of("result", result, RESULTS)
    _not_in_future("on", inspected_on)
    if hazard is not None:
        owner = connection.execute("SELECT building_code FROM safety_hazard WHERE id = %s", [hazard]).fetchone()
        if owner is None or owner[0] != code:
            raise NotFoundError(f"hazard {hazard}: not of building {code}", hint=f"cim safety show {code}")
    inspection = new_id()
    connection.execute(
        """INSERT INTO safety_inspection (id, building_code, inspected_on, inspector, result, note, hazard_id, change_set_id)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [inspection, code, inspected_on, inspector, result, note, hazard, change_set],
    )
    return inspection


def list_hazards(
    connection: Connection, *, division: str | None = None, state: str | None = None, level: str | None = None, limit: int = 1000
) -> list[dict[str, Any]]:
    """Return hazards, the worst and oldest first, with days since they were found; closed ones only when their state is asked for.

    Raises
    ------
    InvalidParameterError
        Not a state, level or division code.
    """
    for name, value, known in (("state", state, HAZARD_STATES), ("level", level, LEVELS)):
        if value is not None:
            _one_of(name, value, known)
    if division is not None and not (division.isascii() and division.isdigit()):
        raise InvalidParameterError("division", division, "a division code, 2 to 12 digits")
    return _rows(
        connection,
        """SELECT h.id, h.building_code, b.name, b.division_code, h.kind, h.level, h.state, h.found_on, h.description,
                  greatest(current_date - h.found_on, 0) AS days
           FROM safety_hazard h JOIN building b ON b.code = h.building_code
           WHERE (%(division)s::text IS NULL OR b.division_code LIKE %(division)s || '%%')
             AND (%(level)s::text IS NULL OR h.level = %(level)s)
             AND (h.state = %(state)s OR (%(state)s::text IS NULL AND h.state <> 'rechecked'))
           ORDER BY array_position(ARRAY['high', 'medium', 'low'], h.level), h.found_on, h.id LIMIT %(limit)s""",
        {"division": division, "state": state, "level": level, "limit": limit},
    )


def archive(connection: Connection, code: str) -> dict[str, Any]:
    """Return the whole safety archive of a building, in the order of time.

    Raises
    ------
    NotFoundError
        No building has this code.
    """
    building = fetch_building(connection, code)
    given = {"code": code}
    return {
        "code": code,
        "name": building["name"],
        "safety_grade": building["safety_grade"],
        "appraisals": _rows(
            connection,
            """SELECT id, grade, appraised_on, valid_until, appraiser, report_no, note, recorded_at FROM safety_appraisal
               WHERE building_code = %(code)s ORDER BY appraised_on, recorded_at""",
            given,
        ),
        "hazards": _rows(
            connection,
            """SELECT h.id, h.kind, h.level, h.description, h.state, h.found_on, h.found_by, h.photos,
                      (SELECT json_agg(json_build_object('state', s.state, 'on', s.done_on, 'by', s.done_by, 'note', s.note) ORDER BY s.id)
                       FROM safety_hazard_step s WHERE s.hazard_id = h.id) AS steps
               FROM safety_hazard h WHERE h.building_code = %(code)s ORDER BY h.found_on, h.id""",
            given,
        ),
        "inspections": _rows(
            connection,
            """SELECT id, inspected_on, inspector, result, note, hazard_id FROM safety_inspection
               WHERE building_code = %(code)s ORDER BY inspected_on, id""",
            given,
        ),
    }


def _rows(connection: Connection, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        rows = cursor.execute(statement.encode(), parameters).fetchall()
        names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in rows]
