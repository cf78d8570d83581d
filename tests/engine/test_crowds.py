"""Crowds that misbehave, at a server in a process of its own: its memory stays flat, and others
are served as if they were alone.

The small crowds show that there is a bound. Those of the size that a club may meet take longer.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.engine.clients import Client, WebSocketClient
from tests.engine.crowds import CROWD_PATIENCE_S, POLLING, Crowd
from tests.engine.raw_http import RawHttp
from tests.engine.raw_websocket import TEXT, client_frame

EVENT_SIZE = 1000
# Told at once; then the next is told when those who listen have heard it, however slow they are.
PORTION = 50
# For all of a crowd together. Each of a thousand may have 1 MiB on its way, of events that all
# share; without a bound ten thousand events would be 10 GB.
FLAT = 60_000_000
# Nobody is missed for want of pongs: these tests are about other bounds.
NO_PINGS = {"ping_interval": 3600}
ROOM = {"max_sessions_per_address": 20_000, "handshakes_burst": 20_000}


@asynccontextmanager
async def listeners(crowd: Crowd) -> AsyncIterator[list[Client]]:
    """A client of each transport, who are served before, meanwhile and afterwards."""
    clients: list[Client] = [await crowd.websocket(), await crowd.polling()]
    for client in clients:
        assert await client.ask("say", "before") == ["before"]
    yield clients
    for client in clients:
        assert await client.ask("say", "afterwards") == ["afterwards"]


async def tell(crowd: Crowd, clients: list[Client], count: int, *, volatile: bool) -> None:
    """Broadcast so many events, all of which have to reach these clients."""
    async with asyncio.timeout(CROWD_PATIENCE_S):
        for begin in range(0, count, PORTION):
            await crowd.ask("broadcast", begin, PORTION, EVENT_SIZE, volatile)
            for client in clients:
                for number in range(begin, begin + PORTION):
                    assert (await client.event())[:2] == ["tick", number]


# The kernel takes some megabytes for each before the first is kept.
CROWDS = [(40, 4500, 10_000_000), pytest.param(1000, 10_000, FLAT, marks=pytest.mark.long)]


@pytest.mark.parametrize(("count", "events", "flat"), CROWDS)
@pytest.mark.parametrize("volatile", [True, False], ids=["volatile", "durable"])
async def test_clients_that_never_read_cost_no_more_than_their_bound(
    count: int, events: int, flat: int, volatile: bool
) -> None:
    async with Crowd.open(**NO_PINGS, **ROOM) as crowd:
        await crowd.deaf_websockets(count // 2)
        await crowd.silent_polls(count // 2, connected=True)
        async with listeners(crowd) as clients:
            before = await crowd.until(sessions=count + len(clients))

            await tell(crowd, clients, events, volatile=volatile)

            after = await crowd.ask("state")
            assert after["peak"] - before["peak"] < flat
            if volatile:
                assert after["volatile_dropped"] > count
                assert after["slow_closed"] == 0
                assert after["sessions"] == count + len(clients)
            else:
                assert after["slow_closed"] == count
                assert after["sessions"] == len(clients)


@pytest.mark.parametrize(
    ("count", "timeout_s"), [(100, 1), pytest.param(1000, 10, marks=pytest.mark.long)]
)
async def test_handshakes_that_never_connect_are_closed_and_no_others(
    count: int, timeout_s: float
) -> None:
    async with Crowd.open(connect_timeout=timeout_s, **NO_PINGS, **ROOM) as crowd:
        async with listeners(crowd) as clients:
            for _ in range(count // 2):
                await crowd.handshake()
            await crowd.silent_polls(count // 2)

            state = await crowd.until(connect_timeouts=count)

            assert state["sessions"] == len(clients)
            assert state["ping_timeouts"] == 0


@pytest.mark.parametrize(
    ("count", "interval_s"), [(300, 1), pytest.param(10_000, 25, marks=pytest.mark.long)]
)
async def test_sessions_whose_poll_never_comes_are_forgotten(
    count: int, interval_s: float
) -> None:
    bounds = {"ping_interval": interval_s, "ping_timeout": interval_s, **ROOM}
    async with Crowd.open(connect_timeout=3600, **bounds) as crowd:
        before = await crowd.ask("state")

        await crowd.silent_polls(count, connected=True)
        state = await crowd.until(ping_timeouts=count)

        assert state["peak"] - before["peak"] < FLAT
        assert (state["sessions"], state["rooms"], state["tasks"]) == (0, 0, 0)
        client = await crowd.polling()
        assert await client.ask("say", "hello") == ["hello"]


async def test_a_flood_of_events_ends_its_session_and_slows_nobody_down_for_long() -> None:
    """A hundred times what may come at once, from one that reads no answer."""
    async with Crowd.open(**NO_PINGS) as crowd:
        async with listeners(crowd) as clients:
            before = await crowd.ask("state")
            flooding = crowd.connection()
            await crowd.handshake(flooding)
            frames = client_frame(TEXT, b'421["say","hello"]') * 1000

            await asyncio.to_thread(flood, flooding, client_frame(TEXT, b"40") + frames * 100)

            state = await crowd.until(flood_closed=1)
            assert state["sessions"] == len(clients)
            assert state["peak"] - before["peak"] < FLAT


def flood(connection: object, data: bytes) -> None:
    """Send it all, or as much as the server takes."""
    try:
        connection.sendall(data)  # type: ignore[attr-defined]
    except OSError:
        return


async def test_a_flood_of_posts_ends_its_session_and_slows_nobody_down_for_long() -> None:
    async with Crowd.open(**NO_PINGS) as crowd:
        async with listeners(crowd) as clients:
            (sid,) = await crowd.silent_polls(1, connected=True)
            connection = await RawHttp.open(crowd.port)
            target = f"{POLLING}&sid={sid}"
            body = "\x1e".join(['421["say","hello"]'] * 1500)

            statuses = [
                (await connection.request("POST", target, body)).status for _ in range(3)
            ]

            # The second crosses the line and is still answered; the session is gone by then.
            assert statuses == [200, 200, 400]
            state = await crowd.until(flood_closed=1)
            assert state["sessions"] == len(clients)
            await connection.close()


async def test_one_that_listens_is_never_a_crowds_victim() -> None:
    """Handshakes, hang-ups and floods all the while, and every event arrives in order."""
    async with Crowd.open(**NO_PINGS, **ROOM) as crowd:
        async with listeners(crowd) as clients:
            assert isinstance(clients[0], WebSocketClient)
            restless = asyncio.create_task(come_and_go(crowd))

            await tell(crowd, clients, 500, volatile=True)

            restless.cancel()
            crowd.leave()
            await crowd.until(sessions=len(clients))


async def come_and_go(crowd: Crowd) -> None:
    while True:
        for _ in range(10):
            await crowd.handshake()
        await asyncio.sleep(0)
        crowd.leave()
