"""The shared `sio`: python-socketio's server, which can emit inside a transaction."""

import json
import time
from typing import Any

import structlog
from engineio.packet import CLOSE, NOOP, Packet
from socketio import AsyncServer

from events.base import Event
from server.db import Transaction
from server.metrics import COMMIT_TO_DELIVERY, EVENTS_DELIVERED
from server.realtime.log import EventLog, LoggedEvent

log = structlog.get_logger(__name__)

NAMESPACE = "/"


class ClubSio(AsyncServer):
    """`emit` takes an `Event` of the catalogue besides what python-socketio takes.

    A durable event needs the transaction that makes it true, and is delivered by the relay
    after the commit. An ephemeral one is sent at once, at most once.
    """

    def __init__(self, event_log: EventLog, **options: Any) -> None:
        super().__init__(**options)
        self._event_log = event_log

    async def emit(
        self, event: str | Event, *args: Any, tx: Transaction | None = None, **kwargs: Any
    ) -> None:
        """Emit an event of the catalogue, or (as python-socketio does) a name with data.

        Raises: WrongPayload; TypeError for a durable event without its transaction.
        """
        if not isinstance(event, Event):
            await super().emit(event, *args, **kwargs)
        elif event.durable:
            if tx is None:
                raise TypeError(f"{event.wire_name()} is told in the transaction that makes it so")
            self._event_log.append(tx, event)
        else:
            payload = event.payload()
            await self._tell(
                event.wire_name(), event.room(), None if payload is None else json.loads(payload)
            )

    async def deliver(self, event: LoggedEvent) -> None:
        """Send a durable event to this worker's sockets that belong to its audience."""
        await self._tell(event.name, event.audience, event.data)
        delay_s = max(0.0, time.time() - event.at.timestamp())
        COMMIT_TO_DELIVERY.observe(delay_s)

    async def _tell(self, name: str, audience: str, data: Any) -> None:
        room = None if audience == "all" else audience
        sockets = self.room_size(room)
        if sockets:
            await super().emit(name, data, room=room)
        # The last part of a name like balance:updated:7 is an id, which a metric must not hold.
        EVENTS_DELIVERED.labels(name.rstrip("0123456789").rstrip(":")).inc()
        log.info(f"emitted {name} to {audience}, {sockets} socket{'' if sockets == 1 else 's'}")

    async def close_transport(self, sid: str) -> None:
        """Close the connection under a socket; its client reconnects by itself."""
        socket = self.eio.sockets.get(self.manager.eio_sid_from_sid(sid, NAMESPACE))
        if socket is None:
            return
        # A client that polls has to fetch each for itself: it drops what comes in one answer with
        # the end, and once the session is closed no poll is let in.
        if not socket.upgraded:
            await socket.queue.join()
        await socket.send(Packet(CLOSE))
        if not socket.upgraded:
            await socket.queue.join()
        await socket.close(wait=False, abort=True, reason=self.eio.reason.SERVER_DISCONNECT)

    async def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: Any) -> None:
        name, *arguments = data if isinstance(data, list) and data else (None,)
        if not isinstance(name, str) or name == "*" or name in self.reserved_events:
            # The handlers of the socket's own life hang beside those of commands: a client that
            # sends `disconnect` would be taken off the list and keep its rooms for ever. Under
            # a name that nobody has, it is refused as any unknown event is.
            name = f"not a command: {name!r}"
        await super()._handle_event(eio_sid, namespace, id, [name, *arguments])

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        await super()._handle_eio_disconnect(eio_sid, reason)
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None and not socket.upgraded:
            # A poll that waits when its client says goodbye would go on waiting, and some
            # clients with it, until the next ping is due.
            socket.queue.put_nowait(Packet(NOOP))

    def room_size(self, room: str | None) -> int:
        """How many sockets of this worker are in a room; None: all of them."""
        return len(self.manager.rooms.get(NAMESPACE, {}).get(room, ()))
