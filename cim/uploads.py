"""Files that arrive over the network in parts: kept on disk until a job has taken them, resumable after any loss of either side.

The length of the file on disk is the offset: there is nothing else that could disagree with it after a crash. What the client said at the
start lies beside it as JSON. One writer at a time, by a lock that the operating system drops with the process.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from cim.clock import utc_now
from cim.errors import ConflictError, InvalidParameterError, LimitExceededError, MediaTypeError, NotFoundError, StorageFullError
from cim.ids import new_id
from cim.settings import Settings

SUFFIXES = (".ifc", ".ifczip", ".zip")
PROCESS = "bim-upload"
_META = "upload.json"
_DATA = "data"
_KEEP_FREE = 512 * 1024**2
_LONGEST_NAME = 120
_BAD_NAME = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]+")
_HEADS = (b"ISO-10303-21", b"PK\x03\x04")
_SNIFFED = 512


@dataclass(frozen=True)
class Upload:
    """A file that is on its way or here.

    Parameters
    ----------
    id
        UUIDv7; also what the client asks the state by.
    subject
        Whose it is.
    name
        File name as people know it, without folders.
    size
        Length of the whole file [byte].
    sha256
        Of the whole file as the client computed it, empty = not said.
    options
        What the client says about the model, see `ingest.ifc.load.UploadOptions`.
    job
        Job that works on it, None while it is incomplete.
    created_at, expires_at
        ISO 8601; an incomplete upload is dropped after the latter.
    refused
        Why it was refused before any job, empty where it was not.
    """

    id: str
    subject: str
    name: str
    size: int
    sha256: str
    options: dict[str, Any] = field(default_factory=dict)
    job: str | None = None
    created_at: str = ""
    expires_at: str = ""
    refused: str = ""

    @property
    def is_expired(self) -> bool:
        """Tell whether it is time to drop it."""
        return datetime.fromisoformat(self.expires_at) < utc_now()


def safe_name(name: str) -> str:
    """Return a file name without folders and control characters.

    Raises
    ------
    MediaTypeError
        Its suffix is that of no model.
    """
    plain = _BAD_NAME.sub("_", unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]).strip(". ")
    stem, dot, suffix = plain.rpartition(".")
    if not dot or f".{suffix.lower()}" not in SUFFIXES:
        raise MediaTypeError(
            f"file name {name[:80]!r}: expected one that ends in {', '.join(SUFFIXES)}", hint="export the model as IFC (STEP) again"
        )
    while len(stem.encode()) > _LONGEST_NAME:
        stem = stem[:-1]
    return f"{stem or 'model'}.{suffix}"


class Uploads:
    """The folder of uploads.

    Parameters
    ----------
    settings
        Names the data folder and the limits.
    """

    def __init__(self, settings: Settings) -> None:
        self._root = settings.data_dir.resolve() / "uploads"
        self._server = settings.server

    def create(self, subject: str, name: str, size: int, sha256: str, options: dict[str, Any]) -> Upload:
        """Begin an upload.

        Raises
        ------
        MediaTypeError
            The file is no model by its name.
        InvalidParameterError
            A size below one byte, or a sha256 that is none.
        LimitExceededError
            The file is too large, or its owner has too much on the way.
        StorageFullError
            The disk has no room for it.
        """
        kept = safe_name(name)
        if size < 1:
            raise InvalidParameterError("Upload-Length", size, "at least 1 byte")
        if sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise InvalidParameterError("sha256", sha256[:80], "64 hexadecimal digits")
        if size > self._server.upload_limit_bytes:
            raise LimitExceededError(
                f"{kept}: {size} bytes, expected at most {self._server.upload_limit_bytes}", kind="body", hint="split the model"
            )
        used = sum(one.size for one in self.all() if one.subject == subject and self.path(one).exists())
        if used + size > self._server.upload_quota_bytes:
            raise LimitExceededError(
                f"{kept}: {size} bytes, and {used} bytes of {subject} are on the way already; expected at most "
                f"{self._server.upload_quota_bytes} together",
                kind="body", hint="wait until they are worked off, or remove one: cim bim status --server … lists them",
            )  # fmt: skip
        self._root.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._root).free < size + _KEEP_FREE:
            raise StorageFullError(f"no room for an upload of {size} bytes", hint="free some space of the data folder")
        now = utc_now()
        expires = now + timedelta(hours=self._server.upload_keep_hours)
        upload = Upload(
            str(new_id()), subject, kept, size, sha256, options, created_at=now.isoformat(), expires_at=expires.isoformat()
        )  # fmt: skip
        folder = self._root / upload.id
        (folder / _DATA).mkdir(parents=True)
        self.path(upload).touch()
        # The description last: a folder without one is what a killed server left.
        self._save(upload)
        return upload

    def path(self, upload: Upload) -> Path:
        """Return where the bytes are."""
        return self._root / upload.id / _DATA / upload.name

    def offset(self, upload: Upload) -> int:
        """Return how many bytes are here."""
        path = self.path(upload)
        return path.stat().st_size if path.exists() else upload.size

    def find(self, upload_id: str, subject: str | None) -> Upload:
        """Return an upload.

        Parameters
        ----------
        subject
            Whose it must be, None for anybody's.

        Raises
        ------
        NotFoundError
            There is none, it was dropped, or it is somebody else's.
        """
        missing = NotFoundError(f"no upload {upload_id[:80]!r}", hint="begin again: cim bim upload FILE --server URL")
        try:
            folder = self._root / str(UUID(upload_id))
        except ValueError:
            raise missing from None
        upload = _load(folder)
        if upload is None or (subject is not None and upload.subject != subject):
            raise missing
        return upload

    def all(self) -> list[Upload]:
        """Return all uploads, oldest first."""
        if not self._root.exists():
            return []
        return [upload for folder in sorted(self._root.iterdir()) if (upload := _load(folder)) is not None]

    @contextlib.contextmanager
    def writer(self, upload: Upload) -> Iterator["Writer"]:
        """Open an upload for appending.

        Raises
        ------
        ConflictError
            Another request writes to it right now.
        """
        with self.path(upload).open("r+b") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError(f"upload {upload.id}: another request writes to it", hint="try again in a few seconds") from None
            handle.seek(0, os.SEEK_END)
            yield Writer(handle, upload)

    @contextlib.contextmanager
    def held(self, upload: Upload) -> Iterator[Upload]:
        """Hold an upload while its description changes; yields the newest description."""
        lock = self._root / upload.id / ".lock"
        with lock.open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield self.find(upload.id, None)

    def note(self, upload: Upload, *, job: str | None = None, refused: str = "") -> Upload:
        """Keep the job of an upload, or why it was refused."""
        noted = replace(upload, job=job or upload.job, refused=refused or upload.refused)
        self._save(noted)
        return noted

    def verify(self, upload: Upload) -> str:
        """Return why a complete file is not what its client sent; empty where it is."""
        if not upload.sha256:
            return ""
        with self.path(upload).open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
        if found == upload.sha256:
            return ""
        return f"the file arrived with sha256 {found[:12]}…, the client sent {upload.sha256[:12]}…; send it again"

    def drop_data(self, upload: Upload) -> None:
        """Remove the bytes, keep the description."""
        self.path(upload).unlink(missing_ok=True)

    def drop(self, upload: Upload) -> None:
        """Remove an upload."""
        shutil.rmtree(self._root / upload.id, ignore_errors=True)

    def _save(self, upload: Upload) -> None:
        target = self._root / upload.id / _META
        part = target.with_name(f".{_META}.{os.getpid()}.part")
        with part.open("w", encoding="utf-8") as handle:
            json.dump(asdict(upload), handle, ensure_ascii=False)
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(target)


class Writer:
    """Appends to an upload; made by `Uploads.writer`.

    Parameters
    ----------
    handle
        At its end.
    upload
        What is written.
    """

    def __init__(self, handle: BinaryIO, upload: Upload) -> None:
        self._handle = handle
        self._upload = upload
        self.start = handle.tell()
        self.offset = self.start

    def append(self, data: bytes) -> None:
        """Append bytes.

        Raises
        ------
        LimitExceededError
            They go beyond the announced length.
        MediaTypeError
            The first bytes are those of no model.
        StorageFullError
            The disk is full; what was written before stays.
        """
        if self.offset + len(data) > self._upload.size:
            raise LimitExceededError(f"upload {self._upload.id}: more bytes than the {self._upload.size} announced", kind="body")
        try:
            self._handle.write(data)
        except OSError as error:
            raise StorageFullError(f"upload {self._upload.id}: {error.strerror}", hint="free some space of the data folder") from error
        before, self.offset = self.offset, self.offset + len(data)
        if before < _SNIFFED <= self.offset or (before < _SNIFFED and self.offset == self._upload.size):
            self._look_at_head()

    def _look_at_head(self) -> None:
        self._handle.flush()
        self._handle.seek(0)
        head = self._handle.read(_SNIFFED).lstrip(b"\xef\xbb\xbf \t\r\n")
        self._handle.seek(0, os.SEEK_END)
        if not head.startswith(_HEADS):
            shown = head[:24].decode("ascii", errors="replace")
            raise MediaTypeError(f"{self._upload.name}: starts with {shown!r}, expected ISO-10303-21 or a zip archive (no IFC file)")

    def keep(self) -> int:
        """Bring what was written onto the disk and return the offset."""
        self._handle.flush()
        os.fsync(self._handle.fileno())
        return self.offset

    def take_back(self) -> None:
        """Undo what this writer appended."""
        self._handle.flush()
        self._handle.truncate(self.start)
        self._handle.seek(0, os.SEEK_END)
        self.offset = self.start


def _load(folder: Path) -> Upload | None:
    try:
        return Upload(**json.loads((folder / _META).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def sweep(settings: Settings, finished: set[str]) -> None:
    """Drop uploads that expired, the bytes of those whose job has ended, and what killed servers left.

    Parameters
    ----------
    finished
        Ids of jobs that have ended.
    """
    uploads = Uploads(settings)
    root = settings.data_dir.resolve() / "uploads"
    if not root.exists():
        return
    for upload in uploads.all():
        if (upload.job is None or upload.job in finished) and upload.is_expired:
            uploads.drop(upload)
        elif upload.job in finished or upload.refused:
            uploads.drop_data(upload)
    limit = utc_now() - timedelta(hours=1)
    for folder in root.iterdir():
        is_old = datetime.fromtimestamp(folder.stat().st_mtime, UTC) < limit
        if is_old and not (folder / _META).exists():
            shutil.rmtree(folder, ignore_errors=True)
