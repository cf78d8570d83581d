"""What a test of a seam says when a library has moved it."""

import inspect
from collections.abc import Callable
from typing import Any

ENGINEIO_SERVER = "server/engine/engineio_server.py"
SOCKETIO_SERVER = "server/engine/socketio_server.py"
MANAGER = "server/engine/manager.py"
AIOHTTP_DOOR = "server/engine/aiohttp_door.py"
FRONT = "server/engine/front.py"
EAGER = "server/engine/eager.py"
CODEC = "server/engine/socketio_packets.py"


def moved(what: str, where: str) -> str:
    return f"{what} has moved; {where} leans on it"


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)
