"""`sio.instrument()`: what the Socket.IO Admin UI is told, and what it may do."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.engine.clients import Client, soon
from tests.engine.conftest import Serve
from tests.engine.rig import Rig, quiet_server

LOGIN = {"username": "admin", "password": "correct horse"}


@pytest.fixture
async def rig(serve: Serve) -> AsyncIterator[Rig]:
    """A server under observation; its statistics come often."""
    sio: Any = quiet_server()
    sio.on("hello", lambda sid, *data: "hello")
    admin = sio.instrument(auth=LOGIN, server_stats_interval=0.05)
    yield await serve(sio)
    # It has put itself into python-engineio's classes as well.
    await soon(admin.shutdown())
    admin.uninstrument()


async def hears(admin: Client, name: str) -> Any:
    """Wait for an event of the admin's namespace, past others; its data."""
    while True:
        packet = str(await soon(admin.receive()))
        assert packet.startswith("42/admin,"), packet
        event, *data = json.loads(packet.removeprefix("42/admin,"))
        if event == name:
            return data


async def test_an_admin_sees_who_is_there_and_what_happens(rig: Rig, transport: str) -> None:
    sio = rig.engine
    client = await rig.client(transport)
    sid = await client.connect()
    admin = await rig.client(transport)
    await admin.connect("/admin", LOGIN)

    assert "EMIT" in (await hears(admin, "config"))[0]["supportedFeatures"]
    sockets = {each["id"]: each for each in (await hears(admin, "all_sockets"))[0]}
    assert sockets[sid]["transport"] == transport
    assert sockets[sid]["handshake"]["address"] == "127.0.0.1"

    newcomer = await rig.client(transport)
    new_sid = await newcomer.connect()
    assert (await hears(admin, "socket_connected"))[0]["id"] == new_sid
    assert await newcomer.ask("hello", 1) == ["hello"]
    assert (await hears(admin, "event_received"))[:3] == ["/", new_sid, ["hello", 1]]
    await sio.enter_room(new_sid, "hall")
    assert (await hears(admin, "room_joined"))[:3] == ["/", "hall", new_sid]
    await sio.emit("news", 7, room="hall")
    assert (await hears(admin, "event_sent"))[:3] == ["/", new_sid, ["news", 7]]
    await newcomer.send("41")
    assert (await hears(admin, "socket_disconnected"))[:3] == ["/", new_sid, "client disconnect"]


async def test_statistics_count_the_clients(rig: Rig) -> None:
    for transport in ("polling", "websocket"):
        await (await rig.client(transport)).connect()
    admin = await rig.client("websocket")
    await admin.connect("/admin", LOGIN)

    async with asyncio.timeout(10):
        while (stats := (await hears(admin, "server_stats"))[0])["clientsCount"] != 3:
            pass

    assert stats["pollingClientsCount"] == 1
    counted = {each["name"]: each["socketsCount"] for each in stats["namespaces"]}
    assert counted["/"] == 2


async def test_an_admin_may_act(rig: Rig, transport: str) -> None:
    client = await rig.client(transport)
    sid = await client.connect()
    admin = await rig.client(transport)
    await admin.connect("/admin", LOGIN)

    await admin.emit("join", "/", "vip", sid, namespace="/admin")
    await admin.emit("emit", "/", "vip", "news", 7, namespace="/admin")
    assert await client.event() == ["news", 7]
    assert "vip" in rig.engine.rooms(sid)
    await admin.emit("_disconnect", "/", False, sid, namespace="/admin")

    assert await client.receive() == "41"


async def test_nobody_else_is_told(rig: Rig, transport: str) -> None:
    client = await rig.client(transport)

    await client.send('40/admin,{"username":"admin","password":"guess"}')

    assert str(await client.receive()).startswith("44/admin,")
