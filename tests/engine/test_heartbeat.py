"""PING and PONG: who answers stays, who does not is missed in time and by the right name."""

from typing import Any

from tests.engine.clients import soon
from tests.engine.conftest import Serve
from tests.engine.raw_http import request_bytes
from tests.engine.rig import OFTEN, echo_server

# Long enough for an answer on a busy machine; most of these tests wait for both to pass.
QUICK = {"ping_interval": 0.1, "ping_timeout": 0.2}


async def test_a_client_that_answers_outlives_the_ping_timeout(
    serve: Serve, transport: str
) -> None:
    # The timeout is generous: a busy machine's late answer is not a missed one.
    eio: Any = echo_server(ping_interval=0.1, ping_timeout=0.7)
    session = await (await serve(eio)).client(transport)

    # Longer than interval and timeout together.
    for _ in range(9):
        assert await session.next_packet() == "2"
        await session.send("3")

    await session.send("4still here")
    assert await session.next_packet() == "4still here"
    assert eio.goodbyes.empty()


async def test_the_second_ping_waits_for_the_answer_to_the_first(
    serve: Serve, transport: str
) -> None:
    eio: Any = echo_server(**OFTEN)
    rig = await serve(eio)
    session, other = await rig.client(transport), await rig.client(transport)
    assert await session.next_packet() == "2"

    # Three intervals as another sees them, who answers.
    for _ in range(3):
        assert await other.next_packet() == "2"
        await other.send("3")
    await session.send("4hello")

    assert await session.next_packet() == "4hello"


async def test_a_websocket_that_does_not_answer_is_closed(serve: Serve) -> None:
    eio: Any = echo_server(**QUICK)
    session = await (await serve(eio)).client("websocket")

    await session.ended()

    assert await soon(eio.goodbyes.get()) == "ping timeout"
    assert eio.sockets == {}


async def test_a_poll_of_a_client_that_does_not_answer_gets_close(serve: Serve) -> None:
    eio: Any = echo_server(**QUICK)
    session = await (await serve(eio)).polling()
    assert (await session.get()).text == "2"

    missed = await session.get()

    assert (missed.status, missed.text) == (200, "1")
    assert await soon(eio.goodbyes.get()) == "ping timeout"
    assert (await session.get()).error == (400, 1)


async def test_a_client_that_never_polls_is_missed_and_its_session_unknown(serve: Serve) -> None:
    eio: Any = echo_server(**QUICK)
    session = await (await serve(eio)).polling()

    assert await soon(eio.goodbyes.get()) == "ping timeout"

    assert eio.sockets == {}
    assert (await session.get()).error == (400, 1)


async def test_a_poll_that_hangs_through_ping_and_timeout_ends(serve: Serve) -> None:
    """Pipelined polls: the second hangs as soon as the first has brought the PING."""
    eio: Any = echo_server(**QUICK)
    session = await (await serve(eio)).polling()

    await session.polls.send(request_bytes("GET", session.target) * 2)

    assert (await session.polls.response()).text == "2"
    assert (await session.polls.response()).text == "1"


async def test_an_upgraded_client_that_does_not_answer_is_closed(serve: Serve) -> None:
    eio: Any = echo_server(**QUICK)
    rig = await serve(eio)
    session = await rig.upgraded(await rig.polling())

    await session.ended()

    assert await soon(eio.goodbyes.get()) == "ping timeout"
