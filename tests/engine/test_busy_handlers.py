"""More handlers than a session may have at once: reading waits, nothing is lost or overtakes."""

import asyncio
import contextlib
from typing import Any

import pytest

from tests.engine.clients import Client, WebSocketClient, becomes, forgotten, soon
from tests.engine.conftest import Serve
from tests.engine.rig import Rig, quiet_server


class Work:
    """A handler `work` that waits to be let on; `started` and `ended` get the numbers."""

    def __init__(self, sio: Any) -> None:
        self.started: list[int] = []
        self.ended: list[int] = []
        self.let_on = asyncio.Event()
        self._sio = sio
        sio.on("work", self._work)

    async def _work(self, sid: str, number: int) -> int:
        self.started.append(number)
        await self.let_on.wait()
        self.ended.append(number)
        return number

    async def paused(self) -> None:
        await becomes(lambda: self._sio.eio.counters.reading_paused, "reading pauses")


def works(count: int, begin: int = 0) -> list[str]:
    return [f'42{number}["work",{number}]' for number in range(begin, begin + count)]


async def acks(client: Client, count: int) -> list[int]:
    """The numbers of the next acks, each of which says its own."""
    numbers = []
    for packet in await client.receives(count):
        number = int(str(packet)[2:].partition("[")[0])
        assert packet == f"43{number}[{number}]"
        numbers.append(number)
    return numbers


async def test_handlers_past_the_bound_begin_when_others_have_ended(
    serve: Serve, transport: str
) -> None:
    sio = quiet_server(max_handlers=2)
    work = Work(sio)
    client = await (await serve(sio)).joined(transport)

    sending = asyncio.create_task(client.send(*works(100)))
    await work.paused()
    assert work.started == [0, 1]
    work.let_on.set()
    await soon(sending)

    assert sorted(await acks(client, 100)) == list(range(100))
    assert work.started == list(range(100))


async def test_what_comes_while_reading_waits_is_neither_lost_nor_early(
    serve: Serve, transport: str
) -> None:
    """More than what was in the segment that filled the bound: megabytes, and binary parts."""
    sio = quiet_server(max_handlers=2)
    work = Work(sio)
    sizes: list[int] = []
    sio.on("big", lambda sid, number, data: sizes.append((number, len(data))))
    client = await (await serve(sio)).joined(transport)
    sending = asyncio.create_task(send_all(client))
    await work.paused()

    work.let_on.set()
    await soon(sending)

    await becomes(lambda: len(sizes) == 20, "everything comes")
    assert sizes == [(number, 300_000) for number in range(20)]
    assert work.started == list(range(60))


async def send_all(client: Client) -> None:
    await client.send(*works(30))
    for number in range(20):
        await client.send(
            f'451-["big",{number},{{"_placeholder":true,"num":0}}]', bytes(300_000)
        )
    await client.send(*works(30, begin=30))


async def test_a_busy_session_does_not_hold_up_another(serve: Serve, transport: str) -> None:
    sio = quiet_server(max_handlers=1)
    work = Work(sio)
    sio.on("say", lambda sid, what: what)
    rig = await serve(sio)
    busy, other = await rig.joined(transport), await rig.joined(transport)
    sending = asyncio.create_task(busy.send(*works(3)))
    await work.paused()

    assert await other.ask("say", "hello") == ["hello"]

    work.let_on.set()
    await soon(sending)


async def test_a_client_that_goes_while_reading_waits_leaves_nothing_behind(
    serve: Serve, transport: str
) -> None:
    sio = quiet_server(max_handlers=1, ping_interval=0.1, ping_timeout=0.1)
    work = Work(sio)
    rig = await serve(sio)
    client = await rig.joined(transport)
    sending = asyncio.create_task(client.send(*works(3)))
    await work.paused()

    await rig.leave()
    work.let_on.set()
    with contextlib.suppress(AssertionError, ConnectionError, asyncio.IncompleteReadError):
        await soon(sending)

    await soon(sio.goodbyes.get())
    await forgotten(sio)


async def test_a_session_that_waits_for_its_handlers_can_be_ended(
    serve: Serve, transport: str
) -> None:
    sio = quiet_server(max_handlers=1, close_timeout=30)
    work = Work(sio)
    client = await (await serve(sio)).joined(transport)
    sending = asyncio.create_task(client.send(*works(2)))
    await work.paused()

    await soon(sio.eio.disconnect(client.sid))

    # The client is told at once, and no POST of it hangs.
    with contextlib.suppress(AssertionError):
        await soon(sending)
    await client.ended()
    assert await soon(sio.goodbyes.get()) == "server disconnect"
    work.let_on.set()
    await forgotten(sio)
    assert work.started == [0]


async def test_an_upgrade_while_reading_waits_goes_on_where_polling_stopped(
    serve: Serve,
) -> None:
    sio = quiet_server(max_handlers=1)
    work = Work(sio)
    rig = await serve(sio)
    polling = await rig.polling()
    await polling.connect()
    sending = asyncio.create_task(polling.send(*works(3)))
    await work.paused()

    client = await upgraded(rig, polling)
    # The POST that was held back is answered, or its client could not stop polling.
    await soon(sending)
    await client.send(*works(3, begin=3))
    work.let_on.set()

    assert await acks(client, 6) == list(range(6))
    assert work.started == list(range(6))


async def upgraded(rig: Rig, polling: Any) -> WebSocketClient:
    poll = asyncio.create_task(polling.receive())
    websocket = await rig.websocket(sid=polling.sid)
    await websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    assert await soon(poll) == "6"
    await websocket.send("5")
    client = WebSocketClient(websocket, answers_pings=False)
    client.handshake = polling.handshake
    return client


@pytest.mark.parametrize("count", [1, 30])
async def test_without_async_handlers_each_ends_before_the_next_begins(
    serve: Serve, transport: str, count: int
) -> None:
    sio = quiet_server(async_handlers=False)
    running: list[int] = []
    order: list[int] = []

    @sio.event
    async def step(sid: str, number: int) -> None:
        assert running == []
        running.append(number)
        # The first waits longest: side by side they would end in the opposite order.
        for _ in range(count - number):
            await asyncio.sleep(0)
        running.remove(number)
        order.append(number)

    client = await (await serve(sio)).joined(transport)

    await client.send(*(f'42{number}["step",{number}]' for number in range(count)))

    assert await client.receives(count) == [f"43{number}[]" for number in range(count)]
    assert order == list(range(count))
