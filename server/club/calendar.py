"""The calendar: events, who is invited, who comes, and who waits for a seat.

Invariants
    Whatever changes an event or its participants holds the event's row.
    While somebody waits, no seat is free: what frees one gives it to the first in line.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from server.club import accounts
from server.club.accounts import UserNotFound
from server.db import Transaction
from server.errors import ClubError, Forbidden
from server.identity import MEMBER_ROLES, Member

#: calendar_events_times in the database holds the same.
LONGEST = timedelta(hours=744)

# What a member is told of one event is bounded; in a club it is one or two.
_MOST_OVERLAPS = 100

_EVENT = """
           event.id, event.title, event.description, event.location, event.starts_at,
           event.ends_at, event.capacity, event.visibility, event.sequence,
           event.cancelled_at IS NOT NULL AS cancelled, event.owner_id,
           (SELECT username FROM users WHERE users.id = event.owner_id) AS owner_name,
           (SELECT coalesce(json_agg(json_build_array(user_id, status, waitlisted, username)
                                     ORDER BY place), '[]')
              FROM participants JOIN users ON users.id = user_id
             WHERE event_id = event.id) AS participants
"""

# The member's own: what was accepted, at least tentatively, and what the member holds.
_OVERLAPS = f"""
    ARRAY(SELECT other.id
            FROM calendar_events AS other
           WHERE other.id <> event.id AND other.cancelled_at IS NULL
             AND event.cancelled_at IS NULL
             AND other.starts_at < event.ends_at AND other.ends_at > event.starts_at
             AND other.starts_at > event.starts_at - interval '744 hours'
             AND (other.owner_id = $1
                  OR EXISTS (SELECT FROM participants
                              WHERE event_id = other.id AND user_id = $1
                                AND status IN ('accepted', 'tentative')))
        ORDER BY other.starts_at, other.id
           LIMIT {_MOST_OVERLAPS}) AS overlaps
"""

# The same, where many are looked at: the member's own of the time are gathered once.
_OWN = """
   (SELECT id, starts_at, ends_at
      FROM calendar_events
     WHERE owner_id = $1 AND cancelled_at IS NULL
       AND starts_at < $4::timestamptz + interval '744 hours'
       AND starts_at > $3::timestamptz - interval '1488 hours'
     UNION
    SELECT id, starts_at, ends_at
      FROM calendar_events
     WHERE id = ANY(ARRAY(SELECT event_id FROM participants
                           WHERE user_id = $1 AND status IN ('accepted', 'tentative')))
       AND cancelled_at IS NULL
       AND starts_at < $4::timestamptz + interval '744 hours'
       AND starts_at > $3::timestamptz - interval '1488 hours')
"""

_OVERLAPS_OWN = f"""
    ARRAY(SELECT own.id
            FROM own
           WHERE own.id <> event.id AND event.cancelled_at IS NULL
             AND own.starts_at < event.ends_at AND own.ends_at > event.starts_at
        ORDER BY own.starts_at, own.id
           LIMIT {_MOST_OVERLAPS}) AS overlaps
"""

_VISIBLE = """
    (event.visibility = 'public' OR event.owner_id = $1 OR $2
     OR EXISTS (SELECT FROM participants WHERE event_id = event.id AND user_id = $1))
"""

_GET = f"""
    SELECT {_EVENT}, {_OVERLAPS}
      FROM calendar_events AS event
     WHERE event.id = $3 AND {_VISIBLE}
"""

_LIST = f"""
      WITH own AS MATERIALIZED {_OWN}
    SELECT {_EVENT}, {_OVERLAPS_OWN}
      FROM calendar_events AS event
     WHERE event.starts_at < $4 AND event.ends_at > $3
       AND event.starts_at > $3 - interval '744 hours'
       AND ($5::bigint IS NULL
            OR (event.starts_at, event.id) > (SELECT event.starts_at, event.id
                                                FROM calendar_events AS event
                                               WHERE event.id = $5 AND {_VISIBLE}))
       AND {_VISIBLE}
  ORDER BY event.starts_at, event.id
     LIMIT $6
"""

# Alone, so that what is read next is of after the wait. Who may not see the event neither waits,
# which would tell that there is one, nor keeps others waiting.
_LOCK = f"""
    SELECT FROM calendar_events AS event WHERE event.id = $3 AND {_VISIBLE}
       FOR NO KEY UPDATE OF event
"""

# So that nobody makes more than is allowed by hurrying.
_LOCK_OWNER = "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE"

# By when they were made: neither moving them nor calling them off makes room for more.
_COUNT_MADE = """
    SELECT count(*)
      FROM calendar_events
     WHERE owner_id = $1 AND created_at > clock_timestamp() - interval '30 days'
"""

_INSERT = """
    INSERT INTO calendar_events (owner_id, title, description, location, starts_at, ends_at,
                                 capacity, visibility)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
 RETURNING id
"""

# Who was reminded of another time is reminded of the new one.
_UPDATE = """
    UPDATE calendar_events
       SET title = $2, description = $3, location = $4, starts_at = $5, ends_at = $6,
           capacity = $7, visibility = $8, sequence = sequence + 1,
           updated_at = clock_timestamp(),
           reminded_at = CASE WHEN starts_at = $5 THEN reminded_at END
     WHERE id = $1
"""

_CANCEL = """
    UPDATE calendar_events
       SET cancelled_at = clock_timestamp(), updated_at = clock_timestamp(),
           sequence = sequence + 1
     WHERE id = $1
"""

_INVITE = """
    INSERT INTO participants (event_id, user_id, invited_by)
    SELECT $1, user_id, $3 FROM unnest($2::bigint[]) AS user_id
"""

# A new place at the end, whoever answers anew.
_ANSWER = """
    INSERT INTO participants (event_id, user_id, status, waitlisted, answered_at)
    VALUES ($1, $2, $3, $4, clock_timestamp())
        ON CONFLICT ON CONSTRAINT participants_pkey
        DO UPDATE SET status = EXCLUDED.status, waitlisted = EXCLUDED.waitlisted,
                      answered_at = EXCLUDED.answered_at, place = DEFAULT
"""

_SEAT = """
    UPDATE participants SET waitlisted = false WHERE event_id = $1 AND user_id = ANY($2::bigint[])
"""


# Whoever changes the event now will be done by the next look.
_DUE = f"""
    SELECT {_EVENT}, ARRAY[]::bigint[] AS overlaps
      FROM calendar_events AS event
     WHERE event.reminded_at IS NULL AND event.cancelled_at IS NULL
       AND event.starts_at > $1 AND event.starts_at <= $2
  ORDER BY event.starts_at, event.id
     LIMIT 1
       FOR NO KEY UPDATE SKIP LOCKED
"""

_COMING = """
    SELECT user_id
      FROM participants
     WHERE event_id = $1 AND status IN ('accepted', 'tentative') AND NOT waitlisted
  ORDER BY user_id
"""

_REMINDED = "UPDATE calendar_events SET reminded_at = $2 WHERE id = $1"


class EventNotFound(ClubError):
    status = 404
    code = "event_not_found"
    sentence = "There is no such event."


class EventCancelled(ClubError):
    code = "event_cancelled"
    sentence = "This event was cancelled."


class EventCrowded(ClubError):
    code = "event_crowded"
    sentence = "No more people can be invited to this event or answer it."


class TooManyEvents(ClubError):
    code = "too_many_events"
    sentence = "You have added too many events within 30 days."


class BadTimes(ClubError):
    code = "validation_failed"
    sentence = "An event ends after it starts, and within 31 days."

    def __init__(self) -> None:
        super().__init__(fields={"endsAt": [self.sentence]})


@dataclass(frozen=True, slots=True)
class Named:
    """A member, as others see one."""

    id: int
    username: str


class Participant(NamedTuple):
    """Somebody invited, or who answered; `status` is a PARTSTAT of RFC 5545 §3.2.12.

    A tuple, since there are thousands of them in a list.
    """

    user_id: int
    status: str
    waitlisted: bool
    username: str

    @property
    def seated(self) -> bool:
        return self.status == "accepted" and not self.waitlisted


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """An event. `participants` are in the order of the waiting list; `overlaps` are one
    member's."""

    id: int
    title: str
    description: str
    location: str
    starts_at: datetime
    ends_at: datetime
    capacity: int | None
    visibility: str
    sequence: int
    cancelled: bool
    owner: Named
    participants: tuple[Participant, ...]
    overlaps: tuple[int, ...]

    @property
    def people(self) -> tuple[Participant, ...]:
        """Who the participants are, in the same order."""
        return self.participants

    def participant(self, user_id: int) -> Participant | None:
        return next((each for each in self.participants if each.user_id == user_id), None)

    def listeners(self) -> list[int]:
        """Who is to know: the participants and the owner."""
        return sorted({self.owner.id, *(each.user_id for each in self.participants)})

    def concerned(self, *, but: int) -> list[int]:
        """Who has not declined, but for the one who knows."""
        return [
            each.user_id
            for each in self.participants
            if each.status != "declined" and each.user_id != but
        ]


@dataclass(frozen=True, slots=True)
class Due:
    """An event that begins soon, and who comes or perhaps does."""

    event: CalendarEvent
    user_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """What the owner says of an event."""

    title: str
    description: str
    location: str
    starts_at: datetime
    ends_at: datetime
    capacity: int | None
    visibility: str


@dataclass(frozen=True, slots=True)
class Changed:
    """An event after a change. `moved`: time or place are others; `invited`: who is new;
    `promoted`: who got a seat, in order."""

    event: CalendarEvent
    changed: bool = True
    moved: bool = False
    invited: tuple[int, ...] = ()
    promoted: tuple[Participant, ...] = ()


async def list_events(
    connection: Any,
    member: Member,
    *,
    since: datetime,
    until: datetime,
    after: int | None,
    limit: int,
) -> list[CalendarEvent]:
    """What the member may see of a time, in order of their starts."""
    rows = await connection.fetch(
        _LIST, member.id, member.is_staff, since, until, after, limit
    )
    return [_event(row) for row in rows]


async def get(connection: Any, member: Member, event_id: int) -> CalendarEvent:
    """Raises: EventNotFound, also when the member may not see it."""
    row = await connection.fetchrow(_GET, member.id, member.is_staff, event_id)
    if row is None:
        raise EventNotFound()
    return _event(row)


async def create(
    tx: Transaction,
    member: Member,
    draft: Draft,
    invite: Sequence[int],
    *,
    most: int,
    monthly: int,
) -> Changed:
    """Add an event and invite members to it; `monthly` is how many a player may add in 30 days.

    Raises: BadTimes, TooManyEvents, UserNotFound, EventCrowded.
    """
    _check_times(draft)
    if not member.is_staff:
        await tx.fetch(_LOCK_OWNER, member.id)
        if await tx.fetchval(_COUNT_MADE, member.id) >= monthly:
            raise TooManyEvents()
    id_ = await tx.fetchval(_INSERT, member.id, *_columns(draft))
    return await _invite(tx, member, await get(tx, member, id_), invite, most)


async def change(
    tx: Transaction,
    member: Member,
    event_id: int,
    draft: Draft,
    invite: Sequence[int],
    *,
    most: int,
) -> Changed:
    """Change an event as a whole, invite further members, fill seats that become free.

    Nobody loses a seat. Raises: EventNotFound, Forbidden, EventCancelled, BadTimes,
    UserNotFound, EventCrowded.
    """
    _check_times(draft)
    before = await _hold_own(tx, member, event_id)
    same = all(getattr(before, name) == getattr(draft, name) for name in draft.__slots__)
    if not same:
        tx.send(_UPDATE, event_id, *_columns(draft))
    done = await _invite(tx, member, await get(tx, member, event_id), invite, most)
    event, promoted = await _promote(tx, member, done.event)
    place = ("starts_at", "ends_at", "location")
    return Changed(
        event,
        changed=not same,
        moved=any(getattr(before, name) != getattr(draft, name) for name in place),
        invited=done.invited,
        promoted=promoted,
    )


async def cancel(tx: Transaction, member: Member, event_id: int) -> Changed:
    """Call an event off; it stays, marked. Raises: EventNotFound, Forbidden."""
    event = await _hold(tx, member, event_id)
    _require_owner(member, event)
    if event.cancelled:
        return Changed(event, changed=False)
    tx.send(_CANCEL, event_id)
    return Changed(await get(tx, member, event_id))


async def invite(
    tx: Transaction, member: Member, event_id: int, user_ids: Sequence[int], *, most: int
) -> Changed:
    """Invite members; who is invited already stays as it is.

    Raises: EventNotFound, Forbidden, EventCancelled, UserNotFound, EventCrowded.
    """
    return await _invite(tx, member, await _hold_own(tx, member, event_id), user_ids, most)


async def answer(
    tx: Transaction, member: Member, event_id: int, status: str, *, most: int
) -> Changed:
    """Say whether one comes. Where no seat is free, who accepts waits for one.

    Raises: EventNotFound, EventCancelled, EventCrowded.
    """
    event = await _hold(tx, member, event_id)
    if event.cancelled:
        raise EventCancelled()
    now = event.participant(member.id)
    if now is not None and now.status == status:
        # Accepting again must not cost a place in the line.
        return Changed(event, changed=False)
    if now is None and len(event.participants) >= most:
        raise EventCrowded()
    waits = status == "accepted" and _free(event) == 0
    await tx.execute(_ANSWER, event_id, member.id, status, waits)
    event, promoted = await _promote(tx, member, await get(tx, member, event_id))
    return Changed(event, promoted=promoted)


async def take_due(tx: Transaction, now: datetime, before: timedelta) -> Due | None:
    """Take an event that begins within `before` and was not reminded of; None: there is none.

    It is marked as reminded of, if the transaction commits; others pass it over meanwhile.
    """
    row = await tx.fetchrow(_DUE, now, now + before)
    if row is None:
        return None
    event = _event(row)
    # Read again: what was read with the lock may be older than the lock.
    user_ids = [row["user_id"] for row in await tx.fetch(_COMING, event.id)]
    tx.send(_REMINDED, event.id, now)
    return Due(event, tuple(user_ids))


async def _hold(tx: Transaction, member: Member, event_id: int) -> CalendarEvent:
    if not await tx.fetch(_LOCK, member.id, member.is_staff, event_id):
        raise EventNotFound()
    return await get(tx, member, event_id)


async def _hold_own(tx: Transaction, member: Member, event_id: int) -> CalendarEvent:
    event = await _hold(tx, member, event_id)
    _require_owner(member, event)
    if event.cancelled:
        raise EventCancelled()
    return event


def _require_owner(member: Member, event: CalendarEvent) -> None:
    if event.owner.id != member.id and not member.is_staff:
        raise Forbidden()


async def _invite(
    tx: Transaction, member: Member, event: CalendarEvent, user_ids: Sequence[int], most: int
) -> Changed:
    new = sorted(set(user_ids) - {each.user_id for each in event.participants})
    if not new:
        return Changed(event, changed=False)
    known = await accounts.find_all(tx, new)
    if any(id_ not in known or known[id_].role not in MEMBER_ROLES for id_ in new):
        raise UserNotFound()
    if len(event.participants) + len(new) > most:
        raise EventCrowded()
    tx.send(_INVITE, event.id, new, member.id)
    return Changed(await get(tx, member, event.id), invited=tuple(new))


async def _promote(
    tx: Transaction, member: Member, event: CalendarEvent
) -> tuple[CalendarEvent, tuple[Participant, ...]]:
    """Give free seats to those who wait, in their order."""
    waiting = [each for each in event.participants if each.waitlisted]
    seated = waiting[: _free(event)]
    if not seated:
        return event, ()
    tx.send(_SEAT, event.id, [each.user_id for each in seated])
    promoted = tuple(each._replace(waitlisted=False) for each in seated)
    return await get(tx, member, event.id), promoted


def _free(event: CalendarEvent) -> int | None:
    """How many seats are free; None: any number."""
    if event.capacity is None:
        return None
    # More may be seated than there are seats: a capacity that falls throws nobody out.
    return max(0, event.capacity - sum(each.seated for each in event.participants))


def _check_times(draft: Draft) -> None:
    if not timedelta() < draft.ends_at - draft.starts_at <= LONGEST:
        raise BadTimes()


def _columns(draft: Draft) -> tuple[Any, ...]:
    return (
        draft.title,
        draft.description,
        draft.location,
        draft.starts_at,
        draft.ends_at,
        draft.capacity,
        draft.visibility,
    )


def _event(row: Any) -> CalendarEvent:
    fields = dict(row)
    owner = Named(fields.pop("owner_id"), fields.pop("owner_name"))
    participants = tuple(map(Participant._make, json.loads(fields.pop("participants"))))
    overlaps = tuple(fields.pop("overlaps"))
    return CalendarEvent(**fields, owner=owner, participants=participants, overlaps=overlaps)
