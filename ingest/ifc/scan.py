"""Checks the text of a STEP file inside the child process, block by block, before the parser sees it.

The parser opens many damaged files without a word (repeated instance numbers, dangling references, a cut end); what it keeps
quiet about is found here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK = 8 << 20
MAX_STATEMENT = 64 << 20
"""Longest statement, its strings not counted [byte]."""
_BLANKED = re.compile(rb"'[^']*'|/\*.*?\*/", re.DOTALL)
_OPENED = re.compile(rb"'|/\*")
_DATA = re.compile(rb"\bDATA\s*(?:\([^;]*\)\s*)?;")
_END = b"END-ISO-10303-21"
_DIGITS = 18
_BITMAP = 1 << 28
Numbers = NDArray[np.int64]


class Fault(Exception):  # noqa: N818 - carried to the parent, which raises it as one of its own
    """Why a file is refused.

    Parameters
    ----------
    message, where, hint
        See `cim.errors.SourceError`.
    kind
        ``syntax`` or ``unsupported``.
    """

    def __init__(self, message: str, *, where: str = "", hint: str = "export the model as IFC again", kind: str = "syntax") -> None:
        super().__init__(message)
        self.fields = {"message": message, "where": where, "hint": hint, "kind": kind}


@dataclass(frozen=True)
class TextFacts:
    """What the text says.

    Parameters
    ----------
    n_instances
        Entity instances in the DATA sections.
    """

    n_instances: int


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield the text without strings and comments, in blocks that end between two statements.

    Notes
    -----
    A string that spans blocks needs no memory; a doubled quote is the end of one string and the begin of the next, both blank.
    """
    carry, inside = b"", b""
    with path.open("rb") as handle:
        held = b""
        while block := handle.read(BLOCK):
            block = held + block
            held = b""
            if inside:
                end = block.find(inside)
                if end < 0:
                    held = block[-1:] if len(inside) == 2 else b""
                    continue
                block, inside = block[end + len(inside) :], b""
            if block.endswith(b"/"):
                held, block = b"/", block[:-1]
            data = _BLANKED.sub(b" ", block)
            opened = _OPENED.search(data)
            if opened is not None:
                inside = b"'" if opened.group() == b"'" else b"*/"
                held = b""
                data = data[: opened.start()] + b" "
            data = carry + data
            cut = data.rfind(b";") + 1
            carry = data[cut:]
            if len(carry) > MAX_STATEMENT:
                raise Fault(f"a statement of more than {MAX_STATEMENT >> 20} MB", where=_shown(carry))
            if cut:
                yield data[:cut]
    if inside:
        raise Fault("a string or comment has no end", where="the end of the file")
    if carry:
        yield carry + held


def _shown(data: bytes) -> str:
    return data.strip()[:24].decode("ascii", errors="replace")


def _numbers(data: bytes) -> tuple[Numbers, Numbers]:
    """Return the instance numbers that a text defines (``#1=``) and all that it names."""
    text = np.frombuffer(data + b"\0" * (_DIGITS + 10), dtype=np.uint8)
    marks = np.flatnonzero(text == ord("#"))
    value = np.zeros(len(marks), dtype=np.int64)
    length = np.zeros(len(marks), dtype=np.int64)
    alive = np.ones(len(marks), dtype=bool)
    for step in range(1, _DIGITS + 1):
        digit = text[marks + step].astype(np.int64) - ord("0")
        alive &= (digit >= 0) & (digit <= 9)
        if not alive.any():
            break
        value = np.where(alive, value * 10 + digit, value)
        length += alive
    behind = marks + 1 + length
    for _ in range(8):
        blank = np.isin(text[behind], (0x20, 0x09, 0x0D, 0x0A))
        if not blank.any():
            break
        behind = behind + blank
    named = length > 0
    return value[named & (text[behind] == ord("="))], value[named]


def check_text(path: Path) -> TextFacts:
    """Check the text of a STEP file.

    Raises
    ------
    Fault
        Cut off, no or empty DATA section, repeated instance number, dangling reference.
    """
    defined: list[Numbers] = []
    named: list[Numbers] = []
    has_data, tail = False, b""
    for block in _blocks(path):
        has_data = has_data or _DATA.search(block) is not None
        here, all_named = _numbers(block)
        defined.append(here)
        named.append(all_named)
        tail = (tail + block)[-4096:]
    if _END not in tail:
        raise Fault("the end is missing (no END-ISO-10303-21): the file is cut off", hint="copy or export the file again")
    if not has_data:
        raise Fault("found no DATA section")
    own = np.concatenate(defined) if defined else np.zeros(0, dtype=np.int64)
    if len(own) == 0:
        raise Fault("the DATA section is empty")
    _check_numbers(own, np.concatenate(named))
    return TextFacts(len(own))


def _check_numbers(own: Numbers, named: Numbers) -> None:
    highest = int(max(own.max(), named.max()))
    if highest < _BITMAP:
        known = np.zeros(highest + 1, dtype=bool)
        known[own] = True
        repeated = int(known.sum()) != len(own)
        dangling = named[~known[named]]
    else:
        unique = np.unique(own)
        repeated = len(unique) != len(own)
        dangling = np.setdiff1d(named, unique)
    if repeated:
        values, counts = np.unique(own, return_counts=True)
        number = int(values[counts > 1][0])
        raise Fault(f"instance number #{number} occurs twice", where=f"#{number}")
    if len(dangling):
        number = int(dangling.min())
        raise Fault(f"refers to #{number}, which is not in the file", where=f"#{number}")
