"""Jobs of processes on the queue: taken up by a worker, run as who asked, finished with results or a problem, told to the subscriber."""

import http.client
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from cim.db import engine
from cim.db import process_jobs as store
from cim.errors import CimError, ConflictError, InvalidParameterError, NotFoundError, RequestError, StoreError
from cim.jobs import RUN_PROCESS as RUN
from cim.processes import Context, File, JobDismissedError, processes
from cim.settings import Settings

_REPORT_EVERY_S = 0.5
_CALLBACK_TIMEOUT_S = 10
_log = structlog.get_logger("cim.processes")


def register(app: Any, settings: Settings) -> None:  # noqa: ANN401 - procrastinate ships no types
    """Register the task with the job application."""

    @app.task(name=RUN)  # type: ignore[untyped-decorator]  # procrastinate ships no types
    def run(job_id: str) -> None:
        """Run a process job."""
        run_job(settings, job_id)


def session_name(job_id: str) -> str:
    """Return the name of the store's sessions of a job."""
    return f"cim-job-{job_id}"


def folder_of(settings: Settings, job_id: str) -> Path:
    """Return the folder of a job's result files."""
    return settings.jobs_dir / str(job_id)


def run_job(settings: Settings, job_id: str) -> None:
    """Run a job to its end; every outcome is in the job's row, nothing is raised but the loss of the store."""
    with engine.connect(settings) as connection:
        job = store.take_up(connection, job_id)
    if job is None:
        return
    notify(settings, job, "inProgressUri", {"jobID": job_id, "status": "running"})
    problem = results = None
    try:
        results = _run(settings, job, job_id)
    except JobDismissedError:
        _log.info("job dismissed", job=job_id)
        return
    except CimError as error:
        problem = problem_of(error)
    except Exception:  # noqa: BLE001 - logged; a package's process may raise anything
        # The process of a package may fail in any way; the client learns that it did, the operator reads why.
        _log.exception("process failed", job=job_id, process=job["process"])
        problem = {
            "code": "process.failed",
            "title": "Process failed",
            "detail": "the process failed; the operator finds the reason in the log",
        }
        problem["status"] = 500
    with engine.connect(settings) as connection:
        done = store.finish(connection, job_id, results=results, problem=problem)
    if done:
        target, body = ("successUri", results) if problem is None else ("failedUri", problem)
        notify(settings, job, target, body or {})


def problem_of(error: CimError) -> dict[str, Any]:
    """Return an error as the problem of a job; the words of server faults stay with the operator."""
    by_client = isinstance(error, RequestError) or not isinstance(error, StoreError)
    # What is not there, and what contradicts it, is for the client to know; not what the database said, which names the store.
    is_told = by_client or (isinstance(error, NotFoundError | ConflictError) and error.__cause__ is None)
    detail = error.message if is_told else "the store could not answer"
    if not by_client:
        _log.error("process failed", code=error.code, message=error.message)
    return {"code": error.code, "title": "Process failed", "detail": detail, "hint": error.hint, "status": 400 if by_client else 500}


def _run(settings: Settings, job: store.Job, job_id: str) -> dict[str, Any]:
    process = processes().get(job["process"])
    if process is None:
        raise InvalidParameterError("process", job["process"], "a process of this installation")
    if job["attempts"] > store.MOST_ATTEMPTS:
        raise StoreError(f"given up: {store.MOST_ATTEMPTS} workers ended while they ran it")
    folder = folder_of(settings, job_id)
    folder.mkdir(parents=True, exist_ok=True)
    last = 0.0

    def report(progress: int, message: str) -> None:
        nonlocal last
        if time.monotonic() - last < _REPORT_EVERY_S:
            return
        last = time.monotonic()
        with engine.connect(settings) as connection:
            if not store.report(connection, job_id, progress, message):
                raise JobDismissedError

    context = Context(settings, store.principal_from(job["principal"]), folder=folder, on_report=report, name=session_name(job_id))
    try:
        made = process.run(context, dict(job["inputs"]))
    except CimError:
        # A dismissal ends the statement that runs: the process sees an error of the store.
        last = 0.0
        report(0, "")
        raise
    return {name: stored(value) for name, value in made.items()}


def stored(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Return a result as it is kept in the row."""
    return {"file": value.name, "mediaType": value.media_type} if isinstance(value, File) else {"value": value}


def callback_target(settings: Settings, url: str) -> tuple[str, str]:
    """Return host (with port) and scheme of a subscriber's address.

    Raises
    ------
    InvalidParameterError
        The host is not among those that the operator allows: a server that posts to any address can be turned against the network it
        stands in.
    """
    parts = urlsplit(url)
    hosts = {part.strip().lower() for part in settings.access.callback_hosts.split(",") if part.strip()}
    if parts.scheme not in {"http", "https"} or parts.username or parts.netloc.lower() not in hosts:
        allowed = ", ".join(sorted(hosts)) or "none: the operator allows no callbacks (CIM_ACCESS__CALLBACK_HOSTS)"
        raise InvalidParameterError("subscriber", url[:200], f"an http address at one of the hosts {allowed}")
    return parts.netloc, parts.scheme


def notify(settings: Settings, job: store.Job, name: str, body: dict[str, Any]) -> None:
    """Post to the subscriber of a job, once, without following redirects; a failure is logged and changes nothing."""
    url = (job["request"].get("subscriber") or {}).get(name)
    if not url:
        return
    try:
        host, scheme = callback_target(settings, url)
        kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        connection = kind(host, timeout=_CALLBACK_TIMEOUT_S)
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        status = connection.getresponse().status
        connection.close()
    except (OSError, http.client.HTTPException, CimError) as error:
        _log.warning("subscriber not told", job=str(job["id"]), error=str(error))
        return
    _log.info("subscriber told", job=str(job["id"]), status=status)
