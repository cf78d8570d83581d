"""An evening is planned: invited, full, moved, called off; everyone hears what concerns them."""

from datetime import timedelta

from tests.club import Club
from tests.events import EVENING, answers, event, holds, looks_at
from tests.notices import listed


async def test_evening_with_one_seat(club: Club, door: str) -> None:
    owner, first, second = [await club.person() for _ in range(3)]
    stranger = await club.person()
    everyone = [owner, first, second, stranger]
    at_owner, at_first, at_second, at_stranger = [await each.comes(door) for each in everyone]

    made = await holds(owner, first, second, capacity=1)
    own = ("participants", "people", "overlaps")
    facts = {name: made[name] for name in made if name not in own}
    assert await at_first.hears("invitation:new") == facts
    assert await at_second.hears("invitation:new") == facts
    assert await at_owner.hears("event:updated") == facts

    await answers(first, made, "accepted")
    await answers(second, made, "accepted")
    await answers(first, made, "declined")
    expected = [
        (first, "accepted", False),
        (second, "accepted", True),
        (first, "declined", False),
        (second, "accepted", False),
    ]
    for heard in (at_owner, at_first, at_second):
        await heard.hears("participant:updated", 4)
        assert heard.all("participant:updated") == [
            {
                "eventId": made["id"],
                "userId": who.id,
                "status": status,
                "waitlisted": waitlisted,
            }
            for who, status, waitlisted in expected
        ]

    body = event(capacity=1, endsAt=(EVENING + timedelta(hours=5)).isoformat())
    await owner.call("PUT", f"/api/events/{made['id']}", body)
    assert (await at_second.hears("event:updated"))["sequence"] == 1
    await owner.call("DELETE", f"/api/events/{made['id']}")
    assert (await at_second.hears("event:cancelled"))["cancelled"] is True
    assert (await looks_at(second, made))["sequence"] == 2

    await club.tell_everybody()
    for heard in (at_owner, at_first, at_second, at_stranger):
        await heard.hears("cases:updated", 2)
    told = at_second.all("notification:new")
    assert [each["kind"] for each in told] == [
        "invitation",
        "promoted",
        "event_changed",
        "event_cancelled",
    ]
    # The change was not read before the cancelling took its place.
    answer = await listed(second)
    assert answer["notifications"] == [told[3], told[1], told[0]]
    assert [each["kind"] for each in at_first.all("notification:new")] == ["invitation"]
    assert at_owner.all("notification:new") == []
    assert at_stranger.names() == ["cases:updated", "cases:updated"]
    for each in everyone:
        await each.leave()
