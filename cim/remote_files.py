"""Faults of an object store in words: which store, what to do; never its keys, never the driver's own text, which may repeat addresses."""

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from cim.errors import TileStoreUnavailableError

_HINT = (
    "see that the object store runs and that CIM_TILE_STORE, AWS_ENDPOINT_URL and the access keys are right, then run it again:"
    " what is published stays, what was written is taken over"
)


def shown(url: str) -> str:
    """Return the address of a store without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextlib.contextmanager
def reaching(url: str, name: str, *, is_refusal_missing: bool = False) -> Iterator[None]:
    """Turn the faults of an object store into one error; a missing file stays what it is.

    Parameters
    ----------
    url
        The store; faults of a local folder are left alone.
    name
        File that is read or written, for the message.
    is_refusal_missing
        Leave a refusal as it is: buckets whose names may not be listed answer so for files they do not have.

    Raises
    ------
    TileStoreUnavailableError
        The store does not answer, or refuses.
    """
    if "://" not in url:
        yield
        return
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise
    except PermissionError as error:
        if is_refusal_missing:
            raise
        raise TileStoreUnavailableError(
            f"tile store {shown(url)}: refuses access to {name}, expected leave to read, list, write and remove", hint=_HINT
        ) from error
    except Exception as error:
        if not _is_remote(error):
            raise
        raise TileStoreUnavailableError(
            f"tile store {shown(url)}: found no answer for {name} ({type(error).__name__}), expected an S3-compatible store", hint=_HINT
        ) from error


def _is_remote(error: Exception) -> bool:
    # The drivers are extras: their errors are told by where they come from.
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in (
        "botocore",
        "aiobotocore",
        "aiohttp",
        "s3fs",
        "gcsfs",
        "adlfs",
    )
