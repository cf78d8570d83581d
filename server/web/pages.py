"""The pages: HTML with a strict Content-Security-Policy, and the files they load.

No CDN and no build step: the browser's packages are served out of node_modules.
"""

import base64
import hashlib
import re
from pathlib import Path

from aiohttp import hdrs, web

from server.errors import NotFound

PAGES = Path(__file__).parent.parent / "pages"
# The client kit: pages use it as other sites do.
CLIENT = Path(__file__).parent.parent.parent / "clients" / "javascript"
NODE_MODULES = Path(__file__).parent.parent.parent / "node_modules"

# The packages that the pages load, and nothing else of what lies beside them.
VENDOR = frozenset({"preact", "htm", "socket.io-client", "swagger-ui-dist"})

_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)

# Files have no version in their names, so browsers ask again and mostly hear 304.
_REVALIDATE = "no-cache"


class PagesMissing(Exception):
    """The browser's packages are not installed."""


def add_pages(app: web.Application, *, demo: bool) -> None:
    """Serve the pages. Raises: PagesMissing."""
    missing = [name for name in sorted(VENDOR) if not (NODE_MODULES / name).is_dir()]
    if missing:
        raise PagesMissing(f"Run `npm ci`: {', '.join(missing)} missing in {NODE_MODULES}.")
    pages = {
        "/": "index.html",
        "/dialogs": "dialogs.html",
        "/admin": "admin.html",
        "/calendar": "calendar.html",
        "/live": "live.html",
        "/docs": "docs.html",
    }
    if demo:
        pages["/demo/pay"] = "pay.html"
    for path, name in pages.items():
        app.router.add_get(path, _page(name))
    app.router.add_get("/favicon.ico", _favicon)
    app.router.add_get("/client/{path:.+}", _client)
    app.router.add_get("/static/vendor/{package}/{path:.+}", _vendor)
    app.router.add_get("/static/{path:.+}", _static)


def content_security_policy(html: str) -> str:
    """Own files only; the inline import map is allowed by its hash (CSP Level 3)."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall(html)
    )
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {hashes}".strip(),
            "style-src 'self'",
            # Cases may show pictures from anywhere: an image cannot read the page.
            "img-src 'self' data: http: https:",
            "connect-src 'self'",
            "font-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def _page(name: str):  # type: ignore[no-untyped-def]
    async def page(request: web.Request) -> web.Response:
        html = (PAGES / name).read_text()
        return web.Response(
            text=html,
            content_type="text/html",
            headers={
                "Content-Security-Policy": content_security_policy(html),
                hdrs.CACHE_CONTROL: _REVALIDATE,
            },
        )

    return page


async def _favicon(request: web.Request) -> web.StreamResponse:
    return _file(PAGES / "static" / "art", "favicon.svg")


async def _static(request: web.Request) -> web.StreamResponse:
    return _file(PAGES / "static", request.match_info["path"])


async def _client(request: web.Request) -> web.StreamResponse:
    if Path(request.match_info["path"]).suffix != ".js":
        raise NotFound()
    return _file(CLIENT, request.match_info["path"])


async def _vendor(request: web.Request) -> web.StreamResponse:
    if request.match_info["package"] not in VENDOR:
        raise NotFound()
    # A package's own HTML would run on our origin, without our Content-Security-Policy.
    if Path(request.match_info["path"]).suffix not in _VENDOR_TYPES:
        raise NotFound()
    return _file(NODE_MODULES / request.match_info["package"], request.match_info["path"])


_VENDOR_TYPES = frozenset({".js", ".mjs", ".css", ".map"})
_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".svg": "image/svg+xml"}


def _file(folder: Path, path: str) -> web.StreamResponse:
    """A file below a folder, with ETag. Raises: NotFound, also for paths that lead out."""
    if "\x00" in path:
        raise NotFound()
    try:
        file = (folder / path).resolve()
        is_ours = file.is_relative_to(folder.resolve()) and file.is_file()
    except OSError:
        # A name longer than the file system takes.
        raise NotFound() from None
    if not is_ours:
        raise NotFound()
    headers = {hdrs.CACHE_CONTROL: _REVALIDATE}
    if file.suffix in _TYPES:
        headers[hdrs.CONTENT_TYPE] = _TYPES[file.suffix]
    return web.FileResponse(file, headers=headers)
