"""One address for the transport and for the application: each request finds its own."""

import asyncio
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from tests.engine.conftest import Serve
from tests.engine.raw_http import chunked, request_bytes
from tests.engine.raw_websocket import CLOSE, TEXT, Frame, RawWebSocket, client_frame
from tests.engine.rig import Rig, quiet_server


def application() -> web.Application:
    """An application that has paths of its own, a WebSocket among them."""
    app = web.Application(client_max_size=10_000_000)
    routes = web.RouteTableDef()

    @routes.get("/plain")
    async def plain(request: web.Request) -> web.Response:
        return web.Response(text=f"plain for {request.remote}")

    @routes.post("/mirror")
    async def mirror(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    @routes.get("/talk")
    async def talk(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        async for message in websocket:
            if message.type == WSMsgType.TEXT:
                await websocket.send_str(message.data.upper())
        return websocket

    app.add_routes(routes)
    return app


@pytest.fixture
async def rig(serve: Serve) -> Rig:
    return await serve(quiet_server(), app=application())


async def test_one_connection_serves_both_in_turn(rig: Rig) -> None:
    connection = await rig.http()

    for _ in range(2):
        opened = await connection.request("GET", rig.target())
        assert opened.text.startswith('0{"sid":')
        plain = await connection.request("GET", "/plain")
        assert plain.text == "plain for 127.0.0.1"
    missing = await connection.request("GET", "/nothing")
    assert missing.status == 404
    opened = await connection.request("GET", rig.target())
    assert opened.text.startswith('0{"sid":')


async def test_one_connection_polls_and_asks_the_application(rig: Rig) -> None:
    session = await rig.polling()
    await session.connect()
    sid = session.sid

    assert (await session.polls.request("GET", "/plain")).status == 200
    await rig.engine.eio.send(sid, "2[\"news\"]")
    assert (await session.get()).text == '42["news"]'
    assert (await session.polls.request("GET", "/plain")).status == 200


async def test_both_pipelined_in_one_segment_are_answered_in_order(rig: Rig) -> None:
    connection = await rig.http()
    asked = [
        request_bytes("GET", rig.target()),
        request_bytes("GET", "/plain"),
        request_bytes("POST", "/mirror", "hello"),
        request_bytes("GET", rig.target(transport="abc")),
        request_bytes("GET", "/plain"),
    ]

    await connection.send(b"".join(asked))

    answers = [await connection.response() for _ in asked]
    assert answers[0].text.startswith('0{"sid":')
    assert answers[1].text == "plain for 127.0.0.1"
    assert answers[2].text == "hello"
    assert answers[3].error == (400, 0)
    assert answers[4].text == "plain for 127.0.0.1"


async def test_the_application_pipelined_behind_a_poll_waits_for_it(rig: Rig) -> None:
    session = await rig.polling()
    await session.connect()

    await session.polls.send(
        request_bytes("GET", session.target) + request_bytes("GET", "/plain")
    )
    await rig.eio.send(session.sid, "hello")

    assert (await session.polls.response()).text == "4hello"
    assert (await session.polls.response()).text == "plain for 127.0.0.1"


@pytest.mark.parametrize("target", ["/plain", "/socket.io/?EIO=4&transport=polling"])
async def test_a_request_that_dribbles_in_is_answered(rig: Rig, target: str) -> None:
    connection = await rig.http()
    request = request_bytes("GET", target)

    await connection.send(*(bytes([byte]) for byte in request))

    assert (await connection.response()).status == 200


async def test_a_path_that_only_begins_alike_is_the_applications(rig: Rig) -> None:
    for target in ("/socket.iox/?EIO=4&transport=polling", "/socket.io/room", "/socket", "/s"):
        connection = await rig.http()
        assert (await connection.request("GET", target)).status == 404, target


async def test_a_body_for_the_application_arrives_whole(rig: Rig) -> None:
    connection = await rig.http()
    content = bytes(range(256)) * 4000
    request = request_bytes("POST", "/mirror", content)

    await connection.send(request[:40], request[40:100_000], request[100_000:])
    assert (await connection.response()).body == content
    head = request_bytes("POST", "/mirror", headers={"Transfer-Encoding": "chunked"})
    await connection.send(head + chunked(content[:1000], content[1000:]))
    assert (await connection.response()).body == content


async def test_a_websocket_of_the_application_works(rig: Rig) -> None:
    websocket = await RawWebSocket.open(await rig.http(), "/talk")

    await websocket.send("hello")
    assert await websocket.frame() == Frame(TEXT, b"HELLO")
    await websocket.http.send(client_frame(CLOSE, b"\x03\xe8"))
    assert (await websocket.frame()).opcode == CLOSE


async def test_a_websocket_after_other_requests_on_its_connection(rig: Rig) -> None:
    connection = await rig.http()
    assert (await connection.request("GET", "/plain")).status == 200
    assert (await connection.request("GET", rig.target())).status == 200

    websocket = await RawWebSocket.open(connection, rig.target(transport="websocket"))

    assert str(await websocket.receive()).startswith('0{"sid":')
    await websocket.send("40")
    assert str(await websocket.receive()).startswith('40{"sid":')


async def test_a_whole_url_as_target_is_served(rig: Rig) -> None:
    """As clients ask a proxy; a server must take it too (RFC 9112 §3.2.2)."""
    connection = await rig.http()

    response = await connection.request("GET", "http://club.example" + rig.target())

    assert response.text.startswith('0{"sid":')


async def test_a_client_that_goes_in_the_middle_of_a_request_harms_nobody(rig: Rig) -> None:
    for part in (b"G", b"GET /socket.io/?EIO=4&tr", b"GET /pl", b"POST /socket.io/?sid=x HTTP/1.1"):
        connection = await rig.http()
        await connection.send(part)
        await connection.close()

    assert (await rig.polling()).sid


async def test_many_connections_at_once_find_their_way(rig: Rig) -> None:
    async def visit(number: int) -> None:
        connection = await rig.http()
        target = "/plain" if number % 2 else rig.target()
        response = await connection.request("GET", target)
        assert response.text.startswith("plain" if number % 2 else "0{")

    await asyncio.gather(*(visit(number) for number in range(60)))


async def test_middlewares_of_the_application_do_not_reshape_the_transport(serve: Serve) -> None:
    @web.middleware
    async def envelope(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            return await handler(request)  # type: ignore[no-any-return]
        except web.HTTPException as problem:
            return web.json_response({"success": False}, status=problem.status)

    app = web.Application(middlewares=[envelope])
    rig = await serve(quiet_server(), app=app)
    connection = await rig.http()

    assert (await connection.request("GET", rig.target(transport="abc"))).error == (400, 0)
    assert (await connection.request("GET", "/nothing")).json() == {"success": False}
