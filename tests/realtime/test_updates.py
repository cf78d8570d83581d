"""`GET /api/updates`: cursors, long-polls, and everything that the log promises its readers."""

import asyncio
import time
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import asyncpg
import pytest

from events import BalanceUpdated, CasesUpdated, InventoryUpdated, WrongPayload
from server.club import ledger
from server.config import Config
from server.db import Database
from server.keys import DB, EVENT_LOG, FEEDS
from server.realtime.cursor import Cursor
from server.realtime.log import EventLog
from tests.club import PATIENCE_S, Club, Person, until
from tests.happenings import tell_all

WRITERS, MEMBERS, ROUNDS = 20, 5, 12
LOOPBACK = ip_network("127.0.0.1/32")


async def present(club: Club, token: str | None = None) -> str:
    """The cursor of this moment."""
    answer = await club.call("GET", "/api/updates", token=token)
    assert (answer.status, answer["events"], answer["resync"]) == (200, [], False)
    return str(answer["cursor"])


async def after(
    club: Club, cursor: str, token: str | None = None, wait: float = 0, via: str | None = None
) -> Any:
    headers = {"X-Forwarded-For": via} if via else {}
    path = f"/api/updates?after={cursor}&wait={wait}"
    return await club.call("GET", path, token=token, headers=headers)


async def told(club: Club, cursor: str, token: str | None = None) -> list[tuple[str, Any]]:
    """Everything after a cursor that is there already."""
    answer = await after(club, cursor, token)
    assert answer.status == 200 and answer["resync"] is False
    return [(event["event"], event["data"]) for event in answer["events"]]


async def top_up(club: Club, person: Person, amount: int = 1) -> None:
    """Money and its event, as every feature does it."""
    async with club.app[DB].transaction() as tx:
        balance = await ledger.post(tx, person.id, amount, "deposit", "test")
        await club.sio.emit(BalanceUpdated(person.id, balance), tx=tx)


async def waits(
    club: Club, cursor: str, token: str | None = None, via: str | None = None
) -> "asyncio.Task[Any]":
    """A long-poll that has found nothing yet and waits."""
    before = await waiting(club)
    task = asyncio.create_task(after(club, cursor, token, wait=50, via=via))

    async def is_waiting() -> bool:
        return await waiting(club) > before

    await until(is_waiting, "the poll waits")
    return task


async def waiting(club: Club) -> int:
    return club.app[FEEDS].waiting


# --- the cursor ------------------------------------------------------------------------------


async def test_reader_without_a_cursor_gets_the_present_one_and_no_events(club: Club) -> None:
    await club.tell_everybody()

    cursor = await present(club)

    assert await told(club, cursor) == []
    await club.tell_everybody()
    assert await told(club, cursor) == [("cases:updated", None)] * 2


async def test_reader_without_a_cursor_is_not_kept_waiting(club: Club) -> None:
    async with asyncio.timeout(PATIENCE_S):
        answer = await club.call("GET", "/api/updates?wait=50")

    assert (answer.status, answer["events"]) == (200, [])


async def test_event_has_the_cursor_that_the_next_poll_continues_from(club: Club) -> None:
    start = await present(club)
    await club.tell_everybody()
    first, second = (await after(club, start))["events"]

    rest = await after(club, first["cursor"])

    assert rest["events"] == [second]
    assert rest["cursor"] == second["cursor"]


async def test_answer_moves_on_past_what_others_were_told(club: Club) -> None:
    player = await club.person()
    start = await present(club)
    await top_up(club, player)

    answer = await after(club, start)

    assert answer["events"] == []
    assert answer["cursor"] == await present(club) != start


@pytest.mark.parametrize(
    "text", ["x", "0", "1.5", "-1", "00000000", "00000000.-1", "00000000.1.2", "0000000g.1",
             "00000000.01", "00000000.9999999999999999999", "%00", "00000000.%D9%A1"]
)  # fmt: skip
async def test_cursor_that_is_none_of_ours_is_refused(club: Club, text: str) -> None:
    answer = await after(club, text)

    assert (answer.status, answer["code"]) == (400, "bad_cursor")
    assert answer["success"] is False


async def test_empty_cursor_is_refused_rather_than_taken_for_none(club: Club) -> None:
    answer = await after(club, "")

    assert (answer.status, answer["code"]) == (400, "bad_cursor")


async def resynced(club: Club, cursor: Cursor) -> None:
    """The reader is told at once that there is a hole, and where to go on from."""
    async with asyncio.timeout(PATIENCE_S):
        answer = await after(club, str(cursor), wait=50)
    assert (answer.status, answer["resync"], answer["events"]) == (200, True, [])
    assert answer["cursor"] == await present(club)


async def test_cursor_of_another_database_is_answered_with_resync(club: Club) -> None:
    here = Cursor.parse(await present(club))
    epoch = "00000000" if here.epoch != "00000000" else "11111111"

    await resynced(club, replace(here, epoch=epoch))


async def test_cursor_beyond_the_head_is_answered_with_resync(club: Club) -> None:
    here = Cursor.parse(await present(club))

    await resynced(club, replace(here, position=here.position + 1))


async def test_cursor_below_what_was_trimmed_is_answered_with_resync(club: Club) -> None:
    old = Cursor.parse(await present(club))
    await club.tell_everybody()
    floor = replace(old, position=old.position + 1)
    async with club.app[DB].transaction() as tx:
        await tx.execute("UPDATE event_log_head SET floor = $1", floor.position)

    await resynced(club, old)
    assert await told(club, str(floor)) == [("cases:updated", None)]


# --- waiting ---------------------------------------------------------------------------------


async def test_poll_with_something_to_tell_is_answered_at_once(club: Club) -> None:
    start = await present(club)
    await club.tell_everybody()

    async with asyncio.timeout(PATIENCE_S):
        answer = await after(club, start, wait=50)

    assert len(answer["events"]) == 2


async def test_poll_that_does_not_wait_is_answered_at_once(club: Club) -> None:
    async with asyncio.timeout(PATIENCE_S):
        answer = await after(club, await present(club), wait=0)

    assert (answer.status, answer["events"]) == (200, [])


async def test_waiting_poll_is_woken_by_the_commit(club: Club) -> None:
    player = await club.person()
    poll = await waits(club, await present(club), player.token)

    await top_up(club, player, 250)
    answer = await asyncio.wait_for(poll, PATIENCE_S)

    assert [(e["event"], e["data"]) for e in answer["events"]] == [
        (f"balance:updated:{player.id}", {"balance": 2.5})
    ]


async def test_waiting_poll_sleeps_through_what_others_are_told(club: Club) -> None:
    player, other = await club.person(), await club.person()
    start = await present(club)
    poll = await waits(club, start, player.token)

    await top_up(club, other)
    await club.settled()
    assert not poll.done()
    await top_up(club, player)

    events = (await asyncio.wait_for(poll, PATIENCE_S))["events"]
    assert [event["event"] for event in events] == [f"balance:updated:{player.id}"]


async def test_poll_that_waited_in_vain_gets_the_present_cursor(club: Club) -> None:
    start = await present(club)

    answer = await after(club, start, wait=0.2)

    assert (answer["events"], answer["cursor"], answer["resync"]) == ([], start, False)


@pytest.mark.parametrize("wait", ["-1", "x", "NaN", "inf", "1e9"])
async def test_wait_that_is_no_sensible_time_is_refused(club: Club, wait: str) -> None:
    answer = await club.call("GET", f"/api/updates?wait={wait}")

    assert (answer.status, answer["code"]) == (400, "validation_failed")


async def test_token_that_expires_during_a_poll_is_told_in_its_answer(club: Club) -> None:
    player = await club.person()
    start = await present(club)

    async with asyncio.timeout(PATIENCE_S):
        answer = await after(club, start, club.token(player, seconds=2), wait=50)

    (expired,) = answer["events"]
    assert (answer.status, expired["event"]) == (200, "auth:expired")
    assert expired["data"] == {"graceMs": 30_000}
    # It has no place of its own in the log: the client goes on from where it was.
    assert expired["cursor"] == answer["cursor"] == start


async def test_where_too_many_wait_those_who_do_not_wait_are_answered(config: Config) -> None:
    async with Club.open(replace(config, updates_max_waiting=0)) as crowded:
        start = await present(crowded)
        refused = await after(crowded, start, wait=5)
        assert (refused.status, refused["code"]) == (503, "unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        assert (await after(crowded, start, wait=0)).status == 200


async def test_who_waits_at_many_polls_takes_nobody_elses_place(config: Config) -> None:
    bounds = {"updates_waiting_per_address": 3, "updates_waiting_per_member": 2}
    async with Club.open(replace(config, **bounds, trusted_proxies=(LOOPBACK,))) as club:
        player, other = [await club.person(has_password=False) for _ in range(2)]
        start = await present(club)
        polls = [await waits(club, start, player.token) for _ in range(2)]
        refused = await after(club, start, player.token, wait=50)
        assert (refused.status, refused["code"]) == (503, "unavailable")
        assert (await after(club, start, player.token, wait=0)).status == 200

        polls.append(await waits(club, start, other.token))
        assert (await after(club, start, wait=50)).status == 503
        polls.append(await waits(club, start, via="203.0.113.1"))

        await top_up(club, player)
        await top_up(club, other)
        await tell_all(club)
        assert [(await poll).status for poll in polls] == [200] * 4


async def test_expired_token_is_refused(club: Club) -> None:
    player = await club.person()

    answer = await after(club, await present(club), club.token(player, seconds=-1), wait=50)

    assert (answer.status, answer["code"]) == (401, "token_expired")


# --- who hears what --------------------------------------------------------------------------


async def test_anonymous_reader_hears_only_what_everybody_may(club: Club) -> None:
    player = await club.person()
    start = await present(club)
    await top_up(club, player)
    await club.tell_everybody()

    assert {name for name, _ in await told(club, start)} == {"cases:updated"}


async def test_member_hears_what_is_theirs_and_not_what_is_anothers(club: Club) -> None:
    player, other, staff = await club.person(), await club.person(), await club.person(role="staff")
    start = await present(club)
    await top_up(club, player, 1)
    await top_up(club, other, 2)

    assert await told(club, start, player.token) == [
        (f"balance:updated:{player.id}", {"balance": 0.01})
    ]
    assert await told(club, start, other.token) == [
        (f"balance:updated:{other.id}", {"balance": 0.02})
    ]
    assert await told(club, start, staff.token) == []


# --- what is told is true --------------------------------------------------------------------


async def test_roll_back_tells_nobody(club: Club) -> None:
    player = await club.person()
    at_player = await player.comes("websocket")
    start = await present(club)
    with pytest.raises(RuntimeError):
        async with club.app[DB].transaction() as tx:
            balance = await ledger.post(tx, player.id, 100, "deposit", "test")
            await club.sio.emit(BalanceUpdated(player.id, balance), tx=tx)
            await club.sio.emit(CasesUpdated(), tx=tx)
            raise RuntimeError("the door fails after it has told")

    await club.tell_everybody()

    await at_player.hears("cases:updated", 2)
    assert at_player.names() == ["cases:updated"] * 2
    assert await told(club, start, player.token) == [("cases:updated", None)] * 2
    assert await player.balance() == 0
    await player.leave()


async def test_wrong_payload_takes_the_transaction_back(club: Club) -> None:
    player = await club.person()
    start = await present(club)
    with pytest.raises(WrongPayload):
        async with club.app[DB].transaction() as tx:
            await ledger.post(tx, player.id, 100, "deposit", "test")
            await club.sio.emit(BalanceUpdated(player.id, 1.005), tx=tx)  # type: ignore[arg-type]

    assert await told(club, start, player.token) == []
    assert await player.balance() == 0


async def test_durable_event_without_its_transaction_is_a_defect(club: Club) -> None:
    with pytest.raises(TypeError):
        await club.sio.emit(CasesUpdated())


async def test_many_writers_are_heard_by_each_member_in_the_order_of_the_ledger(
    club: Club, dsn: str
) -> None:
    players = [await club.person() for _ in range(MEMBERS)]
    admin = await club.admin()
    cursors = {player.id: await present(club) for player in players}
    heard: dict[int, list[int]] = {player.id: [] for player in players}
    wanted = WRITERS * ROUNDS // MEMBERS

    async def write(writer: int) -> None:
        for n in range(ROUNDS):
            async with club.app[DB].transaction() as tx:
                # Takes the transaction's number before the member's row is locked, so that
                # numbers and commits come in different orders.
                if writer % 2:
                    await tx.execute("INSERT INTO seeds VALUES ($1, '', 1) ON CONFLICT (user_id)"
                                     " DO UPDATE SET nonce = seeds.nonce + 1", admin.id)
                player = players[(writer + n) % MEMBERS]
                balance = await ledger.post(tx, player.id, 1 + n, "deposit", "test")
                await club.sio.emit(BalanceUpdated(player.id, balance), tx=tx)

    async def read(player: Person) -> None:
        while len(heard[player.id]) < wanted:
            page = await after(club, cursors[player.id], player.token, wait=20)
            assert page["resync"] is False
            heard[player.id] += [round(e["data"]["balance"] * 100) for e in page["events"]]
            cursors[player.id] = page["cursor"]

    async with asyncio.timeout(6 * PATIENCE_S):
        await asyncio.gather(*map(write, range(WRITERS)), *map(read, players))

    connection = await asyncpg.connect(dsn)
    for player in players:
        rows = await connection.fetch(
            "SELECT balance_after FROM ledger WHERE user_id = $1 ORDER BY id", player.id
        )
        assert heard[player.id] == [row["balance_after"] for row in rows]
    await connection.close()


# --- workers and processes -------------------------------------------------------------------


async def other_process(dsn: str) -> tuple[Database, EventLog]:
    """What another process has of the log: it numbers nothing and rings no bell."""
    db = Database(dsn)
    await db.open()
    return db, EventLog(db)


async def test_lost_bell_costs_only_the_time_to_the_next_look(club: Club, dsn: str) -> None:
    player = await club.person()
    at_player = await player.comes("websocket")
    poll = await waits(club, await present(club), player.token)
    db, log = await other_process(dsn)

    async with db.transaction() as tx:
        log.append(tx, InventoryUpdated(player.id))

    await at_player.hears(f"inventory:updated:{player.id}")
    assert len((await asyncio.wait_for(poll, PATIENCE_S))["events"]) == 1
    await db.close()
    await player.leave()


async def test_bell_of_another_worker_is_heard_without_waiting_for_the_next_look(
    config: Config,
) -> None:
    deaf = replace(config, relay_poll_s=3600.0)
    async with Club.open(deaf) as first, Club.open(deaf) as second:
        player = await first.person()
        player.club = second
        at_player = await player.comes("websocket")

        await top_up(first, player)

        await at_player.hears(f"balance:updated:{player.id}")
        await player.leave()


async def test_bell_is_rung_by_a_reader_who_numbers_before_any_relay_does(
    config: Config, dsn: str
) -> None:
    deaf = replace(config, relay_poll_s=3600.0)
    db, log = await other_process(dsn)
    async with Club.open(deaf) as first, Club.open(deaf) as second:
        player = await first.person()
        start = await present(first)
        at_first = await player.comes("websocket")
        player.club = second
        at_second = await player.comes("websocket")
        async with db.transaction() as tx:
            log.append(tx, InventoryUpdated(player.id))

        assert len((await after(first, start, player.token))["events"]) == 1

        await at_first.hears(f"inventory:updated:{player.id}")
        await at_second.hears(f"inventory:updated:{player.id}")
        await player.leave()
    await db.close()


async def test_two_workers_tell_everybody_the_same_in_the_same_order(config: Config) -> None:
    async with Club.open(config) as first, Club.open(config) as second:
        player = await first.person()
        start = await present(first)
        doors = [await player.comes("websocket")]
        player.club = second
        doors.append(await player.comes("websocket"))

        async def write(club: Club) -> None:
            for _ in range(40):
                await top_up(club, player)

        await asyncio.gather(write(first), write(first), write(second), write(second))

        name = f"balance:updated:{player.id}"
        expected = [{"balance": n / 100} for n in range(1, 161)]
        for door in doors:
            await door.hears(name, 160)
            assert door.all(name) == expected
        for club in (first, second):
            answer = await after(club, start, player.token)
            assert [event["data"] for event in answer["events"]] == expected
            cursors = [Cursor.parse(event["cursor"]).position for event in answer["events"]]
            base = Cursor.parse(start).position
            # Contiguous, since nobody else wrote: no position is given twice or left out.
            assert cursors == list(range(base + 1, base + 161))
        await player.leave()


async def test_what_a_dead_process_committed_is_told_by_the_next(
    config: Config, dsn: str
) -> None:
    async with Club.open(config) as before:
        player = await before.person()
        start = await present(before)
    db, log = await other_process(dsn)
    async with db.transaction() as tx:
        log.append(tx, InventoryUpdated(player.id))
    await db.close()

    async with Club.open(config) as next_one:
        assert await told(next_one, start, player.token) == [
            (f"inventory:updated:{player.id}", None)
        ]


# --- snapshot and position -------------------------------------------------------------------


async def test_snapshot_and_what_comes_after_its_cursor_fit_without_gap_or_overlap(
    club: Club,
) -> None:
    player = await club.person()
    done = asyncio.Event()

    async def write() -> None:
        while not done.is_set():
            await top_up(club, player)

    async def snapshot() -> tuple[int, str]:
        answer = await player.get("/api/me")
        assert answer.status == 200, answer.body
        assert answer["balance"] == answer["user"]["balance"]
        return round(answer["balance"] * 100), answer["cursor"]

    async def compare() -> None:
        deadline = time.monotonic() + 3.0
        looks = 0
        while time.monotonic() < deadline or looks < 20:
            balance, cursor = await snapshot()
            fresh, fresh_cursor = await snapshot()
            until_fresh = Cursor.parse(fresh_cursor).position
            events: list[Any] = []
            while Cursor.parse(cursor).position < until_fresh:
                page = await after(club, cursor, player.token, wait=20)
                events += page["events"]
                cursor = page["cursor"]
            balances = [round(event["data"]["balance"] * 100) for event in events]
            # Every top-up is one: the first event is the next state, and none is left out.
            assert balances == list(range(balance + 1, balance + 1 + len(balances)))
            passed = [e for e in events if Cursor.parse(e["cursor"]).position <= until_fresh]
            assert balance + len(passed) == fresh
            looks += 1

    writers = [asyncio.create_task(write()) for _ in range(3)]
    try:
        await compare()
    finally:
        done.set()
        await asyncio.gather(*writers)


async def test_snapshot_of_a_member_does_not_wait_for_what_others_commit(club: Club) -> None:
    player, other = await club.person(balance=5), await club.person()
    log: EventLog = club.app[EVENT_LOG]
    async with club.app[DB].transaction() as tx:
        log.append(tx, InventoryUpdated(other.id))

        answer = await player.get("/api/me")

    assert (answer.status, answer["balance"]) == (200, 5)
