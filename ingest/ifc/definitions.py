"""What decides the shape of an element: equal bytes = equal shape. Runs inside the child process, where the file's hashes are."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ingest.ifc.step_hash import StepHashes


def definitions(facts: Sequence[Mapping[str, Any]], hashes: StepHashes, version: str) -> dict[int, bytes]:
    """Return what decides the shape of each product in its own frame.

    Parameters
    ----------
    facts
        Products, see `ingest.ifc.geometry_child.products`; one whose place is not a chain of local placements has no definition.
    hashes
        Of the whole file.
    version
        Of kernel and settings: another one may make another shape.
    """
    able = [one for one in facts if one["matrix"] is not None]
    numbers: list[int] = []
    spans = []
    for one in able:
        parts = [one["shape"], *one["materials"]]
        if one["voids"]:
            # Openings are cut where they are: their places count, and so does the place of what they are cut out of.
            parts += [one["place"], *(number for void in one["voids"] for number in void)]
        spans.append(len(parts))
        numbers += parts
    found = hashes.of(np.array(numbers, np.int64))
    raw = found.tobytes()
    made: dict[int, bytes] = {}
    at = 0
    base = hashlib.sha256(version.encode() + hashes.looks + hashes.units)
    for one, count in zip(able, spans, strict=True):
        digest = base.copy()
        digest.update(raw[at * 8 : (at + count) * 8])
        digest.update(len(one["voids"]).to_bytes(4, "little"))
        made[one["id"]] = digest.digest()[:16]
        at += count
    return made
