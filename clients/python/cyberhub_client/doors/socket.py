"""Socket.IO, once. What came while it was away is asked for by cursor, in `auth.after`.

So nothing of an old connection is needed for a new one, and the `pid` of Socket.IO's connection
state recovery, which python-socketio does not know, is not brought back. `auth.recovery` is asked
for all the same: with it, and only with it, clients in Python are told each event's cursor.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Literal

import aiohttp
import socketio
from engineio.base_client import connected_clients
from socketio.packet import CONNECT, Packet

from cyberhub_client.doors import CallerBehind, Door
from cyberhub_client.errors import ApiError
from cyberhub_client.event import Event
from cyberhub_client.http import Http, refusal
from cyberhub_client.timing import Timing

_SWITCHING_PROTOCOLS = 101
# For the goodbye, which spares the server a session that nobody hears.
_GOODBYE_S = 1.0

# The libraries log packets, and so the token.
log = logging.getLogger("cyberhub_client.socketio")
log.setLevel(logging.ERROR)


class SocketDoor(Door):
    """Socket.IO over one transport.

    One, since python-engineio says nothing to the server before it has tried the way up, and
    where that is swallowed it tries for minutes.
    """

    def __init__(
        self,
        http: Http,
        via: Literal["websocket", "polling"],
        *,
        auth: Callable[[], dict[str, str]],
        on_event: Callable[[Event, Door], bool],
        timing: Timing,
    ) -> None:
        super().__init__()
        self.via = via
        self.is_continuous = False
        #: Whether the server has said that the token ends.
        self.is_expiring = False
        self._url = http.url
        self._auth = auth
        self._on_event = on_event
        self._timing = timing
        self._is_closed = False
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._patience: asyncio.Timeout | None = None
        self._reply: dict[str, Any] = {}
        # What a request was refused with; the library keeps it to itself.
        self._refusal: ApiError | None = None
        self._upgraded: aiohttp.ClientResponse | None = None
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._note_answer)
        self._session = http.new_session(trace_configs=[trace])
        self._sio = socketio.AsyncClient(
            # When to try again is not this connection's affair: there are other doors.
            reconnection=False,
            handle_sigint=False,
            logger=log,
            engineio_logger=log,
            http_session=self._session,
            request_timeout=timing.connect,
            serializer=_listening(self._hear_reply),
        )
        # Plain functions: they run to their end in the order of the packets.
        self._sio.on("connect", self._let_in)
        self._sio.on("connect_error", self._refuse)
        self._sio.on("*", self._hear)

    # --- Opening ---

    async def open(self) -> None:
        try:
            async with asyncio.timeout(self._timing.connect) as self._patience:
                await self._connect()
                await self._opened
        except TimeoutError:
            raise ApiError(0, {"error": "no answer in time", "code": "timeout"}) from None
        finally:
            self._patience = None

    async def _connect(self) -> None:
        auth = self._auth()
        # A server that cannot continue there says so, by `resync`.
        self.is_continuous = "after" in auth
        try:
            await self._sio.connect(
                self._url,
                transports=[self.via],
                auth={**auth, "recovery": True},
                wait=False,
            )
        except Exception as error:
            # Whatever a strange answer does to it, the library lets through.
            if self._opened.done():
                self._opened.result()
            raise self._refusal or ApiError(0, {"error": str(error)}) from error
        self.offers_websocket = self.via == "websocket" or "websocket" in self._sio.eio.upgrades
        # The library's own `disconnect` is not told of every end; this task ends with each.
        self._sio.eio.read_loop_task.add_done_callback(self._ended)

    async def _note_answer(
        self, _session: Any, _context: Any, params: aiohttp.TraceRequestEndParams
    ) -> None:
        if params.response.status == _SWITCHING_PROTOCOLS:
            self._upgraded = params.response
        # The library leaves these unread, and with them the connection.
        if params.method == "POST" or params.response.status >= 300:
            text = await params.response.text(errors="replace")
        if params.response.status >= 300:
            self._refusal = refusal(params.response, text)

    def _hear_reply(self, data: Any) -> None:
        self._reply = data if isinstance(data, dict) else {}

    def _let_in(self) -> None:
        if self._opened.done():
            return
        if "pid" in self._reply:
            self._opened.set_result(None)
        else:
            # Without cursors nobody could say what was missed; /api/updates tells them.
            error = {"error": "the server tells no cursors", "code": "no_recovery"}
            self._opened.set_exception(ApiError(0, error))

    def _refuse(self, *said: Any) -> None:
        if self._opened.done() or not said or not isinstance(said[0], dict):
            return
        data = said[0].get("data")
        code = data.get("code") if isinstance(data, dict) else None
        error = {"error": said[0].get("message"), "code": code}
        self._opened.set_exception(self._refusal or ApiError(0, error))

    # --- What comes ---

    def _hear(self, name: str, *said: Any) -> None:
        if self._is_closed:
            return
        self._be_patient()
        # Durable events end with their cursor, a string; a payload never is one.
        cursor = said[-1] if said and isinstance(said[-1], str) else None
        if name == "resync":
            self.is_continuous = False
            return
        if name == "auth:expired":
            self.is_expiring = True
        data = said[0] if said and said[0] is not cursor else None
        if not self._on_event(Event(name, data, cursor), self):
            self._is_closed = True
            self._fail(CallerBehind())

    def _be_patient(self) -> None:
        # A long replay takes its time; silence does not deserve any.
        if self._patience is not None and not self._patience.expired():
            loop = asyncio.get_running_loop()
            self._patience.reschedule(loop.time() + self._timing.connect)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            task.exception()
        # After the packets that came before the end.
        loop = asyncio.get_running_loop()
        loop.call_soon(self._fail, ApiError(0, {"error": "the connection broke"}))

    def _fail(self, reason: Exception) -> None:
        if not self._opened.done():
            self._opened.set_exception(reason)
        self.fail(reason)

    # --- Asking, leaving ---

    async def ask(self, command: str, data: Any) -> dict[str, Any]:
        """The ack of a command. Raises: ApiError when there is none in time."""
        try:
            answer = await self._sio.call(command, data, timeout=self._timing.ack)
        except socketio.exceptions.SocketIOError as error:
            raise ApiError(0, {"error": "no acknowledgement came"}) from error
        return answer if isinstance(answer, dict) else {}

    async def close(self) -> None:
        self._is_closed = True
        self._fail(ApiError(0, {"error": "closed"}))
        if self._opened.done() and not self._opened.cancelled():
            self._opened.exception()
        eio = self._sio.eio
        # A name is forgotten when its task ends, and this is about to wait.
        tasks = [task for task in (eio.write_loop_task, eio.read_loop_task) if task is not None]
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_GOODBYE_S):
                await eio.disconnect()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Where nobody heard the goodbye, it stays there.
        with contextlib.suppress(ValueError):
            connected_clients.remove(eio)
        if self._upgraded is not None:
            # A WebSocket that fell silent, or never spoke, is left open otherwise.
            self._upgraded.close()
        await self._session.close()


def _listening(hear: Callable[[Any], None]) -> type[Packet]:
    """Packets that show the answer to CONNECT: whether it has a `pid` is the one sign that the
    server tells cursors, and the library keeps only `sid`."""

    class Listening(Packet):  # type: ignore[misc]
        def decode(self, encoded_packet: Any) -> Any:
            attachments = super().decode(encoded_packet)
            if self.packet_type == CONNECT:
                hear(self.data)
            return attachments

    return Listening
