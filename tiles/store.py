"""The tile store: a folder or any fsspec URL. A local file is complete or not there: temporary name, fsync, rename."""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from cim.errors import TileError
from cim.remote_files import reaching


class TileStore:
    """Files by name relative to the store's root.

    Parameters
    ----------
    url
        Folder or fsspec URL.

    Raises
    ------
    TileStoreUnavailableError
        From every method: a bucket does not answer or refuses.
    """

    def __init__(self, url: str) -> None:
        # Another process writes too: what was listed once is not what is there.
        fs, root = fsspec.core.url_to_fs(url, **({"use_listings_cache": False} if "://" in url else {}))
        self._fs: Any = fs
        self._url = url
        self._root = str(root).rstrip("/")
        self._is_local = isinstance(fs, LocalFileSystem)

    def _path(self, name: str) -> str:
        if ".." in name.split("/") or name.startswith("/"):
            raise TileError(f"tile store: {name!r} leaves the store")
        return f"{self._root}/{name}"

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        path = self._path(name)
        if not self._is_local:
            with reaching(self._url, name):
                self._fs.pipe_file(path, content)
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.part")
        with part.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(target)

    def settle(self, folders: Iterable[str]) -> None:
        """Make the names of written files last, power failure included; their contents do already.

        Parameters
        ----------
        folders
            Relative to the root; those that are not there are left out.
        """
        if not self._is_local:
            return
        for folder in folders:
            path = Path(self._path(folder))
            if path.is_dir():
                handle = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises
        ------
        TileError
            It is not there.
        """
        try:
            with reaching(self._url, name):
                return bytes(self._fs.cat_file(self._path(name)))
        except FileNotFoundError as error:
            raise TileError(f"tile store: {name} is missing", hint="cim tiles build --force") from error

    def exists(self, name: str) -> bool:
        """Tell whether a file is there."""
        with reaching(self._url, name):
            return bool(self._fs.exists(self._path(name)))

    def names(self, folder: str) -> set[str]:
        """Return the files below a folder, relative to the root."""
        path = self._path(folder)
        with reaching(self._url, folder):
            if not self._fs.exists(path):
                return set()
            return {str(found)[len(self._root) + 1 :] for found in self._fs.find(path)}

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is fine."""
        path = self._path(name)
        with reaching(self._url, name):
            if self._fs.exists(path):
                self._fs.rm_file(path)
