"""A real ``cim`` server in a process of its own, on a free loopback port."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

from cim.settings import Settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(settings: Settings) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CIM_")}
    url = settings.database.url
    extra = {} if url is None else {"CIM_DATABASE__URL": url.get_secret_value()}
    told = {"CIM_DATA_DIR": str(settings.data_dir), "CIM_TILES__GRACE_S": str(settings.tiles.grace_s)}
    return {**clean, **told, "PYTHONUTF8": "1", **extra}


@contextlib.contextmanager
def running_server(settings: Settings, *more: str, log: Path | None = None, **changes: str) -> Iterator[str]:
    """Start a server; ``more`` are further arguments, ``changes`` environment variables, ``log`` a file for standard error."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    argv = [sys.executable, "-m", "cim", "serve", "--port", str(port), *more]
    with contextlib.ExitStack() as stack:
        # A file, not a pipe: nobody reads it while the server runs, and a full pipe would stop the server.
        if log is None:
            errors = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
        else:
            errors = stack.enter_context(log.open("w+", encoding="utf-8"))
        child = subprocess.Popen(argv, env={**environment(settings), **changes}, stdout=subprocess.DEVNULL, stderr=errors, text=True)
        try:
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(URLError, ConnectionError, TimeoutError):
                    urllib.request.urlopen(f"{base}/healthz", timeout=2)  # noqa: S310 - our own server
                    break
                if child.poll() is not None or time.monotonic() > deadline:
                    child.kill()
                    child.wait()
                    errors.seek(0)
                    raise RuntimeError(f"the server did not start: {errors.read()}")
                time.sleep(0.1)
            yield base
        finally:
            child.terminate()
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
