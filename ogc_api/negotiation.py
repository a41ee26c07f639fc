"""What a client asked for besides the data: format, language, and the address it reaches this server by."""

import re

from starlette.requests import Request

from cim.errors import InvalidParameterError
from cim.settings import Settings

_HOST = re.compile(r"^[A-Za-z0-9._\-]+(:[0-9]{1,5})?$|^\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?$")


def output_format(request: Request) -> str:
    """Return ``json`` or ``html``: by ``f=``, else by the Accept header, else JSON.

    Raises
    ------
    InvalidParameterError
        Another ``f=``.
    """
    asked = request.query_params.get("f")
    if asked is not None:
        if asked not in {"json", "html"}:
            raise InvalidParameterError("f", asked[:80], "json or html")
        return asked
    ranked: list[tuple[float, int, str]] = []
    for place, part in enumerate(request.headers.get("accept", "").split(",")):
        media_type, _, options = part.partition(";")
        quality = re.search(r"q=([0-9.]+)", options)
        try:
            ranked.append((-float(quality[1]) if quality else -1.0, place, media_type.strip()))
        except ValueError:
            continue
    for _, _, media_type in sorted(ranked):
        if media_type in {"text/html", "application/xhtml+xml"}:
            return "html"
        if media_type.endswith(("json", "*/*")):
            return "json"
    return "json"


def language(request: Request, default: str) -> str:
    """Return ``en`` or ``zh``: by ``lang=``, else by the Accept-Language header, else the default."""
    asked = request.query_params.get("lang") or request.headers.get("accept-language", "")
    for part in asked.split(","):
        tag = part.partition(";")[0].strip().lower()
        if tag[:2] in {"en", "zh"}:
            return tag[:2]
    return default


def base_url(request: Request, settings: Settings) -> str:
    """Return the address of the landing page as the client sees it, without a trailing slash.

    A configured public address wins; otherwise the Host header, where it is one (it ends in links, so nothing else may pass).
    """
    if settings.server.public_url:
        return settings.server.public_url.rstrip("/")
    host = request.headers.get("host", "")
    if not _HOST.match(host):
        name, port = request.scope.get("server") or ("127.0.0.1", settings.server.port)
        host = f"{name}:{port}"
    return f"{request.scope['scheme']}://{host}{request.scope.get('root_path', '').rstrip('/')}"
