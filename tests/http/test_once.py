"""What is begun, said or added under an Idempotency-Key is so once, however often it is asked."""

import asyncio
from typing import Any

import pytest

from tests.club import Answer, Club, Person
from tests.events import event
from tests.http.conftest import somebody_waits
from tests.notices import noted

PATHS = ("/api/dialogs", "/api/chat", "/api/events")


def said(path: str, guest: Person, word: str = "Once") -> Any:
    """A body for each of the paths that concerns somebody else, too, where there is one."""
    return {
        "/api/dialogs": {"text": word, "memberIds": [guest.id]},
        "/api/chat": {"text": word},
        "/api/events": event(title=word, invite=[guest.id]),
    }[path]


async def made(path: str, person: Person) -> int:
    """How many things the person has made there."""
    if path == "/api/dialogs":
        return len((await person.get(path))["dialogs"])
    if path == "/api/chat":
        lines = (await person.get(path))["messages"]
        return sum(line["user"]["id"] == person.id for line in lines)
    events = (await person.get(f"{path}?from=2031-05-01T00:00:00Z"))["events"]
    return sum(each["owner"]["id"] == person.id for each in events)


async def asks(person: Person, path: str, body: Any, key: str = "k-1") -> Answer:
    return await person.post(path, body, headers={"Idempotency-Key": key})


@pytest.fixture
async def guest(club: Club) -> Person:
    return await club.person(has_password=False)


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_asked_twice_under_a_key_is_made_and_told_once(
    club: Club, player: Person, guest: Person, path: str
) -> None:
    cursor = (await club.call("GET", "/api/updates"))["cursor"]
    body = said(path, guest)
    first = await asks(player, path, body)
    again = await asks(player, path, body)

    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert await made(path, player) == 1
    assert len(await noted(guest)) == (path != "/api/chat")
    told = (await guest.get(f"/api/updates?after={cursor}"))["events"]
    names = [each["event"] for each in told]
    assert names and len(names) == len(set(names))

    other = await asks(player, path, said(path, guest, "Something else"))
    assert (other.status, other["code"]) == (422, "idempotency_key_reused")
    assert (await asks(player, path, body, "k-2")).status == 201
    assert await made(path, player) == 2


@pytest.mark.parametrize("path", PATHS)
async def test_key_that_came_at_once_from_everywhere_makes_one_thing(
    player: Person, guest: Person, path: str
) -> None:
    body = said(path, guest)
    answers = await asyncio.gather(*(asks(player, path, body, "at once") for _ in range(5)))

    assert {answer.status for answer in answers} <= {201, 409}
    good = [answer.body for answer in answers if answer.status == 201]
    assert good and all(each == good[0] for each in good)
    assert await made(path, player) == 1


async def test_dialog_whose_beginning_is_under_way_is_not_begun_again(
    player: Person, guest: Person, database: Any
) -> None:
    body = said("/api/dialogs", guest)
    async with database.transaction():
        # The first has its key and stands at the members' rows.
        await database.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", guest.id)
        first = asyncio.create_task(asks(player, "/api/dialogs", body))
        await somebody_waits(database)
        second = await asks(player, "/api/dialogs", body)
        assert (second.status, second["code"]) == (409, "idempotency_in_progress")
        assert not first.done()
    assert (await first).status == 201
    assert (await asks(player, "/api/dialogs", body)).body == (await first).body


async def test_refused_line_leaves_its_key_free(club: Club, player: Person) -> None:
    staff = await club.person(role="staff", has_password=False)
    mutes = "/api/chat/mutes"
    await staff.post(mutes, {"userId": player.id, "minutes": 5})
    assert (await asks(player, "/api/chat", {"text": "Hm"}))["code"] == "muted"
    await staff.post(mutes, {"userId": player.id, "minutes": 0})
    assert (await asks(player, "/api/chat", {"text": "Hm"})).status == 201


async def test_key_is_its_members_own(player: Person, guest: Person) -> None:
    mine = await asks(player, "/api/dialogs", {"text": "Mine"})
    theirs = await asks(guest, "/api/dialogs", {"text": "Theirs"})
    assert (mine.status, theirs.status) == (201, 201)
    assert mine["dialog"]["id"] != theirs["dialog"]["id"]


async def test_document_says_where_a_key_is_taken(club: Club) -> None:
    paths = (await club.call("GET", "/openapi.json"))["paths"]
    for path in (*PATHS, "/api/cases/open"):
        operation = paths[path]["post"]
        assert "Idempotency-Key" in [each["name"] for each in operation["parameters"]]
        assert "`idempotency_in_progress`" in operation["responses"]["409"]["description"]
        assert "`idempotency_key_reused`" in operation["responses"]["422"]["description"]
