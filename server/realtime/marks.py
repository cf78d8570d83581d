"""What is remembered of sockets that are gone: whose goodbye, and whose replay that broke.

A mark is a hash that stands in the database, so that it holds on every worker and after any
restart. Those older than the log are removed with it.
"""

import asyncio
import hashlib
import time
from collections.abc import Collection
from enum import Enum

import structlog

from server.db import Database
from server.db.batches import Batches
from server.engine.limits import Rate
from server.errors import DatabaseUnavailable
from server.realtime.log import Head

log = structlog.get_logger(__name__)

_SET = """
    INSERT INTO recovery_marks (id) SELECT unnest($1::bytea[])
        ON CONFLICT (id) DO NOTHING
"""

_CLEAR = "DELETE FROM recovery_marks WHERE id = $1"

_LOOK = """
    SELECT epoch, head, floor,
           ARRAY(SELECT id FROM recovery_marks WHERE id = ANY($1::bytea[])) AS marked
      FROM event_log_head
"""

_BATCH = 1000
# Sockets that share a statement. All of them go on when it is answered, and others wait meanwhile.
_TOGETHER = 50
# Marks that wait to be written; what is beyond is forgotten, and its socket may come back.
_MOST_WAITING = 10_000
_AGAIN_S = 1.0
# So many seconds' worth may come at once: a whole club leaves in one moment.
_BURST_S = 100.0


class Kind(Enum):
    """What a mark says of a socket."""

    ENDED = "ended"
    REPLAYED = "replayed"


Looked = tuple[Head, frozenset[bytes]]


def ended(pid: str) -> bytes:
    """The mark of a socket that does not come back."""
    return _hash(Kind.ENDED, pid)


def replayed(pid: str, offset: str | None) -> bytes:
    """The mark of a socket that was being told what came after `offset`."""
    return _hash(Kind.REPLAYED, f"{pid} {offset}")


def _hash(kind: Kind, text: str) -> bytes:
    return hashlib.sha256(f"{kind.value} {text}".encode()).digest()[:16]


class Marks:
    """Sets marks and finds them. Raises: DatabaseUnavailable, from what is awaited."""

    def __init__(self, db: Database, *, per_second: float) -> None:
        self._db = db
        self._rate = Rate(per_second, max(1, round(per_second * _BURST_S)))
        self._arrivals = dict.fromkeys(Kind, 0.0)
        self._sets: Batches[bytes, None] = Batches(self._write, most=_TOGETHER)
        self._looks: Batches[tuple[bytes, ...], Looked] = Batches(self._read, most=_TOGETHER)
        self._unwritten: dict[bytes, None] = {}
        self._writer: asyncio.Task[None] | None = None

    def admits(self, kind: Kind) -> bool:
        """Whether clients have not brought about too many marks of a kind lately.

        Who says goodbye again and again takes nothing from those that are told what they missed.
        """
        arrival = self._rate.admit(self._arrivals[kind], time.monotonic())
        if arrival is None:
            return False
        self._arrivals[kind] = arrival
        return True

    async def set(self, mark: bytes) -> None:
        """Set a mark; returns when it will be there after a crash."""
        await self._sets.ask(mark)

    def set_soon(self, mark: bytes) -> None:
        """Set a mark when the database has time for it."""
        if len(self._unwritten) < _MOST_WAITING:
            self._unwritten[mark] = None
            if self._writer is None:
                self._writer = asyncio.create_task(self._write_waiting())

    async def clear(self, mark: bytes) -> None:
        async with self._db.connection() as connection:
            await connection.execute(_CLEAR, mark)

    async def look(self, marks: tuple[bytes, ...]) -> Looked:
        """Which of the marks are set, and where the log stands."""
        # Before the question: what is written meanwhile is not here any more when it is answered.
        waiting = [mark for mark in marks if mark in self._unwritten]
        head, found = await self._looks.ask(marks)
        return head, found.union(waiting)

    async def close(self, patience_s: float = 1.0) -> None:
        """Write what waits to be written."""
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=patience_s)
            if self._writer is not None:
                self._writer.cancel()

    async def _write(self, marks: list[bytes]) -> list[None]:
        await self._insert(marks)
        return [None] * len(marks)

    async def _insert(self, marks: Collection[bytes]) -> None:
        async with self._db.connection() as connection:
            # In one order, so that two workers never wait for each other.
            await connection.execute(_SET, sorted(set(marks)))

    async def _write_waiting(self) -> None:
        while self._unwritten:
            batch = list(self._unwritten)[:_BATCH]
            try:
                await self._insert(batch)
            except DatabaseUnavailable:
                await asyncio.sleep(_AGAIN_S)
            except Exception:
                log.exception("marks cannot be written")
                await asyncio.sleep(_AGAIN_S)
            else:
                for mark in batch:
                    del self._unwritten[mark]
        self._writer = None

    async def _read(self, asked: list[tuple[bytes, ...]]) -> list[Looked]:
        async with self._db.connection() as connection:
            row = await connection.fetchrow(_LOOK, [mark for marks in asked for mark in marks])
        head = Head(row["epoch"], row["head"], row["floor"])
        marked = frozenset(row["marked"])
        return [(head, marked)] * len(asked)
