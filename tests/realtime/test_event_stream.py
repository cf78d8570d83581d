"""`GET /api/updates/stream`: Server-Sent Events, as curl and browsers read them."""

import asyncio
import contextlib
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from server.config import Config
from server.keys import DB, FEEDS
from server.realtime.cursor import Cursor
from server.realtime.feeds import EVENT_STREAM
from tests.club import PATIENCE_S, Club, until
from tests.conftest import make_config
from tests.happenings import here, tell_all, top_up
from tests.streams import EventStream

HEARTBEAT_S = 0.3
GRACE_S = 1.0
CLUB_SITE = "https://club.example"


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    var_dir: Path = tmp_path_factory.mktemp("var")
    return make_config(
        dsn,
        var_dir,
        stream_heartbeat_s=HEARTBEAT_S,
        auth_grace_s=GRACE_S,
        streams_per_member=2,
        stream_write_timeout_s=0.5,
        cors_origins=(CLUB_SITE,),
    )


async def no_streams(club: Club) -> None:
    async def none() -> bool:
        return club.app[FEEDS].count(EVENT_STREAM) == 0

    await until(none, "every stream is closed")


# --- what it says ------------------------------------------------------------------------------


async def test_stream_tells_what_happens_with_its_cursor_as_id(club: Club) -> None:
    player = await club.person(has_password=False)
    start = await here(club)
    async with EventStream.open(club, token=player.token) as stream:
        await tell_all(club)
        await top_up(club, player)

        first, second = await stream.next(), await stream.next()

    answer = await player.get(f"/api/updates?after={start}")
    assert [first["id"], second["id"]] == [event["cursor"] for event in answer["events"]]
    assert (first["event"], first["data"]) == ("cases:updated", "null")
    assert second["event"] == f"balance:updated:{player.id}"
    assert second["data"] == '{"balance":0.01}'
    await no_streams(club)


async def test_answer_is_one_that_proxies_and_browsers_pass_on(club: Club) -> None:
    async with EventStream.open(club, headers={"Origin": CLUB_SITE}) as stream:
        headers = stream.response.headers
    assert stream.response.status == 200
    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-store, no-transform"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Request-ID"]
    assert headers["Access-Control-Allow-Origin"] == CLUB_SITE
    assert headers["Vary"] == "Origin"
    assert "Content-Encoding" not in headers
    assert 1000 <= (stream.retry_ms or 0) <= 5000


async def test_other_origin_may_not_read_it(club: Club) -> None:
    async with EventStream.open(club, headers={"Origin": "https://evil.example"}) as stream:
        assert "Access-Control-Allow-Origin" not in stream.response.headers


async def test_token_is_taken_from_the_header_too_and_hears_the_same(club: Club) -> None:
    player = await club.person(has_password=False)
    auth = {"Authorization": f"Bearer {player.token}"}
    async with EventStream.open(club, headers=auth) as stream:
        await top_up(club, player)
        assert (await stream.event())[0] == f"balance:updated:{player.id}"


async def test_anonymous_stream_hears_only_what_everybody_may(club: Club) -> None:
    player = await club.person(has_password=False)
    async with EventStream.open(club) as stream:
        await top_up(club, player)
        await tell_all(club)
        assert await stream.event() == ("cases:updated", None)


async def test_member_does_not_hear_what_is_anothers(club: Club) -> None:
    player, other = await club.person(has_password=False), await club.person(has_password=False)
    async with EventStream.open(club, token=player.token) as stream:
        await top_up(club, other)
        await tell_all(club)
        assert await stream.event() == ("cases:updated", None)


# --- from where --------------------------------------------------------------------------------


async def test_stream_goes_on_after_the_cursor_it_is_given(club: Club) -> None:
    player = await club.person(has_password=False)
    start = await here(club)
    await top_up(club, player, 3)
    async with EventStream.open(club, token=player.token, after=start) as stream:
        heard = [await stream.event() for _ in range(3)]
        await top_up(club, player)
        heard.append(await stream.event())

    assert [data["balance"] for _, data in heard] == [0.01, 0.02, 0.03, 0.04]


async def test_last_event_id_wins_over_after(club: Club) -> None:
    player = await club.person(has_password=False)
    start = await here(club)
    await top_up(club, player, 2)
    first = (await player.get(f"/api/updates?after={start}"))["events"][0]["cursor"]
    last = {"Last-Event-ID": first}
    async with EventStream.open(club, headers=last, token=player.token, after=start) as stream:
        assert (await stream.event())[1] == {"balance": 0.02}


async def test_client_that_heard_nothing_yet_has_a_place_to_go_on_from(club: Club) -> None:
    player = await club.person(has_password=False)
    async with EventStream.open(club, token=player.token) as stream:
        place = stream.last_id
    await top_up(club, player)

    last = {"Last-Event-ID": str(place)}
    async with EventStream.open(club, headers=last, token=player.token) as stream:
        assert (await stream.event())[1] == {"balance": 0.01}


async def test_hole_is_told_with_the_place_to_go_on_from(club: Club) -> None:
    now = Cursor.parse(await here(club))
    old = Cursor("00000000" if now.epoch != "00000000" else "11111111", now.position)
    async with EventStream.open(club, after=str(old)) as stream:
        message = await stream.next()
        assert message["event"] == "resync"
        assert message["data"] == f'{{"cursor":"{now}"}}'
        # Or a browser would come back to the hole again and again.
        assert message["id"] == str(now)
        await tell_all(club)
        assert await stream.event() == ("cases:updated", None)


@pytest.mark.parametrize(("name", "value"), [("after", "x"), ("after", ""), ("header", "x")])
async def test_unreadable_cursor_is_refused(club: Club, name: str, value: str) -> None:
    headers = {"Last-Event-ID": value} if name == "header" else {}
    path = "/api/updates/stream" + (f"?after={value}" if name == "after" else "")
    answer = await club.call("GET", path, headers=headers)
    assert (answer.status, answer["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize("token", ["x", ""])
async def test_bad_token_is_refused(club: Club, token: str) -> None:
    answer = await club.call("GET", f"/api/updates/stream?token={token}")
    assert (answer.status, answer["code"]) == (401, "invalid_token")


async def test_long_history_comes_whole_and_in_order(club: Club) -> None:
    start = await here(club)
    await tell_all(club, 1200)
    async with EventStream.open(club, after=start) as stream:
        ids = [(await stream.next())["id"] for _ in range(1200)]
    positions = [Cursor.parse(each).position for each in ids]
    base = Cursor.parse(start).position
    assert positions == list(range(base + 1, base + 1201))


# --- how it lives and ends ---------------------------------------------------------------------


async def test_silence_is_broken_by_a_comment_that_carries_no_id(club: Club) -> None:
    async with EventStream.open(club) as stream:
        place = stream.last_id
        assert [await stream.comment() for _ in range(2)] == ["heartbeat"] * 2
        assert stream.last_id == place


async def test_client_that_has_gone_is_noticed_before_the_next_heartbeat(
    config: Config,
) -> None:
    async with Club.open(replace(config, stream_heartbeat_s=3600.0)) as club:
        async with EventStream.open(club):
            assert club.app[FEEDS].count(EVENT_STREAM) == 1
        await no_streams(club)


async def test_expiring_token_is_told_and_the_stream_closed_after_the_grace(club: Club) -> None:
    player = await club.person(has_password=False)
    token = club.token(player, seconds=2)
    async with EventStream.open(club, token=token) as stream:
        message = await stream.next()
        assert (message["event"], message["data"]) == ("auth:expired", '{"graceMs":1000}')
        assert "id" not in message
        # What is the member's is still theirs in the grace.
        await top_up(club, player)
        assert (await stream.event())[1] == {"balance": 0.01}
        assert await stream.next() == {}
    refused = await club.call("GET", f"/api/updates/stream?token={token}")
    assert (refused.status, refused["code"]) == (401, "token_expired")


async def test_stopping_server_tells_streams_when_to_come_back(config: Config) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with Club.open(config) as club:
            stream = await stack.enter_async_context(EventStream.open(club))
            club.app[FEEDS].drain()
            event, data = await stream.event()
            assert event == "server:draining"
            # EventSource obeys this one.
            assert stream.retry_ms == data["reconnectInMs"]
            assert await stream.next() == {}


async def test_streams_of_one_member_are_bounded_and_a_closed_one_makes_room(
    club: Club,
) -> None:
    player = await club.person(has_password=False)
    path = f"/api/updates/stream?token={player.token}"
    async with EventStream.open(club, token=player.token):
        async with EventStream.open(club, token=player.token):
            refused = await club.call("GET", path)
            assert (refused.status, refused["code"]) == (429, "too_many_streams")
            assert int(refused.headers["Retry-After"]) > 0

    await no_streams(club)
    async with EventStream.open(club, token=player.token) as stream:
        assert stream.response.status == 200


async def test_client_that_never_reads_is_cut_and_holds_little(club: Club) -> None:
    """What it may keep waiting is bounded by the connection's buffers, whatever happens."""
    at = club.url.removeprefix("http://").split(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (at[0], int(at[1])))
        start = await here(club)
        # More than the buffers of two kernels hold.
        async with club.app[DB].transaction() as tx:
            await tx.execute(
                "INSERT INTO event_log (audience, name, payload)"
                " SELECT 'all', 'long', json_build_object('text', repeat('x', 20000))"
                " FROM generate_series(1, 1000)"
            )
        ask = f"GET /api/updates/stream?after={start} HTTP/1.1\r\nHost: x\r\n\r\n"
        await loop.sock_sendall(client, ask.encode())

        largest = 0

        async def cut() -> bool:
            nonlocal largest
            hub = club.app[FEEDS]
            feeds = [each for each in hub.all() if each.door == EVENT_STREAM]
            largest = max([largest, *map(hub.buffered, feeds)])
            return largest > 0 and not feeds

        async with asyncio.timeout(PATIENCE_S):
            await until(cut, "the stream is cut")
    assert largest < 300_000


async def test_stream_over_http_1_0_works_as_old_clients_need_it(club: Club) -> None:
    host, port = club.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /api/updates/stream HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 OK" in head and b"chunked" not in head.lower()
        await reader.readuntil(b"\n\n")
        await tell_all(club)
        while b"cases:updated" not in (line := await reader.readline()):
            assert line
    writer.close()
