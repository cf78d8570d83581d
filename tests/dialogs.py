"""What people do in dialogs, as tests speak of it."""

from typing import Any

from tests.club import Answer, Club, Person


async def begins(person: Person, *others: Person, text: str = "Hello", **rest: Any) -> Any:
    """A new dialog of the person with the staff, and with others."""
    body = {"text": text, "memberIds": [other.id for other in others]} | rest
    answer = await person.post("/api/dialogs", body)
    assert answer.status == 201, answer.body
    return answer["dialog"]


async def writes(person: Person, dialog: Any, text: str, **rest: Any) -> Any:
    """A message in a dialog."""
    answer = await posts(person, dialog, text, **rest)
    assert answer.status == 201, answer.body
    return answer["message"]


async def posts(person: Person, dialog: Any, text: str, **rest: Any) -> Answer:
    return await person.post(f"/api/dialogs/{dialog['id']}/messages", {"text": text} | rest)


async def reads(person: Person, message: Any) -> int:
    """Everything up to a message; what is unread then."""
    path = f"/api/dialogs/{message['dialogId']}/read"
    answer = await person.post(path, {"messageId": message["id"]})
    assert answer.status == 200, answer.body
    unread: int = answer["unread"]
    return unread


async def messages(person: Person, dialog: Any, query: str = "") -> list[Any]:
    answer = await person.get(f"/api/dialogs/{dialog['id']}/messages{query}")
    assert answer.status == 200, answer.body
    found: list[Any] = answer["messages"]
    return found


async def entry(person: Person, dialog: Any) -> Any:
    """The dialog as it stands in the person's list; None if it does not."""
    listed = (await person.get("/api/dialogs?limit=200"))["dialogs"]
    return next((each for each in listed if each["id"] == dialog["id"]), None)


async def unread(person: Person, dialog: Any) -> int:
    count: int = (await entry(person, dialog))["unread"]
    return count


async def seat(staff: Person, dialog: Any, person: Person, *, taken: bool) -> None:
    """Staff let somebody into a dialog, or take somebody out."""
    path = f"/api/dialogs/{dialog['id']}/members/{person.id}"
    answer = await staff.call("PUT" if taken else "DELETE", path)
    assert answer.status == 200, answer.body


async def people(club: Club) -> tuple[Person, Person, Person]:
    """A player, another one, and one of the staff."""
    player = await club.person(has_password=False)
    stranger = await club.person(has_password=False)
    return player, stranger, await club.person(role="staff", has_password=False)
