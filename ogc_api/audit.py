"""Audit: who wrote, exported or executed what, with which outcome. Rows are added in order, in batches, and never changed."""

import asyncio
from collections import deque
from typing import Any

import orjson
import structlog

from cim.access import Principal
from cim.db.audit import INSERT
from cim.db.request_pool import RequestPool
from cim.errors import CimError

_log = structlog.get_logger("ogc_api.audit")
_BATCH = 500


class Audit:
    """Writes audit events behind the answers; `flush` waits until all are in the store.

    Parameters
    ----------
    pool
        Connections that may write.
    """

    def __init__(self, pool: RequestPool) -> None:
        self._pool = pool
        self._waiting: deque[dict[str, Any]] = deque()
        self._task: asyncio.Task[None] | None = None

    def note(
        self, principal: Principal, action: str, target: str, status: int, *, address: str | None, request_id: str, **detail: object
    ) -> None:
        """Note an event; it is in the store a moment later, and in the log at once."""
        event = {
            "subject": principal.subject,
            "role": principal.role,
            "token_id": principal.token_id,
            "address": address,
            "action": action,
            "target": target[:1000],
            "status": status,
            "request_id": request_id,
            "detail": detail,
        }
        _log.info("audit", **event)
        self._waiting.append(event)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write())

    async def flush(self) -> None:
        """Wait until every noted event is written."""
        if self._task is not None:
            await self._task

    async def _write(self) -> None:
        while self._waiting:
            batch = [self._waiting[place] for place in range(min(_BATCH, len(self._waiting)))]
            try:
                await self._pool.rows(INSERT, orjson.dumps(batch).decode())
            except CimError as error:
                # They are in the log; kept here too while the store is away, as far as memory allows.
                _log.error("audit events not written", n=len(self._waiting), error=error.message)
                while len(self._waiting) > 100 * _BATCH:
                    self._waiting.popleft()
                return
            for _ in batch:
                self._waiting.popleft()
