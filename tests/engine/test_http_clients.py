"""HTTP as other programs speak it: WinHTTP and .NET, HTTP/1.0, and those who get it wrong."""

from typing import Any

import pytest

from tests.engine.conftest import Serve
from tests.engine.raw_http import RawHttp, request_bytes
from tests.engine.rig import Rig, quiet_server

WINHTTP = {
    "Connection": "Keep-Alive",
    "Accept": "*/*",
    "User-Agent": "WinHttp.WinHttpRequest.5",
    "Host": "127.0.0.1:3000",
}


@pytest.fixture
async def rig(serve: Serve) -> Rig:
    return await serve(quiet_server())


def sid_of(text: str) -> str:
    return text.split('"sid":"')[1].split('"')[0]


async def test_winhttp_keeps_one_connection_for_a_whole_session(rig: Rig) -> None:
    connection = await rig.http()
    opened = await connection.request("GET", rig.target(), headers=WINHTTP)
    target = rig.target(sid=sid_of(opened.text))

    posted = await connection.request(
        "POST",
        target,
        "40",
        WINHTTP | {"content-TYPE": "text/plain;Charset=UTF-8", "CONTENT-length": "2"},
    )
    polled = await connection.request("GET", target, headers=WINHTTP)

    assert posted.text == "ok"
    assert polled.text.startswith('40{"sid":')
    assert "close" not in polled.headers.get("connection", "").lower()


@pytest.mark.parametrize("case", [str.lower, str.upper, str.swapcase])
async def test_header_names_may_be_written_in_any_case(rig: Rig, case: Any) -> None:
    session = await rig.polling()
    body = "40\x1e42[\"hello\"]"
    head = (
        f"POST {session.target} HTTP/1.1\r\n"
        f"{case('Host')}: club.example\r\n"
        f"{case('Content-Type')}: text/plain;charset=UTF-8\r\n"
        f"{case('Connection')}: {case('Keep-Alive')}\r\n"
        f"{case('Content-Length')}:{len(body)}   \r\n\r\n"
    )

    await session.posts.send(head.encode() + body.encode())

    assert (await session.posts.response()).text == "ok"


async def test_a_client_that_asks_before_it_sends_its_body_is_told_to_go_on(rig: Rig) -> None:
    """.NET does so by default (RFC 9110 §10.1.1)."""
    session = await rig.polling()
    request = request_bytes("POST", session.target, "40", {"Expect": "100-continue"})

    await session.posts.send(request[:-2])
    assert (await session.posts.response()).status == 100
    await session.posts.send(request[-2:])

    assert (await session.posts.response()).text == "ok"
    assert str(await session.receive()).startswith("40{")


async def test_http_1_0_is_answered_and_the_connection_ends(rig: Rig) -> None:
    connection = await rig.http()

    response = await connection.request("GET", rig.target(), version="1.0")

    assert response.text.startswith('0{"sid":')
    assert await connection.rest() == b""


async def test_http_1_0_keeps_the_connection_if_it_asks_to(rig: Rig) -> None:
    connection = await rig.http()
    keep = {"Connection": "keep-alive"}

    opened = await connection.request("GET", rig.target(), headers=keep, version="1.0")
    again = await connection.request("GET", rig.target(), headers=keep, version="1.0")

    assert opened.headers["connection"].lower() == "keep-alive"
    assert again.status == 200


async def test_a_client_that_wants_the_connection_closed_gets_it_closed(rig: Rig) -> None:
    connection = await rig.http()

    response = await connection.request("GET", rig.target(), headers={"Connection": "close"})

    assert response.text.startswith('0{"sid":')
    assert response.headers["connection"].lower() == "close"
    assert await connection.rest() == b""


async def test_a_poll_that_closes_its_connection_is_answered_first(rig: Rig) -> None:
    session = await rig.polling()
    await session.connect()
    await session.polls.send(
        request_bytes("GET", session.target, headers={"Connection": "close"})
    )
    await session.send("3")

    await rig.eio.send(session.sid, "hello")

    assert (await session.polls.response()).text == "4hello"
    assert await session.polls.rest() == b""


async def test_empty_lines_before_a_request_are_passed_over(rig: Rig) -> None:
    """Some clients end a body with one more line (RFC 9112 §2.2)."""
    session = await rig.polling()
    request = request_bytes("POST", session.target, "40")

    await session.posts.send(request + b"\r\n" + request_bytes("GET", session.target))

    assert (await session.posts.response()).text == "ok"
    assert (await session.posts.response()).text.startswith("40{")


GARBAGE = {
    "not-http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "no-version": b"GET /socket.io/?EIO=4&transport=polling\r\nHost: a\r\n\r\n",
    "strange-version": b"GET /socket.io/?EIO=4&transport=polling HTTP/3.7\r\nHost: a\r\n\r\n",
    "space-in-name": b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHo st: a\r\n\r\n",
    "nul-in-value": b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\x00\r\n\r\n",
    "bare-cr": b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\rb: c\r\n\r\n",
    "folded": b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_what_is_not_http_is_refused_and_harms_nobody(rig: Rig, name: str) -> None:
    connection = await rig.http()

    await connection.send(GARBAGE[name])

    answer = await connection.rest()
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 505"))
    assert (await rig.polling()).sid


SMUGGLED = {
    "both-lengths": ["Content-Length: 2", "Transfer-Encoding: chunked"],
    "two-lengths": ["Content-Length: 2", "Content-Length: 40"],
    "length-list": ["Content-Length: 2, 40"],
    "negative-length": ["Content-Length: -2"],
    "plus-length": ["Content-Length: +2"],
    "length-in-letters": ["Content-Length: two"],
    "other-coding": ["Transfer-Encoding: gzip"],
    "coding-after-chunked": ["Transfer-Encoding: chunked, gzip"],
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_a_body_whose_end_is_not_clear_is_refused(rig: Rig, name: str) -> None:
    """Or a proxy in front and this server could see two different requests (RFC 9112 §11.2)."""
    session = await rig.polling()
    head = [f"POST {session.target} HTTP/1.1", "Host: club.example", *SMUGGLED[name], "", ""]

    await session.posts.send("\r\n".join(head).encode() + b"40" + b"\r\n0\r\n\r\n")

    response = await session.posts.response()
    assert response.status in (400, 411, 501)
    await session.posts.rest()
    assert await answers(session.polls, rig)


async def answers(connection: RawHttp, rig: Rig) -> bool:
    return (await connection.request("GET", rig.target())).status == 200
