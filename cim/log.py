"""Logging: structlog to stderr; data goes to stdout."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_PASSWORD_IN_URL = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^:/@\s]+:)[^@\s]+(?=@)", re.IGNORECASE)


def redact(text: str) -> str:
    """Hide passwords inside URLs, as in ``postgresql://user:secret@host``.

    Examples
    --------
    >>> redact("postgresql://cim:s3cret@db/cim")
    'postgresql://cim:***@db/cim'
    """
    return _PASSWORD_IN_URL.sub(r"\g<head>***", text)


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401 - structlog's processor signature
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event


def configure(*, verbose: bool = False, as_json: bool = False) -> None:
    """Set up structlog and the standard library's loggers.

    Parameters
    ----------
    verbose
        Show debug events too.
    as_json
        One JSON object per line, for log collectors; the standard library's lines too.
    """
    level = logging.DEBUG if verbose else logging.INFO
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact_event,
    ]
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    if as_json:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        handler = logging.StreamHandler(sys.stderr)
        # Traces as plain text, without the values of local variables, which may hold passwords.
        chain: list[structlog.typing.Processor] = [*shared, structlog.stdlib.add_logger_name, structlog.processors.format_exc_info]
        handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=chain))
        logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    else:
        logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer] if as_json else [*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
