"""Features as files of other formats: the writers of `cim.exchange` over rows that come from the store as they are needed."""

import asyncio
import contextlib
import queue
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cim.clock import utc_now
from cim.crs import STORE_SRID, epsg_of, parse_crs, transform_xy
from cim.db.catalog import export_collection
from cim.db.feature_sql import FeatureQuery, OutputCrs
from cim.db.published import Box
from cim.exchange.model import Job, Rows
from cim.profile import CityProfile, Names
from ogc_api.formats import CITYJSON_SEQ, CSV, FLATGEOBUF, GEOPACKAGE, GEOPARQUET, JSONFG, Format

_WAITING_BATCHES = 4
_NOWHERE = Names(en="City", zh="城市")

Writer = Callable[[Path, Job, Iterable[Rows]], None]


def projected_srid(profile: CityProfile | None) -> int | None:
    """Return the EPSG code of the city's projected CRS, None where it has none."""
    return epsg_of(parse_crs(profile.projected_crs)) if profile else None


def vertical_number(profile: CityProfile | None) -> int | None:
    """Return the EPSG code of the city's vertical datum, None where it has none."""
    return parse_crs(profile.vertical_datum).to_epsg() if profile else None


def job_of(query: FeatureQuery, profile: CityProfile | None, bbox: Box | None, srid: int) -> Job:
    """Return what a writer has to know.

    Parameters
    ----------
    bbox
        Box of the collection, west, south, east, north [deg], EPSG:4490: the zero of grids is its corner.
    srid
        EPSG code of the geometry.
    """
    west, south = (bbox[0], bbox[1]) if bbox else (0.0, 0.0)
    if srid != STORE_SRID:
        import numpy as np

        x, y = transform_xy(f"EPSG:{STORE_SRID}", f"EPSG:{srid}", np.array([west]), np.array([south]))
        west, south = float(x[0]), float(y[0])
    return Job(
        collection=export_collection(query.collection, query.written),
        srid=srid,
        language=None,
        all_placed=False,
        origin=(float(int(west // 1)), float(int(south // 1))),
        city=profile.name if profile else _NOWHERE,
        vertical_datum=str(profile.vertical_datum) if profile else "",
        moment=query.moment or utc_now(),
    )


def xy_order(crs: OutputCrs) -> OutputCrs:
    """Return the CRS with easting or longitude first: the order of all these files, whatever the authority says."""
    return OutputCrs(srid=crs.srid, turn_axes=False, digits=crs.digits)


def writer_of(chosen: Format) -> Writer:
    """Return what writes a file of a format."""
    # Heavy libraries are loaded by the first file, not by every server.
    from cim.exchange import cityjsonseq, csv_table, geoparquet, vector

    return {
        CSV.name: csv_table.write_csv,
        GEOPARQUET.name: geoparquet.write_geoparquet,
        GEOPACKAGE.name: vector.write_geopackage,
        FLATGEOBUF.name: vector.write_flatgeobuf,
        CITYJSON_SEQ.name: cityjsonseq.write_cityjsonseq,
        JSONFG.name: write_nothing,
    }[chosen.name]


def flatgeobuf(rows: Sequence[bytes], job: Job) -> bytes:
    """Return rows in the store's binary form as a FlatGeobuf without an index."""
    from cim.exchange import flatgeobuf as writer

    return writer.head(job, len(rows)) + writer.features(job.collection.columns, rows)


def write_nothing(_: Path, __: Job, ___: Iterable[Rows]) -> None:
    """JSON-FG is streamed, see `ogc_api.jsonfg`."""
    raise NotImplementedError


async def write_file(write: Writer, job: Job, batches: AsyncIterator[Sequence[Any]], suffix: str) -> Path:
    """Write rows to a file in a folder of its own and return its path; the caller removes the folder.

    Rows flow through a short queue into the writer's thread, so memory stays flat whatever the size.
    """
    folder = Path(tempfile.mkdtemp(prefix="cim-export-"))
    path = folder / f"{job.collection.id}{suffix}"
    waiting: queue.Queue[list[tuple[Any, ...]] | None] = queue.Queue(_WAITING_BATCHES)
    stopped = threading.Event()

    def taken() -> Iterator[list[tuple[Any, ...]]]:
        while (batch := waiting.get()) is not None:
            yield batch
        if stopped.is_set():
            raise RuntimeError("the rows ended early")

    writing = asyncio.create_task(asyncio.to_thread(write, path, job, taken()))
    try:
        async for batch in batches:
            made = [tuple(row) for row in batch]
            while not writing.done():
                try:
                    waiting.put_nowait(made)
                    break
                except queue.Full:
                    await asyncio.sleep(0.002)
            if writing.done():
                break
        await _put(waiting, writing)
        await writing
        return path
    except BaseException:
        stopped.set()
        await _put(waiting, writing)
        with contextlib.suppress(Exception):
            await writing
        remove(path)
        raise


async def _put(waiting: "queue.Queue[list[tuple[Any, ...]] | None]", writing: "asyncio.Task[None]") -> None:
    """Tell the writer that no more rows come."""
    while not writing.done():
        try:
            waiting.put_nowait(None)
            return
        except queue.Full:
            await asyncio.sleep(0.002)


def remove(path: Path) -> None:
    """Remove a file made by `write_file` and its folder."""
    import shutil

    shutil.rmtree(path.parent, ignore_errors=True)


async def one_batch(rows: Sequence[tuple[Any, ...]]) -> AsyncIterator[Sequence[Any]]:
    """Yield rows that are there already."""
    if rows:
        yield rows
