"""Events of the calendar, as tests speak of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.club import Answer, Person

#: Far enough for no reminder to come by itself.
EVENING = datetime(2031, 5, 16, 18, 0, tzinfo=UTC)


def event(**changes: Any) -> dict[str, Any]:
    """An event, as its owner sends it."""
    return {
        "title": "Кубок клуба",
        "startsAt": EVENING.isoformat(),
        "endsAt": (EVENING + timedelta(hours=3)).isoformat(),
    } | changes


async def holds(owner: Person, *guests: Person, **changes: Any) -> Any:
    """An event with these guests."""
    invite = [guest.id for guest in guests]
    answer = await owner.post("/api/events", event(invite=invite, **changes))
    assert answer.status == 201, answer.body
    return answer["event"]


async def answers(person: Person, what: Any, status: str) -> Answer:
    """Say whether one comes."""
    path = f"/api/events/{what['id']}/participants/me"
    return await person.call("PUT", path, {"status": status})


async def looks_at(person: Person, what: Any) -> Any:
    """The event as the person sees it now."""
    answer = await person.get(f"/api/events/{what['id']}")
    assert answer.status == 200, answer.body
    return answer["event"]


async def who_comes(person: Person, what: Any) -> dict[int, tuple[str, bool]]:
    """Status and whether one waits, by member."""
    now = await looks_at(person, what)
    return {each["userId"]: (each["status"], each["waitlisted"]) for each in now["participants"]}
