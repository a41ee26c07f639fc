"""Plain HTTP for tests: status, headers, body."""

import json
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from typing import Any


def ask(
    url: str, *, accept: str = "application/json", method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, Message, bytes]:
    request = urllib.request.Request(  # noqa: S310 - our own server
        url, data=body, method=method, headers={"Accept": accept, **(headers or {})}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def get(url: str, **parameters: object) -> Any:
    full = f"{url}?{urllib.parse.urlencode(parameters)}" if parameters else url
    status, _, body = ask(full)
    assert status == 200, (full, status, body[:400])
    return json.loads(body)


def status_of(url: str, **parameters: object) -> int:
    full = f"{url}?{urllib.parse.urlencode(parameters)}" if parameters else url
    return ask(full)[0]
