"""Folder of an upload under way: what is read of a file is kept until the upload ends, so that a killed one goes on from there."""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cim.settings import Settings

NAME = ".work"
_KEPT_S = 7 * 24 * 3600


@contextmanager
def work_folder(settings: Settings, sha256: str, *, dry_run: bool) -> Iterator[Path]:
    """Hand out the folder of a file; a second upload of the same file waits here until the first has ended.

    Notes
    -----
    It goes when the upload ends, well or with an error of the model; a kill or an interrupt leaves it for the next run.
    """
    if dry_run:
        with tempfile.TemporaryDirectory(prefix="cim-bim-") as temporary:
            yield Path(temporary)
        return
    root = settings.models_dir / NAME
    folder = root / sha256
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    with (root / f"{sha256}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield folder
        except Exception:
            _remove(root, folder)
            raise
        _remove(root, folder)


def _remove(root: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (root / f"{folder.name}.lock").unlink(missing_ok=True)
    for empty in (root, root.parent):
        if empty.exists() and not any(empty.iterdir()):
            empty.rmdir()


def _sweep(root: Path) -> None:
    """Remove folders that nobody came back to."""
    for old in root.iterdir():
        if time.time() - old.stat().st_mtime > _KEPT_S:
            shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
