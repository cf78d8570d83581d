"""Bytes in events and acks, both ways, over both transports."""

import asyncio
import json
from typing import Any

from tests.engine.clients import Client, soon
from tests.engine.conftest import Serve
from tests.engine.rig import quiet_server


def place(number: int) -> dict[str, Any]:
    """Where an attachment belongs."""
    return {"_placeholder": True, "num": number}


async def test_attachments_go_where_they_belong_in_a_nested_event(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    sio.on("upload", lambda sid, *arguments: heard.put_nowait(arguments))
    client = await (await serve(sio)).client(transport)
    await client.connect()
    event = ["upload", {"a": [place(2), {"b": place(0)}], "c": "text"}, place(1), None]

    await client.send("453-" + json.dumps(event), b"zero", b"", b"\xff" * 1000)

    assert await soon(heard.get()) == (
        {"a": [b"\xff" * 1000, {"b": b"zero"}], "c": "text"},
        b"",
        None,
    )


async def test_attachments_of_an_emit_follow_it_in_order(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server()
    client = await (await serve(sio)).client(transport)
    sid = await client.connect()

    await sio.emit("picture", ({"parts": [b"one", bytearray(b"two")]}, b"", "text"), to=sid)

    text, *parts = await client.receives(4)
    assert isinstance(text, str) and text.startswith("453-[")
    assert json.loads(text[4:]) == [
        "picture",
        {"parts": [place(0), place(1)]},
        place(2),
        "text",
    ]
    assert parts == [b"one", b"two", b""]


async def test_the_answer_to_a_call_may_be_bytes(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server()
    client = await (await serve(sio)).client(transport)
    sid = await client.connect()
    call = asyncio.create_task(sio.call("sign", b"\x00\x01", to=sid))

    text, content = await client.receives(2)
    ack = str(text).removeprefix("451-").split("[")[0]
    assert text == f'451-{ack}["sign",{_compact(place(0))}]'
    await client.send(f"462-{ack}" + json.dumps([place(0), {"more": place(1)}]), content, b"end")

    assert await soon(call) == (b"\x00\x01", {"more": b"end"})


async def test_a_room_of_both_transports_hears_the_same_bytes(serve: Serve) -> None:
    sio: Any = quiet_server()
    rig = await serve(sio)
    clients: list[Client] = []
    for transport in ("polling", "websocket", "polling", "websocket"):
        client = await rig.client(transport)
        await sio.enter_room(await client.connect(), "hall")
        clients.append(client)

    await sio.emit("picture", (b"one", b"two"), room="hall")
    await sio.emit("after", room="hall")

    for client in clients:
        assert await client.receives(4) == [
            f'452-["picture",{_compact(place(0))},{_compact(place(1))}]',
            b"one",
            b"two",
            '42["after"]',
        ]


async def test_an_event_between_two_binary_ones_keeps_its_place(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    sio.on("part", lambda sid, data: heard.put_nowait(data))
    client = await (await serve(sio)).client(transport)
    await client.connect()
    binary = f'451-["part",{_compact(place(0))}]'

    await client.send(binary, b"1", '42["part",2]', binary, b"3")

    assert [await soon(heard.get()) for _ in range(3)] == [b"1", 2, b"3"]


async def test_five_megabytes_go_both_ways_in_an_ack(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server(max_http_buffer_size=12_000_000, max_outgoing_bytes=16_000_000)
    sio.on("mirror", lambda sid, *arguments: arguments)
    client = await (await serve(sio)).client(transport)
    await client.connect()
    one, two = bytes(range(256)) * 10_000, b"\x1e" * 2_500_000

    await client.send(f'452-5["mirror",{_compact(place(0))},{_compact(place(1))}]', one, two)

    text, *parts = await client.receives(3)
    assert text == f"462-5[{_compact(place(0))},{_compact(place(1))}]"
    assert parts == [one, two]


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
