"""Processes of the platform (OGC API - Processes 1.0): what one is, and the registry that packages add theirs to.

A package names a function in the entry point group ``cim.processes``; it takes nothing and returns `Process` objects. The server lists
them, checks inputs against their JSON Schemas, asks for the permission, and runs them at once or as jobs of the worker.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from cim.access import Permission, Principal
from cim.db import engine, row_security
from cim.errors import ConfigError
from cim.profile import Names
from cim.settings import Settings

SYNC, ASYNC = "sync-execute", "async-execute"


class JobDismissedError(Exception):
    """Somebody dismissed the job; raised out of `Context.report` so that the process ends."""


@dataclass(frozen=True)
class Input:
    """One input.

    Parameters
    ----------
    schema
        JSON Schema of the value; a ``default`` in it is used where the input is left out.
    """

    title: Names
    schema: Mapping[str, Any]
    required: bool = True
    description: Names | None = None


@dataclass(frozen=True)
class Output:
    """One output; its value is JSON, or a `File`."""

    title: Names
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class File:
    """A result kept as a file in the job's folder, served by reference.

    Parameters
    ----------
    name
        File name inside `Context.folder`.
    media_type
        Its media type.
    """

    name: str
    media_type: str


class Context:
    """What a running process works with.

    Parameters
    ----------
    settings
        Deployment settings.
    principal
        Who asked; `connection` shows what he may see.
    folder
        Where files of the result go; None while run at once.
    on_report
        Called with progress [%] and message.
    name
        Name of the store's sessions, so that a dismissed job's statements can be ended.
    """

    def __init__(
        self,
        settings: Settings,
        principal: Principal,
        *,
        folder: Path | None = None,
        on_report: Callable[[int, str], None] | None = None,
        name: str = "cim",
    ) -> None:
        self.settings = settings
        self.principal = principal
        self.folder = folder
        self._on_report = on_report
        self._name = name

    def report(self, progress: int, message: str = "") -> None:
        """Tell how far the process is (0-100 %); call it now and then, it is also how a dismissal reaches the process.

        Raises
        ------
        JobDismissedError
            Let it pass.
        """
        if self._on_report is not None:
            self._on_report(max(0, min(99, progress)), message)

    @contextlib.contextmanager
    def connection(self, *, writing: bool = False) -> Iterator[engine.Connection]:
        """Open a transaction on the store with the row filter of the principal.

        Parameters
        ----------
        writing
            The process changes rows; otherwise the transaction is read-only.
        """
        with engine.connect(self.settings) as connection:
            connection.execute("SELECT set_config('application_name', %s, false)", [self._name])
            limit = self.settings.database.statement_timeout_ms if self.folder is None else 0
            connection.execute("SELECT set_config('statement_timeout', %s, true)", [str(limit)])
            if not writing:
                connection.execute("SET TRANSACTION READ ONLY")
            row_security.enter(connection, self.principal.scope, writing=writing)
            yield connection


Run = Callable[[Context, dict[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Process:
    """A process.

    Parameters
    ----------
    id
        Its id in the API.
    version
        Version of its inputs and outputs.
    run
        Takes context and checked inputs, returns a value per output; raises a `cim.errors.CimError` for what the client or the operator
        must correct. It may run twice and may be killed at any point.
    permission
        Needed to execute it.
    modes
        ``sync-execute`` (answers within seconds), ``async-execute``, or both.
    collections
        Collections the principal must see.
    needs_all_rows
        Refused to principals with a row filter, because the result is about all rows (tiles, exports for everybody).
    example
        An ``execute`` body that works.
    """

    id: str
    version: str
    title: Names
    description: Names
    inputs: Mapping[str, Input]
    outputs: Mapping[str, Output]
    run: Run
    permission: Permission = Permission.RUN
    modes: tuple[str, ...] = (SYNC, ASYNC)
    keywords: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    needs_all_rows: bool = False
    example: Mapping[str, Any] = field(default_factory=dict)


@cache
def processes() -> dict[str, Process]:
    """Return all processes of this installation, by id.

    Raises
    ------
    ConfigError
        Two packages offer one id.
    """
    found: dict[str, Process] = {}
    for point in sorted(entry_points(group="cim.processes"), key=lambda one: one.name):
        offered: Iterable[Process] = point.load()()
        for one in offered:
            if one.id in found:
                raise ConfigError(
                    f"process {one.id}: offered twice, last by the entry point {point.name}", hint="remove one of the packages"
                )
            found[one.id] = one
    return dict(sorted(found.items()))
