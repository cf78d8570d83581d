"""Who a socket is: nobody ever hears what is not theirs.

A silence is never waited for: something that everybody hears is told afterwards, and when it
has come, what did not come before it was not sent.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from events import BalanceUpdated
from server.club import ledger
from server.config import Config
from server.keys import DB, SIO, SOCKETS
from tests.club import Club, Person, SocketDoor, until
from tests.conftest import JWT_SECRET, make_config
from tests.happenings import here, tell_much
from tests.realtime.raw_page import RawPage

# Longer than a command takes on a busy machine, short enough to wait for.
GRACE_S = 1.0

CASES = "cases:updated"


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    var_dir: Path = tmp_path_factory.mktemp("var")
    return make_config(dsn, var_dir, auth_grace_s=GRACE_S)


@pytest.fixture
async def anonymous(club: Club, transport: str) -> AsyncIterator[SocketDoor]:
    door = await club.visitor(transport)
    yield door
    await door.close()


def balance_of(person: Person) -> str:
    return f"balance:updated:{person.id}"


async def heard(club: Club, door: SocketDoor, *people: Person) -> list[str]:
    """Everybody gets money, then all are told something: what this door heard of it."""
    door.heard.clear()
    for person in people:
        async with club.app[DB].transaction() as tx:
            after = await ledger.post(tx, person.id, 100, "deposit", "test")
            await club.sio.emit(BalanceUpdated(person.id, after), tx=tx)
    await club.tell_everybody()
    await door.hears(CASES, 2)
    names = door.names()
    assert names[-2:] == [CASES] * 2
    return names[:-2]


def refused(ack: Any, code: str) -> bool:
    """Whether an ack is the envelope of a refusal, whole."""
    assert set(ack) - {"fields"} == {"success", "error", "code", "requestId"}, ack
    assert ack["success"] is False and ack["error"] and ack["requestId"]
    return bool(ack["code"] == code)


# --- the token of CONNECT --------------------------------------------------------------------


async def test_member_with_a_token_in_connect_hears_what_is_theirs_and_nobody_elses(
    club: Club, player: Person, transport: str
) -> None:
    other = await club.person()
    door: Any = await player.comes(transport)

    assert await heard(club, door, other, player) == [balance_of(player)]


async def test_anonymous_socket_hears_only_what_everybody_may(
    club: Club, player: Person, anonymous: SocketDoor
) -> None:
    assert await heard(club, anonymous, player) == []


BAD_TOKENS = {
    "expired": "token_expired",
    "tampered": "invalid_token",
    "foreign key": "invalid_token",
    "no algorithm": "invalid_token",
    "nobody's": "invalid_token",
    "text": "invalid_token",
}


async def test_bad_token_in_connect_is_a_connect_error_with_its_code(
    club: Club, player: Person, transport: str
) -> None:
    for kind, code in [*BAD_TOKENS.items(), ("number", "invalid_token")]:
        auth = {"token": bad_token(club, player, kind)}
        error = await SocketDoor(club, transport, auth).refusal()

        assert error["data"] == {"code": code}, kind
        assert error["message"]


def bad_token(club: Club, person: Person, kind: str) -> Any:
    header, payload, signature = person.token.split(".")
    claims = {"sub": str(person.id), "exp": 4_000_000_000}
    return {
        "expired": club.token(person, seconds=-5),
        "tampered": f"{header}.{payload}.{signature[::-1]}",
        "foreign key": jwt.encode(claims, "x" * 32, algorithm="HS256"),
        "no algorithm": jwt.encode(claims, None, algorithm="none"),
        "nobody's": jwt.encode(claims | {"sub": "999999"}, JWT_SECRET, algorithm="HS256"),
        "text": "token",
        "number": 7,
    }[kind]


# --- user:identify ---------------------------------------------------------------------------


@pytest.mark.parametrize("as_text", [False, True], ids=["number", "text"])
async def test_identify_as_oneself_joins_ones_room(
    club: Club, player: Person, anonymous: SocketDoor, as_text: bool
) -> None:
    user_id = str(player.id) if as_text else player.id

    ack = await anonymous.ask("user:identify", {"userId": user_id, "token": player.token})

    assert ack == {"success": True, "userId": player.id}
    assert await heard(club, anonymous, player) == [balance_of(player)]


async def test_identify_of_a_socket_with_a_token_needs_no_second_one(
    club: Club, player: Person, transport: str
) -> None:
    door: Any = await player.comes(transport)

    ack = await door.ask("user:identify", {"userId": player.id})

    assert ack == {"success": True, "userId": player.id}
    assert await heard(club, door, player) == [balance_of(player)]


async def test_identify_without_any_token_is_refused(
    club: Club, player: Person, anonymous: SocketDoor
) -> None:
    ack = await anonymous.ask("user:identify", {"userId": player.id})

    assert refused(ack, "unauthorized")
    assert await heard(club, anonymous, player) == []


async def test_identify_with_a_bad_token_is_refused(
    club: Club, player: Person, anonymous: SocketDoor
) -> None:
    for kind, code in [*BAD_TOKENS.items(), ("number", "validation_failed")]:
        token = bad_token(club, player, kind)
        ack = await anonymous.ask("user:identify", {"userId": player.id, "token": token})
        assert refused(ack, code), kind

    assert await heard(club, anonymous, player) == []


async def test_identify_as_somebody_else_is_refused_whoever_asks(
    club: Club, player: Person, anonymous: SocketDoor
) -> None:
    curious = [await club.person(role=role) for role in ("member", "staff", "admin")]

    for person in curious:
        body = {"userId": player.id, "token": person.token}
        assert refused(await anonymous.ask("user:identify", body), "not_yourself")

    # Not even their own room: it is all or nothing.
    assert await heard(club, anonymous, player, *curious) == []


async def test_refused_identify_leaves_a_member_where_they_were(
    club: Club, player: Person, transport: str
) -> None:
    other = await club.person()
    door: Any = await player.comes(transport)

    assert refused(await door.ask("user:identify", {"userId": other.id}), "not_yourself")
    bad = {"userId": player.id, "token": "nonsense"}
    assert refused(await door.ask("user:identify", bad), "invalid_token")

    assert await heard(club, door, other, player) == [balance_of(player)]


async def test_identify_as_another_member_leaves_the_first_ones_room(
    club: Club, player: Person, anonymous: SocketDoor
) -> None:
    second = await club.person(role="staff")
    for person in (player, second):
        ack = await anonymous.ask("user:identify", {"userId": person.id, "token": person.token})
        assert ack["success"] is True

    assert await heard(club, anonymous, player, second) == [balance_of(second)]


async def test_identify_twice_hears_an_event_once(
    club: Club, player: Person, transport: str
) -> None:
    door: Any = await player.comes(transport)
    for _ in range(2):
        body = {"userId": player.id, "token": player.token}
        assert (await door.ask("user:identify", body))["success"] is True

    assert await heard(club, door, player) == [balance_of(player)]


async def test_staff_identify_as_themselves_and_hear_no_player(
    club: Club, player: Person, anonymous: SocketDoor
) -> None:
    staff = await club.person(role="staff")

    ack = await anonymous.ask("user:identify", {"userId": staff.id, "token": staff.token})

    assert ack == {"success": True, "userId": staff.id}
    assert await heard(club, anonymous, player, staff) == [balance_of(staff)]


# --- what is not of the agreed form ----------------------------------------------------------


MALFORMED: dict[str, tuple[Any, ...]] = {
    "array": ([],),
    "array of values": (["userId", 1],),
    "string": ("1",),
    "number": (1,),
    "boolean": (True,),
    "null": (None,),
    "nothing": (),
    "empty": ({},),
    "binary": (b"\x00\x01",),
    "binary inside": ({"userId": b"1"},),
    "extra field": ({"userId": 1, "room": "staff"},),
    "two arguments": ({"userId": 1}, {"userId": 1}),
    "boolean id": ({"userId": True},),
    "fraction": ({"userId": 1.5},),
    "zero": ({"userId": 0},),
    "beyond exact numbers": ({"userId": 2**53},),
    "leading zero": ({"userId": "01"},),
    "space": ({"userId": "1 "},),
    "object as id": ({"userId": {"$ne": 1}},),
    "array as token": ({"userId": 1, "token": ["x"]},),
}


async def test_malformed_identify_is_answered_with_the_envelope(anonymous: SocketDoor) -> None:
    for arguments in MALFORMED.values():
        ack = await anonymous.ask("user:identify", *arguments)
        assert refused(ack, "validation_failed"), arguments


UNKNOWN = ["no:such:event", "balance:updated:1", "message", "кейс", "*", "", 7]
# The protocol has no such events: a name is text or a number, and these are the client's own.
IMPOSSIBLE = [None, {}, [], "connect", "disconnect", "connect_error"]


async def test_unknown_event_is_answered_with_the_envelope(anonymous: SocketDoor) -> None:
    for name in UNKNOWN:
        assert refused(await anonymous.ask(name, {"a": 1}), "unknown_event"), name
        assert refused(await anonymous.ask(name), "unknown_event"), name


@pytest.mark.parametrize("name", IMPOSSIBLE, ids=repr)
async def test_client_cannot_play_the_events_of_the_sockets_own_life(
    club: Club, player: Person, transport: str, name: Any
) -> None:
    door = await club.visitor(transport, {"token": player.token})
    sid = door.client.get_sid()

    await door.client.emit(name, "client disconnect")

    async def is_gone() -> bool:
        return club.app[SOCKETS].get(sid) is None

    await until(is_gone, "the connection is ended")
    assert club.app[SIO].room_size(f"user:{player.id}") == 0
    await door.close()


async def test_ping_is_answered_with_pong_and_an_ack(anonymous: SocketDoor) -> None:
    ack = await anonymous.ask("ping")

    assert set(ack) == {"success", "at"} and ack["success"] is True
    assert ack["at"].endswith("Z")
    assert await anonymous.hears("pong") == {"at": ack["at"]}


async def test_ping_with_something_in_it_is_refused(anonymous: SocketDoor) -> None:
    assert refused(await anonymous.ask("ping", {"at": 1}), "validation_failed")


async def test_pong_is_heard_by_nobody_but_the_one_who_asked(
    club: Club, player: Person, anonymous: SocketDoor, transport: str
) -> None:
    door: Any = await player.comes(transport)

    await anonymous.ask("ping")

    assert await heard(club, door) == []


# --- the token ends --------------------------------------------------------------------------


async def is_anonymous(club: Club, door: SocketDoor) -> bool:
    """Whether the server has taken the socket out of its member's rooms."""
    answer = await (await club.admin()).get("/api/admin/connections")
    users = {each["id"]: each["userId"] for each in answer["connections"]}
    return users[door.client.get_sid()] is None


async def test_expired_token_is_told_and_costs_the_rooms_after_the_grace(
    club: Club, player: Person, transport: str
) -> None:
    door = await club.visitor(transport, {"token": club.token(player, seconds=2)})

    assert await door.hears("auth:expired") == {"graceMs": GRACE_S * 1000}
    await until(lambda: is_anonymous(club, door), "the rooms are left")

    assert await heard(club, door, player) == []
    ack = await door.ask("user:identify", {"userId": player.id})
    assert refused(ack, "unauthorized")
    await door.close()


async def test_fresh_token_within_the_grace_keeps_the_rooms(
    club: Club, player: Person
) -> None:
    short = {"token": club.token(player, seconds=2)}
    renewed, forgotten = [await club.visitor("websocket", short) for _ in range(2)]
    await renewed.hears("auth:expired")

    ack = await renewed.ask("user:identify", {"userId": player.id, "token": player.token})

    assert ack == {"success": True, "userId": player.id}
    # The other socket had the same token: when its grace is over, so is that of the first.
    await until(lambda: is_anonymous(club, forgotten), "the grace is over")
    assert await heard(club, renewed, player) == [balance_of(player)]
    assert await heard(club, forgotten, player) == []
    await renewed.close()
    await forgotten.close()


async def test_fresh_token_before_the_old_one_ends_is_never_told_to_expire(
    club: Club, player: Person
) -> None:
    short = {"token": club.token(player, seconds=2)}
    renewed, forgotten = [await club.visitor("websocket", short) for _ in range(2)]
    await renewed.ask("user:identify", {"userId": player.id, "token": player.token})

    await forgotten.hears("auth:expired")

    assert await heard(club, renewed, player) == [balance_of(player)]
    await renewed.close()
    await forgotten.close()


async def test_old_token_does_not_take_back_what_a_fresh_one_gave(
    club: Club, player: Person
) -> None:
    other = await club.person()
    door = await club.visitor("websocket", {"token": club.token(player, seconds=2)})
    witness = await club.visitor("websocket", {"token": club.token(player, seconds=2)})
    await door.hears("auth:expired")

    # A shared computer: the next member signs in where the first one's token has ended.
    await door.ask("user:identify", {"userId": other.id, "token": other.token})
    await until(lambda: is_anonymous(club, witness), "the grace is over")

    assert await heard(club, door, player, other) == [balance_of(other)]
    await door.close()
    await witness.close()


async def test_who_takes_what_was_missed_for_longer_than_the_token_lives_is_told_no_more_of_it(
    club: Club, player: Person
) -> None:
    start = await here(club)
    await tell_much(club, player)
    await club.settled()
    token = club.token(player, seconds=3)
    witness = await club.visitor("websocket", {"token": token})
    page = RawPage()
    await page.come(club)
    page.stop_reading()
    me = {"userId": player.id, "token": token, "after": start}
    await page.say("421" + json.dumps(["user:identify", me]))

    await until(lambda: is_anonymous(club, witness), "the grace is over")

    page.read_again()
    while not page.acks:
        await page.step()
    assert refused(page.acks[1], "token_expired")
    assert len(page.heard) < 501
    await page.go()
    await witness.close()
