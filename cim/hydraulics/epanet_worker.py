"""An open EPANET project in a process of its own: questions on standard input, answers on standard output, until the input ends.

A question and the head of an answer are a line of JSON; the arrays of an answer follow it as little-endian float64.
"""

import os
import sys
from typing import Any

import numpy as np
import orjson

from cim.errors import CimError, NotFoundError
from cim.hydraulics.epanet import EpanetModel, Snapshot

ARRAYS = ("pressure_m", "head_m", "demand_l_s", "flow_l_s", "velocity_m_s")


def _answer(model: EpanetModel, question: dict[str, Any]) -> tuple[dict[str, Any], Snapshot]:
    found = model.solve(closed=question["closed"], bursts_l_s=question["bursts_l_s"])
    return {"warnings": found.warnings}, found


def main() -> None:
    """Answer until the input ends. The first line is the length of the model in bytes; the model follows."""
    questions = sys.stdin.buffer
    # The engine prints too: what it says goes to standard error.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def send(head: dict[str, Any], arrays: list[Any] | None = None) -> None:
        answers.write(orjson.dumps(head) + b"\n")
        for array in arrays or []:
            answers.write(np.ascontiguousarray(array, "<f8").tobytes())
        answers.flush()

    try:
        model = EpanetModel(questions.read(int(questions.readline())))
    except CimError as error:
        send({"error": error.message, "hint": error.hint})
        return
    with model:
        send({"nodes": model.nodes, "links": model.links})
        while line := questions.readline():
            try:
                head, found = _answer(model, orjson.loads(line))
            except CimError as error:
                send({"error": error.message, "hint": error.hint, "not_found": isinstance(error, NotFoundError)})
                continue
            send(head, [getattr(found, name) for name in ARRAYS])


if __name__ == "__main__":
    main()
