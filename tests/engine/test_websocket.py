"""The WebSocket transport: RFC 6455 whole, no extension, and an end that says why."""

from typing import Any

import pytest

from tests.engine.clients import WebSocketClient, soon
from tests.engine.conftest import Serve
from tests.engine.raw_http import request_bytes
from tests.engine.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    RawWebSocket,
    Refused,
    client_frame,
    handshake,
)
from tests.engine.rig import Rig, echo_server


async def opened(rig: Rig) -> RawWebSocket:
    """A WebSocket past its Engine.IO handshake."""
    session = await rig.client("websocket")
    assert isinstance(session, WebSocketClient)
    return session.websocket


async def test_no_compression_is_agreed_though_offered(serve: Serve) -> None:
    rig = await serve(echo_server())
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}

    websocket = await rig.websocket(headers=offer)

    assert "sec-websocket-extensions" not in websocket.response.headers
    assert "sec-websocket-protocol" not in websocket.response.headers
    # A server that compressed would set a reserved bit, which the client does not take.
    assert str(await websocket.receive()).startswith("0{")


async def test_frames_that_come_with_the_handshake_are_not_lost(serve: Serve) -> None:
    """A client may be eager (RFC 6455 §4.1 asks it to wait, proxies do not always)."""
    rig = await serve(echo_server())
    connection = await rig.http()
    frames = client_frame(TEXT, b"4first") + client_frame(BINARY, b"\x01")

    await connection.send(handshake(rig.target(transport="websocket")) + frames)

    websocket = await RawWebSocket.opened(connection)
    await websocket.receive()
    assert await websocket.receive() == "4first"
    assert await websocket.receive() == b"\x01"


async def test_half_a_frame_with_the_handshake_is_completed_later(serve: Serve) -> None:
    rig = await serve(echo_server())
    connection = await rig.http()
    frame = client_frame(TEXT, b"4hello")

    await connection.send(handshake(rig.target(transport="websocket")) + frame[:3], frame[3:])

    websocket = await RawWebSocket.opened(connection)
    await websocket.receive()
    assert await websocket.receive() == "4hello"


async def test_a_frame_byte_by_byte_arrives_whole(serve: Serve) -> None:
    websocket = await opened(await serve(echo_server()))

    await websocket.http.send(*(bytes([b]) for b in client_frame(TEXT, "4мир".encode())))

    assert await websocket.receive() == "4мир"


async def test_many_frames_in_one_segment_all_arrive(serve: Serve) -> None:
    websocket = await opened(await serve(echo_server()))

    await websocket.send(*(f"4{number}" for number in range(200)))

    assert [await websocket.receive() for _ in range(200)] == [f"4{n}" for n in range(200)]


async def test_fragments_make_one_message_and_pings_may_come_between(serve: Serve) -> None:
    websocket = await opened(await serve(echo_server()))
    text = "4приве́т".encode()

    await websocket.send_frame(TEXT, text[:4], final=False)
    await websocket.send_frame(PING, b"between")
    await websocket.send_frame(CONTINUATION, b"", final=False)
    await websocket.send_frame(CONTINUATION, text[4:])

    assert await websocket.frame() == Frame(PONG, b"between")
    assert await websocket.receive() == text.decode()


async def test_a_ping_gets_its_payload_back_and_a_stray_pong_nothing(serve: Serve) -> None:
    websocket = await opened(await serve(echo_server()))

    await websocket.send_frame(PONG, b"nobody asked")
    await websocket.send_frame(PING, b"x" * 125)
    await websocket.send_frame(PING)

    assert await websocket.frame() == Frame(PONG, b"x" * 125)
    assert await websocket.frame() == Frame(PONG, b"")


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9leaving", b"\x0f\xa0"])
async def test_a_close_frame_is_answered_with_its_code(serve: Serve, payload: bytes) -> None:
    eio: Any = echo_server()
    websocket = await opened(await serve(eio))

    await websocket.send_frame(CLOSE, payload)

    answer = await websocket.frame()
    assert (answer.opcode, answer.payload[:2]) == (CLOSE, payload[:2])
    assert await websocket.http.rest() == b""
    assert await soon(eio.goodbyes.get()) in ("transport close", "client disconnect")


async def test_nothing_after_a_close_frame_is_heard(serve: Serve) -> None:
    eio: Any = echo_server()
    heard: list[str] = []
    eio.on("message", lambda sid, data: heard.append(data))
    websocket = await opened(await serve(eio))

    await websocket.http.send(client_frame(CLOSE, b"\x03\xe8") + client_frame(TEXT, b"4hello"))

    assert (await websocket.closed()).code == 1000
    await soon(eio.goodbyes.get())
    assert heard == []


async def test_a_connection_that_breaks_off_is_a_closed_transport(serve: Serve) -> None:
    eio: Any = echo_server()
    websocket = await opened(await serve(eio))

    await websocket.close()

    assert await soon(eio.goodbyes.get()) in ("transport close", "transport error")
    assert eio.sockets == {}


BREACHES = {
    "unmasked": (client_frame(TEXT, b"4hello", masked=False), 1002),
    "reserved-bit": (client_frame(TEXT, b"4hello", reserved=4), 1002),
    "unknown-opcode": (client_frame(0x3, b"4hello"), 1002),
    "unknown-control": (client_frame(0xB, b""), 1002),
    "continuation-of-nothing": (client_frame(CONTINUATION, b"4hello"), 1002),
    "message-inside-a-message": (
        client_frame(TEXT, b"4he", final=False) + client_frame(TEXT, b"4hello"),
        1002,
    ),
    "fragmented-ping": (client_frame(PING, b"", final=False), 1002),
    "long-ping": (client_frame(PING, b"x" * 126), 1002),
    "half-a-close-code": (client_frame(CLOSE, b"\x03"), 1002),
    "reserved-close-code": (client_frame(CLOSE, b"\x03\xed"), 1002),
    "close-reason-not-utf8": (client_frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "not-utf8": (client_frame(TEXT, b"4\xff\xfe"), 1007),
    "half-a-character": (client_frame(TEXT, b"4\xd0"), 1007),
    "surrogate": (client_frame(TEXT, b"4\xed\xa0\x80"), 1007),
}


@pytest.mark.parametrize("name", BREACHES)
async def test_a_breach_is_closed_with_the_code_that_names_it(serve: Serve, name: str) -> None:
    eio: Any = echo_server()
    websocket = await opened(await serve(eio))
    breach, code = BREACHES[name]

    await websocket.http.send(breach)

    assert (await websocket.closed()).code == code
    await soon(eio.goodbyes.get())
    assert eio.sockets == {}


@pytest.mark.parametrize("how", ["whole", "announced", "fragments"])
async def test_a_message_over_the_cap_is_closed_as_too_big(serve: Serve, how: str) -> None:
    eio: Any = echo_server(max_http_buffer_size=5000)
    websocket = await opened(await serve(eio))
    await websocket.send("4" + "x" * 4999)
    assert await websocket.receive() == "4" + "x" * 4999

    frame = client_frame(TEXT, b"4" + b"x" * 5000)
    if how == "whole":
        await websocket.http.send(frame)
    elif how == "announced":
        # Its header is enough.
        await websocket.http.send(frame[:10])
    else:
        await websocket.send_frame(TEXT, b"4" + b"x" * 3000, final=False)
        await websocket.send_frame(CONTINUATION, b"x" * 3000)

    assert (await websocket.closed()).code == 1009
    await soon(eio.goodbyes.get())


async def test_a_message_in_too_many_fragments_is_closed(serve: Serve) -> None:
    eio: Any = echo_server(max_fragments=10)
    websocket = await opened(await serve(eio))
    parts = [client_frame(CONTINUATION, b"x", final=False)] * 9

    await websocket.http.send(client_frame(TEXT, b"4", final=False) + b"".join(parts[:8]))
    await websocket.send_frame(CONTINUATION, b"x")
    assert await websocket.receive() == "4" + "x" * 9
    await websocket.http.send(client_frame(TEXT, b"4", final=False) + b"".join(parts))
    await websocket.send_frame(CONTINUATION, b"x", final=False)

    assert (await websocket.closed()).code == 1008
    await soon(eio.goodbyes.get())


async def test_a_client_that_never_answers_the_close_frame_is_not_waited_for(serve: Serve) -> None:
    eio: Any = echo_server(close_timeout=0.2)
    rig = await serve(eio)
    session = await rig.client("websocket")
    assert isinstance(session, WebSocketClient)

    await soon(eio.disconnect(session.sid))

    assert (await session.websocket.frame()).opcode == CLOSE
    assert await session.websocket.http.rest() == b""


async def test_another_websocket_version_is_told_which_one_to_use(serve: Serve) -> None:
    rig = await serve(echo_server())

    with pytest.raises(Refused) as refused:
        await rig.websocket(headers={"Sec-WebSocket-Version": "12"})

    assert refused.value.response.status == 426
    assert refused.value.response.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize("key", ["", "short", "x" * 24, "c2l4dGVlbiBieXRlcyBvay4u"])
async def test_a_handshake_without_a_proper_key_is_refused(serve: Serve, key: str) -> None:
    rig = await serve(echo_server())

    with pytest.raises(Refused) as refused:
        await rig.websocket(headers={"Sec-WebSocket-Key": key})

    assert refused.value.response.status == 400


async def test_a_handshake_spelled_by_another_client_is_taken(serve: Serve) -> None:
    """Firefox lists keep-alive as well; some libraries write all names in lower case."""
    rig = await serve(echo_server())
    connection = await rig.http()
    request = request_bytes(
        "GET",
        rig.target(transport="websocket"),
        headers={
            "upgrade": "WebSocket",
            "CONNECTION": "keep-alive, Upgrade",
            "sec-websocket-key": "c2l4dGVlbiBieXRlcyBvaw==",
            "SEC-WEBSOCKET-VERSION": "13",
        },
    )

    await connection.send(request)

    websocket = await RawWebSocket.opened(connection)
    await websocket.receive()
    await websocket.send("4hello")
    assert await websocket.receive() == "4hello"
