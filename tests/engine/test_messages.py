"""Engine.IO messages over either transport: what goes in comes out, whole and in order."""

import asyncio
from typing import Any

import pytest

from tests.engine.clients import soon
from tests.engine.conftest import Serve
from tests.engine.rig import OFTEN, Rig, echo_server


@pytest.fixture(params=[True, False], ids=["answers-pings", "silent"])
async def rig(request: pytest.FixtureRequest, serve: Serve) -> Rig:
    rig = await serve(echo_server(**OFTEN))
    rig.answers_pings = request.param
    return rig


@pytest.mark.parametrize(
    "message",
    [
        "hello",
        "",
        "многобайтный текст",
        "日本語 🎮 \u0000 \u2028",
        "2",
        "b",
        "x" * 65_536,
    ],
    ids=["plain", "empty", "two-byte", "four-byte", "digit", "letter-b", "64k"],
)
async def test_a_text_comes_back_as_it_was(rig: Rig, transport: str, message: str) -> None:
    session = await rig.client(transport)

    await session.send(f"4{message}")

    assert await session.receive() == f"4{message}"


@pytest.mark.parametrize(
    "message",
    [b"", b"\x00", b"\x01\x02\x03\x04", bytes(range(256)), b"\xff" * 65_537],
    ids=["empty", "zero", "four", "every-byte", "64k"],
)
async def test_bytes_come_back_as_they_were(rig: Rig, transport: str, message: bytes) -> None:
    session = await rig.client(transport)

    await session.send(message)

    assert await session.receive() == message


async def test_several_packets_come_back_in_order(rig: Rig, transport: str) -> None:
    session = await rig.client(transport)

    await session.send("4test1", b"\x01\x02", "4test2", b"\x03", "4test3")

    assert await session.receives(5) == ["4test1", b"\x01\x02", "4test2", b"\x03", "4test3"]


async def test_a_thousand_packets_come_back_in_order(rig: Rig, transport: str) -> None:
    session = await rig.client(transport)
    packets = [f"4{number}" for number in range(1000)]

    await session.send(*packets)

    assert await session.receives(1000) == packets


async def test_messages_wait_for_the_poll_and_leave_in_one_payload(serve: Serve) -> None:
    rig = await serve(echo_server())
    session = await rig.polling()

    await session.send("4hello", b"\x01\x02\x03\x04", "4test")

    assert (await session.get()).packets == ["4hello", "bAQIDBA==", "4test"]


async def test_a_poll_is_answered_when_there_is_something(serve: Serve) -> None:
    rig = await serve(echo_server())
    session = await rig.polling()
    poll = asyncio.create_task(session.get())

    await session.send("4hello")

    assert (await soon(poll)).packets == ["4hello"]


async def test_five_megabytes_travel_where_the_cap_allows_it(serve: Serve, transport: str) -> None:
    rig = await serve(echo_server(max_http_buffer_size=8_000_000, max_outgoing_bytes=16_000_000))
    session = await rig.client(transport)
    content = bytes(range(256)) * 20_000
    text = "4" + "ё" * 2_500_000

    await session.send(content)
    assert await session.receive() == content
    await session.send(text)
    assert await session.receive() == text


async def test_the_application_ends_a_session_and_the_client_is_told(
    serve: Serve, transport: str
) -> None:
    eio: Any = echo_server()
    rig = await serve(eio)
    session = await rig.client(transport)

    await soon(eio.disconnect(session.sid))

    await session.ended()
    assert await soon(eio.goodbyes.get()) == "server disconnect"
    assert eio.sockets == {}


async def test_a_client_says_goodbye_and_the_application_is_told(
    serve: Serve, transport: str
) -> None:
    eio: Any = echo_server()
    rig = await serve(eio)
    session = await rig.client(transport)

    await session.send("1")

    await session.ended()
    assert await soon(eio.goodbyes.get()) == "client disconnect"


@pytest.mark.parametrize("packet", ["abc", "8", "9hello", "x", "2", "2probe"])
async def test_a_packet_the_protocol_does_not_allow_ends_the_session_at_once(
    serve: Serve, packet: str
) -> None:
    """PING is the server's to send, and PING with `probe` belongs to a probe."""
    eio: Any = echo_server()
    rig = await serve(eio)
    session = await rig.client("websocket")

    await session.send(packet)

    await session.ended()
    assert await soon(eio.goodbyes.get()) == "parse error"
    assert eio.sockets == {}
