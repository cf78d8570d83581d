"""The club's chat: who may write, read, remove and mute, and that text is text."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from server.config import Config
from tests.club import Answer, Club, Person, SocketDoor, until
from tests.conftest import make_config
from tests.dialogs import people
from tests.http.conftest import somebody_waits

TEXT, BURST = 40, 5


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(dsn, tmp_path_factory.mktemp("var"), chat_text_max=TEXT, chat_burst=1000)


async def says(person: Person, text: str) -> Any:
    answer = await person.post("/api/chat", {"text": text})
    assert answer.status == 201, answer.body
    return answer["message"]


async def read(club: Club, query: str = "") -> Answer:
    answer = await club.call("GET", f"/api/chat{query}")
    assert answer.status == 200, answer.body
    return answer


async def test_everybody_reads_and_members_write(club: Club) -> None:
    player, _, _ = await people(club)
    text = "<script>alert(1)</script> & 'so' \"on\""
    said = await says(player, f"  {text} ")
    assert said["user"] == {"id": player.id, "username": player.username}
    assert said["text"] == text
    assert (await read(club, "?limit=1"))["messages"] == [said]
    assert (await club.call("POST", "/api/chat", {"text": "Hi"})).status == 401
    for text in ("", "  ", "a\u0000b", "a" * (TEXT + 1)):
        refused = await player.post("/api/chat", {"text": text})
        assert (refused.status, list(refused["fields"])) == (400, ["text"])
    assert (await read(club, "?limit=1"))["messages"] == [said]


async def test_chat_pages_backwards_while_others_write(club: Club) -> None:
    player, _, _ = await people(club)
    for number in range(7):
        await says(player, f"{number}")
    first = await read(club, "?limit=3")
    await says(player, "Meanwhile")
    second = await read(club, f"?limit=4&before={first['next']}")
    texts = [line["text"] for page in (first, second) for line in page["messages"]]
    assert texts == ["6", "5", "4", "3", "2", "1", "0"]


async def test_only_staff_remove_a_message_and_it_is_gone(club: Club) -> None:
    player, stranger, staff = await people(club)
    bad, good = await says(player, "Bad word"), await says(player, "Good word")
    path = f"/api/chat/{bad['id']}"
    for person in (player, stranger):
        assert (await person.call("DELETE", path)).status == 403
    assert (await club.call("DELETE", path)).status == 401
    assert bad in (await read(club))["messages"]

    assert (await staff.call("DELETE", path)).status == 200
    again = await staff.call("DELETE", path)
    assert (again.status, again["code"]) == (404, "not_found")
    shown = (await read(club))["messages"]
    assert bad not in shown and good in shown


async def test_muted_member_reads_and_does_not_write_until_it_is_over(club: Club) -> None:
    player, stranger, staff = await people(club)
    body = {"userId": player.id, "minutes": 5}
    for person in (player, stranger):
        assert (await person.post("/api/chat/mutes", body)).status == 403
    assert (await club.call("POST", "/api/chat/mutes", body)).status == 401
    muted = await staff.post("/api/chat/mutes", body)
    assert muted.status == 200

    refused = await player.post("/api/chat", {"text": "Let me"})
    assert (refused.status, refused["code"]) == (403, "muted")
    assert muted["until"] in refused["error"]
    await says(stranger, "I may")
    await says(staff, "Me too")

    assert (await staff.post("/api/chat/mutes", body | {"minutes": 0})).status == 200
    await says(player, "Free")
    for wrong, status in (
        ({"userId": staff.id, "minutes": 1}, 403),
        ({"userId": 2**53 - 1, "minutes": 1}, 404),
        ({"userId": player.id, "minutes": -1}, 400),
        ({"userId": player.id, "minutes": 10**9}, 400),
    ):
        assert (await staff.post("/api/chat/mutes", wrong)).status == status


async def test_who_is_muted_has_written_the_last_line(club: Club, database: Any) -> None:
    """Held at the point where a line could be written after the mute was answered."""
    player, _, staff = await people(club)
    async with database.transaction():
        await database.execute("SELECT pg_advisory_xact_lock(3, 0)")
        mute = asyncio.create_task(
            staff.post("/api/chat/mutes", {"userId": player.id, "minutes": 5})
        )
        await somebody_waits(database, 1)
        late = asyncio.create_task(player.post("/api/chat", {"text": "Too late"}))

        async def both_wait() -> bool:
            query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            return bool(await database.fetchval(query) == 2)

        await until(both_wait, "the line waits behind the mute")
    assert (await mute).status == 200
    assert (await late)["code"] == "muted"


async def test_lines_are_told_in_the_order_of_their_ids(club: Club) -> None:
    writers = [await club.person(has_password=False) for _ in range(6)]
    cursor = (await club.call("GET", "/api/updates"))["cursor"]

    async def chatter(person: Person) -> None:
        for number in range(10):
            await says(person, f"{number}")

    await asyncio.gather(*map(chatter, writers))

    page = await club.call("GET", f"/api/updates?after={cursor}")
    told = [e["data"]["id"] for e in page["events"] if e["event"] == "chat:message"]
    assert len(told) == 60
    assert told == sorted(told)
    assert told == [line["id"] for line in reversed((await read(club, "?limit=60"))["messages"])]


async def test_who_writes_too_fast_is_told_when_to_go_on(dsn: str, tmp_path: Path) -> None:
    async with Club.open(make_config(dsn, tmp_path)) as club:
        player, other, _ = await people(club)
        answers = [await player.post("/api/chat", {"text": "Spam"}) for _ in range(BURST + 1)]
        assert [answer.status for answer in answers] == [201] * BURST + [429]
        # Ten a minute.
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 6
        door = await player.comes("websocket")
        ack = await door.ask("chat:send", {"text": "By another door"})
        assert (ack["success"], ack["code"]) == (False, "too_many_requests")
        await says(other, "Not me")


async def test_service_has_no_part_in_the_chat_at_any_door(club: Club) -> None:
    service = await club.person(role="service", has_password=False)
    assert (await service.post("/api/chat", {"text": "Buy"})).status == 403
    door = await service.comes("websocket")
    ack = await door.ask("chat:send", {"text": "Buy"})
    assert (ack["success"], ack["code"]) == (False, "forbidden")
    await service.leave()


async def test_line_by_socket_is_the_same_as_by_http(club: Club) -> None:
    player, stranger, staff = await people(club)
    door = await player.comes("websocket")
    ack = await door.ask("chat:send", {"text": "By socket"})
    assert ack["success"] is True
    assert ack["message"] == await door.hears("chat:message")
    assert (await read(club, "?limit=1"))["messages"] == [ack["message"]]
    await staff.post("/api/chat/mutes", {"userId": player.id, "minutes": 1})
    assert (await door.ask("chat:send", {"text": "Hm"}))["code"] == "muted"
    assert (await door.ask("chat:send", {"text": " "}))["code"] == "validation_failed"
    await player.leave()
    guest = await club.visitor("websocket")
    assert (await guest.ask("chat:send", {"text": "Hi"}))["code"] == "unauthorized"
    await guest.close()


@pytest.mark.parametrize("door", ["updates", "websocket"])
async def test_what_was_removed_is_not_told_later_to_who_was_away(club: Club, door: str) -> None:
    player, _, staff = await people(club)
    before = (await club.call("GET", "/api/updates"))["cursor"]
    kept = await says(player, "Kept")
    gone = await says(player, "Gone")
    await club.settled()
    assert (await staff.call("DELETE", f"/api/chat/{gone['id']}")).status == 200
    await club.settled()

    if door == "updates":
        page = await club.call("GET", f"/api/updates?after={before}")
        told = [(event["event"], event["data"]) for event in page["events"]]
    else:
        socket = SocketDoor(club, door, {"token": player.token, "after": before})
        await socket.open()
        await socket.hears("chat:removed")
        told = socket.heard
        await socket.close()
    chat = [(name, data) for name, data in told if name.startswith("chat:")]
    assert chat == [
        ("chat:message", kept),
        ("chat:message", gone | {"text": ""}),
        ("chat:removed", {"id": gone["id"]}),
    ]
