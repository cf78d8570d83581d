"""How big what a client says may be, in one message, in one POST, in one Socket.IO packet."""

import base64
from typing import Any

import pytest

from tests.engine.clients import Client, PollingClient, WebSocketClient, soon
from tests.engine.conftest import Serve
from tests.engine.raw_websocket import CONTINUATION, TEXT
from tests.engine.rig import quiet_server

CAP = 1000
ATTACHMENTS = {"max_attachments": 3, "max_http_buffer_size": CAP}


def measuring_server(**options: Any) -> Any:
    """The ack of `size` says how many attachments came, and how many bytes in all."""
    sio: Any = quiet_server(**options)

    @sio.event
    async def size(sid: str, *parts: bytes) -> Any:
        return len(parts), sum(map(len, parts))

    return sio


def binary_event(*parts: bytes) -> list[str | bytes]:
    placeholders = "".join(f',{{"_placeholder":true,"num":{n}}}' for n in range(len(parts)))
    return [f'45{len(parts)}-1["size"{placeholders}]', *parts]


async def send_refused(client: Client, *packets: str | bytes) -> None:
    """Send packets, one by one, that end the session on the way."""
    for packet in packets:
        if isinstance(client, WebSocketClient):
            await client.send(packet)
        else:
            assert isinstance(client, PollingClient)
            await client.post(packet if isinstance(packet, str) else encoded(packet))


def encoded(packet: bytes) -> str:
    return "b" + base64.b64encode(packet).decode()


async def test_attachments_up_to_the_bounds_arrive(serve: Serve, transport: str) -> None:
    sio = measuring_server(**ATTACHMENTS)
    client = await (await serve(sio)).joined(transport)

    for packet in binary_event(bytes(300), bytes(300), bytes(CAP - 600)):
        await client.send(packet)

    assert await client.receive() == f"431[3,{CAP}]"
    assert sio.eio.counters.parse_errors == 0


async def test_more_attachments_than_may_be_end_the_session_at_the_first_word(
    serve: Serve, transport: str
) -> None:
    sio = measuring_server(**ATTACHMENTS)
    client = await (await serve(sio)).joined(transport)

    await send_refused(client, binary_event(b"1", b"2", b"3", b"4")[0])

    await client.ended()
    assert await soon(sio.goodbyes.get()) == "parse error"
    assert sio.eio.counters.parse_errors == 1


async def test_attachments_that_are_too_big_together_end_the_session(
    serve: Serve, transport: str
) -> None:
    sio = measuring_server(**ATTACHMENTS)
    client = await (await serve(sio)).joined(transport)

    await send_refused(client, *binary_event(bytes(500), bytes(501)))

    await client.ended()
    assert await soon(sio.goodbyes.get()) == "parse error"
    assert sio.eio.counters.parse_errors == 1


async def test_a_post_over_the_cap_is_refused_counted_and_no_reason_to_go(serve: Serve) -> None:
    sio = measuring_server(max_http_buffer_size=CAP)
    rig = await serve(sio)
    client = await rig.joined("polling")
    assert isinstance(client, PollingClient)
    fits = '421["size"]'.ljust(CAP)

    refused = await client.post("x" * (CAP + 1))

    assert (refused.status, refused.text) == (413, "too big")
    assert sio.eio.counters.too_big == 1
    # What was refused unread cannot be followed by anything.
    client.posts = await rig.http()
    assert (await client.post(fits)).text == "ok"
    assert await client.receive() == "431[0,0]"


async def test_a_websocket_message_over_the_cap_is_counted_and_closes(serve: Serve) -> None:
    sio = measuring_server(max_http_buffer_size=CAP)
    client = await (await serve(sio)).joined("websocket")
    assert isinstance(client, WebSocketClient)
    await client.send('421["size"]'.ljust(CAP))
    assert await client.receive() == "431[0,0]"

    await client.send("x" * (CAP + 1))

    assert (await client.websocket.closed()).code == 1009
    assert await soon(sio.goodbyes.get()) == "parse error"
    assert sio.eio.counters.too_big == 1
    assert sio.eio.counters.parse_errors == 0


async def test_a_message_in_too_many_frames_is_counted_and_closes(serve: Serve) -> None:
    sio = measuring_server(max_fragments=3)
    client = await (await serve(sio)).joined("websocket")
    assert isinstance(client, WebSocketClient)
    frames = client.websocket.send_frame
    await frames(TEXT, b'421["size', final=False)
    await frames(CONTINUATION, b'"', final=False)
    await frames(CONTINUATION, b"]")
    assert await client.receive() == "431[0,0]"

    await frames(TEXT, b"4", final=False)
    for _ in range(3):
        await frames(CONTINUATION, b"2", final=False)

    assert (await client.websocket.closed()).code == 1008
    assert await soon(sio.goodbyes.get()) == "parse error"
    assert sio.eio.counters.parse_errors == 1


# Python itself nests no deeper than a thousand, less for what runs already.
@pytest.mark.parametrize("depth", [100, 900, 100_000])
async def test_a_nested_packet_is_read_or_refused_and_never_an_error_of_ours(
    serve: Serve, transport: str, depth: int, caplog: pytest.LogCaptureFixture
) -> None:
    sio = measuring_server()
    client = await (await serve(sio)).joined(transport)
    inner = '{"_placeholder":true,"num":0}'
    packet = f'451-1["size",{"[" * depth}{inner}{"]" * depth},{inner}]'

    await send_refused(client, packet, b"x")

    if depth == 100:
        assert await client.receive() == "431[2,2]"
    else:
        await client.ended()
        assert await soon(sio.goodbyes.get()) == "parse error"
    assert not caplog.records


async def test_bounds_are_numbers_above_zero() -> None:
    for name in ("max_outgoing_bytes", "max_handlers", "connect_timeout", "events_burst"):
        with pytest.raises(ValueError, match=name):
            quiet_server(**{name: 0})
