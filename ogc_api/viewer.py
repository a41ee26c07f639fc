"""The web viewer: the built files, or a page that says how to build them."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

DIST = Path(__file__).resolve().parent.parent / "viewer" / "dist"
"""Where the viewer's build puts its files."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>CIM viewer</title></head><body>
<h1>The viewer is not built / 三维浏览器尚未构建</h1>
<p>Run <code>npm ci &amp;&amp; npm run build</code> in the folder <code>viewer/</code>, then load this page again.</p>
<p lang="zh">请在 <code>viewer/</code> 目录运行 <code>npm ci &amp;&amp; npm run build</code>,然后刷新本页。</p>
</body></html>
"""


def viewer_app(dist: Path) -> ASGIApp:
    """Return the application below ``/viewer/``.

    Parameters
    ----------
    dist
        Folder with the built viewer; may appear later.
    """

    async def answer(request: Request) -> Response:
        if not (dist / "index.html").is_file():
            return HTMLResponse(_PAGE, status_code=503, headers={"Retry-After": "60"})
        files = StaticFiles(directory=dist, html=True)
        return await files.get_response(files.get_path(request.scope), request.scope)

    return Starlette(routes=[Route("/{path:path}", answer)])
