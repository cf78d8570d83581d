"""What a connect handler learns of the request that brought its client."""

import asyncio
from typing import Any

from tests.engine.clients import soon
from tests.engine.conftest import Serve
from tests.engine.raw_http import request_bytes
from tests.engine.raw_websocket import RawWebSocket
from tests.engine.rig import Rig, quiet_server


async def environ_of(rig: Rig, transport: str, headers: dict[str, str], **where: str) -> Any:
    """Join over the transport from an address and return what the handler was given."""
    sio = rig.engine
    given: asyncio.Queue[Any] = asyncio.Queue()

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        given.put_nowait(environ)

    connection = await rig.http(**where)
    if transport == "websocket":
        target = rig.target(transport="websocket", ticket="a%20b%26sid%3Dx")
        websocket = await RawWebSocket.open(connection, target, headers)
        await websocket.send("40")
    else:
        target = rig.target(ticket="a%20b%26sid%3Dx")
        opened = await connection.request("GET", target, headers=headers)
        sid = opened.text.split('"sid":"')[1].split('"')[0]
        await connection.send(request_bytes("POST", rig.target(sid=sid), "40"))
    return await soon(given.get())


async def test_a_handler_sees_the_request_as_it_came(serve: Serve, transport: str) -> None:
    rig = await serve(quiet_server())

    environ = await environ_of(
        rig, transport, {"User-Agent": "Arcade/1.0", "X-Ticket": "один", "Cookie": "a=1; b=2"}
    )

    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"] == "/socket.io/"
    assert environ["QUERY_STRING"] == f"EIO=4&transport={transport}&ticket=a%20b%26sid%3Dx"
    assert environ["HTTP_HOST"] == "club.example"
    assert environ["HTTP_USER_AGENT"] == "Arcade/1.0"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["wsgi.url_scheme"] == "http"


async def test_the_address_is_the_callers(serve: Serve, transport: str) -> None:
    """Loopback has many addresses: two callers are told apart."""
    rig = await serve(quiet_server())

    for address in ("127.0.0.1", "127.0.0.2"):
        environ = await environ_of(rig, transport, {}, local=address)
        assert environ["REMOTE_ADDR"] == address


async def test_what_a_caller_says_of_its_address_is_not_believed(
    serve: Serve, transport: str
) -> None:
    rig = await serve(quiet_server())

    environ = await environ_of(rig, transport, {"X-Forwarded-For": "203.0.113.7"})

    assert environ["REMOTE_ADDR"] == "127.0.0.1"


async def test_a_header_does_not_pass_for_another(serve: Serve, transport: str) -> None:
    rig = await serve(quiet_server())
    headers = {"X-Forwarded-For": "10.0.0.1", "X_Forwarded_For": "10.6.6.6"}

    environ = await environ_of(rig, transport, headers)

    assert environ["HTTP_X_FORWARDED_FOR"] == "10.0.0.1"


async def test_the_application_says_whose_a_request_is(serve: Serve, transport: str) -> None:
    """Behind a trusted proxy: its header, read by the application's own rule."""

    def behind_proxy(request: Any) -> str:
        assert request.peer == "127.0.0.1"
        return str(request.headers["x-forwarded-for"].split(", ")[-1])

    rig = await serve(quiet_server(client_address=behind_proxy))

    environ = await environ_of(rig, transport, {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"})

    assert environ["REMOTE_ADDR"] == "203.0.113.7"


async def test_the_environ_can_be_asked_for_as_long_as_the_client_is_there(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server()
    client = await (await serve(sio)).client(transport)
    sid = await client.connect()

    assert sio.get_environ(sid)["REMOTE_ADDR"] == "127.0.0.1"

    await client.send("1")
    await soon(sio.goodbyes.get())
    assert sio.get_environ(sid) is None
