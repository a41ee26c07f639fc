"""Resumable uploads of models by tus 1.0 (https://tus.io/protocols/resumable-upload).

Core, creation, creation-with-upload, termination, checksum, expiration. ``GET`` beside it tells people and programs how far an upload and
its job are.
"""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import format_datetime

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cim import upload_jobs
from cim.access import Permission, Principal
from cim.errors import CimError, ConflictError, ForbiddenError, InvalidParameterError, MediaTypeError, PreconditionError
from cim.processes import processes
from cim.settings import Settings
from cim.uploads import PROCESS, Upload, Uploads, Writer
from ogc_api.access import require
from ogc_api.errors import answer
from ogc_api.middleware import AUDIT_ACTION
from ogc_api.negotiation import base_url
from ogc_api.parameters import refuse_unknown
from ogc_api.processes import checked_inputs, refusal_of
from ogc_api.state import ServerState, state_of

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,checksum,expiration"
ALGORITHMS = ("sha1", "sha256", "md5")
_OFFSET_TYPE = "application/offset+octet-stream"
_BLOCK = 1 << 20
_QUIET_S = 60.0
"""A client that sends nothing for so long has gone; its upload is free for the next connection."""
_CHECKSUM_MISMATCH = 460
_DRAINED = 16 * _BLOCK

Headers = dict[str, str]


def _headers(more: Headers | None = None) -> Headers:
    return {"Tus-Resumable": VERSION, "Cache-Control": "no-store", **(more or {})}


def engineer(request: Request) -> Principal:
    """Return who asks, refused where he may not upload models.

    Raises
    ------
    UnauthenticatedError, ForbiddenError
        No token, or a role without models.
    """
    principal = require(request, Permission.MODELS, "bim-models")
    refusal = refusal_of(processes()[PROCESS], principal)
    if refusal is not None:
        raise ForbiddenError(f"uploads of models: {refusal}")
    return principal


def owner_of(principal: Principal) -> str | None:
    """Return whose uploads he sees, None for everybody's."""
    return None if principal.may(Permission.BUILD) else principal.subject


def _need_version(request: Request) -> None:
    found = request.headers.get("tus-resumable")
    if found != VERSION:
        raise PreconditionError(f"Tus-Resumable: found {str(found)[:20]!r}, expected {VERSION}")


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidParameterError(name, text[:40], "a whole number of bytes")
    return int(text)


def _metadata(request: Request) -> dict[str, str]:
    made: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in request.headers.get("upload-metadata", "").split(","))):
        key, _, value = pair.partition(" ")
        try:
            made[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidParameterError("Upload-Metadata", pair[:80], "pairs of key and base64 of UTF-8 text") from error
    return made


async def begin_upload(
    state: ServerState, principal: Principal, name: str, size: int, sha256: str, texts: dict[str, str]
) -> Upload:  # fmt: skip
    """Begin an upload after everything that can be refused early has been looked at."""
    options = upload_jobs.options_from(texts)
    checked_inputs(processes()[PROCESS], {"upload": "0" * 36, **options})

    def create() -> Upload:
        upload_jobs.tidy(state.settings)
        return Uploads(state.settings).create(principal.subject, name, size, sha256, options)

    return await asyncio.to_thread(create)


async def finish(state: ServerState, upload: Upload, principal: Principal) -> Upload:
    """Give a complete upload its job and put that on the queue."""
    noted = await asyncio.to_thread(upload_jobs.begin, state.settings, upload, principal)
    if noted.job is not None and upload.job is None:
        await state.queue.put(noted.job)
    return noted


async def take_body(request: Request, writer: Writer) -> None:
    """Append the body of a request as it comes in; what came before a lost connection stays.

    Raises
    ------
    ClientDisconnect
        The client went away, or fell silent.
    """
    waiting: list[bytes] = []
    held = 0
    stream = request.stream().__aiter__()
    try:
        while True:
            try:
                part = await asyncio.wait_for(anext(stream), _QUIET_S)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise ClientDisconnect from None
            waiting.append(part)
            held += len(part)
            if held >= _BLOCK:
                await asyncio.to_thread(writer.append, b"".join(waiting))
                waiting, held = [], 0
    finally:
        if waiting:
            await asyncio.to_thread(writer.append, b"".join(waiting))


async def _append(request: Request, settings: Settings, upload: Upload, expected: int) -> tuple[int, bool]:
    """Append the body at an offset; return the new offset and whether its checksum was right."""
    uploads = Uploads(settings)
    algorithm, _, wanted = request.headers.get("upload-checksum", "").partition(" ")
    if algorithm and algorithm not in ALGORITHMS:
        raise InvalidParameterError("Upload-Checksum", algorithm[:20], f"one of {', '.join(ALGORITHMS)}")
    with uploads.writer(upload) as writer:
        if writer.start != expected:
            raise ConflictError(f"Upload-Offset: found {expected}, expected {writer.start}", hint="ask with HEAD, go on from there")
        try:
            await take_body(request, writer)
        except MediaTypeError as error:
            writer.take_back()
            uploads.note(upload, refused=error.message.removeprefix(f"{upload.name}: "))
            await _drain(request)
            raise
        except CimError:
            writer.take_back()
            raise
        finally:
            offset = await asyncio.to_thread(writer.keep)
        if algorithm:
            found = await asyncio.to_thread(_digest, uploads, upload, writer.start, algorithm)
            if not hmac.compare_digest(found, wanted.strip()):
                writer.take_back()
                return await asyncio.to_thread(writer.keep), False
    return offset, True


async def _drain(request: Request) -> None:
    """Read the rest of a small body: a client in the middle of sending would see a broken connection instead of the answer."""
    left = _DRAINED
    with contextlib.suppress(RuntimeError):  # all of it was read already
        async for part in request.stream():
            left -= len(part)
            if left < 0:
                return


def _digest(uploads: Uploads, upload: Upload, start: int, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with uploads.path(upload).open("rb") as handle:
        handle.seek(start)
        while block := handle.read(_BLOCK):
            digest.update(block)
    return base64.b64encode(digest.digest()).decode()


async def collection(request: Request) -> Response:
    """``OPTIONS``: what is offered; ``POST``: begin an upload; ``GET``: the uploads of whoever asks."""
    if request.method == "OPTIONS":
        limit = state_of(request.app).settings.server.upload_limit_bytes
        more = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(limit)}
        return Response(status_code=204, headers=_headers(more | {"Tus-Checksum-Algorithm": ",".join(ALGORITHMS)}))
    principal = engineer(request)
    state = state_of(request.app)
    if request.method == "GET":
        refuse_unknown(request.query_params, ("sha256", "f"))
        return await _listing(request, state, principal)
    _need_version(request)
    request.scope[AUDIT_ACTION] = "upload"
    told = _metadata(request)
    upload = await begin_upload(
        state, principal, told.get("filename", ""), _number(request, "upload-length"), told.get("sha256", ""), told
    )  # fmt: skip
    headers = {"Location": f"{base_url(request, state.settings)}/bim/uploads/{upload.id}", "Upload-Expires": _expires(upload)}
    offset = 0
    if request.headers.get("content-type", "") == _OFFSET_TYPE:
        try:
            offset, right = await _append(request, state.settings, upload, 0)
        except ClientDisconnect:
            return Response(status_code=204)
        if not right:
            return answer(_CHECKSUM_MISMATCH, "Upload-Checksum: the bytes are not those that were sent", _headers(headers))
        if offset == upload.size:
            await finish(state, upload, principal)
    return Response(status_code=201, headers=_headers(headers | {"Upload-Offset": str(offset)}))


def _expires(upload: Upload) -> str:
    return format_datetime(datetime.fromisoformat(upload.expires_at), usegmt=True)


async def _listing(request: Request, state: ServerState, principal: Principal) -> Response:
    wanted = request.query_params.get("sha256")

    def read() -> list[dict[str, object]]:
        mine = [one for one in Uploads(state.settings).all() if one.subject == principal.subject and wanted in (None, one.sha256)]
        return [upload_jobs.state(state.settings, one) | {"options": one.options} for one in mine]

    found = await asyncio.to_thread(read)
    return Response(orjson.dumps({"uploads": found}), media_type="application/json", headers={"Cache-Control": "no-store"})


async def one(request: Request) -> Response:
    """``HEAD``: the offset; ``PATCH``: more bytes; ``DELETE``: drop it; ``GET``: state, report or error as JSON."""
    override = request.headers.get("x-http-method-override", "").upper()
    method = override if request.method == "POST" and override in {"PATCH", "DELETE"} else request.method
    if method == "OPTIONS":
        return await collection(request)
    handler: dict[str, Callable[[Request, Upload, Principal], Awaitable[Response]]] = {
        "HEAD": _head, "PATCH": _patch, "DELETE": _delete, "GET": _get,
    }  # fmt: skip
    if method not in handler:
        return answer(405, f"{method}: expected GET, HEAD, PATCH or DELETE", {"Allow": "GET, HEAD, PATCH, DELETE, OPTIONS"})
    principal = engineer(request)
    settings = state_of(request.app).settings
    upload = await asyncio.to_thread(Uploads(settings).find, request.path_params["upload"], owner_of(principal))
    return await handler[method](request, upload, principal)


async def _head(request: Request, upload: Upload, principal: Principal) -> Response:
    _need_version(request)
    state = state_of(request.app)
    offset = Uploads(state.settings).offset(upload)
    is_owner = principal.subject == upload.subject
    if is_owner and offset == upload.size and upload.job is None and not upload.refused:
        # The server ended between the last byte and the job.
        await finish(state, upload, principal)
    more = {"Upload-Offset": str(offset), "Upload-Length": str(upload.size), "Upload-Expires": _expires(upload)}
    return Response(status_code=200, headers=_headers(more))


async def _patch(request: Request, upload: Upload, principal: Principal) -> Response:
    _need_version(request)
    if request.headers.get("content-type", "") != _OFFSET_TYPE:
        raise MediaTypeError(f"Content-Type {request.headers.get('content-type', '')[:60]!r}: expected {_OFFSET_TYPE}")
    if upload.job is not None or upload.refused:
        raise ConflictError(f"upload {upload.id}: is complete" if upload.job else f"{upload.name}: {upload.refused}")
    state = state_of(request.app)
    request.scope[AUDIT_ACTION] = "upload"
    try:
        offset, right = await _append(request, state.settings, upload, _number(request, "upload-offset"))
    except ClientDisconnect:
        return Response(status_code=204)
    if not right:
        return answer(_CHECKSUM_MISMATCH, "Upload-Checksum: the bytes are not those that were sent", _headers())
    if offset == upload.size:
        await finish(state, upload, principal)
    return Response(status_code=204, headers=_headers({"Upload-Offset": str(offset), "Upload-Expires": _expires(upload)}))


async def _delete(request: Request, upload: Upload, _: Principal) -> Response:
    _need_version(request)
    state = state_of(request.app)
    if upload.job is not None:
        found = await asyncio.to_thread(upload_jobs.state, state.settings, upload)
        if found["state"] not in upload_jobs.ENDED:
            raise ConflictError(f"upload {upload.id}: its job is {found['state']}", hint=f"DELETE /jobs/{upload.job} first")
    await asyncio.to_thread(Uploads(state.settings).drop, upload)
    return Response(status_code=204, headers=_headers())


async def _get(request: Request, upload: Upload, _: Principal) -> Response:
    refuse_unknown(request.query_params, ("f",))
    found = await asyncio.to_thread(upload_jobs.state, state_of(request.app).settings, upload)
    return Response(orjson.dumps(found), media_type="application/json", headers={"Cache-Control": "no-store"})
