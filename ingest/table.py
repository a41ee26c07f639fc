"""CSV tables: UTF-8 (with or without mark) or GB18030, found from the bytes, never silently wrong."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from cim.errors import EncodingError, SourceSyntaxError
from ingest.source import require_file


def read_csv(path: Path, required: Sequence[str], *, encoding: str | None = None) -> tuple[list[dict[str, str]], str]:
    """Read a CSV file.

    Parameters
    ----------
    path
        The file.
    required
        Columns that must be there.
    encoding
        Overrides the detection.

    Returns
    -------
    tuple
        Records as text, and the encoding used. Record ``i`` is line ``i + 2`` of the file where no field holds a line break.

    Raises
    ------
    SourceSyntaxError
        Missing, empty, without the required columns, or with rows of another length.
    EncodingError
        Neither UTF-8 nor GB18030.
    """
    require_file(path)
    raw = path.read_bytes()
    text, used = decode(path, raw, encoding)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = reader.fieldnames or []
        missing = [name for name in required if name not in names]
        if missing:
            raise SourceSyntaxError(path, f"found columns {', '.join(names)}, missing {', '.join(missing)}", where="line 1")
        rows = []
        for row in reader:
            if None in row or any(value is None for value in row.values()):
                raise SourceSyntaxError(path, f"expected {len(names)} fields", where=f"line {reader.line_num}")
            rows.append({name: value.strip() for name, value in row.items()})
    except csv.Error as error:
        raise SourceSyntaxError(path, str(error), where=f"line {reader.line_num}", hint="export the table again") from error
    return rows, used


def require_records(path: Path, rows: Sequence[object]) -> None:
    """Refuse a table with a header and nothing below it.

    Raises
    ------
    SourceSyntaxError
        With the next step.
    """
    if not rows:
        raise SourceSyntaxError(path, "found no records, expected at least one", where="line 2", hint="export the table again")


def decode(path: Path, raw: bytes, encoding: str | None) -> tuple[str, str]:
    """Return the text of a file and the encoding it was found in.

    Raises
    ------
    EncodingError
        Neither UTF-8 nor GB18030, or not the one given.
    """
    for candidate in [encoding] if encoding else ["utf-8-sig", "gb18030"]:
        try:
            return raw.decode(candidate), candidate
        except (UnicodeDecodeError, LookupError):
            continue
    raise EncodingError(path, f"the text is not {encoding or 'UTF-8 or GB18030'}", hint="pass --encoding NAME")
