"""HTTP long-polling: bodies in any shape, and every request answered as the protocol says."""

from typing import Any

import pytest

from tests.engine.clients import PollingClient, soon
from tests.engine.conftest import Serve
from tests.engine.raw_http import chunked, request_bytes
from tests.engine.rig import echo_server

CHUNKED = {"Transfer-Encoding": "chunked"}


async def lives(session: PollingClient) -> bool:
    """The session still takes a message and gives it back."""
    await session.send("4still here")
    return await session.receive() == "4still here"


async def everything_read(session: PollingClient) -> None:
    """Wait until the server has read what was sent before: a POST after it is answered."""
    await session.send("3")


async def test_a_body_in_two_segments_arrives_whole(serve: Serve) -> None:
    session = await (await serve(echo_server())).polling()
    request = request_bytes("POST", session.target, "4" + "x" * 300_000)

    await session.posts.send(request[:100_000], request[100_000:])

    assert (await session.posts.response()).text == "ok"
    assert await session.receive() == "4" + "x" * 300_000


async def test_a_request_byte_by_byte_arrives_whole(serve: Serve) -> None:
    session = await (await serve(echo_server())).polling()
    request = request_bytes("POST", session.target, "4приве́т 🎮\x1ebAQIDBA==")

    await session.posts.send(*(bytes([byte]) for byte in request))

    assert (await session.posts.response()).text == "ok"
    assert await session.receives(2) == ["4приве́т 🎮", b"\x01\x02\x03\x04"]


async def test_a_chunked_body_arrives_whole(serve: Serve) -> None:
    session = await (await serve(echo_server())).polling()
    head = request_bytes("POST", session.target, headers=CHUNKED)
    body = chunked(b"4he", b"llo\x1e4", "мир".encode()[:3], "мир".encode()[3:])

    await session.posts.send(head, body[:7], body[7:9], body[9:])

    assert (await session.posts.response()).text == "ok"
    assert await session.receives(2) == ["4hello", "4мир"]


async def test_900_kilobytes_of_text_and_300_of_bytes_arrive(serve: Serve) -> None:
    session = await (await serve(echo_server())).polling()
    text, content = "4" + "я" * 450_000, bytes(300_000)

    await session.send(text)
    assert await session.receive() == text
    await session.send(content)
    assert await session.receive() == content


async def test_a_body_of_the_cap_is_taken_and_one_more_byte_is_not(serve: Serve) -> None:
    session = await (await serve(echo_server(max_http_buffer_size=5000))).polling()

    await session.send("4" + "x" * 4999)
    assert await session.receive() == "4" + "x" * 4999
    refused = await session.post("4" + "x" * 5000)

    assert refused.status == 413


@pytest.mark.parametrize("how", ["announced", "chunked"])
async def test_a_body_over_the_cap_is_refused_and_the_session_lives(serve: Serve, how: str) -> None:
    rig = await serve(echo_server(max_http_buffer_size=5000))
    session = await rig.polling()

    if how == "announced":
        request = request_bytes("POST", session.target, b"4" + bytes(20_000))
    else:
        head = request_bytes("POST", session.target, headers=CHUNKED)
        request = head + chunked(b"4" + bytes(3000), bytes(3000), bytes(3000))
    await session.posts.send(request)
    refused = await session.posts.response()

    assert refused.status == 413
    # What is left of such a body need not be read: the client may have to open a connection.
    session.posts = await rig.http()
    assert await lives(session)


async def test_posts_are_answered_ok_as_text(serve: Serve) -> None:
    session = await (await serve(echo_server())).polling()

    response = await session.post("4hello")

    assert response.status == 200
    assert response.body == b"ok"
    assert response.headers["content-type"].lower().startswith("text/plain")


@pytest.mark.parametrize(
    "body",
    [b"abc", b"8", b"4good\x1ex", b"b!!!!", b"\xff\xfe", b"4\xd0", b"", b"2"],
    ids=["letters", "number", "second", "base64", "not-utf8", "half-character", "nothing", "ping"],
)
async def test_a_bad_packet_is_refused_and_ends_the_session(serve: Serve, body: bytes) -> None:
    eio: Any = echo_server()
    session = await (await serve(eio)).polling()

    response = await session.post(body)

    assert response.error[0] == 400
    assert await soon(eio.goodbyes.get()) == "parse error"
    await session.ended()


async def test_a_bad_packet_frees_the_poll_that_hangs(serve: Serve) -> None:
    session = await (await serve(echo_server())).polling()
    await session.polls.send(request_bytes("GET", session.target))

    assert (await session.post("abc")).status == 400

    assert (await session.polls.response()).text == "1"
    await session.ended()


async def test_a_second_poll_ends_the_session(serve: Serve) -> None:
    eio: Any = echo_server()
    rig = await serve(eio)
    session = await rig.polling()
    other = await rig.http()
    await session.polls.send(request_bytes("GET", session.target))

    second = await other.request("GET", session.target)
    first = await session.polls.response()

    assert (first.status, first.text) == (200, "1")
    assert second.error[0] == 400
    await soon(eio.goodbyes.get())
    await session.ended()


async def test_a_second_post_while_one_is_coming_ends_the_session(serve: Serve) -> None:
    eio: Any = echo_server()
    rig = await serve(eio)
    session = await rig.polling()
    other = await rig.http()
    await session.posts.send(request_bytes("POST", session.target, "4" + "x" * 100)[:-50])

    second = await other.request("POST", session.target, "4hello")

    assert second.error[0] == 400
    await soon(eio.goodbyes.get())
    await session.ended()


async def test_a_goodbye_answers_the_poll_that_hangs(serve: Serve) -> None:
    eio: Any = echo_server()
    session = await (await serve(eio)).polling()
    await session.polls.send(request_bytes("GET", session.target))

    posted = await session.post("1")
    polled = await session.polls.response()

    assert (posted.status, posted.text) == (200, "ok")
    assert (polled.status, polled.text) == (200, "6")
    assert await soon(eio.goodbyes.get()) == "client disconnect"
    assert (await session.get()).error == (400, 1)


async def test_the_servers_goodbye_answers_the_poll_that_hangs(serve: Serve) -> None:
    eio: Any = echo_server()
    session = await (await serve(eio)).polling()
    await session.polls.send(request_bytes("GET", session.target))
    await everything_read(session)

    await soon(eio.disconnect(session.sid))

    assert (await session.polls.response()).text == "1"
    assert (await session.get()).error == (400, 1)


async def test_what_was_said_before_the_servers_goodbye_is_still_delivered(serve: Serve) -> None:
    eio: Any = echo_server(close_timeout=30)
    session = await (await serve(eio)).polling()

    await eio.send(session.sid, "last words")
    await soon(eio.disconnect(session.sid))

    assert (await session.get()).packets == ["4last words"]
    assert (await session.get()).packets == ["1"]
    assert (await session.get()).error == (400, 1)


async def test_two_clients_that_pipeline_get_their_own_answers_in_order(serve: Serve) -> None:
    rig = await serve(echo_server())
    sessions = [await rig.polling(), await rig.polling()]

    for number, session in enumerate(sessions):
        requests = [request_bytes("POST", session.target, f"4{number}-{n}") for n in range(3)]
        requests.append(request_bytes("GET", session.target))
        await session.posts.send(b"".join(requests))

    for number, session in enumerate(sessions):
        answers = [(await session.posts.response()).text for _ in range(4)]
        expected = "\x1e".join(f"4{number}-{n}" for n in range(3))
        assert answers == ["ok", "ok", "ok", expected]


async def test_a_client_that_pipelines_behind_its_own_poll_is_served_after_it(serve: Serve) -> None:
    eio: Any = echo_server()
    session = await (await serve(eio)).polling()
    behind = request_bytes("POST", session.target, "4behind")

    await session.polls.send(request_bytes("GET", session.target) + behind)
    await session.send("4first")

    assert (await session.polls.response()).text == "4first"
    assert (await session.polls.response()).text == "ok"
    assert (await session.get()).text == "4behind"


async def test_a_poll_the_client_gave_up_does_not_swallow_messages(serve: Serve) -> None:
    """What is said after the client left a poll waits for the next one, or the session is over."""
    eio: Any = echo_server()
    rig = await serve(eio)
    session = await rig.polling()
    await session.polls.send(request_bytes("GET", session.target))
    await everything_read(session)
    await session.polls.close()
    assert await lives(await rig.polling())

    await eio.send(session.sid, "hello")

    session.polls = await rig.http()
    response = await session.get()
    assert response.text == "4hello" or response.error == (400, 1)
