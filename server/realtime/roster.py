"""The workers that serve now, each of which says so in a table.

Invariants
    A worker is there for as long as it has said so lately, by the database's clock. Its counts
    are a few seconds old at others; its own are of the moment.
"""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from server.db import Database
from server.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

_EVERY_S = 2.0
_LEAVING_S = 1.0
_ANSWER_S = 2.0

# Whoever was not heard of for ten seconds is gone; for a minute: its process did not say goodbye.
_SAY = """
    WITH said AS (
        INSERT INTO workers (id, name, url, counts, seen_at)
        VALUES ($1, $2, $3, $4, clock_timestamp())
            ON CONFLICT (id) DO UPDATE
           SET url = excluded.url, counts = excluded.counts, seen_at = excluded.seen_at
    ), gone AS (
        DELETE FROM workers WHERE seen_at < clock_timestamp() - interval '1 minute'
    )
    SELECT name, url, counts
      FROM workers
     WHERE id <> $1 AND seen_at > clock_timestamp() - interval '10 seconds'
  ORDER BY name, id
"""

_LEAVE = "DELETE FROM workers WHERE id = $1"

#: What is counted, besides the doors of `server.realtime.feeds`: sockets, and before the type of
#: what was emitted on the reactor.
SOCKET_IO = "socket.io"
EMITTED = "emitted:"

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Worker:
    """Another worker, as it said last: where other workers reach it, and what it counts."""

    name: str
    url: str
    counts: Counts


class Roster:
    """Says that this worker serves, and knows which others do."""

    def __init__(
        self, db: Database, *, name: str, url: str, counts: Callable[[], Counts]
    ) -> None:
        self._db = db
        self._id = secrets.token_hex(8)
        self._counts = counts
        self.name = name
        self.url = url
        self.others: list[Worker] = []

    def totals(self) -> Counter[str]:
        """What all workers count, together."""
        together = Counter(self._counts())
        for other in self.others:
            together.update(other.counts)
        return together

    async def ask(self, path: str, authorization: str) -> list[tuple[Worker, Any]]:
        """What the other workers answer to a GET, as JSON; None where there is no answer."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        headers = {"Authorization": authorization}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http:
            others = list(self.others)
            answers = await asyncio.gather(*(_get(http, each.url + path) for each in others))
        return list(zip(others, answers, strict=True))

    async def run(self) -> None:
        """Say so again and again until cancelled."""
        while True:
            try:
                await self.say()
            except DatabaseUnavailable:
                # Nobody can say now who else is there.
                self.others = []
            except Exception:
                log.exception("the roster cannot be kept")
            await asyncio.sleep(_EVERY_S)

    async def say(self) -> None:
        """Raises: DatabaseUnavailable."""
        counts = json.dumps(self._counts())
        async with self._db.connection() as connection:
            rows = await connection.fetch(_SAY, self._id, self.name, self.url, counts)
        self.others = [Worker(name, url, json.loads(counts)) for name, url, counts in rows]

    async def leave(self) -> None:
        """Be there no more; at most a second is spent on it."""
        try:
            async with asyncio.timeout(_LEAVING_S), self._db.connection() as connection:
                await connection.execute(_LEAVE, self._id)
        except (DatabaseUnavailable, TimeoutError):
            log.info("the roster keeps this worker for some seconds")


async def _get(http: aiohttp.ClientSession, url: str) -> Any:
    try:
        async with http.get(url) as response:
            return await response.json() if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None
