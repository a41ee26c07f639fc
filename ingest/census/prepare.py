"""One batch of a survey from source fields to register rows: a pure function, for this process or another one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cim.geometry.footprint import footprints_from_wkb
from cim.raster.surface import Surface
from ingest.census.checks import check_batch
from ingest.census.geometry import PlaceContext, place_batch
from ingest.census.mapping import Batch, map_batch
from ingest.census.profile import CensusProfile
from ingest.layer import GEOMETRY

ROW, KEY, HASH, PERSONAL = "__row", "__key", "__hash", "__personal"
BOX = ("west", "south", "east", "north")
_TEXT = ("name", "address", "use", "structure", "safety_grade", "height_source")
_NUMBER = {
    "height_m": pa.float64(), "storeys_above": pa.int16(), "storeys_below": pa.int16(), "year_built": pa.int16(),
    "floor_area_m2": pa.float64(),
}  # fmt: skip


@dataclass(frozen=True)
class Context:
    """Everything a batch needs besides its rows; can be sent to another process.

    Parameters
    ----------
    profile
        Mapping profile.
    place
        Where the city is.
    rasters
        Elevation rasters, the preferred one first.
    """

    profile: CensusProfile
    place: PlaceContext
    rasters: tuple[Path, ...] = ()


@dataclass
class Prepared:
    """A batch ready for the register.

    Parameters
    ----------
    rows
        Accepted rows: register columns, WKB, box, area, grid order, row number, key, hash.
    faults
        Row number in the source, rule, message, Chinese message.
    warnings
        Rule → numbers of the accepted rows it warns of, in the source, shape (n,).
    repaired
        Number of repaired outlines and the sum of the changes of their areas (absolute, in source units squared).
    """

    rows: pa.RecordBatch
    faults: list[tuple[int, str, str, str]]
    warnings: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    repaired: int = 0


def prepare(raw: pa.RecordBatch, context: Context) -> Prepared:
    """Map, check and place one batch.

    Parameters
    ----------
    raw
        Batch of the source with the columns `ROW`, `KEY` and `HASH`.
    context
        Profile and city.
    """
    numbers = raw.column(ROW).to_numpy()
    batch = map_batch(raw, context.profile)
    check_batch(batch, context.profile)
    placed = place_batch(batch, raw.column(GEOMETRY), context.place)
    at = np.flatnonzero(batch.ok)
    everything = len(at) == batch.n
    kept: Callable[[pa.Array], pa.Array] = _same if everything else partial(_taken, rows=pa.array(at))
    wkb = kept(placed.wkb)
    columns: dict[str, pa.Array] = {
        ROW: pa.array(numbers[at]),
        KEY: kept(raw.column(KEY)).cast(pa.large_string()),
        HASH: kept(raw.column(HASH)),
        **{name: kept(_text(batch, name)).cast(pa.large_string()) for name in _TEXT},
        **{name: pa.array(batch.numbers(name)[at], from_pandas=True).cast(kind) for name, kind in _NUMBER.items()},
        "status": pc.fill_null(kept(_text(batch, "status")), "existing").cast(pa.large_string()),
        "attributes": kept(batch.attributes).cast(pa.large_string()),
        "division_code": kept(placed.division).cast(pa.large_string()),
        "ground_elevation_m": _ground(wkb, context.rasters),
        "footprint_area_m2": pa.array(placed.area_m2[at]),
        "grid": pa.array(placed.grid[at]),
        "wkb": wkb,
        **{side: pa.array(np.ascontiguousarray(placed.box[at, i])) for i, side in enumerate(BOX)},
    }
    if PERSONAL in raw.schema.names:
        columns[PERSONAL] = kept(raw.column(PERSONAL))
    faults = [(int(numbers[row]), rule, message, zh) for row, rule, message, zh in batch.faults]
    warnings = {rule: numbers[rows & batch.ok] for rule, rows in batch.warnings.items() if (rows & batch.ok).any()}
    return Prepared(pa.record_batch(list(columns.values()), names=list(columns)), faults, warnings, len(placed.repaired))


def _same(column: pa.Array) -> pa.Array:
    return column


def _taken(column: pa.Array, rows: pa.Array) -> pa.Array:
    return column.take(rows)


def _ground(wkb: pa.Array, rasters: tuple[Path, ...]) -> pa.Array:
    """Return the lowest ground under each outline [m]."""
    if not rasters or len(wkb) == 0:
        return pa.nulls(len(wkb), pa.float64())
    return pa.array(Surface(rasters).under(footprints_from_wkb(wkb.to_pylist())).low, pa.float64(), from_pandas=True)


def _text(batch: Batch, name: str) -> pa.Array:
    if name in batch.text:
        return batch.text[name]
    return batch.coded[name].text() if name in batch.coded else pa.nulls(batch.n, pa.string())


def boxes_of(table: pa.Table, rows: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Return west, south, east, north [deg] of prepared rows, shape (n, 4)."""
    sides = [table.column(side) if rows is None else table.column(side).take(pa.array(rows)) for side in BOX]
    return np.column_stack([np.asarray(side.to_numpy()) for side in sides]) if table.num_rows else np.empty((0, 4))
