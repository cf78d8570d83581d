"""The database stops answering, dies and comes back: the server says so and goes on by itself."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from server.config import Config
from server.embedded_postgres import EmbeddedPostgres
from server.keys import LIFECYCLE
from tests.club import PATIENCE_S, Club, until
from tests.conftest import make_config

TIMEOUT_S = 1.0


@pytest.fixture(scope="module")
async def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """A PostgreSQL that may be hurt, and keeps what it has committed."""
    server = EmbeddedPostgres(
        tmp_path_factory.mktemp("postgres"),
        settings={"shared_buffers": "16MB", "max_connections": "40"},
    )
    server.start()
    watch = asyncio.create_task(server.supervise())
    yield server
    watch.cancel()
    server.stop()


@pytest.fixture(scope="module")
def config(own_postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Config:
    var_dir: Path = tmp_path_factory.mktemp("var")
    return make_config(own_postgres.dsn(), var_dir, database_timeout_s=TIMEOUT_S)


@asynccontextmanager
async def frozen(postgres: EmbeddedPostgres) -> AsyncIterator[None]:
    """Every process of the database stands still: connections stay open, nothing is answered."""
    pids = postgres._folder.processes()
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def is_degraded(club: Club) -> bool:
    health = await club.call("GET", "/health")
    assert health.status == 200
    return bool(health["status"] == "degraded")


async def is_well(club: Club) -> bool:
    return (await club.call("GET", "/ready")).status == 200 and not await is_degraded(club)


async def refused_quickly(club: Club, method: str, path: str, body: Any, token: str) -> None:
    began = time.monotonic()
    answer = await club.call(method, path, body, token=token)
    # One timeout for the connection and one for what is asked on it, and room for a slow machine.
    assert time.monotonic() - began < 3 * TIMEOUT_S + 2
    assert (answer.status, answer["success"]) == (503, False)
    assert answer["code"] in ("database_unavailable", "unavailable")
    assert answer["error"] and answer["requestId"] and int(answer.headers["Retry-After"]) > 0


async def is_told_of(club: Club) -> None:
    health = (await club.call("GET", "/health")).body
    assert health["reason"] and health["database"] == "unavailable"
    ready = await club.call("GET", "/ready")
    assert (ready.status, ready["ready"]) == (503, False) and ready["reason"]


async def test_database_that_does_not_answer_is_said_and_loses_nothing(
    club: Club, own_postgres: EmbeddedPostgres
) -> None:
    player = await club.person(balance=5)
    admin = await club.admin()
    at_player = await player.comes("websocket")
    money = {"userId": player.id, "amount": 1}
    async with frozen(own_postgres):
        await until(lambda: is_degraded(club), "the server says that it is degraded")
        await is_told_of(club)
        add = "/api/admin/balance/add"
        await asyncio.gather(
            refused_quickly(club, "GET", "/api/balance", None, player.token),
            refused_quickly(club, "GET", "/api/me", None, player.token),
            refused_quickly(club, "GET", "/api/updates", None, player.token),
            refused_quickly(club, "POST", add, money, admin.token),
        )

    await until(lambda: is_well(club), "the server is well again")
    assert await player.balance() == 5
    assert (await admin.post(add, money))["balance"] == 6
    assert await at_player.hears(f"balance:updated:{player.id}") == {"balance": 6}
    await player.leave()


async def test_database_that_dies_is_followed_again_from_where_the_relay_was(
    club: Club, own_postgres: EmbeddedPostgres
) -> None:
    player = await club.person()
    admin = await club.admin()
    at_player = await player.comes("websocket")
    poll = asyncio.create_task(
        player.get(f"/api/updates?after={(await player.get('/api/me'))['cursor']}&wait=50")
    )
    for amount in (1, 2):
        pid = own_postgres.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: is_degraded(club), "the server says that it is degraded")
        await until(lambda: is_well(club), "the server is well again")
        body = {"userId": player.id, "amount": amount}
        added = await admin.post("/api/admin/balance/add", body)
        assert added.status == 200, added.body

    name = f"balance:updated:{player.id}"
    await at_player.hears(name, 2)
    assert at_player.all(name) == [{"balance": 1}, {"balance": 3}]
    answer = await asyncio.wait_for(poll, PATIENCE_S)
    # A poll that waited keeps waiting while the database is away, or is told to come again.
    assert answer.status in (200, 503)
    await player.leave()


async def test_server_that_starts_before_its_database_waits_for_it(
    config: Config, own_postgres: EmbeddedPostgres
) -> None:
    async with frozen(own_postgres):
        opening = Club.open(config)
        entering = asyncio.create_task(opening.__aenter__())
        await asyncio.wait([entering], timeout=2 * TIMEOUT_S)
        assert not entering.done()
    club = await asyncio.wait_for(entering, 3 * PATIENCE_S)
    assert await is_well(club)
    await opening.__aexit__(None, None, None)


async def test_server_is_not_ready_before_its_migrations_nor_while_it_drains(
    config: Config,
) -> None:
    go = asyncio.Event()
    started = asyncio.Event()

    async def prepare(_: Any) -> None:
        started.set()
        await go.wait()

    async with Club.open(config, prepare=prepare, wait=False) as club:
        await asyncio.wait_for(started.wait(), PATIENCE_S)
        before = await club.call("GET", "/ready")
        early = await club.call("GET", "/api/cases")
        health = await club.call("GET", "/health")
        go.set()
        await until(lambda: is_well(club), "the server is ready")
        club.app[LIFECYCLE].drain()
        draining = await club.call("GET", "/ready")
        late = await club.call("GET", "/api/cases")

    assert (before.status, before["reason"]) == (503, "migrations are not done")
    assert (early.status, early["code"], health.status) == (503, "unavailable", 200)
    assert health["status"] == "degraded"
    assert (draining.status, draining["reason"]) == (503, "draining")
    assert (late.status, late["code"]) == (503, "draining")
