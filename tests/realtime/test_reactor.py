"""The reactor: emitted from programs, coroutines and threads, heard at every live door."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest

from server.config import Config
from server.embedded_postgres import EmbeddedPostgres
from server.errors import Invalid
from server.keys import FEEDS, REACTOR
from tests.club import PATIENCE_S, Answer, Club, Person
from tests.conftest import JWT_SECRET, database_of, make_config
from tests.streams import EventStream, PlainSocket

LARGEST = 1000


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    var_dir: Path = tmp_path_factory.mktemp("var")
    return make_config(dsn, var_dir, reactor_detail_max_bytes=LARGEST)


@pytest.fixture
async def alone(
    config: Config, postgres: EmbeddedPostgres, template: str
) -> AsyncIterator[Config]:
    """Settings of a club with a database of its own: the only worker there is."""
    async with database_of(postgres, template, "alone") as dsn:
        yield replace(config, database_url=dsn)


@pytest.fixture(scope="module")
async def service(club: Club) -> Person:
    return await club.person(role="service", has_password=False)


async def emits(service: Person, type_: str, detail: Any, **rest: Any) -> Answer:
    body = {"type": type_, "detail": detail} | rest
    return await service.post("/api/reactor/emit", body)


@contextlib.asynccontextmanager
async def stream(club: Club, person: Person | None = None) -> AsyncIterator[PlainSocket]:
    async with PlainSocket.open(club, token=person and person.token) as socket:
        await socket.next()
        yield socket


# --- who hears it ------------------------------------------------------------------------------


@pytest.mark.parametrize("detail", [{"a": [1, 2.5, None]}, [], "text", 0.25, None, True, {}])
async def test_what_a_service_emits_is_heard_at_every_live_door_as_it_is(
    club: Club, service: Person, detail: Any
) -> None:
    visitor = await club.visitor("websocket")
    async with stream(club) as socket, EventStream.open(club) as events:
        answer = await emits(service, "lights", detail)

        assert answer.status == 200 and answer["delivered"] >= 3
        frame = await socket.next()
        assert frame == {"type": "lights", "detail": detail}
        event = {"type": "lights", "detail": detail}
        assert await visitor.hears("reactor:event") == event
        message = await events.next()
        assert message["event"] == "reactor:event" and "id" not in message
    await visitor.close()


async def test_what_is_for_one_member_is_heard_by_that_member_only(
    club: Club, service: Person
) -> None:
    player, other = await club.person(has_password=False), await club.person(has_password=False)
    at_player, at_other = await player.comes("websocket"), await other.comes("websocket")
    async with stream(club, player) as theirs, stream(club, other) as others:
        async with stream(club) as anonymous:
            told = await emits(service, "seat", {"n": 7}, to={"userId": player.id})
            assert told["delivered"] == 2
            assert (await emits(service, "end", {}))["delivered"] >= 5
            assert [await theirs.event(), await theirs.event()] == [("seat", {"n": 7}), ("end", {})]
            assert await others.event() == await anonymous.event() == ("end", {})
    await at_player.hears("reactor:event", 2)
    await at_other.hears("reactor:event")
    assert at_other.names() == ["reactor:event"]
    assert (await emits(service, "seat", {}, to={"userId": 2**53 - 1}))["delivered"] == 0
    await player.leave()
    await other.leave()


async def test_it_is_told_at_once_and_never_again(club: Club, service: Person) -> None:
    start = (await club.call("GET", "/api/updates"))["cursor"]
    await emits(service, "passed", {})
    async with PlainSocket.open(club, after=start) as socket:
        await socket.next()
        await emits(service, "now", {})
        assert (await socket.event())[0] == "now"
    answer = await club.call("GET", f"/api/updates?after={start}")
    assert answer["events"] == []


# --- what is refused ---------------------------------------------------------------------------

RESERVED = [
    "welcome", "ping", "pong", "resync", "reactor:event", "cases:updated", "drop:new",
    "balance:updated:7", "inventory:updated:12", "auth:expired", "server:draining",
    "user:identify",
]  # fmt: skip


@pytest.mark.parametrize("name", RESERVED)
async def test_name_of_the_clubs_own_is_refused(
    club: Club, service: Person, name: str
) -> None:
    answer = await emits(service, name, {})
    assert (answer.status, answer["code"]) == (400, "validation_failed")
    with pytest.raises(Invalid):
        await club.app[REACTOR].emit(name, {})
    with pytest.raises(Invalid):
        club.app[REACTOR].emit_sync(name, {})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "x"},
        {"type": "", "detail": 1},
        {"type": "x" * 65, "detail": 1},
        {"type": "a\nb", "detail": 1},
        {"type": 7, "detail": 1},
        {"type": "x", "detail": 1, "more": 1},
        {"type": "x", "detail": 1, "to": {}},
        {"type": "x", "detail": 1, "to": {"userId": "7"}},
        {"type": "x", "detail": 1, "to": {"userId": 0}},
        {"type": "x", "detail": "x" * LARGEST},
        {"type": "x", "detail": "ж" * (LARGEST // 2)},
        {"type": "x", "detail": 1e999},
    ],
)
async def test_what_cannot_be_emitted_is_refused(service: Person, body: Any) -> None:
    answer = await service.post("/api/reactor/emit", body)
    assert (answer.status, answer["success"]) == (400, False), answer.body


async def test_text_that_is_no_text_and_depths_without_end_are_refused(
    service: Person,
) -> None:
    deep = "[" * 300 + "]" * 300
    for detail in ('"\\ud800"', deep, '{"a": ' * 400 + "1" + "}" * 400, "1e999"):
        raw = f'{{"type": "x", "detail": {detail}}}'
        answer = await service.post("/api/reactor/emit", raw=raw)
        assert (answer.status, answer["success"]) == (400, False), answer.body


async def test_only_services_and_admins_may_emit(club: Club, service: Person) -> None:
    anonymous = await club.call("POST", "/api/reactor/emit", {"type": "x", "detail": 1})
    assert anonymous.status == 401
    for role, status in (("member", 403), ("staff", 403), ("admin", 200)):
        person = await club.person(role=role, has_password=False)
        assert (await emits(person, "x", 1)).status == status
    foreign = jwt.encode({"sub": str(service.id), "exp": 2**33}, JWT_SECRET + "x")
    assert (await emits(replace(service, token=foreign), "x", 1)).status == 401


# --- from within the server --------------------------------------------------------------------


async def test_threads_emit_without_waiting_and_everything_is_heard(club: Club) -> None:
    reactor, each, threads = club.app[REACTOR], 50, 4
    taken: list[bool] = []

    def work(number: int) -> None:
        for n in range(each):
            taken.append(reactor.emit_sync(f"thread-{number}", n))

    async with stream(club) as socket:
        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        frames = [await socket.next() for _ in range(each * threads)]
        for worker in workers:
            await asyncio.to_thread(worker.join)

    assert taken == [True] * each * threads
    for number in range(threads):
        told = [frame["detail"] for frame in frames if frame["type"] == f"thread-{number}"]
        assert told == list(range(each))


async def test_emitter_may_go_on_changing_what_it_emitted(club: Club) -> None:
    detail = {"n": 1}
    async with stream(club) as socket:
        assert club.app[REACTOR].emit_sync("count", detail)
        detail["n"] = 2
        assert (await socket.event()) == ("count", {"n": 1})


async def test_thread_that_emits_faster_than_the_server_takes_fills_no_memory(
    config: Config,
) -> None:
    async with Club.open(replace(config, reactor_backlog=10)) as club:
        reactor = club.app[REACTOR]
        async with stream(club) as socket:
            # The event loop does nothing else meanwhile, so nothing is taken.
            taken = [reactor.emit_sync("flood", n) for n in range(100)]
            assert taken == [True] * 10 + [False] * 90
            assert [(await socket.event())[1] for _ in range(10)] == list(range(10))
            assert reactor.emit_sync("flood", 10)
            assert (await socket.event())[1] == 10


async def test_emitting_on_a_stopped_server_is_no_error(config: Config) -> None:
    async with Club.open(config) as club:
        reactor = club.app[REACTOR]
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(reactor.emit_sync("late", {})))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert len(done) == 1


@pytest.mark.parametrize("what", [object(), {1, 2}, float("nan"), float("inf"), b"x"])
async def test_detail_that_is_no_json_is_refused_where_it_is_emitted(
    club: Club, what: Any
) -> None:
    with pytest.raises(Invalid):
        await club.app[REACTOR].emit("x", {"detail": what})
    with pytest.raises(Invalid):
        club.app[REACTOR].emit_sync("x", {"detail": what})


# --- listeners ---------------------------------------------------------------------------------


async def test_listener_that_does_not_read_or_is_gone_disturbs_nobody(
    club: Club, service: Person
) -> None:
    async with stream(club) as deaf, stream(club) as cut, stream(club) as well:
        cut.socket._response.connection.transport.abort()  # type: ignore[union-attr]
        big = "x" * (LARGEST - 2)
        async with asyncio.timeout(PATIENCE_S):
            for n in range(300):
                await club.app[REACTOR].emit("news", big)
                assert await well.event() == ("news", big)
        assert (await emits(service, "end", {})).status == 200
        assert await well.event() == ("end", {})
        assert all(feed.waiting <= 501 for feed in club.app[FEEDS].all())
        assert (await deaf.event())[0] == "news"


# --- counted and shown -------------------------------------------------------------------------


async def test_status_stats_and_health_say_how_the_sockets_are(alone: Config) -> None:
    async with Club.open(alone) as club:
        player = await club.person(has_password=False)
        async with stream(club), PlainSocket.open(
            club, "/ws", userId=player.id, token=player.token
        ):
            await club.app[REACTOR].emit("a", 1)
            await club.app[REACTOR].emit("b", 1)
            await club.app[REACTOR].emit("a", 1)
            status = await club.call("GET", "/ws/status")
            stats = await club.call("GET", "/ws/stats")
            health = await club.call("GET", "/ws/health")
        assert (status["status"], status["active_connections"]) == ("ok", 2)
        assert status["reactor"] == "active" and status["heartbeat_s"] == 25
        assert stats["active_connections"] == 2
        assert stats["connections"]["ws-stream"] == stats["connections"]["ws"] == 1
        assert (stats["events_emitted"], stats["by_type"]) == (3, {"a": 2, "b": 1})
        assert (health.status, health["status"]) == (200, "ok")


async def test_names_without_end_are_counted_together(alone: Config) -> None:
    async with Club.open(alone) as club:
        for n in range(150):
            await club.app[REACTOR].emit(f"type-{n}", n)
        stats = await club.call("GET", "/ws/stats")
        assert stats["events_emitted"] == 150
        assert len(stats["by_type"]) == 101 and stats["by_type"]["other"] == 50
        # One that has a place goes on being counted by itself.
        await club.app[REACTOR].emit("type-0", 0)
        assert (await club.call("GET", "/ws/stats"))["by_type"]["type-0"] == 2


async def test_switched_off_it_does_nothing_and_says_so(alone: Config) -> None:
    async with Club.open(replace(alone, reactor_enabled=False)) as club:
        service = await club.person(role="service", has_password=False)
        async with stream(club) as socket:
            answer = await emits(service, "lights", {})
            assert (answer.status, answer["delivered"]) == (200, 0)
            assert await club.app[REACTOR].emit("lights", object()) == 0
            assert club.app[REACTOR].emit_sync("lights") is False
            assert await socket.ask({"type": "ping"}) == {"type": "pong"}
        assert (await club.call("GET", "/ws/status"))["reactor"] == "disabled"
        assert (await club.call("GET", "/ws/stats"))["events_emitted"] == 0


async def test_with_real_time_off_streams_over_plain_http_still_hear_it(
    config: Config,
) -> None:
    async with Club.open(replace(config, realtime_enabled=False)) as club:
        service = await club.person(role="service", has_password=False)
        async with EventStream.open(club) as events:
            assert (await emits(service, "lights", {}))["delivered"] == 1
            assert await events.event() == ("reactor:event", {"type": "lights", "detail": {}})
