"""Engines in a process of their own: a crash, a leak or a global state of theirs ends with it."""

import os
import subprocess
import sys
from typing import Any

import orjson

from cim.hydraulics.epanet import EngineError

ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH")


def ask(module: str, question: dict[str, Any], *, timeout_s: float = 600.0) -> dict[str, Any]:
    """Run a module with a question on standard input and return its answer from standard output, both JSON.

    Parameters
    ----------
    module
        Module to run with ``python -m``.
    question
        What it reads.
    timeout_s
        Longest time [s].

    Raises
    ------
    EngineError
        It answered with an error, took too long, or died.
    """
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    try:
        done = subprocess.run(
            [sys.executable, "-m", module], input=orjson.dumps(question), capture_output=True, timeout=timeout_s, env=environment,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"the engine took more than {timeout_s:.0f} s", hint="simulate a shorter storm or a smaller model") from error
    line = done.stdout.rpartition(b"\x1e")[2]
    if done.returncode or not line:
        told = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise EngineError(f"the engine ended with status {done.returncode}: {told[-1] if told else 'no message'}")
    answer: dict[str, Any] = orjson.loads(line)
    if "error" in answer:
        raise EngineError(str(answer["error"]), hint=str(answer.get("hint", "cim network check --kind KIND")))
    return answer


def reply(answer: dict[str, Any]) -> None:
    """Write the answer of a child; engines print to standard output too, so a record separator stands before it."""
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\x1e" + orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))
    sys.stdout.buffer.flush()
