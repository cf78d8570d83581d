"""People talk: with the staff, with each other, in the chat; who should hear it does, once."""

from typing import Any

from tests.club import Club, Door, Person
from tests.dialogs import begins, messages, people, reads, seat, unread, writes


async def told(club: Club, *doors: Door) -> list[list[tuple[str, Any]]]:
    """What each door has heard so far, once all have heard an end mark after it."""
    ends = [len(door.all("cases:updated")) for door in doors]
    await club.tell_everybody()
    for door, before in zip(doors, ends, strict=True):
        await door.hears("cases:updated", before + 2)
    return [[each for each in door.heard if each[0] != "cases:updated"] for door in doors]


async def come(door: str, *those: Person) -> list[Door]:
    return [await person.comes(door) for person in those]


async def leave(*those: Person) -> None:
    for person in those:
        await person.leave()


async def test_player_asks_and_staff_answer(club: Club, door: str) -> None:
    player, stranger, staff = await people(club)
    at_player, at_stranger, at_staff = await come(door, player, stranger, staff)

    dialog = await begins(player, subject="Mouse", text="My mouse is broken")
    question = dialog["lastMessage"]
    for_staff = dialog | {"unread": 1}
    note = await writes(staff, dialog, "He broke the last one, too", internal=True)
    answer = await writes(staff, dialog, "Take another", localId="a-1")
    again = await writes(staff, dialog, "Take another", localId="a-1")
    assert again == answer
    assert await unread(player, dialog) == 1
    assert await reads(player, answer) == 0
    path = f"/api/dialogs/{dialog['id']}"
    resolved = await staff.call("PATCH", path, {"status": "resolved", "assigneeId": staff.id})
    assert resolved.status == 200

    heard_by_player, heard_by_stranger, heard_by_staff = await told(
        club, at_player, at_stranger, at_staff
    )
    assert heard_by_stranger == []
    assert [name for name, _ in heard_by_player] == [
        "dialog:joined",
        "new_message",
        "dialog_update",
        "new_message",
        "dialog_update",
        "notification:new",
        "dialog_update",
        "dialog_update",
    ]
    assert [data for name, data in heard_by_player if name == "new_message"] == [question, answer]
    updates = [data for name, data in heard_by_player if name == "dialog_update"]
    assert [each["unread"] for each in updates] == [0, 1, 0, 0]
    assert [each["status"] for each in updates] == ["open", "open", "open", "resolved"]
    assert note["text"] not in str(heard_by_player)

    written = [data for name, data in heard_by_staff if name == "new_message"]
    assert written == [question, note, answer]
    updates = [data for name, data in heard_by_staff if name == "dialog_update"]
    assert updates[0] == for_staff
    assert updates[1]["lastMessage"] == note
    assert [each["unread"] for each in updates] == [1, 0, 0, 0]
    assert updates[-1] == resolved["dialog"]
    assert updates[-1] == (await staff.get("/api/dialogs?limit=1"))["dialogs"][0]
    await leave(player, stranger, staff)


async def test_members_talk_with_each_other_and_one_leaves(club: Club, door: str) -> None:
    player, other, staff = await people(club)
    at_player, at_other = await come(door, player, other)

    dialog = await begins(player, other, text="Tonight?")
    yes = await writes(other, dialog, "Yes")
    await told(club, at_player, at_other)
    path = f"/api/dialogs/{dialog['id']}/members/{other.id}"
    assert (await other.call("DELETE", path)).status == 200
    alone = await writes(player, dialog, "Hello?")
    await told(club, at_player, at_other)
    await seat(staff, dialog, other, taken=True)
    back = await writes(player, dialog, "There you are")

    heard_by_player, heard_by_other = await told(club, at_player, at_other)
    for heard, expected in (
        (heard_by_player, [dialog["lastMessage"], yes, alone, back]),
        (heard_by_other, [dialog["lastMessage"], yes, back]),
    ):
        assert [data for name, data in heard if name == "new_message"] == expected
    moves = [each for each in heard_by_other if each[0] in ("dialog:joined", "dialog:left")]
    assert moves == [
        ("dialog:joined", {"dialogId": dialog["id"]}),
        ("dialog:left", {"dialogId": dialog["id"]}),
        ("dialog:joined", {"dialogId": dialog["id"]}),
    ]
    assert [m["text"] for m in await messages(other, dialog)] == [
        "There you are",
        "Hello?",
        "Yes",
        "Tonight?",
    ]
    await leave(player, other)


async def test_chat_is_heard_by_all_and_kept_clean(club: Club, door: str) -> None:
    player, other, staff = await people(club)
    at_player, at_other = await come(door, player, other)

    said = (await player.post("/api/chat", {"text": "<b>Hi</b>"}))["message"]
    assert (await staff.call("DELETE", f"/api/chat/{said['id']}")).status == 200
    await staff.post("/api/chat/mutes", {"userId": player.id, "minutes": 1})
    assert (await player.post("/api/chat", {"text": "Again"}))["code"] == "muted"
    replied = (await other.post("/api/chat", {"text": "What was that?"}))["message"]

    for heard in await told(club, at_player, at_other):
        assert heard == [
            ("chat:message", said),
            ("chat:removed", {"id": said["id"]}),
            ("chat:message", replied),
        ]
    shown = (await other.get("/api/chat?limit=1"))["messages"]
    assert shown == [replied]
    await leave(player, other)
