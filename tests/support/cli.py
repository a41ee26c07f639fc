"""Runs ``cim`` in this process and catches what it prints."""

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

from cim.cli import run
from cim.settings import Settings


@dataclass(frozen=True)
class CliResult:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def run_cim(settings: Settings, *argv: object) -> CliResult:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(part) for part in argv], obj=settings)
    return CliResult(code, out.getvalue(), err.getvalue())
