"""The event log by long-polling, for where sockets are switched off or blocked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from cyberhub_client.doors import CallerBehind, Door
from cyberhub_client.errors import ApiError
from cyberhub_client.event import Event
from cyberhub_client.inbox import Inbox
from cyberhub_client.timing import Timing

# Below this a network that ends long requests is not worth being polled more gently.
_SHORTEST_WAIT_S = 2.0
# Between a poll that was refused and the next.
_PAUSE_S = 0.25
# These come with the cursor that the poll stood at; they are not in the log.
_EPHEMERAL = frozenset({"auth:expired", "server:draining"})


class UpdatesDoor(Door):
    """`GET /api/updates?after=<cursor>&wait=<seconds>`, one after another."""

    via = "updates"

    def __init__(
        self,
        get: Callable[..., Awaitable[dict[str, Any]]],
        *,
        inbox: Inbox,
        on_event: Callable[[Event, Door], bool],
        timing: Timing,
    ) -> None:
        """`get(path, timeout_s)`."""
        super().__init__()
        self._get = get
        self._inbox = inbox
        self._on_event = on_event
        self._timing = timing
        self._wait_s = timing.poll
        self._task: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._poll(0)
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while True:
                await self._follow()
        except (ApiError, CallerBehind) as error:
            self.fail(error)

    async def _follow(self) -> None:
        self._polling = asyncio.create_task(self._poll(self._wait_s))
        try:
            await asyncio.wait((self._polling,))
            if self._polling.cancelled():
                # To be asked anew.
                return
            self._polling.result()
        except ApiError as error:
            # Some proxies end what takes long, and a server may have too many who wait. A short
            # one tells whether more is wrong.
            self._wait_s = max(_SHORTEST_WAIT_S, self._wait_s / 2)
            await asyncio.sleep(error.retry_after_s or _PAUSE_S)
            await self._poll(0)
        finally:
            self._polling.cancel()

    async def _poll(self, wait_s: float) -> None:
        inbox = self._inbox
        if inbox.cursor is None:
            await self._resync()
            return
        path = f"/api/updates?after={quote(inbox.cursor)}&wait={wait_s:g}"
        try:
            # A wait that the network swallowed must not look like silence for ever.
            answer = await self._get(path, timeout_s=wait_s + self._timing.request)
        except ApiError as error:
            # A cursor that this server cannot read.
            if error.code != "bad_cursor":
                raise
            answer = {"resync": True}
        if answer["resync"]:
            await self._resync()
            return
        for each in answer["events"]:
            name = each["event"]
            cursor = None if name in _EPHEMERAL else each["cursor"]
            if not self._on_event(Event(name, each["data"], cursor), self):
                raise CallerBehind
        inbox.advance(answer["cursor"])

    async def _resync(self) -> None:
        if not await self._inbox.resync():
            raise CallerBehind

    def ask_anew(self) -> None:
        """A poll that waits does so with the token of its beginning."""
        if self._polling is not None:
            self._polling.cancel()

    async def close(self) -> None:
        for task in (self._task, self._polling):
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, (self._task, self._polling)), return_exceptions=True)
