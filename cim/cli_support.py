"""What every command shares: settings, output as table or JSON, progress on stderr, errors to exit codes."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from cim.settings import Settings, load_settings

EXIT_FAULT, EXIT_USAGE, EXIT_RETRY = 1, 2, 75


def settings_from(ctx: typer.Context) -> Settings:
    """Return the settings of this run: handed over by the caller, or read from the environment once."""
    root = ctx.find_root()
    if not isinstance(root.obj, Settings):
        root.obj = load_settings()
    return root.obj


def emit(data: Any, *, as_json: bool, text: Callable[[Console], None] | None = None) -> None:  # noqa: ANN401 - any JSON document
    """Write a result to standard output.

    Parameters
    ----------
    data
        JSON-serialisable result.
    as_json
        Write ``data`` as one JSON document.
    text
        Otherwise draws the result for people; None prints ``data`` as indented JSON.
    """
    if as_json or text is None:
        sys.stdout.write(orjson.dumps(data, option=orjson.OPT_INDENT_2, default=str).decode() + "\n")
        sys.stdout.flush()
    else:
        text(Console(file=sys.stdout, soft_wrap=True))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return a table for people."""
    drawn = Table(title=title, title_justify="left")
    for name in columns:
        drawn.add_column(name, overflow="fold")
    for row in rows:
        # Cells are data: what looks like markup in them is text.
        drawn.add_row(*["" if cell is None else escape(str(cell)) for cell in row])
    return drawn


def progress() -> Progress:
    """Return a progress display on standard error, silent where nobody looks."""
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def say(message: str) -> None:
    """Tell the operator something on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(message, markup=False)


def as_json_error(error: dict[str, Any]) -> str:
    """Return an error as one JSON line for ``--json`` callers."""
    return json.dumps({"error": error}, ensure_ascii=False)
