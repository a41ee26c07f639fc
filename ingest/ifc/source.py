"""Intake of IFC files: what the first bytes and the archive's directory say; the text itself is read by the child alone."""

import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from cim.errors import SourceSyntaxError, UnsupportedFormatError
from ingest.source import require_file, sha256_of

READABLE = ("IFC2X3", "IFC4", "IFC4X3", "IFC4X3_ADD2")
MAX_BYTES = 2 * 1024**3
MAX_RATIO = 200
MAX_MEMBERS = 1000
_HEAD = 65536
_SCHEMA = re.compile(rb"FILE_SCHEMA\s*\(\s*\(\s*'([^']*)'", re.IGNORECASE)
_BOM = b"\xef\xbb\xbf"
_INSTEAD = {
    "IFC2X_FINAL": "IFC2X3 or IFC4", "IFC2X2_FINAL": "IFC2X3 or IFC4", "IFC4X1": "IFC4 or IFC4X3_ADD2", "IFC4X2": "IFC4 or IFC4X3_ADD2",
}  # fmt: skip
"""What to export in place of an old schema."""


@dataclass(frozen=True)
class IfcText:
    """A file that may be handed to the child.

    Parameters
    ----------
    path
        The plain .ifc file (extracted from the archive where it was one).
    sha256
        Of the plain file.
    schema
        As written in the header.
    size_bytes
        Of the plain file.
    """

    path: Path
    sha256: str
    schema: str
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
        Missing, empty, no STEP file, hostile archive.
    UnsupportedFormatError
        ifcXML, or a schema that cannot be read; says what to export instead.
    """
    require_file(path)
    suffix = path.suffix.lower()
    if suffix in (".ifcxml", ".xml"):
        raise _xml(path)
    if suffix not in (".ifc", ".ifczip", ".zip"):
        raise UnsupportedFormatError(
            path, f"found {suffix or 'no suffix'}, expected .ifc or .ifczip", hint="export the model as IFC (STEP)"
        )
    plain = _extract(path, scratch) if suffix != ".ifc" else path
    size = plain.stat().st_size
    if size > MAX_BYTES:
        raise SourceSyntaxError(path, f"{size} bytes, expected at most {MAX_BYTES}", hint="split the model by discipline or storey")
    schema = _schema(path, plain)
    return IfcText(plain, sha256_of(plain), schema, size)


def _xml(path: Path) -> UnsupportedFormatError:
    # No XML parser touches the file: no entity is expanded, nothing is fetched.
    return UnsupportedFormatError(
        path, "found ifcXML, expected a STEP file (.ifc) or .ifczip; nothing of it was parsed", hint="export the model as IFC (STEP) again"
    )


def _extract(path: Path, scratch: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.infolist()
            if len(names) > MAX_MEMBERS:
                raise SourceSyntaxError(path, f"{len(names)} files in the archive, expected one .ifc", hint="zip the model alone")
            members = [member for member in names if member.filename.lower().endswith(".ifc") and not member.is_dir()]
            if len(members) != 1:
                if not members and any(member.filename.lower().endswith((".ifcxml", ".xml")) for member in names):
                    raise _xml(path)
                raise SourceSyntaxError(path, f"found {len(members)} .ifc files in the archive, expected one", hint="one archive per model")
            return _unpack(path, archive, members[0], scratch)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise SourceSyntaxError(path, f"not a readable zip archive: {error}", hint="zip the file again, without a password") from error


def _unpack(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, scratch: Path) -> Path:
    if member.file_size > MAX_BYTES or member.file_size > MAX_RATIO * max(member.compress_size, 1):
        raise SourceSyntaxError(
            path, f"unpacks to {member.file_size} bytes, refused (archive bomb)", where=member.filename[:200], hint="zip the model alone"
        )
    # The name inside the archive is never used as a path.
    target = scratch / "model.ifc"
    written = 0
    with archive.open(member) as packed, target.open("wb") as plain:
        while block := packed.read(1 << 20):
            written += len(block)
            if written > member.file_size:
                raise SourceSyntaxError(
                    path, "unpacks to more than its directory says, refused", where=member.filename[:200], hint="zip the model again"
                )
            plain.write(block)
    return target


def _schema(path: Path, plain: Path) -> str:
    """Return the schema the header names.

    Raises
    ------
    SourceSyntaxError
        No STEP file, or no schema in its header.
    UnsupportedFormatError
        A schema that cannot be read.
    """
    with plain.open("rb") as handle:
        raw = handle.read(_HEAD)
    head = raw.lstrip()
    if head.startswith(b"version https://git-lfs"):
        raise SourceSyntaxError(path, "this is a Git LFS pointer, not the model", hint="git lfs pull, then upload the real file")
    if head.startswith((b"<?xml", _BOM + b"<?xml", b"<!DOCTYPE")) and b"ifc" in head[:4096].lower():
        raise _xml(path)
    if head.startswith(b"PK\x03\x04"):
        raise SourceSyntaxError(path, "is a zip archive, expected a STEP file", hint="name it .ifczip")
    if not head.startswith(b"ISO-10303-21"):
        shown = head[:24].decode("ascii", errors="replace")
        raise SourceSyntaxError(path, f"starts with {shown!r}, expected ISO-10303-21 (no IFC file)", hint="export the model as IFC again")
    found = _SCHEMA.search(raw)
    if found is None:
        raise SourceSyntaxError(path, "the header names no FILE_SCHEMA", where="HEADER", hint="export the model as IFC again")
    schema = found.group(1).decode("ascii", errors="replace").strip().upper()[:80]
    if schema not in READABLE:
        instead = _INSTEAD.get(schema, "IFC4X3_ADD2" if schema.startswith("IFC4X3") else "IFC4 or IFC4X3_ADD2")
        raise UnsupportedFormatError(
            path, f"schema {schema} cannot be read, expected one of {', '.join(READABLE)}", hint=f"export the model as {instead}"
        )
    return schema
