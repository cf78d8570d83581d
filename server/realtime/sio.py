"""The shared `sio`: python-socketio's server, which can emit inside a transaction."""

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import structlog

from events.base import Event
from server.db import Transaction
from server.engine import Server
from server.identity import rooms_that_hear
from server.metrics import COMMIT_TO_DELIVERY, EVENTS_DELIVERED
from server.realtime.log import EventLog, LoggedEvent
from server.realtime.redis_manager import RedisManager

log = structlog.get_logger(__name__)

NAMESPACE = "/"


class ClubSio(Server):
    """`emit` takes an `Event` of the catalogue besides what python-socketio takes.

    A durable event needs the transaction that makes it true, and is delivered by the relay
    after the commit. An ephemeral one is sent at once, at most once; by `redis`, if there is
    one, to the clients of the other workers, too.
    """

    def __init__(
        self, event_log: EventLog, *, redis: RedisManager | None = None, **options: Any
    ) -> None:
        super().__init__(client_manager=redis, **options)
        self.redis = redis
        self._event_log = event_log
        #: Who else is told of ephemeral events.
        self.listeners: list[Callable[[Event], None]] = []

    def start(self) -> None:
        """Hear the other workers, also before there is a socket here."""
        if self.redis is not None and not self.manager_initialized:
            self.manager_initialized = True
            self.redis.initialize()

    async def stop(self) -> None:
        if self.redis is not None:
            await self.redis.close()

    async def emit(
        self, event: str | Event, *args: Any, tx: Transaction | None = None, **kwargs: Any
    ) -> None:
        """Emit an event of the catalogue, or (as python-socketio does) a name with data.

        `skip_sid`: the one socket that need not be told of an ephemeral event.
        Raises: WrongPayload; TypeError for a durable event without its transaction.
        """
        if not isinstance(event, Event):
            await super().emit(event, *args, **kwargs)
        elif event.durable:
            if tx is None:
                raise TypeError(f"{event.wire_name()} is told in the transaction that makes it so")
            self._event_log.append(tx, event)
        else:
            for tell in self.listeners:
                tell(event)
            payload = event.payload()
            data = None if payload is None else json.loads(payload)
            skip_sid = kwargs.get("skip_sid")
            name, room = event.wire_name(), event.room()
            await self._tell(name, room, data, volatile=True, skip_sid=skip_sid)

    async def deliver(self, event: LoggedEvent) -> None:
        """Send a durable event to this worker's sockets that belong to its audience."""
        await self._tell(event.name, event.audience, event.data, offset=str(event.cursor))
        delay_s = max(0.0, time.time() - event.at.timestamp())
        COMMIT_TO_DELIVERY.observe(delay_s)

    async def _tell(
        self,
        name: str,
        audience: str,
        data: Any,
        *,
        volatile: bool = False,
        offset: str | None = None,
        skip_sid: str | None = None,
    ) -> None:
        rooms = rooms_that_hear(audience)
        room = None if audience == "all" else rooms[0] if len(rooms) == 1 else rooms
        sockets = self.room_size(room)
        if sockets or (volatile and self.redis is not None):
            await super().emit(
                name, data, room=room, volatile=volatile, offset=offset, skip_sid=skip_sid
            )
        # The last part of a name like balance:updated:7 is an id, which a metric must not hold.
        EVENTS_DELIVERED.labels(name.rstrip("0123456789").rstrip(":")).inc()
        log.info(f"emitted {name} to {audience}, {sockets} socket{'' if sockets == 1 else 's'}")

    def enter(self, sid: str, room: str) -> None:
        """Put a socket into a room, with no await."""
        self.manager.basic_enter_room(sid, NAMESPACE, room)

    def leave(self, sid: str, room: str) -> None:
        """Take a socket out of a room, with no await."""
        self.manager.basic_leave_room(sid, NAMESPACE, room)

    def together(self) -> contextlib.AbstractContextManager[None]:
        """Deliver several events, nothing else being done meanwhile, with one write a socket."""
        together: contextlib.AbstractContextManager[None] = self.manager.together()
        return together

    def sids(self, room: str) -> list[str]:
        """The sockets of this worker that are in a room."""
        return [sid for sid, _ in self.manager.get_participants(NAMESPACE, room)]

    def room_size(self, room: str | tuple[str, ...] | None) -> int:
        """How many sockets of this worker are in a room, or any of several; None: all of them."""
        return int(self.manager.size(NAMESPACE, room))

    def buffered(self, sid: str) -> int:
        """How many bytes wait for a socket."""
        session = self.eio.sockets.get(self.manager.eio_sid_from_sid(sid, NAMESPACE))
        return session.buffered if session is not None else 0
