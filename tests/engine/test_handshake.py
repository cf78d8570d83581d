"""The first request of a session, and how the engine says no (Engine.IO protocol, v4)."""

import logging
from typing import Any

import pytest

from tests.engine.conftest import Serve
from tests.engine.raw_websocket import RawWebSocket, Refused
from tests.engine.rig import chat_server, echo_server

UNKNOWN_TRANSPORT = (400, 0)
UNKNOWN_SESSION = (400, 1)
BAD_METHOD = (400, 2)
BAD_REQUEST = (400, 3)
UNSUPPORTED_VERSION = (400, 5)


@pytest.fixture(params=[echo_server, chat_server], ids=["engine.io", "socket.io"])
def make(request: pytest.FixtureRequest) -> Any:
    """Engine.IO alone, or under Socket.IO."""
    return request.param


async def test_a_polling_session_is_told_its_terms_in_milliseconds(serve: Serve, make: Any) -> None:
    rig = await serve(make(ping_interval=0.3, ping_timeout=0.2))

    session = await rig.polling()

    assert session.sid and isinstance(session.sid, str)
    assert session.handshake == {
        "sid": session.sid,
        "upgrades": ["websocket"],
        "pingInterval": 300,
        "pingTimeout": 200,
        "maxPayload": 1_000_000,
    }


async def test_a_websocket_session_is_told_its_terms_and_no_upgrade(
    serve: Serve, make: Any
) -> None:
    rig = await serve(make(ping_interval=0.3, ping_timeout=0.2, max_http_buffer_size=5000))

    session = await rig.client("websocket")

    assert session.handshake == {
        "sid": session.sid,
        "upgrades": [],
        "pingInterval": 300,
        "pingTimeout": 200,
        "maxPayload": 5000,
    }


async def test_every_session_has_an_id_of_its_own(serve: Serve, transport: str) -> None:
    rig = await serve(echo_server())

    sessions = [await rig.client(transport) for _ in range(20)]

    assert len({session.sid for session in sessions}) == 20


async def test_no_cache_may_keep_a_poll(serve: Serve) -> None:
    rig = await serve(echo_server())
    session = await rig.polling()
    posted = await session.post("4hello")
    polled = await session.get()
    refused = await session.polls.request("GET", rig.target(sid="nobody"))

    assert polled.headers["content-type"].lower() == "text/plain; charset=utf-8"
    for response in (posted, polled, refused):
        assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("version", ["", "&EIO=abc", "&EIO=3", "&EIO=5"])
async def test_another_protocol_version_is_refused(serve: Serve, make: Any, version: str) -> None:
    rig = await serve(make())
    connection = await rig.http()

    polled = await connection.request("GET", f"{rig.path}?transport=polling{version}")
    with pytest.raises(Refused) as refused:
        await RawWebSocket.open(connection, f"{rig.path}?transport=websocket{version}")

    assert polled.error == UNSUPPORTED_VERSION
    assert refused.value.response.error == UNSUPPORTED_VERSION


async def test_the_log_says_which_client_is_too_old(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    rig = await serve(chat_server())
    connection = await rig.http()
    caplog.set_level(logging.INFO)

    await connection.request(
        "GET",
        f"{rig.path}?EIO=3&transport=polling",
        headers={"User-Agent": "Arcade/1.0 (hall 3)", "Origin": "http://club.example"},
    )

    assert "Arcade/1.0 (hall 3)" in caplog.text
    assert "socket.io-client" in caplog.text


@pytest.mark.parametrize("asked", ["", "&transport=", "&transport=abc"])
async def test_an_unknown_or_missing_transport_is_refused(
    serve: Serve, make: Any, asked: str
) -> None:
    rig = await serve(make())
    connection = await rig.http()

    response = await connection.request("GET", f"{rig.path}?EIO=4{asked}")

    assert response.error == UNKNOWN_TRANSPORT


@pytest.mark.parametrize("query", ["EIO=4", "EIO=4&transport=abc", "transport=websocket", "EIO=3"])
async def test_a_websocket_with_a_wrong_query_is_refused_before_it_is_one(
    serve: Serve, make: Any, query: str
) -> None:
    rig = await serve(make())

    with pytest.raises(Refused) as refused:
        await RawWebSocket.open(await rig.http(), f"{rig.path}?{query}")

    assert refused.value.response.status == 400
    assert refused.value.response.error[1] in (0, 5)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_only_get_opens_a_session(serve: Serve, make: Any, method: str) -> None:
    rig = await serve(make())
    connection = await rig.http()

    response = await connection.request(method, rig.target(), b"")

    assert response.error == BAD_METHOD


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_session_id_nobody_has_is_refused(serve: Serve, method: str) -> None:
    rig = await serve(echo_server())
    connection = await rig.http()

    response = await connection.request(method, rig.target(sid="nobody"))

    assert response.error == UNKNOWN_SESSION


async def test_a_websocket_for_a_session_nobody_has_is_refused(serve: Serve) -> None:
    rig = await serve(echo_server())

    with pytest.raises(Refused) as refused:
        await rig.websocket(sid="nobody")

    assert refused.value.response.error == UNKNOWN_SESSION


async def test_the_websocket_transport_needs_a_websocket(serve: Serve) -> None:
    rig = await serve(echo_server())
    connection = await rig.http()
    session = await rig.polling()

    fresh = await connection.request("GET", rig.target(transport="websocket"))
    known = await connection.request("GET", rig.target(transport="websocket", sid=session.sid))

    assert fresh.error == BAD_REQUEST
    assert known.error == BAD_REQUEST
    assert await _echoes(session)


async def test_jsonp_is_not_served(serve: Serve) -> None:
    rig = await serve(echo_server())
    connection = await rig.http()

    response = await connection.request("GET", rig.target(j="0"))

    assert response.error == BAD_REQUEST


@pytest.mark.parametrize("allowed", ["polling", "websocket"])
async def test_a_transport_can_be_left_out(serve: Serve, allowed: str) -> None:
    rig = await serve(echo_server(transports=[allowed]))
    other = "websocket" if allowed == "polling" else "polling"
    connection = await rig.http()

    session = await rig.client(allowed)
    response = await connection.request("GET", rig.target(transport=other))

    assert session.handshake["upgrades"] == []
    assert response.error == UNKNOWN_TRANSPORT
    assert await _echoes(session)


async def test_upgrades_can_be_left_out(serve: Serve) -> None:
    rig = await serve(echo_server(allow_upgrades=False))
    session = await rig.polling()

    assert session.handshake["upgrades"] == []


async def test_a_cookie_with_the_session_id_comes_if_asked_for(serve: Serve) -> None:
    rig = await serve(echo_server(cookie={"name": "io", "path": "/", "HttpOnly": True}))
    connection = await rig.http()

    response = await connection.request("GET", rig.target())

    sid = _sid(response.text)
    assert response.headers["set-cookie"] == f"io={sid}; path=/; HttpOnly"


async def test_a_session_the_application_refuses_is_not_opened(
    serve: Serve, transport: str
) -> None:
    eio = echo_server()
    eio.on("connect", lambda sid, environ: False)
    rig = await serve(eio)
    connection = await rig.http()

    if transport == "polling":
        response = await connection.request("GET", rig.target())
    else:
        with pytest.raises(Refused) as refused:
            await rig.websocket()
        response = refused.value.response

    assert response.status in (401, 403)
    assert eio.sockets == {}


def _sid(handshake: str) -> str:
    return handshake.split('"sid":"')[1].split('"')[0]


async def _echoes(session: Any) -> bool:
    """The session still works."""
    await session.send("4still here")
    return bool(await session.receive() == "4still here")
