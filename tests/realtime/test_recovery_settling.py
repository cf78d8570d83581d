"""A page that is told what it missed while the writers never pause gets to the end of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.config import Config
from server.keys import EVENT_LOG
from tests.club import PATIENCE_S, Club, Person
from tests.conftest import make_config
from tests.realtime.chronicle import Chronicle
from tests.realtime.raw_page import RawPage


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    # Nothing to speak of in memory: each batch is asked of the log.
    return make_config(dsn, tmp_path_factory.mktemp("var"), recovery_tail=1)


@pytest.fixture(scope="module")
async def chronicle(dsn: str) -> AsyncIterator[Chronicle]:
    async with Chronicle.open(dsn) as running:
        yield running


@pytest.fixture
def as_fast_as_pages_read(
    club: Club, chronicle: Chronicle, player: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the time that a page has been told a batch, there is more."""
    log = club.app[EVENT_LOG]
    read = log.after_each

    async def read_and_go_on(*arguments: Any) -> Any:
        answer = await read(*arguments)
        await chronicle.tell(1, player.id)
        await club.settled()
        return answer

    monkeypatch.setattr(log, "after_each", read_and_go_on)


# More than one batch, and less than one.
@pytest.mark.parametrize("missed", [150, 3])
@pytest.mark.usefixtures("as_fast_as_pages_read")
async def test_page_that_returns_is_let_in_though_writers_never_pause(
    club: Club, chronicle: Chronicle, player: Person, transport: str, missed: int
) -> None:
    begin = await chronicle.number()
    await club.settled()
    page = RawPage(token=player.token)
    await page.come(club, transport)
    await page.go()
    await chronicle.tell(missed, player.id)
    await club.settled()

    async with asyncio.timeout(PATIENCE_S):
        await page.come(club, transport)
        assert page.recovered
        await page.hears(await chronicle.tell(1, player.id))

    assert page.heard == await chronicle.due(begin, player.id)
    await page.go()


@pytest.mark.parametrize("missed", [150, 3])
@pytest.mark.usefixtures("as_fast_as_pages_read")
async def test_identify_is_answered_though_writers_never_pause(
    club: Club, chronicle: Chronicle, player: Person, transport: str, missed: int
) -> None:
    begin = await chronicle.number()
    await chronicle.tell(missed, player.id)
    await club.settled()
    page = RawPage()
    await page.come(club, transport)
    me = {"userId": player.id, "token": player.token, "after": begin}

    async with asyncio.timeout(PATIENCE_S):
        assert (await page.ask("user:identify", me))["resync"] is False
        await page.hears(await chronicle.tell(1, player.id))

    # What everybody hears comes live while a guest is told what a member missed.
    assert sorted(page.heard, key=str) == sorted(await chronicle.due(begin, player.id), key=str)
    await page.go()
