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
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from server.db import Transaction
from server.errors import NotFound

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
        mac = hmac.digest(self._key, facts, hashlib.sha256)[:_MAC_BYTES]
        return base64.urlsafe_b64encode(facts + mac).decode().rstrip("=")

    def verify(self, secret: str) -> tuple[int, int]:
        """Whose feed, and which. Raises: NotFound."""
        try:
            content = base64.b64decode(secret + "=" * (-len(secret) % 4), b"-_", validate=True)
            user_id, version = _FACTS.unpack_from(content)
        except (binascii.Error, ValueError, struct.error):
            raise NotFound() from None
        # All of it, not the MAC alone: one secret is written in one way only.
        if not hmac.compare_digest(self.of(user_id, version), secret):
            raise NotFound()
        return user_id, version


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
