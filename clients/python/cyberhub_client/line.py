"""The chain of doors: Socket.IO over WebSocket, Socket.IO over polling, the updates.

One of them is in use; while it is not the best, better ones are looked for, and the one that opens
takes over. All of them lead to one inbox, so a change neither loses nor repeats anything.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from cyberhub_client.backoff import Backoff
from cyberhub_client.doors import CallerBehind, Door, Via
from cyberhub_client.doors.socket import SocketDoor
from cyberhub_client.doors.updates import UpdatesDoor
from cyberhub_client.errors import TOKEN_AT_FAULT, ApiError
from cyberhub_client.inbox import Inbox
from cyberhub_client.indicator import Indicator
from cyberhub_client.race import staggered
from cyberhub_client.timing import Timing

#: The best first.
CHAIN: tuple[Via, ...] = ("websocket", "polling", "updates")
# Where there is nothing better to look for.
_FOR_EVER_S = 1e6

log = logging.getLogger("cyberhub_client")


class Line:
    """Keeps one door open, for as long as `run` is not cancelled."""

    def __init__(
        self,
        make_door: Callable[[Via], Door],
        *,
        only: Via | None,
        inbox: Inbox,
        indicator: Indicator,
        timing: Timing,
        room: Callable[[], Awaitable[None]],
        on_token_refused: Callable[[], Awaitable[None]],
    ) -> None:
        """`room` waits until the caller can be told more."""
        self._make_door = make_door
        self._chain: Sequence[Via] = CHAIN if only is None else (only,)
        self._inbox = inbox
        self._indicator = indicator
        self._timing = timing
        self._room = room
        self._on_token_refused = on_token_refused
        self._retry = Backoff(timing.retry)
        self._climbing = Backoff(timing.climb)
        self._not_before = 0.0
        self._hurry = asyncio.Event()
        # What is over as soon as it has cleaned up.
        self._ending: set[asyncio.Task[Any]] = set()
        #: In use; None while there is none.
        self.door: Door | None = None

    async def run(self) -> None:
        wait_s = 0.0
        try:
            while True:
                door = await self._connect(wait_s)
                began = _now()
                while (better := await self._stay(door)) is not None:
                    door = better
                # One that never stands for long must not be asked for without a pause.
                if _now() - began > self._timing.retry[1]:
                    self._retry.reset()
                wait_s = self._wait_after(door.lost.result())
        finally:
            if self.door is not None:
                self._say_goodbye(self.door)
            while self._ending:
                await asyncio.wait(self._ending)

    def hurry(self) -> None:
        """Try now what would be tried later, unless the server has said when."""
        self._retry.reset()
        self._climbing.reset()
        self._hurry.set()

    def hold_for(self, wait_s: float) -> None:
        """Obey `server:draining` and Retry-After. A share on top, since all were told the same."""
        self._not_before = max(self._not_before, _now() + wait_s * (1 + random.random() / 4))

    # --- Down: one attempt after another ---

    async def _connect(self, wait_s: float) -> Door:
        while True:
            await self._pause(wait_s, self._indicator.down)
            self._indicator.down()
            await self._room()
            try:
                if self._inbox.cursor is None and not await self._inbox.resync():
                    raise CallerBehind
                return await self._first_that_opens()
            except (ApiError, CallerBehind) as problem:
                await self._heed(problem)
                wait_s = self._wait_after(problem)

    def _wait_after(self, problem: Exception) -> float:
        """Seconds; who waits for the caller has waited enough."""
        return 0.0 if isinstance(problem, CallerBehind) else self._retry.next()

    async def _first_that_opens(self) -> Door:
        return await staggered(
            [partial(self._open, via) for via in self._chain],
            delay_s=self._timing.slow,
            discard=self._say_goodbye,
            # The token is judged before the next door is asked with it.
            gives_up=lambda problem: _code(problem) in TOKEN_AT_FAULT
            or isinstance(problem, CallerBehind),
        )

    async def _open(self, via: Via) -> Door:
        """Raises: ApiError, CallerBehind."""
        task = asyncio.current_task()
        assert task is not None
        self._follow(task)
        door = self._make_door(via)
        try:
            await door.open()
            # What happened before is not known: it does not count as open before it is.
            if not door.is_continuous and not await self._inbox.resync():
                raise CallerBehind
        except BaseException as problem:
            self._say_goodbye(door)
            if isinstance(problem, ApiError):
                log.info("%s: %s", via, problem)
            raise
        return door

    async def _pause(self, wait_s: float, show: Callable[[float], None] | None = None) -> None:
        """So long, or until one is in a hurry; in any case as long as the server has said."""
        self._hurry.clear()
        due = _now() + wait_s
        while (left_s := max(due, self._not_before) - _now()) > 0:
            if show is not None:
                show(left_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._hurry.wait()
                    self._hurry.clear()
                    due = 0.0

    # --- Up ---

    async def _stay(self, door: Door) -> Door | None:
        """Gives the better door that takes over; None when this one is lost."""
        self.door = door
        self._indicator.up(door.via)
        climb = asyncio.create_task(self._climb(self._better_than(door)))
        try:
            await asyncio.wait((door.lost, climb), return_when=asyncio.FIRST_COMPLETED)
        finally:
            climb.cancel()
            (better,) = await asyncio.gather(climb, return_exceptions=True)
            self.door = better if isinstance(better, Door) else None
            self._say_goodbye(door)
        if isinstance(better, Exception):
            raise better
        if self.door is None:
            await self._heed(door.lost.result())
        return self.door

    def _better_than(self, door: Door) -> list[Via]:
        better = self._chain[: self._chain.index(door.via)]
        return [via for via in better if via != "websocket" or door.offers_websocket]

    async def _climb(self, better: Sequence[Via]) -> Door:
        """Look for a better door until one opens."""
        self._climbing.reset()
        while True:
            await self._pause(self._climbing.next() if better else _FOR_EVER_S)
            for via in better:
                try:
                    return await self._open(via)
                except (ApiError, CallerBehind) as problem:
                    await self._heed(problem)

    def _say_goodbye(self, door: Door) -> None:
        self._follow(asyncio.create_task(door.close()))

    def _follow(self, task: "asyncio.Task[Any]") -> None:
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _heed(self, problem: Exception) -> None:
        """What a refusal says besides no: when to come again, and that the token is at fault."""
        if isinstance(problem, ApiError) and problem.retry_after_s:
            self.hold_for(problem.retry_after_s)
        if _code(problem) in TOKEN_AT_FAULT:
            await self._on_token_refused()

    # --- The connection that stands ---

    async def renewed(self, user_id: int, token: str) -> None:
        """A fresh token of the same member, for the door in use."""
        door = self.door
        if isinstance(door, UpdatesDoor):
            door.ask_anew()
        elif isinstance(door, SocketDoor):
            if door.is_expiring:
                # It may have lost its rooms meanwhile, and to join them again does not tell
                # what was missed; a new connection does.
                door.fail(ApiError(0, {"error": "the token had expired"}))
                return
            try:
                answer = await door.ask("user:identify", {"userId": user_id, "token": token})
                if answer.get("success") is not True:
                    door.fail(ApiError(0, answer))
            except ApiError as error:
                # A connection that does not answer is worth less than a new one.
                door.fail(error)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _code(problem: Exception) -> str | None:
    return problem.code if isinstance(problem, ApiError) else None
