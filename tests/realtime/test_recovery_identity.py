"""A page that becomes another member's: what it was given before is of no use to anybody."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from server.config import Config
from tests.club import Club, Person
from tests.realtime.chronicle import Chronicle
from tests.realtime.raw_page import RawPage


@pytest.fixture(scope="module")
async def chronicle(dsn: str) -> AsyncIterator[Chronicle]:
    async with Chronicle.open(dsn) as running:
        yield running


@pytest.fixture
async def other(club: Club) -> Person:
    return await club.person(has_password=False)


@pytest.mark.parametrize("worker", ["same worker", "other worker"])
@pytest.mark.parametrize("after", [False, True], ids=["identify", "identify after"])
@pytest.mark.parametrize("returns", ["as before", "as the other", "as a guest"])
@pytest.mark.parametrize("began", ["guest", "member"])
async def test_page_that_became_anothers_is_not_recovered_with_what_it_was_given_before(
    club: Club,
    config: Config,
    chronicle: Chronicle,
    player: Person,
    other: Person,
    began: str,
    returns: str,
    after: bool,
    worker: str,
) -> None:
    here = await chronicle.number()
    await club.settled()
    before = {"token": player.token} if began == "member" else {}
    page = RawPage(**before)
    await page.come(club)
    given = page.pid
    me = {"userId": other.id, "token": other.token} | ({"after": here} if after else {})
    assert (await page.ask("user:identify", me))["success"]
    # While it is the other's, the first one's events pass it by; what is for all moves it past.
    await chronicle.tell(2, player.id)
    await page.hears(await chronicle.tell(1, other.id))
    await page.go()
    await chronicle.tell(2, player.id, other.id)
    await club.settled()
    heard = len(page.heard)

    page.auth = {"as before": before, "as the other": {"token": other.token}}.get(returns, {})
    async with AsyncExitStack() as workers:
        if worker == "other worker":
            club = await workers.enter_async_context(Club.open(replace(config, port=0)))
        await page.come(club)

        assert page.recovered is False and page.pid != given
        assert len(page.heard) == heard
        await page.go()
