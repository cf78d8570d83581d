"""Who listens at this worker's doors beside Socket.IO: bounds, delivery, the end of tokens."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from events import AuthExpired, Event, ServerDraining
from server.errors import ClubError, Draining, Unavailable
from server.identity import Listener, SignedIn, rooms_that_hear
from server.metrics import FEEDS_OPEN, FEEDS_OVERFLOWED
from server.realtime.crowd import Crowd, Full, Places
from server.realtime.cursor import Cursor
from server.realtime.departures import Departures
from server.realtime.expiry import Expiry
from server.realtime.feed import Feed
from server.realtime.log import EventLog, LoggedEvent
from server.realtime.membership import Change
from server.realtime.news import News
from server.realtime.relay import Relay

#: The long poll's door. It has a bound of its own, since a poll comes again and again.
UPDATES = "updates"
EVENT_STREAM = "event-stream"
WS_STREAM = "ws-stream"
WS = "ws"

# Events of one page of the log. A stream holds one for as long as its client is slow with it; a
# poll answers with it.
PAGE = 100
UPDATES_PAGE = 500

# Why a feed ended.
LEFT = "client left"
EXPIRED = "token expired"
DRAINING = "server restarts"
DEMOTED = "no longer staff"

# Spread out, so that they do not all come back in the same second.
_RECONNECT_MS = (500, 3000)


class TooManyStreams(ClubError):
    status = 429
    code = "too_many_streams"
    sentence = "Too many connections are open from here."


# A connection that is told nothing does not notice by itself that its client has gone.
_LOOK_S = 1.0


class Client:
    """Whoever is at the other end of a request."""

    def __init__(self, request: web.Request) -> None:
        self._request = request

    @property
    def gone(self) -> bool:
        transport = self._request.transport
        return transport is None or transport.is_closing()

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client."""
        transport = self._request.transport
        return 0 if transport is None else transport.get_write_buffer_size()


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """Bounds on listeners of one worker.

    `queue` events wait for a listener that is slow; `readers` listeners read the log at once and
    wait `patience_s` for their turn; there are places for `streams`, and for polls that are
    `waiting`.
    """

    queue: int = 500
    readers: int = 8
    patience_s: float = 5.0
    streams: Places = Places()
    waiting: Places = Places()


class Feeds:
    """The listeners of this worker; the relay hands them every durable event."""

    def __init__(
        self,
        event_log: EventLog,
        relay: Relay,
        departures: Departures,
        limits: FeedLimits,
        *,
        grace_s: float,
    ) -> None:
        self._log = event_log
        self._relay = relay
        self._departures = departures
        self._limits = limits
        self._grace_s = grace_s
        self._turn = asyncio.Semaphore(limits.readers)
        self._open: dict[int, Feed] = {}
        self._clients: dict[Feed, Client] = {}
        self._by_room: dict[str, set[Feed]] = {}
        self._by_door: Counter[str] = Counter()
        self._streams = Crowd(limits.streams)
        self._waiting = Crowd(limits.waiting)
        self._made = 0
        self._draining = False
        relay.listeners.append(self)

    # What is asked of it.

    def all(self) -> list[Feed]:
        return list(self._open.values())

    def count(self, door: str) -> int:
        """How many listen at a door."""
        return self._by_door[door]

    @property
    def waiting(self) -> int:
        """How many polls wait for something."""
        return self._waiting.total

    def size(self, audience: str) -> int:
        """How many hear what is told to this audience."""
        return sum(len(self._by_room.get(room, ())) for room in rooms_that_hear(audience))

    def lag(self, feed: Feed) -> int | None:
        """How many events of the log it is behind this worker; None: that cannot be said."""
        reached = feed.reached
        return None if reached is None else reached.behind(self._relay.position)

    def buffered(self, feed: Feed) -> int:
        """How many bytes wait in its connection."""
        client = self._clients.get(feed)
        return client.buffered if client else 0

    # Coming and going.

    @contextlib.contextmanager
    def open(
        self,
        door: str,
        *,
        address: str,
        who: SignedIn[Listener] | None,
        after: Cursor | None,
        client: Client | None = None,
    ) -> Iterator[Feed]:
        """A feed for as long as its client is there; it ends by itself when `client` has gone.

        Raises: TooManyStreams, Unavailable, Draining.
        """
        if self._draining:
            raise Draining()
        if door != UPDATES:
            self._check_room_for(address, who)
        self._made += 1
        feed = Feed(
            self._log,
            self._turn,
            lambda: self._relay.position,
            FEEDS_OVERFLOWED.inc,
            self._move,
            number=self._made,
            door=door,
            address=address,
            who=who,
            after=after,
            page_size=UPDATES_PAGE if door == UPDATES else PAGE,
            queue_size=self._limits.queue,
            patience_s=self._limits.patience_s,
        )
        expiry = self._expiry(feed)
        self._enter(feed, client)
        try:
            yield feed
        finally:
            self._leave(feed)
            if expiry is not None:
                expiry.cancel()

    def _check_room_for(self, address: str, who: SignedIn[Listener] | None) -> None:
        full = self._streams.full(address, who.member.id if who else None)
        if full is Full.EVERYWHERE:
            raise Unavailable("Too many clients are listening.", retry_after_s=5)
        if full is Full.ADDRESS:
            raise TooManyStreams(retry_after_s=5)
        if full is Full.MEMBER:
            raise TooManyStreams("This account has too many streams open.", retry_after_s=5)

    @contextlib.contextmanager
    def wait(self, poll: Feed) -> Iterator[None]:
        """A place for a poll that waits. Raises: Unavailable."""
        member_id = poll.who.member.id if poll.who else None
        if self._waiting.full(poll.address, member_id):
            raise Unavailable(
                "Too many clients are waiting. Poll without `wait`.", retry_after_s=5
            )
        self._waiting.count(poll.address, member_id, 1)
        try:
            yield
        finally:
            self._waiting.count(poll.address, member_id, -1)

    def _expiry(self, feed: Feed) -> Expiry | None:
        if feed.who is None:
            return None
        told = AuthExpired("", round(self._grace_s * 1000))
        return Expiry(
            feed.who.expires_at,
            self._grace_s,
            expired=lambda: feed.tell(News.of_moment(told)),
            over=lambda: feed.end(EXPIRED),
        )

    def _enter(self, feed: Feed, client: Client | None) -> None:
        self._open[feed.number] = feed
        if client is not None:
            self._clients[feed] = client
        self._place(feed, feed.audiences)
        self._count(feed, 1)

    def _leave(self, feed: Feed) -> None:
        del self._open[feed.number]
        self._clients.pop(feed, None)
        self._displace(feed, feed.audiences)
        self._count(feed, -1)
        if feed.door != UPDATES:
            # A poll that has been answered has not left.
            member_id = feed.who.member.id if feed.who else None
            self._departures.note(member_id, feed.address, feed.door, feed.ended or LEFT)

    def _move(self, feed: Feed, audiences: set[str]) -> None:
        before, feed.audiences = feed.audiences, audiences
        if feed.number in self._open:
            self._displace(feed, before - audiences)
            self._place(feed, audiences - before)

    def _place(self, feed: Feed, audiences: set[str]) -> None:
        for room in audiences:
            self._by_room.setdefault(room, set()).add(feed)

    def _displace(self, feed: Feed, audiences: set[str]) -> None:
        for room in audiences:
            feeds = self._by_room[room]
            feeds.discard(feed)
            if not feeds:
                del self._by_room[room]

    def _count(self, feed: Feed, by: int) -> None:
        self._by_door[feed.door] += by
        FEEDS_OPEN.labels(feed.door).set(self._by_door[feed.door])
        if feed.door != UPDATES:
            member_id = feed.who.member.id if feed.who else None
            self._streams.count(feed.address, member_id, by)

    async def watch(self) -> None:
        """End the feeds of those who have gone, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for feed, client in self._clients.items():
                if client.gone:
                    feed.end(LEFT)

    # What they are told.

    def heard(self, event: LoggedEvent) -> None:
        """The relay has moved on to this event."""
        change = Change.of(event)
        if change is not None:
            for feed in self._by_room.get(change.who, ()):
                feed.change(change)
        self._hand(event.audience, lambda: News.of_log(event))

    def broke(self) -> None:
        """The relay had to jump."""
        for feed in self.all():
            feed.lost_track()

    def tell(self, event: Event) -> None:
        """An ephemeral event; a listener that is behind misses it. Raises: WrongPayload."""
        self._hand(event.room(), lambda: News.of_moment(event))

    def tell_of(self, name: str, audience: str, data: Any) -> None:
        """The same from another worker."""
        self._hand(audience, lambda: News(name, data))

    def _hand(self, audience: str, make: Callable[[], News]) -> None:
        news = None
        for room in rooms_that_hear(audience):
            feeds = self._by_room.get(room)
            if feeds:
                news = news or make()
                for feed in feeds:
                    feed.hear(news)

    def drain(self) -> None:
        """The server stops: tell everybody when to come back, and let them go."""
        self._draining = True
        for feed in self.all():
            told = ServerDraining("", random.randint(*_RECONNECT_MS))
            feed.tell(News.of_moment(told))
            feed.end(DRAINING)
