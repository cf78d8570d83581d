"""Who somebody is: a member and what the role allows."""

from dataclasses import dataclass
from datetime import datetime

MEMBER_ROLES = frozenset({"member", "staff", "admin"})
STAFF_ROLES = frozenset({"staff", "admin"})
ADMIN_ROLES = frozenset({"admin"})
SERVICE_ROLES = frozenset({"service", "admin"})


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

    def rooms(self) -> list[str]:
        """The audiences, besides `all`, that this member belongs to."""
        return [f"user:{self.id}", "staff"] if self.is_staff else [f"user:{self.id}"]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A member, and until when the token that proves it is valid."""

    member: Member
    expires_at: datetime


def audiences(member: Member | None) -> list[str]:
    """Everything that somebody hears; an anonymous listener hears `all` only."""
    return ["all"] if member is None else ["all", *member.rooms()]
