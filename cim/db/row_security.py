"""Row-level security of the store: roles, grants, policies by division, and the check that they cost nothing.

Measured on 1,000,000 buildings: a naive policy makes a box query 560 times slower, because ``&&`` is not leakproof and the
index on the geometry is given up. So ``geometry_overlaps`` is declared leakproof (it compares two boxes and raises on mixed SRIDs
only, which the typed columns exclude), and the settings are read once per statement through scalar subqueries.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors as pg_errors
from psycopg import sql as pg

from cim.access import RowScope
from cim.db.engine import Connection

if TYPE_CHECKING:
    import sqlalchemy

READER, SCOPED, EDITOR = "cim_reader", "cim_scoped", "cim_scoped_editor"
"""Reads every row of the public tables; reads rows of its scope; reads and writes rows of its scope."""

_SECRET = ("personal_data", "access_token", "audit_event", "process_job")
"""Tables no request reads."""

_OPEN = (
    "alembic_version", "spatial_ref_sys", "city_profile", "dataset", "division", "division_history", "tileset", "raster",
    "attribute_authority", "change_set", "planning_control", "planning_control_history", "texture_image",
)  # fmt: skip
"""Tables without places of their own, which a restricted principal reads whole."""

_COLUMNS = {"change_event": ("id",)}
"""Tables of which a restricted principal reads these columns only: that something changed, not what."""

_COUNTY = "county_code = ANY ((SELECT cim_scope('counties'))::text[])"
_FINE = "(SELECT cim_scope_is_fine())"
_PLACE = (
    f"{_COUNTY} OR left(division_code, 9) = ANY ((SELECT cim_scope('towns'))::text[])"
    " OR division_code = ANY ((SELECT cim_scope('villages'))::text[])"
)
_BY_BUILDING = f"{_COUNTY} OR ({_FINE} AND cim_building_in_scope(building_code))"
_OF_BUILDING = "cim_building_in_scope(building_code)"
_OF_MODEL = "model_code IN (SELECT code FROM bim_model)"

POLICIES: dict[str, str] = {
    "building": _PLACE,
    "building_history": _PLACE,
    "address": _PLACE,
    "address_history": _PLACE,
    "unit": _BY_BUILDING,
    "unit_history": _BY_BUILDING,
    "network_node": _PLACE,
    "network_node_history": _PLACE,
    "network_edge": _PLACE,
    "network_edge_history": _PLACE,
    "bim_model": _BY_BUILDING,
    "bim_storey": _OF_MODEL,
    "bim_space": _OF_MODEL,
    "bim_element": _OF_MODEL,
    "bim_node": _OF_MODEL,
    "bim_member": _OF_MODEL,
    "bim_version": _OF_MODEL,
    "bim_version_part": _OF_MODEL,
    "city_object": _BY_BUILDING,
    "city_object_history": _BY_BUILDING,
    "representation": _BY_BUILDING,
    "building_lineage": "cim_building_in_scope(child_code) OR cim_building_in_scope(parent_code)",
    "external_code": "collection = 'buildings' AND cim_building_in_scope(code)",
    "safety_appraisal": _OF_BUILDING,
    "safety_hazard": _OF_BUILDING,
    "safety_inspection": _OF_BUILDING,
}
"""Tables with row filter: the condition a row must meet in the scope of a restricted principal. A table that is neither here nor
among the open ones is closed to restricted principals. A package with a new table adds its line here."""

_FUNCTIONS = """
CREATE OR REPLACE FUNCTION cim_scope(name text) RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(nullif(current_setting('cim.' || name, true), ''), '{}')::text[]
$$;
CREATE OR REPLACE FUNCTION cim_scope_is_fine() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT cardinality(cim_scope('towns')) + cardinality(cim_scope('villages')) > 0
$$;
CREATE OR REPLACE FUNCTION cim_building_in_scope(wanted text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT 1 FROM building
        WHERE code = wanted AND (county_code = ANY (cim_scope('counties')) OR left(division_code, 9) = ANY (cim_scope('towns'))
                                 OR division_code = ANY (cim_scope('villages'))))
$$;
"""

_LEAKPROOF = ("geometry_overlaps(geometry, geometry)",)


def fingerprint() -> str:
    """Return a text that changes with the rules."""
    return hashlib.sha256(repr((POLICIES, _OPEN, _COLUMNS, _SECRET, _FUNCTIONS, _LEAKPROOF)).encode()).hexdigest()[:16]


def create_roles(connection: Connection) -> None:
    """Create the roles of the server's requests where they are missing; they cannot log in.

    Raises
    ------
    psycopg.errors.InsufficientPrivilege
        The account may not create roles and they are not there.
    """
    for name in (READER, SCOPED, EDITOR):
        found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
        if found is None:
            try:
                with connection.transaction():
                    connection.execute(pg.SQL("CREATE ROLE {} NOLOGIN NOINHERIT").format(pg.Identifier(name)))
            except (pg_errors.DuplicateObject, pg_errors.UniqueViolation):
                continue  # another store of this server was migrated at the same moment
        member = connection.execute("SELECT pg_has_role(current_user, %s, 'MEMBER')", [name]).fetchone()
        if not (member and member[0]):
            connection.execute(pg.SQL("GRANT {} TO CURRENT_USER").format(pg.Identifier(name)))


def is_applied(connection: Connection) -> bool:
    """Tell whether the store has exactly these rules."""
    row = connection.execute(
        "SELECT obj_description(to_regprocedure('cim_scope(text)'), 'pg_proc') = %s AND to_regrole(%s) IS NOT NULL", [fingerprint(), EDITOR]
    ).fetchone()
    return bool(row and row[0])


def apply(connection: Connection) -> None:
    """Bring roles, grants and policies of the store in line with the rules of this module; safe to repeat.

    Parameters
    ----------
    connection
        Account that owns the tables, inside a transaction.
    """
    create_roles(connection)
    connection.execute(_FUNCTIONS.encode())
    for function in _LEAKPROOF:
        try:
            with connection.transaction():
                connection.execute(f"ALTER FUNCTION {function} LEAKPROOF".encode())
        except pg_errors.InsufficientPrivilege:
            continue  # only a superuser may; `problems` tells the operator
    tables = [row[0] for row in connection.execute(_TABLES).fetchall()]
    for name in tables:
        _grant(connection, name)
    for role in (READER, SCOPED, EDITOR):
        connection.execute(pg.SQL("GRANT USAGE ON SCHEMA public TO {}").format(pg.Identifier(role)))
    connection.execute(pg.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}").format(pg.Identifier(EDITOR)))
    connection.execute(pg.SQL("COMMENT ON FUNCTION cim_scope(text) IS {}").format(pg.Literal(fingerprint())))


_TABLES = """SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v')
               AND c.relname !~ '^(procrastinate_|pg_|geo(metry|graphy)_columns)'"""


def _grant(connection: Connection, name: str) -> None:
    table = pg.Identifier(name)
    connection.execute(
        pg.SQL("REVOKE ALL ON {} FROM {}, {}, {}").format(table, *(pg.Identifier(role) for role in (READER, SCOPED, EDITOR)))
    )
    if name in _SECRET:
        return
    connection.execute(pg.SQL("GRANT SELECT ON {} TO {}").format(table, pg.Identifier(READER)))
    # The editor's own statements reach every table that a change set touches; places are checked by the policies.
    connection.execute(pg.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}").format(table, pg.Identifier(EDITOR)))
    if name in _OPEN or name in POLICIES:
        connection.execute(pg.SQL("GRANT SELECT ON {} TO {}").format(table, pg.Identifier(SCOPED)))
    for column in _COLUMNS.get(name, ()):
        connection.execute(pg.SQL("GRANT SELECT ({}) ON {} TO {}").format(pg.Identifier(column), table, pg.Identifier(SCOPED)))
    if name in POLICIES:
        condition = pg.SQL(POLICIES[name])
        for statement in ("DROP POLICY IF EXISTS cim_all ON {}", "DROP POLICY IF EXISTS cim_scope ON {}"):
            connection.execute(pg.SQL(statement).format(table))
        connection.execute(pg.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(table))
        connection.execute(pg.SQL("CREATE POLICY cim_all ON {} FOR SELECT TO {} USING (true)").format(table, pg.Identifier(READER)))
        connection.execute(
            pg.SQL("CREATE POLICY cim_scope ON {} TO {}, {} USING ({})").format(
                table, pg.Identifier(SCOPED), pg.Identifier(EDITOR), condition
            )
        )


def apply_with(connection: "sqlalchemy.Connection") -> None:
    """Apply the rules over a connection of SQLAlchemy, inside its transaction."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("expected a psycopg connection")
    apply(driver)


@dataclass(frozen=True)
class Problem:
    """A rule that the store does not keep."""

    what: str
    hint: str


def problems(connection: Connection) -> list[Problem]:
    """Check at start what an upgrade of an extension or a restore silently resets: leakproof operators, policies, roles."""
    found = []
    for function in _LEAKPROOF:
        row = connection.execute("SELECT proleakproof FROM pg_proc WHERE oid = to_regprocedure(%s)", [function]).fetchone()
        if not (row and row[0]):
            found.append(
                Problem(
                    f"function {function} is not LEAKPROOF: queries of restricted users cannot use the geometry index",
                    f"as a superuser: ALTER FUNCTION {function} LEAKPROOF",
                )
            )
    unprotected = connection.execute(
        """SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relnamespace = 'public'::regnamespace AND NOT relrowsecurity""",
        [list(POLICIES)],
    ).fetchall()
    found += [Problem(f"table {row[0]}: row-level security is off", "cim db migrate") for row in unprotected]
    if not is_applied(connection):
        found.append(Problem("roles and policies are not those of this version", "cim db migrate"))
    return found


ENTER = """SELECT set_config('cim.counties', %(counties)s::text[]::text, true), set_config('cim.towns', %(towns)s::text[]::text, true),
                  set_config('cim.villages', %(villages)s::text[]::text, true), set_config('role', %(role)s, true)"""
"""Enters a row scope for the rest of the transaction."""


def settings_of(scope: RowScope, *, writing: bool = False) -> dict[str, object]:
    """Return the parameters of `ENTER`."""
    role = EDITOR if writing else SCOPED
    return {"counties": list(scope.counties), "towns": list(scope.towns), "villages": list(scope.villages), "role": role}


def enter(connection: Connection, scope: RowScope | None, *, writing: bool = False) -> None:
    """Put a row filter on the running transaction.

    Parameters
    ----------
    connection
        Inside a transaction.
    scope
        Row filter of the principal; None leaves the connection as it is.
    writing
        Rows of the scope may be written too; a row that would leave it is refused by the store.
    """
    if scope is not None:
        connection.execute(ENTER, settings_of(scope, writing=writing))


@contextlib.contextmanager
def seen_by(connection: Connection, scope: RowScope | None) -> Iterator[None]:
    """Show only the rows of a scope for some reads of a transaction that itself sees all; nothing that is written inside stays.

    Parameters
    ----------
    connection
        Of the owner.
    scope
        Row filter of the principal; None shows all.
    """
    if scope is None:
        yield
        return
    # Locks of rows ask for the right to write them.
    with connection.transaction(force_rollback=True):
        enter(connection, scope, writing=True)
        yield
