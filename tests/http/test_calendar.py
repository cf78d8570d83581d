"""The calendar: who sees what, who comes, who waits for a seat, and what is told of it."""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from server.config import Config
from tests.club import Club, Person
from tests.conftest import make_config
from tests.events import EVENING, answers, event, holds, looks_at, who_comes
from tests.http.conftest import somebody_waits
from tests.notices import noted

MOST = 5
BURST = 20
MONTHLY = 14

ACCEPTED, WAITING = ("accepted", False), ("accepted", True)
ASKED, DECLINED, TENTATIVE = ("needs-action", False), ("declined", False), ("tentative", False)


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(
        dsn,
        tmp_path_factory.mktemp("var"),
        participants_max=MOST,
        calendar_burst=BURST,
        events_per_month=MONTHLY,
        calendar_per_minute=1.0,
    )


@pytest.fixture
async def owner(club: Club) -> Person:
    return await club.person(has_password=False)


@pytest.fixture
async def guest(club: Club) -> Person:
    return await club.person(has_password=False)


async def people(club: Club, count: int) -> list[Person]:
    return [await club.person(has_password=False) for _ in range(count)]


async def kinds(person: Person) -> list[str]:
    return [kind for kind, _ in await noted(person)]


# --- an event --------------------------------------------------------------------------------


async def test_event_is_what_its_owner_said(club: Club, owner: Person, guest: Person) -> None:
    made = await holds(owner, guest, description="Первый тур\nи второй", capacity=8)
    assert made == {
        "id": made["id"],
        "title": "Кубок клуба",
        "description": "Первый тур\nи второй",
        "location": "",
        "startsAt": "2031-05-16T18:00:00.000Z",
        "endsAt": "2031-05-16T21:00:00.000Z",
        "capacity": 8,
        "visibility": "private",
        "owner": {"id": owner.id, "username": owner.username},
        "sequence": 0,
        "cancelled": False,
        "participants": [{"userId": guest.id, "status": "needs-action", "waitlisted": False}],
        "people": [{"id": guest.id, "username": guest.username}],
        "overlaps": [],
    }
    assert await looks_at(guest, made) == made


@pytest.mark.parametrize(
    "change",
    [
        {"title": " "},
        {"title": "x" * 201},
        {"description": "x" * 4001},
        {"location": "a\nb"},
        {"startsAt": "2031-05-16T18:00:00"},
        {"startsAt": "0001-01-01T00:00:00+14:00"},
        {"startsAt": "tomorrow"},
        {"endsAt": EVENING.isoformat()},
        {"endsAt": (EVENING + timedelta(milliseconds=500)).isoformat()},
        {"endsAt": (EVENING + timedelta(days=31, seconds=1)).isoformat()},
        {"capacity": 0},
        {"capacity": 1.5},
        {"visibility": "secret"},
        {"invite": ["1"]},
        {"ownerId": 1},
    ],
)
async def test_bad_event_is_refused(owner: Person, change: Any) -> None:
    answer = await owner.post("/api/events", event(**change))
    assert (answer.status, answer["code"]) == (400, "validation_failed"), answer.body
    assert answer["fields"]


async def test_event_may_take_as_long_as_a_month(owner: Person) -> None:
    made = await holds(owner, endsAt=(EVENING + timedelta(days=31)).isoformat())
    assert made["endsAt"] == "2031-06-16T18:00:00.000Z"


# --- who sees it, who may change it ----------------------------------------------------------


async def test_private_event_is_seen_by_its_people_and_staff_alone(
    club: Club, owner: Person, guest: Person
) -> None:
    made = await holds(owner, guest)
    staff = await club.person(role="staff", has_password=False)
    (stranger,) = await people(club, 1)
    path = f"/api/events/{made['id']}"
    window = "?from=2031-05-01T00:00:00Z&to=2031-06-01T00:00:00Z"

    for person in (owner, guest, staff):
        assert (await person.get(path)).status == 200
        listed = (await person.get(f"/api/events{window}"))["events"]
        assert made["id"] in [each["id"] for each in listed]
    listed = (await stranger.get(f"/api/events{window}"))["events"]
    assert made["id"] not in [each["id"] for each in listed]
    for method, place, body in [
        ("GET", path, None),
        ("PUT", path, event()),
        ("DELETE", path, None),
        ("POST", f"{path}/invitations", {"userIds": [stranger.id]}),
        ("PUT", f"{path}/participants/me", {"status": "accepted"}),
    ]:
        answer = await stranger.call(method, place, body)
        assert (answer.status, answer["code"]) == (404, "event_not_found"), (method, place)
        assert (await club.call(method, place, body)).status == 401
    assert await looks_at(owner, made) == made


@pytest.mark.parametrize("visibility", ["private", "public"])
async def test_only_owner_and_staff_change_invite_and_cancel(
    club: Club, owner: Person, guest: Person, visibility: str
) -> None:
    made = await holds(owner, guest, visibility=visibility)
    staff = await club.person(role="staff", has_password=False)
    path = f"/api/events/{made['id']}"
    steps: list[tuple[str, str, Any]] = [
        ("PUT", path, event(title="Moved", visibility=visibility)),
        ("POST", f"{path}/invitations", {"userIds": [staff.id]}),
        ("DELETE", path, None),
    ]
    for method, place, body in steps:
        answer = await guest.call(method, place, body)
        assert (answer.status, answer["code"]) == (403, "forbidden")
    assert await looks_at(owner, made) == made
    for method, place, body in steps:
        assert (await staff.call(method, place, body)).status == 200
    now = await looks_at(owner, made)
    assert (now["title"], now["cancelled"]) == ("Moved", True)


async def test_stranger_neither_waits_for_a_private_event_nor_keeps_others_waiting(
    club: Club, owner: Person, guest: Person, database: Any
) -> None:
    """Or the time of the answer tells that there is one, and anybody can stop it."""
    made = await holds(owner, guest)
    (stranger,) = await people(club, 1)
    path = f"/api/events/{made['id']}"
    hold = database.transaction()
    await hold.start()
    await database.fetch("SELECT FROM calendar_events WHERE id = $1 FOR UPDATE", made["id"])
    for method, place, body in [
        ("GET", path, None),
        ("PUT", path, event()),
        ("DELETE", path, None),
        ("POST", f"{path}/invitations", {"userIds": [stranger.id]}),
        ("PUT", f"{path}/participants/me", {"status": "accepted"}),
    ]:
        assert (await stranger.call(method, place, body)).status == 404
    await hold.rollback()


async def test_page_after_an_event_that_is_not_seen_is_as_after_one_that_is_not_there(
    club: Club, owner: Person
) -> None:
    """Or whoever adds events around it finds out when it begins."""
    secret = await holds(owner)
    (stranger,) = await people(club, 1)
    own = await holds(stranger, startsAt=(EVENING + timedelta(hours=1)).isoformat())
    window = "from=2031-05-01T00:00:00Z&to=2031-06-01T00:00:00Z"

    async def after(event_id: int) -> Any:
        answer = await stranger.get(f"/api/events?{window}&after={event_id}")
        return [each["id"] for each in answer["events"]], answer["next"]

    assert await after(secret["id"]) == await after(2**53 - 1) == ([], None)
    made = await holds(owner, stranger)
    assert own["id"] in (await after(made["id"]))[0]


async def test_public_event_is_for_everyone_to_see_and_answer(club: Club, owner: Person) -> None:
    made = await holds(owner, visibility="public")
    (stranger,) = await people(club, 1)
    assert (await looks_at(stranger, made))["participants"] == []
    assert (await answers(stranger, made, "tentative")).status == 200
    assert await who_comes(owner, made) == {stranger.id: TENTATIVE}


async def test_list_is_of_a_time_in_order_and_by_pages(club: Club, owner: Person) -> None:
    day = EVENING + timedelta(days=400)

    async def at(hours: float, length: float = 1) -> int:
        starts = day + timedelta(hours=hours)
        ends = starts + timedelta(hours=length)
        made = await holds(owner, startsAt=starts.isoformat(), endsAt=ends.isoformat())
        return int(made["id"])

    late, early, same = await at(5), await at(1), await at(1)
    running, over, to_come = await at(-3, 4), await at(-2, 2), await at(10)

    async def page(**query: Any) -> Any:
        window = {"from": day.isoformat(), "to": (day + timedelta(hours=10)).isoformat()}
        asked = "&".join(f"{name}={value}" for name, value in (window | query).items())
        return await owner.get(f"/api/events?{asked.replace('+', '%2B')}")

    whole = await page()
    assert [each["id"] for each in whole["events"]] == [running, early, same, late]
    assert whole["next"] is None
    first = await page(limit=3)
    assert [each["id"] for each in first["events"]] == [running, early, same]
    rest = await page(limit=3, after=first["next"])
    assert [each["id"] for each in rest["events"]] == [late]
    assert {over, to_come}.isdisjoint({running, early, same, late})


@pytest.mark.parametrize(
    "query",
    [
        "from=2031-05-16",
        "from=x",
        "from=2031-05-16T00:00:00Z&to=2031-05-16T00:00:00Z",
        "from=2031-05-16T00:00:00Z&to=2032-05-17T00:00:00Z",
        "from=9999-12-31T00:00:00Z",
        "limit=0",
        "after=0",
    ],
)
async def test_bad_time_to_list_is_refused(owner: Person, query: str) -> None:
    answer = await owner.get(f"/api/events?{query}")
    assert (answer.status, answer["code"]) == (400, "validation_failed")


async def test_overlaps_are_ones_own_and_not_those_that_only_touch(
    club: Club, owner: Person, guest: Person
) -> None:
    day = EVENING + timedelta(days=800)

    async def at(who: Person, hours: float, length: float, *invited: Person) -> Any:
        starts = day + timedelta(hours=hours)
        ends = starts + timedelta(hours=length)
        return await holds(
            who, *invited, startsAt=starts.isoformat(), endsAt=ends.isoformat()
        )

    cup = await at(owner, 0, 3, guest)
    inside, touching = await at(guest, 1, 1), await at(guest, 3, 1)
    longer = await at(owner, -200, 500, guest)
    declined, off = await at(owner, 1, 1, guest), await at(guest, 1, 1)
    await answers(guest, declined, "declined")
    await guest.call("DELETE", f"/api/events/{off['id']}")

    # The long one is not the guest's before the guest accepts it.
    assert (await looks_at(guest, cup))["overlaps"] == [inside["id"]]
    await answers(guest, longer, "tentative")
    assert (await looks_at(guest, cup))["overlaps"] == [longer["id"], inside["id"]]
    assert (await looks_at(guest, touching))["overlaps"] == [longer["id"]]
    assert (await looks_at(guest, off))["overlaps"] == []
    assert inside["id"] not in (await looks_at(owner, cup))["overlaps"]
    # The list says the same, also of what begins or ends beyond its time.
    for begins, ends in ((-300, 400), (0, 4), (2, 3)):
        window = {
            "from": (day + timedelta(hours=begins)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "to": (day + timedelta(hours=ends)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        for person in (owner, guest):
            listed = (await person.get(f"/api/events?{urlencode(window)}"))["events"]
            assert cup["id"] in [each["id"] for each in listed]
            for each in listed:
                assert each == await looks_at(person, each)


# --- invitations -----------------------------------------------------------------------------


async def test_invited_are_told_once(club: Club, owner: Person, guest: Person) -> None:
    made = await holds(owner)
    path = f"/api/events/{made['id']}/invitations"
    for _ in range(2):
        answer = await owner.post(path, {"userIds": [guest.id, guest.id]})
        assert answer.status == 200
        assert answer["participants"] == [
            {"userId": guest.id, "status": "needs-action", "waitlisted": False}
        ]
    notice = {
        "eventId": made["id"],
        "title": made["title"],
        "location": "",
        "startsAt": made["startsAt"],
    }
    assert await noted(guest) == [("invitation", notice)]


async def test_nobody_who_is_not_there_is_invited(
    club: Club, owner: Person, guest: Person
) -> None:
    made = await holds(owner)
    service = await club.person(role="service", has_password=False)
    path = f"/api/events/{made['id']}/invitations"
    for wrong in (2**53 - 1, service.id):
        answer = await owner.post(path, {"userIds": [guest.id, wrong]})
        assert (answer.status, answer["code"]) == (404, "user_not_found")
    assert await who_comes(owner, made) == {}
    assert await noted(guest) == []


async def test_event_takes_no_more_people_than_the_bound(club: Club, owner: Person) -> None:
    made = await holds(owner, *await people(club, MOST), visibility="public")
    (late,) = await people(club, 1)
    invited = await owner.post(f"/api/events/{made['id']}/invitations", {"userIds": [late.id]})
    for answer in (invited, await answers(late, made, "accepted")):
        assert (answer.status, answer["code"]) == (400, "event_crowded")


async def test_member_who_invites_without_end_is_slowed_down_and_staff_are_not(
    club: Club, guest: Person
) -> None:
    """Lists of notifications are bounded: nobody may push out what stands in another's."""
    eager = await club.person(has_password=False)
    staff = await club.person(role="staff", has_password=False)

    async def most_of(person: Person) -> list[Any]:
        made = await holds(person)
        path = f"/api/events/{made['id']}/invitations"
        return [await person.post(path, {"userIds": [guest.id]}) for _ in range(BURST)]

    made = await most_of(eager)
    assert [answer.status for answer in made] == [200] * (BURST - 1) + [429]
    assert int(made[-1].headers["Retry-After"]) >= 1
    assert [answer.status for answer in await most_of(staff)] == [200] * BURST


async def test_member_adds_no_more_events_in_a_month_than_the_bound(
    club: Club, owner: Person
) -> None:
    """Neither calling them off, nor moving them, nor hurrying makes room for more."""
    staff = await club.person(role="staff", has_password=False)
    first = await holds(owner)
    await owner.call("DELETE", f"/api/events/{first['id']}")
    answers = await asyncio.gather(*(owner.post("/api/events", event()) for _ in range(MONTHLY)))
    assert [answer.status for answer in answers].count(201) == MONTHLY - 1
    late = await owner.post("/api/events", event())
    assert (late.status, late["code"]) == (400, "too_many_events")
    for _ in range(MONTHLY + 1):
        await holds(staff)


# --- answers and seats -----------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"status": "needs-action"}, {"status": 1}])
async def test_bad_answer_is_refused(owner: Person, body: Any) -> None:
    made = await holds(owner)
    answer = await owner.call("PUT", f"/api/events/{made['id']}/participants/me", body)
    assert (answer.status, answer["code"]) == (400, "validation_failed")


async def test_owner_takes_a_seat_only_by_accepting(
    club: Club, owner: Person, guest: Person
) -> None:
    made = await holds(owner, guest, capacity=1)
    assert (await answers(guest, made, "accepted"))["waitlisted"] is False
    assert (await answers(owner, made, "accepted"))["waitlisted"] is True


async def test_full_event_makes_a_line_and_free_seats_go_by_it(
    club: Club, owner: Person
) -> None:
    a, b, c, d = guests = await people(club, 4)
    made = await holds(owner, *guests, capacity=1)
    for person in (a, c, b, d):
        answer = await answers(person, made, "accepted")
        assert answer["participant"] == {
            "userId": person.id,
            "status": "accepted",
            "waitlisted": person is not a,
        }
    # To say it again costs nobody the seat or the place; to leave the line and come back does.
    assert (await answers(a, made, "accepted"))["waitlisted"] is False
    await answers(c, made, "accepted")
    await answers(b, made, "tentative")
    await answers(b, made, "accepted")

    await answers(a, made, "declined")
    assert await who_comes(owner, made) == {
        a.id: DECLINED,
        b.id: WAITING,
        c.id: ACCEPTED,
        d.id: WAITING,
    }
    await answers(c, made, "tentative")
    assert (await who_comes(owner, made))[d.id] == ACCEPTED
    assert (await who_comes(owner, made))[b.id] == WAITING
    assert await kinds(c) == await kinds(d) == ["promoted", "invitation"]
    assert await kinds(a) == await kinds(b) == ["invitation"]


async def test_more_seats_go_by_the_line_and_fewer_throw_nobody_out(
    club: Club, owner: Person
) -> None:
    guests = await people(club, 4)
    made = await holds(owner, *guests, capacity=1)
    for person in guests:
        await answers(person, made, "accepted")

    async def seats(capacity: int | None) -> list[bool]:
        body = event(capacity=capacity)
        await owner.call("PUT", f"/api/events/{made['id']}", body)
        comes = await who_comes(owner, made)
        return [not comes[person.id][1] for person in guests]

    assert await seats(3) == [True, True, True, False]
    assert await seats(1) == [True, True, True, False]
    (late,) = await people(club, 1)
    await owner.post(f"/api/events/{made['id']}/invitations", {"userIds": [late.id]})
    assert (await answers(late, made, "accepted"))["waitlisted"] is True
    await answers(guests[0], made, "declined")
    assert (await who_comes(owner, made))[guests[3].id] == WAITING
    # Who declined is not in the line, and so waits for nothing.
    assert await seats(None) == [True, True, True, True]
    assert [await kinds(each) for each in guests[1:]] == [["promoted", "invitation"]] * 3


async def test_last_seat_is_given_once_to_many_who_accept_at_once(
    club: Club, owner: Person, database: Any
) -> None:
    guests = await people(club, MOST)
    made = await holds(owner, *guests, capacity=2)
    hold = database.transaction()
    await hold.start()
    await database.fetch("SELECT FROM calendar_events WHERE id = $1 FOR UPDATE", made["id"])
    tasks = [asyncio.create_task(answers(each, made, "accepted")) for each in guests]
    await somebody_waits(database)
    await hold.rollback()
    done = await asyncio.gather(*tasks)

    assert sorted(answer["waitlisted"] for answer in done) == [False, False, True, True, True]


async def test_who_accepts_many_times_at_once_takes_one_seat(
    club: Club, owner: Person, database: Any
) -> None:
    eager, other, third = guests = await people(club, 3)
    made = await holds(owner, *guests, capacity=2)
    hold = database.transaction()
    await hold.start()
    await database.fetch("SELECT FROM calendar_events WHERE id = $1 FOR UPDATE", made["id"])
    tasks = [asyncio.create_task(answers(eager, made, "accepted")) for _ in range(4)]
    await somebody_waits(database)
    await hold.rollback()

    assert [answer["waitlisted"] for answer in await asyncio.gather(*tasks)] == [False] * 4
    assert (await answers(other, made, "accepted"))["waitlisted"] is False
    assert (await answers(third, made, "accepted"))["waitlisted"] is True


async def test_two_who_leave_at_once_give_two_seats_to_the_first_two_in_line(
    club: Club, owner: Person, database: Any
) -> None:
    a, b, first, second, third = guests = await people(club, 5)
    made = await holds(owner, *guests, capacity=2)
    for person in guests:
        await answers(person, made, "accepted")
    hold = database.transaction()
    await hold.start()
    await database.fetch("SELECT FROM calendar_events WHERE id = $1 FOR UPDATE", made["id"])
    tasks = [asyncio.create_task(answers(each, made, "declined")) for each in (a, b)]
    await somebody_waits(database)
    await hold.rollback()
    await asyncio.gather(*tasks)

    comes = await who_comes(owner, made)
    assert [comes[each.id] for each in (first, second, third)] == [ACCEPTED, ACCEPTED, WAITING]
    assert await kinds(first) == await kinds(second) == ["promoted", "invitation"]
    assert await kinds(third) == ["invitation"]


async def test_seats_counted_without_the_lock_are_given_twice(
    club: Club, owner: Person, database: Any, other_database: Any
) -> None:
    """The loss: two who count before either sits down."""
    a, b = guests = await people(club, 2)
    made = await holds(owner, *guests, capacity=1)
    both = (database, other_database)
    count = "SELECT count(*) FROM participants WHERE event_id = $1 AND status = 'accepted'"
    seen = [await connection.fetchval(count, made["id"]) for connection in both]
    for connection, person, taken in zip(both, guests, seen, strict=True):
        if taken < 1:
            await connection.execute(
                "UPDATE participants SET status = 'accepted' WHERE event_id = $1 AND user_id = $2",
                made["id"],
                person.id,
            )
    assert await who_comes(owner, made) == {a.id: ACCEPTED, b.id: ACCEPTED}


# --- changes ---------------------------------------------------------------------------------


async def test_change_raises_the_sequence_and_tells_whom_it_concerns(
    club: Club, owner: Person
) -> None:
    comes, perhaps, silent, not_coming = guests = await people(club, 4)
    made = await holds(owner, *guests)
    await answers(comes, made, "accepted")
    await answers(perhaps, made, "tentative")
    await answers(not_coming, made, "declined")
    path = f"/api/events/{made['id']}"

    named = await owner.call("PUT", path, event(title="Другой кубок"))
    assert (named["event"]["title"], named["event"]["sequence"]) == ("Другой кубок", 1)
    assert await kinds(comes) == ["invitation"]
    again = await owner.call("PUT", path, event(title="Другой кубок"))
    assert again["event"] == named["event"]

    moved = event(startsAt=(EVENING + timedelta(hours=1)).isoformat())
    assert (await owner.call("PUT", path, moved))["event"]["sequence"] == 2
    assert (await owner.call("PUT", path, moved | {"location": "Зал 2"}))["event"]["sequence"] == 3
    # One unread change a member: the last.
    for person in (comes, perhaps, silent):
        assert [each for each in await noted(person) if each[0] != "invitation"] == [
            (
                "event_changed",
                {
                    "eventId": made["id"],
                    "title": "Кубок клуба",
                    "location": "Зал 2",
                    "startsAt": "2031-05-16T19:00:00.000Z",
                },
            )
        ]
    assert await kinds(not_coming) == ["invitation"]
    assert await kinds(owner) == []


async def test_cancelled_event_stays_and_takes_nothing_more(
    club: Club, owner: Person, guest: Person
) -> None:
    made = await holds(owner, guest)
    path = f"/api/events/{made['id']}"
    for _ in range(2):
        answer = await owner.call("DELETE", path)
        assert answer.status == 200
        assert (answer["event"]["cancelled"], answer["event"]["sequence"]) == (True, 1)
    assert await kinds(guest) == ["event_cancelled", "invitation"]
    assert (await looks_at(guest, made))["cancelled"] is True
    for refused in (
        await owner.call("PUT", path, event()),
        await owner.post(f"{path}/invitations", {"userIds": [owner.id]}),
        await answers(guest, made, "accepted"),
    ):
        assert (refused.status, refused["code"]) == (400, "event_cancelled")


async def test_answer_that_waits_for_the_cancelling_is_refused(
    club: Club, owner: Person, guest: Person, database: Any
) -> None:
    made = await holds(owner, guest)
    hold = database.transaction()
    await hold.start()
    await database.execute(
        "UPDATE calendar_events SET cancelled_at = now() WHERE id = $1", made["id"]
    )
    answering = asyncio.create_task(answers(guest, made, "accepted"))
    await somebody_waits(database)
    await hold.commit()

    assert (await answering)["code"] == "event_cancelled"
    assert await who_comes(owner, made) == {guest.id: ASKED}
