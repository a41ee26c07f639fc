"""EPANET projects kept open in processes of their own, so that a question costs a solution and not the opening of the model."""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import IO, Any, Protocol, cast

import numpy as np
import orjson

from cim.errors import NotFoundError
from cim.hydraulics.child import ENVIRONMENT
from cim.hydraulics.epanet import EngineError, Snapshot

_OPENING_S, _SOLVING_S = 300.0, 120.0


class WarmModel:
    """An EPANET project open in a child process; ends with `close`, or when this process ends. One question at a time.

    Parameters
    ----------
    content
        The .inp file.

    Raises
    ------
    EngineError
        The engine refuses the file, or its process died.
    """

    def __init__(self, content: bytes) -> None:
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "cim.hydraulics.epanet_worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
        # Both are pipes: they were asked for.
        self._questions, self._answers = cast("IO[bytes]", self._child.stdin), cast("IO[bytes]", self._child.stdout)
        try:
            self._send(b"%d\n" % len(content) + content)
            head = self._head(_OPENING_S)
            self.nodes: list[str] = head["nodes"]
            self.links: list[str] = head["links"]
            self.before = self.solve()
            """The first moment without any disturbance."""
        except EngineError:
            self.close()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._child.poll() is None

    def solve(self, *, closed: Sequence[str] = (), bursts_l_s: Mapping[str, float] | None = None) -> Snapshot:
        """Solve the first moment; arguments, answer and errors as `cim.hydraulics.epanet.EpanetModel.solve`."""
        self._send(orjson.dumps({"closed": list(closed), "bursts_l_s": dict(bursts_l_s or {})}) + b"\n")
        head = self._head(_SOLVING_S)
        n, m = len(self.nodes), len(self.links)
        sizes = [n, n, n, m, m]
        pressure, level, demand, flow, speed = (np.frombuffer(self._read(8 * size), "<f8") for size in sizes)
        return Snapshot(self.nodes, self.links, pressure, level, demand, flow, speed, head["warnings"])

    def _send(self, content: bytes) -> None:
        try:
            self._questions.write(content)
            self._questions.flush()
        except OSError as error:
            raise EngineError(f"EPANET: its process ended with status {self._child.poll()}", hint="ask again") from error

    def _read(self, size: int) -> bytes:
        found = self._answers.read(size)
        if len(found) < size:
            raise EngineError(f"EPANET: its process ended with status {self._child.wait()}", hint="ask again")
        return found

    def _head(self, longest_s: float) -> dict[str, Any]:
        if not select.select([self._answers], [], [], longest_s)[0]:
            self.close()
            raise EngineError(f"EPANET took more than {longest_s:.0f} s", hint="simulate a part of the network")
        line = self._answers.readline()
        if not line:
            raise EngineError(f"EPANET: its process ended with status {self._child.wait()}", hint="ask again")
        head: dict[str, Any] = orjson.loads(line)
        if head.get("not_found"):
            raise NotFoundError(str(head["error"]), hint=str(head.get("hint", "")))
        if "error" in head:
            raise EngineError(str(head["error"]), hint=str(head.get("hint", "")))
        return head

    def close(self) -> None:
        """End the process."""
        for pipe in (self._questions, self._answers):
            with contextlib.suppress(OSError):
                pipe.close()
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class Open(Protocol):
    """What is kept open."""

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""

    def close(self) -> None:
        """End it."""


class _Slot[T: Open]:
    def __init__(self) -> None:
        self.lock = Lock()
        self.state: object = None
        self.model: T | None = None
        self.asked = 0.0
        self.is_gone = False

    def close(self) -> None:
        if self.model is not None:
            self.model.close()
            self.model = None


class WarmModels[T: Open]:
    """Models by key, each asked one question at a time; the longest unused is closed when there are too many or it is idle.

    Parameters
    ----------
    at_most
        Models open at a time.
    idle_s
        A model nobody asked for this long is closed at the next question to any [s].
    """

    def __init__(self, at_most: int = 4, idle_s: float = 1800.0) -> None:
        self._slots: OrderedDict[str, _Slot[T]] = OrderedDict()
        self._at_most, self._idle_s = at_most, idle_s
        self._lock = Lock()

    def ask[A](self, key: str, state: object, make: Callable[[], T], question: Callable[[T], A]) -> A:
        """Ask a model; it is opened where it is not, where its process died, and where its state is another one.

        Parameters
        ----------
        key
            Name of the model.
        state
            What the model depends on; compared with the state it was opened in.
        make
            Opens the model.
        question
            Asks the open model.
        """
        now = time.monotonic()
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            slot.asked = now
            spare = len(self._slots) - self._at_most
            leaving = [one for i, (one, other) in enumerate(self._slots.items()) if i < spare or now - other.asked > self._idle_s]
            gone = [self._slots.pop(one) for one in leaving]
        for other in gone:
            self._leave(other)
        with slot.lock:
            if slot.model is not None and (slot.state != state or not slot.model.is_alive):
                slot.close()
            if slot.model is None:
                slot.model, slot.state = make(), state
            try:
                return question(slot.model)
            finally:
                if slot.is_gone:
                    slot.close()

    def _leave(self, slot: _Slot[T]) -> None:
        """Close a model; one that is being asked is closed after its answer."""
        slot.is_gone = True
        if slot.lock.acquire(blocking=False):
            try:
                slot.close()
            finally:
                slot.lock.release()

    def close(self) -> None:
        """Close all."""
        with self._lock:
            gone = [self._slots.pop(key) for key in list(self._slots)]
        for slot in gone:
            self._leave(slot)
