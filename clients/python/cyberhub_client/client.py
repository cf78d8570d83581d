"""The kit's face: puts the parts together and speaks with the caller."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from os import PathLike
from pathlib import Path
from ssl import SSLContext
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cyberhub_client import place
from cyberhub_client.actions import Actions
from cyberhub_client.backoff import Backoff
from cyberhub_client.commands import ROUTES, Route
from cyberhub_client.doors import Door, Via
from cyberhub_client.doors.socket import SocketDoor
from cyberhub_client.doors.updates import UpdatesDoor
from cyberhub_client.errors import ApiError, SignedOut
from cyberhub_client.event import Event
from cyberhub_client.http import Http
from cyberhub_client.inbox import Inbox
from cyberhub_client.indicator import Indicator, State
from cyberhub_client.line import CHAIN, Line
from cyberhub_client.listeners import Listener, Listeners
from cyberhub_client.outbox import Outbox
from cyberhub_client.outlet import Outlet, Reader
from cyberhub_client.place import Place
from cyberhub_client.renewal import Renewal
from cyberhub_client.session import Session, Sessions
from cyberhub_client.snapshot import Snapshot
from cyberhub_client.stream import Stream
from cyberhub_client.timing import Timing

# A place that is a second old costs a second's events told twice after a crash.
_SAVE_EVERY_S = 1.0
# What is told of the connection itself; everything else is an event.
_CONDITIONS = frozenset({"state", "session", "snapshot"})

T = TypeVar("T")

log = logging.getLogger("cyberhub_client")


class Client(Actions):
    """One connection to a club that stays up; to be used with `async with`.

    To enter is to sign in and to load the snapshot. While nobody answers, that is tried again and
    again; `asyncio.timeout` around it sets an end. Raises: ApiError when the club refuses.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        state: str | PathLike[str] | None = None,
        since: str | None = None,
        transport: Via | None = None,
        backlog: int = 10_000,
        timing: Timing = Timing(),
        tls: SSLContext | bool = True,
        routes: Mapping[str, Callable[[dict[str, Any]], Route]] = {},
    ) -> None:
        """Without `username` and `token` it is a visitor, who hears what all hear.

        `state` names a file for the place in the log, so that the next run goes on there; an
        event counts as dealt with when the next one is asked for. `since` is a cursor to begin
        from. `transport` allows one only. No more than `backlog` events wait for the caller.
        """
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"not an http or https address: {url!r}")
        if (username is None) != (password is None):
            raise ValueError("a username and a password come together")
        if transport is not None and transport not in CHAIN:
            raise ValueError(f"transport is one of {', '.join(CHAIN)}")
        self._path = None if state is None else Path(state)
        self._since = since
        self._timing = timing
        self._routes = {**ROUTES, **routes}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._line_task: asyncio.Task[None] | None = None
        self._is_running = False
        self._over: asyncio.Event = asyncio.Event()
        self._ending: Exception | None = None
        self._online = asyncio.Event()
        self._saved: Place | None = None
        self._http = Http(url.rstrip("/"), timeout_s=timing.request, tls=tls)
        self._listeners = Listeners()
        self._heard_by_listeners: Reader | None = None
        self._sessions = Sessions(
            self._http.request,
            token=token,
            username=username,
            password=password,
            on_change=self._session_changed,
        )
        self._renewal = Renewal(self._sessions, timing.renew)
        self._snapshot = Snapshot(
            lambda: self.get("/api/me"),
            on_change=lambda value: self._listeners.tell("snapshot", value),
            on_stale=self._reload_snapshot,
        )
        self._reloading: asyncio.Task[None] | None = None
        self._outlet = Outlet(backlog, self._resync_of_now)
        self._inbox = Inbox(
            tell=self._tell,
            has_room=lambda: self._outlet.has_room,
            load=self._load,
            fresh=lambda cursor: self._outlet.put(Event("resync", self.snapshot, cursor)),
        )
        self._indicator = Indicator(timing.offline, self._show)
        self._outbox = Outbox(self._send, when_online=self.when_online)
        self._line = Line(
            self._make_door,
            only=transport,
            inbox=self._inbox,
            indicator=self._indicator,
            timing=timing,
            room=self._outlet.room,
            on_token_refused=self._renewal.after_refusal,
        )

    # --- Beginning and end ---

    async def __aenter__(self) -> "Client":
        if self._is_running or self._over.is_set():
            raise RuntimeError("a client is entered once")
        self._is_running = True
        try:
            await self._begin()
        except BaseException:
            await self._stop()
            raise
        self._line_task = self._start(self._line.run())
        self._start(self._renewal.run())
        self._start(self._outbox.run())
        if self._path is not None:
            self._start(self._save_now_and_then(self._path))
        if self._heard_by_listeners is not None:
            self._start(self._call_listeners(self._heard_by_listeners))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            # The last event was dealt with; in the middle of an error nobody knows that.
            self._outlet.finish()
        await self._stop()

    async def _begin(self) -> None:
        kept = None if self._path is None else place.read(self._path)
        await self._insistently(self._sessions.begin)
        cursor = await self._insistently(self._load)
        if self._since is not None:
            self._inbox.go_on(self._since)
        elif kept is not None and kept.user_id == self.session.user_id:
            self._saved = kept
            self._inbox.go_on(kept.cursor)
        else:
            self._inbox.begin(cursor)

    async def _insistently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it until it is decided, and show that it is tried."""
        backoff = Backoff(self._timing.retry)
        while True:
            self._indicator.down()
            try:
                return await work()
            except ApiError as error:
                if not error.is_undecided:
                    raise
                wait_s = max(backoff.next(), error.retry_after_s)
                log.info("%s: %s", self._http.url, error)
            self._indicator.down(wait_s)
            await asyncio.sleep(wait_s)

    async def _stop(self) -> None:
        self._is_running = False
        self._over.set()
        self._outlet.close(self._ending)
        self._outbox.drop("The client was closed.")
        self._indicator.stop()
        for task in self._tasks:
            # One that cleans up already must not be disturbed.
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()
        if self._path is not None:
            await self._save(self._path)

    def _start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the client has failed", exc_info=error)
            self._end(error if isinstance(error, Exception) else RuntimeError(str(error)))

    def _end(self, error: Exception) -> None:
        """There is nothing more to hear: whoever listens is told why."""
        self._ending = error
        if self._line_task is not None:
            self._line_task.cancel()
        self._indicator.stop()
        self._show(State("offline"))
        self._outlet.close(error)
        self._over.set()

    async def wait(self) -> None:
        """Until the client is left, for callers who have listeners only. Raises: SignedOut."""
        await self._over.wait()
        if self._ending is not None:
            raise self._ending

    # --- What the caller hears ---

    def events(self, *only: str) -> Stream:
        """Everything that happens from now on, in order, each event once.

        The first stream begins where the client was entered, and one that comes when there is no
        other, where the last one was left. `only` names those that are wanted, as on the wire or
        without the member's id; `resync` always is. Raises: SignedOut, when iterated.
        """
        return Stream(self._outlet.open(), only)

    def on(self, name: str, listener: Listener) -> Callable[[], None]:
        """Have a function, or a coroutine function, called with each event of that name.

        `balance:updated:7` is also heard as `balance:updated`, and everything as `*`; one event
        is done with before the next one is told. `state`, `session` and `snapshot` are told with
        their new value. Gives the function that takes the listener away.
        """
        if name not in _CONDITIONS and self._heard_by_listeners is None:
            self._heard_by_listeners = self._outlet.open()
            if self._line_task is not None:
                self._start(self._call_listeners(self._heard_by_listeners))
        return self._listeners.on(name, listener)

    def off(self, name: str, listener: Listener) -> None:
        self._listeners.off(name, listener)

    async def _call_listeners(self, reader: Reader) -> None:
        try:
            while (event := await reader.next()) is not None:
                await self._listeners.tell_event(event)
        except SignedOut:
            # `wait` and the streams say so.
            pass

    @property
    def state(self) -> State:
        return self._indicator.state if self._ending is None else State("offline")

    @property
    def session(self) -> Session:
        return self._sessions.now

    @property
    def snapshot(self) -> dict[str, Any] | None:
        """What `GET /api/me` answers, kept true by the events; None for a visitor."""
        return self._snapshot.value

    @property
    def cursor(self) -> str | None:
        """Up to here the caller has dealt with everything."""
        return self._inbox.cursor if self._outlet.is_idle else self._outlet.position

    def retry(self) -> None:
        """Try again now instead of when it is due."""
        self._line.hurry()

    # --- Who is signed in ---

    async def set_token(self, token: str) -> None:
        """Go on with a token from elsewhere; with another member's, begin anew as that member.

        Raises: ApiError when the club refuses it.
        """
        answer = await self._http.request("GET", "/api/me", token=token)
        user_id = answer["user"]["id"]
        if user_id == self.session.user_id:
            self._sessions.replace(token, user_id)
            return
        if self._line_task is not None:
            self._line_task.cancel()
            await asyncio.gather(self._line_task, return_exceptions=True)
        self._outbox.drop("Somebody else is signed in.")
        self._inbox.forget()
        self._outlet.clear()
        self._snapshot.show(None)
        self._sessions.replace(token, user_id)
        self._line_task = self._start(self._line.run())

    def _session_changed(self, session: Session) -> None:
        self._listeners.tell("session", session)
        if session.ended:
            assert self._sessions.refusal is not None
            self._end(SignedOut(self._sessions.refusal))
        elif session.token is not None and session.user_id is not None:
            self._start(self._line.renewed(session.user_id, session.token))

    # --- Snapshot and place ---

    async def _load(self) -> str:
        """The snapshot of whoever is signed in; gives the cursor it stands at."""
        if self.session.token is None:
            return str((await self.get("/api/updates"))["cursor"])
        cursor = await self._snapshot.load()
        assert self.snapshot is not None
        self._sessions.belongs_to(self.snapshot["user"]["id"])
        return cursor

    def _reload_snapshot(self) -> None:
        # One that is under way looks itself whether something went by.
        if self._reloading is None or self._reloading.done():
            self._reloading = self._start(self._refresh())

    async def _refresh(self) -> None:
        try:
            await self.eventually(self._snapshot.refresh)
        except ApiError as error:
            # What is decided against it is told elsewhere.
            log.info("the snapshot was not loaded: %s", error)

    def _resync_of_now(self) -> Event:
        return Event("resync", self.snapshot, self._inbox.cursor)

    async def _save_now_and_then(self, path: Path) -> None:
        while True:
            await asyncio.sleep(_SAVE_EVERY_S)
            await self._save(path)

    async def _save(self, path: Path) -> None:
        if self.cursor is None:
            return
        now = Place(self.cursor, self.session.user_id)
        if now == self._saved:
            return
        try:
            await asyncio.to_thread(place.write, path, now)
        except OSError as error:
            log.warning("the place was not saved: %s", error)
        else:
            self._saved = now

    # --- What comes ---

    def _make_door(self, via: Via) -> Door:
        if via == "updates":
            return UpdatesDoor(
                self.get, inbox=self._inbox, on_event=self._take, timing=self._timing
            )
        return SocketDoor(
            self._http, via, auth=self._auth, on_event=self._take, timing=self._timing
        )

    def _auth(self) -> dict[str, str]:
        said = {"token": self.session.token, "after": self._inbox.cursor}
        return {name: each for name, each in said.items() if each is not None}

    def _take(self, event: Event, door: Door) -> bool:
        # Of two doors, both tell what is in the log, and the inbox takes it once. The rest has no
        # place in an order, and only the door in use is asked.
        if event.cursor is None and door is not self._line.door:
            return True
        return self._inbox.take(event)

    def _tell(self, event: Event) -> None:
        if event.name == "server:draining":
            self._line.hold_for(event.data["reconnectInMs"] / 1000)
        if event.name == "auth:expired":
            self._start(self._renewal.now())
        self._snapshot.apply(event)
        self._outlet.put(event)

    def _show(self, state: State) -> None:
        if state.name == "online":
            self._online.set()
        else:
            self._online.clear()
        self._listeners.tell("state", state)
