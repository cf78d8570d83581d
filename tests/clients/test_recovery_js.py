"""What happened while a page was away: all of it, once, in order, before `connect`."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.keys import SOCKETS
from tests.clients.page import RELEASES, Page
from tests.clients.wire import Wire
from tests.club import Club, Person, until
from tests.realtime.chronicle import Chronicle

TRANSPORTS = {
    "websocket": ["websocket"],
    "polling": ["polling"],
    "upgrade": ["polling", "websocket"],
}
CURRENT = RELEASES["4.8"]


@pytest.fixture(scope="module")
async def chronicle(dsn: str) -> AsyncIterator[Chronicle]:
    async with Chronicle.open(dsn) as running:
        yield running


@pytest.fixture
async def wire(club: Club) -> AsyncIterator[Wire]:
    async with Wire.open(int(club.url.rpartition(":")[2])) as wire:
        yield wire


@pytest.fixture
async def player(club: Club) -> Person:
    return await club.person(has_password=False)


@pytest.fixture
async def other(club: Club) -> Person:
    return await club.person(has_password=False)


def page_of(person: Person, wire: Wire, *transports: str, release: str = CURRENT) -> Any:
    return Page.open(
        release, wire.url, auth={"token": person.token}, transports=transports or ["websocket"]
    )


async def gone(club: Club, sid: str) -> None:
    """Wait until the server has noticed that a socket is gone."""

    async def is_gone() -> bool:
        return club.app[SOCKETS].get(sid) is None

    await until(is_gone, "the server notices")


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
async def test_cut_page_hears_all_it_missed_once_in_order_before_connect(
    club: Club,
    chronicle: Chronicle,
    wire: Wire,
    player: Person,
    other: Person,
    release: str,
    transports: list[str],
) -> None:
    begin = await chronicle.number()
    await club.settled()
    async with page_of(player, wire, *transports, release=release) as page:
        first = await page.connected()
        await page.hears(await chronicle.tell(2, player.id, other.id))

        wire.is_up = False
        wire.cut()
        await page.until(lambda: page.all("disconnected"))
        missed = await chronicle.tell(100, player.id, other.id)
        wire.is_up = True
        again = await page.connected(2)
        before_connect = page.since("disconnected")
        last = await chronicle.tell(1, player.id, other.id)
        await page.hears(last)

        assert again == first | {"recovered": True, "transport": again["transport"]}
        assert first["recovered"] is False or first["recovered"] is None
        assert missed in [event[-1] for event in before_connect]
        assert page.since("connected") == (await chronicle.due(missed, player.id))
        assert page.events == await chronicle.due(begin, player.id)
