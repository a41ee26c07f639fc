"""Intake of IFC files: what can be refused from the text is refused before any parser of ours or others runs."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from cim.errors import SourceSyntaxError, UnsupportedFormatError
from ingest.source import require_file, sha256_of

READABLE = ("IFC2X3", "IFC4", "IFC4X3", "IFC4X3_ADD2")
MAX_BYTES = 2 * 1024**3
MAX_RATIO = 200
_SCHEMA = re.compile(rb"FILE_SCHEMA\s*\(\s*\(\s*'([^']*)'", re.IGNORECASE)
_INSTANCE = re.compile(rb"(?:^|[;\s])#(\d+)\s*=\s*([A-Za-z0-9_]+)\s*\(")
_REFERENCE = re.compile(rb"#(\d+)")
_STRING = re.compile(rb"'(?:[^']|'')*'")
_COMMENT = re.compile(rb"/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class IfcText:
    """What the text of the file says.

    Parameters
    ----------
    path
        The plain .ifc file (extracted from the archive where it was one).
    sha256
        Of the plain file.
    schema
        As written in the header.
    n_instances
        Entity instances in the DATA section.
    size_bytes
        Of the plain file.
    """

    path: Path
    sha256: str
    schema: str
    n_instances: int
    size_bytes: int


def open_intake(path: Path, scratch: Path) -> IfcText:
    """Check a file at the door.

    Parameters
    ----------
    path
        .ifc or .ifczip.
    scratch
        Folder for the extracted file.

    Raises
    ------
    SourceSyntaxError
        Missing, empty, cut off, no STEP file, repeated instance numbers, dangling references, hostile archive.
    UnsupportedFormatError
        ifcXML, or a schema that cannot be read; says what to export instead.
    """
    require_file(path)
    suffix = path.suffix.lower()
    if suffix in (".ifcxml", ".xml"):
        raise UnsupportedFormatError(
            path, "found ifcXML, expected a STEP file (.ifc) or .ifczip", hint="export the model as IFC (STEP) again"
        )
    if suffix not in (".ifc", ".ifczip", ".zip"):
        raise UnsupportedFormatError(path, f"found {suffix or 'no suffix'}, expected .ifc or .ifczip")
    plain = _extract(path, scratch) if suffix != ".ifc" else path
    if plain.stat().st_size > MAX_BYTES:
        raise SourceSyntaxError(path, f"{plain.stat().st_size} bytes, expected at most {MAX_BYTES}", hint="split the model")
    raw = plain.read_bytes()
    return _check(path, plain, raw)


def _extract(path: Path, scratch: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.lower().endswith(".ifc")]
            if len(members) != 1:
                raise SourceSyntaxError(path, f"found {len(members)} .ifc files in the archive, expected one")
            member = members[0]
            if member.file_size > MAX_BYTES or member.file_size > MAX_RATIO * max(member.compress_size, 1):
                raise SourceSyntaxError(path, f"unpacks to {member.file_size} bytes, refused (archive bomb)", where=member.filename)
            # The name inside the archive is never used as a path.
            target = scratch / "model.ifc"
            written = 0
            with archive.open(member) as packed, target.open("wb") as plain:
                while block := packed.read(1 << 20):
                    written += len(block)
                    if written > member.file_size:
                        raise SourceSyntaxError(path, "unpacks to more than its directory says, refused", where=member.filename)
                    plain.write(block)
            return target
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise SourceSyntaxError(path, f"not a readable zip archive: {error}", hint="zip the file again") from error


def _check(path: Path, plain: Path, raw: bytes) -> IfcText:
    head = raw[:400].lstrip()
    if head.startswith(b"version https://git-lfs"):
        raise SourceSyntaxError(path, "this is a Git LFS pointer, not the model", hint="git lfs pull, then upload the real file")
    if not head.startswith(b"ISO-10303-21"):
        shown = head[:24].decode("ascii", errors="replace")
        raise SourceSyntaxError(path, f"starts with {shown!r}, expected ISO-10303-21 (no IFC file)", hint="export the model as IFC again")
    found = _SCHEMA.search(raw[:65536])
    if found is None:
        raise SourceSyntaxError(path, "the header names no FILE_SCHEMA", where="HEADER", hint="export the model as IFC again")
    schema = found.group(1).decode("ascii", errors="replace").upper()
    if schema not in READABLE:
        raise UnsupportedFormatError(
            path, f"schema {schema} cannot be read, expected one of {', '.join(READABLE)}", hint="export the model as IFC4 or IFC4X3_ADD2"
        )
    if b"END-ISO-10303-21" not in raw[-4096:]:
        raise SourceSyntaxError(path, "the end is missing (no END-ISO-10303-21): the file is cut off", hint="copy or export the file again")
    start = raw.find(b"DATA;")
    if start < 0:
        raise SourceSyntaxError(path, "found no DATA section", hint="export the model as IFC again")
    # Strings may hold anything, '#12=' too; they are blanked before instances are counted.
    data = _COMMENT.sub(b" ", _STRING.sub(b"''", raw[start + 5 :]))
    numbers = [int(match) for match, _ in _INSTANCE.findall(data)]
    known = set(numbers)
    if not numbers:
        raise SourceSyntaxError(path, "the DATA section is empty", hint="export the model as IFC again")
    if len(known) != len(numbers):
        seen: set[int] = set()
        twice = next(number for number in numbers if number in seen or seen.add(number))  # type: ignore[func-returns-value]  # set.add returns None
        raise SourceSyntaxError(path, f"instance number #{twice} occurs twice", where=f"#{twice}", hint="export the model as IFC again")
    dangling = {int(number) for number in _REFERENCE.findall(data)} - known
    if dangling:
        raise SourceSyntaxError(
            path, f"refers to #{min(dangling)}, which is not in the file", where=f"#{min(dangling)}", hint="export the model again"
        )
    return IfcText(plain, sha256_of(plain), schema, len(numbers), len(raw))
