"""Records against each other and against the register: duplicates, overlaps, identity."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from cim.db import buildings as register
from cim.db.engine import Connection
from cim.geometry.pairs import overlapping_boxes
from ingest.census.matching import DUPLICATE, TOUCH, Candidate, Decision, candidate, decide, overlaps
from ingest.census.prepare import ROW, boxes_of
from ingest.spool import Gather

_CHUNK = 20_000
Rows = NDArray[np.int64]


@dataclass
class Resolution:
    """What becomes of the prepared rows; positions are those of the prepared table.

    Parameters
    ----------
    refused
        Position → rule, message, Chinese message.
    decisions
        Position of a new key → decision; new where it is not listed.
    overlapping
        Positions that overlap a neighbour by more than a tenth of the smaller footprint (warning G04).
    """

    refused: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    decisions: dict[int, Decision] = field(default_factory=dict)
    overlapping: set[int] = field(default_factory=set)


def _shapes(outlines: Gather, positions: Rows) -> NDArray[Any]:
    wkb = outlines.take(positions).column("wkb")
    return np.asarray(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False)), dtype=object)


def find_overlaps(table: pa.Table, is_new: NDArray[np.bool_], found: Resolution) -> None:
    """Compare the prepared rows with each other (G04).

    Parameters
    ----------
    table
        Prepared rows.
    is_new
        Rows whose natural key the register does not have; only those can be refused as duplicates.
    found
        Takes what is found.
    """
    area = np.asarray(table.column("footprint_area_m2").to_numpy())
    pairs = overlapping_boxes(boxes_of(table), area, share=TOUCH)
    rows = table.column(ROW).to_numpy()
    outlines = Gather(table.select(["wkb"]))
    for start in range(0, len(pairs), _CHUNK):
        part = pairs[start : start + _CHUNK]
        iou, share = overlaps(_shapes(outlines, part[:, 0]), _shapes(outlines, part[:, 1]))
        for (i, j), same, common in zip(part.tolist(), iou, share, strict=True):
            if common <= TOUCH:
                continue
            # The known one stays; of two new ones the first in the file.
            twin = i if is_new[i] and not is_new[j] else j
            other = j if twin == i else i
            if same >= DUPLICATE and is_new[twin] and other not in found.refused:
                where = f"row {rows[other] + 1}"
                found.refused[twin] = (
                    "G04", f"covers the same ground as {where} (IoU {same:.2f}), expected one record per building",
                    f"与第 {rows[other] + 1} 行为同一轮廓(重叠度 {same:.2f})",
                )  # fmt: skip
            else:
                found.overlapping.update((i, j))


def match_new(connection: Connection, table: pa.Table, new: Rows, dataset: str, in_file: set[str], found: Resolution) -> None:
    """Compare rows with new keys with the standing buildings of the register (G04, X01).

    Parameters
    ----------
    connection
        The store.
    table
        Prepared rows.
    new
        Positions of the rows whose natural key the register does not have.
    dataset
        Name of the dataset under way.
    in_file
        Codes of the buildings whose own record is in the file: they are not free to be claimed.
    found
        Takes what is found.
    """
    pairs: list[tuple[int, Candidate]] = []
    outlines = Gather(table.select(["wkb"]))
    records = Gather(table.select(["name", "storeys_above", "structure", "year_built"]))
    for start in range(0, len(new), _CHUNK):
        part = new[start : start + _CHUNK]
        neighbours = register.fetch_neighbours(connection, boxes_of(table, part).tolist())
        if not neighbours:
            continue
        positions = part[[row["n"] for row in neighbours]]
        theirs = np.asarray(shapely.from_wkb([bytes(row["wkb"]) for row in neighbours]), dtype=object)
        iou, share = overlaps(_shapes(outlines, positions), theirs)
        mine = records.take(positions).to_pylist()
        for position, known, record, same, common in zip(positions.tolist(), neighbours, mine, iou.tolist(), share.tolist(), strict=True):
            if common <= TOUCH:
                continue
            if known["code"] in in_file:
                _note_taken(found, position, known, same, dataset)
                continue
            pairs.append((position, candidate(known["code"], same, common, record, known)))
    for position, decision in decide(pairs).items():
        if position in found.refused:
            continue
        found.decisions[position] = decision
        if decision.kind == "review":
            best = decision.candidates[0]
            codes = ", ".join(c.code for c in decision.candidates[:3])
            found.refused[position] = (
                "X01", f"may be {codes} ({best.evidence}), expected one clear building or none; see `cim changes review`",
                f"可能对应已登记建筑 {codes}({best.evidence}),已列入待审清单",
            )  # fmt: skip


def _note_taken(found: Resolution, position: int, known: dict[str, Any], same: float, dataset: str) -> None:
    if same >= DUPLICATE:
        key = known["source_key"] if known["source_dataset"] == dataset else known["code"]
        found.refused[position] = (
            "G04", f"covers the same ground as {key} (IoU {same:.2f}), expected one record per building",
            f"与 {key} 为同一轮廓(重叠度 {same:.2f})",
        )  # fmt: skip
    else:
        found.overlapping.add(position)


def later_of_groups(groups: list[Rows], standing: NDArray[np.bool_]) -> list[int]:
    """Return the source rows that repeat a natural key; the first acceptable one of each group stays (A03).

    Parameters
    ----------
    groups
        Rows that share a key.
    standing
        Rows of the source that were accepted so far, shape (n,).
    """
    return [int(row) for group in groups for row in group[standing[group]][1:]]
