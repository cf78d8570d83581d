"""From polling to a WebSocket: nothing lost, nothing doubled, and a failed probe harms nobody."""

import asyncio
from typing import Any

import pytest

from tests.club import until
from tests.engine.clients import NOOP, PollingClient, WebSocketClient, soon
from tests.engine.conftest import Serve
from tests.engine.raw_http import request_bytes
from tests.engine.raw_websocket import CLOSE, RawWebSocket
from tests.engine.rig import OFTEN, Rig, echo_server


async def probing(rig: Rig, session: PollingClient) -> RawWebSocket:
    """A WebSocket whose probe has been answered, not yet the transport."""
    websocket = await rig.websocket(sid=session.sid)
    await websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    return websocket


async def turned_away(rig: Rig, sid: str) -> None:
    """A further WebSocket for the session gets no packet: it is closed at once.

    The protocol's own suite wants it to open first; a client could not tell a refused handshake
    from a session that is gone.
    """
    websocket = await rig.websocket(sid=sid)
    await websocket.send("2probe")
    assert (await websocket.frame()).opcode == CLOSE


async def lives(session: PollingClient | WebSocketClient) -> bool:
    await session.send("4still here")
    return await session.receive() == "4still here"


@pytest.mark.parametrize("answers_pings", [True, False], ids=["answers-pings", "silent"])
async def test_an_upgrade_takes_the_session_over(serve: Serve, answers_pings: bool) -> None:
    eio: Any = echo_server(**OFTEN)
    rig = await serve(eio)
    rig.answers_pings = answers_pings
    polling = await rig.polling()
    assert eio.transport(polling.sid) == "polling"

    session = await rig.upgraded(polling)
    await session.send("4hello", b"\x01\x02")

    assert await session.receives(2) == ["4hello", b"\x01\x02"]
    assert eio.transport(session.sid) == "websocket"
    assert eio.goodbyes.empty()


async def test_the_poll_that_hangs_ends_when_the_probe_comes(serve: Serve) -> None:
    rig = await serve(echo_server())
    session = await rig.polling()
    await session.polls.send(request_bytes("GET", session.target))

    await probing(rig, session)

    assert (await session.polls.response()).text == NOOP


async def test_polls_during_the_probe_end_by_themselves(serve: Serve) -> None:
    rig = await serve(echo_server())
    session = await rig.polling()
    await probing(rig, session)

    assert [(await session.get()).text for _ in range(3)] == [NOOP] * 3


async def test_a_websocket_that_says_nothing_does_not_stop_polling(serve: Serve) -> None:
    """A proxy that swallows frames: the WebSocket opens and nothing ever comes through it."""
    rig = await serve(echo_server())
    session = await rig.polling()
    await rig.websocket(sid=session.sid)

    for number in range(3):
        poll = asyncio.create_task(session.get())
        await session.send(f"4{number}")
        assert (await soon(poll)).text == f"4{number}"


async def test_a_poll_hangs_on_while_a_websocket_says_nothing(serve: Serve) -> None:
    """Not a row of empty answers, which would be a busy loop."""
    eio: Any = echo_server()
    rig = await serve(eio)
    session = await rig.polling()
    await rig.websocket(sid=session.sid)

    poll = asyncio.create_task(session.get())
    # Another, whose WebSocket has said something: its polls end by themselves, one by one.
    other = await rig.polling()
    await probing(rig, other)
    assert [(await other.get()).text for _ in range(3)] == [NOOP] * 3

    assert not poll.done()
    await eio.send(session.sid, "hello")
    assert (await soon(poll)).text == "4hello"


async def test_a_probe_that_never_comes_is_given_up_and_another_may_follow(serve: Serve) -> None:
    rig = await serve(echo_server(upgrade_timeout=0.2))
    session = await rig.polling()

    silent = await rig.websocket(sid=session.sid)

    await silent.closed()
    assert await lives(session)
    assert await lives(await rig.upgraded(session))


async def test_a_probe_that_stops_half_way_is_given_up_and_polling_goes_on(serve: Serve) -> None:
    eio: Any = echo_server(upgrade_timeout=0.2)
    rig = await serve(eio)
    session = await rig.polling()

    websocket = await probing(rig, session)
    await eio.send(session.sid, "meanwhile")
    await websocket.closed()

    received = []
    while "4meanwhile" not in received:
        received.append(await session.receive())
    # The poll after it hangs again, as polls do.
    poll = asyncio.create_task(session.get())
    await eio.send(session.sid, "hello")
    assert "4hello" in (await soon(poll)).packets
    assert eio.transport(session.sid) == "polling"
    assert await lives(await rig.upgraded(session))


@pytest.mark.parametrize("word", ["2wrong", "2", "4hello", "5", "abc", "3probe"])
async def test_a_wrong_first_word_ends_the_websocket_and_not_the_session(
    serve: Serve, word: str
) -> None:
    eio: Any = echo_server()
    rig = await serve(eio)
    session = await rig.polling()
    websocket = await rig.websocket(sid=session.sid)

    await websocket.send(word)

    await websocket.closed()
    assert await lives(session)
    assert eio.goodbyes.empty()


async def test_a_client_that_leaves_its_probe_stays_on_polling(serve: Serve) -> None:
    eio: Any = echo_server()
    rig = await serve(eio)
    session = await rig.polling()

    websocket = await probing(rig, session)
    await websocket.close()

    async def over() -> bool:
        # NOOP as long as the server has not seen the end; a poll that hangs is answered by us.
        await session.send("4still here")
        return await session.receive() == "4still here"

    await until(over, "polling goes on")
    assert await lives(await rig.upgraded(session))


async def test_a_second_websocket_during_the_probe_is_turned_away(serve: Serve) -> None:
    rig = await serve(echo_server())
    session = await rig.polling()
    first = await probing(rig, session)

    await turned_away(rig, session.sid)

    await first.send("5", "4hello")
    assert await first.receive() == "4hello"


async def test_a_second_websocket_after_the_upgrade_is_turned_away(serve: Serve) -> None:
    rig = await serve(echo_server())
    session = await rig.upgraded(await rig.polling())

    await turned_away(rig, session.sid)

    assert await lives(session)


async def test_a_websocket_for_a_session_that_began_as_one_is_turned_away(serve: Serve) -> None:
    rig = await serve(echo_server())
    session = await rig.client("websocket")
    assert isinstance(session, WebSocketClient)

    await turned_away(rig, session.sid)

    assert await lives(session)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_polling_after_the_upgrade_is_refused_and_the_session_lives(
    serve: Serve, method: str
) -> None:
    rig = await serve(echo_server())
    polling = await rig.polling()
    session = await rig.upgraded(polling)

    body = "4hello" if method == "POST" else None
    response = await polling.polls.request(method, polling.target, body)

    assert response.error == (400, 3)
    assert await lives(session)


async def test_probe_and_upgrade_in_one_segment(serve: Serve) -> None:
    rig = await serve(echo_server())
    polling = await rig.polling()
    websocket = await rig.websocket(sid=polling.sid)

    await websocket.send("2probe", "5", "4hello", "4world")

    assert await websocket.receive() == "3probe"
    assert await websocket.receive() == "4hello"
    assert await websocket.receive() == "4world"
    assert (await polling.get()).error == (400, 3)


async def test_no_noop_comes_over_the_websocket(serve: Serve) -> None:
    eio: Any = echo_server()
    rig = await serve(eio)
    session = await rig.upgraded(await rig.polling())

    await eio.send(session.sid, "first")

    assert await session.receive() == "4first"


async def test_what_was_not_polled_comes_over_the_websocket_in_order(serve: Serve) -> None:
    eio: Any = echo_server()
    rig = await serve(eio)
    polling = await rig.polling()
    websocket = await probing(rig, polling)

    for number in range(500):
        await eio.send(polling.sid, f"{number}")
    await websocket.send("5")
    for number in range(500, 1000):
        await eio.send(polling.sid, f"{number}")

    assert [await websocket.receive() for _ in range(1000)] == [f"4{n}" for n in range(1000)]


async def test_what_is_said_before_during_and_after_comes_once_and_in_order(serve: Serve) -> None:
    eio: Any = echo_server()
    rig = await serve(eio)
    polling = await rig.polling()
    await eio.send(polling.sid, "before")
    websocket = await probing(rig, polling)
    await eio.send(polling.sid, "during")

    polled = (await polling.get()).packets
    await websocket.send("5")
    await eio.send(polling.sid, "after")

    heard = [packet for packet in polled if packet != NOOP]
    while "4after" not in heard:
        heard.append(str(await websocket.receive()))
    assert heard == ["4before", "4during", "4after"]


async def test_a_poll_hanging_when_the_upgrade_comes_is_released(serve: Serve) -> None:
    """A client that did not wait for its poll's end before it sent UPGRADE."""
    rig = await serve(echo_server())
    polling = await rig.polling()
    await polling.polls.send(request_bytes("GET", polling.target))
    websocket = await rig.websocket(sid=polling.sid)

    await websocket.send("2probe", "5")

    assert (await polling.polls.response()).text == NOOP
    assert await websocket.receive() == "3probe"
    await websocket.send("4hello")
    assert await websocket.receive() == "4hello"
