"""`/socket.io/socket.io.js`: existing pages load their client from the club."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from server.config import Config
from tests.club import Club

SITE = "https://site.example"


@pytest.fixture
async def neighbour(config: Config) -> AsyncIterator[Club]:
    """A club whose pages may also be served from the site."""
    async with Club.open(replace(config, cors_origins=(SITE,))) as club:
        yield club


async def test_site_named_in_the_settings_may_import_the_client(neighbour: Club) -> None:
    path = "/socket.io/socket.io.esm.min.js"

    named = await neighbour.call("GET", path, headers={"Origin": SITE})
    other = await neighbour.call("GET", path, headers={"Origin": "https://other.example"})

    assert (named.status, other.status) == (200, 200)
    assert named.headers["Access-Control-Allow-Origin"] == SITE
    assert "Access-Control-Allow-Origin" not in other.headers
    assert set(named.headers.getall("Vary")) == {"Accept-Encoding", "Origin"}


async def test_client_is_there_before_the_database_is(config: Config) -> None:
    """A page that opens while the club starts connects by itself, if only its script came."""
    nowhere = replace(config, database_url="postgresql://nobody@127.0.0.1:1/nothing")
    async with Club.open(nowhere, wait=False) as starting:
        script = await starting.call("GET", "/socket.io/socket.io.js")
        handshake = await starting.call("GET", "/socket.io/?EIO=4&transport=polling")

    assert (script.status, handshake.status) == (200, 503)
    assert "Socket.IO v4.8.4" in script.body


async def test_client_is_there_with_real_time_off(config: Config) -> None:
    async with Club.open(replace(config, realtime_enabled=False)) as quiet:
        assert (await quiet.call("GET", "/socket.io/socket.io.js")).status == 200


async def test_unknown_file_beside_the_client_is_an_ordinary_404(club: Club) -> None:
    answer = await club.call("GET", "/socket.io/socket.io.slim.js")

    assert (answer.status, answer["code"]) == (404, "not_found")
