"""The front door: how big a request may be, and how long it may take to come."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.engine.clients import PollingClient, soon
from tests.engine.conftest import Serve
from tests.engine.raw_http import RawHttp, chunked, request_bytes
from tests.engine.rig import Rig, quiet_server

LONG = 60.0
HEAD = 2000


async def opened(**options: Any) -> AsyncIterator[Rig]:
    patient = {"head_timeout": LONG, "body_timeout": LONG, "keepalive_timeout": LONG}
    async with Rig.open(quiet_server(**patient | options), "front") as rig:
        yield rig


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A server that waits for everything for long, and takes small heads and bodies."""
    async for each in opened(max_head_bytes=HEAD, max_http_buffer_size=1000):
        yield each


@pytest.fixture
async def hasty_head() -> AsyncIterator[Rig]:
    async for each in opened(head_timeout=0.2):
        yield each


@pytest.fixture
async def hasty_body() -> AsyncIterator[Rig]:
    async for each in opened(body_timeout=0.2):
        yield each


@pytest.fixture
async def hasty_pause() -> AsyncIterator[Rig]:
    async for each in opened(keepalive_timeout=0.2):
        yield each


async def dribble(connection: RawHttp, data: bytes, pause_s: float = 0.02) -> None:
    """Send byte by byte, until the server has had enough."""
    for byte in data:
        await connection.send(bytes((byte,)))
        # A connection that was reset has no end to be read.
        if connection.reader.at_eof() or connection.reader.exception() is not None:
            return
        await asyncio.sleep(pause_s)
    raise AssertionError("it could have gone on for ever")


# --- the head --------------------------------------------------------------------------------


@pytest.mark.parametrize(("over", "status"), [(0, 200), (1, 431)])
async def test_a_head_of_the_bound_is_read_and_one_byte_more_is_not(
    rig: Rig, over: int, status: int
) -> None:
    connection = await rig.http()
    bare = len(request_bytes("GET", rig.target(), headers={"Cookie": ""}))
    # The bound is on what comes before the empty line.
    cookie = "x" * (HEAD - bare + 4 + over)

    answer = await connection.request("GET", rig.target(), headers={"Cookie": cookie})

    assert answer.status == status
    if status == 431:
        assert await connection.rest() == b""


async def test_a_head_without_end_is_refused_as_soon_as_it_is_too_long(rig: Rig) -> None:
    connection = await rig.http()
    begin = f"GET {rig.target()} HTTP/1.1\r\nCookie: ".encode()

    await connection.send(begin + b"x" * (HEAD + 1 - len(begin)))

    assert (await connection.response()).status == 431
    assert await connection.rest() == b""


@pytest.mark.parametrize("size", [20_000, 200_000])
async def test_both_doors_refuse_a_head_without_end_as_shipped(serve: Serve, size: int) -> None:
    rig = await serve(quiet_server())
    connection = await rig.http()
    await connection.send(b"GET " + rig.target().encode() + b" HTTP/1.1\r\nCookie: " + b"x" * size)

    answer = await connection.rest()

    assert answer == b"" or answer.split()[1] in (b"400", b"431")
    assert (await rig.polling()).sid


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"G",
        b"GET /socket.io/?EIO=4",
        b"POST /socket.io/ HTTP/1.1\r\n",
        b"GET /of-the-application HTTP/1.1\r\nHost: club.example\r\n",
    ],
)
async def test_a_head_that_does_not_come_is_not_waited_for(hasty_head: Rig, sent: bytes) -> None:
    connection = await hasty_head.http()
    await connection.send(sent)

    assert await connection.rest() == b""
    # Who says nothing at all is no request.
    assert hasty_head.eio.counters.requests_timed_out == bool(sent)


async def test_what_is_no_http_is_not_waited_for_either(rig: Rig) -> None:
    connection = await rig.http()

    # A browser that was told https.
    await connection.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")

    assert (await connection.response()).status == 400


async def test_a_head_that_dribbles_has_no_more_time_than_one_that_does_not(
    hasty_head: Rig,
) -> None:
    connection = await hasty_head.http()

    await dribble(connection, request_bytes("GET", hasty_head.target(), headers={"A": "x" * 2000}))

    assert hasty_head.eio.counters.requests_timed_out == 1
    assert hasty_head.eio.sockets == {}


async def test_the_second_head_of_a_connection_has_its_time_as_well(hasty_head: Rig) -> None:
    connection = await hasty_head.http()
    assert (await connection.request("GET", hasty_head.target())).status == 200

    await dribble(connection, request_bytes("GET", hasty_head.target(), headers={"A": "x" * 2000}))

    assert hasty_head.eio.counters.requests_timed_out == 1
    assert len(hasty_head.eio.sockets) == 1


# --- the body --------------------------------------------------------------------------------


async def half_a_body(rig: Rig, how: str) -> tuple[PollingClient, bytes]:
    client = await rig.polling()
    await client.connect()
    whole = request_bytes("POST", client.target, "4" + "x" * 500)
    if how == "chunked":
        headers = {"Transfer-Encoding": "chunked"}
        whole = request_bytes("POST", client.target, chunked(b"4" + b"x" * 500), headers)
    return client, whole


@pytest.mark.parametrize("how", ["whole", "chunked"])
async def test_a_body_that_does_not_come_ends_its_session(hasty_body: Rig, how: str) -> None:
    client, request = await half_a_body(hasty_body, how)

    await client.posts.send(request[:-300])

    assert await client.posts.rest() == b""
    assert hasty_body.eio.counters.requests_timed_out == 1
    # Nobody knows what it would have said, so nothing after it can be believed.
    assert await soon(hasty_body.engine.goodbyes.get()) == "transport error"
    await client.ended()


async def test_half_a_body_ends_its_session_at_both_doors(serve: Serve) -> None:
    rig = await serve(quiet_server(body_timeout=0.2))
    client, request = await half_a_body(rig, "whole")

    await client.posts.send(request[:-300])

    assert await soon(client.posts.reader.read(12)) in (b"", b"HTTP/1.1 408")
    assert rig.eio.counters.requests_timed_out == 1
    assert await soon(rig.engine.goodbyes.get()) == "transport error"


@pytest.mark.parametrize("how", ["whole", "chunked"])
async def test_a_body_that_dribbles_has_no_more_time(hasty_body: Rig, how: str) -> None:
    client, request = await half_a_body(hasty_body, how)
    await client.posts.send(request[:-450])

    await dribble(client.posts, request[-450:])

    assert hasty_body.eio.counters.requests_timed_out == 1


@pytest.mark.parametrize(
    "endless",
    [
        b"0\r\n" + b"Trailer: x\r\n" * 5000,
        b"0\r\nTrailer: " + b"x" * 60_000,
        b"1;ext=" + b"x" * 60_000,
    ],
    ids=["trailers", "one trailer", "a chunk's extension"],
)
async def test_what_surrounds_chunks_is_bounded_as_they_are(rig: Rig, endless: bytes) -> None:
    client = await rig.polling()
    head = request_bytes("POST", client.target, b"", {"Transfer-Encoding": "chunked"})

    await client.posts.send(head + b"4\r\n4abc\r\n" + endless)

    assert (await client.posts.response()).status in (400, 413)
    assert await client.posts.rest() == b""


async def test_chunks_of_one_byte_are_as_good_as_others(rig: Rig) -> None:
    rig.engine.on("say", lambda sid, what: len(what))
    client = await rig.polling()
    await client.connect()
    body = b'421["say","' + b"x" * 980 + b'"]'
    chunks = chunked(*(bytes((byte,)) for byte in body))
    head = {"Transfer-Encoding": "chunked"}

    await client.posts.send(request_bytes("POST", client.target, chunks, head))

    assert (await client.posts.response()).text == "ok"
    assert await client.receive() == "431[980]"


@pytest.mark.parametrize(
    "chunks", [b"x\r\n", b"-1\r\n", b"4\r\n4abcdef\r\n", b"ffffffffffffffffff\r\n"]
)
async def test_broken_chunks_are_refused_and_end_their_session(rig: Rig, chunks: bytes) -> None:
    client = await rig.polling()
    await client.connect()
    head = request_bytes("POST", client.target, b"", {"Transfer-Encoding": "chunked"})

    await client.posts.send(head + chunks)

    assert (await client.posts.response()).status == 400
    assert await client.posts.rest() == b""
    assert await soon(rig.engine.goodbyes.get()) == "transport error"
    await client.ended()


# --- between two requests --------------------------------------------------------------------


async def test_a_connection_that_says_nothing_more_is_closed(hasty_pause: Rig) -> None:
    connection = await hasty_pause.http()
    assert (await connection.request("GET", hasty_pause.target())).status == 200

    assert await connection.rest() == b""
    # It owed nothing.
    assert hasty_pause.eio.counters.requests_timed_out == 0


async def test_a_poll_that_hangs_is_no_pause(hasty_pause: Rig) -> None:
    client = await hasty_pause.polling()
    await client.connect()
    poll = asyncio.create_task(client.get())

    # The pause of one that comes later is over after what would be its own.
    later = await hasty_pause.http()
    assert (await later.request("GET", hasty_pause.target())).status == 200
    assert await later.rest() == b""
    await hasty_pause.engine.emit("hello")

    assert (await soon(poll)).packets == ['42["hello"]']


async def test_pipelined_bytes_behind_a_hanging_poll_are_not_collected_without_end(
    rig: Rig,
) -> None:
    client = await rig.polling()
    await client.connect()
    polls = client.polls
    await polls.send(request_bytes("GET", client.target))
    transport: asyncio.Transport = polls.writer.transport  # type: ignore[assignment]

    transport.write(b"x" * 50_000_000)

    # What the kernels take is some megabytes; then the server has to read for more to go.
    left = await soon(rig.standstill(transport.get_write_buffer_size))
    assert left > 30_000_000
    transport.abort()
