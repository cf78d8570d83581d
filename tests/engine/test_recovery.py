"""What the engine does with a log: who missed something is told it before it is in."""

import asyncio
import json
from typing import Any

import pytest

from tests.club import until
from tests.engine.clients import Client, soon
from tests.engine.conftest import Serve
from tests.engine.memory_recovery import BATCH, MemoryLog
from tests.engine.rig import Rig, quiet_server

# python-engineio's own client would be sent 16 packets a poll; these come in several reads.
MANY = 3 * BATCH + 5


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
async def rig(serve: Serve, log: MemoryLog) -> Rig:
    return await serve(quiet_server(recovery=log))


async def enter(client: Client, **auth: Any) -> tuple[list[Any], dict[str, Any]]:
    """Say CONNECT: the events before its answer, and the answer."""
    await client.send("40" + (json.dumps(auth) if auth else ""))
    events = []
    while True:
        packet = await client.receive()
        assert isinstance(packet, str)
        if packet.startswith("40"):
            return events, json.loads(packet[2:])
        assert packet.startswith("42"), packet
        events.append(json.loads(packet[2:]))


async def test_new_client_gets_a_pid_and_events_with_their_place(
    rig: Rig, log: MemoryLog, transport: str
) -> None:
    client = await rig.client(transport)

    events, answer = await enter(client)
    await log.tell(rig.engine, "news", {"a": 1})

    assert events == [] and set(answer) == {"sid", "pid"}
    assert await client.event() == ["news", {"a": 1}, "1"]


async def test_client_that_returns_is_told_what_it_missed_before_it_is_in(
    rig: Rig, log: MemoryLog, transport: str
) -> None:
    client = await rig.client(transport)
    _, first = await enter(client)
    await log.tell(rig.engine, "news", 0)
    assert await client.event() == ["news", 0, "1"]
    await client.close()
    for number in range(1, MANY):
        await log.tell(rig.engine, "news", number)

    client = await rig.client(transport)
    events, answer = await enter(client, pid=first["pid"], offset="1")
    await log.tell(rig.engine, "live")

    assert events == [["news", number, str(number + 1)] for number in range(1, MANY)]
    assert answer == first
    assert await client.event() == ["live", str(MANY + 1)]


async def test_what_is_told_while_a_client_catches_up_is_told_it_once_in_order(
    rig: Rig, log: MemoryLog, transport: str
) -> None:
    client = await rig.client(transport)
    _, first = await enter(client)
    await client.close()
    for number in range(MANY):
        await log.tell(rig.engine, "news", number)
    times = {False: 0, True: 0}

    async def meanwhile(settled: bool) -> None:
        times[settled] += 1
        if times[settled] < 12:
            await log.tell(rig.engine, "meanwhile", times[settled])
            # In the loop's own time, as a real log: others have their turn.
            await asyncio.sleep(0)
            await log.tell(rig.engine, "meanwhile", -times[settled])

    log.between = meanwhile
    client = await rig.client(transport)
    events, answer = await enter(client, pid=first["pid"])
    log.between = None
    await log.tell(rig.engine, "last")
    while events[-1][0] != "last":
        events.append(await client.event())

    assert times[True] > 0
    assert answer["pid"] == first["pid"]
    assert [event[-1] for event in events] == [str(n + 1) for n in range(len(log.told))]


async def test_client_whose_old_session_seems_alive_takes_its_place(
    rig: Rig, log: MemoryLog, transport: str
) -> None:
    old = await rig.client(transport)
    _, first = await enter(old)

    client = await rig.client(transport)
    _, answer = await enter(client, pid=first["pid"])

    assert answer == first
    assert await soon(rig.engine.goodbyes.get()) == "superseded"
    assert log.goodbyes == []
    await old.ended()


async def test_own_goodbye_and_being_thrown_out_are_told_the_log(
    rig: Rig, log: MemoryLog, transport: str
) -> None:
    leaving, thrown_out, lost = [await rig.client(transport) for _ in range(3)]
    answers = [(await enter(client))[1] for client in (leaving, thrown_out, lost)]

    await leaving.send("41")
    assert await soon(rig.engine.goodbyes.get()) == "client disconnect"
    await rig.engine.disconnect(answers[1]["sid"])
    assert await soon(rig.engine.goodbyes.get()) == "server disconnect"
    # Engine.IO's CLOSE is of the connection: a page that is reloaded says it, too.
    await lost.send("1")
    assert await soon(rig.engine.goodbyes.get()) == "client disconnect"

    assert log.goodbyes == [answers[0]["pid"], answers[1]["pid"]]


async def test_client_of_a_log_that_is_away_is_cut_off_not_refused(
    rig: Rig, log: MemoryLog, transport: str
) -> None:
    client = await rig.client(transport)
    _, first = await enter(client)
    await client.close()
    await log.tell(rig.engine, "news")

    async def away_by_and_by(settled: bool) -> None:
        log.is_away = True

    log.is_away = True
    for between in (None, away_by_and_by):
        log.between = between
        client = await rig.client(transport)
        await client.send(f'40{{"pid":"{first["pid"]}"}}')
        await client.ended()
        log.is_away = False
    log.between = None
    log.is_away = False
    client = await rig.client(transport)
    events, answer = await enter(client, pid=first["pid"])

    assert events == [["news", "1"]] and answer == first


async def test_client_that_leaves_while_it_catches_up_leaves_nothing_behind(
    rig: Rig, log: MemoryLog, transport: str
) -> None:
    client = await rig.client("websocket")
    _, first = await enter(client)
    await client.close()
    for number in range(MANY):
        await log.tell(rig.engine, "news", number)
    is_reading, may_go_on = asyncio.Event(), asyncio.Event()

    async def wait(settled: bool) -> None:
        is_reading.set()
        await may_go_on.wait()

    log.between = wait
    client = await rig.client(transport)
    await client.send(f'40{{"pid":"{first["pid"]}"}}')
    await soon(is_reading.wait())
    await client.send("1")
    log.between = None
    may_go_on.set()

    async def is_gone() -> bool:
        return not rig.engine.manager.rooms and not rig.eio.sockets

    await until(is_gone, "nothing is left of it")
    assert rig.engine.manager._unsettled == 0


async def test_client_that_was_cut_off_in_between_empties_its_buffer_first(
    rig: Rig, log: MemoryLog, transport: str
) -> None:
    client = await rig.client(transport)
    _, first = await enter(client)
    await client.close()
    for number in range(MANY):
        await log.tell(rig.engine, "news", number)
    client = await rig.client(transport)
    await client.send(f'40{{"pid":"{first["pid"]}"}}')
    # It got this far, and its offset does not say so.
    buffered = [await client.event() for _ in range(3)]
    await client.close()

    client = await rig.client(transport)
    events, answer = await enter(client, pid=first["pid"])
    assert (events, answer["pid"]) == ([], first["pid"])
    # It is to show that it has read that.
    assert await client.next_packet() == "2"
    await client.send("3")
    await client.ended()
    client = await rig.client(transport)
    events, answer = await enter(client, pid=first["pid"], offset=buffered[-1][-1])

    assert answer["pid"] == first["pid"]
    assert [event[-1] for event in buffered + events] == [str(n + 1) for n in range(MANY)]


async def test_client_without_recovery_gets_events_as_they_are(
    rig: Rig, log: MemoryLog, transport: str
) -> None:
    client = await rig.client(transport)

    _, answer = await enter(client, recovery=False)
    await log.tell(rig.engine, "news", "text")
    await rig.engine.emit("note", "text")

    assert set(answer) == {"sid"}
    assert await client.event() == ["news", "text"]
    assert await client.event() == ["note", "text"]


async def test_log_that_gives_no_pids_changes_nothing_for_clients(
    rig: Rig, log: MemoryLog, transport: str
) -> None:
    log.enabled = False
    client = await rig.client(transport)

    _, answer = await enter(client, recovery=True)
    await log.tell(rig.engine, "news", "text")

    assert set(answer) == {"sid"}
    assert await client.event() == ["news", "text"]


async def test_other_namespaces_know_nothing_of_it(
    serve: Serve, log: MemoryLog, transport: str
) -> None:
    sio = quiet_server(recovery=log)
    sio.on("connect", lambda sid, environ, auth: None, namespace="/custom")
    rig = await serve(sio)
    client = await rig.client(transport)
    await client.send("40/custom,")

    answer = await client.receive()
    await sio.emit("note", "text", namespace="/custom")

    assert isinstance(answer, str) and "pid" not in answer
    assert await client.receive() == '42/custom,["note","text"]'


async def test_event_with_an_ack_has_no_place(rig: Rig, log: MemoryLog, transport: str) -> None:
    client = await rig.client(transport)
    _, answer = await enter(client)

    asked = asyncio.create_task(rig.engine.call("question", "text", to=answer["sid"]))
    packet = await client.receive()
    assert packet == '421["question","text"]'
    await client.send('431["answer"]')

    assert await soon(asked) == "answer"
