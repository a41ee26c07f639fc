"""Connections: private cluster or ``CIM_DATABASE__URL``, with errors in words and secrets left out."""

import atexit
import contextlib
import queue
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import conninfo as libpq
from psycopg import errors as pg_errors
from psycopg.rows import TupleRow

from cim.db.cluster import Cluster
from cim.errors import CimError, ConflictError, ForbiddenError, StorageFullError, StoreError, StoreUnavailableError
from cim.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy

Connection = psycopg.Connection[TupleRow]


def conninfo(settings: Settings) -> str:
    """Return libpq parameters of the store, password included: never print this.

    Raises
    ------
    ClusterError
        The private cluster does not run.
    """
    url = settings.database.url
    text = Cluster(settings.data_dir).conninfo() if url is None else url.get_secret_value()
    # PgBouncer refuses the parameter options; `_settle` sets what it can.
    more = {} if settings.database.pgbouncer else {"options": "-c timezone=UTC -c jit=off"}
    return libpq.make_conninfo(text, connect_timeout=settings.database.connect_timeout_s, application_name="cim", **more)


def _settle(connection: Connection, settings: Settings) -> Connection:
    """Fit a new connection to PgBouncer in transaction mode, which follows the time zone of a client, but not its prepared statements."""
    if settings.database.pgbouncer:
        connection.prepare_threshold = None
        with connection.transaction():
            connection.execute("SET timezone TO 'UTC'")
    return connection


def conninfo_parts(settings: Settings) -> dict[str, str]:
    """Return the libpq parameters of the store as a mapping, password included: never print this."""
    return {name: str(value) for name, value in libpq.conninfo_to_dict(conninfo(settings)).items() if value is not None}


def join_conninfo(parts: dict[str, str]) -> str:
    """Return libpq parameters as one string."""
    return libpq.make_conninfo("", **parts)


def address(settings: Settings) -> str:
    """Return host, port and database of the store for people, without credentials."""
    if settings.database.url is None:
        where = Cluster(settings.data_dir).address()
        return f"private cluster, 127.0.0.1:{where.port}/cim" if where else "private cluster (stopped)"
    parts = libpq.conninfo_to_dict(settings.database.url.get_secret_value())
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def store_error(error: psycopg.Error, settings: Settings) -> CimError:
    """Turn a driver error into one of ours, in words and without secrets."""
    where = address(settings)
    if isinstance(error, pg_errors.DiskFull):
        return StorageFullError(f"store {where}: no space left on its disk", hint="free disk space and run the command again")
    if isinstance(error, pg_errors.IntegrityError):
        return ConflictError(f"{error.diag.message_primary} ({error.diag.constraint_name})")
    if isinstance(error, pg_errors.InsufficientPrivilege) and "row-level security" in str(error.diag.message_primary):
        return ForbiddenError("the feature lies, or would lie, outside of the divisions of this token")
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        text = str(error).strip().splitlines()[-1] if str(error).strip() else "no answer"
        if "authentication failed" in text or "no password supplied" in text:
            return StoreError(f"store {where}: user or password refused", hint="correct CIM_DATABASE__URL")
        if "does not exist" in text:
            return StoreError(
                f"store {where}: {text.rpartition('FATAL:')[2].strip()}",
                hint="create the database, or correct CIM_DATABASE__URL",
            )
        return StoreUnavailableError(f"store {where}: does not answer", hint="cim db status; cim db start")
    if isinstance(error, pg_errors.AdminShutdown | pg_errors.CrashShutdown | pg_errors.CannotConnectNow):
        return StoreUnavailableError(f"store {where}: is stopping or starting", hint="try again in a few seconds")
    if isinstance(error, pg_errors.UndefinedTable | pg_errors.UndefinedFunction | pg_errors.UndefinedColumn):
        return StoreError(f"store {where}: {error.diag.message_primary}", hint="cim db migrate")
    return StoreError(f"store {where}: {error.diag.message_primary or type(error).__name__}")


@contextlib.contextmanager
def connect(settings: Settings, *, autocommit: bool = False) -> Iterator[Connection]:
    """Open a connection; leaving the block commits, an error rolls back.

    Raises
    ------
    StoreUnavailableError
        No answer.
    StoreError
        The server refused; carries no password and no SQL.
    """
    try:
        with psycopg.connect(conninfo(settings), autocommit=autocommit) as connection:
            yield _settle(connection, settings)
    except psycopg.Error as error:
        raise store_error(error, settings) from error


_KEPT: dict[str, "queue.SimpleQueue[Connection]"] = {}


@atexit.register
def _close_kept() -> None:
    for free in _KEPT.values():
        with contextlib.suppress(queue.Empty):
            while True:
                free.get_nowait().close()


@contextlib.contextmanager
def kept(settings: Settings) -> Iterator[Connection]:
    """Lend a connection in autocommit mode that stays open for the next use in this process.

    For short work that is done again and again: opening a connection and loading PostGIS into it take longer than a small rebuild.

    Raises
    ------
    StoreUnavailableError, StoreError
        As `connect`; the connection is not used again then.
    """
    text = conninfo(settings)
    free = _KEPT.setdefault(text, queue.SimpleQueue())
    connection: Connection | None = None
    try:
        with contextlib.suppress(queue.Empty):
            connection = free.get_nowait()
            # The server may have been started anew meanwhile.
            with contextlib.suppress(psycopg.OperationalError):
                connection.execute("SELECT 1")
            if connection.closed:
                connection = None
        if connection is None:
            connection = psycopg.connect(text, autocommit=True)
        yield connection
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, psycopg.Error):
            raise store_error(error, settings) from error
        raise
    free.put(connection)


def sqlalchemy_engine(settings: Settings) -> "sqlalchemy.Engine":
    """Return an engine over psycopg for migrations and metadata checks."""
    import sqlalchemy

    text = conninfo(settings)

    def creator() -> Any:  # noqa: ANN401 - SQLAlchemy's creator signature
        return _settle(psycopg.connect(text), settings)

    return sqlalchemy.create_engine("postgresql+psycopg://", creator=creator, poolclass=sqlalchemy.NullPool)
