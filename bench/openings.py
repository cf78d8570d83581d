"""The club: openings a second, and the time from commit to client."""

import asyncio
import os
import platform
import statistics
import sys

from bench import sockets
from bench.club import RunningClub, running_club
from bench.engine.children import Load, compile_load
from bench.http_load import Openings

# Sockets whose clients look at the time; the others count.
_PROBES = 10


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def _openings(durable: bool, rounds: int, seconds: float) -> str:
    rates, server_us, postgres_us = [], [], []
    async with running_club(durable=durable, members=32) as club:
        load = Openings(club, 32)
        await load.connect()
        await load.as_fast_as_it_goes(2)
        for number in range(rounds):
            server, postgres, done = club.server_cpu_s(), club.postgres_cpu_s(), load.done
            rates.append(await load.as_fast_as_it_goes(seconds))
            count = load.done - done
            server_us.append((club.server_cpu_s() - server) / count * 1e6)
            postgres_us.append((club.postgres_cpu_s() - postgres) / count * 1e6)
            _say(f"  round {number + 1}: {rates[-1]:.0f} openings a second")
        load.close()
    return (
        f"| {'on' if durable else 'off'} | {statistics.median(rates):.0f} "
        f"({min(rates):.0f}–{max(rates):.0f}) | {statistics.median(server_us):.0f} "
        f"| {statistics.median(postgres_us):.0f} |"
    )


def _crowd(club: RunningClub, clients: int) -> Load:
    """Visitors who only count what they hear, in a process that costs little."""
    crowd = Load(club, "127.0.0.2", 1000)
    if clients:
        crowd.ask(f"open {clients} 20")
    return crowd


async def _latency(clients: int, per_second: float, seconds: float) -> str:
    async with running_club(durable=True, members=64) as club:
        load = Openings(club, 32)
        await load.connect()
        _say(f"  connecting {clients} sockets …")
        people = await sockets.connect(club, _PROBES)
        crowd = await asyncio.to_thread(_crowd, club, clients - _PROBES)
        _say(f"  {per_second:g} openings a second for {seconds:g} s …")
        missed = await load.at_rate(per_second, seconds)
        # What is still on its way belongs to the result: wait until nothing moves.
        before, received = -1, 0
        while received != before:
            before = received
            await asyncio.sleep(1)
            received = sum(each.received for each in people) + crowd.ask("status")["received"]
        crowd.stop()
        times = sorted(ms for each in people for ms in each.latencies_ms)
        expected = load.done * clients
        load.close()
        for each in people:
            if each.transport:
                each.transport.close()
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    return (
        f"| {clients} | {load.done / seconds:.0f} | {p50:.1f} | {p99:.1f} "
        f"| {received} of {expected} | {missed} |"
    )


async def measure(*, rounds: int, seconds: float) -> str:
    """Measure all and return the Markdown."""
    compile_load()
    lines = [
        "## The club",
        "",
        f"{os.cpu_count()} cores, Python {platform.python_version()}; server, PostgreSQL and load "
        f"generator share them. Medians of {rounds} rounds of {seconds:g} s, with the range.",
        "",
        "### Openings over HTTP, 32 connections",
        "",
        "| fsync | openings a second | server CPU, µs each | PostgreSQL CPU, µs each |",
        "|---|---|---|---|",
    ]
    for durable in (False, True):
        _say(f"openings, fsync {'on' if durable else 'off'}")
        lines.append(await _openings(durable, rounds, seconds))
    lines += [
        "",
        "### From commit to client",
        "",
        "Every opening tells all sockets (`drop:new`). Time from the writing of the row, just",
        "before its commit, to the arrival at a WebSocket client, in ms. fsync on.",
        "",
        "| sockets | openings a second | p50 | p99 | events received | not sent |",
        "|---|---|---|---|---|---|",
    ]
    for clients, rate in ((10, 100.0), (100, 100.0), (1000, 20.0), (1000, 100.0)):
        _say(f"commit to client, {clients} sockets")
        lines.append(await _latency(clients, rate, seconds))
    return "\n".join(lines) + "\n"
