"""`/socket.io/socket.io.js` and its siblings: socket.io-client, as Node's socket.io serves it.

Existing pages load their client from the server that they connect to. The source followed is
`Server#serve` of the npm package `socket.io` 4.8.
"""

import asyncio
import gzip
import json
from pathlib import Path

from aiohttp import hdrs, web

NAMES = tuple(
    f"socket.io{kind}.js{map_}"
    for kind in ("", ".min", ".esm.min", ".msgpack.min")
    for map_ in ("", ".map")
)


def add_bundles(app: web.Application, package: Path, *, path: str = "/socket.io") -> None:
    """Serve the bundles of the npm package `socket.io-client` that lies in the folder `package`.

    To be called before `sio.attach(app)`, with the path that the engine is attached at. CORS is
    left to the application: a page of another origin needs it only to `import` the ES module.

    Raises: FileNotFoundError if the folder lacks package.json or a bundle.
    """
    version = json.loads((package / "package.json").read_text())["version"]
    for name in NAMES:
        bundle = _Bundle(package / "dist" / name, version)
        app.router.add_get(f"{path}/{name}", bundle.serve)


class _Bundle:
    """One file, kept in memory: it changes only with the package, and then the server starts anew.

    The tag is the package's version, as Node's is: it is strong, though the same for the packed
    form, so `Vary` keeps caches from mixing the two.
    """

    def __init__(self, file: Path, version: str) -> None:
        self._plain = file.read_bytes()
        self._packed: bytes | None = None
        self._version = version
        self._type = "application/json" if file.suffix == ".map" else "application/javascript"

    async def serve(self, request: web.Request) -> web.Response:
        headers = {
            hdrs.CACHE_CONTROL: "public, max-age=0",
            hdrs.VARY: hdrs.ACCEPT_ENCODING,
            hdrs.ETAG: f'"{self._version}"',
        }
        # RFC 9110 §13.1.2: compared weakly; `*` is any version at all.
        known = {tag.value for tag in request.if_none_match or ()}
        if known & {self._version, "*"}:
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = f"{self._type}; charset=utf-8"
        if not _takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
            return web.Response(body=self._plain, headers=headers)
        if self._packed is None:
            # The largest takes 20 ms, which would be everybody's.
            self._packed = await asyncio.to_thread(gzip.compress, self._plain, mtime=0)
        headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=self._packed, headers=headers)


def _takes_gzip(accept_encoding: str) -> bool:
    """RFC 9110 §12.5.3: named, or meant by `*`, and not with a weight of zero."""
    weights: dict[str, bool] = {}
    for item in accept_encoding.lower().split(","):
        coding, _, weight = item.partition(";")
        weights[coding.strip()] = weight.replace(" ", "").rstrip("0.") != "q="
    return weights.get("gzip", weights.get("*", False))
