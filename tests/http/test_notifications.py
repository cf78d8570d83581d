"""Notifications: one list a member, the same everywhere, read on all devices alike."""

import asyncio
from typing import Any

import pytest

from server.config import Config
from tests.club import Club, Person, line
from tests.conftest import make_config
from tests.http.conftest import somebody_waits, somebody_waits_second
from tests.notices import listed, noted, told
from tests.payments import signed_callback

MOST = 10


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(dsn, tmp_path_factory.mktemp("var"), notifications_max=MOST)


async def read(person: Person, up_to: int) -> Any:
    answer = await person.post("/api/notifications/read", {"upTo": up_to})
    assert answer.status == 200, answer.body
    return answer


async def ids(person: Person, query: str = "") -> list[int]:
    return [each["id"] for each in (await listed(person, query))["notifications"]]


# --- the list --------------------------------------------------------------------------------


async def test_list_of_one_who_was_never_told_anything_is_empty(
    club: Club, player: Person
) -> None:
    answer = await listed(player)
    assert answer.status == 200
    assert (answer["notifications"], answer["unread"], answer["cursor"]) == ([], 0, "0")
    assert (await read(player, 1))["unread"] == 0


async def test_newest_comes_first_and_the_counts_agree_everywhere(
    club: Club, player: Person
) -> None:
    await told(club, player, ("reply", {"dialogId": 1}, None), ("reminder", {}, None))
    await told(club, player, ("promoted", {"title": "Кубок"}, None))

    answer = await listed(player)
    assert [each["kind"] for each in answer["notifications"]] == ["promoted", "reminder", "reply"]
    assert answer["notifications"][0].keys() == {"id", "kind", "data", "at", "read"}
    assert answer["notifications"][0]["data"] == {"title": "Кубок"}
    assert answer["unread"] == (await player.get("/api/me"))["unread"] == 3
    assert answer["cursor"] == str(answer["notifications"][0]["id"])


async def test_after_brings_what_is_newer_and_before_what_is_older(
    club: Club, player: Person
) -> None:
    await told(club, player, *[("reply", {"n": n}, None) for n in range(3)])
    cursor = (await listed(player))["cursor"]
    assert await ids(player, f"?after={cursor}") == []
    await told(club, player, *[("reply", {"n": n}, None) for n in range(3, 7)])

    every = await ids(player)
    assert await ids(player, f"?after={cursor}") == every[:4]
    assert await ids(player, f"?after={cursor}&limit=2") == every[:2]
    assert await ids(player, f"?after={cursor}&before={every[1]}&limit=10") == every[2:4]


@pytest.mark.parametrize("after", ["", "x", "-1", "01", "1.5", "9" * 16, "９"])
async def test_cursor_that_is_not_of_the_list_is_called_so(player: Person, after: str) -> None:
    answer = await listed(player, f"?after={after}")
    assert (answer.status, answer["code"]) == (400, "bad_cursor")


async def test_lists_are_their_owners_alone(club: Club, player: Person) -> None:
    others = [await club.person(role=role, has_password=False) for role in ("member", "staff")]
    await told(club, player, ("reply", {"dialogId": 1}, None))
    newest = (await ids(player))[0]

    for other in others:
        assert await ids(other) == []
        assert (await read(other, newest))["unread"] == 0
    assert (await listed(player))["unread"] == 1
    for method, path in [
        ("GET", "/api/notifications"),
        ("POST", "/api/notifications/read"),
        ("GET", "/api/notifications/preferences"),
        ("PUT", "/api/notifications/preferences"),
    ]:
        answer = await club.call(method, path, {} if method != "GET" else None)
        assert (answer.status, answer["code"]) == (401, "unauthorized")


async def test_list_is_bounded_and_the_oldest_go(club: Club, player: Person) -> None:
    await told(club, player, *[("reply", {"n": n}, None) for n in range(4)])
    await read(player, (await ids(player))[2])
    await told(club, player, *[("reply", {"n": n}, None) for n in range(4, 4 + MOST - 1)])

    answer = await listed(player)
    assert [each["data"]["n"] for each in answer["notifications"]] == list(range(12, 2, -1))
    assert answer["unread"] == MOST


async def test_list_longer_than_the_bound_in_one_go_keeps_its_newest(
    club: Club, player: Person
) -> None:
    await told(club, player, *[("reply", {"n": n}, None) for n in range(2 * MOST)])
    answer = await listed(player)
    assert [each["data"]["n"] for each in answer["notifications"]] == list(range(19, 9, -1))
    assert answer["unread"] == MOST


# --- keys ------------------------------------------------------------------------------------


async def test_unread_one_of_the_same_key_is_replaced_and_moves_up(
    club: Club, player: Person
) -> None:
    await told(club, player, ("reply", {"n": 1}, "dialog:1"), ("reminder", {}, None))
    first = await ids(player)
    await told(club, player, ("reply", {"n": 2}, "dialog:1"))

    answer = await listed(player)
    assert [each["data"] for each in answer["notifications"]] == [{"n": 2}, {}]
    assert answer["unread"] == 2
    assert answer["notifications"][0]["id"] > max(first)


async def test_read_one_of_the_same_key_stays(club: Club, player: Person) -> None:
    await told(club, player, ("reply", {"n": 1}, "dialog:1"))
    await read(player, (await ids(player))[0])
    await told(club, player, ("reply", {"n": 2}, "dialog:1"))

    answer = await listed(player)
    assert [(each["data"]["n"], each["read"]) for each in answer["notifications"]] == [
        (2, False),
        (1, True),
    ]
    assert answer["unread"] == 1


async def test_two_of_one_key_at_once_leave_one(
    club: Club, player: Person, database: Any
) -> None:
    await told(club, player, ("reply", {"n": 0}, "dialog:1"))
    hold = database.transaction()
    await hold.start()
    await database.execute(
        "SELECT FROM notification_heads WHERE user_id = $1 FOR UPDATE", player.id
    )
    both = [
        asyncio.create_task(told(club, player, ("reply", {"n": n}, "dialog:1"))) for n in (1, 2)
    ]
    await somebody_waits_second(database)
    await hold.rollback()
    await asyncio.gather(*both)

    answer = await listed(player)
    assert len(answer["notifications"]) == answer["unread"] == 1


# --- reading ---------------------------------------------------------------------------------


async def test_reading_is_monotone_and_never_beyond_what_there_is(
    club: Club, player: Person
) -> None:
    await told(club, player, *[("reply", {"n": n}, None) for n in range(4)])
    newest, _, second, oldest = await ids(player)

    assert (await read(player, second)).body == {"success": True, "upTo": second, "unread": 2}
    assert (await read(player, oldest)).body == {"success": True, "upTo": second, "unread": 2}
    assert (await read(player, 2**53 - 1)).body == {"success": True, "upTo": newest, "unread": 0}
    await told(club, player, ("reply", {"n": 4}, None))
    answer = await listed(player)
    assert [each["read"] for each in answer["notifications"]] == [False, True, True, True, True]
    assert answer["unread"] == 1


@pytest.mark.parametrize("body", [{}, {"upTo": 0}, {"upTo": "1"}, {"upTo": 1.5}, {"ids": [1]}])
async def test_bad_reading_is_refused(player: Person, body: Any) -> None:
    answer = await player.post("/api/notifications/read", body)
    assert (answer.status, answer["code"]) == (400, "validation_failed")


async def test_reading_while_one_comes_takes_none_for_read_that_was_not_there(
    club: Club, player: Person, database: Any
) -> None:
    await told(club, player, ("reply", {"n": 0}, None))
    (only,) = await ids(player)
    hold = database.transaction()
    await hold.start()
    await database.execute(
        "SELECT FROM notification_heads WHERE user_id = $1 FOR UPDATE", player.id
    )
    coming = asyncio.create_task(told(club, player, ("reply", {"n": 1}, None)))
    await somebody_waits(database)
    reading = asyncio.create_task(read(player, only))
    await somebody_waits_second(database)
    await hold.rollback()
    await asyncio.gather(coming, reading)

    answer = await listed(player)
    assert [each["read"] for each in answer["notifications"]] == [False, True]
    assert answer["unread"] == 1


# --- ETag ------------------------------------------------------------------------------------


async def test_unchanged_list_is_304_and_a_changed_one_is_not(club: Club, player: Person) -> None:
    async def etag_if_new(known: str, query: str = "") -> str | None:
        answer = await listed(player, query, headers={"If-None-Match": known})
        assert answer.headers["Cache-Control"] == "private, no-cache"
        if answer.status == 304:
            assert (answer.headers["ETag"], answer.body) == (known, "")
            return None
        assert answer.status == 200
        return str(answer.headers["ETag"])

    await told(club, player, ("reminder", {}, None))
    etag = (await listed(player)).headers["ETag"]
    assert etag.startswith('"')
    assert await etag_if_new(etag) is None

    await told(club, player, ("reply", {"n": 0}, None))
    changed = await etag_if_new(etag)
    assert changed and changed != etag
    assert await etag_if_new(changed) is None
    # Another question is another answer.
    assert await etag_if_new(changed, "?limit=1") is not None

    # What is told to others, and preferences, do not change it.
    await told(club, await club.person(has_password=False), ("reply", {}, None))
    await player.call("PUT", "/api/notifications/preferences", {"preferences": {"reply": False}})
    await told(club, player, ("reply", {"n": 1}, None))
    assert await etag_if_new(changed) is None

    await read(player, (await ids(player))[0])
    assert await etag_if_new(changed) is not None


async def test_lists_of_two_members_have_different_tags(club: Club, player: Person) -> None:
    other = await club.person(has_password=False)
    known = (await listed(player)).headers["ETag"]
    assert (await listed(other, headers={"If-None-Match": known})).status == 200
    for tags in (f'W/{known}', f'"x", {known}', "*"):
        assert (await listed(player, headers={"If-None-Match": tags})).status == 304


# --- preferences -----------------------------------------------------------------------------


async def test_kind_that_is_switched_off_is_not_told_until_it_is_on_again(
    club: Club, player: Person
) -> None:
    path = "/api/notifications/preferences"
    every = (await player.get(path))["preferences"]
    assert every == dict.fromkeys(
        [
            "reply",
            "invitation",
            "event_changed",
            "event_cancelled",
            "reminder",
            "promoted",
            "payment",
            "prize",
        ],
        True,
    )
    changed = await player.call("PUT", path, {"preferences": {"reply": False, "prize": False}})
    assert changed["preferences"] == every | {"reply": False, "prize": False}
    changed = await player.call("PUT", path, {"preferences": {"prize": True}})
    assert changed["preferences"] == (await player.get(path))["preferences"]
    assert changed["preferences"] == every | {"reply": False}

    await told(club, player, ("reply", {}, None), ("prize", {}, None))
    assert await noted(player) == [("prize", {})]
    await player.call("PUT", path, {"preferences": {"reply": True}})
    await told(club, player, ("reply", {}, None))
    assert await noted(player) == [("reply", {}), ("prize", {})]


@pytest.mark.parametrize(
    "body", [{}, {"preferences": {"gossip": True}}, {"preferences": {"reply": "no"}}, {"reply": 1}]
)
async def test_bad_preferences_are_refused(player: Person, body: Any) -> None:
    answer = await player.call("PUT", "/api/notifications/preferences", body)
    assert (answer.status, answer["code"]) == (400, "validation_failed")


# --- what tells ------------------------------------------------------------------------------


async def test_prize_that_is_counted_is_told_and_another_is_not(
    club: Club, player: Person
) -> None:
    await player.opens(await club.create_case())
    assert await noted(player) == []
    opened = await player.opens(await club.create_case(items=[line("Chair", stock=2)]))

    assert opened.status == 200
    assert await noted(player) == [
        ("prize", {"inventoryId": opened["inventoryId"], "item": opened["item"]})
    ]


async def test_opening_that_is_refused_tells_nothing(club: Club) -> None:
    poor = await club.person(has_password=False)
    assert (await poor.opens(await club.create_case(items=[line(stock=1)]))).status == 400
    assert await noted(poor) == []


async def test_credited_payment_is_told_once(club: Club, player: Person) -> None:
    raw = signed_callback(player, "10.50", "notified")
    for _ in range(2):
        answer = await club.call("POST", "/api/payment/callback", raw=raw)
        assert answer.body == {"success": True}
    assert await noted(player) == [("payment", {"amount": 10.5})]
