"""The calendar as a member's own programs read it: iCalendar (RFC 5545) under a secret address.

Invariants
    The secret is not stored: it says whose feed it is and which of the member's, and proves it
    with a MAC. A new one has another version, which ends those before.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress, vDuration, vText

from server.db import Transaction
from server.errors import NotFound

# How often a program should ask; X-PUBLISHED-TTL is the same for older ones.
_REFRESH = timedelta(hours=1)

# Who and which.
_FACTS = struct.Struct("!QQ")
_MAC_BYTES = 20

_VERSION = """
    SELECT coalesce((SELECT version FROM calendar_feeds WHERE user_id = users.id), 0)
      FROM users
     WHERE id = $1 AND role IN ('member', 'staff', 'admin')
"""

_NEXT_VERSION = """
    INSERT INTO calendar_feeds AS feed (user_id, version) VALUES ($1, 1)
        ON CONFLICT ON CONSTRAINT calendar_feeds_pkey DO UPDATE SET version = feed.version + 1
 RETURNING version
"""

# The next first, if there are too many, and of those that are over the last.
_ENTRIES = """
    SELECT uid, title, description, location, starts_at, ends_at, sequence,
           cancelled_at IS NOT NULL AS cancelled, event.created_at, event.updated_at,
           owner.id AS owner_id, owner.username AS owner_name, own.username, status, waitlisted,
           answered_at
      FROM calendar_events AS event
      JOIN users AS owner ON owner.id = event.owner_id
      JOIN users AS own ON own.id = $1
 LEFT JOIN participants ON event_id = event.id AND user_id = $1
     WHERE (event.owner_id = $1 OR status <> 'declined')
       AND event.ends_at > now() - interval '90 days'
  ORDER BY abs(extract(epoch FROM event.starts_at - now())), event.id
     LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as one member's feed shows it; `status` is None for an owner who does not come."""

    uid: UUID
    title: str
    description: str
    location: str
    starts_at: datetime
    ends_at: datetime
    sequence: int
    cancelled: bool
    created_at: datetime
    updated_at: datetime
    owner_id: int
    owner_name: str
    username: str
    status: str | None
    waitlisted: bool | None
    answered_at: datetime | None


class Secrets:
    """Makes and verifies the secrets of feeds. Another `jwt_secret` ends all of them."""

    def __init__(self, jwt_secret: str) -> None:
        self._key = hmac.digest(jwt_secret.encode(), b"calendar feeds", "sha256")

    def of(self, user_id: int, version: int) -> str:
        facts = _FACTS.pack(user_id, version)
        return base64.urlsafe_b64encode(facts + self._mac(facts)).decode().rstrip("=")

    def verify(self, secret: str) -> tuple[int, int]:
        """Whose feed, and which. Raises: NotFound."""
        try:
            content = base64.b64decode(secret + "=" * (-len(secret) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise NotFound() from None
        facts, mac = content[: _FACTS.size], content[_FACTS.size :]
        if len(facts) < _FACTS.size or not hmac.compare_digest(mac, self._mac(facts)):
            raise NotFound()
        user_id, version = _FACTS.unpack(facts)
        # One secret is written in one way only.
        if self.of(user_id, version) != secret:
            raise NotFound()
        return user_id, version

    def _mac(self, facts: bytes) -> bytes:
        return hmac.digest(self._key, facts, hashlib.sha256)[:_MAC_BYTES]


async def version(connection: Any, user_id: int) -> int | None:
    """Which of the member's secrets is valid; None: there is no such member."""
    found: int | None = await connection.fetchval(_VERSION, user_id)
    return found


async def next_version(tx: Transaction, user_id: int) -> int:
    """End the member's secret; which is valid instead."""
    return int(await tx.fetchval(_NEXT_VERSION, user_id))


async def entries(connection: Any, user_id: int, *, limit: int) -> list[Entry]:
    """What the member's feed holds: own events and those that the member has not declined."""
    rows = await connection.fetch(_ENTRIES, user_id, limit)
    return sorted((Entry(**row) for row in rows), key=lambda each: (each.starts_at, each.uid))


def write(user_id: int, found: Sequence[Entry]) -> bytes:
    """The iCalendar object (RFC 5545 §3.4, refresh interval of RFC 7986 §5.7).

    Times are in UTC, so that no reader needs a table of time zones.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//CyberHub//Calendar//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    refresh = vDuration(_REFRESH)
    refresh.params["VALUE"] = "DURATION"
    calendar.add("refresh-interval", refresh, encode=False)
    calendar.add("x-published-ttl", vText(vDuration(_REFRESH).to_ical().decode()), encode=False)
    for entry in found:
        calendar.add_component(_component(user_id, entry))
    return calendar.to_ical()


def _component(user_id: int, entry: Entry) -> Event:
    event = Event()
    event.add("uid", str(entry.uid))
    # There is no METHOD, so this is when the event was revised (§3.8.7.2).
    event.add("dtstamp", _second(max(entry.updated_at, entry.answered_at or entry.updated_at)))
    event.add("created", _second(entry.created_at))
    event.add("last-modified", _second(entry.updated_at))
    event.add("sequence", entry.sequence)
    event.add("dtstart", entry.starts_at)
    event.add("dtend", entry.ends_at)
    event.add("summary", entry.title)
    if entry.description:
        event.add("description", entry.description)
    if entry.location:
        event.add("location", entry.location)
    event.add("status", "CANCELLED" if entry.cancelled else "CONFIRMED")
    event.add("organizer", _person(entry.owner_id, entry.owner_name), encode=False)
    if entry.status is not None:
        attendee = _person(user_id, entry.username)
        # The standard has no word for waiting for a seat; it is not a promise.
        status = "tentative" if entry.waitlisted else entry.status
        attendee.params["PARTSTAT"] = status.upper()
        event.add("attendee", attendee, encode=False)
    return event


def _person(user_id: int, username: str) -> vCalAddress:
    # Readers expect an address; RFC 2606 §2 keeps this one from ever being somebody's.
    address = vCalAddress(f"mailto:member-{user_id}@cyberhub.invalid")
    address.params["CN"] = username
    return address


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
