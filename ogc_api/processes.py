"""Processes over HTTP (OGC API - Processes 1.0): list, describe, execute at once or as a job.

pygeoapi's front end is not used here: its jobs have no owner, its job documents are not those of the standard, and its manager
interface has no place for the principal a process must run as. What remains the same is the paths.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import jsonschema
import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.access import Principal
from cim.db import engine, process_jobs
from cim.errors import ForbiddenError, InvalidParameterError, NotFoundError, StoreUnavailableError
from cim.process_jobs import callback_target
from cim.processes import ASYNC, SYNC, Context, File, Process, processes
from cim.profile import Names
from cim.settings import Settings
from ogc_api.access import principal_of
from ogc_api.middleware import AUDIT_ACTION
from ogc_api.negotiation import base_url, language, output_format
from ogc_api.parameters import refuse_unknown
from ogc_api.problems import EXCEPTIONS, problem
from ogc_api.state import ServerState, state_of

_REL = "http://www.opengis.net/def/rel/ogc/1.0"
_LIMIT_MAX = 1000
_AT_ONCE = asyncio.Semaphore(4)
"""Processes that run at once in the server; more wait their turn."""
_LONGEST_S = 60.0


def visible(principal: Principal) -> dict[str, Process]:
    """Return the processes a principal may execute."""
    return {name: one for name, one in processes().items() if refusal_of(one, principal) is None}


def refusal_of(one: Process, principal: Principal) -> str | None:
    """Return why somebody may not execute a process, None where he may."""
    if not principal.may(one.permission):
        return f"needs the permission {one.permission}"
    if one.needs_all_rows and principal.scope is not None:
        return "is about the whole city, this token is not"
    hidden = [name for name in one.collections if not principal.sees(name)]
    return f"reads the collection {hidden[0]}" if hidden else None


def find(name: str) -> Process:
    """Return a process.

    Raises
    ------
    NotFoundError
        There is none with this id.
    """
    found = processes().get(name)
    if found is None:
        raise NotFoundError(f"no process {name[:80]!r}; expected one of {', '.join(processes())}")
    return found


def _text(names: Names, spoken: str) -> str:
    return names.zh if spoken == "zh" else names.en


def summary(one: Process, base: str, spoken: str) -> dict[str, Any]:
    """Return the entry of a process in the list (processSummary.yaml)."""
    address = f"{base}/processes/{one.id}"
    return {
        "id": one.id,
        "version": one.version,
        "title": _text(one.title, spoken),
        "description": _text(one.description, spoken),
        "keywords": list(one.keywords),
        "jobControlOptions": [*one.modes, "dismiss"] if ASYNC in one.modes else list(one.modes),
        "outputTransmission": ["value", "reference"],
        "links": [
            {"rel": "self", "type": "application/json", "href": f"{address}?f=json"},
            {"rel": f"{_REL}/execute", "type": "application/json", "href": f"{address}/execution"},
            {"rel": "alternate", "type": "text/html", "href": f"{address}?f=html"},
        ],
    }


def description(one: Process, base: str, spoken: str) -> dict[str, Any]:
    """Return the whole description of a process (process.yaml, class ogc-process-description)."""
    inputs = {}
    for name, given in one.inputs.items():
        made: dict[str, Any] = {"title": _text(given.title, spoken), "schema": dict(given.schema), "minOccurs": int(given.required)}
        made["maxOccurs"] = 1
        if given.description:
            made["description"] = _text(given.description, spoken)
        inputs[name] = made
    outputs = {name: {"title": _text(out.title, spoken), "schema": dict(out.schema)} for name, out in one.outputs.items()}
    return {**summary(one, base, spoken), "inputs": inputs, "outputs": outputs, "example": dict(one.example)}


async def listing(request: Request) -> Response:
    """Processes that whoever asks may execute."""
    refuse_unknown(request.query_params, ("f", "lang", "limit"))
    state = state_of(request.app)
    base, spoken = base_url(request, state.settings), language(request, state.settings.language)
    limit = whole(request, "limit", _LIMIT_MAX, least=1)
    found = [summary(one, base, spoken) for one in list(visible(principal_of(request)).values())[: min(limit, _LIMIT_MAX)]]
    links = [
        {"rel": "self", "type": "application/json", "href": f"{base}/processes?f=json"},
        {"rel": "alternate", "type": "text/html", "href": f"{base}/processes?f=html"},
    ]
    return await drawn(request, state, "processes/index.html", {"processes": found, "links": links})


async def describe(request: Request) -> Response:
    """One process with its inputs and outputs."""
    refuse_unknown(request.query_params, ("f", "lang"))
    state = state_of(request.app)
    name = request.path_params["process"]
    if name not in processes():
        return no_such_process(name)
    document = description(find(name), base_url(request, state.settings), language(request, state.settings.language))
    return await drawn(request, state, "processes/process.html", document)


def no_such_process(name: str) -> Response:
    """Return the answer for an unknown process (requirement /req/core/process-exception/no-such-process)."""
    return problem(404, f"no process {name[:80]!r}; expected one of {', '.join(processes())}", kind=f"{EXCEPTIONS}/no-such-process")


async def drawn(request: Request, state: ServerState, template: str, document: dict[str, Any]) -> Response:
    """Return a document as JSON, or as the page a template draws."""
    spoken = language(request, state.settings.language)
    if output_format(request) == "json":
        return Response(orjson.dumps(document, default=str), headers={"Content-Language": spoken}, media_type="application/json")
    current = await state.current()
    return current.front.html(template, document, spoken, base=base_url(request, state.settings))


def whole(request: Request, name: str, default: int, *, least: int) -> int:
    """Return a whole number of the query.

    Raises
    ------
    InvalidParameterError
        Not a whole number, or below the least.
    """
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= least):
        raise InvalidParameterError(name, text[:40], f"a whole number, {least} or more")
    return int(text)


async def execute(request: Request) -> Response:
    """Run a process: at once, or as a job where the client prefers (``Prefer: respond-async``) or the process asks for it."""
    refuse_unknown(request.query_params, ("f", "lang"))
    state, principal = state_of(request.app), principal_of(request)
    name = request.path_params["process"]
    if name not in processes():
        return no_such_process(name)
    one = find(name)
    request.scope[AUDIT_ACTION] = "execute"
    principal.require(one.permission)
    refusal = refusal_of(one, principal)
    if refusal is not None:
        raise ForbiddenError(f"process {one.id}: {refusal}")
    body = await read_body(request)
    inputs = checked_inputs(one, body.get("inputs", {}))
    asked = checked_request(one, body, state.settings)
    prefers = "respond-async" in request.headers.get("prefer", "").replace(" ", "").split(",")
    if ASYNC in one.modes and (prefers or SYNC not in one.modes):
        return await _as_job(request, state, one, inputs, asked, principal)
    made = await _at_once(state.settings, one, inputs, principal)
    return results_answer({key: {"value": value} for key, value in made.items()}, asked, base="")


async def _at_once(settings: Settings, one: Process, inputs: dict[str, Any], principal: Principal) -> Mapping[str, Any]:
    async with _AT_ONCE:
        try:
            made = await asyncio.wait_for(asyncio.to_thread(one.run, Context(settings, principal), inputs), _LONGEST_S)
        except TimeoutError as error:
            raise StoreUnavailableError(f"process {one.id} ran longer than {_LONGEST_S:g} s", hint="Prefer: respond-async") from error
    if any(isinstance(value, File) for value in made.values()):
        raise TypeError(f"process {one.id} made a file while it was run at once")
    return made


async def _as_job(
    request: Request, state: ServerState, one: Process, inputs: dict[str, Any], asked: dict[str, Any], principal: Principal
) -> Response:
    from ogc_api.jobs import status_document

    def store() -> dict[str, Any]:
        with engine.connect(state.settings) as connection:
            job_id = process_jobs.create(connection, one.id, inputs, asked, principal)
            return process_jobs.fetch(connection, job_id, None)

    job = await asyncio.to_thread(store)
    await state.queue.put(str(job["id"]))
    base = base_url(request, state.settings)
    headers = {"Location": f"{base}/jobs/{job['id']}", "Preference-Applied": "respond-async"}
    return Response(orjson.dumps(status_document(job, base)), 201, headers=headers, media_type="application/json")


async def read_body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request's body.

    Raises
    ------
    InvalidParameterError
        Not JSON, or no object.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise InvalidParameterError("Content-Type", media_type[:80], "application/json")
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise InvalidParameterError("body", str(error)[:120], "a JSON document") from error
    if not isinstance(body, dict):
        raise InvalidParameterError("body", type(body).__name__, "a JSON object with inputs")
    unknown = set(body) - {"inputs", "outputs", "response", "subscriber", "mode"}
    if unknown:
        raise InvalidParameterError(min(unknown)[:80], "", "inputs, outputs, response, subscriber")
    return body


def checked_inputs(one: Process, given: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Check inputs against their schemas and fill in defaults.

    Raises
    ------
    InvalidParameterError
        An input is unknown, missing, by reference, or does not fit its schema.
    """
    if not isinstance(given, dict):
        raise InvalidParameterError("inputs", type(given).__name__, "an object of input values")
    unknown = set(given) - set(one.inputs)
    if unknown:
        raise InvalidParameterError(f"inputs.{min(unknown)[:80]}", "", f"some of {', '.join(one.inputs)}")
    made: dict[str, Any] = {}
    for name, wanted in one.inputs.items():
        if name not in given:
            if "default" in wanted.schema:
                made[name] = wanted.schema["default"]
            elif wanted.required:
                raise InvalidParameterError(f"inputs.{name}", None, "a value: the input is required")
            continue
        value = given[name]
        if isinstance(value, dict) and "href" in value:
            # Nothing is fetched for a client: its addresses may lead into the network of the server.
            raise InvalidParameterError(f"inputs.{name}", "href", "the value itself; inputs by reference are not taken")
        if isinstance(value, dict) and set(value) <= {"value", "mediaType", "encoding", "schema"} and "value" in value:
            value = value["value"]
        fault = next(iter(jsonschema.Draft202012Validator(wanted.schema).iter_errors(value)), None)
        if fault is not None:
            place = ".".join(str(part) for part in fault.absolute_path)
            raise InvalidParameterError(f"inputs.{name}{'.' + place if place else ''}", _short(fault.instance), fault.message[:300])
        made[name] = value
    return made


def _short(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def checked_request(one: Process, body: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Check outputs, response and subscriber of an execute request.

    Raises
    ------
    InvalidParameterError
        An output is unknown, or the subscriber's address is not allowed.
    """
    outputs = body.get("outputs")
    if outputs is not None and (not isinstance(outputs, dict) or set(outputs) - set(one.outputs)):
        raise InvalidParameterError("outputs", _short(outputs), f"an object with some of {', '.join(one.outputs)}")
    response = body.get("response", "document")
    if response not in {"raw", "document"}:
        raise InvalidParameterError("response", _short(response), "raw or document")
    subscriber = body.get("subscriber")
    if subscriber is not None:
        if not isinstance(subscriber, dict) or set(subscriber) - {"successUri", "failedUri", "inProgressUri"}:
            raise InvalidParameterError("subscriber", _short(subscriber), "an object with successUri, failedUri, inProgressUri")
        for url in subscriber.values():
            callback_target(settings, str(url))
    wanted = list(one.outputs) if not outputs else list(outputs)
    return {"outputs": wanted, "response": response, "subscriber": subscriber}


def results_answer(results: dict[str, Any], asked: dict[str, Any], *, base: str) -> Response:
    """Return results: as a document, or a single one raw.

    Parameters
    ----------
    results
        Output name to ``{value}`` or ``{file, mediaType}``.
    base
        Address of the results, for files.
    """
    chosen = {name: results[name] for name in asked["outputs"] if name in results}
    if asked["response"] == "raw" and len(chosen) == 1:
        (found,) = chosen.values()
        if "file" not in found:
            value = found["value"]
            if isinstance(value, str):
                return Response(value.encode(), media_type="text/plain; charset=utf-8")
            return Response(orjson.dumps(value), media_type="application/json")
    document = {
        name: {"href": f"{base}/{name}", "type": one["mediaType"], "rel": "item"} if "file" in one else one["value"]
        for name, one in chosen.items()
    }
    return Response(orjson.dumps(document), media_type="application/json")
