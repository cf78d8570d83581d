"""What the engine leans on and nobody has promised: one test for each seam of its libraries.

A failure here comes with an upgrade. It says what has moved and which file uses it. Versions are
pinned in setup.cfg, so it is never a surprise.
"""

import asyncio
import configparser
import inspect
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import engineio
import pytest
import socketio
from aiohttp import web
from socketio import async_admin, async_manager, async_pubsub_manager, base_manager

from server.engine import EngineServer, FrontSite, Manager, make_server
from server.engine.manager import adopt
from tests.engine.clients import becomes, soon
from tests.engine.raw_http import RawHttp
from tests.engine.raw_websocket import TEXT, client_frame, handshake
from tests.engine.rig import Rig, quiet_server

ENGINEIO_SERVER = "server/engine/engineio_server.py"
SOCKETIO_SERVER = "server/engine/socketio_server.py"
MANAGER = "server/engine/manager.py"
AIOHTTP_DOOR = "server/engine/aiohttp_door.py"
FRONT = "server/engine/front.py"
EAGER = "server/engine/eager.py"


def moved(what: str, where: str) -> str:
    return f"{what} has moved; {where} leans on it"


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_the_libraries_with_seams_are_pinned_exactly() -> None:
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg")
    required = setup["options"]["install_requires"].split("\n")

    for library in ("aiohttp", "python-socketio", "python-engineio"):
        assert any(line.startswith(f"{library}==") for line in required), library


# python-socketio: the server.


def test_the_engine_io_class_is_chosen_by_a_method() -> None:
    class Chosen(engineio.AsyncServer):
        pass

    class Server(socketio.AsyncServer):
        def _engineio_server_class(self) -> Any:
            return Chosen

    seam = moved("socketio.AsyncServer._engineio_server_class", SOCKETIO_SERVER)
    assert type(Server(async_mode="aiohttp", ping_timeout=7).eio) is Chosen, seam
    assert Server(async_mode="aiohttp", ping_timeout=7).eio.ping_timeout == 7, seam
    assert type(make_server().eio) is EngineServer, seam


@pytest.mark.parametrize("event", ["connect", "message", "disconnect"])
def test_what_comes_from_engine_io_is_registered_by_name(event: str) -> None:
    name = f"_handle_eio_{event}"
    sio = make_server()

    seam = moved(f"eio.on({event!r}, self.{name})", SOCKETIO_SERVER)
    assert sio.eio.handlers[event] == getattr(sio, name), seam


@pytest.mark.parametrize(
    "name, expected",
    [
        ("_handle_eio_connect", ["eio_sid", "environ"]),
        ("_handle_eio_message", ["eio_sid", "data"]),
        ("_handle_eio_disconnect", ["eio_sid", "reason"]),
        ("_handle_connect", ["eio_sid", "namespace", "data"]),
        ("_send_packet", ["eio_sid", "pkt"]),
        ("_trigger_event", ["event", "namespace", "args"]),
        ("_get_event_handler", ["event", "namespace", "args"]),
    ],
)
def test_a_method_that_is_overridden_takes_what_it_took(name: str, expected: list[str]) -> None:
    method = getattr(socketio.AsyncServer, name, None)

    assert method is not None, moved(f"socketio.AsyncServer.{name}", SOCKETIO_SERVER)
    assert parameters(method)[1:] == expected, moved(f"what {name} takes", SOCKETIO_SERVER)


async def test_the_first_session_starts_the_manager_and_its_environ_is_kept() -> None:
    class Started(socketio.AsyncManager):
        started = 0

        def initialize(self) -> None:
            self.started += 1

    manager = Started()
    sio = socketio.AsyncServer(async_mode="aiohttp", client_manager=manager)
    await sio._handle_eio_connect("one", {"a": 1})
    await sio._handle_eio_connect("two", {"b": 2})

    seam = moved("what AsyncServer._handle_eio_connect does", SOCKETIO_SERVER)
    assert manager.started == 1, seam
    assert sio.environ == {"one": {"a": 1}, "two": {"b": 2}}, seam


# python-socketio: the manager.

_ASKED_BY_THE_SERVER = {
    "can_disconnect",
    "close_room",
    "connect",
    "disconnect",
    "emit",
    "enter_room",
    "eio_sid_from_sid",
    "get_namespaces",
    "initialize",
    "is_connected",
    "leave_room",
    "pre_connect",
    "pre_disconnect",
    "rooms",
    "set_server",
    "sid_from_eio_sid",
    "trigger_callback",
    "get_rooms",
}


def test_the_server_takes_the_known_steps_with_its_manager() -> None:
    source = inspect.getsource(socketio.AsyncServer) + inspect.getsource(
        socketio.AsyncServer.__mro__[1]
    )
    asked = set(re.findall(r"self\.manager\.(\w+)", source))

    assert asked <= _ASKED_BY_THE_SERVER, moved(
        f"{asked - _ASKED_BY_THE_SERVER} of the manager is new to the server: who calls it", MANAGER
    )


def test_whatever_reads_the_tables_of_the_manager_is_ours() -> None:
    # Its keys are namespaces here as there.
    as_it_is = {"__init__", "get_namespaces"}
    for kind in (base_manager.BaseManager, async_manager.AsyncManager):
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            reads = re.search(r"self\.(rooms|eio_to_sid|pending_\w+)\b", inspect.getsource(method))
            if reads and name not in as_it_is:
                assert name in vars(Manager), moved(
                    f"{kind.__name__}.{name} reads {reads[0]}, which", MANAGER
                )


def test_the_admin_ui_and_the_other_managers_read_no_more_than_we_keep() -> None:
    source = inspect.getsource(async_admin)
    asked = set(re.findall(r"self\.sio\.manager\.(\w+)", source))

    # Those with two underscores, mangled, and `_timestamps` it puts there itself.
    own = {name for name in asked if name.startswith("_")}
    known = {
        "basic_enter_room",
        "basic_leave_room",
        "eio_sid_from_sid",
        "emit",
        "get_namespaces",
        "get_participants",
        "get_rooms",
        "host_id",
        "rooms",
        "sid_from_eio_sid",
    }
    assert asked - own <= known, moved(f"{asked - own - known} of the manager is", MANAGER)
    assert "self.rooms" not in inspect.getsource(async_pubsub_manager), moved(
        "AsyncPubSubManager without a look into the tables", MANAGER
    )


async def test_other_managers_reach_ours_through_super() -> None:
    class Elsewhere(async_pubsub_manager.AsyncPubSubManager):
        published: list[Any] = []

        async def _publish(self, data: Any) -> None:
            self.published.append(data["method"])

    manager = Elsewhere(write_only=True)
    order = [kind.__name__ for kind in type(adopt(manager)).__mro__]
    seam = moved("AsyncPubSubManager's way to AsyncManager through super()", MANAGER)
    assert order.index("AsyncPubSubManager") < order.index("Manager"), seam
    assert order.index("Manager") < order.index("AsyncManager"), seam

    async with Rig.open(quiet_server(client_manager=manager), "front") as rig:
        client = await rig.client("websocket")
        sid = await client.connect()
        await rig.engine.enter_room(sid, "hall")
        assert manager.rooms["/"]["hall"].sid == sid, seam
        await rig.engine.emit("news", 1, room="hall")
        assert await client.event() == ["news", 1], seam
        await rig.engine.disconnect(sid)
        assert not manager.rooms, seam
    assert manager.published == ["emit"], seam


def test_an_ack_id_is_made_by_the_manager() -> None:
    assert parameters(base_manager.BaseManager._generate_ack_id) == ["self", "sid", "callback"], (
        moved("BaseManager._generate_ack_id", MANAGER)
    )


# python-engineio.


def test_engine_io_keeps_its_options_where_they_are_read() -> None:
    stock = engineio.AsyncServer(async_mode="aiohttp", ping_interval=(3, 1))

    for name in (
        "allow_upgrades",
        "compression_threshold",
        "cookie",
        "cors_allowed_origins",
        "cors_credentials",
        "handlers",
        "http_compression",
        "logger",
        "ping_interval",
        "ping_interval_grace_period",
        "ping_timeout",
        "sockets",
        "transports",
    ):
        assert hasattr(stock, name), moved(f"engineio.AsyncServer.{name}", ENGINEIO_SERVER)
    assert (stock.ping_interval, stock.ping_interval_grace_period) == (3, 1), moved(
        "the grace period of pings", ENGINEIO_SERVER
    )


def test_engine_io_makes_refusals_and_cookies() -> None:
    stock = engineio.AsyncServer(async_mode="aiohttp")

    assert stock._unauthorized("no")["response"] == b'"no"', moved(
        "engineio.AsyncServer._unauthorized", ENGINEIO_SERVER
    )
    cookie = stock._generate_sid_cookie("S", {"name": "io", "path": "/"})
    assert cookie == "io=S; path=/", moved(
        "engineio.AsyncServer._generate_sid_cookie", ENGINEIO_SERVER
    )


async def test_engine_io_finds_a_socket_by_one_method() -> None:
    class Socket:
        upgraded = True
        session = {"name": "player1"}

    class Found(engineio.AsyncServer):
        def _get_socket(self, sid: str) -> Any:
            return Socket

    found = Found(async_mode="aiohttp")
    seam = moved("engineio.AsyncServer._get_socket", ENGINEIO_SERVER)
    assert found.transport("any") == "websocket", seam
    assert await found.get_session("any") == {"name": "player1"}, seam


# aiohttp.


@asynccontextmanager
async def aiohttp_serves(
    handler: Callable[[web.Request], Any],
) -> AsyncIterator[tuple[web.AppRunner, RawHttp]]:
    """aiohttp without the engine, and a connection to it."""
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    http = await RawHttp.open(runner.addresses[0][1])
    try:
        yield runner, http
    finally:
        await http.close()
        await runner.cleanup()


async def test_aiohttp_keeps_what_came_with_an_upgrade() -> None:
    tails: asyncio.Queue[Any] = asyncio.Queue()

    async def handler(request: web.Request) -> web.Response:
        tails.put_nowait(getattr(request.protocol, "_message_tail", None))
        return web.Response()

    first = client_frame(TEXT, b"40")
    async with aiohttp_serves(handler) as (_, http):
        await http.send(handshake("/") + first)

        assert await soon(tails.get()) == first, moved(
            "aiohttp's RequestHandler._message_tail", AIOHTTP_DOOR
        )


async def test_aiohttp_lets_go_of_a_connection_that_is_taken_from_it() -> None:
    class Own(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            taken.write(b"own:" + data)

    class Taken(web.StreamResponse):
        async def prepare(self, request: Any) -> Any:
            return None

        async def write_eof(self, data: Any = b"") -> None:
            return None

    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    taken: asyncio.Transport

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal taken
        protocol: Any = request.protocol
        assert request.transport is not None
        taken = request.transport
        taken.set_protocol(Own())
        protocol.transport = None
        protocol.connection_lost(None)
        taken.write(b"taken;")
        return Taken()

    try:
        async with aiohttp_serves(handler) as (runner, http):
            await http.send(handshake("/"))
            assert runner.server is not None
            server = runner.server
            lets_go = moved("aiohttp's RequestHandler.connection_lost", AIOHTTP_DOOR)
            await becomes(lambda: not server.connections, lets_go)
            await http.send(b"hello")
            read = http.reader.readexactly(len(b"taken;own:hello"))

            # Nothing of aiohttp's is written before it, after it, or in between.
            assert await soon(read) == b"taken;own:hello", moved(
                "aiohttp's RequestHandler.connection_lost, or that a response whose prepare and "
                "write_eof do nothing counts as sent,",
                AIOHTTP_DOOR,
            )
            taken.abort()
        assert not problems, moved("aiohttp's silence about a connection taken", AIOHTTP_DOOR)
    finally:
        asyncio.get_running_loop().set_exception_handler(None)


async def test_a_site_is_built_of_what_tcp_site_keeps() -> None:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="aiohttp's own")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    tcp_site = web.TCPSite(runner, "127.0.0.1", 0, backlog=7, reuse_address=True)
    for name in ("_host", "_port", "_ssl_context", "_backlog", "_reuse_address", "_reuse_port"):
        assert hasattr(tcp_site, name), moved(f"aiohttp's TCPSite.{name}", FRONT)
    try:
        await FrontSite(runner, EngineServer(), "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        assert port, moved("aiohttp's TCPSite._bound_port or BaseSite._server", FRONT)
        http = await RawHttp.open(port)
        response = await http.request("GET", "/")
        await http.close()
        assert response.text == "aiohttp's own", moved(
            "that aiohttp's Server makes a protocol which takes a connection over", FRONT
        )
    finally:
        await runner.cleanup()


# asyncio.


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python has eager tasks of its own")
async def test_asyncio_3_11_lets_us_say_which_task_is_current() -> None:
    seam = moved("asyncio.tasks._enter_task and _leave_task", EAGER)
    loop, current, stand_in = asyncio.get_running_loop(), asyncio.current_task(), object()
    asyncio.tasks._leave_task(loop, current)  # type: ignore[arg-type]
    asyncio.tasks._enter_task(loop, stand_in)  # type: ignore[arg-type]
    seen = asyncio.current_task()
    asyncio.tasks._leave_task(loop, stand_in)  # type: ignore[arg-type]
    asyncio.tasks._enter_task(loop, current)  # type: ignore[arg-type]

    assert seen is stand_in, seam
    waiting = loop.create_future()
    assert next(iter(waiting.__await__())) is waiting
    assert waiting._asyncio_future_blocking, moved("Future._asyncio_future_blocking", EAGER)
