"""What a client may keep waiting, and for how long: its CONNECT, its upgrade, its goodbye."""

import asyncio
from typing import Any

from tests.club import until
from tests.engine.clients import PollingClient, WebSocketClient, becomes, forgotten, soon
from tests.engine.conftest import Serve
from tests.engine.raw_http import request_bytes
from tests.engine.rig import quiet_server

SOON = {"connect_timeout": 0.2}


async def test_a_session_that_never_connects_is_closed(serve: Serve, transport: str) -> None:
    sio = quiet_server(**SOON)
    client = await (await serve(sio)).client(transport)

    await client.ended()

    assert sio.eio.counters.connect_timeouts == 1
    assert sio.eio.counters.ping_timeouts == 0
    await forgotten(sio)


async def test_a_poll_of_one_that_never_connects_is_answered_with_close(serve: Serve) -> None:
    sio = quiet_server(**SOON)
    client = await (await serve(sio)).polling()

    assert (await client.get()).packets == ["1"]


async def test_talking_without_connecting_wins_no_time(serve: Serve, transport: str) -> None:
    """Neither pongs nor a namespace that is not there."""
    sio = quiet_server(**SOON)
    client = await (await serve(sio)).client(transport)

    await client.send("3", "40/nowhere,", "3")

    assert await client.receive() == '44/nowhere,{"message":"Invalid namespace"}'
    await client.ended()
    assert sio.eio.counters.connect_timeouts == 1


async def test_one_that_was_refused_has_time_for_another_try_and_no_more(
    serve: Serve, transport: str
) -> None:
    sio = quiet_server(**SOON)

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> bool:
        return bool(auth)

    rig = await serve(sio)
    second, never = await rig.client(transport), await rig.client(transport)
    for client in (second, never):
        await client.send("40")
        assert str(await client.receive()).startswith("44")
    await second.connect(auth={"token": "good"})

    await never.ended()

    assert list(sio.eio.sockets) == [second.sid]
    assert sio.eio.counters.connect_timeouts == 1


async def test_one_whose_connect_handler_takes_long_is_not_hurried(
    serve: Serve, transport: str
) -> None:
    sio = quiet_server(**SOON)
    considered, let_in = asyncio.Event(), asyncio.Event()

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        considered.set()
        await let_in.wait()

    rig = await serve(sio)
    client = await rig.client(transport)
    connecting = asyncio.create_task(client.connect())
    await soon(considered.wait())
    # The time of one that comes later and never connects is over after its own.
    await (await rig.client(transport)).ended()
    let_in.set()

    assert await soon(connecting)
    assert sio.eio.counters.connect_timeouts == 1


async def test_a_probe_without_an_upgrade_is_given_up_and_counted(serve: Serve) -> None:
    sio = quiet_server(upgrade_timeout=0.2)
    sio.on("say", lambda sid, what: what)
    rig = await serve(sio)
    client = await rig.polling()
    await client.connect()
    silent = await rig.websocket(sid=client.sid)

    assert (await silent.closed()).code == 1001

    assert sio.eio.counters.upgrade_timeouts == 1
    assert await client.ask("say", "still polling") == ["still polling"]
    upgraded = await rig.upgraded(client)
    assert await upgraded.ask("say", "upgraded") == ["upgraded"]
    assert sio.eio.counters.upgrade_timeouts == 1


async def test_a_closed_session_waits_for_its_last_polls_only_so_long(serve: Serve) -> None:
    sio = quiet_server(close_timeout=0.2)
    rig = await serve(sio)
    prompt, late = await rig.polling(), await rig.polling()
    for client in (prompt, late):
        await client.connect()
    await sio.emit("last")

    await soon(sio.eio.disconnect())

    assert await prompt.event() == ["last"]
    assert (await prompt.get()).text == "1"
    await becomes(lambda: not sio.eio.router._lingering, "the time is over")
    assert (await late.get()).error == (400, 1)


async def test_a_websocket_that_does_not_say_goodbye_is_cut_off(
    serve: Serve,
) -> None:
    sio = quiet_server(close_timeout=0.2)
    client = await (await serve(sio)).joined("websocket")
    assert isinstance(client, WebSocketClient)

    await soon(sio.eio.disconnect(client.sid))

    assert (await client.websocket.frame()).opcode == 8
    assert await client.websocket.http.rest() == b""
    await forgotten(sio)


async def test_a_poll_that_never_comes_is_missed_though_others_come(serve: Serve) -> None:
    sio = quiet_server(ping_interval=0.1, ping_timeout=0.5)
    sio.on("say", lambda sid, what: what)
    rig = await serve(sio)
    rig.answers_pings = True
    never, other = await rig.joined("polling"), await rig.joined("polling")
    assert isinstance(other, PollingClient)

    async def left() -> bool:
        # The other goes on as clients do, and answers its pings by the way.
        await other.ask("say", 1)
        return never.sid not in sio.eio.sockets

    await until(left, "the silent one is missed")

    assert other.sid in sio.eio.sockets
    assert sio.eio.counters.ping_timeouts == 1
    assert await soon(sio.goodbyes.get()) == "ping timeout"


async def test_a_hanging_poll_is_no_sign_of_life(serve: Serve) -> None:
    sio = quiet_server(ping_interval=0.1, ping_timeout=0.1)
    client = await (await serve(sio)).polling()
    await client.connect()

    await client.polls.send(request_bytes("GET", client.target) * 2)

    assert (await client.polls.response()).text == "2"
    assert (await client.polls.response()).text == "1"
    assert await soon(sio.goodbyes.get()) == "ping timeout"
