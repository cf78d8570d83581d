"""Who somebody is: a member and what the role allows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

MEMBER_ROLES = frozenset({"member", "staff", "admin"})
STAFF_ROLES = frozenset({"staff", "admin"})
ADMIN_ROLES = frozenset({"admin"})
SERVICE_ROLES = frozenset({"service", "admin"})

#: Where staff hear what is told in any dialog, so that each of them is reached in one way only.
EVERY_DIALOG = "dialog:*"
_DIALOG = "dialog:"


@dataclass(frozen=True, slots=True)
class Member:
    """An account as it is now in the database."""

    id: int
    username: str
    role: str
    balance_minor: int

    @property
    def is_staff(self) -> bool:
        return self.role in STAFF_ROLES

    def own_rooms(self) -> list[str]:
        """The audiences, besides `all` and single dialogs, that this member belongs to."""
        own = user_room(self.id)
        return [own, "staff", EVERY_DIALOG] if self.is_staff else [own]


@dataclass(frozen=True, slots=True)
class Listener(Member):
    """A member who is about to be told things.

    `dialogs` are those that the member was in when the log's head was at `as_of`; staff, who
    hear all of them, have none here.
    """

    dialogs: tuple[int, ...]
    as_of: int

    def rooms(self) -> list[str]:
        """The audiences, besides `all`, that this member belongs to."""
        return [*self.own_rooms(), *map(dialog_room, self.dialogs)]


SomeMember = TypeVar("SomeMember", bound=Member, covariant=True)


@dataclass(frozen=True, slots=True)
class SignedIn(Generic[SomeMember]):
    """A member, and until when the token that proves it is valid."""

    member: SomeMember
    expires_at: datetime


def user_room(member_id: int) -> str:
    return f"user:{member_id}"


def dialog_room(dialog_id: int) -> str:
    return f"{_DIALOG}{dialog_id}"


def rooms_that_hear(audience: str) -> tuple[str, ...]:
    """Where the listeners of an audience are."""
    return (audience, EVERY_DIALOG) if audience.startswith(_DIALOG) else (audience,)
