"""Dialogs over HTTP: who may what, what is unread, what is written once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from server.config import MAX_TEXT, Config
from tests.club import Club, Person
from tests.conftest import make_config
from tests.dialogs import begins, entry, messages, people, posts, reads, seat, unread, writes
from tests.http.conftest import somebody_waits
from tests.notices import listed, noted

MEMBERS, BEGUN, JOINED, SUBJECT, TEXT = 3, 4, 2, 20, 50


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(
        dsn,
        tmp_path_factory.mktemp("var"),
        dialog_members_max=MEMBERS,
        dialogs_begun_max=BEGUN,
        dialogs_joined_max=JOINED,
        dialog_subject_max=SUBJECT,
        dialog_text_max=TEXT,
        messages_burst=10_000,
    )


# --- who may what ----------------------------------------------------------------------------


def doors(dialog: Any, message: Any, member: Person) -> list[tuple[str, str, Any]]:
    """Every way into a dialog that is not for staff alone."""
    path = f"/api/dialogs/{dialog['id']}"
    return [
        ("GET", path, None),
        ("GET", f"{path}/messages", None),
        ("GET", f"{path}/messages?before={message['id'] + 1}&limit=1", None),
        ("POST", f"{path}/messages", {"text": "Let me in"}),
        ("POST", f"{path}/messages", {"text": "Let me in", "internal": True}),
        ("POST", f"{path}/read", {"messageId": message["id"]}),
        ("DELETE", f"{path}/members/{member.id}", None),
    ]


async def test_stranger_is_told_of_a_dialog_as_if_it_did_not_exist(club: Club) -> None:
    player, stranger, _ = await people(club)
    dialog = await begins(player, text="Private")
    absent = {"id": 2**53 - 1}
    for method, path, body in doors(dialog, dialog["lastMessage"], player):
        there = await stranger.call(method, path, body)
        nowhere = path.replace(f"/dialogs/{dialog['id']}", f"/dialogs/{absent['id']}")
        elsewhere = await stranger.call(method, nowhere, body)
        assert there.status == elsewhere.status == 404, (method, path, there.body)
        there.body.pop("requestId"), elsewhere.body.pop("requestId")
        assert there.body == elsewhere.body
        assert there["code"] == "not_found"
        assert (await club.call(method, path, body)).status == 401
    assert await entry(stranger, dialog) is None
    assert [m["text"] for m in await messages(player, dialog)] == ["Private"]
    assert await unread(player, dialog) == 0


async def test_stranger_neither_waits_for_a_dialog_nor_keeps_others_waiting(
    club: Club, database: Any
) -> None:
    """Or the time of the answer tells that there is one, and anybody can stop it."""
    player, stranger, _ = await people(club)
    dialog = await begins(player)
    async with database.transaction():
        await database.execute("SELECT FROM dialogs WHERE id = $1 FOR UPDATE", dialog["id"])
        for method, path, body in doors(dialog, dialog["lastMessage"], player):
            assert (await stranger.call(method, path, body)).status == 404


async def test_only_staff_edit_a_dialog_or_let_people_in(club: Club) -> None:
    player, stranger, staff = await people(club)
    dialog = await begins(player)
    path = f"/api/dialogs/{dialog['id']}"
    asked = [
        ("PATCH", path, {"status": "resolved"}),
        ("PUT", f"{path}/members/{stranger.id}", None),
    ]
    for method, place, body in asked:
        for person in (player, stranger):
            assert (await person.call(method, place, body)).status == 403
        assert (await club.call(method, place, body)).status == 401
    assert (await entry(player, dialog)) == dialog

    done = await staff.call("PATCH", path, {"status": "pending", "assigneeId": staff.id})
    assert done.status == 200
    assert (await entry(player, dialog))["status"] == "pending"
    assert (await entry(player, dialog))["assignee"]["username"] == staff.username
    nobody = await staff.call("PATCH", path, {"assigneeId": None})
    assert (nobody["dialog"]["assignee"], nobody["dialog"]["status"]) == (None, "pending")
    wrong = await staff.call("PATCH", path, {"assigneeId": player.id})
    assert (wrong.status, wrong["code"]) == (400, "assignee_not_staff")
    assert (await staff.call("PATCH", path, {})).status == 400
    assert (await staff.call("PATCH", path, {"status": "gone"})).status == 400


async def test_staff_see_every_dialog_and_players_their_own(club: Club) -> None:
    player, stranger, staff = await people(club)
    mine, theirs = await begins(player, subject="Mine"), await begins(stranger)

    assert (mine["subject"], mine["status"], mine["assignee"]) == ("Mine", "open", None)
    assert mine["members"] == [
        {"id": player.id, "username": player.username, "role": "member"}
    ]
    listed = [each["id"] for each in (await staff.get("/api/dialogs"))["dialogs"]]
    assert listed[:2] == [theirs["id"], mine["id"]]
    assert [each["id"] for each in (await player.get("/api/dialogs"))["dialogs"]] == [mine["id"]]
    assert (await unread(staff, mine), await unread(player, mine)) == (1, 0)

    await staff.call("PATCH", f"/api/dialogs/{mine['id']}", {"status": "resolved"})
    for person, expected in ((staff, True), (player, True), (stranger, False)):
        found = (await person.get("/api/dialogs?status=resolved"))["dialogs"]
        assert (mine["id"] in [each["id"] for each in found]) == expected


async def test_dialog_by_its_number_is_the_entry_of_the_readers_list(club: Club) -> None:
    player, _, staff = await people(club)
    dialog = await begins(player, subject="Mine")
    await writes(staff, dialog, "Known to us", internal=True)
    for person in (player, staff):
        found = (await person.get(f"/api/dialogs/{dialog['id']}"))["dialog"]
        assert found == await entry(person, dialog)
        assert found["lastMessage"]["internal"] == (person is staff)


async def test_staff_find_what_is_theirs_and_what_is_nobodys(club: Club) -> None:
    player, _, staff = await people(club)
    colleague = await club.person(role="staff", has_password=False)
    mine, theirs, free, done = [await begins(player) for _ in range(4)]
    for person, dialog in ((staff, mine), (colleague, theirs), (staff, done)):
        given = {"assigneeId": person.id}
        await staff.call("PATCH", f"/api/dialogs/{dialog['id']}", given)
    await staff.call("PATCH", f"/api/dialogs/{done['id']}", {"status": "resolved"})

    async def found(query: str) -> list[int]:
        answer = await staff.get(f"/api/dialogs?{query}")
        ids = {each["id"] for each in (mine, theirs, free, done)}
        return [each["id"] for each in answer["dialogs"] if each["id"] in ids]

    assert await found("assignee=me") == [done["id"], mine["id"]]
    assert await found("assignee=me&status=open") == [mine["id"]]
    assert await found("assignee=none") == [free["id"]]
    assert await found("assignee=none&status=resolved") == []
    assert (await player.get("/api/dialogs?assignee=me")).status == 403
    assert (await staff.get("/api/dialogs?assignee=7")).status == 400


async def test_member_who_has_left_is_a_stranger(club: Club) -> None:
    player, other, staff = await people(club)
    dialog = await begins(player, other)
    message = await writes(other, dialog, "Here I am")

    left = f"/api/dialogs/{dialog['id']}/members/{other.id}"
    assert (await player.call("DELETE", left)).status == 403
    assert (await other.call("DELETE", left)).status == 200
    assert (await other.call("DELETE", left)).status == 404
    for method, path, body in doors(dialog, message, player):
        assert (await other.call(method, path, body)).status == 404
    assert await entry(other, dialog) is None
    assert [m["id"] for m in (await entry(player, dialog))["members"]] == [player.id]

    await writes(player, dialog, "Gone?")
    await seat(staff, dialog, other, taken=True)
    await seat(staff, dialog, other, taken=True)
    assert await unread(other, dialog) == 0
    assert len(await messages(other, dialog)) == 3
    await writes(player, dialog, "Welcome back")
    assert await unread(other, dialog) == 1


# --- notes -----------------------------------------------------------------------------------


async def test_note_leaves_no_trace_for_players(club: Club) -> None:
    player, _, staff = await people(club)
    dialog = await begins(player)
    answer = await writes(staff, dialog, "We look into it")
    before = (await entry(player, dialog), await messages(player, dialog))

    note = await writes(staff, dialog, "A known cheater", internal=True, localId="n1")

    assert note["internal"] is True
    assert (await entry(player, dialog), await messages(player, dialog)) == before
    at_note = {"messageId": note["id"]}
    refused = await player.post(f"/api/dialogs/{dialog['id']}/read", at_note)
    assert (refused.status, refused["code"]) == (404, "not_found")
    assert await reads(player, answer) == 0
    page = await player.get(f"/api/dialogs/{dialog['id']}/messages?before={note['id'] + 1}&limit=1")
    assert [m["id"] for m in page["messages"]] == [answer["id"]]

    seen = await entry(staff, dialog)
    assert (seen["lastMessage"], seen["unread"]) == (note, 0)
    assert [m["text"] for m in await messages(staff, dialog)] == [
        "A known cheater",
        "We look into it",
        "Hello",
    ]
    mine = await posts(player, dialog, "Me too", internal=True)
    assert (mine.status, mine["code"]) == (403, "forbidden")
    assert await unread(staff, dialog) == 0


async def test_note_does_not_reopen_and_is_not_counted_for_players(club: Club) -> None:
    player, _, staff = await people(club)
    dialog = await begins(player)
    path = f"/api/dialogs/{dialog['id']}"
    await staff.call("PATCH", path, {"status": "resolved"})
    await writes(staff, dialog, "Done", internal=True)
    await writes(staff, dialog, "Goodbye")
    assert (await entry(player, dialog))["status"] == "resolved"
    assert await unread(player, dialog) == 1
    await writes(player, dialog, "One more thing")
    assert (await entry(player, dialog))["status"] == "open"
    assert await unread(staff, dialog) == 1
    assert await unread(player, dialog) == 0


async def test_what_happens_after_a_note_tells_players_nothing_of_it(club: Club) -> None:
    player, other, staff = await people(club)
    dialog = await begins(player)
    answer = await writes(staff, dialog, "We look into it")
    cursor = (await club.call("GET", "/api/updates"))["cursor"]
    await writes(staff, dialog, "A known cheater", internal=True)

    path = f"/api/dialogs/{dialog['id']}"
    await staff.call("PATCH", path, {"status": "pending", "assigneeId": staff.id})
    await seat(staff, dialog, other, taken=True)
    await reads(player, answer)
    await seat(staff, dialog, other, taken=False)

    for person in (player, other):
        told = (await person.get(f"/api/updates?after={cursor}"))["events"]
        updates = [each["data"] for each in told if each["event"] == "dialog_update"]
        assert len(updates) >= 1
        assert all(each["lastMessage"] == answer for each in updates)
        assert "cheater" not in str(told)
    assert updates[-1]["unread"] == 0


async def test_note_is_gone_for_who_wrote_it_and_is_not_staff_any_more(club: Club) -> None:
    player, _, staff = await people(club)
    dialog = await begins(player, staff)
    await writes(staff, dialog, "A known cheater", internal=True, localId="n1")
    before = await messages(player, dialog)

    await club.give_role(staff, "member")

    assert await messages(staff, dialog) == before
    assert (await entry(staff, dialog))["lastMessage"] == before[0]
    for internal in (False, True):
        again = await posts(staff, dialog, "A known", localId="n1", internal=internal)
        assert (again.status, again["code"]) == (403, "forbidden")
    assert await messages(player, dialog) == before


# --- written once ----------------------------------------------------------------------------


async def test_message_with_a_local_id_is_written_once_however_often_it_is_sent(
    club: Club,
) -> None:
    player, _, staff = await people(club)
    dialog = await begins(player)

    answers = await asyncio.gather(
        *(posts(player, dialog, "Only once", localId="x-1") for _ in range(20))
    )

    assert {answer.status for answer in answers} == {201}
    assert len({str(answer["message"]) for answer in answers}) == 1
    assert answers[0]["message"]["localId"] == "x-1"
    late = await posts(player, dialog, "Something else", localId="x-1")
    assert late["message"] == answers[0]["message"]
    assert [m["text"] for m in await messages(player, dialog)] == ["Only once", "Hello"]
    assert await unread(staff, dialog) == 2
    # It is the sender's own name for it.
    other = await writes(staff, dialog, "Mine", localId="x-1")
    assert other["id"] != answers[0]["message"]["id"]
    assert len(await messages(player, dialog)) == 3


# --- what is unread --------------------------------------------------------------------------


async def test_reading_goes_forward_only_and_counts_what_came_after(club: Club) -> None:
    player, _, staff = await people(club)
    dialog = await begins(player)
    sent = [await writes(staff, dialog, f"Answer {n}") for n in range(4)]

    assert await unread(player, dialog) == 4
    assert await reads(player, sent[1]) == 2
    assert await reads(player, sent[0]) == 2
    assert await unread(player, dialog) == 2
    assert await reads(player, sent[3]) == 0
    # One's own message takes one's place along.
    last = await writes(staff, dialog, "Another")
    await writes(player, dialog, "Thanks")
    assert await unread(player, dialog) == 0
    assert await unread(staff, dialog) == 1
    assert await reads(staff, last) == 1

    elsewhere = await begins(player)
    path = f"/api/dialogs/{elsewhere['id']}/read"
    wrong = await player.post(path, {"messageId": last["id"]})
    assert (wrong.status, wrong["code"]) == (404, "not_found")


async def test_staff_share_what_they_have_read(club: Club) -> None:
    player, _, staff = await people(club)
    colleague = await club.person(role="admin", has_password=False)
    dialog = await begins(player)
    assert (await unread(staff, dialog), await unread(colleague, dialog)) == (1, 1)
    later = await writes(player, dialog, "Anybody?")
    assert await reads(colleague, later) == 0
    assert await reads(staff, dialog["lastMessage"]) == 0
    assert (await unread(staff, dialog), await unread(colleague, dialog)) == (0, 0)


async def test_unread_is_right_after_sending_and_reading_in_parallel(club: Club) -> None:
    player, other, staff = await people(club)
    dialog = await begins(player, other)

    async def talk(person: Person, internal: bool) -> None:
        for number in range(8):
            sent = await writes(person, dialog, f"{number}", internal=internal)
            if number % 3 == 0:
                await reads(person, sent)

    await asyncio.gather(
        talk(player, False), talk(other, False), talk(staff, True), talk(staff, False)
    )

    everything = await messages(staff, dialog)
    public = await messages(other, dialog)
    assert len(everything) == 33 and len(public) == 25
    assert [m for m in everything if not m["internal"]] == public
    for person in (player, other):
        own = next(n for n, m in enumerate(public) if m["sender"]["id"] == person.id)
        assert await unread(person, dialog) == own
    own = next(n for n, m in enumerate(everything) if m["sender"]["id"] == staff.id)
    assert await unread(staff, dialog) == own


async def test_two_who_write_at_once_are_numbered_and_told_one_after_the_other(
    club: Club, database: Any
) -> None:
    """What the lock is for: held at the point where both would count the same."""
    player, other, _ = await people(club)
    dialog = await begins(player, other)
    cursor = (await club.call("GET", "/api/updates"))["cursor"]
    async with database.transaction():
        await database.execute("SELECT FROM dialogs WHERE id = $1 FOR UPDATE", dialog["id"])
        waiting = [
            asyncio.create_task(posts(person, dialog, "At once")) for person in (player, other)
        ]
        await somebody_waits(database, 1)
        # The second waits for the first, or for us.
    for answer in await asyncio.gather(*waiting):
        assert answer.status == 201
    numbers = await database.fetch(
        "SELECT number, public_number FROM messages WHERE dialog_id = $1 ORDER BY id", dialog["id"]
    )
    assert [tuple(row) for row in numbers] == [(1, 1), (2, 2), (3, 3)]
    told = (await player.get(f"/api/updates?after={cursor}"))["events"]
    written = list(reversed(await messages(player, dialog)))[1:]
    assert [e["data"] for e in told if e["event"] == "new_message"] == written
    updates = [e["data"] for e in told if e["event"] == "dialog_update"]
    assert [each["lastMessage"] for each in updates] == written
    assert updates[-1] == await entry(player, dialog)


# --- pages -----------------------------------------------------------------------------------


async def test_history_stands_still_while_new_messages_come(club: Club) -> None:
    player, _, staff = await people(club)
    dialog = await begins(player)
    for number in range(11):
        await writes(staff, dialog, f"{number}")
    whole = await messages(player, dialog)

    pages: list[Any] = []
    before = ""
    while True:
        page = await player.get(f"/api/dialogs/{dialog['id']}/messages?limit=5{before}")
        pages += page["messages"]
        await writes(staff, dialog, "Meanwhile")
        if page["next"] is None:
            break
        before = f"&before={page['next']}"

    assert pages == whole
    assert len(pages) == 12


async def test_list_pages_from_the_last_written_in(club: Club) -> None:
    player, _, staff = await people(club)
    made = [await begins(player, text=f"{n}") for n in range(BEGUN)]
    await writes(staff, made[0], "Up")
    expected = [made[0]["id"], *(each["id"] for each in reversed(made[1:]))]
    for person in (player, staff):
        first = await person.get("/api/dialogs?limit=2")
        second = await person.get(f"/api/dialogs?limit=2&before={first['next']}")
        found = [each["id"] for page in (first, second) for each in page["dialogs"]]
        assert found == expected


# --- bounds ----------------------------------------------------------------------------------


async def test_bounds_of_a_dialog_are_kept(club: Club) -> None:
    player, other, staff = await people(club)
    crowd = [await club.person(has_password=False) for _ in range(MEMBERS)]
    ids = [each.id for each in crowd]
    refused = {
        "too_many_members": {"text": "All", "memberIds": ids},
        "user_not_found": {"text": "You", "memberIds": [2**53 - 1]},
        "validation_failed": {"text": "a" * (TEXT + 1)},
    }
    for code, body in refused.items():
        assert (await player.post("/api/dialogs", body))["code"] == code
    for body in ({"text": " \n "}, {"text": "a", "subject": "s" * (SUBJECT + 1)}, {}):
        answer = await player.post("/api/dialogs", body)
        assert (answer.status, answer["code"]) == (400, "validation_failed")

    full = await begins(player, *crowd[: MEMBERS - 1])
    seat_of_other = f"/api/dialogs/{full['id']}/members/{other.id}"
    assert (await staff.call("PUT", seat_of_other))["code"] == "too_many_members"
    for _ in range(BEGUN - 1):
        await begins(player)
    assert (await player.post("/api/dialogs", {"text": "x"}))["code"] == "too_many_dialogs"
    long = await posts(player, full, "a" * (TEXT + 1))
    assert (long.status, list(long["fields"])) == (400, ["text"])
    assert (await posts(player, full, "a" * TEXT)).status == 201


async def test_documents_say_how_long_a_text_may_be_here(club: Club) -> None:
    made = (await club.call("GET", "/openapi.json"))["components"]["schemas"]
    told = (await club.call("GET", "/asyncapi.json"))["components"]["schemas"]
    new = made["NewDialog"]["properties"]
    chat = Config.chat_text_max
    assert (new["subject"]["maxLength"], new["text"]["maxLength"]) == (SUBJECT, TEXT)
    assert made["NewMessageBody"]["properties"]["text"]["maxLength"] == TEXT
    assert made["ChatBody"]["properties"]["text"]["maxLength"] == chat
    assert told["SendMessagePayload"]["properties"]["text"]["maxLength"] == TEXT
    assert told["SendChatPayload"]["properties"]["text"]["maxLength"] == chat
    # What was written before the setting was lowered may be longer.
    assert made["MessageView"]["properties"]["text"]["maxLength"] == MAX_TEXT


async def test_who_takes_a_member_into_many_dialogs_keeps_nobody_from_the_staff(
    club: Club,
) -> None:
    attacker, victim, staff = await people(club)
    named = {"text": "Spam", "memberIds": [victim.id]}
    for _ in range(JOINED):
        spam = await begins(attacker, victim)
    assert (await attacker.post("/api/dialogs", named))["code"] == "too_many_dialogs"

    help_ = await begins(victim, text="Help")
    assert await entry(staff, help_) is not None
    for number in range(BEGUN - 1):
        await begins(victim, text=f"{number}")
    # Neither what others did nor what he did himself keeps staff from talking to him.
    dialog = await begins(staff, victim, text="We saw it")
    await seat(staff, await begins(staff), victim, taken=True)
    assert await unread(victim, dialog) == 1
    assert (await victim.post("/api/dialogs", {"text": "More"}))["code"] == "too_many_dialogs"

    left = f"/api/dialogs/{spam['id']}/members/{victim.id}"
    assert (await victim.call("DELETE", left)).status == 200
    own = f"/api/dialogs/{help_['id']}/members/{victim.id}"
    assert (await victim.call("DELETE", own)).status == 200
    await begins(victim, text="Once more")


async def test_nobody_comes_to_be_in_more_dialogs_than_allowed_by_hurrying(club: Club) -> None:
    player, _, _ = await people(club)
    answers = await asyncio.gather(
        *(player.post("/api/dialogs", {"text": "Quick"}) for _ in range(BEGUN * 3))
    )
    assert [answer.status for answer in answers].count(201) == BEGUN
    assert len((await player.get("/api/dialogs"))["dialogs"]) == BEGUN


async def test_who_begins_dialogs_without_end_is_slowed_down_and_staff_are_not(
    dsn: str, tmp_path: Path
) -> None:
    """Leaving them again does not help: the staff's list fills all the same."""
    config = make_config(dsn, tmp_path, dialogs_burst=2, dialogs_per_minute=1.0)
    async with Club.open(config) as club:
        player, other, staff = await people(club)
        for _ in range(2):
            dialog = await begins(player)
            left = f"/api/dialogs/{dialog['id']}/members/{player.id}"
            assert (await player.call("DELETE", left)).status == 200
        refused = await player.post("/api/dialogs", {"text": "Spam"})
        assert (refused.status, refused["code"]) == (429, "too_many_requests")
        assert int(refused.headers["Retry-After"]) >= 1
        for _ in range(3):
            dialog = await begins(staff, player)
        assert (await posts(player, dialog, "Yes?")).status == 201
        await begins(other)


async def test_message_to_many_costs_more_than_one_to_few(dsn: str, tmp_path: Path) -> None:
    config = make_config(dsn, tmp_path, messages_burst=6, messages_per_minute=0.001)
    async with Club.open(config) as club:
        player, other, staff = await people(club)
        crowd = [await club.person(has_password=False) for _ in range(9)]
        few, many = await begins(staff, player, other), await begins(staff, player, *crowd)
        # One, and one more for the ten.
        sent = [(await posts(player, many, "All")).status for _ in range(4)]
        assert sent == [201, 201, 201, 429]
        sent = [(await posts(other, few, "You")).status for _ in range(7)]
        assert sent == [201] * 6 + [429]
        refused = await posts(player, many, "All")
        assert "Retry-After" in refused.headers
        assert len(await messages(staff, many)) == 4
        # Staff answer many at a time.
        assert [(await posts(staff, many, "We")).status for _ in range(4)] == [201] * 4


async def test_who_writes_all_day_is_told_when_to_go_on(dsn: str, tmp_path: Path) -> None:
    async with Club.open(make_config(dsn, tmp_path, messages_per_day=3)) as club:
        player, _, staff = await people(club)
        dialog = await begins(player)
        sent = [await posts(player, dialog, "Again") for _ in range(3)]
        assert [answer.status for answer in sent] == [201, 201, 429]
        assert 3600 <= int(sent[-1].headers["Retry-After"]) <= 8 * 3600
        assert [(await posts(staff, dialog, "We")).status for _ in range(4)] == [201] * 4


async def test_who_writes_too_fast_is_told_when_to_go_on(dsn: str, tmp_path: Path) -> None:
    config = make_config(dsn, tmp_path, messages_burst=3, messages_per_minute=1.0)
    async with Club.open(config) as club:
        player, other, _ = await people(club)
        dialog = await begins(player, other)
        answers = [await posts(player, dialog, "Spam") for _ in range(3)]
        assert [answer.status for answer in answers] == [201, 201, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        assert (await posts(other, dialog, "Not me")).status == 201


# --- what is told of it -----------------------------------------------------------------------


async def test_who_is_written_to_finds_one_notification_until_it_is_read(club: Club) -> None:
    player, stranger, staff = await people(club)
    dialog = await begins(player, stranger, subject="Table 4")
    await writes(staff, dialog, "Which lamp?")
    last = await writes(staff, dialog, "The left one?")
    await writes(staff, dialog, "He broke it himself", internal=True)

    reply = {
        "dialogId": dialog["id"],
        "subject": "Table 4",
        "messageId": last["id"],
        "sender": {"id": staff.id, "username": staff.username, "role": "staff"},
    }
    assert await noted(player) == await noted(stranger) == [("reply", reply)]
    assert await noted(staff) == []
    newest = (await listed(player))["notifications"][0]
    await player.post("/api/notifications/read", {"upTo": newest["id"]})
    again = await writes(stranger, dialog, "The left one")
    assert [data["messageId"] for _, data in await noted(player)] == [again["id"], last["id"]]
    assert [data["messageId"] for _, data in await noted(stranger)] == [last["id"]]
