"""socket.io-client as the server hands it out: what a browser and a cache see of it."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from server.engine.bundles import NAMES, add_bundles

PACKAGE = Path(__file__).parents[2] / "node_modules" / "socket.io-client"
VERSION = json.loads((PACKAGE / "package.json").read_text())["version"]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A browser's connection to a server with the bundles, without its unpacking."""
    app = web.Application()
    add_bundles(app, PACKAGE)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{runner.addresses[0][1]}",
        auto_decompress=False,
        skip_auto_headers=["Accept-Encoding"],
    ) as session:
        yield session
    await runner.cleanup()


@pytest.mark.parametrize("name", NAMES)
async def test_every_bundle_comes_whole_and_under_its_type(
    http: aiohttp.ClientSession, name: str
) -> None:
    async with http.get(f"/socket.io/{name}?v=1") as response:
        assert response.status == 200
        kind = "json" if name.endswith(".map") else "javascript"
        assert response.headers["Content-Type"] == f"application/{kind}; charset=utf-8"
        assert response.headers["ETag"] == f'"{VERSION}"'
        assert response.headers["Cache-Control"] == "public, max-age=0"
        assert await response.read() == (PACKAGE / "dist" / name).read_bytes()


async def test_every_script_finds_its_map_beside_it(http: aiohttp.ClientSession) -> None:
    for name in NAMES:
        if name.endswith(".js"):
            text = (await (await http.get(f"/socket.io/{name}")).read()).decode()
            assert text.rstrip().endswith(f"//# sourceMappingURL={name}.map")


@pytest.mark.parametrize("accepted", ["gzip", "gzip, deflate, br", "br;q=1, GZIP;q=0.1", "*"])
async def test_packed_for_those_who_take_gzip(http: aiohttp.ClientSession, accepted: str) -> None:
    for _ in range(2):
        async with http.get(
            "/socket.io/socket.io.js", headers={"Accept-Encoding": accepted}
        ) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert response.headers["Vary"] == "Accept-Encoding"
            body = await response.read()
            assert response.headers["Content-Length"] == str(len(body))
            assert gzip.decompress(body) == (PACKAGE / "dist" / "socket.io.js").read_bytes()


@pytest.mark.parametrize("accepted", ["", "br", "identity", "gzip;q=0", "gzip; q=0.0, *", "*;q=0"])
async def test_plain_for_those_who_do_not(http: aiohttp.ClientSession, accepted: str) -> None:
    async with http.get(
        "/socket.io/socket.io.js", headers={"Accept-Encoding": accepted}
    ) as response:
        assert "Content-Encoding" not in response.headers
        # A cache that keeps this one must not give it to those who would get the other.
        assert response.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("tag", [f'"{VERSION}"', f'W/"{VERSION}"', f'"4.0.0", "{VERSION}"', "*"])
async def test_browser_that_has_this_version_hears_304(
    http: aiohttp.ClientSession, tag: str
) -> None:
    async with http.get(
        "/socket.io/socket.io.min.js", headers={"If-None-Match": tag}
    ) as response:
        assert response.status == 304
        assert await response.read() == b""
        # RFC 9110 §15.4.5: what a 200 would say of the caches.
        assert response.headers["ETag"] == f'"{VERSION}"'
        assert response.headers["Cache-Control"] == "public, max-age=0"
        assert response.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("tag", ['"4.0.0"', VERSION, "nonsense"])
async def test_browser_that_has_another_version_gets_this_one(
    http: aiohttp.ClientSession, tag: str
) -> None:
    async with http.get(
        "/socket.io/socket.io.min.js", headers={"If-None-Match": tag}
    ) as response:
        assert response.status == 200
        assert await response.read() != b""


async def test_head_says_what_get_would(http: aiohttp.ClientSession) -> None:
    async with (
        http.get("/socket.io/socket.io.js") as get,
        http.head("/socket.io/socket.io.js") as head,
    ):
        assert head.status == 200
        assert await head.read() == b""
        for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Vary"):
            assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    "name",
    ["socket.io.esm.js", "socket.io.js.gz", "package.json", "../package.json", "%2e%2e/README.md"],
)
async def test_nothing_else_of_the_package_is_served(
    http: aiohttp.ClientSession, name: str
) -> None:
    async with http.get(f"/socket.io/{name}") as response:
        assert response.status == 404


def test_package_without_its_bundles_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"version": "4.8.4"}')

    with pytest.raises(FileNotFoundError, match="socket.io.js"):
        add_bundles(web.Application(), tmp_path)
