"""One cursor, many doors: a member moves through all of them while things happen, and counts."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio

from events import BalanceUpdated, CasesUpdated
from server.club import ledger
from server.config import Config
from server.keys import DB
from server.realtime.cursor import Cursor
from tests.club import PATIENCE_S, Club, Person
from tests.conftest import make_config
from tests.streams import EventStream, PlainSocket

WRITERS, ROUNDS = 3, 40
# So many events the writers are ahead of the slowest reader: some are found, some come live.
AHEAD = 30

# Name, data and cursor of the next event.
Heard = tuple[str, Any, str]
Next = Callable[[], Awaitable[Heard]]


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    # A small queue, so that catching up and being live take turns.
    return make_config(dsn, tmp_path_factory.mktemp("var"), stream_queue=10)


@asynccontextmanager
async def long_poll(club: Club, person: Person, after: str) -> AsyncIterator[Next]:
    """Asks with nothing but the last cursor, as curl does."""
    page: list[Heard] = []

    async def next_event() -> Heard:
        nonlocal after
        while not page:
            answer = await person.get(f"/api/updates?after={after}&wait=20")
            assert (answer.status, answer["resync"]) == (200, False)
            after = answer["cursor"]
            page.extend((e["event"], e["data"], e["cursor"]) for e in answer["events"])
        return page.pop(0)

    yield next_event


@asynccontextmanager
async def event_stream(club: Club, person: Person, after: str) -> AsyncIterator[Next]:
    async with EventStream.open(club, token=person.token, after=after) as stream:

        async def next_event() -> Heard:
            name, data = await stream.event()
            return name, data, str(stream.last_id)

        yield next_event


@asynccontextmanager
async def returning_event_stream(club: Club, person: Person, after: str) -> AsyncIterator[Next]:
    """As a browser comes back: the address still says where it began."""
    last = {"Last-Event-ID": after}
    begin = (await club.call("GET", "/api/updates"))["cursor"]
    async with EventStream.open(club, headers=last, token=person.token, after=begin) as stream:

        async def next_event() -> Heard:
            name, data = await stream.event()
            return name, data, str(stream.last_id)

        yield next_event


def plain(path: str) -> Any:
    @asynccontextmanager
    async def socket(club: Club, person: Person, after: str) -> AsyncIterator[Next]:
        asked = {"userId": person.id, "token": person.token, "after": after}
        async with PlainSocket.open(club, path, **asked) as socket:
            hello = await socket.next()
            assert hello["cursor"] == after

            async def next_event() -> Heard:
                frame = await socket.next()
                return frame["type"], frame["detail"], frame["cursor"]

            yield next_event

    return socket


class SocketClient:
    """python-socketio's client, which is told the cursor with each event when it asks for it."""

    def __init__(self, club: Club) -> None:
        self._url = club.url
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()
        self.client = socketio.AsyncClient(reconnection=False)
        self.client.on("*", self._hear)

    def _hear(self, name: str, *arguments: Any) -> None:
        *data, cursor = arguments
        self._heard.put_nowait((name, data[0] if data else None, cursor))

    async def connect(self, transport: str, **auth: Any) -> None:
        asked = auth | {"recovery": True}
        await self.client.connect(
            self._url, transports=[transport], auth=asked, wait_timeout=PATIENCE_S
        )

    def so_far(self) -> list[Heard]:
        """What has come, in the order of the log."""
        heard = [self._heard.get_nowait() for _ in range(self._heard.qsize())]
        return sorted(heard, key=lambda each: Cursor.parse(each[2]).position)

    async def next_event(self) -> Heard:
        return await self._heard.get()


def socket_io(transport: str) -> Any:
    """Who it is and how far it has heard stand in CONNECT."""

    @asynccontextmanager
    async def socket(club: Club, person: Person, after: str) -> AsyncIterator[Next]:
        socket = SocketClient(club)
        await socket.connect(transport, token=person.token, after=after)
        yield socket.next_event
        await socket.client.disconnect()

    return socket


@asynccontextmanager
async def identified(club: Club, person: Person, after: str) -> AsyncIterator[Next]:
    """As existing pages come: a guest, who then says who it is and how far it has heard."""
    socket = SocketClient(club)
    await socket.connect("websocket")
    me = {"userId": person.id, "token": person.token, "after": after}
    ack = await socket.client.call("user:identify", me, timeout=PATIENCE_S)
    assert (ack["success"], ack["resync"]) == (True, False), ack
    # What a guest hears may come before what is replayed; with the ack it is complete.
    begin = socket.so_far()

    async def next_event() -> Heard:
        return begin.pop(0) if begin else await socket.next_event()

    yield next_event
    await socket.client.disconnect()


DOORS = [
    socket_io("websocket"),
    socket_io("polling"),
    identified,
    long_poll,
    event_stream,
    returning_event_stream,
    plain("/ws/stream"),
    plain("/ws"),
]


async def tops_up_and_tells_all(club: Club, player: Person) -> None:
    async with club.app[DB].transaction() as tx:
        balance = await ledger.post(tx, player.id, 1, "deposit", "test")
        await club.sio.emit(BalanceUpdated(player.id, balance), tx=tx)
        await club.sio.emit(CasesUpdated(), tx=tx)


async def writes(club: Club, player: Person) -> None:
    for _ in range(ROUNDS):
        await tops_up_and_tells_all(club, player)


async def moves(club: Club, player: Person, start: str, heard: list[Heard], total: int) -> None:
    """Go through all the doors again and again, and hear a few events at each."""
    cursor = start
    doors = random.sample(DOORS, len(DOORS))
    while len(heard) < total:
        for door in doors:
            async with door(club, player, cursor) as next_event:
                for _ in range(min(random.choice([1, 2, 5, 10, 25]), total - len(heard))):
                    heard.append(await asyncio.wait_for(next_event(), PATIENCE_S))
                    cursor = heard[-1][2]


async def test_member_who_moves_through_every_door_misses_nothing_and_hears_nothing_twice(
    club: Club,
) -> None:
    player = await club.person(has_password=False)
    start = (await player.get("/api/me"))["cursor"]
    total = 2 * WRITERS * ROUNDS
    ways: list[list[Heard]] = [[], []]
    written = 0

    async def write() -> None:
        nonlocal written
        for _ in range(ROUNDS):
            while written - min(map(len, ways)) > AHEAD:
                await asyncio.sleep(0.005)
            written += 2
            await tops_up_and_tells_all(club, player)

    # A door that hangs is noticed by itself; all of it may take long on a busy machine.
    async with asyncio.timeout(20 * PATIENCE_S):
        await asyncio.gather(
            *(moves(club, player, start, way, total) for way in ways),
            *(write() for _ in range(WRITERS)),
        )

    for way in ways:
        balances = [round(data["balance"] * 100) for name, data, _ in way if data is not None]
        assert balances == list(range(1, WRITERS * ROUNDS + 1))
        assert sum(name == "cases:updated" for name, _, _ in way) == WRITERS * ROUNDS
    # The same event has the same cursor at every door.
    assert ways[0] == ways[1]


async def test_snapshot_goes_on_at_any_door(club: Club) -> None:
    player = await club.person(has_password=False)
    for number, door in enumerate(DOORS, start=1):
        writing = asyncio.create_task(writes(club, player))
        me = await player.get("/api/me")
        balance = round(me["balance"] * 100)
        async with door(club, player, me["cursor"]) as next_event:
            while balance < number * ROUNDS:
                _, data, _ = await asyncio.wait_for(next_event(), PATIENCE_S)
                if data is not None:
                    balance += 1
                    assert round(data["balance"] * 100) == balance
        await writing
