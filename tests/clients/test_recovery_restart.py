"""The server dies, or is another one afterwards: what happened meanwhile is in the log."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients.page import RELEASES, Page
from tests.clients.wire import Wire
from tests.process.serving import member, serving
from tests.realtime.chronicle import Chronicle

# What differs from one process to the next: a deploy with other settings.
FIRST: dict[str, object] = {}
OTHER = {
    "transports": "websocket,polling",
    "engine_ping_interval": 5,
    "database_pool": 5,
    "recovery_reads": 1,
    "log_level": "DEBUG",
    "token_ttl_s": 60,
}


@pytest.fixture(scope="module")
async def chronicle(dsn: str) -> AsyncIterator[Chronicle]:
    async with Chronicle.open(dsn) as running:
        yield running


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("settings", [FIRST, OTHER], ids=["same", "other"])
async def test_pages_of_a_server_that_was_killed_miss_nothing(
    dsn: str,
    chronicle: Chronicle,
    tmp_path: Path,
    settings: dict[str, object],
    transport: str,
) -> None:
    id_, token = await member(dsn, f"{transport}-{len(settings)}")
    loop = asyncio.get_running_loop()
    begin = await chronicle.number()
    options = {"auth": {"token": token}, "transports": [transport]}
    with serving(dsn, tmp_path / "one") as first:
        async with (
            Wire.open(first.port) as wire,
            Page.open(RELEASES["4.8"], wire.url, **options) as page,
            Page.open(RELEASES["4.6"], wire.url, **options) as quiet,
        ):
            began = await page.connected()
            await quiet.connected()
            await page.hears(await chronicle.tell(3, id_))
            # In the middle of telling.
            await chronicle.tell(500, id_)
            await loop.run_in_executor(None, first.kill)
            await page.until(lambda: page.all("disconnected"))
            await chronicle.tell(100, id_)
            with serving(dsn, tmp_path / "two", **settings) as second:
                wire.port = second.port
                again = await page.connected(2)
                await quiet.connected(2)
                last = await chronicle.tell(1, id_)
                await page.hears(last)
                await quiet.hears(last)

                assert (again["recovered"], again["sid"]) == (True, began["sid"])
                assert page.events == await chronicle.due(begin, id_)
                assert quiet.events == page.events
