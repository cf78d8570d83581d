"""Thousands of clients that come back at once, each with something missed."""

import asyncio
import os
import platform
import time
from dataclasses import dataclass

from bench.club import Member, RunningClub, running_club, say
from bench.commits import SETTINGS, changes, connected, p50_p99, topping_up
from bench.engine.children import BenchError, compile_load
from events import CasesUpdated, InventoryUpdated
from server.db import Database
from server.realtime.log import EventLog

_CLIENTS = 5000
_WITHIN_S = 2.0
_AIM_S = 5.0
_RUNS = 3
# Who hears of their balance meanwhile, and of how many changes a second.
_OTHERS = 200
_PER_SECOND = 50
_ADMINS = 16
_BEFORE_S = 3.0
_LIVE_S = 15.0
# What everybody missed: of what is for all, and of what is the member's own.
_FOR_ALL, _OWN = 90, 10


@dataclass(frozen=True)
class Return:
    seconds: float
    one_p50_ms: float
    one_p99_ms: float
    before: tuple[float, float]
    meanwhile: tuple[float, float]
    server_cpu_s: float
    postgres_cpu_s: float


async def _happen(dsn: str, members: list[Member]) -> None:
    """Write what is missed, as other workers do: mixed, and numbered."""
    db = Database(dsn, pool_size=2, timeout_s=60.0)
    log = EventLog(db)
    await db.open()
    for number in range(_FOR_ALL):
        async with db.transaction() as tx:
            if number % (_FOR_ALL // _OWN) == 0:
                for member in members:
                    log.append(tx, InventoryUpdated(member.id))
            log.append(tx, CasesUpdated())
    async with db.connection() as connection:
        await log.number(connection)
    await db.close()


async def _measured(club: RunningClub) -> Return:
    away, others = club.members[:_CLIENTS], club.members[_CLIENTS:]
    say(f"  connecting {_CLIENTS:,} sockets …")
    coming = await asyncio.to_thread(connected, club, away, "127.0.0.2")
    listening = await asyncio.to_thread(connected, club, others, "127.2.0.2")
    await asyncio.to_thread(coming.ask, "cut")
    say(f"  {_FOR_ALL} events for all and {_OWN} for each, while they are away …")
    await _happen(club.postgres.dsn(), away)
    # The last one is for all: the server is where the log is.
    await asyncio.to_thread(listening.ask, f"until {_FOR_ALL * len(others)}", 300)
    admins = await asyncio.to_thread(topping_up, club, "127.3.0.2")

    asked = f"topup {others[0].id} {len(others)} {_LIVE_S * 1000:.0f} {_PER_SECOND}"
    live = asyncio.create_task(asyncio.to_thread(admins.ask, asked, _LIVE_S + 60))
    await asyncio.sleep(_BEFORE_S)
    say("  they come back …")
    await asyncio.to_thread(coming.ask, "reset")
    server, postgres, began = club.server_cpu_s(), club.postgres_cpu_s(), time.time()
    back = await asyncio.to_thread(
        coming.ask, f"back {_WITHIN_S * 1000:.0f} {_FOR_ALL + _OWN}", 120
    )
    server, postgres = club.server_cpu_s() - server, club.postgres_cpu_s() - postgres
    told = await live
    await asyncio.to_thread(listening.ask, f"until {_FOR_ALL * len(others) + told['posts']}")
    if back["wrong"]:
        raise BenchError(f"{back['wrong']} clients were not told all, once and in order")
    found = await changes(club, listening)
    for load in (coming, listening, admins):
        load.stop()
    end = began + back["seconds"]
    return Return(
        seconds=back["seconds"],
        one_p50_ms=back["p50_us"] / 1000,
        one_p99_ms=back["p99_us"] / 1000,
        before=p50_p99([change for change in found if change.committed_s < began]),
        meanwhile=p50_p99([change for change in found if began <= change.committed_s < end]),
        server_cpu_s=server,
        postgres_cpu_s=postgres,
    )


async def measure() -> str:
    """Measure and return the Markdown."""
    compile_load()
    say(f"{_CLIENTS:,} clients return, {_FOR_ALL + _OWN} events behind")
    people = _CLIENTS + _OTHERS
    runs: list[Return] = []
    for _ in range(_RUNS):
        async with running_club(
            durable=True, members=people, admins=_ADMINS, settings=SETTINGS
        ) as club:
            runs.append(await _measured(club))
        say(f"  {runs[-1].seconds:.1f} s until the last is in")
    runs.sort(key=lambda run: run.seconds)
    found = runs[_RUNS // 2]
    live = " | ".join(f"{p50:.1f} / {p99:.1f}" for p50, p99 in (found.before, found.meanwhile))
    return "\n".join(
        [
            "## Clients that return",
            "",
            f"{os.cpu_count()} cores, Python {platform.python_version()}; server (one process), "
            "PostgreSQL and load generators share them; fsync on.",
            f"{_CLIENTS:,} members' WebSockets are cut, miss {_FOR_ALL} events for all and "
            f"{_OWN} of their own, {_FOR_ALL + _OWN * _CLIENTS:,} in the log,",
            f"and come back with `pid` and offset, spread over {_WITHIN_S:g} s. Each is told what "
            "it missed, once and in order, and is recovered, or there",
            f"would be no figure. Aim: the last one within {_AIM_S:g} s of the first attempt. "
            f"Live: `balance:updated` of {_OTHERS} others,",
            f"{_PER_SECOND} a second, from the commit to the arrival, p50 / p99 in ms. "
            f"The middle one of {_RUNS} runs, with the range.",
            "",
            "| until the last is in, s | aim met | one return, p50 / p99, ms | live before "
            "| live meanwhile | server CPU, s | PostgreSQL CPU, s |",
            "|---|---|---|---|---|---|---|",
            f"| {found.seconds:.1f} ({runs[0].seconds:.1f}–{runs[-1].seconds:.1f}) "
            f"| {'yes' if found.seconds <= _AIM_S else 'no'} "
            f"| {found.one_p50_ms:.0f} / {found.one_p99_ms:.0f} | {live} "
            f"| {found.server_cpu_s:.1f} | {found.postgres_cpu_s:.1f} |",
            "",
        ]
    )
