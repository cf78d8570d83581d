"""What Socket.IO does not allow ends the connection, at once and under its own name."""

import asyncio
from typing import Any

import pytest
from socketio.exceptions import ConnectionRefusedError as Refused

from tests.engine.clients import Client, soon
from tests.engine.conftest import Serve
from tests.engine.rig import chat_server, quiet_server

PLACEHOLDER = '{"_placeholder":true,"num":0}'

INVALID = {
    "unknown-type": ["4abc"],
    "type-out-of-range": ["47"],
    "empty": ["4"],
    "event-that-is-an-object": ["42{}"],
    "event-without-payload": ["42"],
    "event-without-a-name": ["42[]"],
    "event-named-by-an-object": ["42[{}]"],
    "event-named-as-the-socket's-own": ['42["disconnect","surprise"]'],
    "letters-for-an-ack-id": ['42abc["message-with-ack",1]'],
    "json-cut-short": ['42["message",'],
    "json-with-more-behind": ['42["message"]x'],
    "json-of-python": ['42["message",NaN]'],
    "json-too-deep": ['42["message",' + "[" * 100_000],
    "ack-that-is-no-list": ['431{"a":1}'],
    "connect-error-from-a-client": ['44{"message":"no"}'],
    "connect-with-a-string": ['40/custom,"token"'],
    "disconnect-with-a-payload": ['41{"a":1}'],
    "bytes-nobody-announced": [b"\x01\x02\x03"],
    "text-where-bytes-were-due": [f'451-["message",{PLACEHOLDER}]', '42["message",1]'],
    "a-placeholder-for-nothing": ['451-["message",{"_placeholder":true,"num":1}]', b"\x01"],
    "a-placeholder-below-nothing": ['451-["message",{"_placeholder":true,"num":-1}]', b"\x01"],
    "a-placeholder-for-a-word": ['451-["message",{"_placeholder":true,"num":"0"}]', b"\x01"],
    "attachments-without-a-dash": ['451["message"]'],
    "attachments-without-a-number": ['45-["message"]'],
    "less-than-no-attachments": ['45-1-["message"]'],
}


async def send(client: Client, packets: list[str | bytes]) -> None:
    """Send what the server will not like: over polling it says so to the POST."""
    try:
        await client.send(*packets)
    except AssertionError as refused:
        assert "status=400" in str(refused)


@pytest.mark.parametrize("name", INVALID)
async def test_an_invalid_packet_ends_the_connection(
    serve: Serve, transport: str, name: str
) -> None:
    sio: Any = quiet_server()
    sio.on("message-with-ack", lambda sid, *data: data)
    rig = await serve(sio)
    client = await rig.joined(transport)

    await send(client, INVALID[name])

    assert await soon(sio.goodbyes.get()) == "parse error"
    await client.ended()
    assert sio.eio.sockets == {}


@pytest.mark.parametrize("first", ["4abc", '42["message",1]', '42/custom,["message",1]', "41"])
async def test_a_client_that_does_not_begin_with_connect_is_ended(
    serve: Serve, transport: str, first: str
) -> None:
    rig = await serve(chat_server())
    client = await rig.client(transport)

    await send(client, [first])

    await client.ended()


async def test_an_event_for_a_namespace_never_joined_ends_the_connection(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server()
    sio.on("message", lambda sid, *data: None, namespace="/custom")
    client = await (await serve(sio)).joined(transport)

    await send(client, ['42/custom,["message",1]'])

    assert await soon(sio.goodbyes.get()) == "parse error"
    await client.ended()


async def test_a_second_connect_ends_the_connection(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server()
    client = await (await serve(sio)).joined(transport)

    await send(client, ["40"])

    assert await soon(sio.goodbyes.get()) == "parse error"
    await client.ended()


async def test_a_second_connect_while_the_first_is_considered_ends_the_connection(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server()
    considering = asyncio.Event()
    asked = 0

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        nonlocal asked
        asked += 1
        await considering.wait()

    client = await (await serve(sio)).client(transport)

    await client.send("40")
    await send(client, ["40"])

    await client.ended()
    considering.set()
    assert asked == 1


async def test_a_client_that_never_joins_is_ended(serve: Serve, transport: str) -> None:
    """Though it may answer pings for ever."""
    sio: Any = chat_server(connect_timeout=0.3, ping_interval=0.1, ping_timeout=30)
    client = await (await serve(sio)).client(transport)

    await client.ended()

    assert sio.eio.sockets == {}


async def test_a_client_that_joined_in_time_stays(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server(connect_timeout=0.3)
    sio.on("hello", lambda sid: "hello")
    rig = await serve(sio)
    client = await rig.joined(transport)

    # The time of one that comes later and never joins is over after its own.
    await (await rig.client(transport)).ended()

    assert await client.ask("hello") == ["hello"]


async def test_a_client_refused_may_try_again_and_is_told_why(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server()

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        if auth != {"token": "right"}:
            raise Refused("who are you?", {"code": "unknown"})

    client = await (await serve(sio)).client(transport)

    await client.send('40{"token":"wrong"}')

    assert await client.receive() == '44{"message":"who are you?","data":{"code":"unknown"}}'
    await client.connect(auth={"token": "right"})
    assert sio.goodbyes.empty()


async def test_a_refused_client_hears_nothing_that_was_said_to_it(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server()

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> bool:
        await sio.emit("secret", to=sid)
        return False

    client = await (await serve(sio)).client(transport)
    await client.send("40", "40")

    assert [str(await client.receive())[:2] for _ in range(2)] == ["44", "44"]


async def test_a_connect_handler_that_fails_refuses(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server()

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        raise RuntimeError("a secret of the server")

    client = await (await serve(sio)).client(transport)
    await client.send("40")

    answer = str(await client.receive())
    assert answer.startswith("44{")
    assert "secret" not in answer


async def test_one_session_is_not_in_any_number_of_namespaces(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server(namespaces="*", max_namespaces=3)
    client = await (await serve(sio)).joined(transport)

    await client.send("40/one,", "40/two,", "40/three,")
    answers = [str(await client.receive()) for _ in range(3)]

    assert [answer[:2] for answer in answers] == ["40", "40", "44"]
    assert answers[2] == '44/three,{"message":"Too many namespaces"}'
    # Who is thrown out is remembered as well, for what is on its way still.
    (sid,) = (sid for sid, _ in sio.manager.get_participants("/one", None))
    await sio.disconnect(sid, namespace="/one")
    assert await client.receive() == "41/one,"
    await client.send("40/four,")
    assert str(await client.receive()).startswith("44/four,")
    assert sio.eio.counters.namespaces_refused == 2


async def test_too_many_attachments_end_the_connection(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server(max_attachments=2)
    sio.on("count", lambda sid, *parts: len(parts))
    client = await (await serve(sio)).joined(transport)
    places = [f'{{"_placeholder":true,"num":{number}}}' for number in range(3)]

    await client.send(f'452-1["count",{places[0]},{places[1]}]', b"a", b"b")
    assert await client.receive() == "431[2]"
    await send(client, [f'453-2["count",{",".join(places)}]'])

    assert await soon(sio.goodbyes.get()) == "parse error"
    await client.ended()


async def test_attachments_too_big_together_end_the_connection(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server(max_http_buffer_size=3000)
    sio.on("count", lambda sid, *parts: sum(map(len, parts)))
    client = await (await serve(sio)).joined(transport)

    for packet in (f'451-1["count",{PLACEHOLDER}]', bytes(2000)):
        await client.send(packet)
    assert await client.receive() == "431[2000]"
    two = f'{PLACEHOLDER},{{"_placeholder":true,"num":1}}'
    for packet in (f'452-2["count",{two}]', bytes(2000)):
        await client.send(packet)
    await send(client, [bytes(2000)])

    assert await soon(sio.goodbyes.get()) == "parse error"
    await client.ended()
