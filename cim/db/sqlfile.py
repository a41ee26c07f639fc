"""Statements kept in files: one statement per file of ``cim/db/queries``, with a header that names what goes in and comes out."""

import re
from functools import cache
from importlib import resources
from typing import LiteralString

from cim.errors import StoreError

_PARAMETER = re.compile(r"%\((\w+)\)s")
_HEADER = re.compile(r"^-- (in|out|index): ?(.*)$", re.MULTILINE)


def names() -> list[str]:
    """Return the names of all statements, sorted."""
    folder = resources.files("cim.db") / "queries"
    return sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))


def declared_parameters(text: str) -> set[str]:
    """Return the parameter names of the ``-- in:`` header line, empty for ``none``."""
    header = dict(_HEADER.findall(text))
    if "in" not in header or "out" not in header:
        raise StoreError("query file: expected header lines `-- in:` and `-- out:`")
    listed = re.sub(r"\[[^\]]*\]", "", header["in"])
    return {part.strip() for part in listed.split(",")} - {"", "none"}


@cache
def load(name: str) -> LiteralString:
    """Return the statement of a file.

    Parameters
    ----------
    name
        File name without ``.sql``.

    Raises
    ------
    StoreError
        There is no such file, or its header and its parameters differ.
    """
    try:
        text = (resources.files("cim.db") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise StoreError(f"query file {name}.sql: not part of this installation, expected one of {', '.join(names())}") from error
    used, declared = set(_PARAMETER.findall(text)), declared_parameters(text)
    if used != declared:
        raise StoreError(f"query file {name}.sql: header names {sorted(declared)}, statement uses {sorted(used)}")
    return text
