"""A feed as text: an iCalendar object (RFC 5545 §3.4)."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from icalendar import Calendar, Event, vCalAddress, vDuration, vText

from server.club.feeds import Entry

# How often a program should ask; X-PUBLISHED-TTL is the same for older ones.
_REFRESH = timedelta(hours=1)

# §3.1: octets of a line without its break.
_LINE = 75

# An entry takes about a millisecond: others have a turn after so many, and most of a feed is as
# it was when it is asked for again.
_AT_ONCE = 5
_KEPT = 2000


async def write(user_id: int, found: Sequence[Entry]) -> bytes:
    """The iCalendar object of a member (refresh interval of RFC 7986 §5.7).

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
    head, end = calendar.to_ical().split(b"END:")
    parts = [head]
    for number, entry in enumerate(found, 1):
        parts.append(_written(user_id, entry))
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return b"".join([*parts, b"END:", end])


@lru_cache(_KEPT)
def _written(user_id: int, entry: Entry) -> bytes:
    lines = _component(user_id, entry).content_lines()
    return b"".join(_folded(str(line)) for line in lines if line)


def _folded(line: str) -> bytes:
    """A line of content in lines of at most 75 octets (§3.1), no character in two of them.

    Nor, since some readers look at a line before they put it together, an escaped one. The
    library does the same, one character at a time: a second for a hundred long descriptions.
    """
    rest = line.encode()
    folded = bytearray()
    most = _LINE
    while len(rest) > most:
        end = most
        while rest[end] & 0xC0 == 0x80:
            end -= 1
        # An odd one at the end escapes what comes next.
        if any((end - len(rest[:end].rstrip(mark))) % 2 for mark in (b"\\", b"^")):
            end -= 1
        folded += rest[:end] + b"\r\n "
        # The space that a line goes on with is one of its octets.
        rest, most = rest[end:], _LINE - 1
    return bytes(folded + rest + b"\r\n")


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
