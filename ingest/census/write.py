"""Prepared and resolved records → register, review list, codes of other schemes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cim.clock import utc_now
from cim.db import buildings as register
from cim.db import personal, review
from cim.db.arrow_copy import constant, fixed_text
from cim.db.codes import issue_sorted_building_codes
from cim.ids import new_ids
from ingest.census.hashing import last_part
from ingest.census.prepare import BOX, HASH, KEY, PERSONAL, ROW
from ingest.census.profile import CensusProfile
from ingest.census.resolve import Resolution
from ingest.census.run import CensusRun
from ingest.layer import BATCH
from ingest.pipeline import Step
from ingest.spool import Gather

SCHEME = "census_fwbh"
CODE_SCHEME = "CIM-BC27-v1"
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Written:
    """What a load wrote.

    Parameters
    ----------
    inserted
        New buildings.
    matched
        Records with a new key that were recognised as a known building.
    touched
        What the update did.
    """

    inserted: int
    matched: int
    touched: register.Touched


def write(run: CensusRun, table: pa.Table, known_code: NDArray[Any], found: Resolution) -> Written:
    """Write the prepared rows.

    Parameters
    ----------
    run
        The run; writers are locked out of the register.
    table
        Prepared rows.
    known_code
        Code of the building that has the row's natural key, None where the key is new, shape (n,).
    found
        What became of each row.
    """
    rows = table.column(ROW).to_numpy() if table.num_rows else np.empty(0, np.int64)
    run.refuse([(int(rows[at]), *words) for at, words in sorted(found.refused.items())])
    _review(run, table, rows, found)
    run.log.flag("G04", rows[sorted(found.overlapping - set(found.refused))])
    good = np.ones(table.num_rows, np.bool_)
    good[list(found.refused)] = False
    code = known_code.copy()
    matched = [at for at, decision in found.decisions.items() if decision.kind == "match" and good[at]]
    for at in matched:
        code[at] = found.decisions[at].candidates[0].code
    is_known = np.array([value is not None for value in code], np.bool_)
    order, issued = _issue(run, table, np.flatnonzero(good & ~is_known))
    step = run.stages.stage("write", "写入", len(order))
    own = ("attribute_sources",) if attribute_sources(run.profile) == "{}" else ()
    register.insert_buildings(run.connection, _new_rows(run, table, order, issued, step), len(order), run.change_set, defaults=own)
    updates = np.flatnonzero(good & is_known)
    touched = register.update_buildings(run.connection, _known_rows(run, table, updates, code), run.profile.source_kind, run.change_set)
    if touched.unexplained:
        run.log.flag("L01", rows[updates[np.isin(code[updates].astype(str), touched.unexplained)]])
    if len(order):
        register.save_external_codes(run.connection, SCHEME, issued, _numbers(table, order), new=True)
    if matched:
        which = np.array(sorted(matched), np.int64)
        register.save_external_codes(run.connection, SCHEME, pa.array(code[which]), _numbers(table, which), new=False)
    if PERSONAL in table.column_names:
        every = np.r_[order, updates].astype(np.int64)
        cells = Gather(table.select([PERSONAL])).take(every).column(PERSONAL).to_pylist()
        personal.save(run.connection, run.dataset_id, zip([*issued.to_pylist(), *code[updates]], cells, strict=True))
    return Written(len(order), len(matched), touched)


def _numbers(table: pa.Table, at: Rows) -> pa.Array:
    """Return the last part of the natural keys: the number of the building in its survey."""
    keys = Gather(table.select([KEY])).take(at).column(KEY).combine_chunks()
    return last_part(keys)


def _review(run: CensusRun, table: pa.Table, rows: Rows, found: Resolution) -> None:
    cases = []
    for at, decision in found.decisions.items():
        if decision.kind != "review":
            continue
        values = table.slice(at, 1).to_pylist()[0]
        record = {name: values[name] for name in register.COLUMNS if name in values and name != "geom"}
        record |= {"content_hash": values[HASH], "source_kind": run.profile.source_kind}
        record["attribute_sources"] = attribute_sources(run.profile)
        candidates = [candidate.as_dict() for candidate in decision.candidates]
        cases.append(review.NewCase(values[KEY], run.place(int(rows[at])), candidates, record, values["wkb"]))
    run.report["review"] = review.open_cases(run.connection, run.dataset_id, run.info.name, cases)
    still_open = review.open_keys(run.connection, run.info.name)
    if still_open and table.num_rows:
        settled = table.filter(pc.is_in(table.column(KEY), value_set=pa.array(still_open, pa.large_string())))
        under_review = {case.key for case in cases}
        review.close_stale(run.connection, run.info.name, [key for key in settled.column(KEY).to_pylist() if key not in under_review])


def _issue(run: CensusRun, table: pa.Table, fresh: Rows) -> tuple[Rows, pa.Array]:
    """Issue codes in the deterministic order division, grid cell, natural key; return positions in that order and the codes."""
    if len(fresh) == 0:
        return fresh, pa.array([], pa.string())
    part = Gather(table.select(["division_code", "grid"])).take(fresh)
    encoded = part.column("division_code").combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    rank = np.empty(len(names), np.int64)
    rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    division, grid = rank[np.asarray(encoded.indices)], part.column("grid").to_numpy()
    order = np.lexsort((grid, division))
    # Few buildings share a cell of one metre: only their keys are compared.
    same = (np.diff(division[order]) == 0) & (np.diff(grid[order]) == 0)
    tied = np.flatnonzero(np.r_[same, False] | np.r_[False, same])
    if len(tied):
        keys = Gather(table.select([KEY])).take(fresh[order[tied]]).column(KEY).to_pylist()
        turn = np.zeros(len(fresh), np.int64)
        turn[order[tied[sorted(range(len(tied)), key=keys.__getitem__)]]] = np.arange(len(tied))
        order = np.lexsort((turn, grid, division))
    counts = np.bincount(division, minlength=len(names))
    return fresh[order], fixed_text(issue_sorted_building_codes(run.connection, sorted(names), counts.tolist(), utc_now().year))


def _columns(run: CensusRun, part: pa.Table, codes: pa.Array) -> dict[str, Any]:
    n = part.num_rows
    columns = {name: part.column(name) for name in register.COLUMNS if name in part.column_names}
    return columns | {
        "geom": part.column("wkb"),
        "code": codes,
        "source_dataset": constant(run.info.name, n),
        "source_key": part.column(KEY),
        "content_hash": part.column(HASH),
        "attribute_sources": constant(attribute_sources(run.profile), n),
    }


def attribute_sources(profile: CensusProfile) -> str:
    """Return the JSON object of attribute sources: empty for a census, which the register takes for granted."""
    if profile.source_kind == "census":
        return "{}"
    return json.dumps({name: profile.source_kind for name in ("geom", *profile.fields) if name in register.VALUES})


def _new_rows(run: CensusRun, table: pa.Table, order: Rows, issued: pa.Array, step: Step) -> Iterator[pa.Table]:
    rows = Gather(table)
    for start in range(0, len(order), BATCH):
        codes = issued.slice(start, BATCH)
        part = rows.take(order[start : start + BATCH])
        columns = _columns(run, part, codes) | {side: part.column(side) for side in BOX}
        n = len(codes)
        columns["id"] = _fixed(new_ids(n))
        columns["code_scheme"] = constant(CODE_SCHEME, n)
        columns["county_code"] = pc.utf8_slice_codeunits(codes, 0, 6)
        columns["change_set_id"] = _fixed(np.tile(np.frombuffer(run.change_set.bytes, np.uint8), (n, 1)))
        yield pa.table(columns)
        step(n)


def _known_rows(run: CensusRun, table: pa.Table, positions: Rows, code: NDArray[Any]) -> Iterator[pa.Table]:
    rows = Gather(table)
    for start in range(0, len(positions), BATCH):
        at = positions[start : start + BATCH]
        yield pa.table(_columns(run, rows.take(at), pa.array(code[at], pa.string())))


def _fixed(raw: NDArray[np.uint8]) -> pa.Array:
    """Return rows of bytes as a binary column."""
    n, width = raw.shape
    offsets = pa.py_buffer((np.arange(n + 1, dtype=np.int32) * width).tobytes())
    return pa.Array.from_buffers(pa.binary(), n, [None, offsets, pa.py_buffer(np.ascontiguousarray(raw).tobytes())])
