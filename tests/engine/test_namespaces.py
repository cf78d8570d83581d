"""python-socketio's handlers: by decorator, by class, by name or for all, in every namespace."""

import asyncio
import json
from typing import Any

import pytest
import socketio

from tests.engine.clients import Client, becomes, soon
from tests.engine.conftest import Serve
from tests.engine.rig import quiet_server

Heard = list[Any]


async def ask(client: Client, event: str, *data: Any, namespace: str = "") -> Any:
    """Send an event to a namespace and wait for its ack."""
    prefix = f"{namespace}," if namespace else ""
    await client.send(f"42{prefix}1" + json.dumps([event, *data]))
    packet = str(await client.receive())
    assert packet.startswith(f"43{prefix}1["), packet
    return json.loads(packet[len(f"43{prefix}1") :])


async def test_each_namespace_has_its_own_handlers(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server()
    sio.on("where", lambda sid: "main")
    sio.on("where", lambda sid: "hall", namespace="/hall")
    client = await (await serve(sio)).client(transport)
    main, hall = await client.connect(), await client.connect("/hall")

    assert await ask(client, "where") == ["main"]
    assert await ask(client, "where", namespace="/hall") == ["hall"]
    assert main != hall


async def test_an_emit_stays_in_its_namespace(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server(namespaces=["/", "/hall"])
    client = await (await serve(sio)).client(transport)
    await client.connect()
    await client.connect("/hall")

    await sio.emit("a")
    await sio.emit("b", namespace="/hall")
    await sio.emit("c", {"x": 1}, namespace="/elsewhere")
    await sio.emit("d")

    assert await client.receives(3) == ['42["a"]', '42/hall,["b"]', '42["d"]']


async def test_a_class_holds_the_handlers_of_a_namespace(serve: Serve, transport: str) -> None:
    ended: asyncio.Queue[Any] = asyncio.Queue()

    class Hall(socketio.AsyncNamespace):  # type: ignore[misc]
        async def on_connect(self, sid: str, environ: Any, auth: Any) -> None:
            await self.enter_room(sid, "visitors")
            await self.save_session(sid, auth)

        def on_disconnect(self, sid: str, reason: str) -> None:
            ended.put_nowait(reason)

        async def on_whoami(self, sid: str) -> Any:
            async with self.session(sid) as session:
                return session["name"]

        async def on_tell(self, sid: str, what: Any) -> None:
            await self.emit("told", what, room="visitors", skip_sid=sid)
            await self.send("a message", to=sid)

    sio: Any = quiet_server()
    sio.register_namespace(Hall("/hall"))
    rig = await serve(sio)
    one, two = await rig.client(transport), await rig.client(transport)
    await one.connect("/hall", {"name": "Ann"})
    await two.connect("/hall", {"name": "Bob"})

    assert await ask(one, "whoami", namespace="/hall") == ["Ann"]
    assert await ask(two, "whoami", namespace="/hall") == ["Bob"]
    await one.emit("tell", 7, namespace="/hall")
    assert await two.receive() == '42/hall,["told",7]'
    assert await one.receive() == '42/hall,["message","a message"]'
    await one.send("41/hall,")
    assert await soon(ended.get()) == "client disconnect"


async def test_a_class_may_serve_every_namespace(serve: Serve, transport: str) -> None:
    class Everywhere(socketio.AsyncNamespace):  # type: ignore[misc]
        def on_connect(self, namespace: str, sid: str, environ: Any) -> None:
            pass

        def on_where(self, namespace: str, sid: str) -> str:
            return namespace

    sio: Any = quiet_server(namespaces="*")
    sio.register_namespace(Everywhere("*"))
    client = await (await serve(sio)).client(transport)
    await client.connect("/one")
    await client.connect("/two")

    assert await ask(client, "where", namespace="/one") == ["/one"]
    assert await ask(client, "where", namespace="/two") == ["/two"]


async def test_catch_all_handlers_hear_what_has_no_handler(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server(namespaces=["/", "/hall"])
    sio.on("known", lambda sid, data: ["known", data])
    sio.on("*", lambda event, sid, *data: ["any", event, *data])
    sio.on("wide", lambda namespace, sid, data: ["wide", namespace, data], namespace="*")
    sio.on("*", lambda event, namespace, sid, *data: [event, namespace, *data], namespace="*")
    client = await (await serve(sio)).client(transport)
    await client.connect()
    await client.connect("/hall")

    assert await ask(client, "known", 1) == [["known", 1]]
    assert await ask(client, "unknown", 1, 2) == [["any", "unknown", 1, 2]]
    assert await ask(client, "*", 3) == [["any", "*", 3]]
    assert await ask(client, "wide", 1, namespace="/hall") == [["wide", "/hall", 1]]
    assert await ask(client, "other", 2, namespace="/hall") == [["other", "/hall", 2]]


async def test_an_event_nobody_handles_gets_no_ack_and_harms_nothing(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server()
    sio.on("known", lambda sid: "known")
    client = await (await serve(sio)).client(transport)
    await client.connect()

    await client.send('429["unknown",1]')

    assert await ask(client, "known") == ["known"]


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
async def test_a_handlers_answer_is_the_ack(serve: Serve, transport: str, kind: str) -> None:
    sio: Any = quiet_server()

    def plain(sid: str, value: Any) -> Any:
        return tuple(value) if value == [1, 2] else value

    async def coroutine(sid: str, value: Any) -> Any:
        await asyncio.sleep(0)
        return plain(sid, value)

    sio.on("mirror", {"plain": plain, "coroutine": coroutine}[kind])
    client = await (await serve(sio)).client(transport)
    await client.connect()

    # None is no argument, a tuple is several.
    for value, answer in ((None, []), ([1, 2], [1, 2]), ([3], [[3]]), ({}, [{}]), (False, [False])):
        assert await ask(client, "mirror", value) == answer


async def test_a_handler_that_fails_harms_nothing(
    serve: Serve, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    sio: Any = quiet_server()
    sio.on("known", lambda sid: "known")

    @sio.event
    async def fail(sid: str, how: str) -> None:
        if how == "late":
            await asyncio.sleep(0)
        raise RuntimeError(f"it fails {how}")

    client = await (await serve(sio)).client(transport)
    await client.connect()

    await client.send('421["fail","at once"]', '422["fail","late"]', '423["fail"]')

    assert await ask(client, "known") == ["known"]
    assert "it fails at once" in caplog.text and "it fails late" in caplog.text


async def test_handlers_of_the_older_form_still_work(serve: Serve, transport: str) -> None:
    """Without auth in connect, without a reason in disconnect."""
    sio: Any = quiet_server()
    ended: asyncio.Queue[str] = asyncio.Queue()

    @sio.on("connect", namespace="/old")
    async def connect(sid: str, environ: Any) -> None:
        assert environ["REQUEST_METHOD"] == "GET"

    @sio.on("disconnect", namespace="/old")
    async def disconnect(sid: str) -> None:
        ended.put_nowait(sid)

    client = await (await serve(sio)).client(transport)
    sid = await client.connect("/old")
    await client.send("41/old,")

    assert await soon(ended.get()) == sid


async def test_events_are_handled_one_after_another_where_asked_for(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server(async_handlers=False)
    order: list[str] = []
    let_on = asyncio.Event()

    @sio.event
    async def work(sid: str, number: int) -> None:
        order.append(f"begin {number}")
        if not number:
            await let_on.wait()
        order.append(f"end {number}")

    sio.on("last", lambda sid: "last")
    client = await (await serve(sio)).client(transport)
    await client.connect()

    sending = asyncio.create_task(client.send(*(f'42["work",{n}]' for n in range(3))))
    # The others wait for nothing: side by side they would have ended by now.
    await becomes(lambda: sio.eio.counters.reading_paused, "they are there")
    let_on.set()
    await soon(sending)

    assert await ask(client, "last") == ["last"]
    assert order == [f"{what} {n}" for n in range(3) for what in ("begin", "end")]


async def test_events_are_handled_side_by_side_otherwise(serve: Serve, transport: str) -> None:
    sio: Any = quiet_server()
    second_came = asyncio.Event()

    @sio.event
    async def first(sid: str) -> str:
        await second_came.wait()
        return "first"

    @sio.event
    async def second(sid: str) -> str:
        second_came.set()
        return "second"

    client = await (await serve(sio)).client(transport)
    await client.connect()

    await client.send('421["first"]', '422["second"]')

    assert await client.receives(2) == ['432["second"]', '431["first"]']


async def test_always_connect_answers_before_the_handler_has_decided(
    serve: Serve, transport: str
) -> None:
    sio: Any = quiet_server(always_connect=True)
    decided = asyncio.Event()

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> bool:
        await decided.wait()
        return auth is not None

    rig = await serve(sio)
    client, refused = await rig.client(transport), await rig.client(transport)

    sid = await client.connect(auth={"token": "right"})
    await refused.connect()
    decided.set()

    assert await refused.receive() == "41"
    await sio.emit("hello", to=sid)
    assert await client.event() == ["hello"]
