"""Our engine with recovery on: each client has a pid, each event its place in a log."""

import itertools
import secrets
from collections.abc import Coroutine
from typing import Any

import socketio
from aiohttp import web

from bench.engine.peers.python_app import BACKLOG, Serve, run
from server.engine import FrontSite, Server

_EPOCH = "368ef470"


class _Newcomers:
    """The part of a log that clients meet who do not return."""

    enabled = True

    async def examine(self, auth: Any, *, recovers: bool) -> None:
        return None

    def open(self, sid: str, *, recovers: bool) -> str:
        return f"{_EPOCH}.0.{sid}.{secrets.token_urlsafe(22)}"

    async def resume(self, sid: str, ticket: Any, *, recovers: bool) -> Any:
        raise AssertionError("nobody has a ticket")

    def ended(self, pid: str) -> None:
        pass


class _Numbered(Server):
    """Gives every event a place."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._places = itertools.count(1_000_000)

    def emit(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        return super().emit(*args, offset=f"{_EPOCH}.{next(self._places)}", **kwargs)


def _make() -> tuple[socketio.AsyncServer, Serve]:
    sio = _Numbered(recovery=_Newcomers(), keep_environ=False)

    async def serve(runner: web.AppRunner) -> int:
        await FrontSite(runner, sio.eio, host="127.0.0.1", port=0, backlog=BACKLOG).start()
        port: int = runner.addresses[0][1]
        return port

    return sio, serve


run(_make)
