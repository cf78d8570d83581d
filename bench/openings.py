"""The club: openings a second, and the time from commit to client."""

import asyncio
import os
import platform
import statistics
import time
from typing import Any

from bench.club import RunningClub, running_club, say
from bench.engine.children import Load, compile_load

_CONNECTIONS = 32
# Sockets of members, who hear of their own openings besides; the others are visitors.
_OWN_SOCKETS = 10


def _members(club: RunningClub, count: int) -> Load:
    """Members who open cases, in a process that costs little."""
    load = Load(club, "127.0.0.2", 1000)
    for member in club.members[:count]:
        load.ask(f"member {member.token}")
    return load


def _openings(club: RunningClub, durable: bool, rounds: int, seconds: float) -> str:
    rates, server_us, postgres_us, load_us = [], [], [], []
    load = _members(club, _CONNECTIONS)
    before = load.ask(f"cases {club.case_id} 2000 0")
    for number in range(rounds):
        server, postgres = club.server_cpu_s(), club.postgres_cpu_s()
        after = load.ask(f"cases {club.case_id} {seconds * 1000:.0f} 0")
        count = after["posts"] - before["posts"]
        rates.append(count / after["seconds"])
        server_us.append((club.server_cpu_s() - server) / count * 1e6)
        postgres_us.append((club.postgres_cpu_s() - postgres) / count * 1e6)
        load_us.append((after["cpu"] - before["cpu"]) / count * 1e6)
        before = after
        say(f"  round {number + 1}: {rates[-1]:.0f} openings a second")
    load.stop()
    return (
        f"| {'on' if durable else 'off'} | {statistics.median(rates):.0f} "
        f"({min(rates):.0f}–{max(rates):.0f}) | {statistics.median(server_us):.0f} "
        f"| {statistics.median(postgres_us):.0f} | {statistics.median(load_us):.0f} |"
    )


def _settled(load: Load) -> dict[str, Any]:
    """What is still on its way belongs to the result: wait until nothing moves."""
    received, status = -1, load.ask("status")
    while status["received"] != received:
        received = status["received"]
        time.sleep(1)
        status = load.ask("status")
    return status


def _latency(club: RunningClub, clients: int, per_second: int, seconds: float) -> str:
    load = Load(club, "127.0.0.2", 1000)
    say(f"  connecting {clients} sockets …")
    load.ask(f"open {clients - _OWN_SOCKETS} 20")
    for number, member in enumerate(club.members[:_CONNECTIONS]):
        load.ask(f"member {member.token}")
        if number < _OWN_SOCKETS:
            load.ask("open 1 1 1")
    load.ask(f"cases {club.case_id} 2000 {per_second}")
    _settled(load)
    load.ask("reset")
    before = load.ask("status")
    say(f"  {per_second} openings a second for {seconds:g} s …")
    after = load.ask(f"cases {club.case_id} {seconds * 1000:.0f} {per_second}")
    opened = after["posts"] - before["posts"]
    after = _settled(load)
    load.stop()
    missed = after["missed"] - before["missed"]
    return (
        f"| {clients} | {opened / seconds:.0f} | {after['p50_us'] / 1000:.1f} "
        f"| {after['p99_us'] / 1000:.1f} | {after['samples']} of {opened * clients} | {missed} |"
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
        f"### Openings over HTTP, {_CONNECTIONS} connections",
        "",
        "| fsync | openings a second | server CPU, µs each | PostgreSQL CPU, µs each "
        "| load generator CPU, µs each |",
        "|---|---|---|---|---|",
    ]
    for durable in (False, True):
        say(f"openings, fsync {'on' if durable else 'off'}")
        async with running_club(durable=durable, members=_CONNECTIONS) as club:
            lines.append(await asyncio.to_thread(_openings, club, durable, rounds, seconds))
    lines += [
        "",
        "### From commit to client",
        "",
        "Every opening tells all sockets (`drop:new`). Time from the opening's first lock, before",
        "its commit, to the arrival at a WebSocket client, all of them counted, in ms. fsync on.",
        "",
        "| sockets | openings a second | p50 | p99 | events received | not sent |",
        "|---|---|---|---|---|---|",
    ]
    for clients, rate in ((10, 100), (100, 100), (1000, 20), (1000, 100)):
        say(f"commit to client, {clients} sockets")
        async with running_club(durable=True, members=_CONNECTIONS) as club:
            lines.append(await asyncio.to_thread(_latency, club, clients, rate, seconds))
    return "\n".join(lines) + "\n"
