"""``cim bim upload --server``: a model to another machine by tus 1.0, resumed after every loss, and what became of it."""

import base64
import hashlib
import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from cim.errors import ConfigError, InvalidParameterError, RemoteError, RemoteUnavailableError
from ingest.source import require_file

CHUNK = 8 * 1024 * 1024
_BLOCK = 64 * 1024
_TIMEOUT_S = 60
_LONGEST_PAUSE_S = 15.0
_MOST_FAILURES = 8
_LOST = (OSError, http.client.HTTPException)
_AGAIN = {409, 423, 429, 460, 502, 503, 504}
"""Answers after which the offset is asked for and the upload goes on."""
ENDED = ("successful", "failed", "dismissed")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """Return the body.

        Raises
        ------
        RemoteError
            It is no JSON: some other program answers there.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise RemoteError(f"HTTP {self.status}: the answer is no JSON: {self.body[:80]!r}", hint="check --server") from None


class Server:
    """A CIM server.

    Parameters
    ----------
    address
        http or https address of its landing page.
    token
        Sent with every request; only to this server.
    patience_s
        How long it may be away before the client gives up [s].
    say
        Tells people about losses.
    """

    def __init__(self, address: str, token: str, *, patience_s: float = 300.0, say: Say = lambda _: None) -> None:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidParameterError("--server", address[:200], "an address such as https://cim.example.org")
        if not token:
            raise ConfigError("no token for the server", hint="pass --token-file FILE, set CIM_CLIENT__TOKEN, or --token; cim token create")
        self._parts = parts
        self._token = token
        self._patience_s = patience_s
        self._say = say
        self._root = parts.path.rstrip("/")

    def _connection(self) -> http.client.HTTPConnection:
        host = str(self._parts.hostname)
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, self._parts.port, timeout=_TIMEOUT_S, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, self._parts.port, timeout=_TIMEOUT_S)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:  # noqa: ANN401 - bytes or an iterable of them
        """Send one request over one connection."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = self._connection()
        try:
            given = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", **named}
            connection.request(method, f"{self._root}{path}", body=body, headers=given)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def ask(self, method: str, path: str, **headers: str) -> Answer:
        """Send a request without a body, again until the server answers.

        Raises
        ------
        RemoteUnavailableError
            It did not come back in time.
        RemoteError
            It refused.
        """
        return self.patiently(lambda: checked(self.send(method, path, **headers)))

    def patiently(self, attempt: Callable[[], Answer]) -> Answer:
        """Try until it succeeds, with growing pauses, as long as patience lasts."""
        pause, deadline = 0.5, time.monotonic() + self._patience_s
        while True:
            try:
                return attempt()
            except (*_LOST, RemoteUnavailableError) as error:
                if time.monotonic() + pause > deadline:
                    raise RemoteUnavailableError(
                        f"{self._parts.netloc}: {_words(error)}", hint="run the same command again: it goes on where it stopped"
                    ) from error
                self._say(f"connection lost ({_words(error)}); trying again in {pause:.0f} s")
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)


def _words(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:120]


def checked(answer: Answer) -> Answer:
    """Return an answer that is none of refusal.

    Raises
    ------
    RemoteUnavailableError
        The server asks to come again later.
    RemoteError
        It refused; with its own words.
    """
    if answer.status < 400:
        return answer
    told: dict[str, Any] = {}
    if answer.body.lstrip().startswith(b"{"):
        told = answer.json()
    message = f"the server refused (HTTP {answer.status}): {told.get('detail') or answer.body[:120].decode(errors='replace')}"
    if answer.status in _AGAIN:
        raise RemoteUnavailableError(message, hint=str(told.get("hint", "")))
    raise RemoteError(message, hint=str(told.get("hint", "")))


def _metadata(options: Mapping[str, Any], name: str, sha256: str) -> str:
    texts = {"filename": name, "sha256": sha256}
    for key, value in options.items():
        if isinstance(value, bool):
            texts[key] = "true" if value else "false"
        elif isinstance(value, list | tuple):
            texts[key] = ",".join(repr(float(part)) for part in value)
        elif value is not None:
            texts[key] = str(value)
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in texts.items())


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def send_model(server: Server, path: Path, options: Mapping[str, Any], progress: Callable[[int, int], None]) -> str:
    """Upload a model; go on with an unfinished upload of the same file and options where there is one.

    Parameters
    ----------
    options
        Process inputs, see `ingest.ifc.processes`.
    progress
        Called with bytes sent and all bytes.

    Returns
    -------
    str
        Id of the upload.

    Raises
    ------
    SourceError
        There is no such file.
    RemoteError, RemoteUnavailableError
        The server refused, or did not come back.
    """
    require_file(path)
    size, sha256 = path.stat().st_size, _digest(path)
    given = {key: value for key, value in options.items() if value not in (None, False)}
    mine = server.ask("GET", f"/bim/uploads?sha256={sha256}").json()["uploads"]
    begun = [one for one in mine if one["state"] == "receiving" and one["options"] == json.loads(json.dumps(given))]
    if begun:
        where = f"/bim/uploads/{begun[-1]['id']}"
    else:
        made = server.ask(
            "POST", "/bim/uploads", Tus_Resumable="1.0.0", Upload_Length=str(size), Upload_Metadata=_metadata(given, path.name, sha256)
        )  # fmt: skip
        where = f"/bim/uploads/{made.headers['location'].rpartition('/')[2]}"
    with path.open("rb") as handle:
        _send_from(server, handle, where, size, progress)
    return where.rpartition("/")[2]


def _send_from(server: Server, handle: BinaryIO, where: str, size: int, progress: Callable[[int, int], None]) -> None:
    offset, failures = int(server.ask("HEAD", where, Tus_Resumable="1.0.0").headers["upload-offset"]), 0
    while offset < size:
        progress(offset, size)
        try:
            offset = int(checked(_send_chunk(server, handle, where, offset, size, progress)).headers["upload-offset"])
            failures = 0
        except (*_LOST, RemoteError) as error:
            if isinstance(error, RemoteError) and not error.retryable:
                raise
            # After a loss only the server knows how much has arrived, and whether it wants the file at all.
            state = server.ask("GET", where).json()
            report_from(state)
            failures = failures + 1 if state["received"] <= offset else 0
            if failures > _MOST_FAILURES:
                raise RemoteUnavailableError(
                    f"{_MOST_FAILURES} attempts in a row brought nothing over: {_words(error)}", hint="run the same command again later"
                ) from error
            time.sleep(min(0.2 * 2**failures, _LONGEST_PAUSE_S))
            offset = state["received"]
    progress(size, size)


def _send_chunk(server: Server, handle: BinaryIO, where: str, start: int, size: int, progress: Callable[[int, int], None]) -> Answer:
    handle.seek(start)
    chunk = handle.read(min(CHUNK, size - start))

    def blocks() -> Iterator[bytes]:
        for place in range(0, len(chunk), _BLOCK):
            yield chunk[place : place + _BLOCK]
            progress(start + min(place + _BLOCK, len(chunk)), size)

    checksum = base64.b64encode(hashlib.sha256(chunk).digest()).decode()
    return server.send(
        "PATCH", where, blocks(), Tus_Resumable="1.0.0", Upload_Offset=str(start), Content_Type="application/offset+octet-stream",
        Upload_Checksum=f"sha256 {checksum}", Content_Length=str(len(chunk)),
    )  # fmt: skip


def follow(server: Server, upload_id: str, tell: Callable[[dict[str, Any]], None], *, wait: bool) -> dict[str, Any]:
    """Return the state of an upload or model.

    Parameters
    ----------
    tell
        Called with every state.
    wait
        Ask until its job has ended.
    """
    while True:
        state: dict[str, Any] = server.ask("GET", f"/bim/models/{upload_id}/report").json()
        tell(state)
        if not wait or state.get("state", "successful") in (*ENDED, "receiving"):
            return state
        time.sleep(1.0)


def report_from(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report of a job that has ended well.

    Raises
    ------
    RemoteError
        It failed; with the code, the words and the hint that a local upload would have had.
    """
    if "state" not in state:
        return dict(state)
    error = state.get("error")
    if error is not None:
        raise RemoteError(error["message"], hint=error["hint"], remote_code=error["code"])
    if state["state"] == "dismissed":
        raise RemoteError(f"{state['file']}: somebody dismissed its job")
    report: dict[str, Any] = state["report"] if state["report"] is not None else dict(state)
    return report
