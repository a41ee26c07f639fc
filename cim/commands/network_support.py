"""What the commands of networks share: options, the check of a kind, parts written as GeoPackage."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from cim.cli_support import say, table
from cim.db import network_reads
from cim.db.engine import Connection
from cim.db.tables.network import KINDS
from cim.errors import InvalidParameterError
from cim.exchange.network_package import write_parts

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
Kind = typer.Option(..., "--kind", help=f"{', '.join(KINDS)}.")
Out = typer.Option(None, "--out", help="Write the parts to this GeoPackage as well.")


def check_kind(kind: str) -> str:
    """Return a kind that there is.

    Raises
    ------
    InvalidParameterError
        There is no such kind.
    """
    if kind not in KINDS:
        raise InvalidParameterError("--kind", kind, f"one of {', '.join(KINDS)}")
    return kind


def save_parts(connection: Connection, kind: str, roles: Sequence[tuple[str, str, Sequence[str]]], out: Path | None) -> None:
    """Write parts to a GeoPackage: role, node or edge, codes."""
    if out is None:
        return
    known = {}
    for part in ("node", "edge"):
        codes = list(dict.fromkeys(code for _, which, some in roles if which == part for code in some))
        known[part] = {row["code"]: row for row in network_reads.fetch_parts(connection, kind, part, codes)}
    write_parts(
        out, [{"role": role, "part": part, **known[part][code]} for role, part, some in roles for code in some if code in known[part]]
    )
    say(f"written: {out}")


def counts(title: str, data: dict[str, Any]) -> Any:  # noqa: ANN401 - what draws
    """Return what draws a table of an answer: values, and the length of lists."""
    rows = [(name, len(value) if isinstance(value, list | dict) else value) for name, value in data.items()]
    return lambda console: console.print(table(title, ["", ""], rows))
