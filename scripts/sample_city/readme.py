"""README of the sample city: origin, licence, checksum, CRS and units of every file; and the licence notes beside it."""

import hashlib
from pathlib import Path
from typing import Final

from sample_city.writers import write_text

LICENCES: Final = Path(__file__).parent / "licences"
TABLE_HEAD: Final = "| file | bytes | sha256 |\n|---|---|---|\n"

HEAD: Final = Path(__file__).parent / "readme_head.md"


def table(out: Path) -> str:
    """Return the checksum table of all files below `out` but the README."""
    rows = []
    for path in sorted(p for p in out.rglob("*") if p.is_file() and p != out / "README.md"):
        content = path.read_bytes()
        rows.append(f"| {path.relative_to(out).as_posix()} | {len(content)} | {hashlib.sha256(content).hexdigest()} |\n")
    return TABLE_HEAD + "".join(rows)


def write_readme(out: Path) -> None:
    """Copy the licence notes and write ``README.md``; to be called last."""
    for note in sorted(LICENCES.glob("*.txt")):
        write_text(out / "LICENSES" / note.name, note.read_text(encoding="utf-8"))
    write_text(out / "README.md", HEAD.read_text(encoding="utf-8") + table(out))
