"""Files that are complete or not there: written in a folder of their own, fsync, rename."""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cim.errors import StorageFullError
from cim.exchange.model import ExchangeError

_SUFFIX = ".part"


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a path to write to; leaving the block puts the file in its place, an error leaves the target as it was.

    Parameters
    ----------
    target
        Final path; what is there is replaced.

    Yields
    ------
    Path
        Of the same name, in a hidden folder next to the target that goes at the end, with whatever else was put there.

    Raises
    ------
    ExchangeError
        The folder of the target is missing or not writable.
    StorageFullError
        Its disk is full.
    """
    try:
        _sweep(target)
        folder = Path(tempfile.mkdtemp(prefix=_prefix(target), suffix=_SUFFIX, dir=target.parent))
    except OSError as error:
        raise _file_error(target, error) from error
    try:
        with _lock(folder):
            part = folder / target.name
            yield part
            with part.open("rb+") as handle:
                os.fsync(handle.fileno())
            part.replace(target)
            _fsync_folder(target.parent)
    except OSError as error:
        raise _file_error(target, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prefix(target: Path) -> str:
    return f".{target.name}."


def _file_error(target: Path, error: OSError) -> ExchangeError | StorageFullError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFullError(f"{target}: no space left on its disk", hint="free disk space and run the command again")
    return ExchangeError(f"{target}: cannot be written: {error.strerror or error}", hint="give a file in a folder that you may write to")


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _sweep(target: Path) -> None:
    """Remove what killed runs for the same target left behind: nobody holds the lock of those."""
    for folder in target.parent.iterdir():
        if not (folder.name.startswith(_prefix(target)) and folder.name.endswith(_SUFFIX) and (folder / "lock").is_file()):
            continue
        with contextlib.suppress(OSError), _lock(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
