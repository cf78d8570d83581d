"""A long fuzz of whole sessions: `python -m tests.engine.fuzz_sessions [clients] [--seed N]`.

Wild clients do what is allowed and what is not, in any order: handshakes, polls, POSTs, probes,
upgrades, frames, whole, in halves, twice at once and mutated; they hang up, cut off, or stop
reading. They come at both doors, some over TLS. After each pack of them it is checked that

- the server has forgotten everything: sessions, rooms, callbacks, callers, deadlines, tasks,
- nothing was logged as an error, and nothing raised where nobody listens,
- nothing hangs: the front door ends all that was opened, and a sane client is served.

What a client does is made from its seed, which a failure names: `--only SEED` does its pack again.
When its bytes meet those of others is not, so that a failure may need several runs.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import gc
import logging
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError
from socketio.exceptions import TimeoutError as NotAnswered

from tests.club import PATIENCE_S
from tests.engine.rig import Rig, quiet_server
from tests.engine.tls import contexts
from tests.engine.wild_client import WildClient

PACK = 24
# Every bound within the reach of a client that lives for a second.
BOUNDS = {
    "ping_interval": 0.3,
    "ping_timeout": 0.3,
    "connect_timeout": 0.4,
    "upgrade_timeout": 0.2,
    "close_timeout": 0.2,
    "head_timeout": 0.5,
    "body_timeout": 0.5,
    "keepalive_timeout": 0.5,
    "max_http_buffer_size": 20_000,
    "max_outgoing_bytes": 20_000,
    "max_attachments": 3,
    "max_fragments": 5,
    "max_handlers": 3,
    "events_per_second": 20,
    "events_burst": 15,
    "max_sessions_per_address": 40,
    "handshakes_burst": 10_000,
}
WAYS = {"aiohttp": ("aiohttp", False), "front": ("front", False), "front, TLS": ("front", True)}


class Errors(logging.Handler):
    """What was logged as an error, or raised where nobody listens."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        problem = record.exc_info[1] if record.exc_info else None
        # aiohttp logs at this level what is no HTTP.
        if not isinstance(problem, HttpProcessingError):
            self.said.append(f"{record.name}: {record.getMessage()} {problem!r}")

    def on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.said.append(f"{context['message']}: {context.get('exception')!r}")


@contextlib.contextmanager
def listening() -> Any:
    errors = Errors()
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    logging.getLogger().addHandler(errors)
    loop.set_exception_handler(errors.on_exception)
    try:
        yield errors
    finally:
        # Tasks that nobody waits for say so when they are collected.
        gc.collect()
        logging.getLogger().removeHandler(errors)
        loop.set_exception_handler(before)


def server() -> Any:
    """Handlers that wait, speak, ask, throw out and close, as those of an application do."""
    sio: Any = quiet_server(**BOUNDS)

    async def connect(sid: str, environ: Any, auth: Any) -> Any:
        if auth and "wait" in auth:
            await asyncio.sleep(0.02)
        await sio.emit("welcome", sid, to=sid)
        return not (auth and "refuse" in auth)

    async def disconnect(sid: str, reason: str) -> None:
        await asyncio.sleep(0)

    async def slow(sid: str, *what: Any) -> None:
        await asyncio.sleep(0.03)

    async def room(sid: str, *what: Any) -> None:
        with contextlib.suppress(ValueError):
            await sio.enter_room(sid, "room")
        await sio.emit("told", what, room="room")

    async def ask(sid: str, *what: Any) -> Any:
        with contextlib.suppress(NotAnswered):
            return await sio.call("question", what, to=sid, timeout=0.1)

    async def kick(sid: str, *what: Any) -> None:
        await sio.disconnect(sid)

    async def close(sid: str, *what: Any) -> None:
        await sio.eio.disconnect(sio.manager.eio_sid_from_sid(sid, "/"))

    async def big(sid: str, *what: Any) -> None:
        for number in range(8):
            await sio.emit("big", "x" * 5000, to=sid, volatile=number > 1)

    async def binary(sid: str, *what: Any) -> Any:
        return [b"some bytes", *what]

    for handler in (connect, disconnect, slow, room, ask, kick, close, big, binary):
        sio.on(handler.__name__, handler)
    sio.on("connect", connect, namespace="/other")
    return sio


def left_over(rig: Rig, tasks_before: set[Any]) -> dict[str, Any]:
    """What the server has not forgotten, by name."""
    sio, eio = rig.engine, rig.eio
    fronts = [site._front for site in rig.runner.sites if hasattr(site, "_front")]
    tables = {
        "sessions": eio.sockets,
        "lingering": eio.router._lingering,
        "handlers": eio.tasks,
        "rooms": sio.manager.rooms,
        "unsettled": sio.manager._unsettled,
        "callbacks": sio.manager.callbacks,
        "environ": sio.environ,
        "callers": [each for each in eio._opening._callers._by_network.values() if each.sessions],
        "deadlines": eio.wheel._slots,
        "connections": [each for front in fronts for each in front.connections],
        "tasks": asyncio.all_tasks() - tasks_before - {asyncio.current_task()},
    }
    return {name: table for name, table in tables.items() if table}


async def check_forgotten(rig: Rig, tasks_before: set[Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while left := left_over(rig, tasks_before):
        assert time.monotonic() < deadline, f"the server has not forgotten: {left}"
        await asyncio.sleep(0.02)


async def check_sane(rig: Rig) -> None:
    """After all that, one client of each transport is served."""
    for transport in ("websocket", "polling"):
        client = await rig.client(transport)
        await client.connect()
        assert await client.receive()
        assert await client.ask("slow") == []
        await client.send("1")
        await client.close()


@contextlib.asynccontextmanager
async def rig_of(way: str) -> AsyncIterator[Rig]:
    door, has_tls = WAYS[way]
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = contexts() if has_tls else None
    # For the rest of a body that it has refused, aiohttp waits also when its client is gone.
    async with Rig.open(server(), door, tls=tls, lingering_time=0.5) as rig:
        rig.answers_pings = True
        yield rig


async def one_pack(rig: Rig, seed: str, did: Counter[str]) -> None:
    """Let a pack of wild clients at a server that was idle, and see that it is idle again."""
    # aiohttp waits for the next request of a connection for as long as it was told.
    patient = bool(random.Random(seed).getrandbits(1)) and rig.door == "front"
    tasks_before = asyncio.all_tasks()
    with listening() as errors:
        clients = [WildClient(rig, f"{seed}.{number}", did) for number in range(PACK)]
        await asyncio.gather(*(client.live() for client in clients))
        for client in clients:
            await (client.outlive(PATIENCE_S) if patient else client.leave())
        await check_forgotten(rig, tasks_before)
        await check_sane(rig)
        await rig.leave()
        await check_forgotten(rig, tasks_before)
    assert not errors.said, "\n".join(errors.said)


async def fuzz(way: str, seeds: list[str], did: Counter[str], met: Counter[str]) -> None:
    """Packs of these seeds, one after another, at one server; `met` gets its counters."""
    async with rig_of(way) as rig:
        for seed in seeds:
            try:
                await one_pack(rig, f"{way}.{seed}", did)
            except BaseException:
                print(f"pack {seed} at {way} failed; again with --only {seed} --way {way!r}")
                raise
        met.update(dataclasses.asdict(rig.eio.counters))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz whole sessions.")
    parser.add_argument("clients", type=int, nargs="?", default=5_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--only", metavar="SEED", help="one pack, by the seed that failed")
    parser.add_argument("--way", choices=[*WAYS], help="at this door alone")
    asked = parser.parse_args()
    ways = [asked.way] if asked.way else [*WAYS]
    packs = 1 if asked.only else -(-asked.clients // (PACK * len(ways)))
    print(f"{packs * PACK * len(ways):,} clients, seed {asked.seed}", flush=True)
    did: Counter[str] = Counter()
    met: Counter[str] = Counter()
    began = time.monotonic()
    for at in range(0, packs, 10):
        for way in ways:
            numbers = range(at, min(at + 10, packs))
            seeds = [asked.only or f"{asked.seed}.{number}" for number in numbers]
            asyncio.run(fuzz(way, seeds, did, met))
        print(f"  {(at + len(numbers)) * PACK * len(ways):,} clients", flush=True)
    print(f"{sum(did.values()):,} steps in {time.monotonic() - began:,.0f} s:", end=" ")
    print(", ".join(f"{count:,} {step}" for step, count in did.most_common()))
    print("bounds met:", ", ".join(f"{count:,} {name}" for name, count in met.most_common()))


if __name__ == "__main__":
    main()
