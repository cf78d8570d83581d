"""What happened while a page was away: all of it, once, in order, before `connect`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from server.app import drain
from server.config import Config
from server.keys import RELAY, SIO, SOCKETS
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


def port_of(club: Club) -> int:
    return int(club.url.rpartition(":")[2])


@pytest.fixture
async def wire(club: Club) -> AsyncIterator[Wire]:
    async with Wire.open(port_of(club)) as wire:
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


async def cut(page: Page, wire: Wire) -> None:
    """The connection breaks, and no new one comes about."""
    wire.is_up = False
    wire.cut()
    count = len(page.all("disconnected"))
    await page.until(lambda: len(page.all("disconnected")) > count or not page.is_connected)


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

        await cut(page, wire)
        missed = await chronicle.tell(100, player.id, other.id)
        await club.settled()
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


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_ten_thousand_events_are_recovered(
    club: Club, chronicle: Chronicle, wire: Wire, player: Person, transports: list[str]
) -> None:
    begin = await chronicle.number()
    await club.settled()
    async with page_of(player, wire, *transports) as page:
        await page.connected()
        await cut(page, wire)
        await chronicle.tell(5_000, player.id)
        await club.settled()
        wire.is_up = True

        assert (await page.connected(2))["recovered"] is True
        assert page.since("disconnected") == await chronicle.due(begin, player.id)


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_page_that_the_server_still_believes_connected_takes_its_place_again(
    club: Club, chronicle: Chronicle, wire: Wire, player: Person, transports: list[str]
) -> None:
    begin = await chronicle.number()
    await club.settled()
    async with page_of(player, wire, *transports) as page:
        first = await page.connected()
        await page.hears(await chronicle.tell(1, player.id))
        wire.is_up = False
        wire.strand()
        await page.until(lambda: page.all("disconnected"))
        assert club.app[SOCKETS].get(first["sid"]) is not None
        await chronicle.tell(20, player.id)
        await club.settled()
        wire.is_up = True

        again = await page.connected(2)
        await page.hears(await chronicle.tell(1, player.id))

        assert (again["recovered"], again["sid"]) == (True, first["sid"])
        assert page.events == await chronicle.due(begin, player.id)
        assert club.app[SIO].room_size(f"user:{player.id}") == 1


async def test_page_that_slept_longer_than_the_server_waits_misses_nothing(
    config: Config, chronicle: Chronicle
) -> None:
    impatient = replace(config, engine=config.engine | {"ping_interval": 0.2, "ping_timeout": 0.2})
    async with Club.open(impatient) as club, Wire.open(port_of(club)) as wire:
        player = await club.person(has_password=False)
        begin = await chronicle.number()
        await club.settled()
        for transports in TRANSPORTS.values():
            async with page_of(player, wire, *transports) as page:
                first = await page.connected()
                page.sleep()
                await gone(club, first["sid"])
                last = await chronicle.tell(50, player.id)
                page.wake()

                again = await page.connected(2)
                await page.hears(last)

                assert again["recovered"] is True
                assert page.events == await chronicle.due(begin, player.id)
                begin = last


async def test_page_that_is_cut_off_ten_times_in_a_row_hears_everything_once(
    club: Club, chronicle: Chronicle, wire: Wire, player: Person
) -> None:
    begin = await chronicle.number()
    await club.settled()
    async with page_of(player, wire, "polling", "websocket") as page:
        await page.connected()
        for number in range(10):
            await cut(page, wire)
            # Also twice in a row with nothing to tell.
            last = await chronicle.tell(number % 3 * 7, player.id) if number % 3 else None
            await page.do("transports", transports=["polling" if number % 2 else "websocket"])
            wire.is_up = True
            assert (await page.connected(number + 2))["recovered"] is True
            if last:
                await page.hears(last)

        assert page.events == await chronicle.due(begin, player.id)


async def test_page_that_never_saw_an_event_misses_none(
    club: Club, chronicle: Chronicle, wire: Wire, player: Person
) -> None:
    before = await chronicle.tell(3, player.id)
    await club.settled()
    async with page_of(player, wire) as page:
        await page.connected()
        await cut(page, wire)
        await chronicle.tell(1, player.id)
        await club.settled()
        wire.is_up = True

        assert (await page.connected(2))["recovered"] is True
        assert page.events == await chronicle.due(before, player.id)


async def test_page_of_another_member_by_now_hears_nothing_of_the_first(
    club: Club, chronicle: Chronicle, wire: Wire, player: Person, other: Person
) -> None:
    async with page_of(player, wire) as page:
        first = await page.connected()
        await page.hears(await chronicle.tell(1, player.id))
        await cut(page, wire)
        await page.do("auth", auth={"token": other.token})
        missed = await chronicle.tell(10, player.id, other.id)
        await club.settled()
        wire.is_up = True

        again = await page.connected(2)
        await page.hears(await chronicle.tell(1, player.id, other.id))

        assert again["recovered"] is False and again["sid"] != first["sid"]
        assert page.since("disconnected") == await chronicle.due(missed, other.id)


async def test_page_whose_place_is_not_kept_any_more_begins_anew(
    club: Club, chronicle: Chronicle, wire: Wire, player: Person
) -> None:
    async with page_of(player, wire) as page:
        await page.connected()
        await page.hears(await chronicle.tell(1, player.id))
        await cut(page, wire)
        missed = await chronicle.tell(10, player.id)
        await club.settled()
        await chronicle.execute("UPDATE event_log_head SET floor = head - 1")
        wire.is_up = True

        again = await page.connected(2)
        await page.hears(await chronicle.tell(1, player.id))
        # Begun anew is begun: the next time all is recovered.
        await cut(page, wire)
        wire.is_up = True
        third = await page.connected(3)

        assert (again["recovered"], third["recovered"]) == (False, True)
        assert page.events[2:] == await chronicle.due(missed, player.id)


async def test_page_that_said_goodbye_begins_anew_also_after_a_restart(
    config: Config, chronicle: Chronicle
) -> None:
    async with Club.open(config) as club, Wire.open(port_of(club)) as wire:
        player = await club.person(has_password=False)
        async with page_of(player, wire) as staying, page_of(player, wire) as leaving:
            first = await leaving.connected()
            await staying.connected()
            await leaving.do("leave")
            await gone(club, first["sid"])
            await leaving.do("come")
            second = await leaving.connected(2)
            await leaving.do("leave")
            await gone(club, second["sid"])

            wire.is_up = False
            async with restarted(club, wire, config) as again:
                await chronicle.tell(3, player.id)
                await again.settled()
                wire.is_up = True
                await leaving.do("come")

                assert (await staying.connected(2))["recovered"] is True
                assert second["recovered"] is False
                assert (await leaving.connected(3))["recovered"] is False
                assert leaving.since("disconnected") == []


async def test_page_that_was_thrown_out_begins_anew_also_after_a_restart(
    config: Config, chronicle: Chronicle
) -> None:
    async with Club.open(config) as club, Wire.open(port_of(club)) as wire:
        player = await club.person(has_password=False)
        async with page_of(player, wire) as page:
            for number in (1, 2):
                await club.app[SIO].disconnect((await page.connected(number))["sid"])
                await page.until(lambda: len(page.all("disconnected")) == number)
                if number == 1:
                    await page.do("come")
            wire.is_up = False
            async with restarted(club, wire, config) as again:
                await chronicle.tell(3, player.id)
                await again.settled()
                wire.is_up = True
                await page.do("come")
                await page.connected(3)

                assert [each["recovered"] for each in page.all("connected")[1:]] == [False] * 2
                assert page.events == []


@asynccontextmanager
async def restarted(club: Club, wire: Wire, config: Config) -> AsyncIterator[Club]:
    """The club ends, and another process of it begins."""
    await drain(club.app)
    async with Club.open(config) as again:
        wire.port = port_of(again)
        yield again


async def test_page_that_closes_its_engine_has_not_said_goodbye(
    club: Club, chronicle: Chronicle, wire: Wire, player: Person
) -> None:
    for transport in ("websocket", "polling"):
        begin = await chronicle.number()
        await club.settled()
        async with page_of(player, wire, transport) as page:
            await page.connected()
            await page.do("close")
            last = await chronicle.tell(5, player.id)

            assert (await page.connected(2))["recovered"] is True
            await page.hears(last)
            assert page.events == await chronicle.due(begin, player.id)


async def test_page_that_returns_to_another_worker_misses_nothing(
    config: Config, chronicle: Chronicle
) -> None:
    async with Club.open(config) as one, Club.open(config) as two, Wire.open(port_of(one)) as wire:
        player = await one.person(has_password=False)
        begin = await chronicle.number()
        await one.settled()
        async with page_of(player, wire) as page:
            await page.connected()
            for number, worker in enumerate((two, one, two), 2):
                await page.hears(await chronicle.tell(3, player.id))
                await cut(page, wire)
                await chronicle.tell(20, player.id)
                await worker.settled()
                wire.port = port_of(worker)
                wire.is_up = True
                assert (await page.connected(number))["recovered"] is True

            assert page.events == await chronicle.due(begin, player.id)


async def test_page_from_a_faster_worker_hears_nothing_twice(
    config: Config, chronicle: Chronicle
) -> None:
    slow = replace(config, relay_poll_s=3.0)
    async with Club.open(slow) as one, Club.open(slow) as two, Wire.open(port_of(one)) as wire:
        player = await one.person(has_password=False)
        begin = await chronicle.number()
        await one.settled()
        await two.settled()
        async with page_of(player, wire) as page:
            await page.connected()
            # Nobody rings: the one worker is told to look, the other does not know.
            await chronicle.number_silently(40)
            one.app[RELAY].ring()
            await page.hears(await chronicle.number())
            assert two.app[RELAY].position.position < one.app[RELAY].position.position
            await cut(page, wire)
            wire.port = port_of(two)
            wire.is_up = True

            assert (await page.connected(2))["recovered"] is True
            await page.hears(await chronicle.tell(1, player.id))
            assert page.events == await chronicle.due(begin, player.id)


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_page_that_is_cut_off_while_it_is_told_what_it_missed_hears_it_once(
    club: Club, chronicle: Chronicle, wire: Wire, player: Person, transports: list[str]
) -> None:
    begin = await chronicle.number()
    await club.settled()
    async with page_of(player, wire, *transports) as page:
        await page.connected()
        await cut(page, wire)
        last = await chronicle.tell(2_000, player.id)
        for _ in range(3):
            # Into the middle of what is missing, which is some 200 kB.
            wire.budget = 40_000
            wire.is_up = True
            await page.until(lambda: wire.budget is None)
        await page.hears(last)

        assert page.events == await chronicle.due(begin, player.id)
        assert all(each["recovered"] for each in page.all("connected")[1:])


async def test_page_of_a_worker_that_skipped_a_part_of_the_log_comes_back_and_begins_anew(
    club: Club, chronicle: Chronicle, wire: Wire, player: Person
) -> None:
    await club.settled()
    async with page_of(player, wire) as page:
        await page.connected()
        await page.hears(await chronicle.tell(1))
        # As if it had been restored from a later backup: this worker is below its floor.
        await chronicle.execute("UPDATE event_log_head SET head = head + 100, floor = head + 100")
        club.app[RELAY].ring()

        assert (await page.connected(2))["recovered"] is False
        await page.hears(await chronicle.tell(1))
        assert len(page.events) == 2
