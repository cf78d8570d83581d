"""What the engine leans on and nobody has promised: one test for each seam of its libraries.

A failure here comes with an upgrade. It says what has moved and which file uses it. Versions are
pinned in setup.cfg, so it is never a surprise.
"""

import configparser
import inspect
import re
from pathlib import Path
from typing import Any

import engineio
import pytest
import socketio
from socketio import async_admin, async_manager, async_pubsub_manager, base_manager
from socketio.exceptions import ConnectionRefusedError as Refused

from server.engine import EngineServer, Manager, make_server
from server.engine.manager import adopt
from server.engine.rooms import Rooms
from tests.engine.rig import Rig, quiet_server
from tests.engine.seams import CODEC, ENGINEIO_SERVER, MANAGER, SOCKETIO_SERVER, moved, parameters


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
    stock = socketio.AsyncServer(async_mode="aiohttp")

    seam = moved(f"eio.on({event!r}, self.{name})", SOCKETIO_SERVER)
    assert stock.eio.handlers[event] == getattr(stock, name), seam


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


def test_the_server_keeps_its_options_and_handlers_where_they_are_read() -> None:
    stock = socketio.AsyncServer(async_mode="aiohttp", namespaces=["/"], always_connect=True)
    where = {
        "always_connect": True,
        "environ": {},
        "handlers": {},
        "namespace_handlers": {},
        "namespaces": ["/"],
    }

    for name, value in where.items():
        assert getattr(stock, name, "gone") == value, moved(
            f"socketio.AsyncServer.{name}", SOCKETIO_SERVER
        )
    for name in ("eio", "logger", "manager", "not_handled", "packet_class"):
        assert hasattr(stock, name), moved(f"socketio.AsyncServer.{name}", SOCKETIO_SERVER)
    for name in ("CLIENT_DISCONNECT", "SERVER_DISCONNECT", "TRANSPORT_CLOSE"):
        assert isinstance(getattr(stock.reason, name, None), str), moved(
            f"socketio.AsyncServer.reason.{name}", SOCKETIO_SERVER
        )


def test_a_refusal_says_what_the_client_is_told() -> None:
    seam = moved("socketio.exceptions.ConnectionRefusedError.error_args", SOCKETIO_SERVER)

    assert getattr(Refused("no", {"code": 1}), "error_args", None) == {
        "message": "no",
        "data": {"code": 1},
    }, seam
    assert "message" in Refused().error_args, seam


def test_a_serializer_is_a_packet_class_with_known_fields() -> None:
    packet_class = socketio.AsyncServer(async_mode="aiohttp").packet_class
    seam = moved("what a packet class of python-socketio takes and keeps", CODEC)

    encoded = packet_class(2, data=["say", b"x"], namespace="/hall", id=7).encode()

    text, attachment = encoded
    assert attachment == b"x", seam
    came = packet_class(encoded_packet=text)
    kept = [getattr(came, name, None) for name in ("packet_type", "namespace", "id")]
    assert kept == [5, "/hall", 7], seam
    assert getattr(came, "attachment_count", None) == 1, seam
    assert came.data[0] == "say", seam


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
                assert name in vars(Manager) | vars(Rooms), moved(
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
