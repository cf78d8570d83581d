"""An operator changes a setting and restarts the server; nobody changes a client."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.clients.page import PATIENCE_S, RELEASES, Page
from tests.clients.wire import Wire
from tests.http.test_shell_clients import line, loop_of, running
from tests.process.server import Server
from tests.process.serving import member, serving
from tests.realtime.chronicle import Chronicle

# The setting, and how a page is connected that may do both, one, or the other; None: not at all.
TRANSPORTS: dict[str, tuple[str | None, str | None, str | None]] = {
    "polling": ("polling", None, "polling"),
    "websocket,polling": ("websocket", "websocket", "polling"),
    "websocket": (None, "websocket", None),
}


@pytest.fixture(scope="module")
async def chronicle(dsn: str) -> AsyncIterator[Chronicle]:
    async with Chronicle.open(dsn) as running:
        yield running


class Loop:
    """The shell loop of the documentation, and what it has printed."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self.events: list[list[Any]] = []

    async def hears(self, cursor: str) -> None:
        while [cursor] != [event[-1] for event in self.events[-1:]]:
            for event in json.loads(await line(self._process))["events"]:
                data = [] if event["data"] is None else [event["data"]]
                self.events.append([event["event"], *data, event["cursor"]])


async def stop(server: Server) -> None:
    await asyncio.to_thread(server.stop)


def polls(server: Server, staff: str) -> bool:
    """Whether somebody waits at `/api/updates`."""
    _, answer = server.ask("GET", "/api/admin/connections", token=staff)
    return "updates" in (each["transport"] for each in answer["connections"])


async def test_real_time_goes_off_and_on_again_by_a_setting_and_no_client_is_changed(
    dsn: str, chronicle: Chronicle, tmp_path: Path
) -> None:
    id_, token = await member(dsn, "player")
    _, staff = await member(dsn, "staff", role="staff")
    auth = {"token": token}
    begin = await chronicle.number()
    async with AsyncExitStack() as clients:
        with serving(dsn, tmp_path / "on") as server:
            # The address stays, as that of a club's proxy.
            wire = await clients.enter_async_context(Wire.open(server.port))
            url = wire.url
            pages = [
                await clients.enter_async_context(
                    Page.open(RELEASES["4.8"], url, auth=auth, transports=[transport])
                )
                for transport in ("websocket", "polling")
            ]
            for page in pages:
                await page.connected()
            header = f"Authorization: Bearer {token}"
            loop = Loop(
                await clients.enter_async_context(
                    running("sh", "-c", loop_of("docs/doors.md"), CLUB=url, AUTH=header)
                )
            )
            # Its first answer, which it does not print, tells it where to begin.
            await asyncio.to_thread(server.until, lambda: polls(server, staff), "the loop waits")
            last = await chronicle.tell(3, id_)
            for client in (*pages, loop):
                await client.hears(last)
            await stop(server)
        await chronicle.tell(3, id_)

        with serving(dsn, tmp_path / "off", realtime_enabled=False) as server:
            wire.port = server.port
            assert server.ask("GET", "/health")[1]["websocket"] == "disabled"
            last = await chronicle.tell(3, id_)
            await loop.hears(last)
            before = [len(page.all("refused")) for page in pages]
            for page, count in zip(pages, before, strict=True):
                await page.until(lambda: len(page.all("refused")) > count)
            await stop(server)
        await chronicle.tell(3, id_)

        with serving(dsn, tmp_path / "on again") as server:
            wire.port = server.port
            assert server.ask("GET", "/health")[1]["websocket"] == "active"
            for page in pages:
                assert (await page.connected(2))["recovered"]
            last = await chronicle.tell(3, id_)
            for client in (*pages, loop):
                await client.hears(last)
                heard = [event for event in client.events if event[0] != "server:draining"]
                assert heard == await chronicle.due(begin, id_)


@pytest.mark.parametrize("setting", TRANSPORTS)
async def test_pages_connect_over_what_the_operator_allows(
    dsn: str, chronicle: Chronicle, tmp_path: Path, setting: str
) -> None:
    with serving(dsn, tmp_path / "club", transports=setting) as server:
        for offered, expected in zip(
            (["polling", "websocket"], ["websocket"], ["polling"]),
            TRANSPORTS[setting],
            strict=True,
        ):
            async with Page.open(RELEASES["4.8"], server.url, transports=offered) as page:
                if expected is None:
                    await page.until(lambda: page.all("refused"))
                    continue
                await page.connected()
                await page.hears(await chronicle.tell(1))
                async with asyncio.timeout(PATIENCE_S):
                    while await page.do("transport") != expected:
                        pass
                assert not page.all("refused")


@pytest.mark.parametrize("enabled", [True, False])
async def test_reactor_reaches_pages_only_where_it_is_switched_on(
    dsn: str, chronicle: Chronicle, tmp_path: Path, enabled: bool
) -> None:
    _, token = await member(dsn, f"service-{enabled}", role="service")
    lights = {"type": "lights", "detail": {"on": True}}
    with serving(dsn, tmp_path / "club", reactor_enabled=enabled) as server:
        async with Page.open(RELEASES["4.8"], server.url, transports=["websocket"]) as page:
            await page.connected()
            status, answer = await asyncio.to_thread(
                server.ask, "POST", "/api/reactor/emit", lights, token
            )
            assert (status, answer["delivered"]) == (200, int(enabled))
            last = await chronicle.tell(1)
            await page.hears(last)
            told = [["reactor:event", lights]] if enabled else []
            assert page.events == [*told, ["cases:updated", last]]
