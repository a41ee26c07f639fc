"""Jobs over HTTP (OGC API - Processes 1.0, classes job-list and dismiss): list, status, results, dismissal. Everybody sees his own."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from cim.access import Permission
from cim.clock import utc_now
from cim.db import engine, process_jobs
from cim.db.process_jobs import Choice, Job
from cim.db.tables.access import JOB_STATES
from cim.errors import InvalidParameterError, NotFoundError
from cim.process_jobs import folder_of, session_name
from ogc_api.access import principal_of
from ogc_api.middleware import AUDIT_ACTION
from ogc_api.negotiation import base_url
from ogc_api.parameters import parse_interval, refuse_unknown
from ogc_api.problems import EXCEPTIONS, problem
from ogc_api.processes import drawn, results_answer, whole
from ogc_api.state import state_of

_REL = "http://www.opengis.net/def/rel/ogc/1.0"
_LIMIT, _LIMIT_MAX = 100, 1000
_DURATIONS = ("minDuration", "maxDuration")
_CHOICES = ("type", "processID", "status", "datetime", *_DURATIONS)


def status_document(job: Job, base: str) -> dict[str, Any]:
    """Return the status of a job (statusInfo.yaml)."""
    address = f"{base}/jobs/{job['id']}"
    document: dict[str, Any] = {
        "processID": job["process"],
        "type": "process",
        "jobID": str(job["id"]),
        "status": job["state"],
        "message": job["message"],
        "progress": job["progress"],
        "created": job["created_at"],
        "started": job["started_at"],
        "finished": job["finished_at"],
        "updated": job["updated_at"],
        "links": [{"rel": "self", "type": "application/json", "href": f"{address}?f=json"}],
    }
    if job["state"] == "successful":
        document["links"].append({"rel": f"{_REL}/results", "type": "application/json", "href": f"{address}/results"})
    return {name: value for name, value in document.items() if value is not None}


def _owner(request: Request) -> str | None:
    principal = principal_of(request)
    return None if principal.may(Permission.BUILD) else principal.subject


async def _found(request: Request) -> Job:
    settings = state_of(request.app).settings
    owner = _owner(request)

    def read() -> Job:
        with engine.connect(settings) as connection:
            return process_jobs.fetch(connection, request.path_params["job"], owner)

    return await asyncio.to_thread(read)


def _no_such_job(error: NotFoundError) -> Response:
    return problem(404, error.message, kind=f"{EXCEPTIONS}/no-such-job")


def _choice(request: Request) -> Choice:
    """Return which jobs are asked for (18-062r2, class job-list)."""
    sent = request.query_params
    lists = {name: tuple(sent[name].split(",")) for name in ("type", "processID", "status") if name in sent}
    for name, known in (("status", JOB_STATES), ("type", ("process",))):
        unknown = set(lists.get(name, ())) - set(known)
        if unknown:
            raise InvalidParameterError(name, min(unknown)[:40], f"some of {', '.join(known)}")
    if "\x00" in sent.get("processID", ""):
        raise InvalidParameterError("processID", sent["processID"][:40], "ids of processes")
    since, until = parse_interval(sent["datetime"]) if "datetime" in sent else (None, None)
    shortest, longest = (whole(request, name, 0, least=0) if name in sent else None for name in _DURATIONS)
    return Choice(_owner(request), lists.get("processID"), lists.get("status"), since, until, shortest, longest)


async def listing(request: Request) -> Response:
    """Jobs, newest first."""
    refuse_unknown(request.query_params, ("f", "lang", "limit", "offset", *_CHOICES))
    state = state_of(request.app)
    limit = min(whole(request, "limit", _LIMIT, least=1), _LIMIT_MAX)
    offset = whole(request, "offset", 0, least=0)
    choice = _choice(request)

    def read() -> tuple[list[Job], int]:
        with engine.connect(state.settings) as connection:
            return process_jobs.listing(connection, choice, limit=limit, offset=offset)

    jobs, total = await asyncio.to_thread(read)
    base = base_url(request, state.settings)
    kept = [(name, request.query_params[name]) for name in _CHOICES if name in request.query_params]

    def address(skipped: int) -> str:
        return f"{base}/jobs?{urlencode([('limit', limit), ('offset', skipped), *kept])}"

    links = [{"rel": "self", "type": "application/json", "href": address(offset)}]
    if offset + limit < total:
        links.append({"rel": "next", "type": "application/json", "href": address(offset + limit)})
    document = {
        "jobs": [status_document(job, base) for job in jobs],
        "links": links,
        "numberMatched": total,
        "numberReturned": len(jobs),
        "timeStamp": utc_now(),
    }
    return await drawn(request, state, "jobs/index.html", document)


async def one(request: Request) -> Response:
    """Status of a job, or its dismissal."""
    refuse_unknown(request.query_params, ("f", "lang"))
    state = state_of(request.app)
    try:
        job = await _found(request)
    except NotFoundError as error:
        return _no_such_job(error)
    base = base_url(request, state.settings)
    if request.method != "DELETE":
        return await drawn(request, state, "jobs/job.html", status_document(job, base))
    request.scope[AUDIT_ACTION] = "dismiss"

    def dismiss() -> Job:
        with engine.connect(state.settings) as connection:
            process_jobs.dismiss(connection, str(job["id"]), session_name(str(job["id"])))
            return process_jobs.fetch(connection, job["id"], None)

    dismissed = await asyncio.to_thread(dismiss)
    return Response(orjson.dumps(status_document(dismissed, base)), media_type="application/json")


async def results(request: Request) -> Response:
    """Results of a finished job."""
    refuse_unknown(request.query_params, ("f", "lang"))
    try:
        job = await _found(request)
    except NotFoundError as error:
        return _no_such_job(error)
    refused = _not_ready(job)
    if refused is not None:
        return refused
    base = base_url(request, state_of(request.app).settings)
    return results_answer(job["results"], job["request"], base=f"{base}/jobs/{job['id']}/results")


async def result(request: Request) -> Response:
    """One result of a finished job: the file, or the value."""
    refuse_unknown(request.query_params, ("f", "lang"))
    try:
        job = await _found(request)
    except NotFoundError as error:
        return _no_such_job(error)
    refused = _not_ready(job)
    if refused is not None:
        return refused
    found = job["results"].get(request.path_params["output"])
    if found is None:
        raise NotFoundError(f"job {job['id']}: no result {request.path_params['output'][:80]!r}")
    if "file" not in found:
        return Response(orjson.dumps(found["value"]), media_type="application/json")
    folder = folder_of(state_of(request.app).settings, str(job["id"])).resolve()
    file = (folder / found["file"]).resolve()
    if not file.is_relative_to(folder) or not file.is_file():
        raise NotFoundError(f"job {job['id']}: the file of this result is gone")
    request.scope[AUDIT_ACTION] = "export"
    return FileResponse(file, media_type=found["mediaType"], filename=file.name)


def _not_ready(job: Job) -> Response | None:
    if job["state"] == "successful":
        return None
    if job["state"] == "failed":
        told = job["problem"] or {}
        return problem(int(told.get("status", 500)), str(told.get("detail", "the job failed")), kind=f"{EXCEPTIONS}/job-results-failed")
    if job["state"] == "dismissed":
        return problem(410, f"job {job['id']} was dismissed", kind=f"{EXCEPTIONS}/no-such-job")
    return problem(404, f"job {job['id']} is {job['state']}", kind=f"{EXCEPTIONS}/result-not-ready", headers={"Retry-After": "2"})
