"""From a complete upload to a job, and what can be told about it meanwhile: the same words for the server and the command line."""

import re
import time
from collections.abc import Mapping
from typing import Any

from cim.access import Principal, RowScope
from cim.db import bim_reports, engine, process_jobs, row_security
from cim.errors import InvalidParameterError, NotFoundError
from cim.processes import processes
from cim.settings import Settings
from cim.uploads import PROCESS, Upload, Uploads, sweep

NUMBERS = {"rotation_deg": 1, "origin": 3}
TEXTS = ("name", "stage", "note", "building_code", "crs", "fit_to", "version_of", "project_code")
FLAGS = ("dry_run",)
OPTIONS = (*TEXTS, *NUMBERS, *FLAGS)
_NUMBER = re.compile(r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$")
ENDED = ("successful", "failed", "dismissed")


def options_from(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what a client said about its model, as inputs of the process.

    Parameters
    ----------
    texts
        Upload metadata, form fields or query parameters; others than `OPTIONS` and empty ones are passed over.

    Raises
    ------
    InvalidParameterError
        A number or a yes/no that is none.
    """
    made: dict[str, Any] = {name: texts[name] for name in TEXTS if texts.get(name)}
    for name, count in NUMBERS.items():
        if not texts.get(name):
            continue
        parts = [part.strip() for part in texts[name].split(",")]
        if len(parts) != count or not all(_NUMBER.match(part) for part in parts):
            raise InvalidParameterError(name, texts[name][:80], "easting,northing,height [m]" if count == 3 else "a number [deg]")
        numbers = [float(part) for part in parts]
        made[name] = numbers if count > 1 else numbers[0]
    for name in FLAGS:
        if texts.get(name):
            if texts[name] not in {"true", "false"}:
                raise InvalidParameterError(name, texts[name][:80], "true or false")
            made[name] = texts[name] == "true"
    return made


def begin(settings: Settings, upload: Upload, principal: Principal) -> Upload:
    """Give a complete upload its job, once; calling it again is free.

    Parameters
    ----------
    upload
        Every byte of it is here.
    principal
        Who the job is run as.
    """
    uploads = Uploads(settings)
    with uploads.held(upload) as newest:
        if newest.job is not None or newest.refused:
            return newest
        fault = uploads.verify(newest)
        if fault:
            uploads.drop_data(newest)
            return uploads.note(newest, refused=fault)
        with engine.connect(settings) as connection:
            asked = {"outputs": ["report"], "response": "document", "subscriber": None}
            given = {"upload": newest.id, **_defaults(), **newest.options}
            job = process_jobs.create(connection, PROCESS, given, asked, principal)
        return uploads.note(newest, job=str(job))


def _defaults() -> dict[str, Any]:
    return {name: one.schema["default"] for name, one in processes()[PROCESS].inputs.items() if "default" in one.schema}


def tidy(settings: Settings) -> None:
    """Drop what is no longer needed of all uploads."""
    jobs = {upload.job for upload in Uploads(settings).all() if upload.job}
    if not jobs:
        sweep(settings, set())
        return
    with engine.connect(settings) as connection:
        running = process_jobs.unfinished(connection)
    sweep(settings, {job for job in jobs if job not in running})


def state(settings: Settings, upload: Upload) -> dict[str, Any]:
    """Return what is known about an upload: where it is, the report of a finished job, the error of a failed one."""
    received = Uploads(settings).offset(upload)
    document: dict[str, Any] = {
        "id": upload.id, "file": upload.name, "size": upload.size, "received": received, "state": "receiving", "progress": 0,
        "message": "", "job": upload.job, "created_at": upload.created_at, "expires_at": upload.expires_at, "report": None, "error": None,
    }  # fmt: skip
    if upload.refused:
        error = {"code": "request.invalid_body", "message": f"{upload.name}: {upload.refused}", "hint": "send the file again"}
        return document | {"state": "failed", "message": error["message"], "error": error}
    if upload.job is None:
        return document | {"progress": 100 * received // upload.size if received < upload.size else 100}
    with engine.connect(settings) as connection:
        job = process_jobs.fetch(connection, upload.job, None)
    document |= {"state": job["state"], "progress": job["progress"], "message": job["message"]}
    if job["state"] == "successful":
        document["report"] = job["results"]["report"]["value"]
    if job["state"] == "failed":
        told = job["problem"] or {}
        document["error"] = {"code": told.get("code", "process.failed"), "message": told.get("detail", ""), "hint": told.get("hint", "")}
    return document


def states(settings: Settings) -> list[dict[str, Any]]:
    """Return the states of all uploads of this store."""
    return [state(settings, upload) for upload in Uploads(settings).all()]


def followed(settings: Settings, wanted: str, *, wait: bool) -> dict[str, Any]:
    """Return the state of an upload of this store, or the report of a model; see `report_of`.

    Parameters
    ----------
    wait
        Ask until its job has ended; an upload that is not complete is not waited for.
    """
    while True:
        found = report_of(settings, wanted, None)
        if not wait or found.get("state", "successful") in (*ENDED, "receiving"):
            return found
        time.sleep(1.0)


def report_of(settings: Settings, wanted: str, subject: str | None, scope: RowScope | None = None) -> dict[str, Any]:
    """Return the report of a model or of an upload.

    Parameters
    ----------
    wanted
        Code of a model, or id of an upload.
    subject
        Whose the upload must be, None for anybody's.
    scope
        Row filter of the one who asks; models outside of it are none.

    Raises
    ------
    NotFoundError
        Neither a model nor an upload has this name.
    """
    with engine.connect(settings) as connection, row_security.seen_by(connection, scope):
        found = bim_reports.fetch_report(connection, wanted)
    if found is not None:
        return found
    try:
        upload = Uploads(settings).find(wanted, subject)
    except NotFoundError:
        raise NotFoundError(f"neither a model nor an upload is called {wanted[:80]!r}", hint="cim bim list") from None
    return state(settings, upload)
