"""Notifications, as those tests speak of them that make them themselves."""

from typing import Any

from server.club.notifications import Notice
from server.keys import DB
from server.telling import notify
from tests.club import Answer, Club, Person


async def told(club: Club, person: Person, *notices: tuple[str, Any, str | None]) -> None:
    """Tell a person (kind, data, key), all in one transaction."""
    async with club.app[DB].transaction() as tx:
        await notify(club.app, tx, [Notice(person.id, *notice) for notice in notices])


async def listed(person: Person, query: str = "", **rest: Any) -> Answer:
    """The person's list."""
    return await person.get(f"/api/notifications{query}", **rest)


async def noted(person: Person) -> list[Any]:
    """What the person's notifications hold, newest first: (kind, data)."""
    answer = await listed(person, "?limit=200")
    return [(each["kind"], each["data"]) for each in answer["notifications"]]
