"""A log in memory, as the engine asks for one."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from server.engine.recovery import Missed, RecoveryUnavailable

# Less than what the tests let a client miss, so that it comes in several reads.
BATCH = 10


@dataclass
class Ticket:
    pid: str
    start: int
    sid: str | None


@dataclass
class Return:
    log: "MemoryLog"
    ticket: Ticket
    new_pid: str | None
    at: int
    last: int | None = None
    unfinished: str | None = None

    async def read(self) -> list[Missed]:
        await self.log.answers(settled=self.last is not None)
        last = len(self.log.told) if self.last is None else self.last
        missed = self.log.told[self.at : min(self.at + BATCH, last)]
        if missed and self.at == self.ticket.start:
            self.log.unfinished.add((self.ticket.pid, self.ticket.start))
        self.at += len(missed)
        return missed

    async def finished(self) -> None:
        self.log.unfinished.discard((self.ticket.pid, self.ticket.start))

    def settle(self) -> None:
        self.last = len(self.log.told)

    def end(self) -> str | None:
        return self.new_pid


@dataclass
class MemoryLog:
    """`told` is everything that everybody has to hear; the offset is its number in it."""

    told: list[Missed] = field(default_factory=list)
    begun: dict[str, tuple[int, str]] = field(default_factory=dict)
    goodbyes: list[str] = field(default_factory=list)
    unfinished: set[tuple[str, int]] = field(default_factory=set)
    enabled: bool = True
    is_away: bool = False
    #: Awaited before each answer, for a test that has something to do in between; it is told
    #: whether the client has settled by then.
    between: Any = None
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def tell(self, sio: Any, name: str, *arguments: Any) -> None:
        """Something that everybody has to hear happens."""
        offset = str(len(self.told) + 1)
        self.told.append(Missed(name, arguments, offset))
        await sio.emit(name, arguments, offset=offset)

    async def answers(self, *, settled: bool = False) -> None:
        if self.between is not None:
            await self.between(settled)
        if self.is_away:
            raise RecoveryUnavailable("the log is away")

    async def examine(self, auth: dict[str, Any], *, recovers: bool) -> Ticket | None:
        await self.answers()
        pid = auth.get("pid") if recovers else None
        if pid in self.begun and pid not in self.goodbyes:
            begin, sid = self.begun[pid]
            return Ticket(pid, max(begin, int(auth.get("offset", 0))), sid)
        return None

    def open(self, sid: str, *, recovers: bool) -> str | None:
        if not recovers:
            return None
        pid = f"pid {next(self._numbers)}"
        self.begun[pid] = len(self.told), sid
        return pid

    async def resume(self, sid: str, ticket: Ticket, *, recovers: bool) -> Return:
        await self.answers()
        came = Return(self, ticket, ticket.pid, ticket.start)
        if (ticket.pid, ticket.start) in self.unfinished:
            came.unfinished = ticket.pid
        return came

    def ended(self, pid: str) -> None:
        self.goodbyes.append(pid)
