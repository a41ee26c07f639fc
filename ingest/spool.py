"""Arrow batches on disk between the stages of a run: bounded memory, random access afterwards, nothing left behind."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc

_LOCK = ".lock"


class Spool:
    """A growing file of record batches.

    Parameters
    ----------
    path
        File to write; it is removed when the spool's folder is.
    compressed
        Smaller file, read batch by batch; otherwise `table` maps it into memory.
    """

    def __init__(self, path: Path, *, compressed: bool = False) -> None:
        self._path = path
        self._options = ipc.IpcWriteOptions(compression="lz4" if compressed else None)
        self._writer: ipc.RecordBatchFileWriter | None = None
        self._starts = [0]

    def __len__(self) -> int:
        return self._starts[-1]

    def append(self, batch: pa.RecordBatch) -> None:
        """Write one batch; all have the schema of the first."""
        if self._writer is None:
            self._writer = ipc.new_file(str(self._path), batch.schema, options=self._options)
        self._writer.write_batch(batch)
        self._starts.append(self._starts[-1] + batch.num_rows)

    def table(self) -> pa.Table:
        """Close the file and return all rows, mapped from disk."""
        if self._writer is None:
            return pa.table({})
        self._writer.close()
        return ipc.open_file(pa.memory_map(str(self._path))).read_all()

    def take(self, rows: Sequence[int]) -> pa.Table:
        """Close the file and return some rows in the given order; only the batches that hold them are read."""
        if self._writer is None or not len(rows):
            return pa.table({})
        self._writer.close()
        wanted = np.asarray(rows, np.int64)
        part = np.searchsorted(self._starts, wanted, side="right") - 1
        found, order = [], []
        with pa.OSFile(str(self._path)) as file:
            reader = ipc.open_file(file)
            for i in np.unique(part):
                here = np.flatnonzero(part == i)
                found.append(reader.get_batch(int(i)).take(pa.array(wanted[here] - self._starts[i])))
                order.append(here)
        back = np.argsort(np.concatenate(order), kind="stable")
        return pa.Table.from_batches(found).take(pa.array(back))


class Gather:
    """Rows of a table in any order: Arrow's own ``take`` joins all chunks of a column first, this one only visits them.

    Parameters
    ----------
    table
        Chunked alike in all columns, as `Spool.table` returns it.
    """

    def __init__(self, table: pa.Table) -> None:
        self._batches = table.to_batches()
        self._starts = np.concatenate([[0], np.cumsum([batch.num_rows for batch in self._batches])])
        self._empty = table.slice(0, 0)

    def take(self, rows: NDArray[np.int64]) -> pa.Table:
        """Return rows in the given order."""
        if len(rows) == 0:
            return self._empty
        part = np.searchsorted(self._starts, rows, side="right") - 1
        found, order = [], []
        for i in np.unique(part):
            here = np.flatnonzero(part == i)
            found.append(self._batches[int(i)].take(pa.array(rows[here] - self._starts[i])))
            order.append(here)
        back = np.argsort(np.concatenate(order), kind="stable")
        return pa.Table.from_batches(found).combine_chunks().take(pa.array(back))


class SpoolFolder:
    """A folder for spools inside the data folder; leftovers of killed runs are swept.

    Parameters
    ----------
    data_dir
        Data folder of the store.
    """

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "tmp"

    def __enter__(self) -> "SpoolFolder":
        self._root.mkdir(parents=True, exist_ok=True)
        for left in self._root.glob("ingest-*-*"):
            if _is_left(left):
                shutil.rmtree(left, ignore_errors=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f"ingest-{os.getpid()}-", dir=self._root))
        self._lock = (self._folder / _LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._count = 0
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.close()

    def spool(self, *, compressed: bool = False) -> Spool:
        """Return a new, empty spool."""
        self._count += 1
        return Spool(self._folder / f"{self._count}.arrow", compressed=compressed)


def _is_left(folder: Path) -> bool:
    """Tell whether the run that made a folder is over: numbers of processes come again, its lock goes with it."""
    try:
        with (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        # Killed, or not come yet, between the folder and its lock.
        pid = folder.name.split("-")[1]
        return pid.isdigit() and not _alive(int(pid))
    return True


def _alive(pid: int) -> bool:
    with contextlib.suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
