"""Sections of ``.inp`` files (EPANET, SWMM): tokens with their line numbers; what is broken is named by line."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cim.errors import SourceSyntaxError
from ingest.source import require_file


@dataclass(frozen=True)
class Row:
    """A line of a section.

    Parameters
    ----------
    line
        Line number in the file, from 1.
    cells
        Its tokens.
    """

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class InpFile:
    """A file cut into sections.

    Parameters
    ----------
    path
        The file.
    raw
        Its bytes.
    sections
        Section name in capitals → rows in order.
    """

    path: Path
    raw: bytes
    sections: dict[str, list[Row]]

    def rows(self, section: str, least: int) -> Iterator[Row]:
        """Yield the rows of a section.

        Raises
        ------
        SourceSyntaxError
            A row has fewer than ``least`` tokens; names the line.
        """
        for row in self.sections.get(section, []):
            if len(row.cells) < least:
                raise SourceSyntaxError(
                    self.path, f"[{section}]: found {len(row.cells)} values, expected at least {least}", where=f"line {row.line}",
                    hint="correct the line",
                )  # fmt: skip
            yield row

    def options(self) -> dict[str, str]:
        """Return [OPTIONS] by name in capitals; the last word of the name is the key where it has several."""
        return {" ".join(row.cells[:-1]).upper(): row.cells[-1].upper() for row in self.sections.get("OPTIONS", []) if len(row.cells) > 1}

    def number(self, section: str, row: Row, at: int, *, name: str, default: float | None = None) -> float:
        """Return a number of a row.

        Raises
        ------
        SourceSyntaxError
            The token is missing or no number; names the line.
        """
        if at >= len(row.cells) and default is not None:
            return default
        try:
            return float(row.cells[at])
        except (ValueError, IndexError):
            found = repr(row.cells[at]) if at < len(row.cells) else "nothing"
            raise SourceSyntaxError(
                self.path, f"[{section}] {name}: found {found}, expected a number", where=f"line {row.line}", hint="correct the line"
            ) from None


def read_inp(path: Path) -> InpFile:
    """Read a file.

    Raises
    ------
    SourceSyntaxError
        Missing, empty, or a line before the first section.
    """
    require_file(path)
    raw = path.read_bytes()
    text = raw.decode("utf-8-sig", errors="replace") if _is_utf8(raw) else raw.decode("latin-1")
    sections: dict[str, list[Row]] = {}
    current: list[Row] | None = None
    for n, line in enumerate(text.splitlines(), 1):
        content = line.partition(";")[0].strip()
        if not content:
            continue
        if content.startswith("["):
            name, closed, _ = content[1:].partition("]")
            if not closed:
                raise SourceSyntaxError(path, f"found {content!r}, expected a section name in brackets", where=f"line {n}")
            current = sections.setdefault(name.strip().upper(), [])
            continue
        if current is None:
            raise SourceSyntaxError(
                path, f"found {content[:40]!r} before the first section, expected [TITLE] or another", where=f"line {n}"
            )
        current.append(Row(n, _tokens(content)))
    if not sections:
        raise SourceSyntaxError(path, "found no section, expected an EPANET or SWMM input file", where="line 1")
    return InpFile(path, raw, sections)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return True


def _tokens(content: str) -> tuple[str, ...]:
    if '"' in content:
        try:
            return tuple(shlex.split(content, posix=True))
        except ValueError:
            pass
    return tuple(content.split())


def dialect(file: InpFile) -> str:
    """Return ``epanet`` or ``swmm``.

    Raises
    ------
    SourceSyntaxError
        Neither.
    """
    if file.sections.keys() & {"PIPES", "RESERVOIRS", "TANKS"}:
        return "epanet"
    if file.sections.keys() & {"CONDUITS", "OUTFALLS", "SUBCATCHMENTS", "XSECTIONS"}:
        return "swmm"
    found = ", ".join(file.sections)
    raise SourceSyntaxError(file.path, f"found sections {found}; expected [PIPES] (EPANET) or [CONDUITS] (SWMM)")


def vertices(file: InpFile, links: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    """Return the inner vertices of the links that have any."""
    wanted, found = set(links), dict[str, list[tuple[float, float]]]()
    for row in file.rows("VERTICES", 3):
        if row.cells[0] in wanted:
            x, y = (file.number("VERTICES", row, i, name=row.cells[0]) for i in (1, 2))
            found.setdefault(row.cells[0], []).append((x, y))
    return found


def positions(file: InpFile) -> dict[str, tuple[float, float]]:
    """Return [COORDINATES] by node."""
    return {
        row.cells[0]: (
            file.number("COORDINATES", row, 1, name=row.cells[0]),
            file.number("COORDINATES", row, 2, name=row.cells[0]),
        )
        for row in file.rows("COORDINATES", 3)
    }
