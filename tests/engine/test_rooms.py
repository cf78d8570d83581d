"""Rooms, recipients and acks of python-socketio, over the engine's own tables."""

import asyncio
import json
from typing import Any

import pytest
from socketio.exceptions import TimeoutError as NoAnswer

from tests.engine.clients import Client, WebSocketClient, soon
from tests.engine.conftest import Serve
from tests.engine.rig import Rig, quiet_server


class Guests:
    """Some clients, on both transports in turn, and who of them heard what."""

    def __init__(self, sio: Any) -> None:
        self.sio = sio
        self.clients: list[Client] = []
        self.sids: list[str] = []

    @classmethod
    async def come(cls, rig: Rig, count: int) -> "Guests":
        guests = cls(rig.engine)
        for number in range(count):
            client = await rig.client("polling" if number % 2 else "websocket")
            guests.clients.append(client)
            guests.sids.append(await client.connect())
        return guests

    async def heard(self) -> list[list[Any]]:
        """What each has heard since last asked, names and data."""
        await self.sio.emit("end")
        everything = []
        for client in self.clients:
            heard: list[Any] = []
            while (event := await client.event()) != ["end"]:
                heard.append(event)
            everything.append(heard)
        return everything


@pytest.fixture
async def rig(serve: Serve) -> Rig:
    return await serve(quiet_server())


async def test_a_room_is_heard_by_who_is_in_it(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 4)
    for sid in guests.sids[:3]:
        await sio.enter_room(sid, "hall")
    await sio.leave_room(guests.sids[1], "hall")

    await sio.emit("news", 1, room="hall")
    await sio.emit("news", 2, to="nobody")

    assert await guests.heard() == [[["news", 1]], [], [["news", 1]], []]


async def test_a_list_of_recipients_hears_once_each(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 5)
    a, b, c, d, _ = guests.sids
    await sio.enter_room(a, "red")
    await sio.enter_room(b, "red")
    await sio.enter_room(b, "blue")

    await sio.emit("news", to=["red", "blue", c, c, "nobody"])
    await sio.emit("more", room=[d])

    assert await guests.heard() == [[["news"]], [["news"]], [["news"]], [["more"]], []]


@pytest.mark.parametrize("skipped", ["one", "list"])
async def test_who_is_skipped_does_not_hear(rig: Rig, skipped: str) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 3)
    a, b, _ = guests.sids
    skip = a if skipped == "one" else [a, b]

    await sio.emit("news", skip_sid=skip)

    expected = [[], [["news"]], [["news"]]] if skipped == "one" else [[], [], [["news"]]]
    assert await guests.heard() == expected


async def test_a_client_is_a_room_of_its_own(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 2)

    await sio.emit("news", {"only": "you"}, to=guests.sids[1])
    await sio.send("a message", to=guests.sids[0])

    assert await guests.heard() == [[["message", "a message"]], [["news", {"only": "you"}]]]
    with pytest.raises(ValueError):
        await sio.enter_room(guests.sids[0], guests.sids[1])


async def test_data_is_spread_as_python_socketio_does(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 2)

    await sio.emit("none")
    await sio.emit("tuple", (1, "two", None))
    await sio.emit("list", [1, 2])
    await sio.emit("empty", ())
    await sio.emit("text", "日本語 🎮 \ud83d")

    heard = [["none"], ["tuple", 1, "two", None], ["list", [1, 2]], ["empty"]]
    assert await guests.heard() == [[*heard, ["text", "日本語 🎮 \ud83d"]]] * 2


async def test_rooms_are_told_and_closed(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 2)
    a, b = guests.sids
    for room in ("hall", "bar"):
        await sio.enter_room(a, room)
    await sio.enter_room(b, "hall")

    assert sorted(sio.rooms(a)) == sorted([a, "hall", "bar"])
    await sio.close_room("hall")
    await sio.emit("news", room="hall")

    assert sorted(sio.rooms(a)) == sorted([a, "bar"])
    assert sio.rooms(b) == [b]
    # An empty room is no room: clubs make and leave them all day.
    assert "hall" not in sio.manager.rooms["/"]
    assert await guests.heard() == [[], []]


async def test_events_told_together_reach_each_client_in_their_order(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 4)
    for sid in guests.sids[:2]:
        await sio.enter_room(sid, "hall")

    with sio.manager.together():
        await sio.emit("news", 1)
        await sio.emit("news", 2, room="hall")
        await sio.emit("news", 3)
        await sio.emit("news", 4, to=guests.sids[3])
        await sio.emit("news", 5)

    heard = [[event[-1] for event in each] for each in await guests.heard()]
    assert heard == [[1, 2, 3, 5], [1, 2, 3, 5], [1, 3, 5], [1, 3, 4, 5]]


async def test_an_emit_that_asks_is_not_told_before_those_it_is_together_with(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 1)

    with sio.manager.together():
        await sio.emit("news", 1)
        await sio.emit("ask", 2, callback=print)
        await sio.emit("news", 3)

    packets = [str(await guests.clients[0].receive()) for _ in range(3)]
    assert [packet.lstrip("0123456789") for packet in packets] == [
        '["news",1]', '["ask",2]', '["news",3]',
    ]


async def test_who_leaves_is_in_no_room_any_more(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 3)
    for sid in guests.sids:
        await sio.enter_room(sid, "hall")

    await guests.clients[0].send("1")
    await soon(sio.goodbyes.get())
    guests.clients.pop(0)
    await sio.emit("news", room="hall")

    assert await guests.heard() == [[["news"]], [["news"]]]
    assert [sid for sid, _ in sio.manager.get_participants("/", "hall")] != []
    assert guests.sids[0] not in [sid for sid, _ in sio.manager.get_participants("/", None)]


async def test_nobody_can_enter_a_room_who_is_not_there(rig: Rig) -> None:
    with pytest.raises(ValueError):
        await rig.engine.enter_room("nobody", "hall")


async def test_an_emit_asks_for_an_answer(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 2)
    answers: asyncio.Queue[Any] = asyncio.Queue()

    async def answered(*values: Any) -> None:
        answers.put_nowait(values)

    await sio.emit("ask", "you?", to=guests.sids[0], callback=answered)
    packet = str(await guests.clients[0].receive())
    number = packet[2:].split("[")[0]
    assert packet == f'42{number}["ask","you?"]' and number.isdigit()
    await guests.clients[0].send(f'43{number}["yes",2]')

    assert await soon(answers.get()) == ("yes", 2)


@pytest.mark.parametrize(
    ("values", "answer"), [("[]", None), ('["one"]', "one"), ('["one",2]', ("one", 2))]
)
async def test_a_call_returns_what_the_client_answers(rig: Rig, values: str, answer: Any) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 2)

    for client, sid in zip(guests.clients, guests.sids, strict=True):
        call = asyncio.create_task(sio.call("ask", {"what": 1}, to=sid, timeout=30))
        packet = str(await client.receive())
        number = packet[2:].split("[")[0]
        assert json.loads(packet[2 + len(number) :]) == ["ask", {"what": 1}]
        await client.send(f"43{number}{values}")
        assert await soon(call) == answer


async def test_a_call_that_is_not_answered_ends(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 1)

    with pytest.raises(NoAnswer):
        await sio.call("ask", to=guests.sids[0], timeout=0.05)


async def test_an_answer_nobody_waits_for_harms_nothing(rig: Rig) -> None:
    guests = await Guests.come(rig, 2)

    for client in guests.clients:
        await client.send('4312["late"]', "43999999[]")

    assert await guests.heard() == [[], []]


async def test_a_client_thrown_out_hears_it_and_its_handler_too(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 2)

    for client, sid in zip(guests.clients, guests.sids, strict=True):
        await sio.emit("last words", to=sid)
        await soon(sio.disconnect(sid))
        assert await client.receives(2) == ['42["last words"]', "41"]
        assert await soon(sio.goodbyes.get()) == "server disconnect"
        await sio.emit("too late", to=sid)
        # The connection is still there: it may join again.
        assert await client.connect() != sid


async def test_a_session_keeps_what_handlers_put_there(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 2)
    a, b = guests.sids

    async with sio.session(a) as session:
        session["name"] = "Ann"
    await sio.save_session(b, {"name": "Bob"})

    assert await sio.get_session(a) == {"name": "Ann"}
    async with sio.session(b) as session:
        assert session == {"name": "Bob"}
    with pytest.raises(KeyError):
        await sio.get_session("nobody")


async def test_the_transport_is_told_also_after_it_changed(rig: Rig) -> None:
    sio = rig.engine
    polling = await rig.polling()
    sid = await polling.connect()
    websocket = await rig.client("websocket")
    other = await websocket.connect()

    assert (sio.transport(sid), sio.transport(other)) == ("polling", "websocket")

    client: WebSocketClient = await rig.upgraded(polling)
    await client.emit("anything")
    await sio.emit("end", to=sid)
    assert await client.event() == ["end"]
    assert sio.transport(sid) == "websocket"


async def test_background_work_and_pauses_are_the_loops(rig: Rig) -> None:
    sio, guests = rig.engine, await Guests.come(rig, 1)

    async def later(word: str) -> None:
        await sio.sleep(0)
        await sio.emit(word)

    await sio.start_background_task(later, "done")

    assert await guests.heard() == [[["done"]]]


async def test_a_serializer_of_the_applications_own_is_used(serve: Serve) -> None:
    """`serializer` may be a packet class."""
    from socketio.packet import Packet

    used = 0

    class Counting(Packet):  # type: ignore[misc]
        def encode(self) -> Any:
            nonlocal used
            used += 1
            return super().encode()

    rig = await serve(quiet_server(serializer=Counting))
    sio, guests = rig.engine, await Guests.come(rig, 2)
    sio.on("mirror", lambda sid, *data: data)

    await sio.emit("news", {"a": [1, 2]})

    assert await guests.heard() == [[["news", {"a": [1, 2]}]]] * 2
    assert used
    for client in guests.clients:
        await client.send('451-3["mirror",{"_placeholder":true,"num":0}]', b"\x01")
        assert await client.receives(2) == ['461-3[{"_placeholder":true,"num":0}]', b"\x01"]
