"""What people have written to each other: lists over HTTP, and a line of the chat to everybody."""

import asyncio
import http.client
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from bench.club import Member, RunningClub, running_club, say
from bench.commits import connected
from bench.engine.children import compile_load

_SOCKETS = 5000
_LINES, _LINES_BEFORE = 100, 10
_LINES_AIM_MS = 100.0
_REQUESTS = 500
_WARM_UP = 50
_AIM_MS = 10.0

# The reader's own, and what the club has besides.
_DIALOGS, _HISTORY, _NOTIFICATIONS = 500, 100_000, 1000
_OTHER_DIALOGS = 20_000


@dataclass(frozen=True)
class _Month:
    """So many events, with so many people each. The reader comes to every third of them."""

    events: int
    people: int
    aim: bool = True


# A busy club's, as many as fit into one answer, and a year besides.
_MONTHS = {5: _Month(60, 8), 6: _Month(200, 20, aim=False)}
_MORE_EVENTS = 5000

# A dialog in twenty is left open, and each has a few messages; the first one has all of the
# history. Every third message is the staff's, and every ninth a note.
_TALK = (
    """
    INSERT INTO dialogs (subject, status, created_by, message_count, public_count,
                         last_message_id, last_public_message_id)
    SELECT 'Dialog ' || n, CASE WHEN n % 20 = 0 THEN 'open' ELSE 'resolved' END,
           CASE WHEN n <= $1 THEN $2::bigint ELSE $3::bigint + n % $4::int END, 0, 0, 0, 0
      FROM generate_series(1, $1::int + $5::int) AS n
    """,
    """
    INSERT INTO dialog_members (dialog_id, user_id) SELECT id, created_by FROM dialogs
    """,
    """
    INSERT INTO messages (dialog_id, sender_id, text, internal, number, public_number)
    SELECT dialogs.id, CASE WHEN n % 3 = 0 THEN $2::bigint ELSE created_by END,
           repeat('A line of an ordinary length. ', 1 + n % 5), n % 9 = 0, n, n - n / 9
      FROM dialogs,
           generate_series(1, CASE WHEN dialogs.id = (SELECT min(id) FROM dialogs)
                                   THEN $1::int ELSE 4 END) AS n
  ORDER BY dialogs.id % 997, n
    """,
    """
    UPDATE dialogs
       SET message_count = counted.number, public_count = counted.public_number,
           last_message_id = counted.last, last_public_message_id = counted.last_public
      FROM (SELECT dialog_id, max(number) AS number, max(public_number) AS public_number,
                   max(id) AS last, max(id) FILTER (WHERE NOT internal) AS last_public
              FROM messages
          GROUP BY dialog_id) AS counted
     WHERE dialogs.id = counted.dialog_id
    """,
)

_CALENDAR = (
    """
    INSERT INTO calendar_events (owner_id, title, description, location, starts_at, ends_at,
                                 capacity, visibility)
    SELECT $1::bigint + n % $2::int, 'Event ' || n, repeat('What is played, and how. ', 10),
           'Hall', starts, starts + interval '3 hours', 8, 'public'
      FROM (SELECT n, $3::timestamptz + n * $4::interval / $5::int AS starts
              FROM generate_series(0, $5::int - 1) AS n) AS planned
    """,
    """
    INSERT INTO participants (event_id, user_id, status)
    SELECT id, $1::bigint + (id * 7 + n) % $2::int,
           (ARRAY['accepted', 'tentative', 'declined'])[1 + n % 3]
      FROM calendar_events, generate_series(1, $3::int) AS n
     WHERE starts_at >= $4
    """,
    """
    INSERT INTO participants (event_id, user_id, status)
    SELECT id, $1, 'accepted' FROM calendar_events WHERE id % 3 = 0
    """,
)

_NOTICES = (
    """
    INSERT INTO notification_heads (user_id) SELECT id FROM unnest($1::bigint[]) AS id
    """,
    """
    INSERT INTO notifications (user_id, kind, data)
    SELECT id, 'invitation', '{"eventId": 7, "title": "Cup", "location": "Hall",
                               "startsAt": "2031-05-16T18:00:00.000Z"}'
      FROM unnest($1::bigint[]) AS id, generate_series(1, $2::int) AS n
  ORDER BY n, id
    """,
    """
    UPDATE notification_heads AS head
       SET newest = counted.newest, total = $1, unread = $1
      FROM (SELECT user_id, max(id) AS newest FROM notifications GROUP BY user_id) AS counted
     WHERE head.user_id = counted.user_id
    """,
)


@dataclass(frozen=True)
class _Asked:
    """A kind of request; `paths` gives the next one each time."""

    name: str
    who: Member
    paths: Iterator[str]
    headers: dict[str, str]
    aim: bool = True


async def _fill(club: RunningClub) -> tuple[int, int]:
    """Write it all at once. Returns the first dialog, and its last message."""
    reader, others = club.members[0].id, club.members[1].id
    count = len(club.members) - 1
    ids = [member.id for member in club.members[:100]]
    connection = await asyncpg.connect(club.postgres.dsn())
    dialogs, members, messages, counts = _TALK
    await connection.execute(dialogs, _DIALOGS, reader, others, count, _OTHER_DIALOGS)
    await connection.execute(members)
    await connection.execute(messages, _HISTORY, club.admins[0].id)
    await connection.execute(counts)
    events, guests, own = _CALENDAR
    for number, month in _MONTHS.items():
        begins = datetime(2031, number, 1, tzinfo=UTC)
        days = timedelta(days=30)
        await connection.execute(events, others, count, begins, days, month.events)
        await connection.execute(guests, others, count, month.people, begins)
    begins = datetime(2031, 7, 1, tzinfo=UTC)
    await connection.execute(
        events, others, count, begins, timedelta(days=365), _MORE_EVENTS
    )
    await connection.execute(guests, others, count, 8, begins)
    await connection.execute(own, reader)
    heads, notices, totals = _NOTICES
    await connection.execute(heads, ids)
    await connection.execute(notices, ids, _NOTIFICATIONS)
    await connection.execute(totals, _NOTIFICATIONS)
    await connection.execute("VACUUM ANALYZE")
    first = await connection.fetchrow("SELECT id, last_message_id FROM dialogs ORDER BY id LIMIT 1")
    await connection.close()
    return first["id"], first["last_message_id"]


def _requests(club: RunningClub, dialog_id: int, last: int) -> list[_Asked]:
    reader, staff = club.members[0], club.admins[0]
    history = f"/api/dialogs/{dialog_id}/messages"

    def same(path: str) -> Iterator[str]:
        while True:
            yield path

    def anywhere() -> Iterator[str]:
        while True:
            yield f"{history}?before={random.randint(1, last)}"

    tag = _get(club, reader, "/api/notifications")[1]
    return [
        _Asked(f"dialogs, {_DIALOGS} of one's own", reader, same("/api/dialogs"), {}),
        _Asked(
            f"the same, all of the club's {_DIALOGS + _OTHER_DIALOGS:,} (staff)",
            staff,
            same("/api/dialogs"),
            {},
        ),
        _Asked("the same, the open ones", staff, same("/api/dialogs?status=open"), {}),
        _Asked(f"messages, the last of {_HISTORY:,}", reader, same(history), {}),
        _Asked("the same, anywhere in the history", reader, anywhere(), {}),
        _Asked("the same (staff)", staff, anywhere(), {}),
        *(
            _Asked(
                f"calendar, a month of {month.events} events with {month.people} people each",
                reader,
                same(f"/api/events?from=2031-0{number}-01T00:00Z&to=2031-0{number + 1}-01T00:00Z"),
                {},
                month.aim,
            )
            for number, month in _MONTHS.items()
        ),
        _Asked(f"notifications, {_NOTIFICATIONS:,}", reader, same("/api/notifications"), {}),
        _Asked(
            "the same, unchanged (304)", reader, same("/api/notifications"), {"If-None-Match": tag}
        ),
        _Asked("chat", reader, same("/api/chat"), {}),
    ]


def _get(club: RunningClub, who: Member, path: str) -> tuple[bytes, str]:
    connection = http.client.HTTPConnection(club.host, club.port)
    connection.request("GET", path, headers={"Authorization": f"Bearer {who.token}"})
    response = connection.getresponse()
    body, tag = response.read(), response.getheader("ETag") or ""
    connection.close()
    return body, tag


def _time_of(club: RunningClub, asked: _Asked) -> str:
    """One after the other over one connection, from the request to the last byte."""
    connection = http.client.HTTPConnection(club.host, club.port)
    headers = {"Authorization": f"Bearer {asked.who.token}"} | asked.headers
    took_ms, size = [], 0
    before = club.server_cpu_s()
    for number in range(_WARM_UP + _REQUESTS):
        began = time.perf_counter()
        connection.request("GET", next(asked.paths), headers=headers)
        response = connection.getresponse()
        body = response.read()
        took = (time.perf_counter() - began) * 1000
        if response.status not in (200, 304):
            raise RuntimeError(f"{asked.name}: {response.status} {body!r}")
        if number >= _WARM_UP:
            took_ms.append(took)
            size += len(body)
    cpu_ms = (club.server_cpu_s() - before) / (_WARM_UP + _REQUESTS) * 1000
    connection.close()
    cuts = statistics.quantiles(took_ms, n=100)
    met = ("yes" if cuts[98] < _AIM_MS else "no") if asked.aim else "none"
    say(f"  {asked.name}: {cuts[49]:.1f} / {cuts[98]:.1f} ms")
    return (
        f"| {asked.name} | {size / _REQUESTS / 1000:.1f} | {cuts[49]:.1f} | {cuts[98]:.1f} "
        f"| {met} | {cpu_ms:.1f} |"
    )


def _lines(club: RunningClub) -> str:
    """Each line by another member, since nobody writes so fast."""
    listening = connected(club, club.members, "127.0.0.2")
    longest_ms, middle_ms = [], []
    before = club.server_cpu_s()
    for number, member in enumerate(club.members[1 : _LINES_BEFORE + _LINES + 1]):
        if number == _LINES_BEFORE:
            longest_ms, middle_ms = [], []
            before = club.server_cpu_s()
        told = listening.ask("status")["received"]
        listening.ask("reset")
        connection = http.client.HTTPConnection(club.host, club.port)
        body = json.dumps({"text": "A line of an ordinary length, as people write."})
        headers = {"Authorization": f"Bearer {member.token}", "Content-Type": "application/json"}
        connection.request("POST", "/api/chat", body, headers)
        response = connection.getresponse()
        if response.status != 201:
            raise RuntimeError(f"chat: {response.status} {response.read()!r}")
        response.read()
        connection.close()
        status = listening.ask(f"until {told + _SOCKETS}")
        longest_ms.append(status["longest_us"] / 1000)
        middle_ms.append(status["p50_us"] / 1000)
        time.sleep(0.05)
    cpu_ms = (club.server_cpu_s() - before) / _LINES * 1000
    listening.stop()
    within = sum(each < _LINES_AIM_MS for each in longest_ms)
    return (
        f"| {_SOCKETS:,} | {statistics.median(middle_ms):.0f} | {min(longest_ms):.0f} "
        f"| {statistics.median(longest_ms):.0f} | {max(longest_ms):.0f} "
        f"| {within} of {_LINES} | {cpu_ms:.0f} |"
    )


async def measure() -> str:
    """Measure and return the Markdown."""
    compile_load()
    say("what people have written to each other")
    async with running_club(durable=True, members=_SOCKETS, admins=1) as club:
        dialog_id, last = await _fill(club)
        load = os.getloadavg()[0]
        rows = []
        for asked in await asyncio.to_thread(_requests, club, dialog_id, last):
            rows.append(await asyncio.to_thread(_time_of, club, asked))
        say(f"  a line of the chat to {_SOCKETS:,} sockets")
        line = await asyncio.to_thread(_lines, club)
    return "\n".join(
        [
            "## What people have written to each other",
            "",
            f"{os.cpu_count()} cores, Python {platform.python_version()}; server, PostgreSQL and "
            f"clients share them (load before: {load:.1f}). {_REQUESTS:,} requests, one after",
            "the other over one connection, from the request to the last byte of the answer, in "
            "ms; 50 entries each if nothing else is said. Aim:",
            f"p99 below {_AIM_MS:g} ms.",
            "",
            "| list | kB | p50 | p99 | aim met | server CPU, ms each |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "A line of the chat, from when it is written until the last WebSocket has it, in ms. "
            f"Aim: below {_LINES_AIM_MS:g} ms.",
            "",
            "| sockets | half of them | the last: best | median | worst | aim met "
            "| server CPU, ms each |",
            "|---|---|---|---|---|---|---|",
            line,
            "",
        ]
    )
