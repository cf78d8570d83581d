"""The same over TLS, through both doors."""

import ssl
from typing import Any

import pytest

from tests.engine.conftest import Serve
from tests.engine.raw_http import request_bytes
from tests.engine.rig import echo_server, quiet_server
from tests.engine.tls import contexts

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.fixture(scope="module")
def tls() -> Contexts:
    return contexts()


async def test_messages_come_back(serve: Serve, transport: str, tls: Contexts) -> None:
    rig = await serve(echo_server(), tls=tls)
    session = await rig.client(transport)

    await session.send("4hello", b"\x01\x02", "4" + "x" * 300_000)

    assert await session.receives(3) == ["4hello", b"\x01\x02", "4" + "x" * 300_000]


async def test_polling_changes_to_a_websocket(serve: Serve, tls: Contexts) -> None:
    rig = await serve(echo_server(), tls=tls)

    session = await rig.upgraded(await rig.polling())

    await session.send("4hello")
    assert await session.receive() == "4hello"


async def test_a_handler_sees_that_the_connection_is_secure(
    serve: Serve, transport: str, tls: Contexts
) -> None:
    sio: Any = quiet_server()
    client = await (await serve(sio, tls=tls)).client(transport)

    sid = await client.connect()

    assert sio.get_environ(sid)["wsgi.url_scheme"] == "https"


async def test_a_request_in_pieces_is_answered(serve: Serve, tls: Contexts) -> None:
    rig = await serve(echo_server(), tls=tls)
    session = await rig.polling()
    request = request_bytes("POST", session.target, "4hello")

    await session.posts.send(*(request[at : at + 7] for at in range(0, len(request), 7)))

    assert (await session.posts.response()).text == "ok"
    assert await session.receive() == "4hello"


async def test_the_applications_paths_are_on_the_same_port(serve: Serve, tls: Contexts) -> None:
    rig = await serve(echo_server(), tls=tls)
    connection = await rig.http()

    assert (await connection.request("GET", rig.target())).status == 200
    assert (await connection.request("GET", "/nothing")).status == 404
    assert (await connection.request("GET", rig.target())).status == 200


async def test_the_servers_goodbye_arrives(serve: Serve, transport: str, tls: Contexts) -> None:
    eio: Any = echo_server(close_timeout=30)
    rig = await serve(eio, tls=tls)
    session = await rig.client(transport)

    await eio.disconnect(session.sid)

    await session.ended()


async def test_plain_http_is_not_answered(serve: Serve, tls: Contexts) -> None:
    rig = await serve(echo_server(), tls=tls)
    rig._client_tls = None
    connection = await rig.http()

    await connection.send(request_bytes("GET", rig.target()))

    assert b"200 OK" not in await connection.rest()
