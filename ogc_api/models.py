"""``/bim/models``: the list of models, upload in one request (a form or the bare file), and the report of a model or upload."""

import asyncio
from email.message import Message

import orjson
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cim import upload_jobs
from cim.access import Permission, Principal
from cim.db.published import fetch_models
from cim.errors import CimError, InvalidBodyError, InvalidParameterError, MediaTypeError
from cim.uploads import Upload, Uploads
from ogc_api import tus
from ogc_api.access import require
from ogc_api.middleware import AUDIT_ACTION
from ogc_api.negotiation import base_url
from ogc_api.parameters import refuse_unknown
from ogc_api.state import ServerState, state_of

RAW_TYPES = ("application/x-step", "application/p21", "model/step", "application/zip", "application/octet-stream")
_FIELDS = (*upload_jobs.OPTIONS, "filename", "sha256")
_BLOCK = 1 << 20


async def models(request: Request) -> Response:
    """``GET``: the models; ``POST``: a new one."""
    if request.method == "POST":
        return await _post(request)
    refuse_unknown(request.query_params, ("f", "lang"))
    principal = require(request, Permission.READ, "bim-models")
    found = await fetch_models(state_of(request.app).pool, principal.scope)
    return Response(orjson.dumps({"models": found}), media_type="application/json")


async def report(request: Request) -> Response:
    """Report of a model by its code, or of an upload by its id."""
    refuse_unknown(request.query_params, ("f",))
    principal = tus.engineer(request)
    settings = state_of(request.app).settings
    found = await asyncio.to_thread(upload_jobs.report_of, settings, request.path_params["model"], tus.owner_of(principal), principal.scope)
    return Response(orjson.dumps(found, default=str), media_type="application/json", headers={"Cache-Control": "no-store"})


async def _post(request: Request) -> Response:
    principal = tus.engineer(request)
    refuse_unknown(request.query_params, _FIELDS)
    state = state_of(request.app)
    request.scope[AUDIT_ACTION] = "upload"
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if media_type == "multipart/form-data":
            upload = await _form(request, state, principal)
        elif media_type in RAW_TYPES:
            upload = await _bare(request, state, principal)
        else:
            raise MediaTypeError(f"Content-Type {media_type[:60]!r}: expected multipart/form-data or one of {', '.join(RAW_TYPES)}")
    except ClientDisconnect:
        return Response(status_code=204)
    upload = await tus.finish(state, upload, principal)
    document = await asyncio.to_thread(upload_jobs.state, state.settings, upload)
    base = base_url(request, state.settings)
    where = f"{base}/bim/uploads/{upload.id}"
    links = [{"rel": "monitor", "type": "application/json", "href": where}]
    if upload.job is not None:
        links.append({"rel": "job", "type": "application/json", "href": f"{base}/jobs/{upload.job}"})
    headers = {"Location": where, "Cache-Control": "no-store"}
    return Response(orjson.dumps(document | {"links": links}), 202, headers=headers, media_type="application/json")


async def _bare(request: Request, state: ServerState, principal: Principal) -> Upload:
    length = request.headers.get("content-length", "")
    if not length.isdigit():
        raise InvalidParameterError("Content-Length", length[:20], "the length of the file; use /bim/uploads where it is not known")
    told = dict(request.query_params)
    name = told.get("filename") or _disposition(request)
    if not name:
        raise InvalidParameterError("filename", "", "the name of the file, in the query or in Content-Disposition")
    upload = await tus.begin_upload(state, principal, name, int(length), told.get("sha256", ""), told)
    uploads = Uploads(state.settings)
    try:
        with uploads.writer(upload) as writer:
            await tus.take_body(request, writer)
            if await asyncio.to_thread(writer.keep) < upload.size:
                raise InvalidBodyError(f"body: {writer.offset} bytes, expected {upload.size}")
    except (CimError, ClientDisconnect):
        # Nobody has learnt its id, so nobody could go on with it.
        uploads.drop(upload)
        raise
    return upload


def _disposition(request: Request) -> str:
    message = Message()
    message["content-disposition"] = request.headers.get("content-disposition", "")
    return message.get_filename() or ""


async def _form(request: Request, state: ServerState, principal: Principal) -> Upload:
    try:
        async with request.form(max_files=1, max_fields=len(_FIELDS) + 1) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile) or not file.filename or file.size is None:
                raise InvalidBodyError("form: found no file, expected one in the field 'file'")
            unknown = set(form) - {*_FIELDS, "file"}
            if unknown:
                raise InvalidParameterError(min(unknown)[:40], "", f"one of file, {', '.join(_FIELDS)}")
            told = {key: value for key, value in form.items() if isinstance(value, str)}
            name = told.get("filename") or file.filename
            upload = await tus.begin_upload(state, principal, name, file.size, told.get("sha256", ""), told)
            return await _copied(file, upload, Uploads(state.settings))
    except MultiPartException as error:
        raise InvalidBodyError(f"form: {error.message}") from error


async def _copied(file: UploadFile, upload: Upload, uploads: Uploads) -> Upload:
    try:
        with uploads.writer(upload) as writer:
            while block := await file.read(_BLOCK):
                await asyncio.to_thread(writer.append, block)
            await asyncio.to_thread(writer.keep)
    except CimError:
        uploads.drop(upload)
        raise
    return upload
