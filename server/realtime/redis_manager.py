"""Several workers tell each other's sockets, through Redis, what is in no log.

python-socketio's Redis manager and its messages, so that other programs with a write-only
`AsyncRedisManager` on the same channel reach our clients. Durable events do not come this way:
each worker reads the log.

Invariants
    Whoever emits never waits for Redis and never fails with it. While Redis is away an event is
    heard by its own worker's clients alone; none comes late.
"""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError
from socketio import AsyncRedisManager

from server.engine import Manager
from server.metrics import REDIS_DROPPED

log = structlog.get_logger(__name__)

CHANNEL = "cyberhub"

# What waits for Redis; only a Redis that hangs lets so much wait.
_MOST_WAITING = 10_000
_AGAIN_S = 1.0
_CONNECT_S = 2.0
# A connection of which nothing more comes, not even its end, is given up after half a minute.
_KEEPALIVE = {
    option: value
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if (option := getattr(socket, name, None)) is not None
}

#: Told of an event from another worker: its name, its audience, its data.
Heard = Callable[[str, str, Any], None]


class RedisManager(AsyncRedisManager):
    """The clients of this worker, and a way to those of the others."""

    def __init__(self, url: str, *, channel: str = CHANNEL) -> None:
        super().__init__(url, channel=channel)
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=_CONNECT_S,
            socket_keepalive=True,
            socket_keepalive_options=_KEEPALIVE,
        )
        self._outgoing: deque[str] = deque()
        self._something_goes = asyncio.Event()
        self._publisher: asyncio.Task[None] | None = None
        self._is_away = False
        #: Who else hears what comes from other workers.
        self.listeners: list[Heard] = []
        #: Set while the others' events are heard.
        self.hears = asyncio.Event()

    def initialize(self) -> None:
        super().initialize()
        self._publisher = asyncio.create_task(self._publish_waiting())

    async def close(self) -> None:
        """Stop hearing and telling; python-socketio leaves that to the process's end."""
        tasks = [task for task in (self._publisher, getattr(self, "thread", None)) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(RedisError, OSError):
            await self._client.aclose()

    # Out.

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str | None = None,
        room: Any = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        *,
        volatile: bool = False,
        **options: Any,
    ) -> None:
        """As python-socketio's; what is `volatile` is so for the others' clients, too."""
        namespace, room = namespace or "/", to or room
        if not volatile:
            await super().emit(event, data, namespace, room, skip_sid, callback, **options)
            return
        await self._emit_here(event, data, namespace, room, skip_sid)
        if isinstance(room, str) and cast(Manager, self).client(room, namespace) is not None:
            # One socket, and it is here.
            return
        await self._publish(
            {
                "method": "emit",
                "event": event,
                "data": [data],
                "namespace": namespace,
                "room": room,
                "skip_sid": skip_sid,
                "host_id": self.host_id,
                "volatile": True,
            }
        )

    async def _emit_here(
        self, event: str, data: Any, namespace: str, room: Any, skip_sid: Any
    ) -> None:
        # Not `super`: the next `emit` in line is python-socketio's, which publishes.
        await Manager.emit(
            cast(Manager, self), event, data, namespace, room, skip_sid, volatile=True
        )

    async def _publish(self, data: Any) -> None:
        if self._is_away or len(self._outgoing) >= _MOST_WAITING:
            REDIS_DROPPED.inc()
            return
        self._outgoing.append(self.json.dumps(data))
        self._something_goes.set()

    async def _publish_waiting(self) -> None:
        while True:
            await self._something_goes.wait()
            self._something_goes.clear()
            while self._outgoing:
                try:
                    await self._client.publish(self.channel, self._outgoing[0])
                except (RedisError, OSError) as error:
                    await self._wait_for_redis(error)
                else:
                    self._outgoing.popleft()

    async def _wait_for_redis(self, error: Exception) -> None:
        """Drop what waits, and all that comes meanwhile: nothing of it is news afterwards."""
        log.warning("redis is away: workers hear their own events only", reason=str(error))
        self._is_away = True
        REDIS_DROPPED.inc(len(self._outgoing))
        self._outgoing.clear()
        while True:
            await asyncio.sleep(_AGAIN_S)
            with contextlib.suppress(RedisError, OSError):
                await cast(Awaitable[bool], self._client.ping())
                break
        self._is_away = False
        log.info("redis is back")

    # In.

    async def _listen(self) -> AsyncIterator[bytes]:
        while True:
            try:
                async with self._client.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(self.channel)
                    self.hears.set()
                    log.info("redis: the other workers' events are heard")
                    async for message in pubsub.listen():
                        yield message["data"]
            except (RedisError, OSError) as error:
                log.warning("redis: the other workers' events are not heard", reason=str(error))
            finally:
                self.hears.clear()
            await asyncio.sleep(_AGAIN_S)

    async def _handle_emit(self, message: Any) -> None:
        if not message.get("volatile"):
            await super()._handle_emit(message)
            return
        event, room, (data,) = message["event"], message["room"], message["data"]
        audience = "all" if room is None else room[0] if isinstance(room, list) else room
        for hear in self.listeners:
            hear(event, audience, data)
        await self._emit_here(event, data, message["namespace"], room, message["skip_sid"])
