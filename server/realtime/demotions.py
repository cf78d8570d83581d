"""Ends what somebody opened while one of the staff who is not any more.

A request asks for the role each time; a connection was let in once and may stay for hours.

Invariants
    Connections are broken, not moved to other rooms: clients come back by themselves, from where
    they were, and are let in as who they are now.
"""

import asyncio

import structlog

from server.db import Database
from server.errors import DatabaseUnavailable
from server.realtime.feeds import DEMOTED, Feeds
from server.realtime.sio import ClubSio
from server.realtime.sockets import Sockets

log = structlog.get_logger(__name__)

_STILL_STAFF = "SELECT id FROM users WHERE id = ANY($1::bigint[]) AND role IN ('staff', 'admin')"


class Demotions:
    """Looks every `pause_s` seconds whether those who hear as staff are staff."""

    def __init__(
        self, db: Database, sio: ClubSio, sockets: Sockets, feeds: Feeds, *, pause_s: float
    ) -> None:
        self._db = db
        self._sio = sio
        self._sockets = sockets
        self._feeds = feeds
        self._pause_s = pause_s

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await asyncio.sleep(self._pause_s)
            try:
                await self.look()
            except DatabaseUnavailable:
                log.info("looking at roles put off: the database does not answer")
            except Exception:
                log.exception("looking at roles failed")

    async def look(self) -> int:
        """Break the connections of who is not staff any more. Returns how many that were.

        Raises: DatabaseUnavailable.
        """
        hear_all = self._staff_ids()
        if not hear_all:
            return 0
        async with self._db.connection() as connection:
            rows = await connection.fetch(_STILL_STAFF, sorted(hear_all))
        demoted = hear_all - {row["id"] for row in rows}
        return self._end(demoted) if demoted else 0

    def _staff_ids(self) -> set[int]:
        there = [each.who for each in self._sockets.all()]
        there += [each.who for each in self._feeds.all()]
        return {who.member.id for who in there if who is not None and who.member.is_staff}

    def _end(self, demoted: set[int]) -> int:
        ended = 0
        for socket in self._sockets.all():
            if socket.who is not None and socket.who.member.id in demoted:
                self._sio.cut(socket.sid, DEMOTED)
                ended += 1
        for feed in self._feeds.all():
            if feed.who is not None and feed.who.member.id in demoted:
                feed.end(DEMOTED)
                ended += 1
        log.info("no longer staff", members=len(demoted), connections=ended)
        return ended
