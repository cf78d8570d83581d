"""Long-polling: what waits for the next GET, and the GET that waits for something."""

import asyncio
import gzip
from collections.abc import Callable
from typing import TYPE_CHECKING

from server.engine.packets import NOOP, PING_FRAME, SEPARATOR, Message
from server.engine.requests import BAD_REQUEST, Exchange, Response, Waiter, error

if TYPE_CHECKING:
    from server.engine.session import Session
    from server.engine.upgrade import Upgrade

# python-engineio's client takes an answer with more packets for an attack, and is gone.
_MOST_FOR_PYTHON = 16

# How long a poll without anything to tell waits while its client tries a WebSocket.
_PROBING_POLL_S = 0.1

_OK = Response(200, b"ok")
_BAD = error(400, BAD_REQUEST)
_GZIPPED = (("Content-Encoding", "gzip"),)


class Polling(Waiter):
    """The long-polling half of a session: at most one GET and one POST at a time."""

    __slots__ = (
        "_buffer",
        "_gzip",
        "_post",
        "_python",
        "_session",
        "_timer",
        "_waiting",
        "buffered",
    )

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._buffer: list[Message | bytes] = []
        #: Bytes that wait for the next GET.
        self.buffered = 0
        self._waiting: Exchange | None = None
        self._gzip = False
        self._python = False
        self._post: Exchange | None = None
        self._timer: asyncio.TimerHandle | None = None

    # The GET.

    def get(self, exchange: Exchange) -> bool:
        """Answer now or when there is something. False: another GET waits already."""
        if self._waiting is not None:
            return False
        accepted = exchange.request.headers.get("accept-encoding", "")
        self._gzip = self._session.server.http_compression and "gzip" in accepted
        self._python = exchange.request.is_from_python
        self._waiting = exchange
        if self._buffer:
            self.flush()
        else:
            exchange.parked(self)
            upgrade = self._session.upgrade
            if upgrade is not None and upgrade.probed:
                self._end_for(upgrade)
        return True

    def send(self, message: Message | bytes) -> None:
        """Tell with the next answer."""
        if self._waiting is not None and self._waiting.gone:
            # aiohttp does not say so by itself.
            self.exchange_lost(self._waiting)
            return
        self._buffer.append(message)
        self.buffered += _size(message)
        if self._waiting is not None:
            self.flush()

    def flush(self) -> None:
        """Answer the GET that waits with everything there is, as far as its client can take it."""
        taken, self._buffer = self._buffer, []
        if self._python:
            taken, self._buffer = _parted_for_python(taken)
        self.buffered = sum(map(_size, self._buffer))
        self._answer(SEPARATOR.join(map(_polled, taken)))

    def _end_for(self, upgrade: "Upgrade") -> None:
        # The client waits for its last poll to end, and then changes to the WebSocket. It polls
        # again only if the answer to its probe is late, or never comes.
        if upgrade.ends_poll():
            self.end(NOOP)
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_PROBING_POLL_S, self.end, NOOP)

    def end(self, packet: str) -> None:
        """Answer the GET that waits, if there is one, with this packet."""
        if self._waiting is not None:
            self._answer(packet.encode())

    def _answer(self, body: bytes) -> None:
        if self._gzip and len(body) >= self._session.server.compression_threshold:
            body = gzip.compress(body, compresslevel=1)
            self._respond(Response(200, body, headers=_GZIPPED))
        else:
            self._respond(Response(200, body))

    def _respond(self, response: Response) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        exchange, self._waiting = self._waiting, None
        assert exchange is not None
        exchange.respond(response)

    def exchange_lost(self, exchange: Exchange) -> None:
        if exchange is self._waiting:
            # For nobody; but at aiohttp's door a handler still waits for it.
            self._respond(_BAD)
            self._session.poll_lost()

    @property
    def waiting(self) -> bool:
        """Whether a GET waits; then nothing is buffered."""
        return self._waiting is not None

    # The POST.

    @property
    def posting(self) -> bool:
        return self._post is not None

    def hold_post(self, exchange: Exchange) -> None:
        """Answer the POST only when the session has room for more."""
        self._post = exchange

    def pause_reading(self) -> None:
        """The next POST comes after the answer to this one."""

    def resume_reading(self) -> None:
        self._answer_post(_OK)

    def refuse_post(self) -> None:
        """What was posted cannot be understood."""
        self._answer_post(_BAD)

    def _answer_post(self, response: Response) -> None:
        exchange, self._post = self._post, None
        if exchange is not None:
            exchange.respond(response)

    # The end.

    def drain(self, write: Callable[[bytes], None]) -> None:
        """The session goes on over a WebSocket: write there what waits here."""
        self.end(NOOP)
        self.resume_reading()
        for each in self._buffer:
            # What is no message can only be a PING: the session goes on.
            write(each.frames if isinstance(each, Message) else PING_FRAME)
        self._buffer = []

    def close(self, packet: str, *, for_good: bool) -> None:
        """The session is over: nobody is left waiting.

        `for_good`: the client is not to come back by itself.
        """
        if self._waiting is not None and self._python and not for_good:
            # python-engineio's client takes CLOSE for being thrown out, and an error for a
            # reason to come back.
            self._respond(Response(503, b"come back"))
        self.end(packet)
        self.resume_reading()


def _polled(packet: Message | bytes) -> bytes:
    return packet if isinstance(packet, bytes) else packet.polled


def _size(packet: Message | bytes) -> int:
    return len(_polled(packet))


def _parted_for_python(
    packets: list[Message | bytes],
) -> tuple[list[Message | bytes], list[Message | bytes]]:
    """What of these python-engineio's client takes in one answer, and the rest."""
    room = _MOST_FOR_PYTHON
    for number, packet in enumerate(packets):
        parts = (packet,) if isinstance(packet, bytes) else packet.parts
        if len(parts) > room:
            # The parts of one message may come in several answers.
            first, rest = Message(*parts[:room]), Message(*parts[room:])
            now = [*packets[:number], first] if room else packets[:number]
            return now, [rest, *packets[number + 1 :]]
        room -= len(parts)
    return packets, []
