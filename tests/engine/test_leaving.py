"""Joining and leaving while a handler runs: each client is told once, and nothing is left."""

import asyncio
from typing import Any

from tests.engine.clients import Client, becomes, forgotten, soon
from tests.engine.conftest import Serve
from tests.engine.rig import quiet_server


class Gate:
    """A handler that waits to be let on, and a list of who came by."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.let_on = asyncio.Event()

    async def handler(self, sid: str, *_: Any) -> None:
        self.calls.append(sid)
        await self.let_on.wait()

    async def reached(self, count: int = 1) -> None:
        await becomes(lambda: len(self.calls) == count, "the handler runs")


async def considered(serve: Serve, transport: str) -> tuple[Any, Gate, Client]:
    """A server, the gate that its connect handler is, and a client who waits there."""
    sio, gate = quiet_server(), Gate()
    sio.on("connect", gate.handler)
    client = await (await serve(sio)).client(transport)
    await client.send("40")
    await gate.reached()
    return sio, gate, client


async def test_a_client_that_goes_while_its_connect_handler_runs_is_told_and_forgotten(
    serve: Serve, transport: str
) -> None:
    sio, gate, client = await considered(serve, transport)

    await client.send("1")
    await client.ended()
    assert sio.goodbyes.empty()
    gate.let_on.set()

    assert await soon(sio.goodbyes.get()) == "transport close"
    await forgotten(sio)
    assert sio.goodbyes.empty()


async def test_leaving_before_having_joined_breaks_the_protocol(
    serve: Serve, transport: str
) -> None:
    sio, gate, client = await considered(serve, transport)

    if transport == "polling":
        assert (await client.post("41")).status == 400  # type: ignore[attr-defined]
    else:
        await client.send("41")
    await client.ended()
    gate.let_on.set()

    assert await soon(sio.goodbyes.get()) == "transport close"
    await forgotten(sio)


async def test_a_client_may_join_again_while_its_disconnect_handler_runs(
    serve: Serve, transport: str
) -> None:
    sio = quiet_server()
    gate = Gate()
    sio.on("disconnect", gate.handler)
    sio.on("say", lambda sid: sid)
    client = await (await serve(sio)).client(transport)
    first = await client.connect()

    await client.send("41")
    await gate.reached()
    second = await client.connect()

    assert second != first
    assert await client.ask("say") == [second]
    gate.let_on.set()
    await becomes(lambda: not sio.eio.tasks, "the old one has left")
    assert await client.ask("say") == [second]
    await sio.emit("hello", to=first)
    await sio.emit("hello", to=second)
    assert await client.event() == ["hello"]
    await client.send("1")
    await client.ended()
    await forgotten(sio)
    assert gate.calls == [first, second]


async def test_what_one_that_is_thrown_out_has_said_before_is_passed_over(
    serve: Serve, transport: str
) -> None:
    sio = quiet_server()
    gate = Gate()
    heard: list[str] = []
    sio.on("disconnect", gate.handler)
    sio.on("say", lambda sid: heard.append(sid))
    client = await (await serve(sio)).client(transport)
    first = await client.connect()
    throwing = asyncio.create_task(sio.disconnect(first))
    await gate.reached()

    await client.send('42["say"]')
    gate.let_on.set()
    await soon(throwing)
    await client.send('42["say"]')

    assert await client.receive() == "41"
    second = await client.connect()
    assert await client.ask("say") == []
    assert heard == [second]


async def test_whoever_is_in_one_namespace_is_not_missed_in_another(
    serve: Serve, transport: str
) -> None:
    sio = quiet_server(connect_timeout=0.2)
    sio.on("say", lambda sid: sid, namespace="/other")
    rig = await serve(sio)
    client = await rig.client(transport)
    await client.connect()
    await client.connect("/other")

    await client.send("41")
    assert await soon(sio.goodbyes.get()) == "client disconnect"
    # Its time, if it had any, is over before that of one who comes now and joins nothing.
    await (await rig.client(transport)).ended()

    assert sio.eio.counters.connect_timeouts == 1
    await client.send('42/other,1["say"]')
    assert str(await client.receive()).startswith('43/other,1["')


async def test_whoever_has_left_everything_is_closed_in_time(
    serve: Serve, transport: str
) -> None:
    sio = quiet_server(connect_timeout=0.1, close_timeout=30)
    client = await (await serve(sio)).client(transport)
    await client.connect()

    await client.send("41")

    await client.ended()
    assert sio.eio.counters.connect_timeouts == 1
    await forgotten(sio)
