"""`/ws/stream` and `/ws`: the club's events over WebSockets without Socket.IO."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.config import Config
from server.keys import FEEDS
from server.realtime.cursor import Cursor
from server.realtime.feeds import WS, WS_STREAM
from tests.club import PATIENCE_S, Club, Person, until
from tests.conftest import make_config
from tests.happenings import here, tell_all, top_up
from tests.streams import PlainSocket

HEARTBEAT_S = 0.5
GRACE_S = 1.0
CLUB_SITE = "https://club.example"
LARGEST = 2048


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    var_dir: Path = tmp_path_factory.mktemp("var")
    return make_config(
        dsn,
        var_dir,
        auth_grace_s=GRACE_S,
        streams_per_member=2,
        stream_message_max_bytes=LARGEST,
        cors_origins=(CLUB_SITE, "app://*"),
    )


async def refused(club: Club, path: str, headers: Any = None) -> tuple[int, str]:
    """The status and code of a handshake that is refused."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = await club.call("GET", path, headers=upgrade | (headers or {}))
    return answer.status, answer["code"]


def of_member(person: Person) -> dict[str, Any]:
    return {"userId": person.id, "token": person.token}


@pytest.fixture(params=["/ws/stream", "/ws"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- what they say -----------------------------------------------------------------------------


async def test_stream_welcomes_then_tells_with_the_cursors_of_every_other_door(
    club: Club,
) -> None:
    player = await club.person(has_password=False)
    start = await here(club)
    async with PlainSocket.open(club, token=player.token) as socket:
        welcome = await socket.next()
        await top_up(club, player)
        await tell_all(club)
        frames = [await socket.next(), await socket.next()]

    assert welcome == {"type": "welcome", "detail": {"userId": player.id}, "cursor": start}
    answer = await player.get(f"/api/updates?after={start}")
    assert frames == [
        {"type": event["event"], "detail": event["data"], "cursor": event["cursor"]}
        for event in answer["events"]
    ]


async def test_anonymous_stream_hears_only_what_everybody_may(club: Club) -> None:
    player = await club.person(has_password=False)
    async with PlainSocket.open(club) as socket:
        assert (await socket.next())["detail"] == {"userId": None}
        await top_up(club, player)
        await tell_all(club)
        assert await socket.event() == ("cases:updated", None)


async def test_socket_of_a_member_connects_subscribes_and_hears_what_is_theirs(
    club: Club,
) -> None:
    player, other = await club.person(has_password=False), await club.person(has_password=False)
    async with PlainSocket.open(club, "/ws", **of_member(player)) as socket:
        connected = await socket.next()
        assert connected["type"] == "connected"
        assert connected["detail"] == {"userId": player.id}
        assert await socket.ask({"type": "subscribe"}) == {
            "type": "subscribed",
            "detail": {"dialogIds": []},
        }
        # A dialog that is not theirs is not subscribed to by naming it.
        asked = await socket.ask({"type": "subscribe", "dialogIds": [1, 2]})
        assert (asked["type"], asked["code"]) == ("error", "not_found")
        await top_up(club, other)
        await top_up(club, player)
        assert await socket.event() == (f"balance:updated:{player.id}", {"balance": 0.01})


async def test_both_go_on_after_a_cursor_and_then_live(club: Club, path: str) -> None:
    player = await club.person(has_password=False)
    start = await here(club)
    await top_up(club, player, 3)
    async with PlainSocket.open(club, path, after=start, **of_member(player)) as socket:
        assert (await socket.next())["cursor"] == start
        heard = [await socket.event() for _ in range(3)]
        await top_up(club, player)
        heard.append(await socket.event())
    assert [data["balance"] for _, data in heard] == [0.01, 0.02, 0.03, 0.04]


async def test_hole_is_told_after_the_greeting(club: Club, path: str) -> None:
    player = await club.person(has_password=False)
    now = Cursor.parse(await here(club))
    old = Cursor("00000000" if now.epoch != "00000000" else "11111111", now.position)
    async with PlainSocket.open(club, path, after=str(old), **of_member(player)) as socket:
        assert (await socket.next())["cursor"] == str(now)
        assert await socket.next() == {"type": "resync", "cursor": str(now)}
        await tell_all(club)
        assert await socket.event() == ("cases:updated", None)


async def test_long_history_comes_whole_and_in_order(club: Club, path: str) -> None:
    player = await club.person(has_password=False)
    start = await here(club)
    await tell_all(club, 1200)
    async with PlainSocket.open(club, path, after=start, **of_member(player)) as socket:
        await socket.next()
        cursors = [(await socket.next())["cursor"] for _ in range(1200)]
    base = Cursor.parse(start).position
    assert [Cursor.parse(each).position for each in cursors] == list(range(base + 1, base + 1201))


# --- what they are told ------------------------------------------------------------------------


async def test_ping_is_answered_and_nothing_else_is_said(club: Club, path: str) -> None:
    player = await club.person(has_password=False)
    async with PlainSocket.open(club, path, **of_member(player)) as socket:
        await socket.next()
        assert await socket.ask({"type": "ping"}) == {"type": "pong"}
        await socket.socket.send_json({"type": "pong"})
        assert await socket.ask({"type": "ping", "at": 1}) == {"type": "pong"}


WRONG = [
    ("", "malformed_json"),
    ("{", "malformed_json"),
    ("hello", "malformed_json"),
    ('{"type": "ping", "type": "ping"}', "malformed_json"),
    ('{"type": NaN}', "malformed_json"),
    ("[" * 1500, "malformed_json"),
    ("[]", "validation_failed"),
    ("null", "validation_failed"),
    ("7", "validation_failed"),
    ("{}", "validation_failed"),
    ('{"type": 7}', "validation_failed"),
    ('{"type": "dance"}', "unknown_type"),
    ('{"type": ""}', "unknown_type"),
    ('{"type": "welcome"}', "unknown_type"),
]


@pytest.mark.parametrize(("said", "code"), WRONG, ids=lambda each: each[:20])
async def test_what_cannot_be_understood_gets_a_clear_error_and_the_socket_lives(
    club: Club, path: str, said: str, code: str
) -> None:
    player = await club.person(has_password=False)
    async with PlainSocket.open(club, path, **of_member(player)) as socket:
        await socket.next()
        answer = await socket.ask(said)
        assert (answer["type"], answer["success"], answer["code"]) == ("error", False, code)
        assert answer["error"].endswith(".") or code == "malformed_json"
        assert "body" not in answer["error"]
        assert await socket.ask({"type": "ping"}) == {"type": "pong"}


async def test_wrong_subscription_says_which_field(club: Club) -> None:
    player = await club.person(has_password=False)
    async with PlainSocket.open(club, "/ws", **of_member(player)) as socket:
        await socket.next()
        for wrong in ({"dialogIds": "1"}, {"dialogIds": [0]}, {"dialogs": []}):
            answer = await socket.ask({"type": "subscribe"} | wrong)
            assert (answer["code"], list(answer["fields"])) == ("validation_failed", list(wrong))


async def test_binary_message_gets_an_error_and_the_socket_lives(club: Club, path: str) -> None:
    player = await club.person(has_password=False)
    async with PlainSocket.open(club, path, **of_member(player)) as socket:
        await socket.next()
        await socket.socket.send_bytes(b'{"type":"ping"}')
        assert (await socket.next())["code"] == "validation_failed"
        assert await socket.ask({"type": "ping"}) == {"type": "pong"}


async def test_message_over_the_bound_closes_with_the_code_that_says_so(
    club: Club, path: str
) -> None:
    player = await club.person(has_password=False)
    async with PlainSocket.open(club, path, **of_member(player)) as socket:
        await socket.next()
        assert await socket.ask("x" * (LARGEST + 1)) is None
        assert socket.socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_text_that_is_no_utf8_closes_with_the_code_that_says_so(club: Club) -> None:
    async with PlainSocket.open(club) as socket:
        await socket.next()
        await socket.socket.send_frame(b"\xff\xfe", aiohttp.WSMsgType.TEXT)
        assert await socket.next() is None
        assert socket.socket.close_code == aiohttp.WSCloseCode.INVALID_TEXT


# --- who is let in -----------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["x", ""])
async def test_bad_token_is_refused_before_the_upgrade(
    club: Club, path: str, token: str
) -> None:
    assert await refused(club, f"{path}?userId=1&token={token}") == (401, "invalid_token")


async def test_expired_token_is_refused_before_the_upgrade(club: Club, path: str) -> None:
    player = await club.person(has_password=False)
    token = club.token(player, seconds=-1)
    asked = f"{path}?userId={player.id}&token={token}"
    assert await refused(club, asked) == (401, "token_expired")


async def test_socket_is_for_the_member_whose_token_it_is(club: Club) -> None:
    player, other = await club.person(has_password=False), await club.person(has_password=False)
    others = f"/ws?userId={other.id}&token={player.token}"
    assert await refused(club, others) == (403, "not_yourself")
    assert await refused(club, f"/ws?userId={player.id}") == (401, "unauthorized")
    assert await refused(club, f"/ws?token={player.token}") == (400, "validation_failed")
    staff = await club.person(role="staff", has_password=False)
    theirs = f"/ws?userId={player.id}&token={staff.token}"
    assert await refused(club, theirs) == (403, "not_yourself")


async def test_token_is_taken_from_the_header_too(club: Club) -> None:
    player = await club.person(has_password=False)
    auth = {"Authorization": f"Bearer {player.token}"}
    async with PlainSocket.open(club, "/ws", userId=player.id, headers=auth) as socket:
        assert (await socket.next())["type"] == "connected"


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [
        (None, True),
        (CLUB_SITE, True),
        ("app://club", True),
        ("own", True),
        ("https://evil.example", False),
        ("null", False),
        ("https://club.example.evil.example", False),
    ],
)
async def test_origins_are_let_in_as_they_are_at_socket_io(
    club: Club, path: str, origin: str | None, let_in: bool
) -> None:
    player = await club.person(has_password=False)
    headers = {} if origin is None else {"Origin": club.url if origin == "own" else origin}
    at_socket_io = await club.call(
        "GET", "/socket.io/?EIO=4&transport=polling", headers=headers
    )
    assert (at_socket_io.status == 200) == let_in
    asked = f"{path}?userId={player.id}&token={player.token}"
    if let_in:
        async with PlainSocket.open(club, path, headers=headers, **of_member(player)) as socket:
            assert await socket.next()
    else:
        assert await refused(club, asked, headers) == (403, "origin_refused")


async def test_plain_request_is_told_to_upgrade(club: Club, path: str) -> None:
    player = await club.person(has_password=False)
    answer = await club.call("GET", f"{path}?userId={player.id}&token={player.token}")
    assert (answer.status, answer["code"]) == (426, "upgrade_required")
    assert answer.headers["Upgrade"] == "websocket"


async def test_unreadable_cursor_is_refused_before_the_upgrade(club: Club, path: str) -> None:
    player = await club.person(has_password=False)
    asked = f"{path}?userId={player.id}&token={player.token}&after=x"
    assert await refused(club, asked) == (400, "bad_cursor")


async def test_sockets_of_one_member_are_bounded_and_a_closed_one_makes_room(
    club: Club,
) -> None:
    player = await club.person(has_password=False)
    async with PlainSocket.open(club, **of_member(player)):
        async with PlainSocket.open(club, "/ws", **of_member(player)):
            asked = f"/ws/stream?token={player.token}"
            assert await refused(club, asked) == (429, "too_many_streams")

    async def none() -> bool:
        return club.app[FEEDS].count(WS_STREAM) + club.app[FEEDS].count(WS) == 0

    await until(none, "both sockets are closed")
    async with PlainSocket.open(club, **of_member(player)) as socket:
        assert (await socket.next())["type"] == "welcome"


# --- how they live and end ---------------------------------------------------------------------


async def test_heartbeat_is_seen_by_the_page_and_answered_by_the_browser(
    config: Config, path: str
) -> None:
    async with Club.open(replace(config, stream_heartbeat_s=HEARTBEAT_S)) as club:
        player = await club.person(has_password=False)
        async with PlainSocket.open(club, path, **of_member(player)) as socket:
            await socket.next()
            # Several, over the time after which a client that answers no pings is cut.
            assert [await socket.any() for _ in range(4)] == [{"type": "ping"}] * 4
            assert await socket.ask({"type": "ping"}) == {"type": "pong"}


async def test_client_that_answers_no_pings_is_cut(config: Config) -> None:
    async with Club.open(replace(config, stream_heartbeat_s=HEARTBEAT_S)) as club:
        address = f"{club.url}/ws/stream"
        async with club.http.ws_connect(address, autoping=False) as socket:
            async with asyncio.timeout(PATIENCE_S):
                kinds = {(await socket.receive()).type}
                while not socket.closed:
                    kinds.add((await socket.receive()).type)
    assert aiohttp.WSMsgType.PING in kinds


async def test_expiring_token_is_told_and_the_socket_closed_after_the_grace(
    club: Club, path: str
) -> None:
    player = await club.person(has_password=False)
    token = club.token(player, seconds=2)
    async with PlainSocket.open(club, path, userId=player.id, token=token) as socket:
        await socket.next()
        assert await socket.next() == {"type": "auth:expired", "detail": {"graceMs": 1000}}
        await top_up(club, player)
        assert (await socket.event())[1] == {"balance": 0.01}
        assert await socket.next() is None
        assert socket.socket.close_code == 4401


async def test_stopping_server_tells_sockets_when_to_come_back_and_closes(
    config: Config,
) -> None:
    async with Club.open(config) as club:
        async with PlainSocket.open(club) as socket:
            await socket.next()
            club.app[FEEDS].drain()
            event, data = await socket.event()
            assert (event, 0 < data["reconnectInMs"] <= 5000) == ("server:draining", True)
            assert await socket.next() is None
            assert socket.socket.close_code == aiohttp.WSCloseCode.SERVICE_RESTART


async def test_slow_client_hears_everything_once_it_reads_again(config: Config) -> None:
    many = 3000
    # While it does not read it answers no pings either.
    async with Club.open(replace(config, stream_heartbeat_s=60.0)) as club:
        async with PlainSocket.open(club) as socket:
            await socket.next()
            await tell_all(club, many)
            await club.settled()
            for _ in range(many):
                assert await socket.event() == ("cases:updated", None)
            assert await socket.ask({"type": "ping"}) == {"type": "pong"}


async def test_flood_of_messages_is_read_no_faster_than_allowed(config: Config) -> None:
    engine = dict(config.engine) | {"events_burst": 5, "events_per_second": 20.0}
    async with Club.open(replace(config, engine=engine)) as club:
        async with PlainSocket.open(club) as socket:
            await socket.next()
            began = asyncio.get_running_loop().time()
            for _ in range(15):
                await socket.socket.send_str(json.dumps({"type": "ping"}))
            for _ in range(15):
                assert await socket.next() == {"type": "pong"}
            # Ten more than come at once, 20 a second.
            assert asyncio.get_running_loop().time() - began > 0.4


async def test_sockets_answer_503_in_words_with_real_time_off(config: Config) -> None:
    async with Club.open(replace(config, realtime_enabled=False)) as club:
        for place in ("/ws", "/ws/stream", "/ws/status", "/ws/stats", "/ws/health"):
            assert await refused(club, place) == (503, "realtime_disabled")
