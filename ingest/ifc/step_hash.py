"""Hashes of what STEP instances mean, whatever their numbers (ISO 10303-21): equal hash = same content, through all references.

An export renumbers its instances when one is added. So an instance is hashed as its text without references, and the hashes of the
instances it refers to, in order. Styles point at the items they colour, not the other way round; their hashes are added to the item's.
All steps work on whole arrays, a few megabytes of text at a time.
"""

import hashlib
import mmap
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]

_BLOCK = 1_000_000
_DEEPEST = 64
"""Levels of references that are followed; deeper ones, and circles, count as a constant."""
_STYLES = (b"IFCSTYLEDITEM(", b"IFCINDEXEDCOLOURMAP(")
_MATERIAL_LOOKS = b"IFCMATERIALDEFINITIONREPRESENTATION("
_UNITS = b"IFCUNITASSIGNMENT("
_ODD = np.uint64(0x9E3779B97F4A7C15)
_RANDOM = np.random.default_rng(20_240_101)
_OF_BYTE: Words = _RANDOM.integers(1, 2**64, 256, dtype=np.uint64) | np.uint64(1)
_END = re.compile(rb";\s*\n")
_COMMENT = re.compile(rb"'[^']*'|/\*.*?\*/", re.DOTALL)
"""A comment, or a string, in which no comment begins."""
_LONG = re.compile(rb"'[^']{100000,}'")
_LONGEST_PIECE = 8 * _BLOCK


def _powers(n: int) -> Words:
    made = np.full(n, _ODD, np.uint64)
    made[:1] = 1
    powers: Words = np.multiply.accumulate(made)
    return powers


def _mix(words: Words) -> Words:
    """Scramble words (the finaliser of splitmix64), so that sums of them tell what was summed."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Words = words ^ (words >> np.uint64(31))
    return mixed


@dataclass(frozen=True)
class _Block:
    """Instances of a piece of text: number, hash of the text, kind (place in the list of names, -1), references with their instance."""

    ids: Ints
    own: Words
    kinds: Ints
    refs: Ints
    owner: Ints


_NAMES = (*_STYLES, _MATERIAL_LOOKS, _UNITS)


def _numbers(data: Bytes, at: Ints) -> tuple[Ints, Ints]:
    """Return the numbers that begin at places, and how many digits they have."""
    value, digits = np.zeros(len(at), np.int64), np.zeros(len(at), np.int64)
    going = np.ones(len(at), bool)
    for k in range(18):
        byte = data[np.minimum(at + k, len(data) - 1)]
        going &= (byte >= 48) & (byte <= 57) & (at + k < len(data))
        if not going.any():
            break
        value = np.where(going, value * 10 + (byte.astype(np.int64) - 48), value)
        digits += going
    return value, digits


def _scan(data: Bytes) -> _Block:
    quoted = (np.cumsum(data == 39, dtype=np.int32) & 1).astype(bool)
    ends = np.flatnonzero((data == 59) & ~quoted)
    marks = np.flatnonzero((data == 35) & ~quoted)
    value, digits = _numbers(data, marks + 1)
    marks, value, digits = marks[digits > 0], value[digits > 0], digits[digits > 0]
    statement = np.searchsorted(ends, marks)
    is_first = np.ones(len(marks), bool)
    is_first[1:] = statement[1:] != statement[:-1]
    # Text between semicolons without a number is ENDSEC and the like; what has no semicolon is cut off.
    is_first &= statement < len(ends)
    steps = np.zeros(len(data) + 1, np.int8)
    steps[marks + 1] += 1
    steps[marks + digits + 1] -= 1
    kept = np.flatnonzero((np.cumsum(steps[:-1], dtype=np.int8) == 0) & (quoted | (data > 32)))
    defined = marks[is_first]
    start, stop = np.searchsorted(kept, defined), np.searchsorted(kept, ends[statement[is_first]])
    n = len(defined)
    if not n:
        none = np.empty(0, np.int64)
        return _Block(none, np.empty(0, np.uint64), none, none, none)
    lengths = stop - start
    first = np.cumsum(lengths) - lengths
    within = np.arange(lengths.sum()) - np.repeat(first, lengths)
    text = data[kept[within + np.repeat(start, lengths)]]
    words = _OF_BYTE[text] * _powers(int(lengths.max()))[within]
    own = np.add.reduceat(words, first)
    kinds = np.full(n, -1, np.int64)
    for number, name in enumerate(_NAMES):
        # "#", "=", then the name.
        able = np.flatnonzero(lengths > len(name) + 2)
        for k, byte in enumerate(name):
            able = able[text[first[able] + 2 + k] == byte]
        kinds[able] = number
    others = ~is_first & (statement < len(ends))
    owner = np.searchsorted(statement[is_first], statement[others])
    return _Block(value[is_first], _mix(own), kinds, value[others], owner)


def _pieces(raw: bytes | mmap.mmap) -> list[tuple[int, int]]:
    """Return pieces that end behind a semicolon outside of any string."""
    pieces: list[tuple[int, int]] = []
    start = max(raw.find(b"DATA;"), 0) + 5
    while start < len(raw):
        end = min(start + _BLOCK, len(raw))
        quotes = raw[start:end].count(b"'")
        while end < len(raw):
            if quotes % 2:
                # Inside a string: on to its end, whatever lies between.
                close = raw.find(b"'", end)
                end = len(raw) if close < 0 else close + 1
                quotes += 1
            before, found = end, _END.search(raw, end)
            end = len(raw) if found is None else found.end()
            quotes += raw[before:end].count(b"'")
            if quotes % 2 == 0:
                break
        pieces.append((start, end))
        start = end
    return pieces


@dataclass(frozen=True)
class StepHashes:
    """Hashes of the instances of a file; made by `hash_file`.

    Parameters
    ----------
    ids
        Instance numbers, ascending.
    words
        Hash of each.
    looks, units
        Hashes of all looks that materials have, and of the units, 8 bytes each.
    """

    ids: Ints
    words: Words
    looks: bytes
    units: bytes

    def save(self, path: Path) -> None:
        """Write them to a file."""
        with path.open("wb") as handle:
            np.savez(handle, ids=self.ids, words=self.words, rest=np.frombuffer(self.looks + self.units, np.uint8))

    @classmethod
    def load(cls, path: Path) -> "StepHashes":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as found:
            rest = found["rest"].tobytes()
            return cls(found["ids"], found["words"], rest[: len(rest) // 2], rest[len(rest) // 2 :])

    def of(self, numbers: Ints) -> Words:
        """Return hashes of instances by their numbers; zero for a number that is not in the file."""
        place = _index(self.ids, numbers)
        found: Words = np.where(place >= 0, self.words[np.maximum(place, 0)], np.uint64(0))
        return found


def _index(ids: Ints, numbers: Ints) -> Ints:
    if not len(ids):
        return np.full(len(numbers), -1, np.int64)
    place = np.minimum(np.searchsorted(ids, numbers), len(ids) - 1)
    found: Ints = np.where(ids[place] == numbers, place, -1)
    return found


def hash_file(path: Path) -> StepHashes:
    """Hash every instance of a STEP file.

    Parameters
    ----------
    path
        The file; it is mapped, not read: what is held in memory is a few dozen bytes per instance, and one piece of the text.
    """
    with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        # A comment may lie anywhere, over the end of a piece too. Hardly any exporter writes one; such a file is taken as a whole.
        return hash_text(_COMMENT.sub(_blank, mapped) if mapped.find(b"/*") >= 0 else mapped)


def _blank(found: re.Match[bytes]) -> bytes:
    return found[0] if found[0].startswith(b"'") else b" "


def hash_text(raw: bytes | mmap.mmap) -> StepHashes:
    """Hash every instance of a STEP text without comments, see `hash_file`."""
    blocks, count = [], 0
    for start, end in _pieces(raw):
        text = raw[start:end]
        if len(text) > _LONGEST_PIECE:
            # A piece is that long for one string only, and the arrays of a piece take forty times its size.
            text = _LONG.sub(lambda found: b"'" + hashlib.sha256(found[0]).hexdigest().encode() + b"'", text)
        block = _scan(np.frombuffer(text, np.uint8))
        blocks.append((block, count))
        count += len(block.ids)
    if not count:
        return StepHashes(np.empty(0, np.int64), np.empty(0, np.uint64), b"", b"")
    ids, own, kinds, refs = (np.concatenate([getattr(block, name) for block, _ in blocks]) for name in ("ids", "own", "kinds", "refs"))
    owner = np.concatenate([block.owner + before for block, before in blocks])
    order = np.argsort(ids, kind="stable")
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    ids, own, kinds, owner = ids[order], own[order], kinds[order], rank[owner]
    by_owner = np.argsort(owner, kind="stable")
    owner, target = owner[by_owner], _index(ids, refs[by_owner])
    words = _combined(own, *_edges(owner, target, kinds))

    def all_of(name: bytes) -> bytes:
        # Their order in the file says nothing.
        return np.uint64(_mix(words[kinds == _NAMES.index(name)]).sum(dtype=np.uint64)).tobytes()

    return StepHashes(ids, words, all_of(_MATERIAL_LOOKS), all_of(_UNITS))


def _edges(owner: Ints, target: Ints, kinds: Ints) -> tuple[Ints, Ints, Words]:
    """Return references with their weight by place; the first one of a style is turned round: the item refers to its style."""
    start = np.searchsorted(owner, np.arange(len(kinds)))
    within = np.arange(len(owner)) - start[owner] if len(owner) else np.empty(0, np.int64)
    is_style = (kinds[owner] >= 0) & (kinds[owner] < len(_STYLES)) & (within == 0)
    turned = is_style & (target >= 0)
    weight = _powers(int(within.max(initial=0)) + 2)[within + 1]
    source = np.where(turned, target, owner)
    below = np.where(turned, owner, target)
    weight = np.where(turned, _ODD, weight)
    kept = below >= 0
    return source[kept], below[kept], weight[kept]


def _combined(own: Words, source: Ints, below: Ints, weight: Words) -> Words:
    """Return hashes of texts with everything they refer to: as many rounds as references are deep."""
    if not len(source):
        return own
    order = np.argsort(source, kind="stable")
    source, below, weight = source[order], below[order], weight[order]
    words = own.copy()
    active = np.zeros(len(own), bool)
    active[source] = True
    for _ in range(_DEEPEST):
        # Only what refers to something that has changed in the last round.
        edges = np.flatnonzero(active[source])
        if not len(edges):
            break
        parents = source[edges]
        first = np.flatnonzero(np.concatenate(([True], parents[1:] != parents[:-1])))
        parents = parents[first]
        made = _mix(own[parents] + np.add.reduceat(_mix(words[below[edges]]) * weight[edges], first))
        changed = np.zeros(len(own), bool)
        changed[parents[made != words[parents]]] = True
        words[parents] = made
        active[:] = False
        active[source[changed[below]]] = True
    return words
