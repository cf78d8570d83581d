"""The Socket.IO protocol, revision 5: joining, leaving, events, acks, binary."""

import json
from typing import Any

import pytest

from tests.engine.clients import Client, soon
from tests.engine.conftest import Serve
from tests.engine.rig import OFTEN, Rig, chat_server


@pytest.fixture(params=[True, False], ids=["answers-pings", "silent"])
async def rig(request: pytest.FixtureRequest, serve: Serve) -> Rig:
    rig = await serve(chat_server(**OFTEN))
    rig.answers_pings = request.param
    return rig


async def joined(rig: Rig, transport: str, namespace: str = "", auth: Any = None) -> Client:
    """A client that has joined, and heard what every newcomer hears."""
    client = await rig.client(transport)
    await client.connect(namespace, auth)
    assert str(await client.receive()).startswith("42")
    return client


@pytest.mark.parametrize("namespace", ["", "/custom"])
@pytest.mark.parametrize("auth", [None, {"token": "123"}])
async def test_a_namespace_is_joined_and_auth_arrives(
    rig: Rig, transport: str, namespace: str, auth: Any
) -> None:
    client = await rig.client(transport)

    sid = await client.connect(namespace, auth)

    prefix = f"{namespace}," if namespace else ""
    told = '{"token":"123"}' if auth else "{}"
    assert await client.receive() == f'42{prefix}["auth",{told}]'
    # The session id of the transport is a secret; that of the namespace may be shown around.
    assert sid != client.sid


async def test_what_a_connect_handler_says_follows_the_reply(rig: Rig, transport: str) -> None:
    client = await rig.client(transport)

    await client.send('40{"token":"123"}')

    assert str(await client.receive()).startswith('40{"sid":"')
    assert await client.receive() == '42["auth",{"token":"123"}]'


async def test_a_namespace_may_be_named_without_its_comma(rig: Rig, transport: str) -> None:
    client = await rig.client(transport)

    await client.send("40/custom")

    assert str(await client.receive()).startswith('40/custom,{"sid":"')


async def test_an_unknown_namespace_is_refused_by_name(rig: Rig, transport: str) -> None:
    client = await rig.client(transport)

    await client.send("40/random")

    assert await client.receive() == '44/random,{"message":"Invalid namespace"}'
    await client.connect()


async def test_leaving_the_main_namespace_keeps_the_connection(rig: Rig, transport: str) -> None:
    client = await joined(rig, transport)

    await client.send("41")

    assert await soon(rig.engine.goodbyes.get()) == "client disconnect"
    await client.connect()


async def test_leaving_one_namespace_leaves_the_other(rig: Rig, transport: str) -> None:
    client = await joined(rig, transport)
    await client.connect("/custom")
    assert await client.receive() == '42/custom,["auth",{}]'

    await client.send("41/custom,")
    await client.emit("message", "message to main namespace")

    assert await client.event() == ["message-back", "message to main namespace"]
    assert await soon(rig.engine.goodbyes.get()) == "client disconnect"
    assert rig.engine.goodbyes.empty()


@pytest.mark.parametrize(
    "arguments",
    [
        '1,"2",{"3":[true]}',
        '""',
        "{}",
        "null",
        '"многобайтный 日本語 🎮"',
        '"\\u2028\\"\\\\"',
        "[[[]]]",
        "1.5,-0.25,1e+100",
    ],
)
async def test_an_event_comes_back_with_its_arguments(
    rig: Rig, transport: str, arguments: str
) -> None:
    client = await joined(rig, transport)

    await client.send(f'42["message",{arguments}]')

    packet = str(await client.receive())
    assert packet.startswith('42["message-back",')
    assert json.loads(packet[2:]) == json.loads(f'["message-back",{arguments}]')


async def test_an_event_without_arguments_comes_back_without(rig: Rig, transport: str) -> None:
    client = await joined(rig, transport)

    await client.send('42["message"]')

    assert await client.receive() == '42["message-back"]'


@pytest.mark.parametrize("ack", [0, 1, 456, 2**53 - 1])
async def test_an_ack_carries_the_number_asked_with(rig: Rig, transport: str, ack: int) -> None:
    client = await joined(rig, transport)

    await client.send(f'42{ack}["message-with-ack",1,"2",{{"3":[false]}}]')

    assert await client.receive() == f'43{ack}[1,"2",{{"3":[false]}}]'


async def test_an_ack_in_another_namespace_is_named_so(rig: Rig, transport: str) -> None:
    client = await joined(rig, transport, "/custom")

    await client.send('42/custom,7["message-with-ack",1]')

    assert await client.receive() == "43/custom,7[1]"


TWO = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'


async def test_an_event_with_binary_attachments_comes_back(rig: Rig, transport: str) -> None:
    client = await joined(rig, transport)

    await client.send(f'452-["message",{TWO}]', b"\x01\x02\x03", b"\x04\x05\x06")

    assert await client.receives(3) == [
        f'452-["message-back",{TWO}]',
        b"\x01\x02\x03",
        b"\x04\x05\x06",
    ]


async def test_an_ack_with_binary_attachments_comes_back(rig: Rig, transport: str) -> None:
    client = await joined(rig, transport)

    await client.send(f'452-789["message-with-ack",{TWO}]', b"\x01\x02\x03", b"\x04\x05\x06")

    assert await client.receives(3) == [f"462-789[{TWO}]", b"\x01\x02\x03", b"\x04\x05\x06"]


async def test_binary_in_another_namespace_is_named_so(rig: Rig, transport: str) -> None:
    client = await joined(rig, transport, "/custom")

    await client.send(f'452-/custom,9["message-with-ack",{TWO}]', b"", b"\x00")

    assert await client.receives(3) == [f"462-/custom,9[{TWO}]", b"", b"\x00"]


async def test_attachments_may_come_in_requests_of_their_own(rig: Rig, transport: str) -> None:
    client = await joined(rig, transport)

    for packet in (f'452-["message",{TWO}]', b"first", b"second"):
        await client.send(packet)

    assert await client.receives(3) == [f'452-["message-back",{TWO}]', b"first", b"second"]


async def test_five_hundred_events_come_back_in_order(rig: Rig, transport: str) -> None:
    client = await joined(rig, transport)

    await client.send(*(f'42["message",{number}]' for number in range(500)))

    assert await client.receives(500) == [f'42["message-back",{n}]' for n in range(500)]
