"""Reminders of events that begin soon.

Invariants
    An event is marked in the transaction that tells of it, while its row is held: it is told of
    once, by whichever worker comes first, and not at all if that worker dies before the commit.
    What became due while no worker ran is told of by the first that does, unless it has begun.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog
from aiohttp import web

from events.fields import instance
from events.views import EventNotice
from server.club import calendar
from server.club.notifications import Notice
from server.errors import DatabaseUnavailable
from server.keys import CONFIG, DB
from server.telling import notify

log = structlog.get_logger(__name__)

# Nobody notices a reminder that is a quarter of a minute late.
_PAUSE_S = 15.0


class Reminders:
    """Reminds those who come to an event, or perhaps do."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._before = timedelta(seconds=app[CONFIG].reminder_before_s)

    async def run(self) -> None:
        """Remind again and again until cancelled."""
        while True:
            try:
                await self.remind(datetime.now(UTC))
            except DatabaseUnavailable:
                log.info("reminders put off: the database does not answer")
            except Exception:
                log.exception("reminding failed")
            await asyncio.sleep(_PAUSE_S)

    async def remind(self, now: datetime) -> int:
        """Tell of all that is due at a moment. Returns of how many events that was.

        Raises: DatabaseUnavailable.
        """
        told = 0
        while await self._remind_of_one(now):
            told += 1
        return told

    async def _remind_of_one(self, now: datetime) -> bool:
        async with self._app[DB].transaction() as tx:
            due = await calendar.take_due(tx, now, self._before)
            if due is None:
                return False
            data = instance(EventNotice).dump(due.event)
            await notify(
                self._app, tx, [Notice(user_id, "reminder", data) for user_id in due.user_ids]
            )
        log.info("reminded of an event", event_id=due.event.id, members=len(due.user_ids))
        return True
