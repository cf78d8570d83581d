"""From the commit of a member's balance to that member's socket, among thousands of others."""

import asyncio
import os
import platform
import statistics
import time

from bench.club import running_club, say
from bench.commits import SETTINGS, changes, connected, p50_p99, topping_up
from bench.engine.children import compile_load

_SOCKETS = 5000
_PER_SECOND = 200
# More than are busy at a time, so that one answer that takes long does not bend the rate.
_ADMINS = 16
_WARM_UP_S = 3.0
_AIM_MS = 20.0


async def _measured(rounds: int, seconds: float) -> str:
    async with running_club(
        durable=True, members=_SOCKETS, admins=_ADMINS, settings=SETTINGS
    ) as club:
        listening = await asyncio.to_thread(connected, club, club.members, "127.0.0.2")
        admins = await asyncio.to_thread(topping_up, club, "127.1.0.2")

        async def top_up(seconds: float) -> int:
            who = f"{club.members[0].id} {_SOCKETS}"
            asked = f"topup {who} {seconds * 1000:.0f} {_PER_SECOND}"
            answer = await asyncio.to_thread(admins.ask, asked, seconds + 60)
            # What is on its way belongs to the result.
            await asyncio.to_thread(listening.ask, f"until {answer['posts']}")
            return int(answer["missed"])

        missed_before = await top_up(_WARM_UP_S)
        begins = []
        server, postgres = club.server_cpu_s(), club.postgres_cpu_s()
        for number in range(rounds):
            say(f"  round {number + 1} of {rounds}")
            begins.append(time.time())
            missed = await top_up(seconds)
        server, postgres = club.server_cpu_s() - server, club.postgres_cpu_s() - postgres
        found = [each for each in await changes(club, listening) if each.committed_s >= begins[0]]
        listening.stop()
        admins.stop()
    p50s, p99s = [], []
    for begin, end in zip(begins, [*begins[1:], float("inf")], strict=True):
        p50, p99 = p50_p99([each for each in found if begin <= each.committed_s < end])
        p50s.append(p50)
        p99s.append(p99)
    cells = [f"{statistics.median(x):.1f} ({min(x):.1f}–{max(x):.1f})" for x in (p50s, p99s)]
    met = "yes" if statistics.median(p99s) < _AIM_MS else "no"
    return (
        f"| {_SOCKETS:,} | {len(found) / rounds / seconds:.0f} | {' | '.join(cells)} | {met} "
        f"| {max(each.took_ms for each in found):.0f} | {len(found):,} | {missed - missed_before} "
        f"| {server / len(found) * 1e6:.0f} | {postgres / len(found) * 1e6:.0f} |"
    )


async def measure(*, rounds: int, seconds: float) -> str:
    """Measure and return the Markdown."""
    compile_load()
    say(f"commit to client, {_SOCKETS:,} sockets, {_PER_SECOND} changes of balance a second")
    line = await _measured(rounds, seconds)
    return "\n".join(
        [
            "## From commit to client, with thousands of others connected",
            "",
            f"{os.cpu_count()} cores, Python {platform.python_version()}; server, PostgreSQL and "
            "load generators share them. Each event is a member's",
            "`balance:updated`, heard by that member's one WebSocket: `POST "
            "/api/admin/balance/add` for one member after the other, over",
            f"{_ADMINS} connections. Time from the commit of the change (PostgreSQL's own, taken "
            "before the commit is written out; fsync on) to the",
            f"arrival, all of them counted, in ms. Medians of {rounds} rounds of {seconds:g} s, "
            f"with the range. Aim: p99 below {_AIM_MS:g} ms.",
            "",
            "| sockets | events a second | p50 | p99 | aim met | longest | events | not sent "
            "| server CPU, µs each | PostgreSQL CPU, µs each |",
            "|---|---|---|---|---|---|---|---|---|---|",
            line,
            "",
        ]
    )
