"""The Socket.IO transport: true to the protocol, bounded, fast. Knows nothing of the club.

    sio = make_server(ping_interval=25, ping_timeout=20, cors_allowed_origins=[...])
    sio.attach(app)                                # an aiohttp application
    await FrontSite(runner, sio.eio, host, port).start()   # or any site of aiohttp's

The public face is python-socketio's `AsyncServer`. How it works: docs/engine.md.
"""

from typing import Any

from server.engine.engineio_server import EngineServer
from server.engine.front import FrontSite
from server.engine.limits import Counters, Limits, Rate
from server.engine.manager import Manager
from server.engine.networks import network_of
from server.engine.origins import SAME_ORIGIN, is_listed
from server.engine.requests import Request
from server.engine.socketio_server import Server

__all__ = [
    "Counters",
    "SAME_ORIGIN",
    "EngineServer",
    "FrontSite",
    "Limits",
    "Manager",
    "Rate",
    "Request",
    "Server",
    "is_listed",
    "make_server",
    "network_of",
]


def make_server(**options: Any) -> Server:
    """A Socket.IO server. Options: python-socketio's, `EngineServer`'s and those of `Limits`."""
    return Server(**options)
