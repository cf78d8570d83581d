"""The reader of the log behind every plain door: nothing lost, nothing twice, nothing unbounded."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from server.config import Config
from server.db import Database
from server.errors import Unavailable
from server.keys import AUTH, DB, EVENT_LOG, FEEDS, RELAY
from server.realtime.cursor import Cursor
from server.realtime.departures import Departures
from server.realtime.feed import Feed
from server.realtime.feeds import (
    PAGE,
    UPDATES,
    WS_STREAM,
    FeedLimits,
    Feeds,
    TooManyStreams,
)
from server.realtime.log import EventLog, Page
from server.realtime.news import News, Resync
from tests.club import PATIENCE_S, Club, Person, until
from tests.conftest import make_config
from tests.happenings import tell_all, top_up

# Small, so that a listener that rests is behind soon.
QUEUE = 20
PER_ADDRESS, PER_MEMBER, TOTAL = 6, 3, 8
WRITERS, ROUNDS = 6, 25


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(
        dsn,
        tmp_path_factory.mktemp("var"),
        stream_queue=QUEUE,
        stream_readers=2,
        streams_max=TOTAL,
        streams_per_address=PER_ADDRESS,
        streams_per_member=PER_MEMBER,
    )


async def here(club: Club) -> Cursor:
    page: Page = await club.app[EVENT_LOG].page(None, [], 1)
    return page.cursor


@asynccontextmanager
async def listening(
    club: Club,
    person: Person | None = None,
    after: Cursor | None = None,
    *,
    feeds: Feeds | None = None,
    door: str = WS_STREAM,
    address: str = "203.0.113.1",
) -> AsyncIterator[Feed]:
    """A feed of somebody, as a door opens it."""
    who = await club.app[AUTH].listener(person.token) if person else None
    hub = feeds or club.app[FEEDS]
    with hub.open(door, address=address, who=who, after=after) as feed:
        yield feed


def balances(items: list[Any]) -> list[int]:
    assert all(isinstance(item, News) for item in items), items
    return [round(item.data["balance"] * 100) for item in items]


async def heard(feed: Feed, count: int) -> list[Any]:
    """The next so many items."""
    items: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(items) < count:
            items += await feed.next(PATIENCE_S)
    assert len(items) == count
    return items


# --- the seam between the log and what is live -------------------------------------------------


class PausingLog(EventLog):
    """The log, where each page waits before and after it is read."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.first: Callable[[], Awaitable[None]] = _nothing
        self.then: Callable[[], Awaitable[None]] = _nothing

    async def page(self, *args: Any) -> Page:
        await self.first()
        page = await super().page(*args)
        await self.then()
        return page


async def _nothing() -> None:
    pass


@pytest.fixture
async def pausing(club: Club, dsn: str) -> AsyncIterator[tuple[PausingLog, Feeds]]:
    """Listeners of the club's own relay whose pages can be held up."""
    db = Database(dsn)
    await db.open()
    log = PausingLog(db)
    feeds = Feeds(log, club.app[RELAY], Departures(), FeedLimits(queue=QUEUE), grace_s=1.0)
    yield log, feeds
    club.app[RELAY].listeners.remove(feeds)
    await db.close()


@pytest.mark.parametrize("moment", ["first", "then"])
async def test_event_that_is_told_while_a_page_is_read_comes_once(
    club: Club, pausing: tuple[PausingLog, Feeds], moment: str
) -> None:
    log, feeds = pausing
    player = await club.person(has_password=False)
    start = await here(club)
    await top_up(club, player, 2)

    async def meanwhile() -> None:
        setattr(log, moment, _nothing)
        await top_up(club, player, 3)
        await club.settled()

    setattr(log, moment, meanwhile)
    async with listening(club, player, start, feeds=feeds) as feed:
        items = await feed.start()
        # In the page as well as live, or only live: by when it was read.
        assert len(items) == (5 if moment == "first" else 2)
        await top_up(club, player)
        items += await heard(feed, 6 - len(items))
        assert balances(items) == [1, 2, 3, 4, 5, 6]
        await club.settled()
        assert await feed.next(0) == []


async def test_reading_before_listening_would_lose_what_comes_in_between(club: Club) -> None:
    """What the seam is for: the order that comes to mind first."""
    player = await club.person(has_password=False)
    page = await club.app[EVENT_LOG].page(await here(club), [f"user:{player.id}"], PAGE)
    await top_up(club, player)
    await club.settled()

    async with listening(club, player) as live, listening(club, player, page.cursor) as feed:
        lost = await live.start() + await live.next(0)
        assert (page.events, lost) == ([], [])
        assert balances(await feed.start()) == [1]


async def test_listener_that_starts_live_hears_what_was_told_while_it_started(
    club: Club, pausing: tuple[PausingLog, Feeds]
) -> None:
    log, feeds = pausing
    player = await club.person(has_password=False)

    async def meanwhile() -> None:
        log.then = _nothing
        await top_up(club, player, 2)
        await club.settled()

    log.then = meanwhile
    async with listening(club, player, feeds=feeds) as feed:
        assert await feed.start() == []
        assert balances(await heard(feed, 2)) == [1, 2]


async def test_more_than_the_queue_holds_while_a_page_is_read_is_read_again(
    club: Club, pausing: tuple[PausingLog, Feeds]
) -> None:
    log, feeds = pausing
    player = await club.person(has_password=False)
    start = await here(club)
    await top_up(club, player)

    async def meanwhile() -> None:
        log.then = _nothing
        await top_up(club, player, QUEUE + 5)
        await club.settled()

    log.then = meanwhile
    async with listening(club, player, start, feeds=feeds) as feed:
        first = await feed.start()
        rest = await heard(feed, QUEUE + 5)
        assert balances(first + rest) == list(range(1, QUEUE + 7))


async def test_listeners_among_writers_hear_everything_once_and_in_order(club: Club) -> None:
    player = await club.person(has_password=False)
    start = await here(club)
    total = WRITERS * ROUNDS
    written = asyncio.Event()

    async def write() -> None:
        await top_up(club, player, ROUNDS)

    async def moved_on(by: int) -> None:
        """Rest until the log is so much further, or nobody writes any more."""
        position = club.app[RELAY].position
        assert position is not None

        async def moved() -> bool:
            now = club.app[RELAY].position
            assert now is not None
            return written.is_set() or now.position >= position.position + by

        await until(moved, "the log moves on")

    async def listen(number: int) -> list[int]:
        await moved_on(number * 10)
        got: list[int] = []
        cursor = start
        # Each leaves now and then, and goes on from where it was with another feed.
        while len(got) < total:
            async with listening(club, player, cursor, address=f"a{number % 2}") as feed:
                items = await feed.start()
                for turn in range(4):
                    assert not any(isinstance(item, Resync) for item in items)
                    got += balances(items)
                    cursor = feed.cursor
                    if len(got) >= total:
                        break
                    if number % 2:
                        await moved_on(2 * QUEUE)
                    items = await feed.next(0 if turn == 3 else PATIENCE_S)
                got += balances(items if len(got) < total else [])
                cursor = feed.cursor
        return got

    async def all_write() -> None:
        await asyncio.gather(*(write() for _ in range(WRITERS)))
        written.set()

    async with asyncio.timeout(6 * PATIENCE_S):
        _, first, *others = await asyncio.gather(
            all_write(), *(listen(number) for number in range(PER_MEMBER))
        )
    assert first == list(range(1, total + 1))
    assert all(other == first for other in others)


# --- slow listeners ----------------------------------------------------------------------------


async def test_listener_that_rests_holds_no_more_than_the_queue_and_misses_nothing(
    club: Club,
) -> None:
    player = await club.person(has_password=False)
    async with listening(club, player) as feed:
        await feed.start()
        await top_up(club, player, 2)
        await club.settled()
        assert balances(await heard(feed, 2)) == [1, 2]
        # Asking for more says that what came before is put away.
        assert await feed.next(0) == []

        many = 3 * QUEUE
        await top_up(club, player, many)
        await club.settled()

        assert feed.waiting <= QUEUE
        assert club.app[FEEDS].lag(feed) == many
        assert balances(await heard(feed, many)) == list(range(3, 3 + many))
        assert await feed.next(0) == []
        assert club.app[FEEDS].lag(feed) == 0


async def test_place_to_go_on_from_is_before_what_still_waits(club: Club) -> None:
    player = await club.person(has_password=False)
    async with listening(club, player) as feed:
        await feed.start()
        start = feed.cursor
        await top_up(club, player)
        await club.settled()
        assert feed.cursor == start

        (news,) = await heard(feed, 1)
        assert feed.cursor == news.cursor == await here(club)


async def test_listener_catches_up_in_pages(club: Club) -> None:
    start = await here(club)
    await tell_all(club, 2 * PAGE + 1)

    async with listening(club, after=start) as feed:
        sizes = [len(await feed.start())]
        while sum(sizes) < 2 * PAGE + 1:
            sizes.append(len(await feed.next(PATIENCE_S)))
        assert sizes == [PAGE, PAGE, 1]
        assert feed.cursor == await here(club)


async def test_listener_that_heard_nothing_for_long_is_not_sent_back_behind_the_floor(
    club: Club,
) -> None:
    """What was trimmed while nothing was for this listener was not for this listener."""
    player, other = await club.person(has_password=False), await club.person(has_password=False)
    async with listening(club, player) as feed:
        await feed.start()
        await top_up(club, other, 5)
        await club.settled()
        async with club.app[DB].transaction() as tx:
            await tx.execute("UPDATE event_log_head SET floor = head")

        await top_up(club, player, QUEUE + 1)
        await club.settled()

        assert balances(await heard(feed, QUEUE + 1)) == list(range(1, QUEUE + 2))


# --- holes -------------------------------------------------------------------------------------


async def test_listener_behind_the_floor_is_told_and_goes_on_live(club: Club) -> None:
    old = await here(club)
    await tell_all(club, 2)
    async with club.app[DB].transaction() as tx:
        await tx.execute("UPDATE event_log_head SET floor = $1", old.position + 1)

    async with listening(club, after=old) as feed:
        assert await feed.start() == [Resync(await here(club))]
        assert feed.began == await here(club)
        await tell_all(club, 1)
        (news,) = await heard(feed, 1)
        assert news.name == "cases:updated"


async def test_listener_is_told_when_the_log_becomes_another_under_it(config: Config) -> None:
    """As after a restore: the relay has to jump, and so has everybody who listens."""
    async with Club.open(config) as club:
        async with listening(club) as feed:
            await feed.start()
            async with club.app[DB].transaction() as tx:
                await tx.execute("UPDATE event_log_head SET epoch = 'fedcba98'")
            club.app[RELAY].ring()

            (hole,) = await heard(feed, 1)
            assert hole == Resync(await here(club))
            await tell_all(club, 1)
            (news,) = await heard(feed, 1)
            assert news.cursor == await here(club)


# --- bounds ------------------------------------------------------------------------------------


async def test_one_member_may_have_so_many_streams_and_no_more(club: Club) -> None:
    player = await club.person(has_password=False)
    async with listening(club, player), listening(club, player):
        async with listening(club, player, address="203.0.113.2"):
            with pytest.raises(TooManyStreams):
                async with listening(club, player, address="203.0.113.3"):
                    pass
            # A poll comes and goes; it has a bound of its own.
            async with listening(club, player, door=UPDATES):
                pass
        async with listening(club, player):
            pass


async def test_one_address_may_have_so_many_streams_and_no_more(club: Club) -> None:
    async with AsyncExitStack() as opened:
        for _ in range(PER_ADDRESS):
            await opened.enter_async_context(listening(club))
        with pytest.raises(TooManyStreams):
            await opened.enter_async_context(listening(club))
        for number in range(TOTAL - PER_ADDRESS):
            await opened.enter_async_context(listening(club, address=f"198.51.100.{number}"))
        with pytest.raises(Unavailable):
            await opened.enter_async_context(listening(club, address="198.51.100.99"))
    assert club.app[FEEDS].count(WS_STREAM) == 0
    async with listening(club):
        assert club.app[FEEDS].count(WS_STREAM) == 1


async def test_addresses_of_one_ipv6_network_count_as_one(club: Club) -> None:
    async with AsyncExitStack() as opened:
        for number in range(PER_ADDRESS):
            address = f"2001:db8::{number:x}"
            await opened.enter_async_context(listening(club, address=address))
        with pytest.raises(TooManyStreams):
            await opened.enter_async_context(listening(club, address="2001:db8:0:0:ffff::1"))
        await opened.enter_async_context(listening(club, address="2001:db8:0:1::1"))
    async with listening(club, address="2001:db8::1"):
        pass


async def test_nobody_is_let_in_while_the_server_drains(config: Config) -> None:
    async with Club.open(config) as club:
        async with listening(club) as feed:
            await feed.start()
            club.app[FEEDS].drain()
            (told,) = await feed.next(PATIENCE_S)
            assert told.name == "server:draining"
            assert 0 < told.data["reconnectInMs"] <= 5000
            assert (await feed.next(PATIENCE_S), feed.ended) == ([], "server restarts")
        with pytest.raises(Unavailable):
            async with listening(club):
                pass
